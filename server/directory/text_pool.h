/* Texts that many devices share: each distinct one is kept once, for the life of the pool, up to a
 * bound, since devices choose some of them. Thread-safe; finding a text takes no lock. */
#ifndef CENCD_DIRECTORY_TEXT_POOL_H
#define CENCD_DIRECTORY_TEXT_POOL_H

#include <pthread.h>
#include <stdint.h>

#include "server/base/siphash.h"
#include "server/base/status.h"

#define TEXT_POOL_BUCKETS 4096

struct pooled_text;

struct text_pool {
    struct siphash_key key;
    uint32_t capacity; /* distinct texts */
    uint32_t count;
    pthread_mutex_t adding;
    _Atomic(struct pooled_text *) buckets[TEXT_POOL_BUCKETS];
};

enum status text_pool_init(struct text_pool *pool, uint32_t capacity,
                           const struct siphash_key *key) MUST_CHECK;
void text_pool_destroy(struct text_pool *pool);

/* The pool's own copy, or NULL if it has none. Copies of equal texts are one pointer. */
const char *text_pool_find(struct text_pool *pool, const char *text);

/* The same, added if need be; NULL if the pool is full or there is no memory. */
const char *text_pool_take(struct text_pool *pool, const char *text);

#endif
