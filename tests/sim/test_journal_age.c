/* Retention by age goes by the clock, not by what is recorded: days pass in the simulation, on a
 * server that has nothing to record. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "server/journal/catalog.h"
#include "tests/sim/lone.h"

#define HOUR_MS (3600ull * 1000)

static void open_world(uint64_t age_hours)
{
    const struct journal_config config = {.segment_bytes = 1 << 20,
                                          .queue_bytes = 1 << 20,
                                          .retention_bytes = UINT64_MAX,
                                          .retention_age_s = age_hours * 3600};
    lone_open(&config);
    journal_start(lone.journal, lone.reactor);
}

static void record(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        lone_append("something", 9);
    lone_record();
}

static void pass_hours(uint64_t hours)
{
    uint64_t end = sim_now_ms(lone.sim) + hours * HOUR_MS;
    while (sim_now_ms(lone.sim) < end)
        lone_step();
}

static size_t files(void)
{
    struct catalog catalog;
    assert_int_equal(catalog_read(LONE_FOLDER, &catalog), 0);
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
    assert_int_equal(journal_oldest(lone.journal), 1);
    pass_hours(5); /* a tenth later at most, and a bit */
    assert_int_equal(journal_oldest(lone.journal), 4);
    assert_int_equal(files(), 1);
    pass_hours(60); /* an empty segment is not made anew */
    assert_int_equal(files(), 1);
    record(2);
    assert_int_equal(journal_oldest(lone.journal), 4);
    assert_int_equal(journal_committed(lone.journal), 5);
    pass_hours(34);
    assert_int_equal(journal_oldest(lone.journal), 6);
    assert_int_equal(journal_counters(lone.journal)->forced_segments, 0);
    lone_close();
}

static void a_reader_that_is_behind_holds_it(void **state)
{
    (void)state;
    struct journal_hold hold = {.name = "slow", .acknowledged = 2};
    open_world(30);
    journal_hold_add(lone.journal, &hold);
    record(3);
    pass_hours(80);
    assert_int_equal(journal_oldest(lone.journal), 1);
    atomic_store(&hold.acknowledged, 3);
    pass_hours(1);
    assert_int_equal(journal_oldest(lone.journal), 4);
    journal_hold_remove(lone.journal, &hold);
    lone_close();
}

/* After a start, until the readers have said how far they are: nothing goes, however full it is. */
static void readers_that_come_back_find_it(void **state)
{
    (void)state;
    struct journal_hold hold = {.name = "late", .acknowledged = 2};
    open_world(30);
    journal_await_readers(lone.journal);
    record(3);
    pass_hours(80);
    assert_int_equal(journal_oldest(lone.journal), 1);
    journal_hold_add(lone.journal, &hold);
    journal_readers_are_back(lone.journal);
    pass_hours(1);
    assert_int_equal(journal_oldest(lone.journal), 1);
    journal_hold_remove(lone.journal, &hold);
    pass_hours(1);
    assert_int_equal(journal_oldest(lone.journal), 4);
    lone_close();
}

/* At a stop they leave, and the next start finds what they haven't read. */
static void readers_that_leave_hold_it(void **state)
{
    (void)state;
    struct journal_hold hold = {.name = "leaving", .acknowledged = 2};
    open_world(30);
    journal_hold_add(lone.journal, &hold);
    record(3);
    journal_hold_leave(lone.journal, &hold);
    pass_hours(80);
    assert_int_equal(journal_oldest(lone.journal), 1);
    lone_close();
}

static void without_an_age_nothing_grows_old(void **state)
{
    (void)state;
    open_world(0);
    record(3);
    pass_hours(100);
    assert_int_equal(journal_oldest(lone.journal), 1);
    assert_int_equal(files(), 1);
    lone_close();
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
