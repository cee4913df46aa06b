/* What a batch of edits costs, and what it does to last gasps that are recorded meanwhile: so many
 * devices are added in one batch, by the server's editor, journal and keeper, each in the thread
 * that it has in the server.
 *
 *   batch [--devices N] [--gasps N] [--seconds S] [--folder DIR]
 *     --devices N   in the batch                                     (default 100000)
 *     --gasps N     last gasps a second, 300 bytes each              (default 1000)
 *     --seconds S   of gasps alone, before the batch                 (default 3)
 *     --folder DIR  for the files, which are removed at the end      (default .)
 *
 * Prints figures, one on each line: name, value, unit. */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "bench/batch/editing.h"
#include "server/base/log.h"
#include "server/directory/edit_batch.h"

#define GASP_BYTES 300u
#define LATENCIES  1000000u
#define PATIENCE_S 600u

struct sent {
    struct journal_entry entry;
    uint64_t begun_us;
};

static struct {
    uint32_t devices;
    uint32_t gasps;
    double seconds;
    const char *folder;
} options = {.devices = 100000, .gasps = 1000, .seconds = 3, .folder = "."};

static struct {
    struct editing_folder folder;
    struct editing editing;
    _Atomic bool stop_gasps;
    uint8_t bytes[GASP_BYTES];
    uint32_t *latencies_us;
    _Atomic uint32_t latency_count;
    _Atomic uint32_t lost;
} world;

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "batch: %s\n", what);
    exit(1);
}

static uint64_t now_us(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

static void pause_us(uint64_t us)
{
    struct timespec time = {.tv_sec = (time_t)(us / 1000000),
                            .tv_nsec = (long)(us % 1000000) * 1000};

    (void)nanosleep(&time, NULL);
}

static void figure(const char *name, double value, const char *unit)
{
    printf("%-28s %14.1f %s\n", name, value, unit);
    (void)fflush(stdout);
}

/* ---- gasps ---- */

static void committed(struct journal_entry *entry, enum status status)
{
    struct sent *sent = container_of(entry, struct sent, entry);
    uint32_t index = atomic_load(&world.latency_count);

    if (status != STATUS_OK)
        atomic_fetch_add(&world.lost, 1);
    if (index < LATENCIES) {
        world.latencies_us[index] = (uint32_t)(now_us() - sent->begun_us);
        atomic_store(&world.latency_count, index + 1);
    }
    free(sent);
}

static void append_gasp(struct reactor *reactor)
{
    struct sent *sent = calloc(1, sizeof(*sent));

    if (sent == NULL)
        die("no memory");
    sent->begun_us = now_us();
    sent->entry = (struct journal_entry){.data = world.bytes,
                                         .size = GASP_BYTES,
                                         .kind = JOURNAL_PRIVATE,
                                         .class = JOURNAL_FIRST,
                                         .from = reactor,
                                         .done = committed};
    if (journal_append(world.editing.journal, &sent->entry) == STATUS_OK)
        return;
    atomic_fetch_add(&world.lost, 1);
    free(sent);
}

/* On time, whatever the answers take. */
static void *gasp(void *argument)
{
    static const struct reactor_config config = {.limits = {.slots = 16,
                                                            .reserved_slots = 1,
                                                            .buffer_count = {4, 1},
                                                            .buffer_size = {4096, 65536}}};
    struct reactor *reactor = NULL;
    struct kernel_error error;
    uint64_t sent = 0;

    (void)argument;
    if (reactor_create(&config, &reactor, &error) != STATUS_OK)
        die(error.text);
    uint64_t begun = now_us();
    while (!atomic_load(&world.stop_gasps)) {
        uint64_t due = (now_us() - begun) * options.gasps / 1000000;
        for (; sent < due; sent++)
            append_gasp(reactor);
        reactor_turn(reactor, 1);
    }
    while (atomic_load(&world.latency_count) < sent && atomic_load(&world.lost) == 0)
        reactor_turn(reactor, 1);
    return reactor; /* the writer may still be waking it */
}

static int by_size(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;

    return (a > b) - (a < b);
}

static double at_ms(const uint32_t *sorted_us, uint64_t index)
{
    return (double)sorted_us[index] / 1000;
}

static void show_latencies(const char *when, uint32_t from, uint32_t to)
{
    uint32_t count = to - from;
    uint32_t *sorted = malloc((count + 1) * sizeof(*sorted));
    char name[64];

    if (sorted == NULL || count == 0)
        die("no gasps were committed");
    memcpy(sorted, world.latencies_us + from, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), by_size);
    (void)snprintf(name, sizeof(name), "gasps_%s", when);
    figure(name, count, "");
    (void)snprintf(name, sizeof(name), "commit_p50_%s", when);
    figure(name, at_ms(sorted, count / 2), "ms");
    (void)snprintf(name, sizeof(name), "commit_p99_%s", when);
    figure(name, at_ms(sorted, (uint64_t)count * 99 / 100), "ms");
    (void)snprintf(name, sizeof(name), "commit_max_%s", when);
    figure(name, at_ms(sorted, count - 1), "ms");
    free(sorted);
}

