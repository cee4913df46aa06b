/* What is pure bytes of gRPC over HTTP/2: the prefix of messages, timeouts, status codes, the text
 * of a status. Source: doc/PROTOCOL-HTTP2.md of the gRPC project. */
#ifndef CENCD_CODEC_GRPC_GRPC_H
#define CENCD_CODEC_GRPC_GRPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/result.h"

/* X(constant, number) */
#define GRPC_CODES(X)                                                                              \
    X(OK, 0)                                                                                       \
    X(CANCELLED, 1)                                                                                \
    X(UNKNOWN, 2)                                                                                  \
    X(INVALID_ARGUMENT, 3)                                                                         \
    X(DEADLINE_EXCEEDED, 4)                                                                        \
    X(NOT_FOUND, 5)                                                                                \
    X(ALREADY_EXISTS, 6)                                                                           \
    X(PERMISSION_DENIED, 7)                                                                        \
    X(RESOURCE_EXHAUSTED, 8)                                                                       \
    X(FAILED_PRECONDITION, 9)                                                                      \
    X(ABORTED, 10)                                                                                 \
    X(OUT_OF_RANGE, 11)                                                                            \
    X(UNIMPLEMENTED, 12)                                                                           \
    X(INTERNAL, 13)                                                                                \
    X(UNAVAILABLE, 14)                                                                             \
    X(DATA_LOSS, 15)                                                                               \
    X(UNAUTHENTICATED, 16)

enum grpc_code {
#define X(constant, number) GRPC_##constant = (number),
    GRPC_CODES(X)
#undef X
        GRPC_CODE_COUNT
};

/* "OUT_OF_RANGE" */
const char *grpc_code_name(enum grpc_code code);

/* ---- messages in a stream of bytes ---- */

#define GRPC_PREFIX_SIZE 5u /* compressed? 0 or 1; the size, big-endian */

void grpc_prefix_write(uint8_t prefix[static GRPC_PREFIX_SIZE], uint32_t size);

enum grpc_piece {
    GRPC_MORE,  /* all bytes are taken */
    GRPC_BEGIN, /* of a message: its size and compressed are known */
    GRPC_BYTES, /* of it, not all of them perhaps */
    GRPC_END,   /* of it */
};

/* Zeroed at the beginning. */
struct grpc_unframe {
    uint8_t prefix[GRPC_PREFIX_SIZE];
    uint8_t prefix_size;
    bool compressed;
    uint32_t size; /* of the message */
    uint32_t left; /* of it */
};

/* Takes bytes off *data, *size; with GRPC_BYTES piece and piece_size say which of them are the
 * message's. Call again until GRPC_MORE. */
enum grpc_piece grpc_unframe_next(struct grpc_unframe *unframe, const uint8_t **data, size_t *size,
                                  const uint8_t **piece, size_t *piece_size);

/* True between messages: a stream may end here. */
bool grpc_unframe_is_between(const struct grpc_unframe *unframe);

/* ---- header values ---- */

/* "100m": 1 to 8 digits and a unit (H M S m u n). CODEC_INVALID otherwise. Milliseconds, rounded
 * up.
 */
enum codec_result grpc_timeout_parse(const char *text, size_t size,
                                     uint64_t *timeout_ms) CODEC_MUST_CHECK;

/* grpc-message: printable ASCII stays, but for %; all else is %XX. What doesn't fit is cut after a
 * whole byte. Returns the size, without the NUL that is written, too; capacity > 0. */
size_t grpc_message_encode(const char *text, char *out, size_t capacity);

/* True for application/grpc, application/grpc+proto and both with parameters. */
bool grpc_content_type_is_ours(const char *text, size_t size);

#endif
