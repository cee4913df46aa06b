#include "server/northbound/pointer_set.h"

#include <stdint.h>
#include <stdlib.h>

#define FIRST_PLACES 64u

static size_t place_of(const struct pointer_set *set, const void *pointer)
{
    uint64_t hash = (uint64_t)(uintptr_t)pointer * 0x9e3779b97f4a7c15ull;
    size_t place = (size_t)(hash >> 32) & (set->place_count - 1);

    while (set->places[place] != 0 && set->items[set->places[place] - 1] != pointer)
        place = (place + 1) & (set->place_count - 1);
    return place;
}

static bool grow(struct pointer_set *set)
{
    size_t count = set->place_count == 0 ? FIRST_PLACES : set->place_count * 2;
    size_t *places = calloc(count, sizeof(*places));
    const void **items = (const void **)realloc((void *)set->items, count / 2 * sizeof(*items));

    if (items != NULL)
        set->items = items;
    if (places == NULL || items == NULL) {
        free(places);
        return false;
    }
    free(set->places);
    set->places = places;
    set->place_count = count;
    for (size_t i = 0; i < set->count; i++)
        set->places[place_of(set, set->items[i])] = i + 1;
    return true;
}

bool pointer_set_add(struct pointer_set *set, const void *pointer)
{
    size_t place = 0;

    if (set->place_count > 0) {
        place = place_of(set, pointer);
        if (set->places[place] != 0 && set->places[place] > set->taken)
            return true;
    }
    if (set->count >= POINTER_SET_MAX)
        return false;
    if (set->count >= set->place_count / 2) {
        if (!grow(set))
            return false;
        place = place_of(set, pointer);
    }
    /* one that was taken already comes again, at the end */
    set->items[set->count++] = pointer;
    set->places[place] = set->count;
    return true;
}

const void *pointer_set_take(struct pointer_set *set)
{
    if (set->taken < set->count)
        return set->items[set->taken++];
    pointer_set_free(set);
    return NULL;
}

void pointer_set_free(struct pointer_set *set)
{
    free((void *)set->items);
    free(set->places);
    *set = (struct pointer_set){0};
}
