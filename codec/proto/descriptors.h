/* The public .proto files as a google.protobuf.FileDescriptorSet, for server reflection: files in
 * an order in which each comes after those that it imports. Made at build time by protoc. */
#ifndef CENCD_CODEC_PROTO_DESCRIPTORS_H
#define CENCD_CODEC_PROTO_DESCRIPTORS_H

#include <stddef.h>
#include <stdint.h>

extern const uint8_t proto_descriptor_set[];
extern const size_t proto_descriptor_set_size;

#endif
