/* The journal on a real disk, in a folder of its own: commits and their order, segments, readers,
 * watches, retention, what its queue takes, stop and restart. One reactor serves writer, callers
 * and readers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <unistd.h>

#include "server/journal/journal.h"
#include "server/journal/reader.h"
#include "tests/ring/bed.h"

#define ENTRIES 400u

static const struct bed_limits small = {
    .slots = 16, .reserved_slots = 1, .small_count = 4, .large_count = 1};

struct item {
    struct journal_entry entry;
    uint8_t data[64];
    bool done;
    enum status status;
};

static struct {
    struct bed *bed;
    char folder[64];
    struct journal_config config;
    struct journal *journal;
    struct journal_recovery recovery;
    struct item items[ENTRIES];
    unsigned appended;
    unsigned done;
    uint64_t last_done; /* sequence */
    bool stopped;
} world;

/* ---- the folder ---- */

static unsigned each_file(void (*act)(const char *path))
{
    unsigned count = 0;
    DIR *folder = opendir(world.folder);
    assert_non_null(folder);
    const struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        char path[512];
        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof path, "%s/%s", world.folder, entry->d_name);
        if (act != NULL)
            act(path);
        count++;
    }
    closedir(folder);
    return count;
}

static void unlink_it(const char *path)
{
    assert_int_equal(unlink(path), 0);
}

