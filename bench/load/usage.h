/* What the relay used between two moments: CPU time of all its threads, system calls, allocations;
 * and the CPU time of the generator itself. Each is a growing number; take the difference. */
#ifndef CENCD_BENCH_LOAD_USAGE_H
#define CENCD_BENCH_LOAD_USAGE_H

#include <stdint.h>

#include "bench/load/options.h"

#define USAGE_MAX_THREADS 64

struct usage {
    uint64_t time_ns;
    uint64_t cpu_ns;
    uint64_t system_calls;
    uint64_t allocations;
    uint64_t own_cpu_ns;
};

struct usage_source {
    pid_t pid;
    int counters[USAGE_MAX_THREADS]; /* perf descriptors, one per thread of the relay */
    uint32_t counter_count;
    uint64_t *allocations; /* mapped; NULL: not counted */
};

/* Monotonic. */
uint64_t now_ns(void);

/* Ends the process with a message if the relay or what should be counted isn't there. */
void usage_open(struct usage_source *source, const struct options *options);
void usage_close(struct usage_source *source);
struct usage usage_take(const struct usage_source *source);

/* Prints "what: error" and exits with 1: for everything that makes a measurement impossible. */
_Noreturn void die(const char *what, int error);

#endif
