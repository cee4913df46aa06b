/* The journal on a disk that fails and loses power, under many seeds. One reactor writes, another
 * appends and reads. Whatever was told as committed, handed out by a reader or taken over by a
 * recovery is there after every crash, at its sequence and once; nothing else appears than what was
 * appended, in the order of the appends; and of a batch all or nothing, its records one after
 * another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/journal/batch.h"
#include "server/journal/internal.h"
#include "server/journal/reader.h"
#include "server/journal/walk.h"
#include "server/reactor/sim/world.h"
#include "tests/sim/duo.h"

#define FOLDER      "/journal"
#define MAX_ENTRIES 600u
#define MAX_PAYLOAD 6000u
#define ROUNDS      4u

#define MAX_BATCHES   30u
#define BATCH_RECORDS 40u
#define BATCH_BASE    1000000u /* ids of batches' records begin here */
#define MAX_SEQUENCES (MAX_ENTRIES + MAX_BATCHES * BATCH_RECORDS)

struct item {
    struct journal_entry entry;
    uint32_t size;
    bool done;
};

/* What the whole run, over all crashes, knows. */
static struct {
    struct duo duo;
    bool forgets;                      /* retention is so small that old segments go */
    uint64_t known[MAX_SEQUENCES + 1]; /* by sequence: the item that must be there, 0: none */
    uint64_t last_known;               /* highest of those sequences */
    struct item items[MAX_ENTRIES + 1];
    uint8_t bytes[MAX_ENTRIES + 1][MAX_PAYLOAD];
    uint64_t item_count;
    uint64_t round_first; /* the first item of this round */
    uint64_t done_count;  /* of this round */

    struct journal_batch batch;
    unsigned batch_count; /* so many were begun */
    unsigned batch_sizes[MAX_BATCHES];
    unsigned batch_put; /* of the last one */
    bool batch_open;
    bool batch_dead; /* a crash: nobody passes it on any more */
    enum status batch_status;

    struct journal *journal;
    struct journal_reader *reader;
    struct journal_watch watch;
    bool reading;
    bool reader_waits;
    bool reader_freed;
    bool watch_removed;
    bool stopped;
} world;

static struct {
    uint64_t crashes;
    uint64_t failures;
    uint64_t not_durable;
    uint64_t torn;
    uint64_t forgotten;
    uint64_t batches;
    uint64_t batches_failed;
    uint64_t batches_abandoned;
    uint64_t batches_too_large;
    uint64_t batches_found; /* after a crash, and nobody had been told */
} seen;

/* ---- what must be so ---- */

static uint8_t byte_of(uint64_t item, uint32_t at)
{
    return (uint8_t)(item * 31 + at * 7 + (at >> 8));
}

static void payload_fill(uint64_t item, uint8_t *bytes, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++)
        bytes[i] = byte_of(item, i);
    memcpy(bytes, &item, sizeof item);
}

static bool is_batch(uint64_t item)
{
    return item >= BATCH_BASE;
}

static unsigned batch_of(uint64_t item)
{
    return (unsigned)(item - BATCH_BASE) / BATCH_RECORDS;
}

static unsigned index_of(uint64_t item)
{
    return (unsigned)(item - BATCH_BASE) % BATCH_RECORDS;
}

static uint32_t size_of(uint64_t item)
{
    return is_batch(item) ? 8 + (uint32_t)(item * 37 % 700) : world.items[item].size;
}

static uint64_t item_of(const uint8_t *data, uint32_t size)
{
    uint64_t item;
    SEEDS_REQUIRE(size >= sizeof item);
    memcpy(&item, data, sizeof item);
    if (is_batch(item))
        SEEDS_REQUIRE(batch_of(item) < world.batch_count &&
                      index_of(item) < world.batch_sizes[batch_of(item)]);
    else
        SEEDS_REQUIRE(item >= 1 && item <= world.item_count);
    SEEDS_REQUIRE(size == size_of(item));
    for (uint32_t i = sizeof item; i < size; i++)
        SEEDS_REQUIRE(data[i] == byte_of(item, i));
    return item;
}

