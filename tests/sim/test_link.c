/* The rules of a link's life, one by one, in a calm network where time is exact: each test says
 * what comes, when, and with which reason it ends. Every test ends with a stop of the server after
 * which nothing may be left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "server/bridge/session.h"
#include "server/link/greeting.h"
#include "tests/sim/calm.h"
#include "tests/sim/seeds.h"

static struct caller modem;
static struct caller other;
static struct caller agent;
static struct caller second;

/* ---- greeting ---- */

static void a_silent_connection_is_closed_at_the_deadline(void **state)
{
    (void)state;
    calm_load();
    calm.config->listeners[0].greeting_timeout_s = 5;
    calm_start();
    caller_dial(&modem, &calm, "10.0.0.1", CALM_PORT);
    site_run(&calm, 4999);
    assert_int_equal(caller_link_state(&modem), LINK_GREETING);
    site_run(&calm, 1001);
    calm_require_closed(CLOSE_GREETING_TIMEOUT, 1);
    assert_true(caller_sees_fin(&modem));
    calm_finish();
}

static void a_hello_that_dribbles_has_no_more_time(void **state)
{
    (void)state;
    calm_load();
    calm.config->listeners[0].greeting_timeout_s = 5;
    calm_start();
    caller_dial(&modem, &calm, "10.0.0.1", CALM_PORT);
    const char *hello = "AT$IMEI=12";
    for (size_t i = 0; i < 5; i++) {
        char piece[2] = {hello[i], '\0'};
        caller_say(&modem, piece);
        assert_int_equal(caller_link_state(&modem), LINK_GREETING);
        site_run(&calm, 1000);
    }
    site_run(&calm, 1000);
    calm_require_closed(CLOSE_GREETING_TIMEOUT, 1);
    calm_finish();
}

static void a_hello_that_never_ends_is_closed_at_the_byte_cap(void **state)
{
    (void)state;
    calm_load();
    calm.config->listeners[0].greeting_max_bytes = 64;
    calm_start();
    caller_dial(&modem, &calm, "10.0.0.1", CALM_PORT);
    caller_say(&modem, "AT$IMEI=1,PSW=0123456789012345678901234567890123456789012345678");
    assert_int_equal(caller_link_state(&modem), LINK_GREETING);
    caller_say(&modem, "9");
    calm_require_closed(CLOSE_GREETING_TOO_LONG, 1);
    calm_finish();
}

static void strange_bytes_are_closed_at_once(void **state)
{
    (void)state;
    calm_open();
    caller_dial(&modem, &calm, "10.0.0.1", CALM_PORT);
    caller_say(&modem, "GET / HTTP/1.1\r\n");
    calm_require_closed(CLOSE_GREETING_UNKNOWN, 1);
    caller_dial(&other, &calm, "10.0.0.2", CALM_PORT);
    caller_shutdown(&other);
    calm_require_closed(CLOSE_GREETING_CLOSED, 1);
    caller_dial(&other, &calm, "10.0.0.2", CALM_PORT);
    caller_reset(&other);
    calm_require_closed(CLOSE_PEER_RESET, 1);
    calm_finish();
}

static void a_hello_without_its_line_end_counts_after_silence(void **state)
{
    (void)state;
    calm_open();
    caller_dial(&modem, &calm, "10.0.0.1", CALM_PORT);
    caller_say(&modem, "AT$IMEI=1,PSW=secret,");
    site_run(&calm, 990);
    assert_int_equal(caller_link_state(&modem), LINK_GREETING);
    site_run(&calm, 20);
    assert_int_equal(caller_link_state(&modem), LINK_IDLE);
    calm_finish();
}

/* ---- idle ---- */

static void an_idle_link_is_closed_after_silence(void **state)
{
    (void)state;
    calm_load();
    calm.config->listeners[0].idle_timeout_s = 100;
    calm_start();
    calm_dial_in(&modem, "10.0.0.1");
    site_run(&calm, 99000);
    caller_say_bytes(&modem, calm_keepalive, sizeof calm_keepalive);
    site_run(&calm, 99000);
    assert_int_equal(caller_link_state(&modem), LINK_IDLE);
    site_run(&calm, 3000);
    calm_require_closed(CLOSE_LINK_IDLE, 1);
    calm_finish();
}

