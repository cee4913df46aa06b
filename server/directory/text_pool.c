#include "server/directory/text_pool.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"

/* Constant once it is in a bucket; put there with release order, so that readers see it whole. */
struct pooled_text {
    struct pooled_text *next;
    uint32_t number;
    char text[];
};

enum status text_pool_init(struct text_pool *pool, uint32_t capacity, const struct siphash_key *key)
{
    CHECK(capacity <= TEXT_POOL_CAPACITY);
    pool->key = *key;
    pool->capacity = capacity;
    pool->count = 0;
    for (size_t i = 0; i < TEXT_POOL_BUCKETS; i++)
        atomic_init(&pool->buckets[i], NULL);
    for (size_t i = 0; i < TEXT_POOL_CHUNKS; i++)
        atomic_init(&pool->chunks[i], NULL);
    return pthread_mutex_init(&pool->adding, NULL) == 0 ? STATUS_OK : STATUS_NO_MEMORY;
}

void text_pool_destroy(struct text_pool *pool)
{
    for (size_t i = 0; i < TEXT_POOL_BUCKETS; i++) {
        struct pooled_text *node = atomic_load_explicit(&pool->buckets[i], memory_order_relaxed);
        while (node != NULL) {
            struct pooled_text *next = node->next;
            free(node);
            node = next;
        }
    }
    for (size_t i = 0; i < TEXT_POOL_CHUNKS; i++)
        free(atomic_load_explicit(&pool->chunks[i], memory_order_relaxed));
    (void)pthread_mutex_destroy(&pool->adding);
}

static uint32_t bucket_of(const struct text_pool *pool, const char *text, size_t size)
{
    return (uint32_t)(siphash(&pool->key, text, size) % TEXT_POOL_BUCKETS);
}

static uint32_t find_in(const struct text_pool *pool, uint32_t bucket, const char *text)
{
    const struct pooled_text *node =
        atomic_load_explicit(&pool->buckets[bucket], memory_order_acquire);

    while (node != NULL && strcmp(node->text, text) != 0)
        node = node->next;
    return node == NULL ? TEXT_POOL_NONE : node->number;
}

uint32_t text_pool_find(const struct text_pool *pool, const char *text)
{
    return find_in(pool, bucket_of(pool, text, strlen(text)), text);
}

/* Under the lock. The place of a number, whose chunk is made if need be; NULL: no memory. */
static _Atomic(struct pooled_text *) *place_of_number(struct text_pool *pool, uint32_t number)
{
    _Atomic(struct pooled_text *) *chunk =
        atomic_load_explicit(&pool->chunks[number / TEXTS_PER_CHUNK], memory_order_relaxed);

    if (chunk == NULL) {
        chunk = calloc(TEXTS_PER_CHUNK, sizeof(*chunk));
        if (chunk == NULL)
            return NULL;
        atomic_store_explicit(&pool->chunks[number / TEXTS_PER_CHUNK], chunk, memory_order_release);
    }
    return &chunk[number % TEXTS_PER_CHUNK];
}

/* Under the lock: another thread may have added the same text meanwhile. */
static uint32_t add(struct text_pool *pool, uint32_t bucket, const char *text, size_t size)
{
    uint32_t found = find_in(pool, bucket, text);

    if (found != TEXT_POOL_NONE || pool->count == pool->capacity)
        return found;
    _Atomic(struct pooled_text *) *place = place_of_number(pool, pool->count + 1);
    struct pooled_text *node = malloc(sizeof(*node) + size + 1);
    if (node == NULL || place == NULL) {
        free(node);
        return TEXT_POOL_NONE;
    }
    memcpy(node->text, text, size + 1);
    node->number = ++pool->count;
    node->next = atomic_load_explicit(&pool->buckets[bucket], memory_order_relaxed);
    atomic_store_explicit(place, node, memory_order_release);
    atomic_store_explicit(&pool->buckets[bucket], node, memory_order_release);
    return node->number;
}

uint32_t text_pool_take(struct text_pool *pool, const char *text)
{
    size_t size = strlen(text);
    uint32_t bucket = bucket_of(pool, text, size);
    uint32_t found = find_in(pool, bucket, text);

    if (found != TEXT_POOL_NONE)
        return found;
    CHECK(pthread_mutex_lock(&pool->adding) == 0);
    found = add(pool, bucket, text, size);
    CHECK(pthread_mutex_unlock(&pool->adding) == 0);
    return found;
}

const char *text_pool_text(const struct text_pool *pool, uint32_t number)
{
    if (number == TEXT_POOL_NONE)
        return "";
    CHECK(number <= pool->capacity);
    _Atomic(struct pooled_text *) *chunk =
        atomic_load_explicit(&pool->chunks[number / TEXTS_PER_CHUNK], memory_order_acquire);
    CHECK(chunk != NULL);
    const struct pooled_text *node =
        atomic_load_explicit(&chunk[number % TEXTS_PER_CHUNK], memory_order_acquire);
    CHECK(node != NULL);
    return node->text;
}
