/* The four things that the generator does. Each sets its sessions up, runs, and writes one line of
 * JSON to standard output. */
#ifndef CENCD_BENCH_LOAD_MODES_H
#define CENCD_BENCH_LOAD_MODES_H

#include "bench/load/histogram.h"
#include "bench/load/options.h"
#include "bench/load/usage.h"

void run_requests(const struct options *options);
void run_bulk(const struct options *options);
void run_churn(const struct options *options);
void run_idle(const struct options *options);

/* The measured time: starts after the warm-up, and ends. */
struct interval {
    struct usage_source source;
    struct usage begin;
    struct usage end;
    uint64_t begin_at_ns;
    uint64_t end_at_ns;
    uint64_t last_counted;
    uint64_t progress_at_ns; /* when what was counted changed last */
    bool measuring;
};

void interval_start(struct interval *interval, const struct options *options);
/* To be called between completions with the time. Returns true once, when measuring begins: the
 * caller forgets what it counted so far. */
bool interval_begins(struct interval *interval, uint64_t now);
/* True when it is over, which it isn't before something was counted. Ends the process with a
 * message if nothing is for five seconds. */
bool interval_ends(struct interval *interval, uint64_t now, uint64_t counted);

/* What a mode counted. */
struct result {
    uint64_t messages; /* relayed: a request and its answer are two; bulk: 0 */
    uint64_t bytes;    /* received after the relay */
    uint64_t exchanges;
    uint64_t errors;
    struct histogram *latency_ns; /* NULL: none */
};
/* Prints what the interval measured, and closes the interval. */
void result_print(struct interval *interval, const struct result *result);

#endif
