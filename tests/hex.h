/* Bytes written as hex in tests: "7EA0 07". */
#ifndef CENCD_TESTS_HEX_H
#define CENCD_TESTS_HEX_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline int hex_digit(char character)
{
    const char *digits = "0123456789abcdef0123456789ABCDEF";
    const char *found = character == '\0' ? NULL : strchr(digits, character);

    return found == NULL ? -1 : (int)((found - digits) % 16);
}

/* Writes the bytes to out and returns their number; spaces are passed over. A test with anything
 * else in its hex, or with more than capacity bytes, is wrong and aborts. */
static inline size_t hex_bytes(const char *text, uint8_t *out, size_t capacity)
{
    size_t size = 0;

    while (*text != '\0') {
        if (*text == ' ') {
            text++;
            continue;
        }
        if (size == capacity || hex_digit(text[0]) < 0 || hex_digit(text[1]) < 0) {
            (void)fprintf(stderr, "bad hex at \"%s\"\n", text);
            abort();
        }
        out[size++] = (uint8_t)(hex_digit(text[0]) * 16 + hex_digit(text[1]));
        text += 2;
    }
    return size;
}

#endif
