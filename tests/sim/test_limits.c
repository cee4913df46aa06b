/* The limits on links, devices and sessions, one by one, in a calm network: never more than
 * allowed, and the places that become free are taken again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "server/link/link.h"
#include "tests/sim/caller.h"

#define DIAL_IN 5009

static const char yaml[] = "server:\n"
                           "  shards: 1\n"
                           "direct_ports:\n"
                           "  range: 20000-20007\n"
                           "  anonymous: allow\n"
                           "listeners:\n"
                           "  - name: modems\n"
                           "    address: 0.0.0.0:5009\n"
                           "    plugins: [irz]\n";

static struct site site;

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

static struct caller modem;
static struct caller other;
static struct caller agent;
static struct caller second;

static void dial_in(struct caller *caller, const char *ip)
{
    caller_modem(caller, &site, ip, DIAL_IN, CALLER_SERIAL);
}

/* Everyone dials in silently; returns how many links there are then. */
static uint64_t crowd(struct caller *callers, size_t count, const char *ip)
{
    for (size_t i = 0; i < count; i++)
        caller_dial(&callers[i], &site, ip, DIAL_IN);
    site_check(&site);
    return atomic_load(&site.server->links);
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
    site_run(&site, 2000);
    assert_int_equal(atomic_load(&site.server->links), limit);
    for (unsigned i = 0; i < CROWD; i++)
        caller_reset(&people[i]);
    site_run(&site, 3000);
    assert_int_equal(atomic_load(&site.server->links), 0);
    dial_in(&modem, "10.0.0.1");
    site_run(&site, 3000);
    assert_int_equal(caller_link_state(&modem), LINK_IDLE);
}

static void no_more_links_than_the_limit(void **state)
{
    (void)state;
    load();
    site.config->limits.links = 5;
    start();
    assert_int_equal(crowd(people, CROWD, "10.0.0.1"), 5);
    assert_in_range(site_closed(&site, CLOSE_LIMIT_LINKS), 0, 4);
    leave_and_resume(5);
    finish();
}

static void no_more_links_of_a_listener_than_its_own_limit(void **state)
{
    (void)state;
    load();
    site.config->listeners[0].max_links = 3;
    start();
    assert_int_equal(crowd(people, CROWD, "10.0.0.1"), 3);
    assert_in_range(site_closed(&site, CLOSE_LIMIT_LISTENER), 0, 4);
    leave_and_resume(3);
    finish();
}

static void no_more_unidentified_links_than_the_limit(void **state)
{
    (void)state;
    load();
    site.config->limits.unidentified = 4;
    start();
    dial_in(&modem, "10.0.0.1"); /* identified: doesn't count */
    assert_int_equal(crowd(people, CROWD, "10.0.0.2"), 5);
    assert_in_range(site_closed(&site, CLOSE_LIMIT_UNIDENTIFIED), 0, 4);
    caller_shutdown(&modem);
    leave_and_resume(4);
    finish();
}

static void no_more_unidentified_links_of_a_source_than_the_limit(void **state)
{
    (void)state;
    load();
    site.config->limits.unidentified_per_source = 2;
    start();
    assert_int_equal(crowd(people, 6, "10.0.0.1"), 2);
    require_closed(CLOSE_LIMIT_SOURCE, 4);
    dial_in(&modem, "10.0.0.2"); /* others don't notice */
    assert_int_equal(caller_link_state(&modem), LINK_IDLE);
    caller_reset(&people[0]);
    dial_in(&other, "10.0.0.1");
    require_closed(CLOSE_LIMIT_SOURCE, 4);
    finish();
}

static void no_more_devices_than_the_limit(void **state)
{
    (void)state;
    load();
    site.config->limits.devices = 2;
    start();
    caller_modem(&people[0], &site, "10.0.0.1", DIAL_IN, "1");
    caller_modem(&people[1], &site, "10.0.0.1", DIAL_IN, "2");
    caller_modem(&people[2], &site, "10.0.0.1", DIAL_IN, "3");
    require_closed(CLOSE_LIMIT_DEVICES, 1);
    caller_modem(&people[3], &site, "10.0.0.1", DIAL_IN, "2");
    assert_int_equal(caller_link_state(&people[3]), LINK_IDLE);
    finish();
}

static void no_more_sessions_than_the_limit(void **state)
{
    (void)state;
    load();
    site.config->limits.sessions = 1;
    start();
    caller_modem(&people[0], &site, "10.0.0.1", DIAL_IN, "1");
    caller_modem(&people[1], &site, "10.0.0.1", DIAL_IN, "2");
    caller_agent(&agent, &site, "1");
    caller_agent(&second, &site, "2");
    require_closed(CLOSE_LIMIT_SESSIONS, 1);
    caller_shutdown(&agent);
    site_run(&site, 5000);
    caller_agent(&second, &site, "2");
    assert_true(caller_in_session(&second));
    finish();
}

/* Links leave places for the agents of the sessions that the limit allows. */
static void a_full_table_has_room_for_agents(void **state)
{
    (void)state;
    load();
    site.config->limits.sessions = 2;
    site_start(&site, 8 * 2 + 4 + 16 + 10);
    site_run(&site, 0);
    dial_in(&modem, "10.0.0.1");
    (void)crowd(people, CROWD, "10.0.0.2");
    site_run(&site, 3000);
    caller_agent(&agent, &site, CALLER_SERIAL);
    assert_true(caller_in_session(&agent));
    finish();
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
