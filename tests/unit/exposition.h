/* A strict reader of Prometheus' text format 0.0.4 (prometheus.io, "Exposition formats"), for
 * tests: it takes less than the format allows, and fails the test where a page isn't in order. */
#ifndef CENCD_TESTS_UNIT_EXPOSITION_H
#define CENCD_TESTS_UNIT_EXPOSITION_H

#include <stddef.h>

#define EXPOSITION_MAX_SAMPLES 1000

struct exposition_sample {
    char series[256]; /* name and labels as written: a_total{b="c"} */
    char family[96];
    double value;
};

struct exposition {
    struct exposition_sample samples[EXPOSITION_MAX_SAMPLES];
    size_t count;
    size_t families;
};

/* Every family has HELP, TYPE and at least one sample, in one stretch; counters end in _total and
 * nothing else does; no series comes twice. */
void exposition_read(struct exposition *exposition, const char *text);

/* The value of a series; fails the test if there is none. */
double exposition_value(const struct exposition *exposition, const char *series);

#endif
