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
#include "tests/sim/caller.h"
#include "tests/sim/seeds.h"

#define DIAL_IN 5009

static const char yaml[] = "server:\n"
                           "  shards: 1\n"
                           "direct_ports:\n"
                           "  range: 20000-20007\n"
                           "  anonymous: allow\n"
                           "listeners:\n"
                           "  - name: modems\n"
                           "    address: 0.0.0.0:5009\n"
                           "    plugins: [irz]\n"
                           "  - name: acknowledged\n"
                           "    address: 0.0.0.0:5010\n"
                           "    plugins:\n"
                           "      - irz:\n"
                           "          acknowledge_keepalive: true\n";

static const uint8_t keepalive[] = {0xB5, 0xBC, 0xBD, 0xBE, 0xBF};

static struct site site;
static struct caller modem;
static struct caller agent;
static struct caller second;

static void load(void)
{
    struct sim_options options;
    sim_options_calm(&options, 1);
    site_load(&site, &options, yaml);
}

static void start(void)
{
    site_start(&site, 20000);
    site_run(&site, 0);
}

static void load_and_start(void)
{
    load();
    start();
}

static void join(void)
{
    caller_modem(&modem, &site, "10.0.0.1", DIAL_IN, CALLER_SERIAL);
    caller_agent(&agent, &site, CALLER_SERIAL);
    assert_true(caller_in_session(&agent));
}

static void finish(void)
{
    site_check(&site);
    site_stop(&site);
    site_close(&site);
}

static void require_closed(enum close_reason reason, uint64_t times)
{
    site_check(&site);
    assert_int_equal(site_closed(&site, reason), times);
}

static uint64_t sessions_now(void)
{
    return atomic_load(&site.server->sessions);
}

/* ---- who is joined ---- */

static void bytes_go_both_ways(void **state)
{
    (void)state;
    load_and_start();
    join();
    caller_say(&agent, "request");
    assert_true(caller_hears(&modem, "request"));
    caller_say(&modem, "answer");
    assert_true(caller_hears(&agent, "answer"));
    finish();
}

static void a_second_comer_is_told_that_the_line_is_busy(void **state)
{
    (void)state;
    load_and_start();
    join();
    caller_agent(&second, &site, CALLER_SERIAL);
    assert_true(caller_sees_fin(&second));
    require_closed(CLOSE_SESSION_BUSY, 1);
    assert_true(caller_in_session(&agent));
    finish();
}

static void an_agent_from_elsewhere_is_refused(void **state)
{
    (void)state;
    load_and_start();
    join();
    struct device_info info;
    assert_true(site_device(&site, "default", CALLER_SERIAL, &info));
    caller_dial(&second, &site, "192.0.2.7", info.direct_port);
    assert_false(caller_is_open(&second));
    require_closed(CLOSE_SESSION_REFUSED, 1);
    finish();
}

static void the_port_of_a_device_is_open_while_it_is_online(void **state)
{
    (void)state;
    load_and_start();
    join();
    struct device_info info;
    assert_true(site_device(&site, "default", CALLER_SERIAL, &info));
    caller_shutdown(&modem);
    site_run(&site, 100);
    struct address from = site_address(&site, "127.0.0.1");
    assert_null(site_dial(&site, info.direct_port, &from));
    caller_modem(&modem, &site, "10.0.0.1", DIAL_IN, CALLER_SERIAL);
    struct device_info again;
    assert_true(site_device(&site, "default", CALLER_SERIAL, &again));
    assert_int_equal(again.direct_port, info.direct_port);
    assert_int_equal(again.epoch, info.epoch + 1);
    caller_agent(&agent, &site, CALLER_SERIAL);
    assert_true(caller_in_session(&agent));
    finish();
}

/* ---- how it ends ---- */

static void an_agent_that_half_closes_gets_its_answer(void **state)
{
    (void)state;
    load_and_start();
    join();
    caller_say(&agent, "request");
    caller_shutdown(&agent);
    site_run(&site, 2000);
    caller_say(&modem, "late ");
    site_run(&site, 2000);
    caller_say(&modem, "answer");
    site_run(&site, 2000);
    assert_true(caller_hears(&agent, "late answer"));
    assert_true(caller_is_open(&agent));
    site_run(&site, 2100);
    assert_true(caller_sees_fin(&agent));
    require_closed(CLOSE_AGENT_CLOSED, 1);
    assert_int_equal(sessions_now(), 0);
    assert_int_equal(caller_link_state(&modem), LINK_IDLE);
    finish();
}

static void a_half_closed_session_ends_at_once_without_patience(void **state)
{
    (void)state;
    load();
    site.config->sessions.half_close_s = 0;
    start();
    join();
    caller_say(&agent, "request");
    caller_shutdown(&agent);
    require_closed(CLOSE_AGENT_CLOSED, 1);
    assert_true(caller_hears(&modem, "request"));
    assert_int_equal(sessions_now(), 0);
    finish();
}

