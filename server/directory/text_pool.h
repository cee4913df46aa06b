/* Texts that many devices share: each distinct one is kept once, for the life of the pool, up to a
 * bound, since devices choose some of them. It has a number, which stands for it where a pointer
 * would be too large. Thread-safe; finding a text and reading one by its number take no lock. */
#ifndef CENCD_DIRECTORY_TEXT_POOL_H
#define CENCD_DIRECTORY_TEXT_POOL_H

#include <pthread.h>
#include <stdint.h>

#include "server/base/siphash.h"
#include "server/base/status.h"

#define TEXT_POOL_BUCKETS  4096
#define TEXT_POOL_CHUNKS   256u
#define TEXTS_PER_CHUNK    1024u
#define TEXT_POOL_CAPACITY (TEXT_POOL_CHUNKS * TEXTS_PER_CHUNK - 1)
#define TEXT_POOL_NONE     0u /* no text's number */

struct pooled_text;

struct text_pool {
    struct siphash_key key;
    uint32_t capacity; /* distinct texts: their numbers are 1 to this */
    uint32_t count;
    pthread_mutex_t adding;
    _Atomic(struct pooled_text *) buckets[TEXT_POOL_BUCKETS];
    _Atomic(struct pooled_text *) *_Atomic chunks[TEXT_POOL_CHUNKS]; /* by number */
};

/* capacity is at most TEXT_POOL_CAPACITY. */
enum status text_pool_init(struct text_pool *pool, uint32_t capacity,
                           const struct siphash_key *key) MUST_CHECK;
void text_pool_destroy(struct text_pool *pool);

/* The number of an equal text, or TEXT_POOL_NONE if there is none. */
uint32_t text_pool_find(const struct text_pool *pool, const char *text);

/* The same, added if need be; TEXT_POOL_NONE if the pool is full or there is no memory. */
uint32_t text_pool_take(struct text_pool *pool, const char *text);

/* The text of a number that one of the two above gave; "" for TEXT_POOL_NONE. */
const char *text_pool_text(const struct text_pool *pool, uint32_t number);

#endif
