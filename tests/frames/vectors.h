/* All vectors of a folder or two, and the tests that every plugin's must pass: as recorded, and cut
 * in all ways that TCP may cut them. */
#ifndef CENCD_TESTS_FRAMES_VECTORS_H
#define CENCD_TESTS_FRAMES_VECTORS_H

#include "tests/frames/vector.h"

#define VECTORS_MAX 256u

extern struct vector *vectors[VECTORS_MAX];
extern size_t vector_count;

/* Adds those of tests/frames/<folder>/. Not 0: there are none, or too many. */
int vectors_read(const char *folder, const struct plugin *plugin);
/* A fixture of the group. */
int vectors_free(void **state);

bool vector_may_be_cut(const struct vector *vector);

/* ---- tests ---- */

void vectors_as_recorded(void **state);
void vectors_in_two_pieces(void **state);
void vectors_byte_by_byte(void **state);

/* So often, each time cut anew; CENCD_SEED repeats it. joins: half of them with their hello joined
 * to what follows. */
void vectors_in_random_pieces(unsigned rounds, bool joins);

#endif
