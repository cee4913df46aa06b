/* Consumers: the accounts of head-end systems, from the configuration. Who logs in, what he may
 * see, and how far he has acknowledged.
 *
 * A position is the sequence up to which all is acknowledged. It lives here, is written into the
 * store soon after it has moved, and only then lets the journal go of what is before it
 * (journal_hold). Positions grow, unless a consumer asks for old events anew and acknowledges
 * those. All in the northbound's thread; counters are read by anyone.
 */
#ifndef CENCD_NORTHBOUND_CONSUMERS_H
#define CENCD_NORTHBOUND_CONSUMERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "codec/proto/wire.h"
#include "config/config.h"
#include "server/journal/journal.h"

struct grpc_call;

struct consumer_counters {
    _Atomic uint64_t position; /* acknowledged */
    _Atomic uint64_t sent;     /* events */
    _Atomic uint64_t sent_bytes;
    _Atomic uint64_t streams;          /* of Events, since start */
    _Atomic bool connected;            /* has such a stream now */
    _Atomic uint32_t missing_projects; /* bits: of its configured ones, those that don't exist */
};

struct consumer {
    const struct config_consumer *config;
    uint8_t token_hash[32];
    bool has_token;
    bool changed; /* the position is not in the store yet */
    bool behind;  /* what it wants next was removed, and the log says so */
    bool fresh;   /* at the start there was none of it, or one of another journal */
    uint64_t position;
    struct journal_hold hold;
    void (*saved)(void *context); /* a position of it is in the store; or NULL */
    void *saved_context;
    struct grpc_call *events; /* its stream of events, or NULL */
    struct consumer_counters counters;
};

/* The accounts, and behind them, under names that no account can have, one for each registration
 * plugin: without a way to log in, it only has a position. */
struct consumers {
    struct consumer *all;
    size_t count;
    size_t account_count;
    struct config_consumer *plugins;
};

/* Reads the files of tokens. STATUS_INVALID: error holds a sentence (no token in it).
 * STATUS_NO_MEMORY. */
enum status consumers_create(const struct config *config, struct consumers *consumers,
                             struct kernel_error *error) MUST_CHECK;
void consumers_free(struct consumers *consumers);

/* NULL: nobody has it. Takes the same time for every token of a length. */
struct consumer *consumers_by_token(const struct consumers *consumers, const char *token);
struct consumer *consumers_by_subject(const struct consumers *consumers, const char *subject);
struct consumer *consumers_by_name(const struct consumers *consumers, const char *name);

/* project: any bytes; size 0 is no project. */
bool consumer_sees(const struct consumer *consumer, const void *project, size_t size);

#endif
