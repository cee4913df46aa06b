/* A push of any size: a DLMS DataNotification in a wrapper of IEC 62056-47, {serial, octets}. */
#ifndef CENCD_TESTS_SIM_LARGE_PUSH_H
#define CENCD_TESTS_SIM_LARGE_PUSH_H

#include <stddef.h>
#include <stdint.h>

#define LARGE_PUSH_REST 26u /* bytes beside the octets */

/* serial: four characters. The octets, at most 65500, stay as they are in out, which has room for
 * LARGE_PUSH_REST more. Returns the size of the whole. */
size_t large_push(const char *serial, size_t octets, uint8_t *out);

#endif