static void a_half_closed_session_yields_to_another_agent(void **state)
{
    (void)state;
    load_and_start();
    join();
    caller_say(&agent, "request");
    caller_say(&modem, "answer");
    caller_shutdown(&agent);
    caller_agent(&second, &site, CALLER_SERIAL);
    require_closed(CLOSE_SESSION_YIELDED, 1);
    assert_true(caller_in_session(&second));
    assert_true(caller_hears(&agent, "answer"));
    assert_true(caller_sees_fin(&agent));
    caller_say(&modem, "more");
    assert_true(caller_hears(&second, "more"));
    finish();
}

static void a_still_session_ends(void **state)
{
    (void)state;
    load();
    site.config->sessions.idle_timeout_s = 20;
    start();
    join();
    site_run(&site, 15000);
    caller_say(&agent, "request");
    site_run(&site, 19000);
    assert_true(caller_in_session(&agent));
    site_run(&site, 2100);
    require_closed(CLOSE_SESSION_IDLE, 1);
    assert_true(caller_sees_fin(&agent));
    assert_int_equal(caller_link_state(&modem), LINK_IDLE);
    finish();
}

/* Between sessions a link keeps a poll in the kernel and nothing else. */
static void after_a_session_the_link_only_polls(void **state)
{
    (void)state;
    load_and_start();
    join();
    caller_say(&modem, "data");
    caller_reset(&agent);
    const struct link *link = site_link(&site, &modem.address);
    assert_int_equal(link->state, LINK_IDLE);
    assert_int_equal(link->stream.flags & (STREAM_RECEIVING | STREAM_WATCHING), STREAM_WATCHING);
    assert_int_equal(link->stream.in_flight, 1);
    finish();
}

/* A reset agent reads nothing more: there is nothing to wait for. */
static void an_agent_that_resets_gives_its_place_back_at_once(void **state)
{
    (void)state;
    load_and_start();
    join();
    caller_reset(&agent);
    require_closed(CLOSE_AGENT_RESET, 1);
    assert_int_equal(sessions_now(), 0);
    caller_agent(&second, &site, CALLER_SERIAL);
    assert_true(caller_in_session(&second));
    finish();
}

static void an_agent_that_vanishes_times_out(void **state)
{
    (void)state;
    load_and_start();
    join();
    sim_peer_vanish(agent.peer);
    site_run(&site, 119000);
    assert_int_equal(sessions_now(), 1);
    site_run(&site, 3000);
    require_closed(CLOSE_AGENT_TIMEOUT, 1);
    assert_int_equal(sessions_now(), 0);
    finish();
}

/* An agent that never closes after its session has ended doesn't keep its place for ever. */
static void an_agent_that_stays_after_the_end_is_closed(void **state)
{
    (void)state;
    load_and_start();
    join();
    caller_shutdown(&modem);
    assert_true(caller_sees_fin(&agent));
    assert_int_equal(sessions_now(), 1);
    site_run(&site, 11000);
    assert_int_equal(sessions_now(), 0);
    require_closed(CLOSE_SESSION_DEVICE_GONE, 1);
    finish();
}

/* ---- what a plugin holds back ---- */

static void a_keepalive_after_data_is_taken_out(void **state)
{
    (void)state;
    load_and_start();
    join();
    static const uint8_t both[] = {'d', 'a', 't', 'a', 0xB5, 0xBC, 0xBD, 0xBE, 0xBF};
    caller_say_bytes(&modem, both, sizeof both);
    assert_true(caller_hears(&agent, "data"));
    site_run(&site, 1000);
    assert_true(caller_hears(&agent, ""));
    assert_int_equal(atomic_load(&site.server->shards[0]->counters.keepalives), 1);
    finish();
}

static void the_beginning_of_a_keepalive_is_released_as_data(void **state)
{
    (void)state;
    load_and_start();
    join();
    site_run(&site, 1000);
    caller_say_bytes(&modem, keepalive, 2);
    site_run(&site, 190);
    assert_true(caller_hears(&agent, ""));
    site_run(&site, 20);
    assert_true(caller_hears(&agent, "\xB5\xBC"));
    finish();
}

static void held_bytes_are_released_when_the_session_ends(void **state)
{
    (void)state;
    load_and_start();
    join();
    site_run(&site, 1000);
    caller_say_bytes(&modem, keepalive, 3);
    caller_shutdown(&modem);
    assert_true(caller_hears(&agent, "\xB5\xBC\xBD"));
    assert_true(caller_sees_fin(&agent));
    finish();
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
