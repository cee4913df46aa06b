/* The fleet: thousands of simulated modems in one process. See fleet --help. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "bench/fleet/options.h"
#include "bench/fleet/worker.h"

#define LOOK_MS        50   /* how often the main thread looks at the workers */
#define CONNECTING_MAX 512u /* per worker */

struct fleet {
    struct fleet_options options;
    struct worker *workers;
    uint32_t worker_count;
    uint32_t started;
    uint32_t total; /* devices and twins */
    uint64_t start_ms;
    uint64_t all_connected_ms; /* since the start; 0: not yet */
    uint64_t online_most;
    uint64_t memory_before;
    uint64_t memory_after; /* bytes, when all were connected */
};

static uint64_t clock_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t resident_bytes(void)
{
    unsigned long long size = 0;
    unsigned long long resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");

    if (file == NULL)
        return 0;
    // NOLINTNEXTLINE(cert-err34-c): numbers from the kernel
    if (fscanf(file, "%llu %llu", &size, &resident) != 2)
        resident = 0;
    (void)fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Adds up one counter of all workers, given by its place in struct worker_counters. */
static uint64_t sum(const struct fleet *fleet, size_t offset)
{
    uint64_t total = 0;

    for (uint32_t i = 0; i < fleet->worker_count; i++) {
        const char *counters = (const char *)&fleet->workers[i].counters;
        const void *counter = counters + offset;
        total += atomic_load_explicit((const _Atomic uint64_t *)counter, memory_order_relaxed);
    }
    return total;
}

#define SUM(fleet, name) sum(fleet, offsetof(struct worker_counters, name))

/* ---- setting up ---- */

/* Returns the descriptor limit, raised to what the system allows. */
static uint32_t raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 1024;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur < 1048576 ? (uint32_t)limit.rlim_cur : 1048576;
}

static int divide(struct fleet *fleet)
{
    const struct fleet_options *options = &fleet->options;
    uint32_t limit = raise_descriptor_limit();
    uint32_t slots = options->slots != 0 && options->slots < limit ? options->slots : limit;
    uint32_t first = 0;

    fleet->total = options->devices + options->flap;
    fleet->worker_count = (fleet->total + slots - 1) / slots;
    fleet->workers = calloc(fleet->worker_count, sizeof *fleet->workers);
    if (fleet->workers == NULL) {
        (void)fputs("fleet: out of memory\n", stderr);
        return -1;
    }
    for (uint32_t i = 0; i < fleet->worker_count; i++) {
        struct worker *worker = &fleet->workers[i];
        uint32_t left = fleet->total - first;
        uint32_t most = limit / 2 / fleet->worker_count;
        worker->options = options;
        worker->first = first;
        worker->device_count = left / (fleet->worker_count - i);
        worker->rate_millis = (uint32_t)((uint64_t)options->rate * 1000 / fleet->worker_count);
        worker->connecting_max = most < 1 ? 1 : most > CONNECTING_MAX ? CONNECTING_MAX : most;
        first += worker->device_count;
    }
    return 0;
}

static int start_all(struct fleet *fleet)
{
    for (; fleet->started < fleet->worker_count; fleet->started++) {
        if (worker_start(&fleet->workers[fleet->started]) != STATUS_OK) {
            (void)fprintf(stderr, "fleet: starting a thread: %s\n", strerror(errno));
            return -1;
        }
    }
    return 0;
}

/* ---- while it runs ---- */

static bool any_failed(const struct fleet *fleet)
{
    for (uint32_t i = 0; i < fleet->started; i++) {
        const struct worker *worker = &fleet->workers[i];
        if (atomic_load_explicit(&worker->ended, memory_order_acquire) && worker->failed) {
            (void)fprintf(stderr, "fleet: %s\n", worker->error.text);
            return true;
        }
    }
    return false;
}

