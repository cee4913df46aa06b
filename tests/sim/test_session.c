/* The rules of a session, one by one, in a calm network: who is joined, what goes through, how it
 * ends, and how many bytes may wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/bridge/session.h"
#include "tests/sim/calm.h"
#include "tests/sim/seeds.h"

static struct caller modem;
static struct caller agent;
static struct caller second;

static uint64_t sessions_now(void)
{
    return atomic_load(&calm.server->sessions);
}

/* ---- who is joined ---- */

static void bytes_go_both_ways(void **state)
{
    (void)state;
    calm_open();
    calm_join(&modem, &agent);
    caller_say(&agent, "request");
    assert_true(caller_hears(&modem, "request"));
    caller_say(&modem, "answer");
    assert_true(caller_hears(&agent, "answer"));
    calm_finish();
}

static void a_second_comer_is_told_that_the_line_is_busy(void **state)
{
    (void)state;
    calm_open();
    calm_join(&modem, &agent);
    caller_agent(&second, &calm, CALLER_SERIAL);
    assert_true(caller_sees_fin(&second));
    calm_require_closed(CLOSE_SESSION_BUSY, 1);
    assert_true(caller_in_session(&agent));
    calm_finish();
}

static void an_agent_from_elsewhere_is_refused(void **state)
{
    (void)state;
    calm_open();
    calm_join(&modem, &agent);
    struct device_info info;
    assert_true(site_device(&calm, "default", CALLER_SERIAL, &info));
    caller_dial(&second, &calm, "192.0.2.7", info.direct_port);
    assert_false(caller_is_open(&second));
    calm_require_closed(CLOSE_SESSION_REFUSED, 1);
    calm_finish();
}

static void the_port_of_a_device_is_open_while_it_is_online(void **state)
{
    (void)state;
    calm_open();
    calm_join(&modem, &agent);
    struct device_info info;
    assert_true(site_device(&calm, "default", CALLER_SERIAL, &info));
    caller_shutdown(&modem);
    site_run(&calm, 100);
    struct address from = site_address(&calm, "127.0.0.1");
    assert_null(site_dial(&calm, info.direct_port, &from));
    caller_modem(&modem, &calm, "10.0.0.1", CALM_PORT, CALLER_SERIAL);
    struct device_info again;
    assert_true(site_device(&calm, "default", CALLER_SERIAL, &again));
    assert_int_equal(again.direct_port, info.direct_port);
    assert_int_equal(again.epoch, info.epoch + 1);
    caller_agent(&agent, &calm, CALLER_SERIAL);
    assert_true(caller_in_session(&agent));
    calm_finish();
}

/* ---- how it ends ---- */

static void an_agent_that_half_closes_gets_its_answer(void **state)
{
    (void)state;
    calm_open();
    calm_join(&modem, &agent);
    caller_say(&agent, "request");
    caller_shutdown(&agent);
    site_run(&calm, 2000);
    caller_say(&modem, "late ");
    site_run(&calm, 2000);
    caller_say(&modem, "answer");
    site_run(&calm, 2000);
    assert_true(caller_hears(&agent, "late answer"));
    assert_true(caller_is_open(&agent));
    site_run(&calm, 2100);
    assert_true(caller_sees_fin(&agent));
    calm_require_closed(CLOSE_AGENT_CLOSED, 1);
    assert_int_equal(sessions_now(), 0);
    assert_int_equal(caller_link_state(&modem), LINK_IDLE);
    calm_finish();
}

static void a_half_closed_session_ends_at_once_without_patience(void **state)
{
    (void)state;
    calm_load();
    calm.config->sessions.half_close_s = 0;
    calm_start();
    calm_join(&modem, &agent);
    caller_say(&agent, "request");
    caller_shutdown(&agent);
    calm_require_closed(CLOSE_AGENT_CLOSED, 1);
    assert_true(caller_hears(&modem, "request"));
    assert_int_equal(sessions_now(), 0);
    calm_finish();
}

static void a_half_closed_session_yields_to_another_agent(void **state)
{
    (void)state;
    calm_open();
    calm_join(&modem, &agent);
    caller_say(&agent, "request");
    caller_say(&modem, "answer");
    caller_shutdown(&agent);
    caller_agent(&second, &calm, CALLER_SERIAL);
    calm_require_closed(CLOSE_SESSION_YIELDED, 1);
    assert_true(caller_in_session(&second));
    assert_true(caller_hears(&agent, "answer"));
    assert_true(caller_sees_fin(&agent));
    caller_say(&modem, "more");
    assert_true(caller_hears(&second, "more"));
    calm_finish();
}

static void a_still_session_ends(void **state)
{
    (void)state;
    calm_load();
    calm.config->sessions.idle_timeout_s = 20;
    calm_start();
    calm_join(&modem, &agent);
    site_run(&calm, 15000);
    caller_say(&agent, "request");
    site_run(&calm, 19000);
    assert_true(caller_in_session(&agent));
    site_run(&calm, 2100);
    calm_require_closed(CLOSE_SESSION_IDLE, 1);
    assert_true(caller_sees_fin(&agent));
    assert_int_equal(caller_link_state(&modem), LINK_IDLE);
    calm_finish();
}

