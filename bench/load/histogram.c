#include "bench/load/histogram.h"

#include <string.h>

#define STEP_BITS 6u

void histogram_clear(struct histogram *histogram)
{
    memset(histogram, 0, sizeof(*histogram));
}

/* The first 64 values have a bucket each; then each power of two has 64. */
static uint32_t bucket_of(uint64_t value)
{
    if (value < HISTOGRAM_STEPS) {
        return (uint32_t)value;
    }
    uint32_t shift = 63u - (uint32_t)__builtin_clzll(value) - STEP_BITS;
    uint32_t bucket = (shift + 1) * HISTOGRAM_STEPS + (uint32_t)(value >> shift) - HISTOGRAM_STEPS;
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

static uint64_t upper_edge(uint32_t bucket)
{
    if (bucket < HISTOGRAM_STEPS) {
        return bucket;
    }
    uint32_t shift = bucket / HISTOGRAM_STEPS - 1;
    uint64_t step = bucket % HISTOGRAM_STEPS + HISTOGRAM_STEPS;
    return ((step + 1) << shift) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
    histogram->total++;
    histogram->counts[bucket_of(value)]++;
}

uint64_t histogram_quantile(const struct histogram *histogram, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)histogram->total);
    uint64_t seen = 0;
    if (wanted >= histogram->total && wanted > 0) {
        wanted = histogram->total - 1;
    }
    for (uint32_t bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        seen += histogram->counts[bucket];
        if (seen > wanted) {
            return upper_edge(bucket);
        }
    }
    return 0;
}
