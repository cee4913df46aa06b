#include "server/ops/plain_text.h"

#include <string.h>

static const char digits[] = "0123456789abcdef";

/* Length of the UTF-8 character at bytes, 0 if there is none that is valid and complete. */
static size_t character_length(const uint8_t *bytes, size_t size)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = bytes[0] < 0x80   ? 1
                    : bytes[0] < 0xc2 ? 0
                    : bytes[0] < 0xe0 ? 2
                    : bytes[0] < 0xf0 ? 3
                    : bytes[0] < 0xf5 ? 4
                                      : 0;

    if (length <= 1 || length > size)
        return length > size ? 0 : length;
    uint32_t code = bytes[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (bytes[i] & 0x3fu);
    }
    if (code < smallest[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return 0;
    return length;
}

/* Control characters, also those of two bytes (U+0080 to U+009F), and the escape itself. */
static int needs_escape(const uint8_t *bytes, size_t length)
{
    if (length == 1)
        return bytes[0] < 0x20 || bytes[0] == 0x7f || bytes[0] == '\\';
    return length == 0 || (bytes[0] == 0xc2 && bytes[1] < 0xa0);
}

char *plain_text(const uint8_t *bytes, size_t size, char *out)
{
    char *to = out;

    for (size_t at = 0; at < size;) {
        size_t length = character_length(bytes + at, size - at);
        if (needs_escape(bytes + at, length)) {
            *to++ = '\\';
            *to++ = 'x';
            *to++ = digits[bytes[at] >> 4];
            *to++ = digits[bytes[at] & 15];
            at++;
        } else {
            memcpy(to, bytes + at, length);
            to += length;
            at += length;
        }
    }
    *to = '\0';
    return out;
}

char *hex_text(const uint8_t *bytes, size_t size, char *out)
{
    for (size_t i = 0; i < size; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * size] = '\0';
    return out;
}
