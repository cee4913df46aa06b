/* Ways to cut what a vector's device sends: the pieces in which it arrives. One set of pieces at a
 * time. */
#ifndef CENCD_TESTS_FRAMES_CUTS_H
#define CENCD_TESTS_FRAMES_CUTS_H

#include "tests/frames/vector.h"

/* No pieces. */
void cuts_clear(void);
void cuts_add(uint64_t quiet_ms, size_t start, size_t size, bool idle);
/* One piece for each run. */
void cuts_as_recorded(const struct vector *vector);
/* Cuts the piece that holds byte `at` in front of it, without a pause. */
void cuts_at(size_t at);
/* Joins the first piece with the one after it: the hello runs into what follows. */
void cuts_join_first(void);
/* Time that the last piece waits for. */
void cuts_delay_last(uint64_t quiet_ms);
void cuts_play(const struct vector *vector, const char *how);

#endif
