/* Messages to bytes and back, within bounds: packing into a buffer of the caller without
 * allocation, unpacking into an arena of the caller, so that no input makes it take more.
 *
 * What proto_pack took, proto_unpack takes with an arena of PROTO_ARENA_SIZE. */
#ifndef CENCD_CODEC_PROTO_PACK_H
#define CENCD_CODEC_PROTO_PACK_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/result.h"

#define PROTO_PACKED_MAX 65536u /* bytes of one message, as a journal record has */
/* Messages and elements of repeated fields inside of one message. */
#define PROTO_PARTS_MAX 4096u

#define PROTO_ARENA_SIZE (2u << 20)

/* Writes at most capacity and PROTO_PACKED_MAX bytes. CODEC_INVALID: a string isn't UTF-8 (see
 * text.h), or messages are too deep in each other. CODEC_FULL: it is too large, or has too many
 * parts. */
enum codec_result proto_pack(const ProtobufCMessage *message, uint8_t *data, size_t capacity,
                             size_t *size) CODEC_MUST_CHECK;

/* Memory of unpacked messages: all of them are gone when used is set to 0. */
struct proto_arena {
    uint8_t *memory; /* aligned as malloc does; the caller's */
    size_t size;
    size_t used;
    bool full;
};

/* *message lives in the arena; nothing is to be freed. CODEC_INVALID: no such message, larger than
 * PROTO_PACKED_MAX, or one with a string that isn't UTF-8. CODEC_FULL: the arena is too small. */
enum codec_result proto_unpack(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data,
                               size_t size, struct proto_arena *arena,
                               ProtobufCMessage **message) CODEC_MUST_CHECK;

#endif
