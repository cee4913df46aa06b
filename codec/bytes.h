/* A cursor to write bytes with and one to read bytes with, big-endian as the wire formats here
 * are. Both remember a failure, so that a caller puts or gets a whole message and asks once at the
 * end: a full writer writes no more, a failed reader returns zeros. */
#ifndef CENCD_CODEC_BYTES_H
#define CENCD_CODEC_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "codec/result.h"

struct bytes_writer {
    uint8_t *data;
    size_t capacity;
    size_t size; /* bytes written */
    bool full;   /* something didn't fit; size counts what was written before it */
};

struct bytes_reader {
    const uint8_t *data;
    size_t size;
    size_t at;   /* bytes read */
    bool failed; /* more was asked for than there is */
};

static inline struct bytes_writer bytes_writer_over(void *data, size_t capacity)
{
    return (struct bytes_writer){.data = data, .capacity = capacity};
}

static inline struct bytes_reader bytes_reader_over(const void *data, size_t size)
{
    return (struct bytes_reader){.data = data, .size = size};
}

/* CODEC_FULL if anything put so far didn't fit. */
static inline enum codec_result bytes_written(const struct bytes_writer *writer)
{
    return writer->full ? CODEC_FULL : CODEC_OK;
}

static inline void bytes_put(struct bytes_writer *writer, const void *data, size_t size)
{
    if (writer->full || size > writer->capacity - writer->size) {
        writer->full = true;
        return;
    }
    if (size > 0) {
        memcpy(writer->data + writer->size, data, size);
    }
    writer->size += size;
}

/* The low `size` bytes of value, big-endian; size is 1 to 8. */
static inline void bytes_put_uint(struct bytes_writer *writer, uint64_t value, size_t size)
{
    uint8_t octets[8];

    CODEC_CHECK(size >= 1 && size <= sizeof(octets));
    for (size_t i = 0; i < size; i++) {
        octets[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
    }
    bytes_put(writer, octets, size);
}

static inline void bytes_put_u8(struct bytes_writer *writer, uint8_t value)
{
    bytes_put_uint(writer, value, 1);
}

static inline void bytes_put_u16(struct bytes_writer *writer, uint16_t value)
{
    bytes_put_uint(writer, value, 2);
}

static inline void bytes_put_u32(struct bytes_writer *writer, uint32_t value)
{
    bytes_put_uint(writer, value, 4);
}

static inline size_t bytes_left(const struct bytes_reader *reader)
{
    return reader->size - reader->at;
}

/* The next `size` bytes, inside the reader's data; NULL, and the reader has failed, if there are
 * fewer. */
static inline const uint8_t *bytes_get(struct bytes_reader *reader, size_t size)
{
    static const uint8_t nothing[1];
    const uint8_t *data;

    if (reader->failed || size > bytes_left(reader)) {
        reader->failed = true;
        return NULL;
    }
    if (size == 0) {
        return nothing;
    }
    data = reader->data + reader->at;
    reader->at += size;
    return data;
}

/* size is 1 to 8; 0 on failure. */
static inline uint64_t bytes_get_uint(struct bytes_reader *reader, size_t size)
{
    const uint8_t *data = bytes_get(reader, size);
    uint64_t value = 0;

    CODEC_CHECK(size >= 1 && size <= 8);
    if (data == NULL) {
        return 0;
    }
    for (size_t i = 0; i < size; i++) {
        value = (value << 8) | data[i];
    }
    return value;
}

static inline uint8_t bytes_get_u8(struct bytes_reader *reader)
{
    return (uint8_t)bytes_get_uint(reader, 1);
}

static inline uint16_t bytes_get_u16(struct bytes_reader *reader)
{
    return (uint16_t)bytes_get_uint(reader, 2);
}

static inline uint32_t bytes_get_u32(struct bytes_reader *reader)
{
    return (uint32_t)bytes_get_uint(reader, 4);
}

#endif
