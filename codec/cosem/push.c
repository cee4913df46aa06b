#include "codec/cosem/push.h"

#include <string.h>

#define LN_END 0xFFu /* the last byte of a logical name, but for historical values */

/* ---- the body ---- */

static bool is_printable(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] <= ' ' || bytes[i] > '~') {
            return false;
        }
    }
    return true;
}

static void take_string(const struct cosem_value *value, struct cosem_push *push)
{
    size_t size = value->size;

    if (value->tag == COSEM_OCTET_STRING && size == COSEM_PUSH_LN_SIZE &&
        value->bytes[size - 1] == LN_END) {
        if (!push->has_logical_name) {
            memcpy(push->logical_name, value->bytes, size);
            push->has_logical_name = true;
        }
        return;
    }
    while (size > 0 && (value->bytes[size - 1] == ' ' || value->bytes[size - 1] == '\0')) {
        size--;
    }
    if (push->identifier == NULL && size >= COSEM_PUSH_MIN_IDENTIFIER &&
        size <= COSEM_PUSH_MAX_IDENTIFIER && is_printable(value->bytes, size)) {
        push->identifier = value->bytes;
        push->identifier_size = size;
    }
}

static void take_value(const struct cosem_value *value, struct cosem_push *push)
{
    switch (value->tag) {
    case COSEM_OCTET_STRING:
    case COSEM_VISIBLE_STRING:
    case COSEM_UTF8_STRING:
        take_string(value, push);
        break;
    case COSEM_UINT32:
        if (push->number_count < COSEM_PUSH_MAX_NUMBERS) {
            push->numbers[push->number_count++] = (uint32_t)value->integer;
        }
        break;
    case COSEM_NULL:
    case COSEM_STRUCTURE:
        break;
    default:
        push->only_numbers = false;
    }
}

/* Looks at one value and everything in it. Every value takes a byte at least, so that the input's
 * size bounds the walk. */
static enum codec_result walk(struct bytes_reader *reader, struct cosem_push *push)
{
    size_t due[COSEM_MAX_DEPTH + 1] = {1}; /* values still to come on each level */
    size_t depth = 0;
    struct cosem_value value;

    push->only_numbers = true;
    push->body = reader->data + reader->at;
    for (;;) {
        while (due[depth] == 0) {
            if (depth == 0) {
                push->body_size = reader->at - (size_t)(push->body - reader->data);
                return CODEC_OK;
            }
            depth--;
        }
        due[depth]--;
        if (cosem_get_value(reader, &value) != CODEC_OK) {
            return CODEC_INVALID;
        }
        take_value(&value, push);
        if (value.tag == COSEM_ARRAY || value.tag == COSEM_STRUCTURE) {
            if (depth == COSEM_MAX_DEPTH) {
                return CODEC_INVALID;
            }
            due[++depth] = value.count;
        }
    }
}

/* ---- the APDU ---- */

/* A time that isn't one is passed over: what happened matters more than when. */
static void take_time(struct bytes_reader *reader, size_t size, struct cosem_push *push)
{
    const uint8_t *bytes = bytes_get(reader, size);

    if (bytes != NULL && size == COSEM_DATE_TIME_SIZE) {
        push->has_time = cosem_date_time_decode(bytes, size, &push->time) == CODEC_OK;
    }
}

/* A length where a maker may have put the tag of an octet string in front of it. */
static size_t get_time_size(struct bytes_reader *reader)
{
    size_t size = bytes_get_u8(reader);

    return size == COSEM_OCTET_STRING ? bytes_get_u8(reader) : size;
}

static enum codec_result get_event(struct bytes_reader *reader, struct cosem_push *push)
{
    uint8_t usage = bytes_get_u8(reader);
    const uint8_t *name;

    push->is_event = true;
    if (usage == COSEM_OCTET_STRING) {
        take_time(reader, bytes_get_u8(reader), push);
    } else if (usage == 1) {
        take_time(reader, get_time_size(reader), push);
    } else if (usage != 0) {
        return CODEC_INVALID;
    }
    push->class_id = bytes_get_u16(reader);
    name = bytes_get(reader, COSEM_PUSH_LN_SIZE);
    push->attribute = (int8_t)bytes_get_u8(reader);
    if (reader->failed || name == NULL) {
        return CODEC_INVALID;
    }
    memcpy(push->logical_name, name, COSEM_PUSH_LN_SIZE);
    push->has_logical_name = true;
    return walk(reader, push);
}

static enum codec_result get_data(struct bytes_reader *reader, struct cosem_push *push)
{
    bytes_get(reader, 4); /* long invoke id and priority */
    take_time(reader, get_time_size(reader), push);
    return reader->failed ? CODEC_INVALID : walk(reader, push);
}

enum codec_result cosem_get_push(const uint8_t *apdu, size_t size, struct cosem_push *push)
{
    struct bytes_reader reader = bytes_reader_over(apdu, size);

    memset(push, 0, sizeof(*push));
    switch (bytes_get_u8(&reader)) {
    case COSEM_TAG_EVENT_NOTIFICATION:
        return get_event(&reader, push);
    case COSEM_TAG_DATA_NOTIFICATION:
        return get_data(&reader, push);
    default:
        return CODEC_INVALID;
    }
}

/* ---- time ---- */

static bool is_leap(unsigned year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static unsigned days_of(unsigned year, unsigned month)
{
    static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return days[month - 1] + (month == 2 && is_leap(year) ? 1u : 0u);
}

static int64_t days_since_1970(unsigned year, unsigned month, unsigned day)
{
    int64_t years = (int64_t)year - 1; /* whole ones since the year 1 */
    int64_t days = years * 365 + years / 4 - years / 100 + years / 400 - 719162;

    for (unsigned before = 1; before < month; before++) {
        days += days_of(year, before);
    }
    return days + day - 1;
}

static int64_t or_zero(uint8_t field)
{
    return field == COSEM_NOT_SPECIFIED ? 0 : field;
}

bool cosem_date_time_to_utc(const struct cosem_date_time *time, int64_t *utc_ms, bool *offset_known)
{
    int64_t seconds;

    if (time->year == 0 || time->year == 0xFFFF || time->month < 1 || time->month > 12 ||
        time->day < 1 || time->hour > 23 || time->day > days_of(time->year, time->month)) {
        return false;
    }
    *offset_known = time->deviation_minutes != COSEM_DEVIATION_UNKNOWN;
    seconds = days_since_1970(time->year, time->month, time->day) * 86400 + time->hour * 3600 +
              or_zero(time->minute) * 60 + or_zero(time->second);
    if (*offset_known) {
        seconds += (int64_t)time->deviation_minutes * 60;
    }
    *utc_ms = seconds * 1000 + or_zero(time->hundredths) * 10;
    return true;
}