static void a_link_in_session_is_not_idle(void **state)
{
    (void)state;
    calm_load();
    calm.config->listeners[0].idle_timeout_s = 20;
    calm_start();
    calm_join(&modem, &agent);
    site_run(&calm, 100000);
    assert_true(caller_in_session(&agent));
    caller_reset(&agent);
    site_run(&calm, 25000);
    calm_require_closed(CLOSE_LINK_IDLE, 1);
    calm_finish();
}

static void a_vanished_device_times_out(void **state)
{
    (void)state;
    calm_open();
    calm_dial_in(&modem, "10.0.0.1");
    sim_peer_vanish(modem.peer);
    site_run(&calm, 119000);
    assert_int_equal(caller_link_state(&modem), LINK_IDLE);
    site_run(&calm, 3000);
    calm_require_closed(CLOSE_PEER_TIMEOUT, 1);
    calm_finish();
}

static void bytes_that_nobody_reads_are_counted(void **state)
{
    (void)state;
    calm_open();
    calm_dial_in(&modem, "10.0.0.1");
    caller_say(&modem, "nobody reads this");
    site_run(&calm, 100);
    assert_int_equal(atomic_load(&calm.server->shards[0]->counters.unclaimed_bytes), 17);
    caller_agent(&agent, &calm, CALLER_SERIAL);
    caller_say(&modem, "somebody reads this");
    assert_true(caller_hears(&agent, "somebody reads this"));
    calm_finish();
}

/* ---- replacement ---- */

static void the_newest_link_replaces_an_idle_one(void **state)
{
    (void)state;
    calm_open();
    calm_dial_in(&modem, "10.0.0.1");
    calm_dial_in(&other, "10.0.0.2");
    assert_true(caller_sees_fin(&modem));
    assert_int_equal(caller_link_state(&other), LINK_IDLE);
    calm_require_closed(CLOSE_LINK_REPLACED, 1);
    struct directory_counts counts;
    directory_count(calm.server->directory, &counts);
    assert_int_equal(counts.replacements, 1);
    assert_int_equal(atomic_load(&calm.server->shards[0]->counters.other_network), 0);
    calm_dial_in(&modem, "10.99.0.1");
    assert_int_equal(atomic_load(&calm.server->shards[0]->counters.other_network), 1);
    calm_finish();
}

/* The one that dialled in later is the device's newest, also when it is the first to speak. */
static void one_that_dialled_in_before_loses_though_it_speaks_last(void **state)
{
    (void)state;
    calm_open();
    caller_dial(&modem, &calm, "10.0.0.1", CALM_PORT);
    calm_dial_in(&other, "10.0.0.1");
    caller_say(&modem, "AT$IMEI=" CALLER_SERIAL ",PSW=secret,\n");
    assert_int_equal(caller_link_state(&modem), LINK_FREE);
    assert_int_equal(caller_link_state(&other), LINK_IDLE);
    calm_require_closed(CLOSE_LINK_REPLACED, 1);
    calm_finish();
}

static void a_session_that_moves_nothing_is_replaced(void **state)
{
    (void)state;
    calm_open();
    calm_join(&modem, &agent);
    site_run(&calm, 30000);
    calm_dial_in(&other, "10.0.0.2");
    assert_int_equal(caller_link_state(&other), LINK_IDLE);
    assert_true(caller_sees_fin(&agent));
    calm_require_closed(CLOSE_LINK_REPLACED, 1);
    calm_require_closed(CLOSE_SESSION_DEVICE_GONE, 1);
    calm_finish();
}

static void a_newcomer_is_closed_when_the_older_link_proves_alive(void **state)
{
    (void)state;
    calm_open();
    calm_join(&modem, &agent);
    caller_say(&agent, "request");
    calm_dial_in(&other, "10.0.0.2");
    assert_int_equal(caller_link_state(&other), LINK_HELD);
    site_run(&calm, 20000);
    assert_int_equal(caller_link_state(&other), LINK_HELD);
    caller_say(&modem, "answer");
    assert_true(caller_hears(&agent, "answer"));
    assert_int_equal(caller_link_state(&other), LINK_FREE);
    calm_require_closed(CLOSE_LINK_OLDER_ALIVE, 1);
    site_run(&calm, 60000); /* and nothing of the challenge is left */
    assert_true(caller_in_session(&agent));
    calm_finish();
}

