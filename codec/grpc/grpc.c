#include "codec/grpc/grpc.h"

#include <string.h>

const char *grpc_code_name(enum grpc_code code)
{
    static const char *const names[GRPC_CODE_COUNT] = {
#define X(constant, number) [number] = #constant,
        GRPC_CODES(X)
#undef X
    };

    CODEC_CHECK((unsigned)code < GRPC_CODE_COUNT);
    return names[code];
}

/* ---- messages in a stream of bytes ---- */

void grpc_prefix_write(uint8_t prefix[static GRPC_PREFIX_SIZE], uint32_t size)
{
    prefix[0] = 0;
    prefix[1] = (uint8_t)(size >> 24);
    prefix[2] = (uint8_t)(size >> 16);
    prefix[3] = (uint8_t)(size >> 8);
    prefix[4] = (uint8_t)size;
}

static bool take_prefix(struct grpc_unframe *unframe, const uint8_t **data, size_t *size)
{
    const uint8_t *prefix = unframe->prefix;

    while (unframe->prefix_size<GRPC_PREFIX_SIZE && * size> 0) {
        unframe->prefix[unframe->prefix_size++] = *(*data)++;
        (*size)--;
    }
    if (unframe->prefix_size < GRPC_PREFIX_SIZE)
        return false;
    unframe->compressed = prefix[0] != 0;
    unframe->size = (uint32_t)prefix[1] << 24 | (uint32_t)prefix[2] << 16 |
                    (uint32_t)prefix[3] << 8 | prefix[4];
    unframe->left = unframe->size;
    return true;
}

enum grpc_piece grpc_unframe_next(struct grpc_unframe *unframe, const uint8_t **data, size_t *size,
                                  const uint8_t **piece, size_t *piece_size)
{
    if (unframe->prefix_size < GRPC_PREFIX_SIZE)
        return take_prefix(unframe, data, size) ? GRPC_BEGIN : GRPC_MORE;
    if (unframe->left == 0) {
        unframe->prefix_size = 0;
        return GRPC_END;
    }
    if (*size == 0)
        return GRPC_MORE;
    *piece = *data;
    *piece_size = *size < unframe->left ? *size : unframe->left;
    *data += *piece_size;
    *size -= *piece_size;
    unframe->left -= (uint32_t)*piece_size;
    return GRPC_BYTES;
}

bool grpc_unframe_is_between(const struct grpc_unframe *unframe)
{
    return unframe->prefix_size == 0;
}

/* ---- header values ---- */

static const struct {
    char letter;
    uint64_t numerator; /* milliseconds of one unit, as a fraction */
    uint64_t denominator;
} units[] = {
    {'H', 3600000, 1}, {'M', 60000, 1}, {'S', 1000, 1},
    {'m', 1, 1},       {'u', 1, 1000},  {'n', 1, 1000000},
};

enum codec_result grpc_timeout_parse(const char *text, size_t size, uint64_t *timeout_ms)
{
    uint64_t value = 0;

    if (size < 2 || size > 9)
        return CODEC_INVALID;
    for (size_t i = 0; i + 1 < size; i++) {
        if (text[i] < '0' || text[i] > '9')
            return CODEC_INVALID;
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (units[i].letter != text[size - 1])
            continue;
        *timeout_ms =
            (value * units[i].numerator + units[i].denominator - 1) / units[i].denominator;
        return CODEC_OK;
    }
    return CODEC_INVALID;
}

size_t grpc_message_encode(const char *text, char *out, size_t capacity)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t size = 0;

    for (; *text != '\0'; text++) {
        uint8_t byte = (uint8_t)*text;
        bool plain = byte >= 0x20 && byte <= 0x7e && byte != '%';
        if (size + (plain ? 1 : 3) >= capacity)
            break;
        if (plain) {
            out[size++] = (char)byte;
            continue;
        }
        out[size++] = '%';
        out[size++] = digits[byte >> 4];
        out[size++] = digits[byte & 15];
    }
    out[size] = '\0';
    return size;
}

bool grpc_content_type_is_ours(const char *text, size_t size)
{
    static const char *const ours[] = {"application/grpc", "application/grpc+proto"};

    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        size_t length = strlen(ours[i]);
        if (size >= length && memcmp(text, ours[i], length) == 0 &&
            (size == length || text[length] == ';'))
            return true;
    }
    return false;
}
