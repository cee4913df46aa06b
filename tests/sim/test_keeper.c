/* The directory over crashes, under many seeds: a journal on a disk that fails and loses power, the
 * keeper that feeds the store, another process that holds the store now and then. What a start
 * makes of store and journal is what all recorded events make, and nothing that was told as
 * recorded is missing.
 *
 * The store is a real file: a crash is a copy of it at any moment, as a killed process leaves it.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "server/directory/keeper.h"
#include "server/journal/internal.h"
#include "tests/history/history.h"
#include "tests/sim/directory_text.h"
#include "tests/sim/duo.h"
#include "tests/sim/quiet_log.h"

#define FOLDER      "/journal"
#define ROUNDS      4u
#define DEVICES     9u
#define MAX_ENTRIES 4000u

/* Over all rounds of a run. The history holds what was appended, in order, without what a crash
 * took away: record i has sequence i + 1, as the journal counts. */
static struct {
    struct duo duo; /* its user is the keeper */
    struct history history;
    uint64_t recorded; /* told as recorded */
    uint32_t epochs[DEVICES];
    bool forgets; /* retention is so small that records go before the store has them */
    char folder[64];
    char path[128];
    unsigned stores;

    struct journal *journal;
    struct store *store;
    struct directory *directory; /* the live one */
    struct keeper *keeper;
    sqlite3 *other; /* not NULL: holds the store */
    struct journal_entry entries[MAX_ENTRIES];
    uint64_t first_entry; /* of this round: its record's place in the history */
    uint64_t pending;
    bool keeper_stopped;
    bool journal_stopped;
} world;

static struct {
    uint64_t replayed;
    uint64_t failures;
    uint64_t rewrites;
    uint64_t missing;
    uint64_t batches;
    uint64_t waits;
} seen;

/* ---- a directory ---- */

static struct directory *make_directory(void)
{
    struct directory_config config = {
        .max_devices = 100, .first_port = 20000, .last_port = 20099, .recorded = true};
    struct directory *directory = NULL;
    SEEDS_REQUIRE(directory_create(&config, &directory) == STATUS_OK);
    return directory;
}

/* ---- events ---- */

static void done(struct journal_entry *entry, enum status status)
{
    uint64_t place = world.first_entry + (uint64_t)(entry - world.entries);
    world.pending--;
    if (status != STATUS_OK)
        return;
    SEEDS_REQUIRE(entry->sequence == place);
    SEEDS_REQUIRE(place == world.recorded + 1);
    world.recorded = place;
    history_to_directory(&world.history, world.directory, place, place);
}

static void append_one(void)
{
    static const Cenc__V1__Event__BodyCase bodies[] = {
        CENC__V1__EVENT__BODY_DEVICE_ADDED,   CENC__V1__EVENT__BODY_DEVICE_CHANGED,
        CENC__V1__EVENT__BODY_CONNECTED,      CENC__V1__EVENT__BODY_CONNECTED,
        CENC__V1__EVENT__BODY_DISCONNECTED,   CENC__V1__EVENT__BODY_ACCESS_STARTED,
        CENC__V1__EVENT__BODY_LAST_GASP,      CENC__V1__EVENT__BODY_POWER_RESTORED,
        CENC__V1__EVENT__BODY_UNPARSED_BYTES, CENC__V1__EVENT__BODY_SERVER_STARTED,
    };
    uint64_t device = sim_below(world.duo.sim, DEVICES);
    uint64_t utc_ms = 1700000000000u + world.history.count * 10;
    char serial[] = {'m', '\\', (char)(0xf0 + device), '\0'};
    struct told told = {
        .scope = "default",
        .serial = serial,
        .kind = "meter",
        .firmware = sim_chance(world.duo.sim, 500) ? "1" : "2",
        .gasp_utc_ms = utc_ms - sim_below(world.duo.sim, 300),
        .port = (uint16_t)(20000 + device),
        .csq = (uint8_t)sim_below(world.duo.sim, 32),
    };
    Cenc__V1__Event__BodyCase body =
        bodies[sim_below(world.duo.sim, sizeof bodies / sizeof *bodies)];
    uint64_t number = world.history.count + 1 - world.first_entry;
    if (number == MAX_ENTRIES)
        return;
    if (body == CENC__V1__EVENT__BODY_CONNECTED)
        world.epochs[device]++;
    told.epoch = world.epochs[device];
    uint64_t sequence = history_tell(&world.history, body, &told, utc_ms);
    const struct history_event *event = &world.history.events[sequence - 1];
    world.entries[number] = (struct journal_entry){
        .data = event->data,
        .size = (uint32_t)event->size,
        .kind = JOURNAL_EVENT,
        .class = JOURNAL_FIRST,
        .from = world.duo.user,
        .done = done,
    };
    if (journal_append(world.journal, &world.entries[number]) == STATUS_OK)
        world.pending++;
    else
        history_cut(&world.history, sequence - 1);
}

