#include "server/link/sources.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/base/siphash.h"

#define STRIPES       16
#define FIRST_ENTRIES 64

/* Without padding, so that equal keys are equal bytes. */
struct source_key {
    uint8_t ip[16];
    uint8_t family;
};

struct entry {
    struct source_key key;
    uint32_t count; /* 0: free */
};

/* Open addressing, at most three quarters full; doubles, never shrinks: the bound is capacity. */
struct stripe {
    _Alignas(64) pthread_mutex_t lock;
    struct entry *entries;
    size_t mask;
    size_t used;
};

struct sources {
    struct stripe stripes[STRIPES];
    struct siphash_key key;
    uint32_t limit;
    uint32_t capacity;
    _Atomic uint32_t addresses;
};

enum status sources_create(uint32_t limit, uint32_t capacity, struct sources **sources)
{
    struct sources *made = aligned_alloc(_Alignof(struct sources), sizeof(*made));

    if (made == NULL)
        return STATUS_NO_MEMORY;
    memset(made, 0, sizeof(*made));
    made->key = siphash_random_key();
    made->limit = limit;
    made->capacity = capacity;
    for (size_t i = 0; i < STRIPES; i++) {
        struct stripe *stripe = &made->stripes[i];
        CHECK(pthread_mutex_init(&stripe->lock, NULL) == 0);
        stripe->mask = FIRST_ENTRIES - 1;
        stripe->entries = calloc(FIRST_ENTRIES, sizeof(struct entry));
    }
    for (size_t i = 0; i < STRIPES; i++) {
        if (made->stripes[i].entries == NULL) {
            sources_free(made);
            return STATUS_NO_MEMORY;
        }
    }
    *sources = made;
    return STATUS_OK;
}

void sources_free(struct sources *sources)
{
    if (sources == NULL)
        return;
    for (size_t i = 0; i < STRIPES; i++) {
        (void)pthread_mutex_destroy(&sources->stripes[i].lock);
        free(sources->stripes[i].entries);
    }
    free(sources);
}

static struct source_key key_of(const struct address *peer)
{
    struct source_key key = {.family = peer->family};

    memcpy(key.ip, peer->ip, peer->family == 6 ? 8 : 4);
    return key;
}

static bool same_key(const struct source_key *a, const struct source_key *b)
{
    return a->family == b->family && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

static uint64_t hash_of(const struct sources *sources, const struct source_key *key)
{
    return siphash(&sources->key, key->ip, sizeof(key->ip));
}

/* The low bits choose the stripe, the others the place in it. */
static size_t home_of(const struct sources *sources, const struct stripe *stripe,
                      const struct source_key *key)
{
    return (hash_of(sources, key) / STRIPES) & stripe->mask;
}

/* The key's entry, or the free one where it would stand. */
static size_t place_of(const struct sources *sources, const struct stripe *stripe,
                       const struct source_key *key)
{
    size_t at = home_of(sources, stripe, key);

    while (stripe->entries[at].count != 0 && !same_key(&stripe->entries[at].key, key))
        at = (at + 1) & stripe->mask;
    return at;
}

static bool make_room(const struct sources *sources, struct stripe *stripe)
{
    size_t size = stripe->mask + 1;

    if (stripe->used < size / 4 * 3)
        return true;
    struct entry *old = stripe->entries;
    struct entry *entries = calloc(size * 2, sizeof(*entries));
    if (entries == NULL)
        return false;
    stripe->entries = entries;
    stripe->mask = size * 2 - 1;
    for (size_t i = 0; i < size; i++) {
        if (old[i].count != 0)
            entries[place_of(sources, stripe, &old[i].key)] = old[i];
    }
    free(old);
    return true;
}

static bool add(struct sources *sources, struct stripe *stripe, const struct source_key *key)
{
    if (atomic_fetch_add(&sources->addresses, 1) >= sources->capacity ||
        !make_room(sources, stripe)) {
        atomic_fetch_sub(&sources->addresses, 1);
        return false;
    }
    stripe->entries[place_of(sources, stripe, key)] = (struct entry){.key = *key, .count = 1};
    stripe->used++;
    return true;
}

/* Frees an entry, and moves up those that only stand further on because of it. */
static void drop(struct sources *sources, struct stripe *stripe, size_t hole)
{
    size_t at = hole;

    stripe->entries[hole].count = 0;
    for (;;) {
        at = (at + 1) & stripe->mask;
        if (stripe->entries[at].count == 0)
            break;
        size_t home = home_of(sources, stripe, &stripe->entries[at].key);
        if (((at - home) & stripe->mask) < ((at - hole) & stripe->mask))
            continue;
        stripe->entries[hole] = stripe->entries[at];
        stripe->entries[at].count = 0;
        hole = at;
    }
    stripe->used--;
    atomic_fetch_sub(&sources->addresses, 1);
}

static struct stripe *lock_stripe(struct sources *sources, const struct source_key *key)
{
    struct stripe *stripe = &sources->stripes[hash_of(sources, key) % STRIPES];

    CHECK(pthread_mutex_lock(&stripe->lock) == 0);
    return stripe;
}

bool sources_enter(struct sources *sources, const struct address *peer)
{
    struct source_key key = key_of(peer);
    struct stripe *stripe = lock_stripe(sources, &key);
    struct entry *entry = &stripe->entries[place_of(sources, stripe, &key)];
    bool entered = false;

    if (sources->limit == 0) {
        entered = false;
    } else if (entry->count == 0) {
        entered = add(sources, stripe, &key);
    } else if (entry->count < sources->limit) {
        entry->count++;
        entered = true;
    }
    CHECK(pthread_mutex_unlock(&stripe->lock) == 0);
    return entered;
}

void sources_leave(struct sources *sources, const struct address *peer)
{
    struct source_key key = key_of(peer);
    struct stripe *stripe = lock_stripe(sources, &key);
    size_t place = place_of(sources, stripe, &key);

    CHECK(stripe->entries[place].count > 0);
    if (--stripe->entries[place].count == 0)
        drop(sources, stripe, place);
    CHECK(pthread_mutex_unlock(&stripe->lock) == 0);
}
