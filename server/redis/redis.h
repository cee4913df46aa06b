/* The projection of journal and directory into Redis, for other software and other nodes. Written,
 * never trusted: what is in Redis can be lost at any time and is made anew. The keys are told in
 * docs/redis.md.
 *
 * It is a reader of the journal that lives in one reactor. Batches of events are sent as one script
 * each, several at a time; the script stores the sequence that the batch stands for together with
 * it, so that after a restart of either side it goes on exactly there. If Redis doesn't have the
 * sequence that it should have (emptied, replaced, restored), or the journal no longer has the
 * events that it lacks, or events were refused by a full journal, all is written anew: the
 * directory, in slices, then the journal from where it was when that began.
 *
 * Whatever fails, the connection is closed and made again, later and later up to half a minute. It
 * blocks nothing, holds no segment of the journal, and keeps at most eight batches in memory. */
#ifndef CENCD_REDIS_REDIS_H
#define CENCD_REDIS_REDIS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "server/base/status.h"
#include "server/directory/directory.h"
#include "server/journal/journal.h"
#include "server/reactor/reactor.h"

struct redis;

struct redis_error {
    char text[256];
};

enum redis_state {
    REDIS_WAITING,    /* to try again */
    REDIS_CONNECTING, /* and logging in */
    REDIS_REBUILDING,
    REDIS_FOLLOWING,
    REDIS_STOPPING,
};
const char *redis_state_name(enum redis_state state); /* "waiting", "connecting" ... */

/* In the reactor's thread; journal and directory must live until it stopped. gap: the directory was
 * loaded without some events that the journal had to remove, so Redis may know what it doesn't, and
 * is written anew. Reads the password's file, now and not later. STATUS_SYSTEM, STATUS_INVALID: it
 * can't be read or holds no password; STATUS_NO_MEMORY. */
enum status redis_start(const struct config *config, struct journal *journal,
                        struct directory *directory, bool gap, struct reactor *reactor,
                        struct redis **redis, struct redis_error *error) MUST_CHECK;

/* In the reactor's thread. stopped is called there, never from inside this call, when nothing is in
 * flight any more; it is gone then. What Redis lacks comes after the next start. */
void redis_stop(struct redis *redis, void (*stopped)(void *context), void *context);

/* Read by anyone, as long as it is there. */
struct redis_counters {
    _Atomic int state;         /* enum redis_state */
    _Atomic bool up;           /* Redis takes what is written */
    _Atomic uint64_t sequence; /* that Redis has */
    _Atomic uint64_t records;  /* of the journal, written since start */
    _Atomic uint64_t batches;
    _Atomic uint64_t commands; /* sent, of any kind */
    _Atomic uint64_t errors;   /* connections that failed, for whatever reason */
    _Atomic uint64_t damaged;  /* records that are no events: passed over */
    _Atomic uint64_t replaced; /* keys that had another type than ours has */
    _Atomic uint64_t rebuilds; /* completed */
};
const struct redis_counters *redis_counters(const struct redis *redis);

#endif
