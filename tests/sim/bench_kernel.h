/* A kernel of the simulation on the bench: one that keeps every completion it is given, and
 * helpers to let things happen. For the tests of the simulation itself. */
#ifndef CENCD_TESTS_SIM_BENCH_KERNEL_H
#define CENCD_TESTS_SIM_BENCH_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "server/reactor/kernel.h"
#include "server/reactor/sim/sim.h"

#define BENCH_KEPT 256u

struct bench {
    struct sim *sim;
    struct kernel *kernels[2];
    struct completion kept[BENCH_KEPT];
    unsigned kept_count;
    int listening;
    struct accept_buffer accept_buffer;
};

/* Calm but for what the caller sets in options (NULL: nothing). Kernel 0 has 8 slots and 4 small
 * buffers of 256 bytes, kernel 1 has 3 slots; of both one slot is reserved. Listens on port 5000
 * with a backlog of 3, with user timeout 30 s and keepalive 60 s + 3 x 10 s. */
void bench_open(struct bench *bench, const struct sim_options *options);
/* Checks that all is quiet. */
void bench_close(struct bench *bench);

/* Until nothing more happens by itself; at most limit_ms of virtual time. */
void bench_run(struct bench *bench, uint64_t limit_ms);

/* Takes the oldest kept completion with the tag; false: there is none. */
bool bench_take(struct bench *bench, uint64_t tag, struct completion *completion);
/* Runs, and takes the only completion with the tag, which must be there. */
int32_t bench_result(struct bench *bench, uint64_t tag);

/* A connection: the peer, and the slot in kernel 0. */
struct sim_peer *bench_connect(struct bench *bench, uint32_t *slot);
/* Closes a slot of kernel 0. */
void bench_close_slot(struct bench *bench, uint32_t slot);

/* Runs in a child: true if it was aborted and its last words hold text. */
bool bench_dies_of(void (*run)(void), const char *text);

#endif
