#include "codec/cosem/data.h"

#include <string.h>

/* Bytes of the values that have a fixed size; 0: no such value. */
static size_t fixed_size(unsigned tag)
{
    switch (tag) {
    case COSEM_BOOLEAN:
    case COSEM_BCD:
    case COSEM_INT8:
    case COSEM_UINT8:
    case COSEM_ENUM:
        return 1;
    case COSEM_INT16:
    case COSEM_UINT16:
        return 2;
    case COSEM_INT32:
    case COSEM_UINT32:
    case COSEM_FLOAT32:
    case COSEM_TIME:
        return 4;
    case COSEM_DATE:
        return 5;
    case COSEM_INT64:
    case COSEM_UINT64:
    case COSEM_FLOAT64:
        return 8;
    case COSEM_DATE_TIME:
        return COSEM_DATE_TIME_SIZE;
    default:
        return 0;
    }
}

static bool is_signed(unsigned tag)
{
    return tag == COSEM_INT8 || tag == COSEM_INT16 || tag == COSEM_INT32 || tag == COSEM_INT64;
}

void cosem_put_length(struct bytes_writer *writer, size_t length)
{
    size_t width = 1;

    if (length < 0x80) {
        bytes_put_u8(writer, (uint8_t)length);
        return;
    }
    while (width < sizeof(length) && length >> (8 * width) != 0) {
        width++;
    }
    bytes_put_u8(writer, (uint8_t)(0x80 | width));
    bytes_put_uint(writer, length, width);
}

enum codec_result cosem_get_length(struct bytes_reader *reader, size_t *length)
{
    uint8_t first = bytes_get_u8(reader);
    size_t width = first & 0x7F;

    *length = first;
    if (first >= 0x80) {
        if (width < 1 || width > 4) {
            return CODEC_INVALID;
        }
        *length = (size_t)bytes_get_uint(reader, width);
    }
    return reader->failed ? CODEC_NEED_MORE : CODEC_OK;
}

/* ---- getting ---- */

static int64_t sign_extended(uint64_t bits, size_t size)
{
    unsigned unused = (unsigned)(8 * (sizeof(bits) - size));
    uint64_t sign = (uint64_t)1 << (8 * size - 1);

    if (unused == 0 || (bits & sign) == 0) {
        return (int64_t)bits;
    }
    return (int64_t)(bits | ~(uint64_t)0 << (8 * size));
}

static void get_fixed(struct bytes_reader *reader, struct cosem_value *value)
{
    size_t size = fixed_size(value->tag);
    uint64_t bits;
    uint32_t short_bits;
    float short_real;

    if (value->tag == COSEM_DATE_TIME || value->tag == COSEM_DATE || value->tag == COSEM_TIME) {
        value->bytes = bytes_get(reader, size);
        value->size = size;
        return;
    }
    bits = bytes_get_uint(reader, size);
    switch (value->tag) {
    case COSEM_FLOAT32:
        short_bits = (uint32_t)bits;
        memcpy(&short_real, &short_bits, sizeof(short_real));
        value->real = (double)short_real;
        break;
    case COSEM_FLOAT64:
        memcpy(&value->real, &bits, sizeof(value->real));
        break;
    default:
        value->integer = is_signed(value->tag) ? sign_extended(bits, size) : (int64_t)bits;
    }
}

enum codec_result cosem_get_value(struct bytes_reader *reader, struct cosem_value *value)
{
    enum codec_result result = CODEC_OK;

    memset(value, 0, sizeof(*value));
    value->tag = (enum cosem_tag)bytes_get_u8(reader);
    if (reader->failed) {
        return CODEC_NEED_MORE;
    }
    switch ((unsigned)value->tag) {
    case COSEM_NULL:
        break;
    case COSEM_ARRAY:
    case COSEM_STRUCTURE:
        result = cosem_get_length(reader, &value->count);
        break;
    case COSEM_BIT_STRING:
        result = cosem_get_length(reader, &value->count);
        value->size = value->count / 8 + (value->count % 8 != 0);
        value->bytes = bytes_get(reader, value->size);
        break;
    case COSEM_OCTET_STRING:
    case COSEM_VISIBLE_STRING:
    case COSEM_UTF8_STRING:
        result = cosem_get_length(reader, &value->size);
        value->bytes = bytes_get(reader, value->size);
        break;
    default:
        if (fixed_size(value->tag) == 0) {
            return CODEC_INVALID;
        }
        get_fixed(reader, value);
    }
    if (result == CODEC_OK && reader->failed) {
        result = CODEC_NEED_MORE;
    }
    return result;
}

enum codec_result cosem_skip_value(struct bytes_reader *reader)
{
    size_t due[COSEM_MAX_DEPTH + 1] = {1}; /* values still to come on each level */
    size_t depth = 0;
    struct cosem_value value;

