/* What the directory costs: memory of a device, the start from store and journal, lookups while a
 * storm of last gasps is written.
 *
 *   directory [--devices N] [--records N] [--seconds S] [--folder DIR]
 *     --devices N   in the store                                     (default 1000000)
 *     --records N   of the journal that are newer than the store     (default 100000)
 *     --seconds S   of each measurement of lookups                   (default 2)
 *     --folder DIR  for the files, which are removed at the end      (default .)
 *
 * Prints figures, one on each line: name, value, unit. */
#include <inttypes.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "codec/proto/event.h"
#include "server/directory/load.h"
#include "server/directory/restore.h"
#include "server/journal/record.h"

#define SCOPE         "default"
#define BATCH         4096u
#define EVENT_MAX     512u
#define FIRST_SEEN_MS 1700000000000u

static struct {
    uint32_t devices;
    uint32_t records;
    double seconds;
    char folder[200];
} options = {.devices = 1000000, .records = 100000, .seconds = 2, .folder = "."};

static char store_path[256];
static char journal_folder[256];
static char segment_path[320];

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "directory: %s\n", what);
    exit(1);
}

static double now_s(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void figure(const char *name, double value, const char *unit)
{
    printf("%-28s %14.1f %s\n", name, value, unit);
    (void)fflush(stdout);
}

static void write_serial(char serial[static 16], uint32_t number)
{
    (void)snprintf(serial, 16, "86%013u", number);
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* ---- making what is measured ---- */

static size_t pack_connected(uint32_t number, uint8_t data[static EVENT_MAX])
{
    Cenc__V1__Event event = CENC__V1__EVENT__INIT;
    Cenc__V1__Device device = CENC__V1__DEVICE__INIT;
    Cenc__V1__Connected connected = CENC__V1__CONNECTED__INIT;
    Cenc__V1__Signal signal = CENC__V1__SIGNAL__INIT;
    char serial[16];
    size_t size = 0;

    write_serial(serial, number);
    device.scope = proto_string(SCOPE);
    device.serial = serial;
    device.kind = proto_string("irz-modem");
    device.model = proto_string("ATM21");
    device.firmware = proto_string("1.2");
    signal.csq = number % 32;
    connected.signal = &signal;
    event.node = proto_string("node1");
    event.received_unix_ms = (int64_t)FIRST_SEEN_MS + number;
    event.link_epoch = 2;
    event.device = &device;
    event.body_case = CENC__V1__EVENT__BODY_CONNECTED;
    event.connected = &connected;
    if (event_pack(&event, data, EVENT_MAX, &size) != CODEC_OK)
        die("an event can't be packed");
    return size;
}

static void fill_store(void)
{
    struct store *store;
    struct store_error error;
    struct device_facts facts;
    char serial[16];
    double begin = now_s();

    if (store_open(store_path, &store, &error) != STATUS_OK)
        die(error.text);
    for (uint32_t i = 0; i < options.devices;) {
        if (store_begin(store, &error) != STATUS_OK)
            die(error.text);
        for (uint32_t in_batch = 0; in_batch < BATCH && i < options.devices; in_batch++, i++) {
            write_serial(serial, i);
            facts_init(&facts, SCOPE, serial);
            facts.kind = "irz-modem";
            facts.model = "ATM21";
            facts.firmware = "1.1";
            facts.first_seen_utc_ms = FIRST_SEEN_MS;
            facts.last_seen_utc_ms = FIRST_SEEN_MS + i;
            facts.epoch = 1;
            facts.direct_port = i < 10000 ? (uint16_t)(20000 + i) : 0;
            if (store_put(store, &facts, &error) != STATUS_OK)
                die(error.text);
        }
        if (store_end(store, 0, &error) != STATUS_OK)
            die(error.text);
    }
    store_close(store);
    figure("store_written", options.devices / (now_s() - begin), "devices/s");
}

/* One segment, as the journal writes it. */
static void fill_journal(void)
{
    struct segment_header header = {.first_sequence = 1, .created_utc_ms = FIRST_SEEN_MS};
    uint8_t bytes[SEGMENT_HEADER_SIZE + RECORD_HEADER_SIZE + 2 * EVENT_MAX];
    uint8_t data[EVENT_MAX];
    FILE *file = fopen(segment_path, "wb");

    if (file == NULL)
        die("the journal's segment can't be made");
    segment_header_encode(&header, bytes);
    (void)fwrite(bytes, 1, SEGMENT_HEADER_SIZE, file);
    for (uint32_t i = 0; i < options.records; i++) {
        struct record record = {
            .sequence = i + 1,
            .committed = i,
            .payload = data,
            .size = (uint32_t)pack_connected(i % options.devices, data),
            .kind = JOURNAL_EVENT,
        };
        record_encode(header.seed, &record, bytes);
        (void)fwrite(bytes, 1, record_size(record.size), file);
    }
    if (fclose(file) != 0)
        die("the journal's segment can't be written");
}

/* ---- the start ---- */

static struct store *start(struct directory *directory)
{
    struct journal_config config = {.folder = journal_folder,
                                    .node = "node1",
                                    .segment_bytes = 64u << 20,
                                    .queue_bytes = 1u << 20,
                                    .retention_bytes = UINT64_MAX};
    struct journal *journal;
    struct journal_recovery recovery;
    struct journal_error journal_error;
    struct load_report report;
    struct store *store;
    struct store_error error;
    double begin = now_s();

    if (journal_open(&config, &journal, &recovery, &journal_error) != STATUS_OK)
        die(journal_error.text);
    double opened = now_s();
    if (directory_load(directory, store_path, journal, &store, &report, &error) != STATUS_OK)
        die(error.text);
    figure("journal_recovery", (opened - begin) * 1000, "ms");
    figure("directory_load", (now_s() - opened) * 1000, "ms");
    figure("devices", (double)report.devices, "");
    figure("records_replayed", (double)report.replayed, "");
    journal_free(journal);
    return store;
}

static size_t allocated_bytes(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

/* ---- lookups and a storm ---- */

static struct {
    struct directory *directory;
    struct store *store;
    _Atomic bool stop;
    uint64_t lookups;
    uint64_t gasps;
    uint64_t stored;
} storm;

static void *look_up(void *argument)
{
    uint64_t random = 88172645463325252u;
    uint64_t count = 0;
    char serial[16];

    (void)argument;
    while (!atomic_load_explicit(&storm.stop, memory_order_relaxed)) {
        struct device_info info;
        write_serial(serial, (uint32_t)(next_random(&random) % options.devices));
        const struct device *device = directory_find(storm.directory, SCOPE, serial);
        if (device == NULL)
            die("a device is missing");
        directory_get(storm.directory, device, &info);
        count++;
    }
    storm.lookups = count;
    return NULL;
}

/* As fast as it goes: each gasp changes the device in memory. */
static void *gasp(void *argument)
{
    uint64_t random = 362436069u;
    uint64_t count = 0;
    char serial[16];

    (void)argument;
    while (!atomic_load_explicit(&storm.stop, memory_order_relaxed)) {
        struct gasp gasp = {.utc_ms = FIRST_SEEN_MS + count, .sequence = count + 1};
        struct heard heard;
        write_serial(serial, (uint32_t)(next_random(&random) % options.devices));
        struct device *device = directory_known(storm.directory, SCOPE, serial);
        if (device == NULL || directory_gasp(storm.directory, device, &gasp, &heard) != STATUS_OK)
            die("a device is missing");
        count++;
    }
    storm.gasps = count;
    return NULL;
}

/* As the keeper writes them, but without its waiting for a quieter moment: each of them changes
 * some device of all, so nearly each is another page of the file. */
static void *store_gasps(void *argument)
{
    struct store_error error;
    Cenc__V1__Event event = CENC__V1__EVENT__INIT;
    Cenc__V1__Device device = CENC__V1__DEVICE__INIT;
    Cenc__V1__LastGasp body = CENC__V1__LAST_GASP__INIT;
    uint64_t random = 521288629u;
    uint64_t sequence = store_sequence(storm.store);
    uint64_t first = sequence;
    char serial[16];

    (void)argument;
    device.scope = proto_string(SCOPE);
    device.serial = serial;
    event.device = &device;
    event.body_case = CENC__V1__EVENT__BODY_LAST_GASP;
    event.last_gasp = &body;
    while (!atomic_load_explicit(&storm.stop, memory_order_relaxed)) {
        if (store_begin(storm.store, &error) != STATUS_OK)
            die(error.text);
        for (uint32_t i = 0; i < BATCH; i++) {
            write_serial(serial, (uint32_t)(next_random(&random) % options.devices));
            event.received_unix_ms = (int64_t)(FIRST_SEEN_MS + sequence);
            if (store_event(storm.store, &event, ++sequence, &error) != STATUS_OK)
                die(error.text);
        }
        if (store_end(storm.store, sequence, &error) != STATUS_OK)
            die(error.text);
    }
    storm.stored = sequence - first;
    return NULL;
}

static double run_threads(void *(*const parts[])(void *), size_t count)
{
    pthread_t threads[3];
    struct timespec time = {.tv_sec = (time_t)options.seconds,
                            .tv_nsec =
                                (long)((options.seconds - (double)(time_t)options.seconds) * 1e9)};
    double begin = now_s();

    atomic_store(&storm.stop, false);
    for (size_t i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, parts[i], NULL) != 0)
            die("no thread");
    (void)nanosleep(&time, NULL);
    atomic_store(&storm.stop, true);
    for (size_t i = 0; i < count; i++)
        (void)pthread_join(threads[i], NULL);
    return now_s() - begin; /* with the store's last batch, which it counts */
}

static void measure_lookups(void)
{
    void *(*const alone[])(void *) = {look_up};
    void *(*const storing[])(void *) = {store_gasps};
    void *(*const together[])(void *) = {look_up, gasp, store_gasps};
    double seconds = run_threads(alone, 1);

    figure("lookups", (double)storm.lookups / seconds, "1/s");
    seconds = run_threads(storing, 1);
    figure("gasps_into_store_alone", (double)storm.stored / seconds, "1/s");
    seconds = run_threads(together, 3);
    figure("lookups_in_storm", (double)storm.lookups / seconds, "1/s");
    figure("gasps_in_memory", (double)storm.gasps / seconds, "1/s");
    figure("gasps_into_store", (double)storm.stored / seconds, "1/s");
}

/* ---- main ---- */

static void parse(int count, char **arguments)
{
    for (int i = 1; i < count; i += 2) {
        const char *value = i + 1 < count ? arguments[i + 1] : NULL;
        if (value != NULL && strcmp(arguments[i], "--devices") == 0)
            options.devices = (uint32_t)strtoul(value, NULL, 10);
        else if (value != NULL && strcmp(arguments[i], "--records") == 0)
            options.records = (uint32_t)strtoul(value, NULL, 10);
        else if (value != NULL && strcmp(arguments[i], "--seconds") == 0)
            options.seconds = strtod(value, NULL);
        else if (value != NULL && strcmp(arguments[i], "--folder") == 0)
            (void)snprintf(options.folder, sizeof(options.folder), "%s", value);
        else
            die("usage: directory [--devices N] [--records N] [--seconds S] [--folder DIR]");
    }
    if (options.devices == 0 || options.devices > 100000000 || options.seconds <= 0)
        die("--devices is 1..100000000, --seconds more than 0");
}

static void make_folder(char folder[static 256])
{
    (void)snprintf(folder, 256, "%s/directory-XXXXXX", options.folder);
    if (mkdtemp(folder) == NULL)
        die("no folder for the files");
    (void)snprintf(store_path, sizeof(store_path), "%.230s/store", folder);
    (void)snprintf(journal_folder, sizeof(journal_folder), "%.230s/journal", folder);
    (void)snprintf(segment_path, sizeof(segment_path), "%s/%020d-0000.seg", journal_folder, 1);
    if (mkdir(journal_folder, 0700) != 0)
        die("no folder for the journal");
}

int main(int count, char **arguments)
{
    struct directory_config config = {.first_port = 20000, .last_port = 29999, .recorded = true};
    char folder[256];

    parse(count, arguments);
    make_folder(folder);
    config.max_devices = options.devices;
    fill_store();
    if (options.records > 0)
        fill_journal();
    size_t before = allocated_bytes();
    if (directory_create(&config, &storm.directory) != STATUS_OK)
        die("no memory");
    storm.store = start(storm.directory);
    store_close(storm.store);
    figure("memory", (double)(allocated_bytes() - before) / options.devices, "bytes/device");
    struct store_error error;
    if (store_open(store_path, &storm.store, &error) != STATUS_OK)
        die(error.text);
    measure_lookups();
    store_close(storm.store);
    directory_free(storm.directory);
    (void)unlink(store_path);
    (void)unlink(segment_path);
    (void)rmdir(journal_folder);
    (void)rmdir(folder);
    return 0;
}