/* From now on it must stay. */
static void know(uint64_t sequence, uint64_t item)
{
    SEEDS_REQUIRE(sequence >= 1 && sequence <= MAX_SEQUENCES);
    SEEDS_REQUIRE(world.known[sequence] == 0 || world.known[sequence] == item);
    uint64_t former = world.known[sequence - 1];
    if (!is_batch(item))
        SEEDS_REQUIRE(former < item || is_batch(former));
    else if (index_of(item) > 0)
        SEEDS_REQUIRE(former == item - 1 || former == 0);
    else
        SEEDS_REQUIRE(former < item);
    world.known[sequence] = item;
    if (sequence > world.last_known)
        world.last_known = sequence;
}

/* All of its records, as far as the journal shows them. */
static void require_whole(uint64_t sequence, uint64_t item)
{
    unsigned left = world.batch_sizes[batch_of(item)] - 1 - index_of(item);
    SEEDS_REQUIRE(sequence + left <= journal_committed(world.journal));
    SEEDS_REQUIRE(sequence >= journal_oldest(world.journal) + index_of(item));
}

static void record_found(const struct journal_record *record, void *context)
{
    uint64_t *next = context;
    uint64_t item = item_of(record->data, record->size);
    SEEDS_REQUIRE(record->sequence == *next);
    SEEDS_REQUIRE(record->kind == JOURNAL_EVENT);
    if (is_batch(item)) {
        require_whole(record->sequence, item);
        seen.batches_found += index_of(item) == 0 && world.known[record->sequence] == 0;
    }
    know(record->sequence, item);
    ++*next;
}

/* ---- appending ---- */

static void done(struct journal_entry *entry, enum status status)
{
    struct item *item = container_of(entry, struct item, entry);
    SEEDS_REQUIRE(!item->done);
    item->done = true;
    world.done_count++;
    if (status == STATUS_OK) {
        SEEDS_REQUIRE(entry->sequence <= journal_committed(world.journal));
        know(entry->sequence, (uint64_t)(item - world.items));
    } else {
        SEEDS_REQUIRE(status == STATUS_SYSTEM);
    }
}

static void append_one(void)
{
    if (world.item_count == MAX_ENTRIES)
        return;
    uint64_t number = world.item_count + 1;
    struct item *item = &world.items[number];
    uint32_t bound = sim_chance(world.duo.sim, 30) ? MAX_PAYLOAD - 8 : 200;
    item->size = 8 + (uint32_t)sim_below(world.duo.sim, bound);
    payload_fill(number, world.bytes[number], item->size);
    item->entry = (struct journal_entry){
        .data = world.bytes[number],
        .size = item->size,
        .kind = JOURNAL_EVENT,
        .class = (uint8_t)sim_below(world.duo.sim, 3),
        .from = world.duo.user,
        .done = done,
    };
    if (journal_append(world.journal, &item->entry) == STATUS_OK)
        world.item_count = number;
}

/* ---- batches ---- */

static void batch_more(struct journal_batch *batch)
{
    static uint8_t bytes[1024];
    unsigned number = world.batch_count - 1;
    unsigned most = 1 + (unsigned)sim_below(world.duo.sim, BATCH_RECORDS);
    if (world.batch_dead)
        return;
    if (sim_chance(world.duo.sim, 50)) {
        seen.batches_abandoned++;
        journal_batch_abandon(batch);
        return;
    }
    for (; most > 0 && world.batch_put < world.batch_sizes[number]; most--) {
        uint64_t item = BATCH_BASE + number * BATCH_RECORDS + world.batch_put;
        payload_fill(item, bytes, size_of(item));
        if (journal_batch_put(batch, JOURNAL_EVENT, bytes, size_of(item)) != STATUS_OK) {
            SEEDS_REQUIRE(world.forgets);
            seen.batches_too_large++;
            journal_batch_abandon(batch);
            return;
        }
        world.batch_put++;
    }
    if (world.batch_put < world.batch_sizes[number])
        journal_batch_write(batch);
    else
        journal_batch_commit(batch);
}