/* Between sessions a link keeps a poll in the kernel and nothing else. */
static void after_a_session_the_link_only_polls(void **state)
{
    (void)state;
    calm_open();
    calm_join(&modem, &agent);
    caller_say(&modem, "data");
    caller_reset(&agent);
    const struct link *link = site_link(&calm, &modem.address);
    assert_int_equal(link->state, LINK_IDLE);
    assert_int_equal(link->stream.flags & (STREAM_RECEIVING | STREAM_WATCHING), STREAM_WATCHING);
    assert_int_equal(link->stream.in_flight, 1);
    calm_finish();
}

/* A reset agent reads nothing more: there is nothing to wait for. */
static void an_agent_that_resets_gives_its_place_back_at_once(void **state)
{
    (void)state;
    calm_open();
    calm_join(&modem, &agent);
    caller_reset(&agent);
    calm_require_closed(CLOSE_AGENT_RESET, 1);
    assert_int_equal(sessions_now(), 0);
    caller_agent(&second, &calm, CALLER_SERIAL);
    assert_true(caller_in_session(&second));
    calm_finish();
}

static void an_agent_that_vanishes_times_out(void **state)
{
    (void)state;
    calm_open();
    calm_join(&modem, &agent);
    sim_peer_vanish(agent.peer);
    site_run(&calm, 119000);
    assert_int_equal(sessions_now(), 1);
    site_run(&calm, 3000);
    calm_require_closed(CLOSE_AGENT_TIMEOUT, 1);
    assert_int_equal(sessions_now(), 0);
    calm_finish();
}

/* An agent that never closes after its session has ended doesn't keep its place for ever. */
static void an_agent_that_stays_after_the_end_is_closed(void **state)
{
    (void)state;
    calm_open();
    calm_join(&modem, &agent);
    caller_shutdown(&modem);
    assert_true(caller_sees_fin(&agent));
    assert_int_equal(sessions_now(), 1);
    site_run(&calm, 11000);
    assert_int_equal(sessions_now(), 0);
    calm_require_closed(CLOSE_SESSION_DEVICE_GONE, 1);
    calm_finish();
}

/* ---- what a plugin holds back ---- */

static void a_keepalive_after_data_is_taken_out(void **state)
{
    (void)state;
    calm_open();
    calm_join(&modem, &agent);
    static const uint8_t both[] = {'d', 'a', 't', 'a', 0xB5, 0xBC, 0xBD, 0xBE, 0xBF};
    caller_say_bytes(&modem, both, sizeof both);
    assert_true(caller_hears(&agent, "data"));
    site_run(&calm, 1000);
    assert_true(caller_hears(&agent, ""));
    assert_int_equal(atomic_load(&calm.server->shards[0]->counters.keepalives), 1);
    calm_finish();
}

static void the_beginning_of_a_keepalive_is_released_as_data(void **state)
{
    (void)state;
    calm_open();
    calm_join(&modem, &agent);
    site_run(&calm, 1000);
    caller_say_bytes(&modem, calm_keepalive, 2);
    site_run(&calm, 190);
    assert_true(caller_hears(&agent, ""));
    site_run(&calm, 20);
    assert_true(caller_hears(&agent, "\xB5\xBC"));
    calm_finish();
}

static void held_bytes_are_released_when_the_session_ends(void **state)
{
    (void)state;
    calm_open();
    calm_join(&modem, &agent);
    site_run(&calm, 1000);
    caller_say_bytes(&modem, calm_keepalive, 3);
    caller_shutdown(&modem);
    assert_true(caller_hears(&agent, "\xB5\xBC\xBD"));
    assert_true(caller_sees_fin(&agent));
    calm_finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_go_both_ways),
        cmocka_unit_test(a_second_comer_is_told_that_the_line_is_busy),
        cmocka_unit_test(an_agent_from_elsewhere_is_refused),
        cmocka_unit_test(the_port_of_a_device_is_open_while_it_is_online),
        cmocka_unit_test(an_agent_that_half_closes_gets_its_answer),
        cmocka_unit_test(a_half_closed_session_ends_at_once_without_patience),
        cmocka_unit_test(a_half_closed_session_yields_to_another_agent),
        cmocka_unit_test(a_still_session_ends),
        cmocka_unit_test(after_a_session_the_link_only_polls),
        cmocka_unit_test(an_agent_that_resets_gives_its_place_back_at_once),
        cmocka_unit_test(an_agent_that_vanishes_times_out),
        cmocka_unit_test(an_agent_that_stays_after_the_end_is_closed),
        cmocka_unit_test(a_keepalive_after_data_is_taken_out),
        cmocka_unit_test(the_beginning_of_a_keepalive_is_released_as_data),
        cmocka_unit_test(held_bytes_are_released_when_the_session_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
