/* How the directory comes back at the start: all devices of the store, then the journal's records
 * that are newer. Blocking calls, before any shard runs. */
#ifndef CENCD_DIRECTORY_LOAD_H
#define CENCD_DIRECTORY_LOAD_H

#include <stdint.h>

#include "server/base/status.h"
#include "server/directory/directory.h"
#include "server/directory/store.h"
#include "server/journal/journal.h"

struct load_report {
    uint64_t devices;  /* in the directory now */
    uint64_t sequence; /* that the store stands for */
    uint64_t replayed; /* records of the journal that were newer */
    uint64_t missing;  /* records that neither has: the journal begins later than the store ends */
    uint64_t refused;  /* devices or events that the directory couldn't take: limit, memory */
};

/* path: of the store's file. journal: opened, not started. directory: empty. On STATUS_OK *store is
 * for the keeper, and the caller's to close after it. STATUS_INVALID: store or journal can't be
 * used as they are; STATUS_SYSTEM: the disk; STATUS_NO_MEMORY. */
enum status directory_load(struct directory *directory, const char *path, struct journal *journal,
                           struct store **store, struct load_report *report,
                           struct store_error *error) MUST_CHECK;

#endif
