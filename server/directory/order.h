/* Devices in the order of their registration: appended to by any thread, read by any thread without
 * a lock, never moved and never removed. */
#ifndef CENCD_DIRECTORY_ORDER_H
#define CENCD_DIRECTORY_ORDER_H

#include <pthread.h>
#include <stdint.h>

#include "server/base/status.h"

struct device;
struct order_chunk;

struct order {
    pthread_mutex_t appending;
    struct order_chunk **chunks; /* room for all that capacity devices need */
    uint64_t capacity;
    _Atomic uint64_t count; /* published after what it counts */
};

enum status order_init(struct order *order, uint64_t capacity) MUST_CHECK;
void order_destroy(struct order *order); /* devices are not freed */

/* STATUS_FULL at capacity, STATUS_NO_MEMORY. */
enum status order_append(struct order *order, struct device *device) MUST_CHECK;

/* NULL beyond the end. */
struct device *order_at(const struct order *order, uint64_t position);
uint64_t order_count(const struct order *order);

#endif
