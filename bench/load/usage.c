#include "bench/load/usage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

_Noreturn void die(const char *what, int error)
{
    (void)fprintf(stderr, "load: %s: %s\n", what, strerror(error));
    exit(1);
}

static uint64_t read_clock(clockid_t clock)
{
    struct timespec time;
    if (clock_gettime(clock, &time) != 0) {
        die("the relay's CPU clock", errno);
    }
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

uint64_t now_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

static int open_counter(pid_t thread, uint64_t event)
{
    struct perf_event_attr attributes = {
        .type = PERF_TYPE_TRACEPOINT, .size = sizeof(attributes), .config = event};
    int counter =
        (int)syscall(SYS_perf_event_open, &attributes, thread, -1, -1, PERF_FLAG_FD_CLOEXEC);
    if (counter < 0) {
        die("perf_event_open", errno);
    }
    return counter;
}

static void open_counters(struct usage_source *source, uint64_t event)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/%d/task", (int)source->pid);
    DIR *threads = opendir(path);
    if (threads == NULL) {
        die(path, errno);
    }
    for (const struct dirent *entry; (entry = readdir(threads)) != NULL;) {
        int thread = (int)strtol(entry->d_name, NULL, 10);
        if (thread > 0 && source->counter_count < USAGE_MAX_THREADS) {
            source->counters[source->counter_count++] = open_counter(thread, event);
        }
    }
    (void)closedir(threads);
}

void usage_open(struct usage_source *source, const struct options *options)
{
    *source = (struct usage_source){.pid = options->pid};
    if (options->pid != 0 && options->system_call_event != 0) {
        open_counters(source, options->system_call_event);
    }
    if (options->allocations != NULL) {
        int file = open(options->allocations, O_RDONLY | O_CLOEXEC);
        if (file < 0) {
            die(options->allocations, errno);
        }
        void *memory = mmap(NULL, sizeof(uint64_t), PROT_READ, MAP_SHARED, file, 0);
        if (memory == MAP_FAILED) {
            die(options->allocations, errno);
        }
        source->allocations = memory;
        (void)close(file);
    }
}

void usage_close(struct usage_source *source)
{
    for (uint32_t index = 0; index < source->counter_count; index++) {
        (void)close(source->counters[index]);
    }
    source->counter_count = 0;
    if (source->allocations != NULL) {
        (void)munmap(source->allocations, sizeof(uint64_t));
        source->allocations = NULL;
    }
}

struct usage usage_take(const struct usage_source *source)
{
    struct usage usage = {.time_ns = now_ns(), .own_cpu_ns = read_clock(CLOCK_PROCESS_CPUTIME_ID)};
    clockid_t clock;
    if (source->pid != 0) {
        if (clock_getcpuclockid(source->pid, &clock) != 0) {
            die("the relay is gone", ESRCH);
        }
        usage.cpu_ns = read_clock(clock);
    }
    for (uint32_t index = 0; index < source->counter_count; index++) {
        uint64_t value = 0;
        if (read(source->counters[index], &value, sizeof(value)) == (ssize_t)sizeof(value)) {
            usage.system_calls += value;
        }
    }
    if (source->allocations != NULL) {
        usage.allocations = __atomic_load_n(source->allocations, __ATOMIC_RELAXED);
    }
    return usage;
}
