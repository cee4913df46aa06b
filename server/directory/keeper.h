/* The keeper: the reader of the journal that feeds the directory's store. It lives in one reactor,
 * reads what is committed, applies it to the store on the helper thread (SQLite blocks) and then
 * lets the journal go of it. What fails is tried again, later and later up to half a minute: a
 * store that stands still costs only disk space of the journal.
 *
 * While the journal is busy, in a storm, the keeper waits: processors and disk are the storm's. It
 * does so within bounds (struct keeper_pace), since what the store doesn't have is read at the next
 * start.
 *
 * If the journal had to remove records before the store had them, all of the directory is written
 * into the store anew. */
#ifndef CENCD_DIRECTORY_KEEPER_H
#define CENCD_DIRECTORY_KEEPER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "server/base/status.h"
#include "server/directory/directory.h"
#include "server/directory/store.h"
#include "server/journal/journal.h"
#include "server/reactor/reactor.h"

struct keeper;

struct keeper_pace {
    uint32_t busy_records;   /* committed in KEEPER_LOOK_MS, or more: the journal is busy */
    uint32_t behind_records; /* the store goes on at the latest when it lacks so many, */
    uint32_t behind_ms;      /* or has waited so long since it lacked nothing */
};

#define KEEPER_LOOK_MS 200u /* how often it looks */

extern const struct keeper_pace keeper_pace;

/* In the reactor's thread. The store and the others must live until it stopped. From now on nobody
 * else uses the store. STATUS_NO_MEMORY. */
enum status keeper_start(struct journal *journal, struct store *store, struct directory *directory,
                         struct reactor *reactor, const struct keeper_pace *pace,
                         struct keeper **keeper) MUST_CHECK;

/* In the reactor's thread. stopped is called there, never from inside this call, when nothing is in
 * flight any more; the keeper is gone then, and the store the caller's to close. What the store
 * doesn't have yet is read from the journal at the next start. */
void keeper_stop(struct keeper *keeper, void (*stopped)(void *context), void *context);

/* Read by anyone, as long as the keeper is there. */
struct keeper_counters {
    _Atomic uint64_t sequence; /* that the store stands for */
    _Atomic uint64_t records;  /* since start */
    _Atomic uint64_t batches;
    _Atomic uint64_t waits;    /* looks at which it left the store as it was, for a busy journal */
    _Atomic uint64_t failures; /* of the store, or of reading the journal */
    _Atomic uint64_t damaged;  /* records that are no events: passed over */
    _Atomic uint64_t rewrites; /* of the whole store, since records were gone */
    _Atomic bool failing;      /* the last attempt failed */
};
const struct keeper_counters *keeper_counters(const struct keeper *keeper);

#endif
