#include "server/base/log_quote.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "server/base/check.h"
#include "server/base/log.h"

/* Length of the valid UTF-8 character at text, 0 if it is none. */
static size_t utf8_length(const uint8_t *text)
{
    static const struct {
        uint8_t mask, lead;
        uint32_t minimum;
    } forms[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if ((text[0] & forms[i].mask) != forms[i].lead)
            continue;
        uint32_t code = text[0] & (uint8_t)~forms[i].mask;
        for (size_t k = 1; k <= i; k++) {
            if ((text[k] & 0xc0) != 0x80) /* also stops at the terminating NUL */
                return 0;
            code = code << 6 | (text[k] & 0x3f);
        }
        bool is_surrogate = code >= 0xd800 && code <= 0xdfff;
        return code < forms[i].minimum || code > 0x10ffff || is_surrogate ? 0 : i + 1;
    }
    return 0;
}

/* Control bytes, also those that UTF-8 writes as two bytes (U+0080..U+009F). */
static bool is_control(const uint8_t *text)
{
    return text[0] < 0x20 || text[0] == 0x7f || (text[0] == 0xc2 && text[1] < 0xa0);
}

static bool needs_quotes(const char *text)
{
    const uint8_t *at = (const uint8_t *)text;

    if (*at == '\0')
        return true;
    while (*at != '\0') {
        size_t length = utf8_length(at);
        if (length == 0 || is_control(at) || strchr(" \"=\\", *at) != NULL)
            return true;
        at += length;
    }
    return false;
}

/* Writes one character as it stands within quotes; returns the bytes taken from text. */
static size_t escape(const uint8_t *text, char piece[static 8], size_t *piece_size)
{
    size_t length = utf8_length(text);

    if (length == 0 || is_control(text)) {
        *piece_size = (size_t)snprintf(piece, 8, "\\x%02x", text[0]);
        return 1;
    }
    if (*text == '"' || *text == '\\') {
        piece[0] = '\\';
        piece[1] = (char)*text;
        *piece_size = 2;
        return 1;
    }
    memcpy(piece, text, length);
    *piece_size = length;
    return length;
}

char *log_quote_always(const char *text, char *out, size_t out_size)
{
    const uint8_t *at = (const uint8_t *)text;
    size_t size = 0;

    CHECK(out_size >= 3);
    out[size++] = '"';
    while (*at != '\0') {
        char piece[8];
        size_t piece_size;
        size_t taken = escape(at, piece, &piece_size);

        if (size + piece_size + 2 > out_size)
            break;
        memcpy(out + size, piece, piece_size);
        size += piece_size;
        at += taken;
    }
    out[size++] = '"';
    out[size] = '\0';
    return out;
}

char *log_quote(const char *text, char *out, size_t out_size)
{
    if (out_size == 0)
        return out;
    if (needs_quotes(text)) {
        if (out_size >= 3)
            return log_quote_always(text, out, out_size);
        out[0] = '\0';
        return out;
    }
    size_t size = 0;
    while (text[size] != '\0') {
        size_t length = utf8_length((const uint8_t *)text + size);
        if (size + length >= out_size)
            break;
        memcpy(out + size, text + size, length);
        size += length;
    }
    out[size] = '\0';
    return out;
}