/* ---- another process ---- */

static void take_store(void)
{
    if (world.other != NULL)
        return;
    SEEDS_REQUIRE(sqlite3_open(world.path, &world.other) == SQLITE_OK);
    SEEDS_REQUIRE(sqlite3_exec(world.other, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK);
}

static void give_store_back(void)
{
    if (world.other != NULL)
        SEEDS_REQUIRE(sqlite3_close(world.other) == SQLITE_OK);
    world.other = NULL;
}

static void copy_file(const char *from, const char *to)
{
    static char bytes[1 << 16];
    ssize_t size = 1;
    int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return;
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    SEEDS_REQUIRE(out >= 0);
    while ((size = read(in, bytes, sizeof bytes)) > 0)
        SEEDS_REQUIRE(write(out, bytes, (size_t)size) == size);
    SEEDS_REQUIRE(size == 0);
    (void)close(in);
    (void)close(out);
}

/* As the store's files are at this moment, under another name, which counts from now on. */
static void copy_store(char former[static sizeof world.path])
{
    char from[sizeof world.path + 8];
    char to[sizeof world.path + 8];
    memcpy(former, world.path, sizeof world.path);
    (void)snprintf(world.path, sizeof world.path, "%s/%u", world.folder, ++world.stores);
    copy_file(former, world.path);
    (void)snprintf(from, sizeof from, "%s-wal", former);
    (void)snprintf(to, sizeof to, "%s-wal", world.path);
    copy_file(from, to);
}

/* ---- a round ---- */

static void open_journal(const struct journal_config *config)
{
    world.journal = duo_open_journal(&world.duo, config);
    uint64_t last = journal_committed(world.journal);
    SEEDS_REQUIRE(last >= world.recorded && last <= world.history.count);
    history_cut(&world.history, last);
    world.recorded = last;
}

/* False: the store was away for longer than the journal could wait. */
static bool round_begin(const struct journal_config *config)
{
    open_journal(config);
    struct load_report report = duo_load(&world.duo, world.journal, world.path, make_directory,
                                         &world.directory, &world.store);
    seen.replayed += report.replayed;
    struct directory *expected = make_directory();
    history_to_directory(&world.history, expected, 1, world.history.count);
    if (report.missing == 0)
        directory_require_same(world.directory, expected);
    SEEDS_REQUIRE(report.missing == 0 || world.forgets);
    seen.missing += report.missing;
    directory_free(expected);
    if (report.missing > 0) {
        store_close(world.store);
        directory_free(world.directory);
        journal_free(world.journal);
        return false;
    }
    world.first_entry = world.history.count + 1;
    world.pending = 0;
    world.keeper_stopped = world.journal_stopped = false;
    const struct keeper_pace pace = {
        .busy_records = 1 + (uint32_t)sim_below(world.duo.sim, 50),
        .behind_records = (uint32_t)sim_below(world.duo.sim, 300),
        .behind_ms = (uint32_t)sim_below(world.duo.sim, 5000),
    };
    duo_make_reactors(&world.duo);
    SEEDS_REQUIRE(keeper_start(world.journal, world.store, world.directory, world.duo.user, &pace,
                               &world.keeper) == STATUS_OK);
    journal_start(world.journal, world.duo.writer);
    return true;
}

static void round_run(void)
{
    unsigned steps = (unsigned)sim_below(world.duo.sim, 3000);
    unsigned appends = (unsigned)sim_below(world.duo.sim, 300);
    unsigned takes = (unsigned)sim_below(world.duo.sim, 3);
    for (unsigned i = 0; i < steps; i++) {
        if (sim_chance(world.duo.sim, appends))
            append_one();
        if (sim_chance(world.duo.sim, takes))
            take_store();
        else if (sim_chance(world.duo.sim, 20))
            give_store_back();
        duo_step(&world.duo);
    }
}

static void note_counters(void)
{
    const struct keeper_counters *counters = keeper_counters(world.keeper);
    seen.failures += counters->failures;
    seen.rewrites += counters->rewrites;
    seen.batches += counters->batches;
    seen.waits += counters->waits;
    SEEDS_REQUIRE(counters->damaged == 0);
    SEEDS_REQUIRE(counters->sequence <= journal_committed(world.journal));
}

static void keeper_gone(void *context)
{
    (void)context;
    world.keeper_stopped = true;
}

static void journal_gone(void *context)
{
    (void)context;
    world.journal_stopped = true;
}

static void stop_keeper(void)
{
    note_counters();
    keeper_stop(world.keeper, keeper_gone, NULL);
    SEEDS_REQUIRE(!world.keeper_stopped); /* not from inside */
    DUO_UNTIL(&world.duo, world.keeper_stopped);
    store_close(world.store);
}

static void free_rest(void)
{
    journal_free(world.journal);
    directory_free(world.directory);
}

static void round_stop(void)
{
    give_store_back();
    stop_keeper();
    journal_stop(world.journal, journal_gone, NULL);
    DUO_UNTIL(&world.duo, world.journal_stopped && world.pending == 0);
    duo_stop(&world.duo);
    free_rest();
}

/* Nothing that was under way goes on; what the keeper does to the store's file from now on doesn't
 * count, and so its end may be in order. */
static void round_crash(bool power_too)
{
    char former[sizeof world.path];
    give_store_back();
    copy_store(former);
    duo_kill(&world.duo.writer);
    stop_keeper();
    duo_kill(&world.duo.user);
    world.journal->state = WRITER_STOPPED;
    free_rest();
    if (power_too)
        sim_crash_disk(world.duo.sim);
}

/* ---- properties ---- */

static void run_seed(uint64_t seed)
{
    struct sim_options options;
    bool goes_on = true;
    duo_choose_faults(&options, seed);
    options.disk_bytes = 0; /* or the journal ends before the store has it */
    memset(&world, 0, sizeof world);
    world.duo.sim = sim_create(&options);
    world.forgets = sim_chance(world.duo.sim, 250);
    history_init(&world.history);
    history_make_folder(world.folder);
    (void)snprintf(world.path, sizeof world.path, "%s/0", world.folder);
    struct journal_config config = {
        .folder = FOLDER,
        .node = "sim",
        .segment_bytes = 500 + sim_below(world.duo.sim, 20000),
        .queue_bytes = 100000,
        .retention_bytes = world.forgets ? 20000 : UINT64_MAX,
        .retention_age_s = sim_chance(world.duo.sim, 500) ? 1 : 0,
    };
    for (unsigned round = 0; goes_on && round < ROUNDS; round++) {
        goes_on = round_begin(&config);
        if (!goes_on)
            break;
        round_run();
        if (sim_chance(world.duo.sim, 300))
            round_stop();
        else
            round_crash(sim_chance(world.duo.sim, 700));
    }
    /* on a good disk, with nobody in the way, the store has it all soon */
    sim_calm_down(world.duo.sim);
    if (goes_on && round_begin(&config)) {
        append_one();
        DUO_UNTIL(&world.duo, world.pending == 0);
        DUO_UNTIL(&world.duo, keeper_counters(world.keeper)->sequence == world.history.count);
        struct directory *stored = make_directory();
        history_load(world.store, stored);
        directory_require_same(stored, world.directory);
        directory_free(stored);
        round_stop();
    }
    history_free(&world.history);
    history_remove_folder(world.folder);
    sim_destroy(world.duo.sim);
}

static void a_start_finds_what_was_recorded(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof seen);
    seeds_run("keeper", 300, run_seed);
    if (seeds_all())
        assert_true(seen.replayed > 0 && seen.failures > 0 && seen.batches > 0 &&
                    seen.rewrites > 0 && seen.missing > 0 && seen.waits > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_start_finds_what_was_recorded),
    };
    return cmocka_run_group_tests(tests, quiet_log_start, quiet_log_stop);
}
