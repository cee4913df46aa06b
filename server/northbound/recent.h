/* The latest records of the journal, in memory, without a gap: for followers near its end, which
 * share them. The oldest go when there are more than RECENT_BYTES. */
#ifndef CENCD_NORTHBOUND_RECENT_H
#define CENCD_NORTHBOUND_RECENT_H

#include "server/base/list.h"
#include "server/journal/reader.h"

#define RECENT_BYTES (8u * 1024 * 1024)

struct recent {
    struct list blocks;
    size_t bytes;
};

static inline void recent_init(struct recent *recent)
{
    list_init(&recent->blocks);
    recent->bytes = 0;
}

/* Copies records that follow on those that are there. False: no memory, and nothing is kept. */
bool recent_add(struct recent *recent, const struct journal_record *records, size_t count);
void recent_forget(struct recent *recent);

/* The oldest sequence; 0: there is none. */
uint64_t recent_first(const struct recent *recent);

/* Records from sequence on, which is there, as many as are in one piece; valid until something is
 * added or forgotten. */
const struct journal_record *recent_find(const struct recent *recent, uint64_t sequence,
                                         size_t *count);

#endif
