#include "server/journal/told.h"

#include "server/journal/internal.h"

uint8_t told_add(struct told_count *told)
{
    uint8_t half = atomic_load(&told->turns) & 1;

    atomic_fetch_add(&told->untold[half], 1);
    return half;
}

void told_turn(struct told_count *told)
{
    uint64_t half = atomic_load(&told->turns) & 1;

    if (atomic_load(&told->untold[half ^ 1]) == 0)
        atomic_fetch_add(&told->turns, 1);
}

void told_remove(struct told_count *told, uint8_t half)
{
    CHECK(atomic_fetch_sub(&told->untold[half], 1) > 0);
}

void journal_point_take(const struct journal *journal, struct journal_point *point)
{
    /* In this order: a turn in between only makes the point wait for longer. */
    point->sequence = atomic_load(&journal->counters.committed);
    point->committed_turns = atomic_load(&journal->committed.turns);
    point->appended_turns = atomic_load(&journal->appended.turns);
}

static bool all_told(const struct told_count *told, uint64_t turns)
{
    if (atomic_load(&told->turns) >= turns + 2)
        return true;
    return atomic_load(&told->untold[0]) == 0 && atomic_load(&told->untold[1]) == 0;
}

bool journal_point_told(const struct journal *journal, const struct journal_point *point)
{
    return all_told(&journal->committed, point->committed_turns);
}

bool journal_point_recorded(const struct journal *journal, const struct journal_point *point)
{
    return all_told(&journal->appended, point->appended_turns);
}