/* ---- the batch ---- */

static bool next_device(void *context, size_t index, struct edit *edit)
{
    (void)context;
    if (index < 2) {
        edit->kind = index == 0 ? EDIT_PROJECT_ADD : EDIT_GROUP_ADD;
        edit->project = index == 0 ? 0 : edit_batch_reference(0);
        (void)snprintf(edit->name, sizeof(edit->name), "imported");
        return true;
    }
    edit->kind = EDIT_DEVICE_ADD;
    edit->project = edit_batch_reference(0);
    edit->group = edit_batch_reference(1);
    (void)snprintf(edit->scope, sizeof(edit->scope), "default");
    (void)snprintf(edit->serial, sizeof(edit->serial), "86%013zu", index);
    return true;
}

static double cpu_s(const struct rusage *usage)
{
    return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) +
           (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e6;
}

static void do_batch(bool dry_run)
{
    static struct edit_batch batch;
    struct rusage before;
    struct rusage after;
    const struct journal_counters *journal = journal_counters(world.editing.journal);
    uint64_t bytes = atomic_load(&journal->bytes);
    uint32_t from = atomic_load(&world.latency_count);
    uint64_t begun = now_us();

    batch = (struct edit_batch){.count = options.devices + 2,
                                .dry_run = dry_run,
                                .actor = {.name = "bench", .via = "cli"},
                                .next = next_device};
    (void)getrusage(RUSAGE_SELF, &before);
    editor_do_batch(world.editing.editor, &batch, PATIENCE_S);
    if (batch.result != EDIT_DONE)
        die(batch.text);
    (void)getrusage(RUSAGE_SELF, &after);
    double seconds = (double)(now_us() - begun) / 1e6;
    figure(dry_run ? "dry_run" : "batch", seconds, "s");
    figure(dry_run ? "dry_run_cpu" : "batch_cpu", cpu_s(&after) - cpu_s(&before), "s");
    if (dry_run)
        return;
    figure("batch_peak_memory", (double)(after.ru_maxrss - before.ru_maxrss) / 1024, "MB");
    figure("journal_per_device", (double)(atomic_load(&journal->bytes) - bytes) / options.devices,
           "bytes");
    show_latencies("in_batch", from, atomic_load(&world.latency_count));
    while (atomic_load(&keeper_counters(world.editing.keeper)->sequence) < batch.last_sequence)
        pause_us(1000);
    figure("in_the_store_after", (double)(now_us() - begun) / 1e6, "s");
}

/* ---- main ---- */

static void parse(int count, char **arguments)
{
    for (int i = 1; i < count; i += 2) {
        const char *value = i + 1 < count ? arguments[i + 1] : NULL;
        if (value != NULL && strcmp(arguments[i], "--devices") == 0)
            options.devices = (uint32_t)strtoul(value, NULL, 10);
        else if (value != NULL && strcmp(arguments[i], "--gasps") == 0)
            options.gasps = (uint32_t)strtoul(value, NULL, 10);
        else if (value != NULL && strcmp(arguments[i], "--seconds") == 0)
            options.seconds = strtod(value, NULL);
        else if (value != NULL && strcmp(arguments[i], "--folder") == 0)
            options.folder = value;
        else
            die("usage: batch [--devices N] [--gasps N] [--seconds S] [--folder DIR]");
    }
    if (options.devices == 0 || options.devices > EDIT_BATCH_MAX - 2 || options.gasps == 0 ||
        options.seconds <= 0)
        die("--devices is 1..999998, --gasps and --seconds more than 0");
}

static void open_all(void)
{
    if (!editing_make_folder(&world.folder, options.folder))
        die("no folder for the files");
    const struct editing_config config = {
        .folder = &world.folder,
        .journal = {.node = "node1",
                    .segment_bytes = 64u << 20,
                    .queue_bytes = 64u << 20,
                    .retention_bytes = 4ull << 30},
        .directory = {.max_devices = options.devices + 1, .recorded = true},
    };
    const char *why = editing_start(&world.editing, &config);
    if (why != NULL)
        die(why);
}

int main(int count, char **arguments)
{
    pthread_t gasps;
    void *gasping;

    parse(count, arguments);
    world.latencies_us = calloc(LATENCIES, sizeof(*world.latencies_us));
    if (world.latencies_us == NULL || log_start(STDERR_FILENO, LOG_ERROR) != STATUS_OK)
        die("no memory");
    open_all();
    if (pthread_create(&gasps, NULL, gasp, NULL) != 0)
        die("no thread");
    pause_us((uint64_t)(options.seconds * 1e6));
    show_latencies("alone", 0, atomic_load(&world.latency_count));
    do_batch(true);
    do_batch(false);
    figure("gasps_lost", atomic_load(&world.lost), "");
    atomic_store(&world.stop_gasps, true);
    (void)pthread_join(gasps, &gasping);
    editing_stop(&world.editing);
    reactor_destroy(gasping); /* nobody may be waking it any more */
    free(world.latencies_us);
    log_stop();
    (void)editing_remove_folder(&world.folder);
    return 0;
}
