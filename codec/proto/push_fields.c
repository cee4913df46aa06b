#include "codec/proto/push_fields.h"

#include <stdio.h>
#include <string.h>

#include "codec/cosem/push.h"
#include "codec/cosem/wrapper.h"

/* Where a value stands: the places in the arrays and structures that it is in, counted from 1. */
struct place {
    size_t due[COSEM_MAX_DEPTH + 1]; /* values still to come on each level */
    size_t at[COSEM_MAX_DEPTH + 1];
    size_t depth;
};

static Cenc__V1__Value *add(struct push_fields *fields)
{
    size_t i = fields->count++;
    cenc__v1__push_field__init(&fields->fields[i]);
    cenc__v1__value__init(&fields->values[i]);
    fields->fields[i].value = &fields->values[i];
    fields->fields[i].name = fields->names[i];
    fields->list[i] = &fields->fields[i];
    return &fields->values[i];
}

/* ---- one value ---- */

/* One that is too long has no value. */
static bool set_bytes(const uint8_t *data, size_t size, struct push_fields *fields,
                      ProtobufCBinaryData *bytes)
{
    if (size > PUSH_FIELDS_BYTES - fields->bytes_used) {
        fields->fields[fields->count - 1].value = NULL;
        return false;
    }
    fields->bytes_used += size;
    bytes->data = (uint8_t *)(uintptr_t)data;
    bytes->len = size;
    return true;
}

static void set_octets(const struct cosem_value *from, struct push_fields *fields,
                       Cenc__V1__Value *value)
{
    if (set_bytes(from->bytes, from->size, fields, &value->octets))
        value->kind_case = CENC__V1__VALUE__KIND_OCTETS;
}

static void set_integer(const struct cosem_value *from, Cenc__V1__Value *value)
{
    bool is_big = from->tag == COSEM_UINT64 && from->integer < 0;
    value->kind_case = is_big ? CENC__V1__VALUE__KIND_BIG_INTEGER : CENC__V1__VALUE__KIND_INTEGER;
    if (is_big)
        value->big_integer = (uint64_t)from->integer;
    else
        value->integer = from->integer;
}

/* Text for which there is no room is told as bytes. */
static void set_text(const struct cosem_value *from, struct push_fields *fields,
                     Cenc__V1__Value *value)
{
    size_t room = sizeof fields->text - fields->text_used;
    if (PROTO_TEXT_SIZE(from->size) > room) {
        set_octets(from, fields, value);
        return;
    }
    char *text = fields->text + fields->text_used;
    (void)proto_text(from->bytes, from->size, text, room);
    fields->text_used += strlen(text) + 1;
    value->kind_case = CENC__V1__VALUE__KIND_TEXT;
    value->text = text;
}

static void set_time(const struct cosem_value *from, struct push_fields *fields,
                     Cenc__V1__DeviceTime *time, Cenc__V1__Value *value)
{
    struct cosem_date_time parts;
    bool offset_known = false;
    cenc__v1__device_time__init(time);
    if (cosem_date_time_decode(from->bytes, from->size, &parts) != CODEC_OK ||
        !cosem_date_time_to_utc(&parts, &time->unix_ms, &offset_known)) {
        set_octets(from, fields, value);
        return;
    }
    time->clock =
        offset_known ? CENC__V1__TIME_BASE__TIME_BASE_UTC : CENC__V1__TIME_BASE__TIME_BASE_LOCAL;
    time->raw.data = (uint8_t *)(uintptr_t)from->bytes;
    time->raw.len = from->size;
    value->kind_case = CENC__V1__VALUE__KIND_TIME;
    value->time = time;
}

static void set_value(const struct cosem_value *from, struct push_fields *fields)
{
    Cenc__V1__DeviceTime *time = &fields->times[fields->count];
    Cenc__V1__Value *value = add(fields);
    switch (from->tag) {
    case COSEM_NULL:
        value->kind_case = CENC__V1__VALUE__KIND_NULL;
        value->null = true;
        break;
    case COSEM_BOOLEAN:
        value->kind_case = CENC__V1__VALUE__KIND_BOOLEAN;
        value->boolean = from->integer != 0;
        break;
    case COSEM_FLOAT32:
    case COSEM_FLOAT64:
        value->kind_case = CENC__V1__VALUE__KIND_FLOATING;
        value->floating = from->real;
        break;
    case COSEM_BIT_STRING:
        if (set_bytes(from->bytes, (from->count + 7) / 8, fields, &value->bits))
            value->kind_case = CENC__V1__VALUE__KIND_BITS;
        break;
    case COSEM_VISIBLE_STRING:
    case COSEM_UTF8_STRING:
        set_text(from, fields, value);
        break;
    case COSEM_DATE_TIME:
        set_time(from, fields, time, value);
        break;
    case COSEM_OCTET_STRING:
    case COSEM_DATE:
    case COSEM_TIME:
        set_octets(from, fields, value);
        break;
    default:
        set_integer(from, value);
    }
}

/* ---- all of them ---- */

static void write_name(const struct place *place, char *name, size_t size)
{
    size_t used = 0;
    name[0] = '\0';
    for (size_t i = 1; i <= place->depth && used < size; i++) {
        int more = snprintf(name + used, size - used, "%s%zu", i > 1 ? "." : "", place->at[i]);
        used += more > 0 ? (size_t)more : 0;
    }
}

static void read_cosem(const struct cosem_push *push, struct push_fields *fields)
{
    struct bytes_reader reader = bytes_reader_over(push->body, push->body_size);
    struct place place = {.due = {1}};
    struct cosem_value value;
    while (fields->count < PUSH_FIELDS_MAX) {
        while (place.due[place.depth] == 0) {
            if (place.depth == 0)
                return;
            place.depth--;
        }
        place.due[place.depth]--;
        place.at[place.depth]++;
        if (cosem_get_value(&reader, &value) != CODEC_OK)
            return;
        if (value.tag != COSEM_ARRAY && value.tag != COSEM_STRUCTURE) {
            write_name(&place, fields->names[fields->count], sizeof fields->names[0]);
            set_value(&value, fields);
        } else if (place.depth < COSEM_MAX_DEPTH) {
            place.due[++place.depth] = value.count;
            place.at[place.depth] = 0;
        } else {
            return;
        }
    }
}

static void read_dlms(const uint8_t *raw, size_t size, struct push_fields *fields)
{
    struct wrapper_message message;
    struct cosem_push push;
    size_t consumed = 0;

    if (wrapper_decode(raw, size, &message, &consumed) == CODEC_OK &&
        cosem_get_push(message.apdu, message.apdu_size, &push) == CODEC_OK)
        read_cosem(&push, fields);
}

size_t push_fields_read(const char *protocol, const uint8_t *raw, size_t size,
                        struct push_fields *fields)
{
    fields->count = 0;
    fields->text_used = 0;
    fields->bytes_used = 0;
    if (strcmp(protocol, "dlms") == 0)
        read_dlms(raw, size, fields);
    return fields->count;
}

void push_fields_add(struct push_fields *fields, const char *name, int64_t number)
{
    Cenc__V1__Value *value;

    if (fields->count == PUSH_FIELDS_MAX)
        return;
    (void)snprintf(fields->names[fields->count], sizeof fields->names[0], "%s", name);
    value = add(fields);
    value->kind_case = CENC__V1__VALUE__KIND_INTEGER;
    value->integer = number;
}
