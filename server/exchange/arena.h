/* Memory that is taken in small pieces and given back at once, with all that was written into it
 * made zeros: what an import reads may hold what nobody is to find later. Not thread-safe. */
#ifndef CENCD_EXCHANGE_ARENA_H
#define CENCD_EXCHANGE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct arena_chunk;

/* All zeros: empty. */
struct arena {
    struct arena_chunk *last;
    bool failed; /* out of memory once */
};

/* Aligned for anything; NULL: out of memory. */
void *arena_take(struct arena *arena, size_t size);

/* A copy with a NUL. */
const char *arena_text(struct arena *arena, const char *text, size_t size);

void arena_free(struct arena *arena);

#endif
