/* Replies of Redis from a stream of bytes, in whatever pieces they come. Only what is ever asked
 * for is taken: one number, text, error or nothing at a time, each of at most REPLY_MAX_BYTES;
 * anything else isn't Redis, or not one to go on with. Pure but for hiredis' memory. */
#ifndef CENCD_REDIS_REPLY_H
#define CENCD_REDIS_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/status.h"

#define REPLY_MAX_BYTES 16384u
#define REPLY_TEXT_SIZE 160

enum reply_kind {
    REPLY_NONE, /* not yet complete */
    REPLY_STATUS,
    REPLY_TEXT,
    REPLY_NUMBER,
    REPLY_NIL,
    REPLY_ERROR,
};

struct reply {
    enum reply_kind kind;
    int64_t number;
    char text[REPLY_TEXT_SIZE]; /* of status, text and error; cut */
};

struct reply_reader;

struct reply_reader *reply_reader_create(void); /* NULL: no memory */
void reply_reader_free(struct reply_reader *reader);

/* STATUS_INVALID: too much of one reply, or no memory. */
enum status reply_feed(struct reply_reader *reader, const uint8_t *data, size_t size) MUST_CHECK;

/* The next whole reply, or one of kind REPLY_NONE. STATUS_INVALID: the bytes are no reply that
 * makes sense; the reader is of no more use. */
enum status reply_next(struct reply_reader *reader, struct reply *reply) MUST_CHECK;

/* The first word of an error, which says what kind it is: "OOM", "WRONGPASS". "ERROR" if it isn't
 * written like one: the text may then be anything. */
const char *reply_error_code(const struct reply *reply, char code[static 24]);

#endif
