#include "server/directory/order.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "server/base/check.h"

#define CHUNK_DEVICES 4096u

struct order_chunk {
    struct device *devices[CHUNK_DEVICES];
};

enum status order_init(struct order *order, uint64_t capacity)
{
    order->capacity = capacity;
    atomic_init(&order->count, 0);
    order->chunks = calloc(capacity / CHUNK_DEVICES + 1, sizeof(struct order_chunk *));
    if (order->chunks == NULL)
        return STATUS_NO_MEMORY;
    CHECK(pthread_mutex_init(&order->appending, NULL) == 0);
    return STATUS_OK;
}

void order_destroy(struct order *order)
{
    uint64_t count = order_count(order);

    for (uint64_t i = 0; i * CHUNK_DEVICES < count; i++)
        free(order->chunks[i]);
    free(order->chunks);
    (void)pthread_mutex_destroy(&order->appending);
}

static enum status append_locked(struct order *order, struct device *device)
{
    uint64_t count = atomic_load_explicit(&order->count, memory_order_relaxed);

    if (count == order->capacity)
        return STATUS_FULL;
    struct order_chunk **chunk = &order->chunks[count / CHUNK_DEVICES];
    if (count % CHUNK_DEVICES == 0) {
        *chunk = malloc(sizeof(**chunk));
        if (*chunk == NULL)
            return STATUS_NO_MEMORY;
    }
    (*chunk)->devices[count % CHUNK_DEVICES] = device;
    atomic_store_explicit(&order->count, count + 1, memory_order_release);
    return STATUS_OK;
}

enum status order_append(struct order *order, struct device *device)
{
    CHECK(pthread_mutex_lock(&order->appending) == 0);
    enum status status = append_locked(order, device);
    CHECK(pthread_mutex_unlock(&order->appending) == 0);
    return status;
}

struct device *order_at(const struct order *order, uint64_t position)
{
    if (position >= order_count(order))
        return NULL;
    return order->chunks[position / CHUNK_DEVICES]->devices[position % CHUNK_DEVICES];
}

uint64_t order_count(const struct order *order)
{
    return atomic_load_explicit(&order->count, memory_order_acquire);
}
