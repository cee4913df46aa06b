/* Idle: connects, says nothing, and holds until its input ends. A process may hold more connections
 * than descriptors: each ring's table holds as many as the limit once more. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/load/ends.h"
#include "bench/load/modes.h"
#include "bench/load/wire.h"

#define PER_RING 15000u

/* Holds what it is given; a new ring when the last one is full. */
struct holder {
    struct io_uring *rings;
    uint32_t ring_count;
    uint32_t used; /* of the last ring */
};

static void add_ring(struct holder *holder)
{
    struct io_uring *rings = realloc(holder->rings, (holder->ring_count + 1) * sizeof(*rings));
    if (rings == NULL) {
        die("memory", ENOMEM);
    }
    holder->rings = rings;
    struct io_uring *ring = &rings[holder->ring_count++];
    int status = io_uring_queue_init(8, ring, 0);
    if (status == 0) {
        status = io_uring_register_files_sparse(ring, PER_RING);
    }
    if (status < 0) {
        die("io_uring", -status);
    }
    holder->used = 0;
}

static void hold(struct holder *holder, int descriptor)
{
    if (holder->ring_count == 0 || holder->used == PER_RING) {
        add_ring(holder);
    }
    struct io_uring *ring = &holder->rings[holder->ring_count - 1];
    int status = io_uring_register_files_update(ring, holder->used, &descriptor, 1);
    if (status != 1) {
        die("holding a connection", status < 0 ? -status : EINVAL);
    }
    holder->used++;
    (void)close(descriptor);
}

static void open_proxied(struct holder *holder, const struct options *options)
{
    int listener = ends_listen(options->echo_port);
    for (uint32_t index = 0; index < options->sessions; index++) {
        int agent;
        int echo;
        ends_open_pair(options, listener, index, &agent, &echo);
        hold(holder, agent);
        hold(holder, echo);
    }
    (void)close(listener);
}

static void open_dialled(struct holder *holder, const struct options *options)
{
    for (uint32_t index = 0; index < options->sessions; index++) {
        hold(holder, ends_dial(options, index));
    }
    ends_wait_for_links(options, options->sessions);
    if (options->device_count == 0) {
        return;
    }
    uint32_t count = options->sessions;
    uint16_t *ports = count == 0 ? NULL : calloc(count, sizeof(*ports));
    if (ports == NULL) {
        die("memory", ENOMEM);
    }
    ends_wait_for_ports(options, options->sessions, ports);
    for (uint32_t index = 0; index < options->sessions; index++) {
        hold(holder, ends_connect_agent(ports[index], index));
    }
    free(ports);
}

void run_idle(const struct options *options)
{
    struct holder holder = {0};
    if (options->devices) {
        open_dialled(&holder, options);
    } else {
        open_proxied(&holder, options);
    }
    (void)printf("{\"held\": %u}\n", options->sessions);
    (void)fflush(stdout);
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    for (uint32_t index = 0; index < holder.ring_count; index++) {
        io_uring_queue_exit(&holder.rings[index]);
    }
    free(holder.rings);
}
