#include "server/reactor/sim/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/reactor/sim/datagram.h"
#include "server/reactor/sim/endpoint.h"
#include "server/reactor/sim/operation.h"

#define START_MS UINT64_C(1000)

static struct sim *current;

struct sim *sim_current(void)
{
    CHECK(current);
    return current;
}

void *sim_allocate(size_t size)
{
    void *memory = calloc(1, size);
    CHECK(memory);
    return memory;
}

_Noreturn void sim_violation(const char *rule, const char *function)
{
    fprintf(stderr, "simulation, seed %" PRIu64 ": rule broken: %s\n",
            current ? current->options.seed : 0, rule);
    fflush(stderr);
    check_failed(rule, function, 0);
}

/* ---- options ---- */

void sim_options_calm(struct sim_options *options, uint64_t seed)
{
    *options = (struct sim_options){
        .seed = seed, .stall_ms = 1000, .socket_bytes_min = 65536, .socket_bytes_max = 65536};
}

static uint64_t split_mix(uint64_t *state)
{
    uint64_t mixed = (*state += UINT64_C(0x9e3779b97f4a7c15));
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

/* Zero in half of the runs, so that rare combinations of few faults come up, too. */
static uint16_t some(uint64_t *state, unsigned highest)
{
    uint64_t draw = split_mix(state);
    return (uint16_t)(draw & 1 ? (draw >> 1) % (highest + 1) : 0);
}

void sim_options_random(struct sim_options *options, uint64_t seed)
{
    uint64_t state = seed ^ UINT64_C(0x6f7074696f6e73);
    sim_options_calm(options, seed);
    options->short_receive = some(&state, 600);
    options->partial_send = some(&state, 600);
    options->stall = some(&state, 60);
    options->no_buffers = some(&state, 200);
    options->reset = some(&state, 4);
    options->delay = some(&state, 300);
    options->reorder = some(&state, 700);
    options->multishot_end = some(&state, 300);
    options->poll_first = some(&state, 1000);
    options->empty_buffer = some(&state, 500);
    options->cancel_race = some(&state, 700);
    options->accept_error = some(&state, 200);
    options->connect_error = some(&state, 100);
    options->handover_error = some(&state, 100);
    options->file_short = some(&state, 200);
    options->file_error = some(&state, 20);
    options->file_full = some(&state, 20);
    options->work_delay = some(&state, 500);
    options->spurious_wake = some(&state, 200);
    options->early_submit = some(&state, 300);
    options->time_passes = some(&state, 100);
    options->stall_ms = 1 + (uint32_t)(split_mix(&state) % 3000);
    options->socket_bytes_min = 1u << (6 + split_mix(&state) % 8);
    options->socket_bytes_max = options->socket_bytes_min << split_mix(&state) % 4;
    options->datagram_loss = some(&state, 100);
    options->datagram_twice = some(&state, 100);
    options->datagram_reorder = some(&state, 500);
    options->datagram_refused = some(&state, 100);
}

void sim_calm_down(struct sim *sim)
{
    struct sim_options calm;
    sim_options_calm(&calm, sim->options.seed);
    calm.socket_bytes_min = sim->options.socket_bytes_min;
    calm.socket_bytes_max = sim->options.socket_bytes_max;
    calm.disk_bytes = sim->options.disk_bytes;
    sim->options = calm;
}

/* ---- chance ---- */

uint64_t sim_random(struct sim *sim)
{
    return split_mix(&sim->random_state);
}

uint64_t sim_below(struct sim *sim, uint64_t bound)
{
    CHECK(bound > 0);
    return sim_random(sim) % bound;
}

bool sim_chance(struct sim *sim, unsigned per_mille)
{
    return per_mille > 0 && sim_below(sim, 1000) < per_mille;
}

/* Eight bytes at a time: it runs over all that is sent. */
uint64_t sim_hash(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ size;
    uint64_t word;
    for (; size >= sizeof word; bytes += sizeof word, size -= sizeof word) {
        memcpy(&word, bytes, sizeof word);
        hash = (hash ^ word) * UINT64_C(0x100000001b3);
        hash ^= hash >> 29;
    }
    word = 0;
    if (size > 0)
        memcpy(&word, bytes, size);
    return (hash ^ word) * UINT64_C(0x100000001b3);
}

void sim_trace(struct sim *sim, const char *what, uint64_t id, int64_t a, int64_t b)
{
    uint64_t values[5] = {sim->trace_hash, sim->now_ms, id, (uint64_t)a, (uint64_t)b};
    sim->trace_hash = sim_hash(values, sizeof values) ^ sim_hash(what, strlen(what));
    if (sim->trace_print)
        fprintf(stderr, "%8" PRIu64 " ms %-12s #%" PRIu64 " %" PRId64 " %" PRId64 "\n", sim->now_ms,
                what, id, a, b);
}

uint64_t sim_trace_hash(const struct sim *sim)
{
    return sim->trace_hash;
}

/* ---- events ---- */

static void events_add(struct sim_events *events, struct sim_event *event)
{
    if (events->count == events->capacity) {
        events->capacity = events->capacity ? events->capacity * 2 : 64;
        events->items = realloc(events->items, events->capacity * sizeof *events->items);
        CHECK(events->items);
    }
    event->place = events->count;
    events->items[events->count++] = event;
}

static void events_remove(struct sim_events *events, struct sim_event *event)
{
    CHECK(event->place < events->count && events->items[event->place] == event);
    struct sim_event *last = events->items[--events->count];
    events->items[event->place] = last;
    last->place = event->place;
    event->state = SIM_EVENT_IDLE;
}

void sim_event_init(struct sim_event *event, void (*run)(struct sim_event *event))
{
    *event = (struct sim_event){.run = run};
}

void sim_event_now(struct sim *sim, struct sim_event *event)
{
    if (event->state != SIM_EVENT_IDLE)
        return;
    event->state = SIM_EVENT_READY;
    events_add(&sim->ready, event);
}

void sim_event_at(struct sim *sim, struct sim_event *event, uint64_t due_ms)
{
    if (event->state != SIM_EVENT_IDLE)
        return;
    event->state = SIM_EVENT_LATER;
    event->due_ms = due_ms;
    events_add(&sim->later, event);
    if (due_ms < sim->later_min_ms)
        sim->later_min_ms = due_ms;
}

void sim_event_soon(struct sim *sim, struct sim_event *event)
{
    if (event->state != SIM_EVENT_IDLE)
        return;
    if (sim_chance(sim, sim->options.delay))
        sim_event_at(sim, event, sim->now_ms + 1 + sim_below(sim, 100));
    else
        sim_event_now(sim, event);
}

void sim_event_stop(struct sim *sim, struct sim_event *event)
{
    if (event->state == SIM_EVENT_READY)
        events_remove(&sim->ready, event);
    else if (event->state == SIM_EVENT_LATER)
        events_remove(&sim->later, event);
    if (sim->later.count == 0)
        sim->later_min_ms = UINT64_MAX;
}

/* ---- time ---- */

void sim_advance(struct sim *sim, uint64_t ms)
{
    sim->now_ms += ms;
    if (sim->now_ms < sim->later_min_ms)
        return;
    sim->later_min_ms = UINT64_MAX;
    for (uint32_t i = 0; i < sim->later.count;) {
        struct sim_event *event = sim->later.items[i];
        if (event->due_ms <= sim->now_ms) {
            events_remove(&sim->later, event);
            sim_event_now(sim, event);
            continue;
        }
        if (event->due_ms < sim->later_min_ms)
            sim->later_min_ms = event->due_ms;
        i++;
    }
}

uint64_t sim_next_event_ms(const struct sim *sim)
{
    if (sim->ready.count > 0 || sim_any_kernel_due(sim))
        return sim->now_ms;
    uint64_t wakeup = sim_next_wakeup(sim);
    return wakeup < sim->later_min_ms ? wakeup : sim->later_min_ms;
}

bool sim_step(struct sim *sim)
{
    if (sim_chance(sim, sim->options.time_passes))
        sim_advance(sim, 1 + sim_below(sim, 20));
    if (sim->ready.count > 0) {
        struct sim_event *event = sim->ready.items[sim_below(sim, sim->ready.count)];
        events_remove(&sim->ready, event);
        event->run(event);
        return true;
    }
    if (sim_any_kernel_due(sim))
        return false;
    uint64_t next = sim_next_event_ms(sim);
    if (next == UINT64_MAX)
        return false;
    sim_advance(sim, next > sim->now_ms ? next - sim->now_ms : 0);
    return true;
}

bool sim_idle(const struct sim *sim)
{
    return sim->later.count == 0 && sim_next_event_ms(sim) == UINT64_MAX;
}

uint64_t sim_now_ms(const struct sim *sim)
{
    return sim->now_ms;
}

/* ---- life ---- */

struct sim *sim_create(const struct sim_options *options)
{
    CHECK(!current);
    CHECK(options->socket_bytes_min > 0 && options->socket_bytes_min <= options->socket_bytes_max);
    struct sim *sim = sim_allocate(sizeof *sim);
    sim->options = *options;
    sim->random_state = options->seed;
    sim->now_ms = START_MS;
    sim->later_min_ms = UINT64_MAX;
    sim->next_port = 40000;
    sim->trace_print = getenv("SIM_TRACE") != NULL;
    list_init(&sim->kernels);
    list_init(&sim->listeners);
    list_init(&sim->connections);
    list_init(&sim->peers);
    list_init(&sim->peer_listeners);
    sim_datagrams_init(sim);
    sim_disk_init(&sim->disk);
    current = sim;
    return sim;
}

void sim_destroy(struct sim *sim)
{
    CHECK(sim == current);
    SIM_RULE(list_empty(&sim->kernels), "destroy every kernel before the simulation");
    sim_network_free(sim);
    sim_datagrams_free(sim);
    sim_names_free(sim);
    sim_disk_free(&sim->disk);
    CHECK(sim->ready.count == 0 && sim->later.count == 0);
    free(sim->ready.items);
    free(sim->later.items);
    free(sim);
    current = NULL;
}
