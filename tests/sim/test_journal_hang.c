/* A disk that says nothing for ten seconds, neither yes nor no: the journal was called durable as
 * long as that lasted, and the server ready, while nothing was recorded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "server/journal/internal.h"
#include "server/reactor/sim/sim.h"

#define LATE_MS 1000u /* of a timer */

static struct {
    struct sim *sim;
    struct reactor *reactor;
    struct journal *journal;
    struct journal_entry entry;
    bool done;
    bool stopped;
} world;

static void let_happen(void)
{
    (void)sim_step(world.sim);
    if (sim_pick_due(world.sim) != NULL)
        reactor_turn(world.reactor, -1);
}

/* Each sync takes so long. */
static void open_world(uint32_t sync_ms)
{
    struct sim_options options;
    struct kernel_error kernel_error;
    struct journal_error error;
    struct journal_recovery recovery;
    struct journal_config config = {.folder = "/journal",
                                    .segment_bytes = 1 << 30,
                                    .queue_bytes = 1 << 24,
                                    .retention_bytes = UINT64_MAX,
                                    .sync_delay_ms = sync_ms};
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
    if (!world.stopped)
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
    world.done = true;
}

static void append(void)
{
    world.done = false;
    world.entry = (struct journal_entry){.data = (const uint8_t *)"text",
                                         .size = 4,
                                         .kind = JOURNAL_EVENT,
                                         .from = world.reactor,
                                         .done = done};
    assert_int_equal(journal_append(world.journal, &world.entry), STATUS_OK);
}

static bool durable(void)
{
    const struct journal_counters *counters = journal_counters(world.journal);
    assert_true(!atomic_load(&counters->hangs) || !atomic_load(&counters->durable));
    return atomic_load(&counters->durable);
}

/* Milliseconds of the record's way to the disk in which the journal was durable, and was not. */
static void measure(uint64_t *durable_ms, uint64_t *hung_ms)
{
    uint64_t begin_ms = sim_now_ms(world.sim);
    append();
    while (!world.done && durable())
        let_happen();
    *durable_ms = sim_now_ms(world.sim) - begin_ms;
    begin_ms = sim_now_ms(world.sim);
    while (!world.done)
        let_happen();
    *hung_ms = sim_now_ms(world.sim) - begin_ms;
}

static void a_slow_disk_is_one(void **state)
{
    uint64_t durable_ms;
    uint64_t hung_ms;
    (void)state;
    open_world(HANG_MS - LATE_MS);
    for (unsigned i = 0; i < 3; i++) {
        measure(&durable_ms, &hung_ms);
        assert_int_equal(hung_ms, 0);
        assert_true(durable());
    }
    close_world();
}

static void one_that_hangs_is_none_until_it_answers(void **state)
{
    uint64_t durable_ms;
    uint64_t hung_ms;
    (void)state;
    open_world(3 * HANG_MS);
    for (unsigned i = 0; i < 3; i++) {
        measure(&durable_ms, &hung_ms);
        assert_in_range(durable_ms, HANG_MS, HANG_MS + LATE_MS);
        assert_in_range(hung_ms, HANG_MS, 2 * HANG_MS);
        assert_true(durable());
    }
    close_world();
}

/* What is under way is waited for, and counts. */
static void a_stop_waits_for_its_answer(void **state)
{
    (void)state;
    open_world(3 * HANG_MS);
    append();
    while (durable())
        let_happen();
    journal_stop(world.journal, stopped, NULL);
    assert_false(world.stopped);
    close_world();
    assert_true(world.done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slow_disk_is_one),
        cmocka_unit_test(one_that_hangs_is_none_until_it_answers),
        cmocka_unit_test(a_stop_waits_for_its_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
