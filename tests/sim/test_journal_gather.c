/* When many records come, each sync waits a little for more of them; what comes alone never does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "server/journal/internal.h"
#include "server/reactor/sim/sim.h"

#define MAX_ENTRIES 300u
#define LARGE       60000u

static struct {
    struct sim *sim;
    struct reactor *reactor;
    struct journal *journal;
    struct journal_entry entries[MAX_ENTRIES];
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

static void open_world(void)
{
    struct sim_options options;
    struct kernel_error kernel_error;
    struct journal_error error;
    struct journal_recovery recovery;
    struct journal_config config = {.folder = "/journal",
                                    .segment_bytes = 1 << 30,
                                    .queue_bytes = 1 << 24,
                                    .retention_bytes = UINT64_MAX};
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
    assert_int_equal(world.done, world.appended);
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

static void append(unsigned count, uint32_t size)
{
    static const uint8_t bytes[LARGE];
    for (unsigned i = 0; i < count; i++) {
        struct journal_entry *entry = &world.entries[world.appended++];
        *entry = (struct journal_entry){.data = bytes,
                                        .size = size,
                                        .kind = JOURNAL_EVENT,
                                        .from = world.reactor,
                                        .done = done};
        assert_int_equal(journal_append(world.journal, entry), STATUS_OK);
    }
}

static uint64_t groups(void)
{
    return journal_counters(world.journal)->groups;
}

/* Milliseconds until all are recorded. */
static uint64_t wait_ms(void)
{
    uint64_t begin = sim_now_ms(world.sim);
    while (world.done < world.appended)
        let_happen();
    return sim_now_ms(world.sim) - begin;
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
    close_world();
}

static void after_many_they_share_a_sync(void **state)
{
    (void)state;
    open_world();
    record_many();
    uint64_t before = groups();
    append(1, 9);
    for (unsigned i = 0; i + 1 < GATHER_MS; i++) {
        sim_advance(world.sim, 1);
        reactor_turn(world.reactor, 0);
        append(1, 9);
    }
    assert_in_range(wait_ms(), 1, 10);
    assert_int_equal(groups(), before + 1);
    /* these were few */
    append(1, 9);
    assert_in_range(wait_ms(), 0, GATHER_MS - 1);
    close_world();
}

static void what_is_large_does_not_wait(void **state)
{
    (void)state;
    open_world();
    record_many();
    append(GATHER_BYTES / LARGE + 1, LARGE);
    assert_in_range(wait_ms(), 0, GATHER_MS - 1);
    close_world();
}

static void a_stop_does_not_wait(void **state)
{
    (void)state;
    open_world();
    record_many();
    append(1, 9);
    reactor_turn(world.reactor, 0); /* it has arrived, and waits */
    close_world();
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
