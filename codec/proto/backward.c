#include "codec/proto/backward.h"

#include <stdbool.h>
#include <string.h>

#include "codec/proto/pack.h"
#include "codec/proto/text.h"
#include "codec/proto/walk.h"
#include "codec/proto/wire.h"

/* A message whose last fields are written. */
struct frame {
    const ProtobufCMessage *message;
    uint32_t number;      /* of the field that it is in the message around it */
    unsigned fields;      /* of its descriptor, not begun; the next one is begun */
    const uint8_t *first; /* of the values of the one that is begun */
    size_t values;
    size_t left;        /* of these */
    const uint8_t *end; /* of its bytes */
};

struct writer {
    const uint8_t *data;
    uint8_t *at; /* where the written begins */
    struct frame frames[PROTO_DEPTH];
    unsigned depth;
    size_t parts;
};

/* ---- bytes ---- */

static uint8_t *room(struct writer *writer, size_t size)
{
    if (size > (size_t)(writer->at - writer->data)) {
        return NULL;
    }
    writer->at -= size;
    return writer->at;
}

static bool put_varint(struct writer *writer, uint64_t value)
{
    size_t size = value < 0x80 ? 1 : wire_varint_size(value);
    uint8_t *out = room(writer, size);

    if (out == NULL) {
        return false;
    }
    for (; value > 0x7f; value >>= 7) {
        *out++ = (uint8_t)(value | 0x80);
    }
    *out = (uint8_t)value;
    return true;
}

static bool put_key(struct writer *writer, uint32_t number, enum wire_type type)
{
    return put_varint(writer, (uint64_t)number << 3 | type);
}

static bool put_bytes(struct writer *writer, const void *data, size_t size)
{
    uint8_t *out = room(writer, size);

    if (out == NULL) {
        return false;
    }
    if (size > 0) {
        memcpy(out, data, size);
    }
    return put_varint(writer, size);
}

static bool put_text(struct writer *writer, const char *text)
{
    size_t size = strlen(text);

    return proto_utf8_valid(text, size) && put_bytes(writer, text, size);
}

static bool put_fixed64(struct writer *writer, const void *value)
{
    uint8_t *out = room(writer, sizeof(uint64_t));
    uint64_t bits;

    if (out == NULL) {
        return false;
    }
    memcpy(&bits, value, sizeof(bits));
    for (unsigned i = 0; i < sizeof(bits); i++) {
        out[i] = (uint8_t)(bits >> (8 * i));
    }
    return true;
}

/* ---- values ---- */

static bool put_number(struct writer *writer, const ProtobufCFieldDescriptor *field,
                       const void *value)
{
    uint64_t wide = 0;
    uint32_t narrow = 0;

    switch (field->type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
        memcpy(&wide, value, sizeof(wide));
        break;
    case PROTOBUF_C_TYPE_SINT64:
        memcpy(&wide, value, sizeof(wide));
        wide = wide << 1 ^ (0 - (wide >> 63));
        break;
    case PROTOBUF_C_TYPE_UINT32:
        memcpy(&narrow, value, sizeof(narrow));
        wide = narrow;
        break;
    case PROTOBUF_C_TYPE_SINT32:
        memcpy(&narrow, value, sizeof(narrow));
        wide = (uint32_t)(narrow << 1 ^ (0 - (narrow >> 31)));
        break;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_ENUM:
        memcpy(&narrow, value, sizeof(narrow));
        wide = (uint64_t)(int32_t)narrow;
        break;
    case PROTOBUF_C_TYPE_BOOL:
        wide = *(const protobuf_c_boolean *)value != 0;
        break;
    default:
        return false;
    }
    return put_varint(writer, wide) && put_key(writer, field->id, WIRE_VARINT);
}

static bool put_value(struct writer *writer, const ProtobufCFieldDescriptor *field,
                      const void *value)
{
    const ProtobufCBinaryData *bytes = value;
    const char *text;

    if (field->type == PROTOBUF_C_TYPE_STRING) {
        text = *(const char *const *)value;
        /* in a oneof both stand for none */
        return text != NULL && text != field->default_value && put_text(writer, text) &&
               put_key(writer, field->id, WIRE_BYTES);
    }
    if (field->type == PROTOBUF_C_TYPE_BYTES) {
        return put_bytes(writer, bytes->data, bytes->len) && put_key(writer, field->id, WIRE_BYTES);
    }
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        return false; /* numbers, which may share one key */
    }
    if (field->type == PROTOBUF_C_TYPE_DOUBLE) {
        return put_fixed64(writer, value) && put_key(writer, field->id, WIRE_FIXED64);
    }
    return put_number(writer, field, value);
}

/* ---- messages ---- */

static bool open_message(struct writer *writer, const ProtobufCMessage *message, uint32_t number)
{
    if (message == NULL || message->n_unknown_fields > 0 || writer->depth == PROTO_DEPTH) {
        return false;
    }
    writer->frames[writer->depth++] = (struct frame){
        .message = message,
        .number = number,
        .fields = message->descriptor->n_fields,
        .end = writer->at,
    };
    return true;
}

static bool close_message(struct writer *writer)
{
    const struct frame *frame = &writer->frames[--writer->depth];

    if (writer->depth == 0) {
        return true;
    }
    return put_varint(writer, (uint64_t)(frame->end - writer->at)) &&
           put_key(writer, frame->number, WIRE_BYTES);
}

/* Most fields of an event are the bodies that it doesn't have. */
static bool is_not_chosen(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    const uint8_t *base = (const uint8_t *)message;

    return (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 &&
           *(const uint32_t *)(const void *)(base + field->quantifier_offset) != field->id;
}

/* The last value of the frame that isn't written; NULL: all are. */
static const void *last_value(struct frame *frame, const ProtobufCFieldDescriptor **field)
{
    const ProtobufCFieldDescriptor *fields = frame->message->descriptor->fields;
    const void *first = NULL;

    while (frame->left == 0) {
        while (frame->fields > 0 && is_not_chosen(frame->message, &fields[frame->fields - 1])) {
            frame->fields--;
        }
        if (frame->fields == 0) {
            return NULL;
        }
        frame->fields--;
        frame->left = proto_values(frame->message, &fields[frame->fields], &first);
        frame->values = frame->left;
        frame->first = first;
    }
    *field = &fields[frame->fields];
    frame->left--;
    return frame->left == 0 ? frame->first
                            : frame->first + frame->left * proto_value_size((*field)->type);
}

static bool step(struct writer *writer)
{
    struct frame *frame = &writer->frames[writer->depth - 1];
    const ProtobufCFieldDescriptor *field = NULL;
    const void *value = last_value(frame, &field);

    if (value == NULL) {
        return close_message(writer);
    }
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        writer->parts++;
        return open_message(writer, *(const ProtobufCMessage *const *)value, field->id);
    }
    writer->parts += frame->values > 1;
    return put_value(writer, field, value);
}

uint8_t *proto_backward(const ProtobufCMessage *message, uint8_t *data, size_t capacity)
{
    struct writer writer;

    writer.data = data;
    writer.at = data + capacity;
    writer.depth = 0;
    writer.parts = 0;
    if (!open_message(&writer, message, 0)) {
        return NULL;
    }
    while (writer.depth > 0) {
        if (!step(&writer)) {
            return NULL;
        }
    }
    return writer.parts <= PROTO_PARTS_MAX ? writer.at : NULL;
}
