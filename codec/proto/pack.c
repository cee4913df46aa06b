#include "codec/proto/pack.h"

#include <string.h>

#include "codec/proto/backward.h"
#include "codec/proto/text.h"
#include "codec/proto/walk.h"

#define ARENA_ALIGNMENT 16u
#define FIELD_MAX       0x1fffffffu /* the highest number of a field */

/* protobuf-c takes and keeps fields of a newer version, number 0 among them if it was written in
 * two bytes; but then nobody else takes the message. */
static bool unknown_are_fields(const ProtobufCMessage *message)
{
    for (unsigned i = 0; i < message->n_unknown_fields; i++) {
        uint32_t number = message->unknown_fields[i].tag;

        if (number == 0 || number > FIELD_MAX) {
            return false;
        }
    }
    return true;
}

/* Depth, number of parts, UTF-8 in every string, and what this version doesn't know. */
static enum codec_result check(const ProtobufCMessage *message)
{
    struct proto_walk walk;
    enum proto_step step;
    size_t parts = 0;

    if (!unknown_are_fields(message)) {
        return CODEC_INVALID;
    }
    proto_walk_start(&walk, message);
    while ((step = proto_walk_next(&walk)) != PROTO_END) {
        if (step == PROTO_TOO_DEEP ||
            (step == PROTO_OPEN &&
             !unknown_are_fields(*(const ProtobufCMessage *const *)walk.value))) {
            return CODEC_INVALID;
        }
        if (step == PROTO_OPEN || (step == PROTO_VALUE && walk.count > 1)) {
            parts++;
        }
        if (parts > PROTO_PARTS_MAX) {
            return CODEC_FULL;
        }
        if (step == PROTO_VALUE && walk.field->type == PROTOBUF_C_TYPE_STRING) {
            const char *text = *(const char *const *)walk.value;

            if (text != NULL && !proto_utf8_valid(text, strlen(text))) {
                return CODEC_INVALID;
            }
        }
    }
    return CODEC_OK;
}

/* The slow way, which knows all that protobuf-c does, and why something isn't taken. */
static enum codec_result pack_slowly(const ProtobufCMessage *message, uint8_t *data,
                                     size_t capacity, size_t *size)
{
    enum codec_result result = check(message);
    size_t needed;

    if (result != CODEC_OK) {
        return result;
    }
    needed = protobuf_c_message_get_packed_size(message);
    if (needed > capacity || needed > PROTO_PACKED_MAX) {
        return CODEC_FULL;
    }
    *size = protobuf_c_message_pack(message, data);
    CODEC_CHECK(*size == needed);
    return CODEC_OK;
}

enum codec_result proto_pack(const ProtobufCMessage *message, uint8_t *data, size_t capacity,
                             size_t *size)
{
    size_t most = capacity < PROTO_PACKED_MAX ? capacity : PROTO_PACKED_MAX;
    const uint8_t *begin = proto_backward(message, data, most);

    if (begin == NULL) {
        return pack_slowly(message, data, capacity, size);
    }
    *size = (size_t)(data + most - begin);
    memmove(data, begin, *size);
    return CODEC_OK;
}

static void *arena_alloc(void *data, size_t size)
{
    struct proto_arena *arena = data;
    size_t padding = -arena->used & (ARENA_ALIGNMENT - 1);
    void *memory;

    if (padding > arena->size - arena->used || size > arena->size - arena->used - padding) {
        arena->full = true;
        return NULL;
    }
    memory = arena->memory + arena->used + padding;
    arena->used += padding + size;
    return memory;
}

static void arena_free(void *data, void *pointer)
{
    (void)data;
    (void)pointer;
}

enum codec_result proto_unpack(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data,
                               size_t size, struct proto_arena *arena, ProtobufCMessage **message)
{
    ProtobufCAllocator allocator = {
        .alloc = arena_alloc, .free = arena_free, .allocator_data = arena};

    if (size > PROTO_PACKED_MAX) {
        return CODEC_INVALID;
    }
    arena->full = false;
    *message = protobuf_c_message_unpack(descriptor, &allocator, size, data);
    if (*message == NULL) {
        return arena->full ? CODEC_FULL : CODEC_INVALID;
    }
    return check(*message) == CODEC_OK ? CODEC_OK : CODEC_INVALID;
}