static void look(struct fleet *fleet)
{
    uint64_t online = SUM(fleet, online);

    if (online > fleet->online_most)
        fleet->online_most = online;
    if (fleet->all_connected_ms != 0 || SUM(fleet, devices_seen) < fleet->total)
        return;
    fleet->all_connected_ms = clock_ms() - fleet->start_ms;
    fleet->memory_after = resident_bytes();
    printf("fleet: %u connected\n", fleet->total);
    (void)fflush(stdout);
}

static void set_power(struct fleet *fleet, bool dark)
{
    for (uint32_t i = 0; i < fleet->worker_count; i++)
        atomic_store_explicit(&fleet->workers[i].dark, dark, memory_order_relaxed);
    printf("fleet: %u %s\n", fleet->options.neighbourhood,
           dark ? "lose their power" : "have it back");
    (void)fflush(stdout);
}

/* Until a signal or the end of the time. Returns the exit code. */
static int watch(struct fleet *fleet, const sigset_t *signals)
{
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
    uint64_t duration_ms = (uint64_t)fleet->options.duration_s * 1000;

    for (;;) {
        int signal_number = sigtimedwait(signals, NULL, &pause);
        if (any_failed(fleet))
            return 1;
        look(fleet);
        if (signal_number == SIGINT || signal_number == SIGTERM)
            return 0;
        if (signal_number == SIGUSR1 || signal_number == SIGUSR2)
            set_power(fleet, signal_number == SIGUSR1);
        if (duration_ms > 0 && clock_ms() - fleet->start_ms >= duration_ms)
            return 0;
    }
}

static void print_json(const struct fleet *fleet)
{
    uint64_t memory =
        fleet->memory_after > fleet->memory_before ? fleet->memory_after - fleet->memory_before : 0;

    printf(
        "{\"devices\":%u,\"threads\":%u,\"devices_connected\":%llu,\"online\":%llu,"
        "\"online_most\":%llu,\"all_connected_s\":%.3f,\"connects\":%llu,"
        "\"failed_connects\":%llu,\"closed_by_server\":%llu,\"broken\":%llu,"
        "\"keepalives\":%llu,\"gasps\":%llu,\"sessions\":%llu,\"answers\":%llu,"
        "\"bytes_received\":%llu,\"bytes_sent\":%llu,\"seconds\":%.3f,\"bytes_per_device\":%llu}\n",
        fleet->total, fleet->worker_count, (unsigned long long)SUM(fleet, devices_seen),
        (unsigned long long)SUM(fleet, online), (unsigned long long)fleet->online_most,
        (double)fleet->all_connected_ms / 1000, (unsigned long long)SUM(fleet, connects),
        (unsigned long long)SUM(fleet, failed_connects),
        (unsigned long long)SUM(fleet, closed_by_server), (unsigned long long)SUM(fleet, broken),
        (unsigned long long)SUM(fleet, keepalives), (unsigned long long)SUM(fleet, gasps),
        (unsigned long long)SUM(fleet, sessions), (unsigned long long)SUM(fleet, answers),
        (unsigned long long)SUM(fleet, bytes_received), (unsigned long long)SUM(fleet, bytes_sent),
        (double)(clock_ms() - fleet->start_ms) / 1000, (unsigned long long)(memory / fleet->total));
}

int main(int argc, char **argv)
{
    struct fleet fleet = {0};
    sigset_t signals;
    int status;

    if (fleet_options_parse(argc, argv, &fleet.options, &status) < 0)
        return status;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGUSR1);
    (void)sigaddset(&signals, SIGUSR2);
    /* before the threads, which inherit it */
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    fleet.start_ms = clock_ms();
    fleet.memory_before = resident_bytes();
    if (divide(&fleet) < 0)
        return 1;
    status = start_all(&fleet) < 0 ? 1 : watch(&fleet, &signals);
    if (fleet.options.json && status == 0)
        print_json(&fleet);
    for (uint32_t i = 0; i < fleet.started; i++)
        worker_stop(&fleet.workers[i]);
    free(fleet.workers);
    return status;
}
