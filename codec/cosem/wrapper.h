/* The COSEM wrapper of IEC 62056-47, TCP and UDP: version 0001, source and destination wPort,
 * length, all 16 bits big-endian, then the APDU. wPort 16 is the public client, 1 the management
 * logical device. */
#ifndef CENCD_CODEC_COSEM_WRAPPER_H
#define CENCD_CODEC_COSEM_WRAPPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/result.h"

#define WRAPPER_HEADER_SIZE 8u
#define WRAPPER_VERSION     1u

struct wrapper_message {
    uint16_t source;
    uint16_t destination;
    const uint8_t *apdu; /* decoded: inside the input */
    uint16_t apdu_size;
};

/* Writes header and APDU; CODEC_FULL if they don't fit. */
enum codec_result wrapper_encode(const struct wrapper_message *message, uint8_t *out,
                                 size_t capacity, size_t *out_size) CODEC_MUST_CHECK;

/* Takes one message from the front of data; consumed says how long it was. CODEC_INVALID: another
 * version, so this is no wrapper or the stream is out of step, and nothing finds the way back. */
enum codec_result wrapper_decode(const uint8_t *data, size_t size, struct wrapper_message *message,
                                 size_t *consumed) CODEC_MUST_CHECK;

/* A stream cut anywhere to messages. Set buffer and capacity, zero the rest. */
struct wrapper_scanner {
    uint8_t *buffer; /* the caller's; holds one message with its header */
    size_t capacity;
    size_t size;
    bool yielded; /* the message in buffer was given out */
};

/* Takes bytes up to the end of the first message; taken says how many, call again with the rest.
 * CODEC_OK: message is set and points into buffer until the next call. CODEC_NEED_MORE: all bytes
 * were taken. CODEC_INVALID: not the wrapper. CODEC_FULL: the message is longer than buffer. After
 * the last two the stream is of no more use. */
enum codec_result wrapper_scanner_feed(struct wrapper_scanner *scanner, const uint8_t *data,
                                       size_t size, struct wrapper_message *message,
                                       size_t *taken) CODEC_MUST_CHECK;

#endif
