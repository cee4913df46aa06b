#include "bench/fleet/worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/fleet/load.h"
#include "bench/fleet/power.h"

#define PACE_MS          10u
#define TURN_MS          100 /* how late a stop is noticed */
#define CREDIT_A_CONNECT 1000000u
#define BURST_MS         200u /* of its rate: what a worker that was late may make up for */
#define SMALL_BUFFERS    256u
#define SMALL_SIZE       2048u
#define LARGE_BUFFERS    4u
#define LARGE_SIZE       65536u
#define STACK_BYTES      (256u * 1024)

uint32_t worker_random(struct worker *worker, uint32_t below)
{
    return (uint32_t)(load_mix(worker->random++) % below);
}

/* ---- pacing ---- */

static void pace(struct timer *timer)
{
    struct worker *worker = container_of(timer, struct worker, pace);
    uint64_t now_ms = reactor_now_ms(worker->reactor);
    uint64_t most = (uint64_t)BURST_MS * worker->rate_millis + CREDIT_A_CONNECT;

    worker->credit += (now_ms - worker->paced_ms) * worker->rate_millis;
    worker->paced_ms = now_ms;
    if (worker->credit > most)
        worker->credit = most;
    while (worker->credit >= CREDIT_A_CONNECT && !list_empty(&worker->queue) &&
           worker->connecting < worker->connecting_max) {
        struct device *device = container_of(worker->queue.next, struct device, queue);
        list_remove(&device->queue);
        worker->credit -= CREDIT_A_CONNECT;
        device_connect(device);
    }
    if (!list_empty(&worker->queue))
        timer_start_fine(worker->reactor, &worker->pace, PACE_MS);
}

void worker_enqueue(struct worker *worker, struct device *device)
{
    list_append(&worker->queue, &device->queue);
    if (timer_running(&worker->pace))
        return;
    /* time without anybody in the queue earns nothing */
    worker->paced_ms = reactor_now_ms(worker->reactor);
    timer_start_fine(worker->reactor, &worker->pace, PACE_MS);
}

/* ---- the thread ---- */

static enum status create_reactor(struct worker *worker)
{
    const struct reactor_config config = {
        .limits =
            {
                .slots = worker->device_count,
                .reserved_slots = 0,
                .buffer_count = {[BUFFERS_SMALL] = SMALL_BUFFERS, [BUFFERS_LARGE] = LARGE_BUFFERS},
                .buffer_size = {[BUFFERS_SMALL] = SMALL_SIZE, [BUFFERS_LARGE] = LARGE_SIZE},
            },
        .owner = worker,
    };
    return reactor_create(&config, &worker->reactor, &worker->error);
}

static void run(struct worker *worker)
{
    worker->random = load_mix(worker->options->seed) ^ worker->first;
    timer_init(&worker->pace, pace);
    list_init(&worker->queue);
    for (uint32_t i = 0; i < worker->device_count; i++) {
        device_init(&worker->devices[i], worker, worker->first + i);
        worker_enqueue(worker, &worker->devices[i]);
    }
    while (!atomic_load_explicit(&worker->stop, memory_order_relaxed)) {
        (void)reactor_turn(worker->reactor, TURN_MS);
        power_look(worker);
    }
    worker->stopping = true;
    timer_stop(&worker->pace);
    for (uint32_t i = 0; i < worker->device_count; i++)
        device_stop(&worker->devices[i]);
    const struct reactor_counters *counters = reactor_counters(worker->reactor);
    while (worker->open > 0 || atomic_load(&counters->in_flight) > 0)
        (void)reactor_turn(worker->reactor, TURN_MS);
}

static void *thread_main(void *argument)
{
    struct worker *worker = argument;

    worker->devices = calloc(worker->device_count, sizeof *worker->devices);
    if (worker->devices == NULL) {
        worker->failed = true;
        (void)snprintf(worker->error.text, sizeof worker->error.text,
                       "not enough memory for %u devices", worker->device_count);
    } else if (create_reactor(worker) != STATUS_OK) {
        worker->failed = true;
    } else {
        run(worker);
        reactor_destroy(worker->reactor);
    }
    free(worker->devices);
    atomic_store_explicit(&worker->ended, true, memory_order_release);
    return NULL;
}

enum status worker_start(struct worker *worker)
{
    pthread_attr_t attributes;
    int error;

    if (pthread_attr_init(&attributes) != 0)
        return STATUS_NO_MEMORY;
    (void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
    error = pthread_create(&worker->thread, &attributes, thread_main, worker);
    (void)pthread_attr_destroy(&attributes);
    errno = error;
    return error == 0 ? STATUS_OK : STATUS_SYSTEM;
}

void worker_stop(struct worker *worker)
{
    atomic_store_explicit(&worker->stop, true, memory_order_relaxed);
    (void)pthread_join(worker->thread, NULL);
}
