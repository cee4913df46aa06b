/* Points of the journal: told when, and only when, done of everything before them was called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "server/journal/internal.h"
#include "tests/history/history.h"

static struct journal journal;

static void commit(uint8_t *halves, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        halves[i] = told_add(&journal.committed);
    told_turn(&journal.committed);
    atomic_fetch_add(&journal.counters.committed, count);
}

static struct journal_point point_now(void)
{
    struct journal_point point;

    journal_point_take(&journal, &point);
    return point;
}

static void assert_told(const struct journal_point *point, bool told)
{
    assert_int_equal(journal_point_told(&journal, point), told);
}

static int start(void **state)
{
    (void)state;
    journal = (struct journal){.group = NULL};
    return 0;
}

static void test_nothing_waits(void **state)
{
    struct journal_point point = point_now();

    (void)state;
    assert_int_equal(point.sequence, 0);
    assert_told(&point, true);
}

static void test_each_before_the_point_counts(void **state)
{
    uint8_t halves[3];

    (void)state;
    commit(halves, 3);
    struct journal_point point = point_now();
    assert_int_equal(point.sequence, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_told(&point, false);
        told_remove(&journal.committed, halves[i]);
    }
    assert_told(&point, true);
}

/* There is always something that isn't told: the point is, all the same. */
static void test_more_comes_all_the_time(void **state)
{
    uint8_t before[1];
    uint8_t after[8];

    (void)state;
    commit(before, 1);
    struct journal_point point = point_now();
    commit(after, 1);
    told_remove(&journal.committed, before[0]);
    for (unsigned i = 1; i < 8; i++) {
        commit(after + i, 1);
        told_remove(&journal.committed, after[i - 1]);
    }
    assert_told(&point, true);
}

/* However much is told of what came later. */
static void test_one_is_late(void **state)
{
    uint8_t late[1];
    uint8_t after[8];

    (void)state;
    commit(late, 1);
    struct journal_point point = point_now();
    for (unsigned i = 0; i < 8; i++) {
        commit(after + i, 1);
        told_remove(&journal.committed, after[i]);
        assert_told(&point, false);
    }
    told_remove(&journal.committed, late[0]);
    assert_told(&point, true);
}

/* Appended is more than committed: the disk may not take it for long. */
static void test_appended(void **state)
{
    (void)state;
    uint8_t half = told_add(&journal.appended);
    struct journal_point point = point_now();
    assert_told(&point, true);
    assert_false(journal_point_recorded(&journal, &point));
    told_turn(&journal.appended);
    uint8_t later = told_add(&journal.appended);
    told_turn(&journal.appended);
    assert_false(journal_point_recorded(&journal, &point));
    told_remove(&journal.appended, half);
    told_turn(&journal.appended);
    assert_true(journal_point_recorded(&journal, &point));
    point = point_now();
    assert_false(journal_point_recorded(&journal, &point));
    told_remove(&journal.appended, later);
    assert_true(journal_point_recorded(&journal, &point));
}

/* Any order of committing and telling, many points: against a plain list of what was told. */
static void test_any_order(void **state)
{
    static uint8_t halves[4000];
    static bool done[4000];
    struct journal_point point = point_now();
    unsigned committed = 0;
    unsigned points = 0;
    struct dice dice = {.state = 7};

    (void)state;
    while (committed < 3990) {
        unsigned count = (unsigned)dice_below(&dice, 4);
        commit(halves + committed, count);
        committed += count;
        for (unsigned i = committed > 50 ? committed - 50 : 0; i < committed; i++) {
            bool old = i + 40 < committed;
            if (!done[i] && (old || dice_below(&dice, 8) == 0)) {
                done[i] = true;
                told_remove(&journal.committed, halves[i]);
            }
        }
        if (!journal_point_told(&journal, &point))
            continue;
        for (unsigned i = 0; i < point.sequence; i++)
            assert_true(done[i]);
        point = point_now();
        points++;
    }
    assert_true(points > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_nothing_waits, start),
        cmocka_unit_test_setup(test_each_before_the_point_counts, start),
        cmocka_unit_test_setup(test_more_comes_all_the_time, start),
        cmocka_unit_test_setup(test_one_is_late, start),
        cmocka_unit_test_setup(test_appended, start),
        cmocka_unit_test_setup(test_any_order, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
