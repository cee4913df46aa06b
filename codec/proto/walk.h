/* Walks over all that is set in a message, by protobuf-c's descriptors, in the order of the field
 * numbers. Without recursion: messages inside of messages are on a stack with a bound.
 *
 * Only for proto3 messages as protoc-c makes them (without `optional`). The message must not change
 * meanwhile. */
#ifndef CENCD_CODEC_PROTO_WALK_H
#define CENCD_CODEC_PROTO_WALK_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

/* Messages in each other; the deepest of the schema has 5. */
#define PROTO_DEPTH 8

enum proto_step {
    PROTO_VALUE, /* field has a value that is no message */
    PROTO_OPEN,  /* field has a message; its own values follow */
    PROTO_CLOSE, /* ... and end */
    PROTO_END,
    PROTO_TOO_DEEP,
};

struct proto_frame {
    const ProtobufCMessage *message;
    unsigned field; /* index in the descriptor's fields */
    size_t element; /* of a repeated field */
};

struct proto_walk {
    struct proto_frame frames[PROTO_DEPTH];
    unsigned depth; /* frames in use */
    /* VALUE and OPEN */
    const ProtobufCFieldDescriptor *field;
    const void *value; /* of type uint32_t, char *, ProtobufCBinaryData, ...: as field->type says */
    size_t index;      /* of a repeated field, from 0 */
    size_t count;      /* 1, or how many the repeated field has */
};

/* How many values the field has that go onto the wire; *value: the first. */
size_t proto_values(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                    const void **value);
/* Of a value in a message's struct, and so of an element of a repeated field. */
size_t proto_value_size(ProtobufCType type);

void proto_walk_start(struct proto_walk *walk, const ProtobufCMessage *message);
enum proto_step proto_walk_next(struct proto_walk *walk);

#endif
