/* Whether everybody who appended was told of what is committed, and whether what was appended is. A
 * reader that looks at what the appending threads change in `done` (the directory) takes a point,
 * and knows when they have changed it for all records up to there.
 *
 * Committed entries are counted in one of two halves until their done was called. New ones go to
 * one half until the other is empty; then the halves change places. So whatever was committed at
 * some time is told at the latest when that has happened twice, however much is committed
 * meanwhile. */
#ifndef CENCD_JOURNAL_TOLD_H
#define CENCD_JOURNAL_TOLD_H

#include "server/journal/journal.h"

struct told_count {
    _Atomic uint64_t untold[2];
    _Atomic uint64_t turns; /* times that the halves changed places */
};

/* Any thread: one more that isn't told. For what is committed: before anybody can see that it is.
 * Returns its half. */
uint8_t told_add(struct told_count *told);
/* The writer, now and then: after each group. */
void told_turn(struct told_count *told);
/* Any thread: done of an entry was called. */
void told_remove(struct told_count *told, uint8_t half);

struct journal_point {
    uint64_t sequence; /* committed when it was taken */
    uint64_t committed_turns;
    uint64_t appended_turns;
};

/* Any thread. */
void journal_point_take(const struct journal *journal, struct journal_point *point);

/* Any thread: done was called for all records up to point->sequence. Soon, and for ever, as long as
 * the appending threads run. */
bool journal_point_told(const struct journal *journal, const struct journal_point *point);

/* Any thread: all that was appended before the point was taken, and not refused, is committed (or
 * the journal stopped), and done was called. For ever, once the disk takes it. */
bool journal_point_recorded(const struct journal *journal, const struct journal_point *point);

#endif
