/* The registry: which devices wait for the answer of a head-end system. It follows the journal, for
 * an answer is an event as well: device_added makes a device wait, registration_reported and
 * device_removed end that. Every change is in the ledger first, then here.
 *
 * When the ledger is new, or has missed records that retention removed, all devices of the
 * directory that have no answer wait. All in the northbound's thread. */
#ifndef CENCD_NORTHBOUND_REGISTRY_H
#define CENCD_NORTHBOUND_REGISTRY_H

#include "server/base/siphash.h"
#include "server/directory/directory.h"
#include "server/northbound/feed.h"
#include "server/northbound/ledger.h"

#define REGISTRY_BATCH 256u /* changes of one transaction */

struct northbound;

/* A device that waits. */
struct waiting {
    struct list node; /* of the registry, in the order of their coming */
    struct waiting *next_of_hash;
    const struct device *device;
    uint64_t hash;
    char key[]; /* scope, NUL, serial as in events, NUL */
};

/* Somebody who goes through them, in order. Embedded in its owner. */
struct registry_walker {
    struct list node;
    struct list *at; /* the next one; the registry's list itself: all are seen */
    void (*more)(struct registry_walker *walker); /* one came after all had been seen */
};

/* Somebody who waits until a record has its effect. */
struct registry_wait {
    struct list node;
    uint64_t sequence;
    void (*applied)(struct registry_wait *wait);
};

struct registry {
    struct follower follower;
    struct journal_hold hold;
    uint64_t applied;                          /* in the ledger and here */
    uint64_t taken;                            /* from the feed */
    struct ledger_row changes[REGISTRY_BATCH]; /* taken, not yet applied; state NONE: removed */
    size_t count;
    size_t writing; /* of them, by the helper thread */
    uint64_t writing_to;
    struct operation work;
    struct ledger_error error;
    enum status status;
    struct timer retry;
    bool busy;
    bool failing;
    bool rewalk;
    struct list waiting;
    uint64_t waiting_count;
    struct waiting **buckets;
    size_t bucket_count; /* a power of two */
    struct siphash_key key;
    struct list walkers;
    struct list waits;
};

/* At the start; blocks. fresh: the ledger is new. */
enum status registry_start(struct northbound *northbound, bool fresh,
                           struct ledger_error *error) MUST_CHECK;
/* Follows no longer; what is being written still comes. */
void registry_stop(struct northbound *northbound);
void registry_free(struct northbound *northbound);

void registry_walker_add(struct registry *registry, struct registry_walker *walker);
/* From the first one again. */
void registry_walker_rewind(struct registry *registry, struct registry_walker *walker);
/* The next device, or NULL; it is seen then. */
const struct device *registry_walker_next(struct registry *registry,
                                          struct registry_walker *walker);

/* applied is called, never from inside, when the record of this sequence has its effect. */
void registry_wait_for(struct registry *registry, struct registry_wait *wait);

/* By the texts of an event or a request; NULL: nobody knows it. */
struct device *registry_device(struct directory *directory, const char *scope, const char *serial);

#endif
