#include "codec/proto/walk.h"

#include <stdbool.h>
#include <stdint.h>

size_t proto_value_size(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return sizeof(uint64_t);
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_ENUM:
    default:
        return sizeof(uint32_t);
    }
}

/* Whether a field outside of a oneof goes onto the wire: whatever isn't its type's default. */
static bool differs_from_default(const ProtobufCFieldDescriptor *field, const void *value)
{
    const char *text;

    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        text = *(const char *const *)value;
        return text != NULL && text[0] != '\0';
    case PROTOBUF_C_TYPE_MESSAGE:
        return *(const void *const *)value != NULL;
    case PROTOBUF_C_TYPE_BYTES:
        return ((const ProtobufCBinaryData *)value)->len > 0;
    case PROTOBUF_C_TYPE_DOUBLE:
        return *(const double *)value != 0;
    case PROTOBUF_C_TYPE_FLOAT:
        return *(const float *)value != 0;
    default:
        return proto_value_size(field->type) == sizeof(uint64_t) ? *(const uint64_t *)value != 0
                                                                 : *(const uint32_t *)value != 0;
    }
}

size_t proto_values(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                    const void **value)
{
    const uint8_t *base = (const uint8_t *)message;
    const void *quantifier = base + field->quantifier_offset;
    size_t count;

    *value = base + field->offset;
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        count = *(const size_t *)quantifier;
        *value = *(const void *const *)*value;
        return count;
    }
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
        if (*(const uint32_t *)quantifier != field->id) {
            return 0;
        }
        /* a message in a oneof may be forgotten */
        return field->type != PROTOBUF_C_TYPE_MESSAGE || differs_from_default(field, *value);
    }
    return differs_from_default(field, *value);
}

void proto_walk_start(struct proto_walk *walk, const ProtobufCMessage *message)
{
    *walk = (struct proto_walk){.depth = 1};
    walk->frames[0].message = message;
}

/* Moves the top frame to its next value; false if it has no more. */
static bool find_value(struct proto_walk *walk, struct proto_frame *frame)
{
    const ProtobufCMessageDescriptor *descriptor = frame->message->descriptor;
    const void *first;

    for (; frame->field < descriptor->n_fields; frame->field++, frame->element = 0) {
        walk->field = &descriptor->fields[frame->field];
        walk->count = proto_values(frame->message, walk->field, &first);
        if (frame->element < walk->count) {
            walk->index = frame->element++;
            walk->value =
                (const uint8_t *)first + walk->index * proto_value_size(walk->field->type);
            return true;
        }
    }
    return false;
}

enum proto_step proto_walk_next(struct proto_walk *walk)
{
    if (walk->depth == 0) {
        return PROTO_END;
    }
    if (!find_value(walk, &walk->frames[walk->depth - 1])) {
        walk->depth--;
        return walk->depth == 0 ? PROTO_END : PROTO_CLOSE;
    }
    if (walk->field->type != PROTOBUF_C_TYPE_MESSAGE) {
        return PROTO_VALUE;
    }
    if (walk->depth == PROTO_DEPTH) {
        return PROTO_TOO_DEEP;
    }
    walk->frames[walk->depth++] =
        (struct proto_frame){.message = *(const ProtobufCMessage *const *)walk->value};
    return PROTO_OPEN;
}
