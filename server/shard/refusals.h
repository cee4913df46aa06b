/* What the journal refused since its queue was full, until that is told: how many events of which
 * class, since when. A pure value; its owner looks at the journal's counters now and then. */
#ifndef CENCD_SHARD_REFUSALS_H
#define CENCD_SHARD_REFUSALS_H

#include <stdbool.h>
#include <stdint.h>

struct refusals {
    uint64_t seen; /* of the counter, at the last look */
    uint64_t told; /* of the counter */
    uint64_t looked_utc_ms;
    uint64_t since_utc_ms; /* the first that isn't told came after it */
    uint64_t until_utc_ms; /* the last of them came before it */
    bool growing;          /* at the last look there were more than before */
};

/* count: of the journal's counter. */
void refusals_look(struct refusals *refusals, uint64_t count, uint64_t utc_ms);
/* There is something to tell, and it was over at the last look. */
bool refusals_are_over(const struct refusals *refusals);
uint64_t refusals_untold(const struct refusals *refusals);
/* An event with all of it is on its way. */
void refusals_are_told(struct refusals *refusals);

#endif
