#include "server/directory/text_pool.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"

/* Constant once it is in a bucket; put there with release order, so that readers see it whole. */
struct pooled_text {
    struct pooled_text *next;
    char text[];
};

enum status text_pool_init(struct text_pool *pool, uint32_t capacity, const struct siphash_key *key)
{
    pool->key = *key;
    pool->capacity = capacity;
    pool->count = 0;
    for (size_t i = 0; i < TEXT_POOL_BUCKETS; i++)
        atomic_init(&pool->buckets[i], NULL);
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
    (void)pthread_mutex_destroy(&pool->adding);
}

static _Atomic(struct pooled_text *) *bucket_of(struct text_pool *pool, const char *text,
                                                size_t size)
{
    return &pool->buckets[siphash(&pool->key, text, size) % TEXT_POOL_BUCKETS];
}

static const char *find_in(_Atomic(struct pooled_text *) *bucket, const char *text)
{
    struct pooled_text *node = atomic_load_explicit(bucket, memory_order_acquire);

    while (node != NULL && strcmp(node->text, text) != 0)
        node = node->next;
    return node == NULL ? NULL : node->text;
}

const char *text_pool_find(struct text_pool *pool, const char *text)
{
    return find_in(bucket_of(pool, text, strlen(text)), text);
}

/* Under the lock: another thread may have added the same text meanwhile. */
static const char *add(struct text_pool *pool, _Atomic(struct pooled_text *) *bucket,
                       const char *text, size_t size)
{
    const char *found = find_in(bucket, text);

    if (found != NULL || pool->count == pool->capacity)
        return found;
    struct pooled_text *node = malloc(sizeof(*node) + size + 1);
    if (node == NULL)
        return NULL;
    memcpy(node->text, text, size + 1);
    node->next = atomic_load_explicit(bucket, memory_order_relaxed);
    atomic_store_explicit(bucket, node, memory_order_release);
    pool->count++;
    return node->text;
}

const char *text_pool_take(struct text_pool *pool, const char *text)
{
    size_t size = strlen(text);
    _Atomic(struct pooled_text *) *bucket = bucket_of(pool, text, size);
    const char *found = find_in(bucket, text);

    if (found != NULL)
        return found;
    CHECK(pthread_mutex_lock(&pool->adding) == 0);
    found = add(pool, bucket, text, size);
    CHECK(pthread_mutex_unlock(&pool->adding) == 0);
    return found;
}