static int set_up(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    memset(&world, 0, sizeof world);
    (void)snprintf(world.folder, sizeof world.folder, "%.40s/cencd-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(world.folder));
    world.config = (struct journal_config){.folder = world.folder,
                                           .node = "ring",
                                           .segment_bytes = 1 << 20,
                                           .queue_bytes = 1 << 20,
                                           .retention_bytes = 1 << 30};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (access(world.folder, F_OK) != 0)
        return 0;
    each_file(unlink_it);
    return rmdir(world.folder);
}

/* ---- the journal's life ---- */

static void start(void)
{
    struct journal_error error;
    world.appended = world.done = 0;
    world.stopped = false;
    memset(world.items, 0, sizeof world.items);
    assert_int_equal(journal_open(&world.config, &world.journal, &world.recovery, &error),
                     STATUS_OK);
    world.last_done = world.recovery.last_sequence;
    world.bed = bed_open(&small, 1);
    journal_start(world.journal, world.bed->reactor);
}

static void on_stopped(void *context)
{
    (void)context;
    world.stopped = true;
}

static void stop(void)
{
    journal_stop(world.journal, on_stopped, NULL);
    BED_UNTIL(world.bed, world.stopped && world.done == world.appended);
    journal_free(world.journal);
    bed_close(world.bed);
}

/* ---- appending ---- */

static void done(struct journal_entry *entry, enum status status)
{
    struct item *item = container_of(entry, struct item, entry);
    assert_false(item->done);
    item->done = true;
    item->status = status;
    world.done++;
    if (status != STATUS_OK)
        return;
    assert_int_equal(entry->sequence, world.last_done + 1); /* in order, no gap */
    assert_true(entry->sequence <= journal_committed(world.journal));
    world.last_done = entry->sequence;
}

static void fill(uint8_t *data, uint64_t sequence)
{
    for (unsigned i = 0; i < 64; i++)
        data[i] = (uint8_t)(sequence * 3 + i);
}

/* The item's bytes tell the sequence that it must get. */
static enum status append(enum journal_class class)
{
    assert_true(world.appended < ENTRIES);
    struct item *item = &world.items[world.appended];
    fill(item->data, world.recovery.last_sequence + world.appended + 1);
    item->entry = (struct journal_entry){.data = item->data,
                                         .size = sizeof item->data,
                                         .kind = JOURNAL_EVENT,
                                         .class = (uint8_t) class,
                                         .from = world.bed->reactor,
                                         .done = done};
    enum status status = journal_append(world.journal, &item->entry);
    world.appended += status == STATUS_OK;
    return status;
}

static void append_many(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(append(JOURNAL_NORMAL), STATUS_OK);
    BED_UNTIL(world.bed, world.done == world.appended);
    for (unsigned i = 0; i < world.appended; i++)
        assert_int_equal(world.items[i].status, STATUS_OK);
}

/* ---- reading ---- */

struct reading {
    struct journal_reader *reader;
    uint64_t next;
    uint64_t count;
    enum journal_read last;
    bool answered;
    bool freed;
};

static void got(void *context, enum journal_read what, const struct journal_record *records,
                size_t count)
{
    struct reading *reading = context;
    reading->answered = true;
    reading->last = what;
    for (size_t i = 0; what == JOURNAL_READ_RECORDS && i < count; i++) {
        uint8_t expected[64];
        fill(expected, reading->next);
        assert_int_equal(records[i].sequence, reading->next);
        assert_int_equal(records[i].kind, JOURNAL_EVENT);
        assert_int_equal(records[i].size, sizeof expected);
        assert_memory_equal(records[i].data, expected, sizeof expected);
        reading->next++;
        reading->count++;
    }
}

static void reader_open(struct reading *reading, uint64_t from)
{
    memset(reading, 0, sizeof *reading);
    reading->next = from;
    assert_int_equal(
        journal_reader_create(world.journal, world.bed->reactor, from, &reading->reader),
        STATUS_OK);
}

static enum journal_read read_batch(struct reading *reading)
{
    reading->answered = false;
    journal_reader_next(reading->reader, got, reading);
    assert_false(reading->answered); /* never from inside */
    BED_UNTIL(world.bed, reading->answered);
    assert_int_equal(journal_reader_position(reading->reader), reading->next);
    return reading->last;
}

static void read_to_end(struct reading *reading)
{
    while (read_batch(reading) == JOURNAL_READ_RECORDS)
        continue;
    assert_int_equal(reading->last, JOURNAL_READ_END);
}

static void on_freed(void *context)
{
    ((struct reading *)context)->freed = true;
}

static void reader_close(struct reading *reading)
{
    journal_reader_free(reading->reader, on_freed, reading);
    BED_UNTIL(world.bed, reading->freed);
}

/* ---- tests ---- */

static void entries_are_committed_in_order(void **state)
{
    (void)state;
    start();
    assert_int_equal(world.recovery.last_sequence, 0);
    append_many(100);
    assert_int_equal(world.last_done, 100);
    assert_int_equal(journal_committed(world.journal), 100);
    assert_int_equal(journal_oldest(world.journal), 1);
    const struct journal_counters *counters = journal_counters(world.journal);
    assert_int_equal(counters->records, 100);
    assert_int_equal(counters->queued_bytes, 0);
    assert_int_equal(counters->failures, 0);
    assert_true(counters->durable);
    assert_true(counters->groups < 100); /* what waits goes together */
    uint64_t measured = 0;
    for (unsigned i = 0; i < COMMIT_BUCKETS; i++)
        measured += counters->commits[i];
    assert_int_equal(measured, 100);
    stop();
}

static void a_restart_continues(void **state)
{
    (void)state;
    for (unsigned run = 0; run < 4; run++) {
        struct reading reading;
        start();
        assert_int_equal(world.recovery.last_sequence, run * 50);
        assert_int_equal(world.recovery.torn_bytes, 0);
        append_many(50);
        reader_open(&reading, 1);
        read_to_end(&reading);
        assert_int_equal(reading.count, (run + 1) * 50);
        reader_close(&reading);
        stop();
    }
    start(); /* and without an entry */
    stop();
    start();
    assert_int_equal(world.recovery.last_sequence, 200);
    stop();
}

static void segments_rotate_and_readers_cross_them(void **state)
{
    (void)state;
    struct reading readers[3];
    static const uint64_t from[3] = {1, 17, 150};
    world.config.segment_bytes = 1000;
    start();
    for (unsigned i = 0; i < 40; i++)
        append_many(5);
    assert_true(journal_counters(world.journal)->segments > 5);
    assert_int_equal(each_file(NULL), journal_counters(world.journal)->segments);
    for (unsigned i = 0; i < 3; i++)
        reader_open(&readers[i], from[i]);
    bool more = true;
    while (more) { /* by turns */
        more = false;
        for (unsigned i = 0; i < 3; i++)
            more = read_batch(&readers[i]) == JOURNAL_READ_RECORDS || more;
    }
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(readers[i].count, 201 - from[i]);
    append_many(1);
    assert_int_equal(read_batch(&readers[0]), JOURNAL_READ_RECORDS);
    journal_reader_seek(readers[0].reader, 33);
    readers[0].next = 33;
    read_to_end(&readers[0]);
    assert_int_equal(readers[0].next, 202);
    for (unsigned i = 0; i < 3; i++)
        reader_close(&readers[i]);
    stop();
}

/* A new segment is there while a reader is at the end of the one before, which has a seal. */
static void a_seal_is_not_read(void **state)
{
    (void)state;
    struct reading reading;
    start();
    append_many(3);
    stop();
    start();
    reader_open(&reading, 1);
    append_many(3);
    read_to_end(&reading);
    assert_int_equal(reading.count, 6);
    reader_close(&reading);
    stop();
}

static unsigned tells;
static bool watch_gone;

static void on_committed(struct journal_watch *watch)
{
    (void)watch;
    tells++;
}

static void on_removed(struct journal_watch *watch)
{
    (void)watch;
    watch_gone = true;
}

static void a_watch_tells(void **state)
{
    (void)state;
    struct reading reading;
    start();
    struct journal_watch watch = {.reactor = world.bed->reactor, .committed = on_committed};
    tells = 0;
    watch_gone = false;
    journal_watch_add(world.journal, &watch);
    reader_open(&reading, 1);
    assert_int_equal(read_batch(&reading), JOURNAL_READ_END);
    assert_int_equal(append(JOURNAL_NORMAL), STATUS_OK);
    BED_UNTIL(world.bed, tells > 0);
    assert_int_equal(read_batch(&reading), JOURNAL_READ_RECORDS);
    journal_watch_remove(world.journal, &watch, on_removed);
    BED_UNTIL(world.bed, watch_gone);
    unsigned before = tells;
    append_many(3);
    assert_int_equal(tells, before);
    reader_close(&reading);
    stop();
}

static uint64_t oldest_after(unsigned groups)
{
    for (unsigned i = 0; i < groups; i++)
        append_many(5);
    return journal_oldest(world.journal);
}

static void size_takes_the_oldest_though_a_reader_holds_them(void **state)
{
    (void)state;
    struct reading reading;
    struct journal_hold hold = {.name = "slow"};
    world.config.segment_bytes = 1000;
    world.config.retention_bytes = 6000;
    start();
    journal_hold_add(world.journal, &hold);
    reader_open(&reading, 1);
    uint64_t oldest = oldest_after(40);
    assert_true(oldest > 1);
    const struct journal_counters *counters = journal_counters(world.journal);
    assert_true(counters->forced_segments > 0);
    BED_UNTIL(world.bed, counters->disk_bytes <= 6000 + 2000);
    assert_int_equal(read_batch(&reading), JOURNAL_READ_GONE);
    reading.next = journal_oldest(world.journal);
    journal_reader_seek(reading.reader, reading.next);
    read_to_end(&reading);
    assert_int_equal(reading.next, 201);
    reader_close(&reading);
    journal_hold_remove(world.journal, &hold);
    stop();
    start(); /* no file came back, none is missing */
    assert_true(world.recovery.first_sequence >= oldest);
    assert_int_equal(world.recovery.last_sequence, 200);
    assert_int_equal(each_file(NULL), world.recovery.segments);
    stop();
}

static void age_takes_only_what_all_have_read(void **state)
{
    (void)state;
    struct journal_hold hold = {.name = "slow", .acknowledged = 20};
    world.config.segment_bytes = 1000;
    world.config.retention_age_s = 1;
    start();
    journal_hold_add(world.journal, &hold);
    append_many(5);
    uint64_t first_ms = reactor_utc_ms(world.bed->reactor);
    BED_UNTIL(world.bed, reactor_utc_ms(world.bed->reactor) > first_ms + 3000);
    assert_true(oldest_after(20) <= 21);
    first_ms = reactor_utc_ms(world.bed->reactor);
    BED_UNTIL(world.bed, reactor_utc_ms(world.bed->reactor) > first_ms + 3000);
    assert_true(oldest_after(3) <= 21);
    assert_int_equal(journal_counters(world.journal)->forced_segments, 0);
    atomic_store(&hold.acknowledged, 1000);
    append_many(15);
    first_ms = reactor_utc_ms(world.bed->reactor);
    BED_UNTIL(world.bed, reactor_utc_ms(world.bed->reactor) > first_ms + 1100);
    append_many(15); /* a new segment looks at the old ones; the clock does only each minute */
    BED_UNTIL(world.bed, journal_oldest(world.journal) > 21);
    journal_hold_remove(world.journal, &hold);
    stop();
}

static void a_full_queue_refuses_the_least_first(void **state)
{
    (void)state;
    world.config.queue_bytes = 192 * 40; /* of this size go 40 */
    start();
    BED_UNTIL(world.bed, journal_counters(world.journal)->segments == 1);
    while (append(JOURNAL_LATER) == STATUS_OK)
        continue;
    assert_int_equal(world.appended, 20);
    while (append(JOURNAL_NORMAL) == STATUS_OK)
        continue;
    assert_int_equal(world.appended, 30);
    while (append(JOURNAL_FIRST) == STATUS_OK)
        continue;
    assert_int_equal(world.appended, 40);
    const struct journal_counters *counters = journal_counters(world.journal);
    for (unsigned class = 0; class < 3; class ++)
        assert_int_equal(counters->refused[class], 1);
    BED_UNTIL(world.bed, world.done == world.appended);
    assert_int_equal(append(JOURNAL_LATER), STATUS_OK);
    stop();
    assert_int_equal(world.last_done, 41);
}

static void a_stop_commits_what_waits(void **state)
{
    (void)state;
    start();
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(append(JOURNAL_NORMAL), STATUS_OK);
    journal_stop(world.journal, on_stopped, NULL);
    assert_int_equal(append(JOURNAL_FIRST), STATUS_REFUSED);
    BED_UNTIL(world.bed, world.stopped && world.done == world.appended);
    assert_int_equal(world.last_done, 100);
    journal_free(world.journal);
    bed_close(world.bed);
    start();
    assert_int_equal(world.recovery.last_sequence, 100);
    stop();
}

/* The folder is gone (to root everything is writable, so no other way to break it here). */
static void a_stop_fails_what_the_disk_refuses(void **state)
{
    (void)state;
    start();
    append_many(1);
    stop();
    start();
    each_file(unlink_it);
    assert_int_equal(rmdir(world.folder), 0);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(append(JOURNAL_NORMAL), STATUS_OK);
    BED_UNTIL(world.bed, !journal_counters(world.journal)->durable);
    assert_int_not_equal(journal_counters(world.journal)->last_error, 0);
    stop();
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(world.items[i].status, STATUS_SYSTEM);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(entries_are_committed_in_order),
        TEST(a_restart_continues),
        TEST(segments_rotate_and_readers_cross_them),
        TEST(a_seal_is_not_read),
        TEST(a_watch_tells),
        TEST(size_takes_the_oldest_though_a_reader_holds_them),
        TEST(age_takes_only_what_all_have_read),
        TEST(a_full_queue_refuses_the_least_first),
        TEST(a_stop_commits_what_waits),
        TEST(a_stop_fails_what_the_disk_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
