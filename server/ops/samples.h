/* Metrics as Prometheus' text format has them: a head for each name, then its samples. */
#ifndef CENCD_OPS_SAMPLES_H
#define CENCD_OPS_SAMPLES_H

#include <stdatomic.h>
#include <stdint.h>

#include "server/ops/page.h"

enum sample_type { SAMPLE_COUNTER, SAMPLE_GAUGE, SAMPLE_HISTOGRAM };

void sample_head(struct page *page, const char *name, enum sample_type type, const char *help);
/* A head and its only sample. */
void sample_only(struct page *page, const char *name, enum sample_type type, uint64_t value,
                 const char *help);

/* What another thread counts. */
static inline uint64_t sample_of(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

#endif