static void batch_done(struct journal_batch *batch, enum status status)
{
    unsigned number = world.batch_count - 1;
    SEEDS_REQUIRE(world.batch_open);
    world.batch_open = false;
    world.batch_status = status;
    if (status != STATUS_OK) {
        SEEDS_REQUIRE(status == STATUS_REFUSED || status == STATUS_SYSTEM);
        seen.batches_failed++;
        return;
    }
    seen.batches++;
    SEEDS_REQUIRE(batch->records == world.batch_sizes[number]);
    for (unsigned i = 0; i < batch->records; i++) {
        SEEDS_REQUIRE(batch->first_sequence + i <= journal_committed(world.journal));
        know(batch->first_sequence + i, BATCH_BASE + number * BATCH_RECORDS + i);
    }
    journal_batch_told(batch);
}

static void begin_batch(void)
{
    if (world.batch_open || world.batch_count == MAX_BATCHES)
        return;
    world.batch = (struct journal_batch){
        .journal = world.journal, .from = world.duo.user, .more = batch_more, .done = batch_done};
    SEEDS_REQUIRE(journal_batch_begin(&world.batch) == STATUS_OK);
    world.batch_sizes[world.batch_count++] = 1 + (unsigned)sim_below(world.duo.sim, BATCH_RECORDS);
    world.batch_put = 0;
    world.batch_open = true;
}

/* ---- reading ---- */

static void read_on(void);

static void got(void *context, enum journal_read what, const struct journal_record *records,
                size_t count)
{
    (void)context;
    world.reading = false;
    if (what == JOURNAL_READ_RECORDS) {
        SEEDS_REQUIRE(count >= 1);
        for (size_t i = 0; i < count; i++) {
            uint64_t item = item_of(records[i].data, records[i].size);
            SEEDS_REQUIRE(records[i].sequence == records[0].sequence + i);
            SEEDS_REQUIRE(records[i].sequence <= journal_committed(world.journal));
            SEEDS_REQUIRE(records[i].kind == JOURNAL_EVENT);
            if (is_batch(item))
                SEEDS_REQUIRE(records[i].sequence + world.batch_sizes[batch_of(item)] - 1 -
                                  index_of(item) <=
                              journal_committed(world.journal));
            know(records[i].sequence, item);
        }
        SEEDS_REQUIRE(journal_reader_position(world.reader) == records[count - 1].sequence + 1);
    } else if (what == JOURNAL_READ_GONE) {
        SEEDS_REQUIRE(world.forgets);
        SEEDS_REQUIRE(journal_reader_position(world.reader) < journal_oldest(world.journal));
        journal_reader_seek(world.reader, journal_oldest(world.journal));
    }
    world.reader_waits = what == JOURNAL_READ_END;
}

static void read_on(void)
{
    if (world.reading || world.reader_waits)
        return;
    world.reading = true;
    journal_reader_next(world.reader, got, NULL);
    SEEDS_REQUIRE(world.reading); /* not from inside */
}

static void committed(struct journal_watch *watch)
{
    (void)watch;
    world.reader_waits = false;
}

static void reader_freed(void *context)
{
    (void)context;
    world.reader_freed = true;
}

static void watch_removed(struct journal_watch *watch)
{
    (void)watch;
    world.watch_removed = true;
}

/* ---- a round: open, run, stop or crash ---- */

static void let_happen(void)
{
    duo_step(&world.duo);
    SEEDS_REQUIRE(world.duo.sim->disk.syncs_after_failure == 0);
}

