#include "server/shard/refusals.h"

void refusals_look(struct refusals *refusals, uint64_t count, uint64_t utc_ms)
{
    bool first = refusals->seen == refusals->told;

    refusals->growing = count > refusals->seen;
    if (refusals->growing && first)
        refusals->since_utc_ms =
            refusals->looked_utc_ms != 0 ? refusals->looked_utc_ms : utc_ms; /* since the start */
    if (refusals->growing)
        refusals->until_utc_ms = utc_ms;
    refusals->seen = count;
    refusals->looked_utc_ms = utc_ms;
}

uint64_t refusals_untold(const struct refusals *refusals)
{
    return refusals->seen - refusals->told;
}

bool refusals_are_over(const struct refusals *refusals)
{
    return refusals_untold(refusals) > 0 && !refusals->growing;
}

void refusals_are_told(struct refusals *refusals)
{
    refusals->told = refusals->seen;
}
