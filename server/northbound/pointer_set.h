/* A set of pointers with a bound, for what changed since one last looked. */
#ifndef CENCD_NORTHBOUND_POINTER_SET_H
#define CENCD_NORTHBOUND_POINTER_SET_H

#include <stdbool.h>
#include <stddef.h>

#define POINTER_SET_MAX 32768u

struct pointer_set {
    const void **items; /* in the order of their coming */
    size_t count;
    size_t taken;       /* of the items, by pointer_set_take */
    size_t *places;     /* hash: index + 1 of an item; 0: free */
    size_t place_count; /* a power of two, or 0 */
};

/* False: it is full, or there is no memory. */
bool pointer_set_add(struct pointer_set *set, const void *pointer);
/* The oldest one that wasn't taken yet; NULL: all are, and the set is empty then. */
const void *pointer_set_take(struct pointer_set *set);
void pointer_set_free(struct pointer_set *set);

#endif
