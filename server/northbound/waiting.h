/* The devices that wait for the answer of a head-end system, in memory, in the order of their
 * coming, and those who go through them. Owned by the registry; all in the northbound's thread. */
#ifndef CENCD_NORTHBOUND_WAITING_H
#define CENCD_NORTHBOUND_WAITING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/list.h"
#include "server/base/siphash.h"
#include "server/base/status.h"

struct device;
struct waiting;

struct waiting_devices {
    struct list all;
    uint64_t count;
    struct waiting **buckets;
    size_t bucket_count; /* a power of two */
    struct siphash_key key;
    struct list walkers;
};

/* Somebody who goes through them, in order. Embedded in its owner. */
struct waiting_walker {
    struct list node;
    struct list *at;                             /* the next one; the list itself: all are seen */
    void (*more)(struct waiting_walker *walker); /* one came after all had been seen */
};

enum status waiting_init(struct waiting_devices *devices) MUST_CHECK;
void waiting_free(struct waiting_devices *devices);

/* scope and serial as in events. One that waits already changes nothing; so does a want of memory:
 * the ledger has it, and the next start finds it. */
void waiting_add(struct waiting_devices *devices, const struct device *device, const char *scope,
                 const char *serial);
/* It is as if it had come last: whoever saw it sees it again. Harmless for one that doesn't wait.
 */
void waiting_again(struct waiting_devices *devices, const char *scope, const char *serial);
void waiting_remove(struct waiting_devices *devices, const char *scope, const char *serial);

/* Removes those for whom stays is false. */
void waiting_sweep(struct waiting_devices *devices,
                   bool (*stays)(const char *scope, const char *serial, void *context),
                   void *context);

/* Calls more of the walkers for whom there is something. Not from inside a walker. */
void waiting_tell(struct waiting_devices *devices);

/* Left by list_remove of its node. */
void waiting_walk(struct waiting_devices *devices, struct waiting_walker *walker);
/* From the first one again. */
void waiting_rewind(struct waiting_devices *devices, struct waiting_walker *walker);
/* The next device, or NULL; it is seen then. */
const struct device *waiting_next(struct waiting_devices *devices, struct waiting_walker *walker);

#endif
