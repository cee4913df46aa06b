#include "server/directory/ports.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "server/base/check.h"

#define WORD_BITS 64u

enum status ports_init(struct port_leases *ports, uint16_t first, uint16_t last)
{
    CHECK(first <= last);
    ports->first = first;
    ports->count = first == 0 ? 0 : (uint32_t)last - first + 1;
    ports->next = 0;
    atomic_init(&ports->leased, 0);
    ports->taken = calloc(ports->count / WORD_BITS + 1, sizeof(*ports->taken));
    if (ports->taken == NULL)
        return STATUS_NO_MEMORY;
    CHECK(pthread_mutex_init(&ports->lock, NULL) == 0);
    return STATUS_OK;
}

void ports_destroy(struct port_leases *ports)
{
    free(ports->taken);
    (void)pthread_mutex_destroy(&ports->lock);
}

static bool is_taken(const struct port_leases *ports, uint32_t index)
{
    return (ports->taken[index / WORD_BITS] >> (index % WORD_BITS) & 1) != 0;
}

static void mark(struct port_leases *ports, uint32_t index)
{
    ports->taken[index / WORD_BITS] |= UINT64_C(1) << (index % WORD_BITS);
    atomic_fetch_add_explicit(&ports->leased, 1, memory_order_relaxed);
}

/* Under the lock; one is free. */
static uint32_t find_free(const struct port_leases *ports)
{
    uint32_t index = ports->next;

    while (is_taken(ports, index)) {
        bool word_full = index % WORD_BITS == 0 && ports->taken[index / WORD_BITS] == UINT64_MAX;
        index += word_full ? WORD_BITS : 1;
        if (index >= ports->count)
            index = 0;
    }
    return index;
}

uint16_t ports_lease(struct port_leases *ports)
{
    uint16_t port = 0;

    /* Once all are leased, each of many more devices would ask in vain: no lock for them. */
    if (ports_leased(ports) == ports->count)
        return 0;
    CHECK(pthread_mutex_lock(&ports->lock) == 0);
    if (ports_leased(ports) < ports->count) {
        uint32_t index = find_free(ports);
        mark(ports, index);
        ports->next = index + 1 == ports->count ? 0 : index + 1;
        port = (uint16_t)(ports->first + index);
    }
    CHECK(pthread_mutex_unlock(&ports->lock) == 0);
    return port;
}

bool ports_take(struct port_leases *ports, uint16_t port)
{
    uint32_t index = (uint32_t)port - ports->first;

    if (port < ports->first || index >= ports->count)
        return false;
    CHECK(pthread_mutex_lock(&ports->lock) == 0);
    bool was_free = !is_taken(ports, index);
    if (was_free)
        mark(ports, index);
    CHECK(pthread_mutex_unlock(&ports->lock) == 0);
    return was_free;
}

void ports_return(struct port_leases *ports, uint16_t port)
{
    uint32_t index = (uint32_t)port - ports->first;

    CHECK(pthread_mutex_lock(&ports->lock) == 0);
    CHECK(index < ports->count && is_taken(ports, index));
    ports->taken[index / WORD_BITS] &= ~(UINT64_C(1) << (index % WORD_BITS));
    atomic_fetch_sub_explicit(&ports->leased, 1, memory_order_relaxed);
    CHECK(pthread_mutex_unlock(&ports->lock) == 0);
}

uint32_t ports_leased(const struct port_leases *ports)
{
    return atomic_load_explicit(&ports->leased, memory_order_relaxed);
}