/* An error of the disk here is told, and the next start may work. */
static void open_journal(const struct journal_config *config)
{
    struct journal_recovery recovery;
    struct journal_error error;
    enum status status = STATUS_SYSTEM;
    for (unsigned attempt = 0; attempt < 10 && status != STATUS_OK; attempt++) {
        if (attempt == 9) { /* somebody makes room, too */
            sim_calm_down(world.duo.sim);
            world.duo.sim->options.disk_bytes = 0;
        }
        if (attempt > 0 && sim_chance(world.duo.sim, 500))
            sim_crash_disk(world.duo.sim);
        status = journal_open(config, &world.journal, &recovery, &error);
        SEEDS_REQUIRE(status == STATUS_OK || status == STATUS_SYSTEM);
    }
    SEEDS_REQUIRE(status == STATUS_OK);
    world.duo.sim->disk.syncs_after_failure = 0; /* recovery writes again what it syncs */
    SEEDS_REQUIRE(recovery.last_sequence >= world.last_known);
    SEEDS_REQUIRE(recovery.last_sequence == journal_committed(world.journal));
    SEEDS_REQUIRE(world.forgets || recovery.first_sequence <= 1);
    seen.torn += recovery.torn_bytes > 0;
}

/* All that is there is what it must be; all that must be there is. */
static void check_content(void)
{
    struct journal_error error;
    uint64_t next = journal_oldest(world.journal);
    enum status status = STATUS_SYSTEM;
    for (unsigned attempt = 0; attempt < 10 && status != STATUS_OK; attempt++) {
        struct sim_options faults = world.duo.sim->options;
        next = journal_oldest(world.journal);
        if (attempt == 9)
            sim_calm_down(world.duo.sim);
        status = journal_walk(world.journal, 1, record_found, &next, &error);
        SEEDS_REQUIRE(status == STATUS_OK || status == STATUS_SYSTEM);
        world.duo.sim->options = faults;
    }
    SEEDS_REQUIRE(journal_oldest(world.journal) == 0 ||
                  next == journal_committed(world.journal) + 1);
    SEEDS_REQUIRE(world.forgets || next == journal_committed(world.journal) + 1 ||
                  journal_committed(world.journal) == 0);
}

static void round_begin(const struct journal_config *config)
{
    open_journal(config);
    check_content();
    world.round_first = world.item_count + 1;
    world.done_count = 0;
    world.stopped = world.reader_freed = world.watch_removed = false;
    world.reading = world.reader_waits = false;
    duo_make_reactors(&world.duo);
    journal_start(world.journal, world.duo.writer);
    uint64_t from = 1 + sim_below(world.duo.sim, journal_committed(world.journal) + 1);
    SEEDS_REQUIRE(journal_reader_create(world.journal, world.duo.user, from, &world.reader) ==
                  STATUS_OK);
    world.watch = (struct journal_watch){.reactor = world.duo.user, .committed = committed};
    journal_watch_add(world.journal, &world.watch);
}

static void note_counters(void)
{
    const struct journal_counters *counters = journal_counters(world.journal);
    seen.failures += counters->failures;
    seen.forgotten += counters->oldest > 1;
    seen.not_durable += !counters->durable;
    SEEDS_REQUIRE(counters->durable || counters->last_error != 0);
}

static void round_run(void)
{
    unsigned steps = (unsigned)sim_below(world.duo.sim, 3000);
    unsigned appends = (unsigned)sim_below(world.duo.sim, 200);
    unsigned batches = (unsigned)sim_below(world.duo.sim, 20);
    for (unsigned i = 0; i < steps; i++) {
        if (sim_chance(world.duo.sim, appends))
            append_one();
        if (sim_chance(world.duo.sim, 200))
            read_on();
        if (sim_chance(world.duo.sim, batches))
            begin_batch();
        let_happen();
    }
    note_counters();
}

static void free_reader(void)
{
    journal_watch_remove(world.journal, &world.watch, watch_removed);
    journal_reader_free(world.reader, reader_freed, NULL);
    DUO_UNTIL(&world.duo, world.reader_freed && world.watch_removed);
}

