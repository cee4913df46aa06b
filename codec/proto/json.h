/* Any message as JSON, for people and scripts (`cencctl journal dump`): protobuf's JSON mapping
 * with field names as in the .proto files. 64-bit numbers are strings, enums their names; what has
 * its default value is left out. Unlike that mapping, bytes are hex, which is how people read
 * frames. */
#ifndef CENCD_CODEC_PROTO_JSON_H
#define CENCD_CODEC_PROTO_JSON_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

#include "codec/result.h"

enum proto_json {
    PROTO_JSON_ALL,
    PROTO_JSON_NO_BYTES, /* of bytes only their number, "16 bytes": for private records */
};

/* Writes one line without a newline, and a NUL that *size doesn't count. CODEC_FULL: capacity is
 * too small (try a larger one). CODEC_INVALID: messages are too deep in each other. Numbers with a
 * fraction are written with the decimal point of the process's locale, which is "C". */
enum codec_result proto_json(const ProtobufCMessage *message, enum proto_json how, char *out,
                             size_t capacity, size_t *size) CODEC_MUST_CHECK;

#endif
