/* What was sent and isn't acknowledged yet: each event's sequence and size, oldest first, so that
 * an acknowledgement frees exactly what it covers. Grows as it must, up to its bound. */
#ifndef CENCD_NORTHBOUND_WINDOW_H
#define CENCD_NORTHBOUND_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WINDOW_EVENTS_MAX     65536u
#define WINDOW_EVENTS_DEFAULT 10000u
#define WINDOW_BYTES_MAX      (16u * 1024 * 1024)

struct window_entry {
    uint64_t sequence;
    uint64_t size;
};

struct window {
    struct window_entry *entries; /* a ring */
    size_t capacity;              /* a power of two, or 0 */
    size_t first;
    size_t count;
    uint64_t bytes;
    size_t max_count; /* set by the owner */
    uint64_t max_bytes;
};

/* May one more be sent? At least one may, whatever its size. */
static inline bool window_open(const struct window *window)
{
    return window->count < window->max_count && window->bytes < window->max_bytes;
}

/* False: no memory. */
bool window_add(struct window *window, uint64_t sequence, uint64_t size);
/* All up to and including sequence. */
void window_acknowledge(struct window *window, uint64_t sequence);
void window_free(struct window *window);

#endif
