/* The page /stats: the server's present state in JSON, with a stretch of its devices and the last
 * failed identifications. Device text may be any bytes: what is no UTF-8 is written as \xNN. Any
 * thread. */
#ifndef CENCD_OPS_STATS_H
#define CENCD_OPS_STATS_H

#include <stddef.h>
#include <stdint.h>

#include "server/link/shard.h"

/* At most so many of each in one answer, so that an answer has a bounded size. */
#define STATS_MAX_ROWS 10000u

struct stats_query {
    uint64_t from;    /* position in the order of registration, as `next` of an answer told */
    uint32_t devices; /* at most so many */
    uint32_t failed;
};

#define STATS_QUERY_DEFAULT                                                                        \
    {                                                                                              \
        .from = 0, .devices = 100, .failed = 100                                                   \
    }

/* Reads one parameter of the request; value is NULL if it had none. STATUS_INVALID: error holds one
 * sentence. */
enum status stats_query_set(struct stats_query *query, const char *name, const char *value,
                            char *error, size_t error_size) MUST_CHECK;

/* The page, for free(3), or NULL: out of memory. */
char *stats_write(const struct server *server, const struct stats_query *query, uint64_t utc_ms);

#endif
