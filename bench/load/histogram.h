/* Latencies in buckets that grow with the value: 64 to a power of two, so that a bucket is at most
 * 1.6 % wide. Fixed size, no allocation. */
#ifndef CENCD_BENCH_LOAD_HISTOGRAM_H
#define CENCD_BENCH_LOAD_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEPS   64u
#define HISTOGRAM_BUCKETS (HISTOGRAM_STEPS * 36u)

struct histogram {
    uint64_t total;
    uint64_t counts[HISTOGRAM_BUCKETS];
};

void histogram_clear(struct histogram *histogram);
void histogram_add(struct histogram *histogram, uint64_t value);

/* The upper edge of the bucket that holds the share (0..1) of all values; 0 if there are none. */
uint64_t histogram_quantile(const struct histogram *histogram, double share);

#endif
