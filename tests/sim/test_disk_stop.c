/* A server is asked to stop while its disk takes no records: it waits two seconds for it, whenever
 * in the course of a second that was, and not three or five, as it did when its patience was looked
 * at with the ticks of the writer. Where the disk is back sooner, nothing is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/reactor/sim/sim.h"
#include "tests/sim/caller.h"
#include "tests/sim/seeds.h"
#include "tests/sim/state_site.h"

#define MODEMS      5009
#define PATIENCE_MS 2000u
#define RETRY_MS    1000u /* the journal's, of its disk */
#define SLACK_MS    150u  /* until it is noticed, and told to those who wait */
#define STEP_MS     70u   /* over more than two seconds */
#define STEPS       30u

static const char yaml[] = "server: {shards: 2}\n"
                           "listeners:\n"
                           "  - name: modems\n"
                           "    address: 0.0.0.0:5009\n"
                           "    plugins:\n"
                           "      - pattern: {registration: 'LOGIN:(id:4)'}\n";

static struct state_site state_site;
static struct site *const site = &state_site.site;
static struct caller caller;
static unsigned gone;

/* A device is here, its link is told of. */
static void start(uint64_t after_ms)
{
    struct sim_options options;
    sim_options_calm(&options, 1);
    state_load(&state_site, &options, yaml);
    state_start(&state_site);
    caller_dial(&caller, site, "10.0.0.1", MODEMS);
    caller_say(&caller, "LOGIN:1001");
    site_run(site, 1000 + after_ms);
    assert_non_null(site_link(site, &caller.address));
}

static void visit(const Cenc__V1__Event *event, uint64_t sequence)
{
    (void)sequence;
    gone += event->body_case == CENC__V1__EVENT__BODY_DISCONNECTED;
}

/* How many ends of links the journal knows. */
static unsigned leave(void)
{
    struct journal *journal = state_journal(&state_site);
    gone = 0;
    state_walk(&state_site, journal, visit);
    journal_free(journal);
    state_close(&state_site);
    return gone;
}

static void a_dead_disk_is_waited_for_two_seconds(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < STEPS; i++) {
        start(i * STEP_MS);
        state_set_disk(&state_site, 1000, 0, 0);
        uint64_t begin_ms = sim_now_ms(site->sim);
        state_stop(&state_site, NULL);
        uint64_t took_ms = sim_now_ms(site->sim) - begin_ms;
        assert_in_range(took_ms, PATIENCE_MS, PATIENCE_MS + SLACK_MS);
        state_set_disk(&state_site, 0, 0, 0);
        assert_int_equal(leave(), 0);
    }
}

static void a_disk_that_died_before_is_waited_for_two_seconds(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < STEPS; i++) {
        start(0);
        state_set_disk(&state_site, 1000, 0, 0);
        caller_shutdown(&caller);
        site_run(site, 3000 + i * STEP_MS);
        uint64_t begin_ms = sim_now_ms(site->sim);
        state_stop(&state_site, NULL);
        uint64_t took_ms = sim_now_ms(site->sim) - begin_ms;
        assert_in_range(took_ms, PATIENCE_MS, PATIENCE_MS + SLACK_MS);
        state_set_disk(&state_site, 0, 0, 0);
        assert_int_equal(leave(), 0);
    }
}

static void a_disk_that_comes_back_in_time_loses_nothing(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < STEPS; i++) {
        start(i * STEP_MS);
        state_set_disk(&state_site, 1000, 0, 0);
        uint64_t begin_ms = sim_now_ms(site->sim);
        server_stop(site->server);
        site_run(site, RETRY_MS / 2);
        state_set_disk(&state_site, 0, 0, 0);
        state_stop(&state_site, NULL);
        assert_true(sim_now_ms(site->sim) - begin_ms <= RETRY_MS + SLACK_MS);
        assert_int_equal(leave(), 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dead_disk_is_waited_for_two_seconds),
        cmocka_unit_test(a_disk_that_died_before_is_waited_for_two_seconds),
        cmocka_unit_test(a_disk_that_comes_back_in_time_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
