/* Text for `string` fields. protobuf-c doesn't check that they hold UTF-8, and one that doesn't
 * would stop consumers in other languages for ever. So what a device, a peer or a file says goes
 * through proto_text first, and proto_pack refuses what didn't. */
#ifndef CENCD_CODEC_PROTO_TEXT_H
#define CENCD_CODEC_PROTO_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/result.h"

/* Room that proto_text needs for size bytes, with the NUL, if each must be rewritten. */
#define PROTO_TEXT_SIZE(size) ((size)*4u + 1u)

/* Writes data as printable UTF-8 with a NUL: control characters, what turns the direction of
 * writing, bytes that are no UTF-8, and the backslash become \xHH for each byte. What doesn't fit
 * is cut after a whole character. capacity > 0. True if out holds the bytes of data as they are;
 * otherwise something was rewritten or cut. */
bool proto_text(const void *data, size_t size, char *out, size_t capacity);

/* Back to the bytes that proto_text was given: \xHH becomes a byte, all else stays as it is. Writes
 * at most capacity bytes, no NUL; returns how many there are in all. */
size_t proto_text_undo(const char *text, uint8_t *out, size_t capacity);

/* The length of the first character, and what it is; 0 if there is none in UTF-8 (RFC 3629). */
size_t proto_utf8_decode(const uint8_t *data, size_t size, uint32_t *character);

bool proto_utf8_valid(const void *data, size_t size);

/* protobuf-c has `char *` where it only reads. */
static inline char *proto_string(const char *text)
{
    return (char *)text;
}

#endif
