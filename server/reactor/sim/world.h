/* The simulation's inside: time, chance and events, which all its other parts share. An event is
 * embedded in the thing it happens to; it is idle, ready (sim_step picks among those by the seed)
 * or later (ready once its time has come). */
#ifndef CENCD_REACTOR_SIM_WORLD_H
#define CENCD_REACTOR_SIM_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/list.h"
#include "server/reactor/sim/disk.h"
#include "server/reactor/sim/sim.h"

enum sim_event_state { SIM_EVENT_IDLE, SIM_EVENT_READY, SIM_EVENT_LATER };

struct sim_event {
    void (*run)(struct sim_event *event);
    uint64_t due_ms;
    uint32_t place; /* in the array of its state */
    uint8_t state;  /* enum sim_event_state */
};

struct sim_events {
    struct sim_event **items;
    uint32_t count;
    uint32_t capacity;
};

struct sim {
    struct sim_options options;
    uint64_t random_state;
    uint64_t now_ms;
    uint64_t later_min_ms; /* no later event is due before */
    struct sim_events ready;
    struct sim_events later;
    struct list kernels;
    struct list listeners;
    struct list connections;
    struct list peers;
    struct list peer_listeners;
    struct sim_name *names;
    struct list datagram_sockets;
    struct list datagrams;              /* on their way, oldest first */
    struct list datagrams_outside;      /* arrived where no kernel listens */
    struct sim_event datagram_delivery; /* of one that is on its way */
    struct sim_disk disk;
    uint64_t trace_hash;
    uint64_t next_id; /* of kernels, operations, connections: for the trace */
    uint32_t next_port;
    bool trace_print;
    char quiet_text[160];
};

/* The one that exists; CHECKs that it does. */
struct sim *sim_current(void);

/* Never NULL: a test tool has no use for going on without memory. */
void *sim_allocate(size_t size);

void sim_event_init(struct sim_event *event, void (*run)(struct sim_event *event));
/* Nothing if it is waiting already. */
void sim_event_now(struct sim *sim, struct sim_event *event);
void sim_event_soon(struct sim *sim, struct sim_event *event); /* perhaps delayed */
void sim_event_at(struct sim *sim, struct sim_event *event, uint64_t due_ms);
void sim_event_stop(struct sim *sim, struct sim_event *event);

void sim_names_free(struct sim *sim);

/* One line of the run: enters the trace's hash. */
void sim_trace(struct sim *sim, const char *what, uint64_t id, int64_t a, int64_t b);

/* Fast and good enough to see a change. */
uint64_t sim_hash(const void *data, size_t size);

/* A rule of kernel.h was broken: prints seed and rule, and aborts. */
_Noreturn void sim_violation(const char *rule, const char *function);
#define SIM_RULE(condition, rule)                                                                  \
    ((condition) ? (void)0 : sim_violation(rule " (" #condition ")", __func__))

#endif