static void writer_stopped(void *context)
{
    (void)context;
    world.stopped = true;
}

static void round_stop(void)
{
    free_reader();
    journal_stop(world.journal, writer_stopped, NULL);
    DUO_UNTIL(&world.duo, world.stopped && !world.batch_open &&
                              world.done_count == world.item_count + 1 - world.round_first);
    duo_stop(&world.duo);
    journal_free(world.journal);
}

/* Nothing that was under way goes on. The reader, which changes nothing, may end in order. */
static void round_crash(bool power_too)
{
    world.batch_dead = true;
    duo_kill(&world.duo.writer);
    free_reader();
    duo_kill(&world.duo.user);
    free(world.batch.block); /* NULL after its end */
    world.batch.block = NULL;
    world.batch_open = world.batch_dead = false;
    world.journal->state = WRITER_STOPPED;
    journal_free(world.journal);
    if (power_too)
        sim_crash_disk(world.duo.sim);
    seen.crashes++;
}

/* ---- properties ---- */

static void choose_config(struct journal_config *config)
{
    *config = (struct journal_config){
        .folder = FOLDER,
        .node = "sim",
        .segment_bytes = 500 + sim_below(world.duo.sim, 20000),
        .queue_bytes = 2000 + sim_below(world.duo.sim, 100000),
        .retention_bytes = world.forgets ? 30000 : UINT64_MAX,
    };
}

/* Nothing stands in its way, but the owner's mood. */
static void commit_a_batch(void)
{
    do {
        begin_batch();
        DUO_UNTIL(&world.duo, !world.batch_open);
    } while (world.batch_status != STATUS_OK && world.batch_count < MAX_BATCHES);
}

static void run_seed(uint64_t seed)
{
    struct sim_options options;
    struct journal_config config;
    duo_choose_faults(&options, seed);
    memset(world.known, 0, sizeof world.known);
    memset(world.items, 0, sizeof world.items);
    memset(&world.batch, 0, sizeof world.batch);
    world.last_known = world.item_count = world.batch_count = 0;
    world.duo.sim = sim_create(&options);
    world.forgets = sim_chance(world.duo.sim, 200);
    for (unsigned round = 0; round < ROUNDS; round++) {
        choose_config(&config);
        round_begin(&config);
        round_run();
        if (sim_chance(world.duo.sim, 300))
            round_stop();
        else
            round_crash(sim_chance(world.duo.sim, 700));
    }
    /* space and a good disk: without a restart it is durable again, and takes all */
    choose_config(&config);
    round_begin(&config);
    round_run();
    sim_calm_down(world.duo.sim);
    world.duo.sim->options.disk_bytes = 0;
    append_one();
    DUO_UNTIL(&world.duo, world.done_count == world.item_count + 1 - world.round_first &&
                              journal_counters(world.journal)->durable);
    if (world.batch_count < MAX_BATCHES && !world.forgets)
        commit_a_batch();
    for (uint64_t item = world.round_first; item <= world.item_count; item++)
        SEEDS_REQUIRE(world.items[item].entry.status == STATUS_OK);
    while (!world.reader_waits) {
        read_on();
        let_happen();
    }
    SEEDS_REQUIRE(journal_reader_position(world.reader) == world.last_known + 1);
    round_stop();
    open_journal(&config);
    check_content();
    SEEDS_REQUIRE(journal_committed(world.journal) == world.last_known);
    journal_free(world.journal);
    sim_destroy(world.duo.sim);
}

static void what_was_told_survives_every_crash(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof seen);
    seeds_run("journal", 3000, run_seed);
    if (seeds_all())
        assert_true(seen.crashes > 0 && seen.failures > 0 && seen.not_durable > 0 &&
                    seen.torn > 0 && seen.forgotten > 0 && seen.batches > 0 &&
                    seen.batches_failed > 0 && seen.batches_abandoned > 0 &&
                    seen.batches_too_large > 0 && seen.batches_found > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_told_survives_every_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
