/* Bytes of any kind as text that every reader can take. Pure functions. */
#ifndef CENCD_OPS_PLAIN_TEXT_H
#define CENCD_OPS_PLAIN_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* What size bytes may need, with NUL. */
#define PLAIN_TEXT_SIZE(size) (4 * (size) + 1)
#define HEX_TEXT_SIZE(size)   (2 * (size) + 1)

/* Valid UTF-8 stays; control bytes, backslashes and bytes that are no UTF-8 become \xNN, so that
 * the bytes can be told from the text. Returns out. */
char *plain_text(const uint8_t *bytes, size_t size, char *out);

/* Two small hexadecimal digits for each byte. Returns out. */
char *hex_text(const uint8_t *bytes, size_t size, char *out);

#endif
