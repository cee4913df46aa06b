#include "tests/unit/proto_fill.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"

#define PENDING_MAX 256

struct filler {
    uint64_t random;
    ProtobufCMessage *pending[PENDING_MAX]; /* made, not filled yet */
    size_t count;
};

static const char *const texts[] = {
    "",
    "x",
    "868020012345678",
    "Ст.-Петербург",
    "\"quoted\" \\ and / <b>&amp;",
    "\x01\x1f\x7f tab\t\r\n",
    "\xed\x9f\xbf \xee\x80\x80 \xf4\x8f\xbf\xbf \xf0\x90\x80\x80",
};

static uint32_t next(struct filler *filler)
{
    filler->random = filler->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(filler->random >> 33);
}

static void *allocate(size_t size)
{
    void *memory = calloc(1, size > 0 ? size : 1);

    CHECK(memory != NULL);
    return memory;
}

static ProtobufCMessage *make(struct filler *filler, const ProtobufCMessageDescriptor *descriptor)
{
    ProtobufCMessage *message = allocate(descriptor->sizeof_message);

    protobuf_c_message_init(descriptor, message);
    CHECK(filler->count < PENDING_MAX);
    filler->pending[filler->count++] = message;
    return message;
}

static uint64_t number(struct filler *filler)
{
    static const uint64_t extremes[] = {
        0,          1,         UINT64_MAX,          INT64_MAX,  (uint64_t)INT64_MIN,
        UINT32_MAX, INT32_MAX, (uint64_t)INT32_MIN, (1u << 21), 1753000000000};
    uint32_t random = next(filler);

    if (random % 4 == 0)
        return (uint64_t)next(filler) << 32 | next(filler);
    return extremes[random / 4 % (sizeof(extremes) / sizeof(extremes[0]))];
}

static size_t element_size(const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    default:
        return sizeof(uint64_t);
    }
}

static void set_value(struct filler *filler, const ProtobufCFieldDescriptor *field, void *at)
{
    const ProtobufCEnumDescriptor *values = field->descriptor;
    ProtobufCBinaryData *data = at;
    double floating;
    uint64_t integer;
    uint32_t narrow;

    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        *(char **)at = strdup(texts[next(filler) % (sizeof(texts) / sizeof(texts[0]))]);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        data->len = next(filler) % 70;
        data->data = data->len > 0 ? allocate(data->len) : NULL;
        for (size_t i = 0; i < data->len; i++)
            data->data[i] = (uint8_t)next(filler);
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        *(ProtobufCMessage **)at = make(filler, field->descriptor);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        *(protobuf_c_boolean *)at = (int)(next(filler) % 2);
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        floating = (double)(int32_t)next(filler) / 7;
        memcpy(at, &floating, sizeof(floating));
        break;
    case PROTOBUF_C_TYPE_ENUM:
        narrow = (uint32_t)values->values[next(filler) % values->n_values].value;
        memcpy(at, &narrow, sizeof(narrow));
        break;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_UINT32:
        narrow = (uint32_t)number(filler);
        memcpy(at, &narrow, sizeof(narrow));
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_UINT64:
        integer = number(filler);
        memcpy(at, &integer, sizeof(integer));
        break;
    default:
        abort(); /* a type that no message here has */
    }
}

static void set_field(struct filler *filler, ProtobufCMessage *message,
                      const ProtobufCFieldDescriptor *field)
{
    uint8_t *at = (uint8_t *)message + field->offset;
    uint8_t *quantifier = (uint8_t *)message + field->quantifier_offset;

    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        size_t count = next(filler) % 4;
        uint8_t *elements = allocate(count * element_size(field));

        CHECK(element_size(field) != sizeof(uint64_t) || field->type == PROTOBUF_C_TYPE_STRING ||
              field->type == PROTOBUF_C_TYPE_MESSAGE);
        for (size_t i = 0; i < count; i++)
            set_value(filler, field, elements + i * element_size(field));
        memcpy(quantifier, &count, sizeof(count));
        memcpy(at, &elements, sizeof(elements));
        return;
    }
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0)
        memcpy(quantifier, &field->id, sizeof(field->id));
    set_value(filler, field, at);
}

/* Of the oneof's members one is taken: the chosen, or any. */
static bool is_taken(struct filler *filler, const ProtobufCMessageDescriptor *descriptor,
                     const ProtobufCFieldDescriptor *field, uint32_t chosen, uint32_t *any)
{
    unsigned members = 0;

    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0)
        return true;
    if (chosen != 0)
        return field->id == chosen;
    if (*any == 0) {
        for (unsigned i = 0; i < descriptor->n_fields; i++)
            members += (descriptor->fields[i].flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
        CHECK(members > 0);
        *any = 1 + next(filler) % members;
    }
    /* counts down to the one that is taken, then stays out of reach */
    *any = *any == UINT32_MAX ? UINT32_MAX : *any - 1;
    if (*any > 0)
        return false;
    *any = UINT32_MAX;
    return true;
}

ProtobufCMessage *proto_fill(const ProtobufCMessageDescriptor *descriptor, uint32_t chosen,
                             uint32_t seed)
{
    struct filler filler = {.random = seed};
    ProtobufCMessage *whole = make(&filler, descriptor);

    for (int i = 0; i < 8; i++)
        (void)next(&filler);
    while (filler.count > 0) {
        ProtobufCMessage *message = filler.pending[--filler.count];
        const ProtobufCMessageDescriptor *what = message->descriptor;
        uint32_t any = 0;

        for (unsigned i = 0; i < what->n_fields; i++) {
            if (is_taken(&filler, what, &what->fields[i], message == whole ? chosen : 0, &any))
                set_field(&filler, message, &what->fields[i]);
        }
    }
    return whole;
}