    for (;;) {
        enum codec_result result;

        while (due[depth] == 0) {
            if (depth == 0) {
                return CODEC_OK;
            }
            depth--;
        }
        due[depth]--;
        result = cosem_get_value(reader, &value);
        if (result != CODEC_OK) {
            return result;
        }
        if (value.tag == COSEM_ARRAY || value.tag == COSEM_STRUCTURE) {
            if (depth == COSEM_MAX_DEPTH) {
                return CODEC_INVALID;
            }
            due[++depth] = value.count;
        }
    }
}

/* ---- putting ---- */

void cosem_put_null(struct bytes_writer *writer)
{
    bytes_put_u8(writer, COSEM_NULL);
}

void cosem_put_group(struct bytes_writer *writer, enum cosem_tag tag, size_t count)
{
    CODEC_CHECK(tag == COSEM_ARRAY || tag == COSEM_STRUCTURE);
    bytes_put_u8(writer, (uint8_t)tag);
    cosem_put_length(writer, count);
}

void cosem_put_integer(struct bytes_writer *writer, enum cosem_tag tag, int64_t value)
{
    CODEC_CHECK(fixed_size(tag) > 0 && tag < COSEM_FLOAT32);
    bytes_put_u8(writer, (uint8_t)tag);
    bytes_put_uint(writer, (uint64_t)value, fixed_size(tag));
}

void cosem_put_real(struct bytes_writer *writer, enum cosem_tag tag, double value)
{
    float short_real = (float)value;
    uint32_t short_bits;
    uint64_t bits;

    CODEC_CHECK(tag == COSEM_FLOAT32 || tag == COSEM_FLOAT64);
    bytes_put_u8(writer, (uint8_t)tag);
    if (tag == COSEM_FLOAT32) {
        memcpy(&short_bits, &short_real, sizeof(short_bits));
        bytes_put_u32(writer, short_bits);
    } else {
        memcpy(&bits, &value, sizeof(bits));
        bytes_put_uint(writer, bits, sizeof(bits));
    }
}

void cosem_put_bytes(struct bytes_writer *writer, enum cosem_tag tag, const void *data, size_t size)
{
    bytes_put_u8(writer, (uint8_t)tag);
    if (tag == COSEM_DATE_TIME || tag == COSEM_DATE || tag == COSEM_TIME) {
        CODEC_CHECK(size == fixed_size(tag));
    } else {
        CODEC_CHECK(tag == COSEM_OCTET_STRING || tag == COSEM_VISIBLE_STRING ||
                    tag == COSEM_UTF8_STRING);
        cosem_put_length(writer, size);
    }
    bytes_put(writer, data, size);
}

/* ---- date and time ---- */

void cosem_date_time_encode(const struct cosem_date_time *time, uint8_t out[COSEM_DATE_TIME_SIZE])
{
    struct bytes_writer writer = bytes_writer_over(out, COSEM_DATE_TIME_SIZE);

    bytes_put_u16(&writer, time->year);
    bytes_put_u8(&writer, time->month);
    bytes_put_u8(&writer, time->day);
    bytes_put_u8(&writer, time->weekday);
    bytes_put_u8(&writer, time->hour);
    bytes_put_u8(&writer, time->minute);
    bytes_put_u8(&writer, time->second);
    bytes_put_u8(&writer, time->hundredths);
    bytes_put_u16(&writer, (uint16_t)time->deviation_minutes);
    bytes_put_u8(&writer, time->status);
    CODEC_CHECK(!writer.full && writer.size == COSEM_DATE_TIME_SIZE);
}

static bool within(uint8_t value, uint8_t lowest, uint8_t highest)
{
    return (value >= lowest && value <= highest) || value == COSEM_NOT_SPECIFIED;
}

enum codec_result cosem_date_time_decode(const uint8_t *data, size_t size,
                                         struct cosem_date_time *time)
{
    struct bytes_reader reader = bytes_reader_over(data, size);

    time->year = bytes_get_u16(&reader);
    time->month = bytes_get_u8(&reader);
    time->day = bytes_get_u8(&reader);
    time->weekday = bytes_get_u8(&reader);
    time->hour = bytes_get_u8(&reader);
    time->minute = bytes_get_u8(&reader);
    time->second = bytes_get_u8(&reader);
    time->hundredths = bytes_get_u8(&reader);
    time->deviation_minutes = (int16_t)bytes_get_u16(&reader);
    time->status = bytes_get_u8(&reader);
    if (reader.failed || bytes_left(&reader) > 0) {
        return CODEC_INVALID;
    }
    /* FE and FD: daylight saving begins or ends; last and second last day of the month */
    if (!(within(time->month, 1, 12) || time->month >= 0xFD) ||
        !(within(time->day, 1, 31) || time->day >= 0xFD) || !within(time->weekday, 1, 7) ||
        !within(time->hour, 0, 23) || !within(time->minute, 0, 59) ||
        !within(time->second, 0, 59) || !within(time->hundredths, 0, 99) ||
        (time->deviation_minutes != COSEM_DEVIATION_UNKNOWN &&
         (time->deviation_minutes < -720 || time->deviation_minutes > 840))) {
        return CODEC_INVALID;
    }
    return CODEC_OK;
}
