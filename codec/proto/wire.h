/* The wire format of protobuf itself, for what must go without unpacking: looking at a few fields
 * of a message, and putting messages into messages as they are. Nothing is allocated or copied. */
#ifndef CENCD_CODEC_PROTO_WIRE_H
#define CENCD_CODEC_PROTO_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

#define WIRE_VARINT_MAX 10u

struct wire_field {
    uint32_t number;
    enum wire_type type;
    uint64_t value;      /* of the others */
    const uint8_t *data; /* of WIRE_BYTES, inside of the message */
    size_t size;
};

struct wire_reader {
    const uint8_t *data;
    size_t size;
    bool failed; /* what came is no message; nothing more will come */
};

static inline struct wire_reader wire_reader_over(const void *data, size_t size)
{
    return (struct wire_reader){.data = data, .size = size};
}

/* The next field. False: the end, or failed. */
bool wire_next(struct wire_reader *reader, struct wire_field *field);

/* Both return how many bytes were written. */
size_t wire_put_varint(uint8_t out[static WIRE_VARINT_MAX], uint64_t value);
size_t wire_put_tag(uint8_t out[static WIRE_VARINT_MAX], uint32_t number, enum wire_type type);
size_t wire_varint_size(uint64_t value);

/* ---- the fields of an event by which it is chosen ---- */

struct wire_text {
    const uint8_t *data; /* inside of the message; not NULL */
    size_t size;
};

struct event_outline {
    struct wire_text project;
    struct wire_text scope; /* of the device */
    struct wire_text serial;
    bool has_device;
    uint32_t body; /* the field number of the body that this version knows; 0: none */
    struct wire_text body_bytes;
    struct wire_text former_project; /* of device_moved; empty in others */
};

/* Looks at a packed cenc.v1.Event. False: it is none. */
bool event_outline(const uint8_t *data, size_t size, struct event_outline *outline);

#endif
