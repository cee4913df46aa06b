#include "codec/proto/wire.h"

#include <string.h>

/* Field numbers of cenc.v1.Event and cenc.v1.Device; the unit test compares them with the
 * descriptors. */
#define EVENT_PROJECT    5u
#define EVENT_DEVICE     6u
#define EVENT_BODY_FIRST 20u
#define DEVICE_SCOPE     1u
#define DEVICE_SERIAL    2u
#define EVENT_MOVED      23u /* device_moved, and former_project in it */
#define MOVED_FROM       1u

static bool get_varint(struct wire_reader *reader, uint64_t *value)
{
    *value = 0;
    for (unsigned i = 0; i < WIRE_VARINT_MAX && i < reader->size; i++) {
        uint8_t byte = reader->data[i];
        *value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if ((byte & 0x80) != 0)
            continue;
        reader->data += i + 1;
        reader->size -= i + 1;
        return true;
    }
    return false;
}

static bool get_fixed(struct wire_reader *reader, size_t size, uint64_t *value)
{
    if (reader->size < size)
        return false;
    *value = 0;
    for (size_t i = 0; i < size; i++)
        *value |= (uint64_t)reader->data[i] << (8 * i);
    reader->data += size;
    reader->size -= size;
    return true;
}

static bool get_bytes(struct wire_reader *reader, struct wire_field *field)
{
    uint64_t size;

    if (!get_varint(reader, &size) || size > reader->size)
        return false;
    field->data = reader->data;
    field->size = (size_t)size;
    reader->data += size;
    reader->size -= (size_t)size;
    return true;
}

static bool get_value(struct wire_reader *reader, struct wire_field *field)
{
    switch (field->type) {
    case WIRE_VARINT:
        return get_varint(reader, &field->value);
    case WIRE_FIXED64:
        return get_fixed(reader, 8, &field->value);
    case WIRE_FIXED32:
        return get_fixed(reader, 4, &field->value);
    case WIRE_BYTES:
        return get_bytes(reader, field);
    }
    return false; /* groups */
}

bool wire_next(struct wire_reader *reader, struct wire_field *field)
{
    uint64_t tag;

    if (reader->failed || reader->size == 0)
        return false;
    *field = (struct wire_field){0};
    if (get_varint(reader, &tag) && tag >> 3 > 0 && tag >> 3 <= 0x1fffffff) {
        field->number = (uint32_t)(tag >> 3);
        field->type = (enum wire_type)(tag & 7);
        if (get_value(reader, field))
            return true;
    }
    reader->failed = true;
    return false;
}

size_t wire_put_varint(uint8_t out[static WIRE_VARINT_MAX], uint64_t value)
{
    size_t size = 0;

    for (; value > 0x7f; value >>= 7)
        out[size++] = (uint8_t)(value | 0x80);
    out[size++] = (uint8_t)value;
    return size;
}

size_t wire_put_tag(uint8_t out[static WIRE_VARINT_MAX], uint32_t number, enum wire_type type)
{
    return wire_put_varint(out, (uint64_t)number << 3 | (uint64_t)type);
}

size_t wire_varint_size(uint64_t value)
{
    size_t size = 1;

    for (; value > 0x7f; value >>= 7)
        size++;
    return size;
}

/* ---- the fields of an event by which it is chosen ---- */

static bool outline_device(const struct wire_field *device, struct event_outline *outline)
{
    struct wire_reader reader = wire_reader_over(device->data, device->size);
    struct wire_field field;

    outline->has_device = true;
    while (wire_next(&reader, &field)) {
        if (field.type != WIRE_BYTES)
            continue;
        if (field.number == DEVICE_SCOPE)
            outline->scope = (struct wire_text){field.data, field.size};
        else if (field.number == DEVICE_SERIAL)
            outline->serial = (struct wire_text){field.data, field.size};
    }
    return !reader.failed;
}

static bool outline_moved(const struct wire_field *body, struct event_outline *outline)
{
    struct wire_reader reader = wire_reader_over(body->data, body->size);
    struct wire_field field;

    while (wire_next(&reader, &field))
        if (field.number == MOVED_FROM && field.type == WIRE_BYTES)
            outline->former_project = (struct wire_text){field.data, field.size};
    return !reader.failed;
}

bool event_outline(const uint8_t *data, size_t size, struct event_outline *outline)
{
    static const uint8_t nothing[1];
    const struct wire_text empty = {nothing, 0};
    struct wire_reader reader = wire_reader_over(data, size);
    struct wire_field field;

    *outline = (struct event_outline){.project = empty,
                                      .scope = empty,
                                      .serial = empty,
                                      .body_bytes = empty,
                                      .former_project = empty};
    while (wire_next(&reader, &field)) {
        if (field.type != WIRE_BYTES)
            continue;
        if (field.number == EVENT_PROJECT) {
            outline->project = (struct wire_text){field.data, field.size};
        } else if (field.number == EVENT_DEVICE) {
            if (!outline_device(&field, outline))
                return false;
        } else if (field.number >= EVENT_BODY_FIRST) {
            outline->body = field.number;
            outline->body_bytes = (struct wire_text){field.data, field.size};
            if (field.number == EVENT_MOVED && !outline_moved(&field, outline))
                return false;
        }
    }
    return !reader.failed;
}
