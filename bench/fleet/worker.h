/* One thread with one reactor and its share of the devices. A reactor holds as many connections as
 * RLIMIT_NOFILE says; a larger fleet has more workers. */
#ifndef CENCD_FLEET_WORKER_H
#define CENCD_FLEET_WORKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "bench/fleet/device.h"
#include "bench/fleet/options.h"
#include "server/reactor/reactor.h"

/* Written by the worker's thread, read by others at any time. */
struct worker_counters {
    _Atomic uint64_t devices_seen; /* connected at least once */
    _Atomic uint64_t online;       /* now */
    _Atomic uint64_t connects;
    _Atomic uint64_t failed_connects;
    _Atomic uint64_t closed_by_server; /* links that ended with its FIN */
    _Atomic uint64_t broken;           /* ... with an error */
    _Atomic uint64_t keepalives;
    _Atomic uint64_t sessions; /* times that somebody began to talk to a meter */
    _Atomic uint64_t answers;
    _Atomic uint64_t gasps;
    _Atomic uint64_t bytes_received;
    _Atomic uint64_t bytes_sent;
};

struct worker {
    const struct fleet_options *options;
    struct device *devices;
    uint32_t first; /* index of devices[0] in the fleet */
    uint32_t device_count;
    uint32_t rate_millis;    /* thousandths of connects per second */
    uint32_t connecting_max; /* at the same time, since each has an ordinary descriptor too */

    pthread_t thread;
    struct reactor *reactor;
    struct list queue; /* devices that may connect, in order */
    struct timer pace;
    uint64_t paced_ms;
    uint64_t credit; /* millionths of connects */
    uint32_t connecting;
    uint32_t open; /* streams not closed */
    uint64_t random;
    bool stopping;

    atomic_bool stop; /* by the main thread */
    atomic_bool dark; /* likewise: the neighbourhood has no power */
    bool is_dark;     /* its devices know */
    atomic_bool ended;
    bool failed;
    struct kernel_error error; /* why */
    struct worker_counters counters;
};

/* Starts the thread: options, first, device_count, rate_millis and connecting_max are set, the rest
 * is zero. */
enum status worker_start(struct worker *worker) MUST_CHECK;

/* Closes everything, waits for the thread. */
void worker_stop(struct worker *worker);

/* ---- for its devices ---- */

/* Puts the device at the end of the queue. */
void worker_enqueue(struct worker *worker, struct device *device);

/* 0 to below - 1. */
uint32_t worker_random(struct worker *worker, uint32_t below);

static inline void worker_count(_Atomic uint64_t *counter, uint64_t by)
{
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + by, memory_order_relaxed);
}

#endif
