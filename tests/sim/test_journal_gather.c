/* When many records come, each sync waits a little for more of them; what comes alone never does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "server/journal/internal.h"
#include "tests/sim/lone.h"

#define LARGE 60000u

static void open_world(void)
{
    const struct journal_config config = {
        .segment_bytes = 1 << 30, .queue_bytes = 1 << 24, .retention_bytes = UINT64_MAX};
    lone_open(&config);
    journal_start(lone.journal, lone.reactor);
}

static void append(unsigned count, uint32_t size)
{
    static const uint8_t bytes[LARGE];
    for (unsigned i = 0; i < count; i++)
        lone_append(bytes, size);
}

static uint64_t groups(void)
{
    return journal_counters(lone.journal)->groups;
}

/* Milliseconds until all are recorded. */
static uint64_t wait_ms(void)
{
    uint64_t begin = sim_now_ms(lone.sim);
    lone_record();
    return sim_now_ms(lone.sim) - begin;
}

/* The next group waits. */
static void record_many(void)
{
    append(1, 9); /* the segment is made, and the rest is one group */
    append(2 * GATHER_RECORDS, 9);
    (void)wait_ms();
}

/* ---- tests ---- */

static void what_comes_alone_does_not_wait(void **state)
{
    (void)state;
    open_world();
    append(1, 9);
    (void)wait_ms();
    for (unsigned i = 0; i < 3; i++) {
        append(GATHER_RECORDS - 1, 9);
        assert_in_range(wait_ms(), 0, GATHER_MS - 1);
    }
    lone_close();
}

static void after_many_they_share_a_sync(void **state)
{
    (void)state;
    open_world();
    record_many();
    uint64_t before = groups();
    append(1, 9);
    for (unsigned i = 0; i + 1 < GATHER_MS; i++) {
        sim_advance(lone.sim, 1);
        reactor_turn(lone.reactor, 0);
        append(1, 9);
    }
    assert_in_range(wait_ms(), 1, 10);
    assert_int_equal(groups(), before + 1);
    /* these were few */
    append(1, 9);
    assert_in_range(wait_ms(), 0, GATHER_MS - 1);
    lone_close();
}

static void what_is_large_does_not_wait(void **state)
{
    (void)state;
    open_world();
    record_many();
    append(GATHER_BYTES / LARGE + 1, LARGE);
    assert_in_range(wait_ms(), 0, GATHER_MS - 1);
    lone_close();
}

static void a_stop_does_not_wait(void **state)
{
    (void)state;
    open_world();
    record_many();
    append(1, 9);
    reactor_turn(lone.reactor, 0); /* it has arrived, and waits */
    lone_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_alone_does_not_wait),
        cmocka_unit_test(after_many_they_share_a_sync),
        cmocka_unit_test(what_is_large_does_not_wait),
        cmocka_unit_test(a_stop_does_not_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
