#include "bench/load/modes.h"

#include <errno.h>
#include <stdio.h>

#define STALL_NS 5000000000

void interval_start(struct interval *interval, const struct options *options)
{
    *interval = (struct interval){0};
    usage_open(&interval->source, options);
    interval->progress_at_ns = now_ns();
    interval->begin_at_ns = interval->progress_at_ns + (uint64_t)(options->warm_up_seconds * 1e9);
    interval->end_at_ns = interval->begin_at_ns + (uint64_t)(options->seconds * 1e9);
}

bool interval_begins(struct interval *interval, uint64_t now)
{
    if (interval->measuring || now < interval->begin_at_ns) {
        return false;
    }
    interval->measuring = true;
    interval->begin = usage_take(&interval->source);
    return true;
}

bool interval_ends(struct interval *interval, uint64_t now, uint64_t counted)
{
    if (counted != interval->last_counted) {
        interval->last_counted = counted;
        interval->progress_at_ns = now;
    } else if (now > interval->progress_at_ns + STALL_NS) {
        die("nothing comes through", ETIMEDOUT);
    }
    if (!interval->measuring || now < interval->end_at_ns || counted == 0) {
        return false;
    }
    interval->end = usage_take(&interval->source);
    return true;
}

static void print_latency(const struct histogram *histogram)
{
    (void)printf(", \"p50_us\": %.3f, \"p99_us\": %.3f, \"worst_us\": %.3f",
                 (double)histogram_quantile(histogram, 0.50) / 1e3,
                 (double)histogram_quantile(histogram, 0.99) / 1e3,
                 (double)histogram_quantile(histogram, 1.00) / 1e3);
}

void result_print(struct interval *interval, const struct result *result)
{
    const struct usage *begin = &interval->begin;
    const struct usage *end = &interval->end;
    (void)printf("{\"seconds\": %.6f, \"messages\": %llu, \"bytes\": %llu, \"exchanges\": %llu, "
                 "\"errors\": %llu, \"cpu_us\": %.3f, \"own_cpu_us\": %.3f",
                 (double)(end->time_ns - begin->time_ns) / 1e9,
                 (unsigned long long)result->messages, (unsigned long long)result->bytes,
                 (unsigned long long)result->exchanges, (unsigned long long)result->errors,
                 (double)(end->cpu_ns - begin->cpu_ns) / 1e3,
                 (double)(end->own_cpu_ns - begin->own_cpu_ns) / 1e3);
    if (interval->source.counter_count > 0) {
        (void)printf(", \"system_calls\": %llu",
                     (unsigned long long)(end->system_calls - begin->system_calls));
    }
    if (interval->source.allocations != NULL) {
        (void)printf(", \"allocations\": %llu",
                     (unsigned long long)(end->allocations - begin->allocations));
    }
    if (result->latency_ns != NULL) {
        print_latency(result->latency_ns);
    }
    (void)printf("}\n");
    (void)fflush(stdout);
    usage_close(&interval->source);
}
