/* Inside the directory: where a device belongs, and how that changes at run time. Thread-safe. */
#ifndef CENCD_DIRECTORY_PLACES_H
#define CENCD_DIRECTORY_PLACES_H

#include "server/directory/directory.h"

struct place {
    uint32_t project; /* ids; 0: none */
    uint32_t group;
    uint32_t channel;
};

/* False: there is no such device (any more, or yet: its record is not on the disk). */
bool place_of(struct directory *directory, const struct device *device, struct place *place);

/* A move is on the disk: from now on the device belongs there. */
void place_set(struct directory *directory, struct device *device, const struct place *place);

/* Under the stripe's lock. */
void device_set_place(struct directory *directory, struct device *device,
                      const struct place *place);

/* Its removal is on the disk. False, and nothing changes: it has had a link since that epoch. */
bool place_remove(struct directory *directory, struct device *device, uint32_t epoch);

/* Enters a device that nobody knows: it is there when directory_recorded was called, or a link of
 * it came. STATUS_EXISTS, STATUS_INVALID: no serial; STATUS_FULL, STATUS_NO_MEMORY. withdraw: it
 * was not recorded. */
enum status place_enter(struct directory *directory, const char *scope, const char *serial,
                        const struct place *place, uint64_t utc_ms,
                        struct device **device) MUST_CHECK;
/* The same without doing it, when *others need room before: it is counted there. */
enum status place_check(struct directory *directory, const char *scope, const char *serial,
                        uint64_t *others) MUST_CHECK;
void place_withdraw(struct directory *directory, struct device *device);

/* Agents may reach it from now on. */
void device_approve(struct directory *directory, struct device *device);

/* From now on whoever registers sees what was bound before this call. */
void places_settle(struct directory *directory);

/* Which devices a binding's sweep takes: those that were last seen on the listener and belong to no
 * project, or to `from`, if that isn't 0. */
struct sweep_filter {
    const char *listener;
    uint32_t from;
    struct place to;
};

/* The next device from position *at on, looking at `most` of them at the most; NULL: none among
 * them. *at is where to go on; *end tells that there is no more. */
struct device *places_next(struct directory *directory, const struct sweep_filter *filter,
                           uint64_t *at, uint64_t most, bool *end);

#endif
