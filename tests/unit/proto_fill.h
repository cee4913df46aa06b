/* Messages with something in every field, made from their descriptors, so that a test of "each
 * kind" covers kinds that come later too. */
#ifndef CENCD_TESTS_PROTO_FILL_H
#define CENCD_TESTS_PROTO_FILL_H

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

/* chosen: the number of the oneof field that the message itself gets; 0, and inside of it: by seed.
 * For protobuf_c_message_free_unpacked(message, NULL). */
ProtobufCMessage *proto_fill(const ProtobufCMessageDescriptor *descriptor, uint32_t chosen,
                             uint32_t seed);

#endif
