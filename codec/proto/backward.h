/* A message to bytes in one pass: from the last field to the first, so that the length in front of
 * a message inside of another is known when its turn comes. The bytes are those that protobuf-c
 * writes.
 *
 * It knows what messages here are made of. What it doesn't, or what proto_pack has to refuse, it
 * gives up. */
#ifndef CENCD_CODEC_PROTO_BACKWARD_H
#define CENCD_CODEC_PROTO_BACKWARD_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

/* Writes to the end of data. Where the message begins; NULL: given up, data may hold anything. */
uint8_t *proto_backward(const ProtobufCMessage *message, uint8_t *data, size_t capacity);

#endif
