/* Failed identifications: the last ones are kept with their first bytes, because the first question
 * of every installation is "why isn't my meter here?". Thread-safe. */
#ifndef CENCD_LINK_FAILED_H
#define CENCD_LINK_FAILED_H

#include <stddef.h>
#include <stdint.h>

#include "server/base/address.h"
#include "server/base/status.h"
#include "server/link/reason.h"

#define FAILED_BYTES 256

struct failed_identification {
    uint64_t number; /* 1, 2, 3 ... since the start */
    uint64_t utc_ms;
    struct address peer;
    uint32_t listener; /* index in the configuration */
    enum close_reason reason;
    char why[96];  /* what the plugin said, or "" */
    uint32_t size; /* bytes received in all */
    uint32_t kept; /* of these, the first, secrets masked */
    uint8_t bytes[FAILED_BYTES];
};

struct failed_log;

enum status failed_log_create(size_t capacity, struct failed_log **log) MUST_CHECK;
void failed_log_free(struct failed_log *log);

/* Keeps a copy (number is set here) and forgets the oldest if there is no room. */
void failed_log_add(struct failed_log *log, const struct failed_identification *entry);

/* Copies up to capacity entries, newest first; returns how many. */
size_t failed_log_read(struct failed_log *log, struct failed_identification *entries,
                       size_t capacity);

#endif
