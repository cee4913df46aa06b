/* The limits on links, devices and sessions, one by one, in a calm network: never more than
 * allowed, and the places that become free are taken again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "server/link/link.h"
#include "tests/sim/calm.h"

static struct caller modem;
static struct caller other;
static struct caller agent;
static struct caller second;

/* Everyone dials in silently; returns how many links there are then. */
static uint64_t crowd(struct caller *callers, size_t count, const char *ip)
{
    for (size_t i = 0; i < count; i++)
        caller_dial(&callers[i], &calm, ip, CALM_PORT);
    site_check(&calm);
    return atomic_load(&calm.server->links);
}

#define CROWD 12u
static struct caller people[CROWD];

/* One of those who are connected leaves, and somebody who waits takes the place. */
static void leave_and_resume(uint64_t limit)
{
    for (unsigned i = 0; i < CROWD; i++)
        if (caller_link_state(&people[i]) == LINK_GREETING) {
            caller_shutdown(&people[i]);
            break;
        }
    site_run(&calm, 2000);
    assert_int_equal(atomic_load(&calm.server->links), limit);
    for (unsigned i = 0; i < CROWD; i++)
        caller_reset(&people[i]);
    site_run(&calm, 3000);
    assert_int_equal(atomic_load(&calm.server->links), 0);
    calm_dial_in(&modem, "10.0.0.1");
    site_run(&calm, 3000);
    assert_int_equal(caller_link_state(&modem), LINK_IDLE);
}

static void no_more_links_than_the_limit(void **state)
{
    (void)state;
    calm_load();
    calm.config->limits.links = 5;
    calm_start();
    assert_int_equal(crowd(people, CROWD, "10.0.0.1"), 5);
    assert_in_range(site_closed(&calm, CLOSE_LIMIT_LINKS), 0, 4);
    leave_and_resume(5);
    calm_finish();
}

static void no_more_links_of_a_listener_than_its_own_limit(void **state)
{
    (void)state;
    calm_load();
    calm.config->listeners[0].max_links = 3;
    calm_start();
    assert_int_equal(crowd(people, CROWD, "10.0.0.1"), 3);
    assert_in_range(site_closed(&calm, CLOSE_LIMIT_LISTENER), 0, 4);
    leave_and_resume(3);
    calm_finish();
}

static void no_more_unidentified_links_than_the_limit(void **state)
{
    (void)state;
    calm_load();
    calm.config->limits.unidentified = 4;
    calm_start();
    calm_dial_in(&modem, "10.0.0.1"); /* identified: doesn't count */
    assert_int_equal(crowd(people, CROWD, "10.0.0.2"), 5);
    assert_in_range(site_closed(&calm, CLOSE_LIMIT_UNIDENTIFIED), 0, 4);
    caller_shutdown(&modem);
    leave_and_resume(4);
    calm_finish();
}

static void no_more_unidentified_links_of_a_source_than_the_limit(void **state)
{
    (void)state;
    calm_load();
    calm.config->limits.unidentified_per_source = 2;
    calm_start();
    assert_int_equal(crowd(people, 6, "10.0.0.1"), 2);
    calm_require_closed(CLOSE_LIMIT_SOURCE, 4);
    calm_dial_in(&modem, "10.0.0.2"); /* others don't notice */
    assert_int_equal(caller_link_state(&modem), LINK_IDLE);
    caller_reset(&people[0]);
    calm_dial_in(&other, "10.0.0.1");
    calm_require_closed(CLOSE_LIMIT_SOURCE, 4);
    calm_finish();
}

static void no_more_devices_than_the_limit(void **state)
{
    (void)state;
    calm_load();
    calm.config->limits.devices = 2;
    calm_start();
    caller_modem(&people[0], &calm, "10.0.0.1", CALM_PORT, "1");
    caller_modem(&people[1], &calm, "10.0.0.1", CALM_PORT, "2");
    caller_modem(&people[2], &calm, "10.0.0.1", CALM_PORT, "3");
    calm_require_closed(CLOSE_LIMIT_DEVICES, 1);
    caller_modem(&people[3], &calm, "10.0.0.1", CALM_PORT, "2");
    assert_int_equal(caller_link_state(&people[3]), LINK_IDLE);
    calm_finish();
}

static void no_more_sessions_than_the_limit(void **state)
{
    (void)state;
    calm_load();
    calm.config->limits.sessions = 1;
    calm_start();
    caller_modem(&people[0], &calm, "10.0.0.1", CALM_PORT, "1");
    caller_modem(&people[1], &calm, "10.0.0.1", CALM_PORT, "2");
    caller_agent(&agent, &calm, "1");
    caller_agent(&second, &calm, "2");
    calm_require_closed(CLOSE_LIMIT_SESSIONS, 1);
    caller_shutdown(&agent);
    site_run(&calm, 5000);
    caller_agent(&second, &calm, "2");
    assert_true(caller_in_session(&second));
    calm_finish();
}

/* Links leave places for the agents of the sessions that the limit allows. */
static void a_full_table_has_room_for_agents(void **state)
{
    (void)state;
    calm_load();
    calm.config->limits.sessions = 2;
    site_start(&calm, 8 * 2 + 4 + 16 + 10);
    site_run(&calm, 0);
    calm_dial_in(&modem, "10.0.0.1");
    (void)crowd(people, CROWD, "10.0.0.2");
    site_run(&calm, 3000);
    caller_agent(&agent, &calm, CALLER_SERIAL);
    assert_true(caller_in_session(&agent));
    calm_finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_more_links_than_the_limit),
        cmocka_unit_test(no_more_links_of_a_listener_than_its_own_limit),
        cmocka_unit_test(no_more_unidentified_links_than_the_limit),
        cmocka_unit_test(no_more_unidentified_links_of_a_source_than_the_limit),
        cmocka_unit_test(no_more_devices_than_the_limit),
        cmocka_unit_test(no_more_sessions_than_the_limit),
        cmocka_unit_test(a_full_table_has_room_for_agents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
