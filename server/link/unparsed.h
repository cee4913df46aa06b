/* Bytes that a device sends while nobody reads and that its plugin doesn't know: the first of them
 * become an event, so that a meter that pushes in a way nobody configured is seen. At most one
 * event of a device within links.unparsed_interval_s; what comes meanwhile is counted and told by
 * the next one, at the latest when that time is over. A shard remembers a bounded number of
 * devices; what others send meanwhile is counted in its metrics alone.
 *
 * All in the shard's thread. */
#ifndef CENCD_LINK_UNPARSED_H
#define CENCD_LINK_UNPARSED_H

#include <stddef.h>
#include <stdint.h>

struct device;
struct link;
struct shard;

struct unparsed_slot {
    struct device *device; /* NULL: free */
    uint64_t told_ms;      /* its last event */
    uint64_t skipped;      /* bytes since then */
};

struct unparsed {
    struct unparsed_slot *slots; /* made with the first event */
    uint32_t used;
};

/* Secrets in data are blanked. */
void unparsed_received(struct link *link, uint8_t *data, size_t size);
/* Now and then. */
void unparsed_tick(struct shard *shard);
void unparsed_free(struct shard *shard);

#endif