static void a_newcomer_takes_over_when_the_older_link_stays_silent(void **state)
{
    (void)state;
    calm_open();
    calm_join(&modem, &agent);
    caller_say(&agent, "request");
    calm_dial_in(&other, "10.0.0.2");
    site_run(&calm, 29000);
    assert_int_equal(caller_link_state(&other), LINK_HELD);
    site_run(&calm, 2000);
    assert_int_equal(caller_link_state(&other), LINK_IDLE);
    calm_require_closed(CLOSE_LINK_REPLACED, 1);
    calm_require_closed(CLOSE_SESSION_DEVICE_GONE, 1);
    calm_finish();
}

static void what_a_held_newcomer_said_goes_to_its_plugin(void **state)
{
    (void)state;
    calm_open();
    calm_join(&modem, &agent);
    caller_say(&agent, "request");
    calm_dial_in(&other, "10.0.0.2");
    caller_say(&other, "early");
    site_run(&calm, 32000);
    assert_int_equal(caller_link_state(&other), LINK_IDLE);
    assert_int_equal(atomic_load(&calm.server->shards[0]->counters.unclaimed_bytes), 5);
    calm_finish();
}

static void of_two_newcomers_the_newest_waits(void **state)
{
    (void)state;
    calm_open();
    calm_join(&modem, &agent);
    caller_say(&agent, "request");
    calm_dial_in(&other, "10.0.0.2");
    calm_dial_in(&second, "10.0.0.3");
    assert_int_equal(caller_link_state(&other), LINK_FREE);
    assert_int_equal(caller_link_state(&second), LINK_HELD);
    calm_require_closed(CLOSE_LINK_OVERTAKEN, 1);
    calm_require_closed(CLOSE_LINK_OLDER_ALIVE, 0);
    site_run(&calm, 32000);
    assert_int_equal(caller_link_state(&second), LINK_IDLE);
    calm_finish();
}

/* A modem whose session was silent for a moment lost its line, and with it its only link: another
 * connection with its serial had come, and was gone again long before. */
static void a_newcomer_that_leaves_withdraws(void **state)
{
    (void)state;
    calm_open();
    calm_join(&modem, &agent);
    caller_say(&agent, "request");
    calm_dial_in(&other, "10.0.0.2");
    assert_int_equal(caller_link_state(&other), LINK_HELD);
    caller_shutdown(&other);
    assert_int_equal(caller_link_state(&other), LINK_FREE);
    calm_require_closed(CLOSE_PEER_CLOSED, 1);
    calm_dial_in(&other, "10.0.0.2");
    assert_int_equal(caller_link_state(&other), LINK_HELD);
    caller_reset(&other);
    assert_int_equal(caller_link_state(&other), LINK_FREE);
    calm_require_closed(CLOSE_PEER_RESET, 1);
    site_run(&calm, 40000);
    assert_true(caller_in_session(&agent));
    calm_require_closed(CLOSE_LINK_REPLACED, 0);
    assert_true(caller_is_open(&modem));
    calm_finish();
}

/* Its idle timeout goes on where the challenge had stopped it. */
static void a_link_that_was_challenged_still_times_out(void **state)
{
    (void)state;
    calm_load();
    calm.config->links.flap_count = 1;
    calm.config->listeners[0].idle_timeout_s = 100;
    calm_start();
    calm_dial_in(&modem, "10.0.0.1");
    calm_dial_in(&modem, "10.0.0.1");
    calm_dial_in(&other, "10.0.0.2");
    assert_int_equal(caller_link_state(&other), LINK_HELD);
    caller_shutdown(&other);
    site_run(&calm, 90000);
    assert_int_equal(caller_link_state(&modem), LINK_IDLE);
    site_run(&calm, 110000);
    calm_require_closed(CLOSE_LINK_IDLE, 1);
    calm_finish();
}

static void what_a_newcomer_said_before_it_left_goes_to_its_plugin(void **state)
{
    (void)state;
    calm_open();
    calm_join(&modem, &agent);
    caller_say(&agent, "request");
    calm_dial_in(&other, "10.0.0.2");
    caller_say(&other, "ear");
    caller_say(&other, "ly");
    caller_shutdown(&other);
    assert_int_equal(caller_link_state(&other), LINK_FREE);
    assert_int_equal(atomic_load(&calm.server->shards[0]->counters.unclaimed_bytes), 5);
    calm_finish();
}

