/* The keeper leaves the store behind while the journal is busy, and never further than it may. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "server/directory/keeper.h"
#include "server/directory/load.h"
#include "tests/history/history.h"
#include "tests/sim/lone.h"

#define EVERY_MS 10u /* an event comes */
#define BUSY     10u /* half of what comes in a look */

static struct {
    struct directory *directory;
    struct store *store;
    struct keeper *keeper;
    struct history history;
    bool keeper_stopped;
    char folder[64];
    char path[128];
} world;

static uint64_t stored(void)
{
    return keeper_counters(world.keeper)->sequence;
}

static uint64_t lacks(void)
{
    return journal_committed(lone.journal) - stored();
}

static uint64_t waits(void)
{
    return keeper_counters(world.keeper)->waits;
}

/* ---- time ---- */

static void let_pass(uint64_t ms)
{
    uint64_t end = sim_now_ms(lone.sim) + ms;
    while (sim_next_event_ms(lone.sim) <= end)
        lone_step();
    if (sim_now_ms(lone.sim) < end)
        sim_advance(lone.sim, end - sim_now_ms(lone.sim));
}

static void append(void)
{
    struct told told = {.scope = "default", .serial = "1", .kind = "meter", .epoch = 1};
    uint64_t number = world.history.count;
    uint64_t sequence = history_tell(&world.history, CENC__V1__EVENT__BODY_CONNECTED, &told,
                                     1700000000000u + number);
    const struct history_event *event = &world.history.events[sequence - 1];
    lone_append(event->data, event->size);
}

/* ---- the world ---- */

static void open_directory(void)
{
    struct directory_config config = {
        .max_devices = 100, .first_port = 20000, .last_port = 20099, .recorded = true};
    struct load_report report;
    struct store_error error;
    assert_int_equal(directory_create(&config, &world.directory), STATUS_OK);
    assert_int_equal(
        directory_load(world.directory, world.path, lone.journal, &world.store, &report, &error),
        STATUS_OK);
}

static void open_world(const struct keeper_pace *pace)
{
    const struct journal_config config = {
        .segment_bytes = 1 << 20, .queue_bytes = 1 << 20, .retention_bytes = UINT64_MAX};
    memset(&world, 0, sizeof world);
    lone_open(&config);
    history_init(&world.history);
    history_make_folder(world.folder);
    (void)snprintf(world.path, sizeof world.path, "%s/store", world.folder);
    open_directory();
    journal_start(lone.journal, lone.reactor);
    assert_int_equal(
        keeper_start(lone.journal, world.store, world.directory, lone.reactor, pace, &world.keeper),
        STATUS_OK);
    let_pass(5000); /* long quiet */
}

static void set(void *flag)
{
    *(bool *)flag = true;
}

static void close_world(void)
{
    keeper_stop(world.keeper, set, &world.keeper_stopped);
    while (!world.keeper_stopped)
        lone_step();
    lone_close();
    store_close(world.store);
    directory_free(world.directory);
    history_free(&world.history);
    history_remove_folder(world.folder);
}

/* ---- tests ---- */

static void what_comes_now_and_then_is_stored_soon(void **state)
{
    const struct keeper_pace pace = {BUSY, 1000, 100000};
    (void)state;
    open_world(&pace);
    for (unsigned i = 0; i < 5; i++) {
        append();
        let_pass(2 * KEEPER_LOOK_MS);
        assert_int_equal(stored(), i + 1);
    }
    assert_int_equal(waits(), 0);
    close_world();
}

static void a_busy_journal_is_left_alone(void **state)
{
    const struct keeper_pace pace = {BUSY, 1000, 100000};
    (void)state;
    open_world(&pace);
    for (unsigned i = 0; i < 500; i++) {
        append();
        let_pass(EVERY_MS);
        assert_int_equal(stored(), 0);
    }
    assert_true(waits() > 10);
    let_pass(3 * KEEPER_LOOK_MS);
    assert_int_equal(stored(), 500);
    close_world();
}

static void the_store_lacks_no_more_than_it_may(void **state)
{
    const struct keeper_pace pace = {BUSY, 150, 1000000};
    const unsigned in_a_look = KEEPER_LOOK_MS / EVERY_MS;
    (void)state;
    open_world(&pace);
    for (unsigned i = 0; i < 1000; i++) {
        append();
        let_pass(EVERY_MS);
        assert_in_range(lacks(), 0, 150 + 2 * in_a_look);
    }
    assert_true(waits() > 10);
    assert_true(stored() > 0);
    close_world();
}

static void it_waits_no_longer_than_it_may(void **state)
{
    const struct keeper_pace pace = {BUSY, 1000000, 1500};
    const unsigned most = (1500 + 3 * KEEPER_LOOK_MS) / EVERY_MS;
    (void)state;
    open_world(&pace);
    for (unsigned i = 0; i < 1000; i++) {
        append();
        let_pass(EVERY_MS);
        assert_in_range(lacks(), 0, most);
    }
    assert_true(waits() > 5);
    close_world();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_now_and_then_is_stored_soon),
        cmocka_unit_test(a_busy_journal_is_left_alone),
        cmocka_unit_test(the_store_lacks_no_more_than_it_may),
        cmocka_unit_test(it_waits_no_longer_than_it_may),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
