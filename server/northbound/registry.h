/* The registry: which devices wait for the answer of a head-end system. It follows the journal, for
 * an answer is an event as well: device_added makes a device wait, registration_reported and
 * device_removed end that; one that moves to another project and waits is announced there. Every
 * change is in the ledger first, then here, when the directory has it, too.
 *
 * When the ledger is new, or has missed records that retention removed, all devices of the
 * directory that have no answer wait. All in the northbound's thread. */
#ifndef CENCD_NORTHBOUND_REGISTRY_H
#define CENCD_NORTHBOUND_REGISTRY_H

#include "server/directory/directory.h"
#include "server/northbound/feed.h"
#include "server/northbound/ledger.h"
#include "server/northbound/waiting.h"

#define REGISTRY_BATCH 256u /* changes of one transaction */

struct northbound;

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
    size_t writing;                           /* of them, by the helper thread */
    enum ledger_state became[REGISTRY_BATCH]; /* what the ledger has of each, once written */
    uint64_t writing_to;
    struct operation work;
    struct ledger_error error;
    enum status status;
    struct timer retry;
    struct timer settle; /* written; the directory doesn't have it yet */
    bool busy;
    bool failing;
    bool rewalk;
    struct waiting_devices waiting;
    struct list waits;
};

/* At the start; blocks. fresh: the ledger is new. */
enum status registry_start(struct northbound *northbound, bool fresh,
                           struct ledger_error *error) MUST_CHECK;
/* Follows no longer; what is being written still comes. */
void registry_stop(struct northbound *northbound);
void registry_free(struct northbound *northbound);

/* applied is called, never from inside, when the record of this sequence has its effect. */
void registry_wait_for(struct registry *registry, struct registry_wait *wait);

/* By the texts of an event or a request; NULL: nobody knows it. */
struct device *registry_device(struct directory *directory, const char *scope, const char *serial);

#endif