static void a_newcomer_is_read_up_to_the_byte_cap(void **state)
{
    (void)state;
    static const uint8_t flood[60000];
    calm_load();
    calm.config->listeners[0].greeting_max_bytes = 1024;
    calm_start();
    calm_join(&modem, &agent);
    caller_say(&agent, "request");
    calm_dial_in(&other, "10.0.0.2");
    size_t written = 0;
    for (size_t more = 1; more > 0; written += more) {
        more = sim_peer_write(other.peer, flood, sizeof flood);
        site_run(&calm, 0);
    }
    assert_int_equal(caller_link_state(&other), LINK_HELD);
    const struct link *link = site_link(&calm, &other.address);
    assert_true(link->greeting->size < 1024 + 8192);
    site_run(&calm, 32000);
    assert_int_equal(caller_link_state(&other), LINK_IDLE);
    assert_int_equal(atomic_load(&calm.server->shards[0]->counters.unclaimed_bytes), written);
    calm_finish();
}

static void a_device_whose_session_ends_makes_way_for_the_newcomer(void **state)
{
    (void)state;
    calm_open();
    calm_join(&modem, &agent);
    caller_say(&agent, "request");
    calm_dial_in(&other, "10.0.0.2");
    assert_int_equal(caller_link_state(&other), LINK_HELD);
    caller_shutdown(&modem);
    assert_int_equal(caller_link_state(&other), LINK_IDLE);
    calm_require_closed(CLOSE_PEER_CLOSED, 1);
    calm_finish();
}

static void a_device_that_flaps_is_held_even_when_idle(void **state)
{
    (void)state;
    calm_load();
    calm.config->links.flap_count = 2;
    calm_start();
    calm_dial_in(&modem, "10.0.0.1");
    calm_dial_in(&modem, "10.0.0.1");
    calm_dial_in(&modem, "10.0.0.1");
    calm_require_closed(CLOSE_LINK_REPLACED, 2);
    calm_dial_in(&other, "10.0.0.2");
    assert_int_equal(caller_link_state(&other), LINK_HELD);
    caller_say(&modem, "alive");
    calm_require_closed(CLOSE_LINK_OLDER_ALIVE, 1);
    calm_dial_in(&other, "10.0.0.2");
    site_run(&calm, 32000);
    assert_int_equal(caller_link_state(&other), LINK_IDLE);
    calm_require_closed(CLOSE_LINK_REPLACED, 3);
    calm_finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_silent_connection_is_closed_at_the_deadline),
        cmocka_unit_test(a_hello_that_dribbles_has_no_more_time),
        cmocka_unit_test(a_hello_that_never_ends_is_closed_at_the_byte_cap),
        cmocka_unit_test(strange_bytes_are_closed_at_once),
        cmocka_unit_test(a_hello_without_its_line_end_counts_after_silence),
        cmocka_unit_test(an_idle_link_is_closed_after_silence),
        cmocka_unit_test(a_link_in_session_is_not_idle),
        cmocka_unit_test(a_vanished_device_times_out),
        cmocka_unit_test(bytes_that_nobody_reads_are_counted),
        cmocka_unit_test(the_newest_link_replaces_an_idle_one),
        cmocka_unit_test(one_that_dialled_in_before_loses_though_it_speaks_last),
        cmocka_unit_test(a_session_that_moves_nothing_is_replaced),
        cmocka_unit_test(a_newcomer_is_closed_when_the_older_link_proves_alive),
        cmocka_unit_test(a_newcomer_takes_over_when_the_older_link_stays_silent),
        cmocka_unit_test(what_a_held_newcomer_said_goes_to_its_plugin),
        cmocka_unit_test(of_two_newcomers_the_newest_waits),
        cmocka_unit_test(a_newcomer_that_leaves_withdraws),
        cmocka_unit_test(a_link_that_was_challenged_still_times_out),
        cmocka_unit_test(what_a_newcomer_said_before_it_left_goes_to_its_plugin),
        cmocka_unit_test(a_newcomer_is_read_up_to_the_byte_cap),
        cmocka_unit_test(a_device_whose_session_ends_makes_way_for_the_newcomer),
        cmocka_unit_test(a_device_that_flaps_is_held_even_when_idle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
