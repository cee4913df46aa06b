#include "codec/proto/text.h"

#include <string.h>

/* Sequences by the first byte; the second byte's range shuts out overlong forms, surrogates and
 * what lies beyond U+10FFFF. Later bytes are 80..BF. */
static const struct {
    uint8_t first;
    uint8_t last;
    uint8_t size;
    uint8_t second_first;
    uint8_t second_last;
} sequences[] = {
    {0x00, 0x7f, 1, 0, 0},       {0xc2, 0xdf, 2, 0x80, 0xbf}, {0xe0, 0xe0, 3, 0xa0, 0xbf},
    {0xe1, 0xec, 3, 0x80, 0xbf}, {0xed, 0xed, 3, 0x80, 0x9f}, {0xee, 0xef, 3, 0x80, 0xbf},
    {0xf0, 0xf0, 4, 0x90, 0xbf}, {0xf1, 0xf3, 4, 0x80, 0xbf}, {0xf4, 0xf4, 4, 0x80, 0x8f},
};

#define SEQUENCES (sizeof(sequences) / sizeof(sequences[0]))

size_t proto_utf8_decode(const uint8_t *data, size_t size, uint32_t *character)
{
    static const uint8_t first_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    size_t row = 0;

    if (size == 0) {
        return 0;
    }
    while (row < SEQUENCES &&
           !(data[0] >= sequences[row].first && data[0] <= sequences[row].last)) {
        row++;
    }
    if (row == SEQUENCES || size < sequences[row].size) {
        return 0;
    }
    *character = data[0] & first_bits[sequences[row].size];
    for (size_t i = 1; i < sequences[row].size; i++) {
        uint8_t lowest = i == 1 ? sequences[row].second_first : 0x80;
        uint8_t highest = i == 1 ? sequences[row].second_last : 0xbf;

        if (data[i] < lowest || data[i] > highest) {
            return 0;
        }
        *character = *character << 6 | (data[i] & 0x3fu);
    }
    return sequences[row].size;
}

/* How many of the first bytes are ASCII for certain, eight at a time. */
static size_t ascii_run(const uint8_t *bytes, size_t size)
{
    size_t count = 0;
    uint64_t word;

    for (; size - count >= sizeof(word); count += sizeof(word)) {
        memcpy(&word, bytes + count, sizeof(word));
        if ((word & 0x8080808080808080u) != 0) {
            break;
        }
    }
    return count;
}

bool proto_utf8_valid(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    uint32_t character;

    for (size_t at = ascii_run(bytes, size); at < size;) {
        size_t length = bytes[at] < 0x80 ? 1 : proto_utf8_decode(bytes + at, size - at, &character);

        if (length == 0) {
            return false;
        }
        at += length;
    }
    return true;
}

/* Characters that a terminal or a page would act upon instead of showing them. */
static bool is_printable(uint32_t character)
{
    static const struct {
        uint32_t first;
        uint32_t last;
    } hidden[] = {
        {0x00, 0x1f},     {'\\', '\\'},     {0x7f, 0x9f},     {0x200b, 0x200f},
        {0x2028, 0x202e}, {0x2060, 0x206f}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb},
    };

    for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
        if (character >= hidden[i].first && character <= hidden[i].last) {
            return false;
        }
    }
    return true;
}

static void put_escaped(char *out, const uint8_t *bytes, size_t count)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < count; i++) {
        out[4 * i] = '\\';
        out[4 * i + 1] = 'x';
        out[4 * i + 2] = digits[bytes[i] >> 4];
        out[4 * i + 3] = digits[bytes[i] & 0x0f];
    }
}

/* How many of the first bytes are characters of ASCII that stand for themselves: nearly always all.
 */
static size_t plain_run(const uint8_t *bytes, size_t size)
{
    size_t count = 0;

    while (count < size && bytes[count] >= 0x20 && bytes[count] < 0x7f && bytes[count] != '\\') {
        count++;
    }
    return count;
}

bool proto_text(const void *data, size_t size, char *out, size_t capacity)
{
    const uint8_t *bytes = data;
    size_t written = 0;
    bool same = true;

    CODEC_CHECK(capacity > 0);
    size_t at = plain_run(bytes, size < capacity - 1 ? size : capacity - 1);
    if (at > 0) {
        memcpy(out, bytes, at);
        written = at;
    }
    while (at < size) {
        uint32_t character = 0;
        size_t length = proto_utf8_decode(bytes + at, size - at, &character);
        bool shown = length > 0 && is_printable(character);
        size_t taken = length > 0 ? length : 1;
        size_t needed = shown ? taken : 4 * taken;

        if (needed >= capacity - written) {
            break;
        }
        if (shown) {
            memcpy(out + written, bytes + at, taken);
        } else {
            put_escaped(out + written, bytes + at, taken);
            same = false;
        }
        written += needed;
        at += taken;
    }
    out[written] = '\0';
    return same && at == size;
}

static int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    if (digit >= 'A' && digit <= 'F') {
        return digit - 'A' + 10;
    }
    return -1;
}

size_t proto_text_undo(const char *text, uint8_t *out, size_t capacity)
{
    size_t count = 0;

    while (*text != '\0') {
        int high = text[0] == '\\' && text[1] == 'x' ? hex_digit(text[2]) : -1;
        int low = high >= 0 ? hex_digit(text[3]) : -1;
        int byte = low >= 0 ? high << 4 | low : *text;

        if (count < capacity) {
            out[count] = (uint8_t)byte;
        }
        count++;
        text += low >= 0 ? 4 : 1;
    }
    return count;
}
