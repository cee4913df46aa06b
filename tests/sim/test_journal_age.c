/* Retention by age goes by the clock, not by what is recorded: days pass in the simulation, on a
 * server that has nothing to record. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "server/journal/catalog.h"
#include "server/journal/journal.h"
#include "server/reactor/sim/sim.h"

#define FOLDER  "/journal"
#define HOUR_MS (3600ull * 1000)

static struct {
    struct sim *sim;
    struct reactor *reactor;
    struct journal *journal;
    struct journal_entry entries[16];
    unsigned appended;
    unsigned done;
    bool stopped;
} world;

static void let_happen(void)
{
    (void)sim_step(world.sim);
    if (sim_pick_due(world.sim) != NULL)
        reactor_turn(world.reactor, -1);
}

static void open_world(uint64_t age_hours)
{
    struct sim_options options;
    struct kernel_error kernel_error;
    struct journal_error error;
    struct journal_recovery recovery;
    struct journal_config config = {.folder = FOLDER,
                                    .segment_bytes = 1 << 20,
                                    .queue_bytes = 1 << 20,
                                    .retention_bytes = UINT64_MAX,
                                    .retention_age_s = age_hours * 3600};
    struct reactor_config limits = {
        .limits = {
            .slots = 4, .reserved_slots = 1, .buffer_count = {2, 2}, .buffer_size = {256, 256}}};
    memset(&world, 0, sizeof world);
    sim_options_calm(&options, 1);
    world.sim = sim_create(&options);
    assert_int_equal(journal_open(&config, &world.journal, &recovery, &error), STATUS_OK);
    assert_int_equal(reactor_create(&limits, &world.reactor, &kernel_error), STATUS_OK);
    journal_start(world.journal, world.reactor);
}

static void stopped(void *context)
{
    (void)context;
    world.stopped = true;
}

static void close_world(void)
{
    journal_stop(world.journal, stopped, NULL);
    while (!world.stopped)
        let_happen();
    reactor_destroy(world.reactor);
    journal_free(world.journal);
    sim_destroy(world.sim);
}

static void done(struct journal_entry *entry, enum status status)
{
    (void)entry;
    assert_int_equal(status, STATUS_OK);
    world.done++;
}

static void record(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct journal_entry *entry = &world.entries[world.appended++];
        *entry = (struct journal_entry){.data = (const uint8_t *)"something",
                                        .size = 9,
                                        .kind = JOURNAL_EVENT,
                                        .from = world.reactor,
                                        .done = done};
        assert_int_equal(journal_append(world.journal, entry), STATUS_OK);
    }
    while (world.done < world.appended)
        let_happen();
}

static void pass_hours(uint64_t hours)
{
    uint64_t end = sim_now_ms(world.sim) + hours * HOUR_MS;
    while (sim_now_ms(world.sim) < end)
        let_happen();
}

static size_t files(void)
{
    struct catalog catalog;
    assert_int_equal(catalog_read(FOLDER, &catalog), 0);
    size_t count = catalog.count;
    catalog_free(&catalog);
    return count;
}

static void an_idle_journal_lets_go_too(void **state)
{
    (void)state;
    open_world(30);
    record(3);
    pass_hours(29);
    assert_int_equal(journal_oldest(world.journal), 1);
    pass_hours(5); /* a tenth later at most, and a bit */
    assert_int_equal(journal_oldest(world.journal), 4);
    assert_int_equal(files(), 1);
    pass_hours(60); /* an empty segment is not made anew */
    assert_int_equal(files(), 1);
    record(2);
    assert_int_equal(journal_oldest(world.journal), 4);
    assert_int_equal(journal_committed(world.journal), 5);
    pass_hours(34);
    assert_int_equal(journal_oldest(world.journal), 6);
    assert_int_equal(journal_counters(world.journal)->forced_segments, 0);
    close_world();
}

static void a_reader_that_is_behind_holds_it(void **state)
{
    (void)state;
    struct journal_hold hold = {.name = "slow", .acknowledged = 2};
    open_world(30);
    journal_hold_add(world.journal, &hold);
    record(3);
    pass_hours(80);
    assert_int_equal(journal_oldest(world.journal), 1);
    atomic_store(&hold.acknowledged, 3);
    pass_hours(1);
    assert_int_equal(journal_oldest(world.journal), 4);
    journal_hold_remove(world.journal, &hold);
    close_world();
}

/* After a start, until the readers have said how far they are: nothing goes, however full it is. */
static void readers_that_come_back_find_it(void **state)
{
    (void)state;
    struct journal_hold hold = {.name = "late", .acknowledged = 2};
    open_world(30);
    journal_await_readers(world.journal);
    record(3);
    pass_hours(80);
    assert_int_equal(journal_oldest(world.journal), 1);
    journal_hold_add(world.journal, &hold);
    journal_readers_are_back(world.journal);
    pass_hours(1);
    assert_int_equal(journal_oldest(world.journal), 1);
    journal_hold_remove(world.journal, &hold);
    pass_hours(1);
    assert_int_equal(journal_oldest(world.journal), 4);
    close_world();
}

/* At a stop they leave, and the next start finds what they haven't read. */
static void readers_that_leave_hold_it(void **state)
{
    (void)state;
    struct journal_hold hold = {.name = "leaving", .acknowledged = 2};
    open_world(30);
    journal_hold_add(world.journal, &hold);
    record(3);
    journal_hold_leave(world.journal, &hold);
    pass_hours(80);
    assert_int_equal(journal_oldest(world.journal), 1);
    close_world();
}

static void without_an_age_nothing_grows_old(void **state)
{
    (void)state;
    open_world(0);
    record(3);
    pass_hours(100);
    assert_int_equal(journal_oldest(world.journal), 1);
    assert_int_equal(files(), 1);
    close_world();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_journal_lets_go_too),
        cmocka_unit_test(a_reader_that_is_behind_holds_it),
        cmocka_unit_test(readers_that_come_back_find_it),
        cmocka_unit_test(readers_that_leave_hold_it),
        cmocka_unit_test(without_an_age_nothing_grows_old),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
