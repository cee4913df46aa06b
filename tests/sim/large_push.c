#include "tests/sim/large_push.h"

#include <string.h>

static uint8_t *put(uint8_t *at, const void *bytes, size_t size)
{
    memcpy(at, bytes, size);
    return at + size;
}

size_t large_push(const char *serial, size_t octets, uint8_t *out)
{
    static const uint8_t head[] = {0x0f, 0, 0, 0, 1, 0, 2, 2, 9, 4};
    const size_t body = LARGE_PUSH_REST - 8 + octets;
    const uint8_t wrapper[] = {0, 1, 0, 0x67, 0, 0x66, (uint8_t)(body >> 8), (uint8_t)body};
    const uint8_t length[] = {9, 0x82, (uint8_t)(octets >> 8), (uint8_t)octets};
    uint8_t *at = put(out, wrapper, sizeof wrapper);

    at = put(at, head, sizeof head);
    at = put(at, serial, 4);
    at = put(at, length, sizeof length);
    return (size_t)(at - out) + octets;
}
