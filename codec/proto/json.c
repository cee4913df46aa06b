#include "codec/proto/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "codec/bytes.h"
#include "codec/proto/text.h"
#include "codec/proto/walk.h"

static void put_text(struct bytes_writer *out, const char *text)
{
    bytes_put(out, text, strlen(text));
}

__attribute__((format(printf, 2, 3))) static void put_format(struct bytes_writer *out,
                                                             const char *format, ...)
{
    char text[64];
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    CODEC_CHECK(length >= 0 && (size_t)length < sizeof(text));
    bytes_put(out, text, (size_t)length);
}

/* Quotes; what isn't UTF-8 becomes U+FFFD, so that the line is JSON whatever the message holds. */
static void put_string(struct bytes_writer *out, const char *text)
{
    size_t left = text == NULL ? 0 : strlen(text);

    bytes_put_u8(out, '"');
    while (left > 0) {
        uint32_t character = 0;
        size_t length = proto_utf8_decode((const uint8_t *)text, left, &character);

        if (length == 0) {
            put_text(out, "\\ufffd");
            length = 1;
        } else if (character == '"' || character == '\\') {
            bytes_put_u8(out, '\\');
            bytes_put_u8(out, (uint8_t)character);
        } else if (character < 0x20 || character == 0x7f) {
            put_format(out, "\\u%04x", (unsigned)character);
        } else {
            bytes_put(out, text, length);
        }
        text += length;
        left -= length;
    }
    bytes_put_u8(out, '"');
}

static void put_bytes(struct bytes_writer *out, const ProtobufCBinaryData *data,
                      enum proto_json how)
{
    static const char digits[] = "0123456789abcdef";

    if (how == PROTO_JSON_NO_BYTES) {
        put_format(out, "\"%zu bytes\"", data->len);
        return;
    }
    bytes_put_u8(out, '"');
    for (size_t i = 0; i < data->len && !out->full; i++) {
        bytes_put_u8(out, (uint8_t)digits[data->data[i] >> 4]);
        bytes_put_u8(out, (uint8_t)digits[data->data[i] & 0x0f]);
    }
    bytes_put_u8(out, '"');
}

/* precision: digits after which reading it back gives the same number. */
static void put_floating(struct bytes_writer *out, double value, int precision)
{
    if (isnan(value)) {
        put_text(out, "\"NaN\"");
    } else if (isinf(value)) {
        put_text(out, value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    } else {
        put_format(out, "%.*g", precision, value);
    }
}

static void put_enum(struct bytes_writer *out, const ProtobufCFieldDescriptor *field, int value)
{
    const ProtobufCEnumValue *known =
        protobuf_c_enum_descriptor_get_value(field->descriptor, value);

    if (known == NULL) {
        put_format(out, "%d", value); /* of a newer version */
    } else {
        put_string(out, known->name);
    }
}

static void put_value(struct bytes_writer *out, const struct proto_walk *walk, enum proto_json how)
{
    const void *value = walk->value;

    switch (walk->field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        put_format(out, "%" PRId32, *(const int32_t *)value);
        break;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        put_format(out, "%" PRIu32, *(const uint32_t *)value);
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        put_format(out, "\"%" PRId64 "\"", *(const int64_t *)value);
        break;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        put_format(out, "\"%" PRIu64 "\"", *(const uint64_t *)value);
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        put_floating(out, (double)*(const float *)value, 9);
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        put_floating(out, *(const double *)value, 17);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        put_text(out, *(const protobuf_c_boolean *)value != 0 ? "true" : "false");
        break;
    case PROTOBUF_C_TYPE_ENUM:
        put_enum(out, walk->field, *(const int *)value);
        break;
    case PROTOBUF_C_TYPE_STRING:
        put_string(out, *(const char *const *)value);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        put_bytes(out, value, how);
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
    default:
        break;
    }
}

/* What stands before a value: a comma, its name, the bracket of its array. */
static void put_before(struct bytes_writer *out, const struct proto_walk *walk, bool first)
{
    if (!first) {
        bytes_put_u8(out, ',');
    }
    if (walk->index == 0) {
        put_string(out, walk->field->name);
        bytes_put_u8(out, ':');
        if (walk->field->label == PROTOBUF_C_LABEL_REPEATED) {
            bytes_put_u8(out, '[');
        }
    }
}

static void put_after(struct bytes_writer *out, const ProtobufCFieldDescriptor *field, bool last)
{
    if (field->label == PROTOBUF_C_LABEL_REPEATED && last) {
        bytes_put_u8(out, ']');
    }
}

enum codec_result proto_json(const ProtobufCMessage *message, enum proto_json how, char *out,
                             size_t capacity, size_t *size)
{
    /* of each message that is open: the field that holds it, and whether it is the field's last */
    const ProtobufCFieldDescriptor *fields[PROTO_DEPTH + 1];
    bool last[PROTO_DEPTH + 1];
    struct bytes_writer writer = bytes_writer_over(out, capacity);
    struct proto_walk walk;
    enum proto_step step;
    bool first = true; /* nothing was written in this message yet */

    proto_walk_start(&walk, message);
    bytes_put_u8(&writer, '{');
    while (!writer.full && (step = proto_walk_next(&walk)) != PROTO_END) {
        switch (step) {
        case PROTO_VALUE:
            put_before(&writer, &walk, first);
            put_value(&writer, &walk, how);
            put_after(&writer, walk.field, walk.index + 1 == walk.count);
            first = false;
            break;
        case PROTO_OPEN:
            put_before(&writer, &walk, first);
            bytes_put_u8(&writer, '{');
            fields[walk.depth] = walk.field;
            last[walk.depth] = walk.index + 1 == walk.count;
            first = true;
            break;
        case PROTO_CLOSE:
            bytes_put_u8(&writer, '}');
            put_after(&writer, fields[walk.depth + 1], last[walk.depth + 1]);
            first = false;
            break;
        case PROTO_END:
        case PROTO_TOO_DEEP:
        default:
            return CODEC_INVALID;
        }
    }
    bytes_put(&writer, "}", 2);
    *size = writer.full ? 0 : writer.size - 1;
    return bytes_written(&writer);
}
