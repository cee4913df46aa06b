/* The line of an exclusive channel, one rule after the other: two devices on links of their own, in
 * whatever shards, and agents who want them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/bridge/session.h"
#include "tests/sim/caller.h"
#include "tests/sim/on_channel.h"

#define MODEMS 5009
#define PERSON 1080
#define BULK   1081
#define FIRST  CALLER_SERIAL
#define SECOND "868441033677525"
#define ALONE  "868441033677526"
#define SEEDS  6u /* where links and agents are depends on them */

static const char yaml[] = "server: {shards: 3}\n"
                           "direct_ports: {range: 20000-20007, anonymous: allow}\n"
                           "agents:\n"
                           "  listeners:\n"
                           "    - {name: person, address: 0.0.0.0:1080, kind: socks5,\n"
                           "       anonymous: allow}\n"
                           "    - {name: bulk, address: 0.0.0.0:1081, kind: socks5,\n"
                           "       anonymous: allow, priority: collection}\n"
                           "listeners:\n"
                           "  - name: modems\n"
                           "    address: 0.0.0.0:5009\n"
                           "    plugins: [irz]\n";

static struct site site;
static struct caller first;  /* a modem, on channel 1 */
static struct caller second; /* on channel 1, too */
static struct caller alone;  /* on channel 2 */
static struct caller a;
static struct caller b;
static struct caller c;
static struct caller d;

static void modem(struct caller *caller, const char *serial)
{
    caller_modem(caller, &site, "10.0.0.1", MODEMS, serial);
    site_run(&site, 50);
}

static void set_up(uint64_t seed, uint32_t wait_s, bool exclusive)
{
    struct sim_options options;
    sim_options_calm(&options, seed);
    site_load(&site, &options, yaml);
    site.config->sessions.max_waiting = 2;
    for (size_t i = 0; i < 2; i++)
        site.config->agents.listeners[i].wait_s = wait_s;
    site_start(&site, 20000);
    site_run(&site, 0);
    on_channel_put(&site, 1, 1, exclusive);
    on_channel_put(&site, 2, 1, true);
    assert_true(on_channel_enter(&site, "default", FIRST, 1));
    assert_true(on_channel_enter(&site, "default", SECOND, 1));
    assert_true(on_channel_enter(&site, "default", ALONE, 2));
    modem(&first, FIRST);
    modem(&second, SECOND);
    modem(&alone, ALONE);
}

static void tear_down(void)
{
    site_run(&site, 100);
    site_check(&site);
    site_check_channels(&site);
    site_stop(&site);
    site_close(&site);
}

static void ask(struct caller *caller, uint16_t port, const char *serial)
{
    uint8_t words[64];
    uint8_t *at = mempcpy(words, "\5\1\0\5\1\0\3", 7);
    *at++ = (uint8_t)strlen(serial);
    at = mempcpy(at, serial, strlen(serial));
    at = mempcpy(at, "\0\1", 2);
    caller_dial(caller, &site, "127.0.0.1", port);
    caller_say_bytes(caller, words, (size_t)(at - words));
    site_run(&site, 50);
}

/* The reply to its request. */
static bool is_told(struct caller *caller, uint8_t reply)
{
    site_run(&site, 50);
    caller_read(caller, sizeof caller->heard);
    return caller->heard_size >= 4 && caller->heard[3] == reply;
}

static void require_closed(enum close_reason reason, uint64_t times)
{
    site_run(&site, 50);
    site_check(&site);
    site_check_channels(&site);
    if (site_closed(&site, reason) != times)
        fail_msg("%s/%s: %llu times", close_layer(reason), close_cause(reason),
                 (unsigned long long)site_closed(&site, reason));
}

/* What is said goes to this device and no other. */
static void require_joined(struct caller *agent, struct caller *device)
{
    site_run(&site, 50);
    assert_true(caller_in_session(agent));
    (void)caller_hears(device, "");
    caller_say(agent, "hello");
    site_run(&site, 20);
    assert_true(caller_hears(device, "hello"));
}

/* ---- who has it ---- */

static void one_session_holds_all(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        set_up(seed, 0, true);
        ask(&a, PERSON, FIRST);
        require_joined(&a, &first);
        ask(&b, PERSON, SECOND);
        assert_true(is_told(&b, 5));
        require_closed(CLOSE_SESSION_BUSY, 1);
        ask(&c, PERSON, ALONE); /* another channel */
        require_joined(&c, &alone);
        caller_reset(&a);
        ask(&b, PERSON, SECOND);
        require_joined(&b, &second);
        tear_down();
    }
}

static void a_channel_that_is_not_exclusive_holds_nobody(void **state)
{
    (void)state;
    set_up(1, 0, false);
    ask(&a, PERSON, FIRST);
    ask(&b, PERSON, SECOND);
    require_joined(&a, &first);
    require_joined(&b, &second);
    tear_down();
}

/* What was joined before goes on. */
static void a_change_counts_for_those_that_come_later(void **state)
{
    (void)state;
    set_up(2, 0, false);
    ask(&a, PERSON, FIRST);
    on_channel_move(&site, "default", ALONE, 0);
    ask(&c, PERSON, ALONE);
    on_channel_move(&site, "default", ALONE, 2);
    require_joined(&a, &first);
    caller_reset(&c);
    caller_reset(&a);
    on_channel_put(&site, 1, 2, true);
    ask(&a, PERSON, FIRST);
    ask(&b, PERSON, SECOND);
    require_joined(&a, &first);
    require_closed(CLOSE_SESSION_BUSY, 1);
    tear_down();
}

/* ---- waiting ---- */

static void the_next_one_is_served(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        set_up(seed, 60, true);
        ask(&a, PERSON, FIRST);
        ask(&b, PERSON, SECOND);
        caller_say(&b, "early");
        ask(&c, PERSON, FIRST);
        site_run(&site, 5000);
        assert_false(caller_in_session(&b) || caller_in_session(&c));
        caller_reset(&a);
        site_run(&site, 50);
        assert_true(caller_hears(&second, "early"));
        require_joined(&b, &second);
        assert_false(caller_in_session(&c));
        caller_reset(&b);
        require_joined(&c, &first);
        tear_down();
    }
}

static void persons_come_first(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        set_up(seed, 60, true);
        ask(&a, PERSON, FIRST);
        ask(&b, BULK, SECOND);
        ask(&c, BULK, FIRST);
        ask(&d, PERSON, SECOND); /* takes the place of the last of the others */
        assert_true(is_told(&c, 5));
        require_closed(CLOSE_SESSION_QUEUE_FULL, 1);
        ask(&c, BULK, FIRST); /* no place for it */
        assert_true(is_told(&c, 5));
        require_closed(CLOSE_SESSION_QUEUE_FULL, 2);
        caller_reset(&a);
        require_joined(&d, &second);
        caller_reset(&d);
        require_joined(&b, &second);
        tear_down();
    }
}

static void nobody_waits_for_ever(void **state)
{
    (void)state;
    set_up(3, 30, true);
    site.config->sessions.yield_after_s = 0;
    ask(&a, PERSON, FIRST);
    ask(&b, PERSON, SECOND);
    site_run(&site, 29000);
    assert_true(caller_is_open(&b));
    site_run(&site, 2100);
    assert_true(is_told(&b, 5));
    require_closed(CLOSE_SESSION_WAIT_TIMEOUT, 1);
    require_joined(&a, &first);
    tear_down();
}

/* ---- who gives way ---- */

static void a_still_holder_gives_way_to_who_waits(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        set_up(seed, 120, true);
        site.config->sessions.yield_after_s = 40;
        ask(&a, PERSON, FIRST);
        require_joined(&a, &first);
        site_run(&site, 20000);
        ask(&b, PERSON, SECOND);
        site_run(&site, 10000);
        require_joined(&a, &first); /* moves bytes: its time begins anew */
        site_run(&site, 35000);
        assert_false(caller_in_session(&b));
        site_run(&site, 7000);
        require_closed(CLOSE_SESSION_STILL, 1);
        require_joined(&b, &second);
        tear_down();
    }
}

/* Also one that became still, or was joined, while others waited already. */
static void the_next_holder_is_watched_as_well(void **state)
{
    (void)state;
    set_up(4, 600, true);
    site.config->sessions.yield_after_s = 40;
    ask(&a, PERSON, FIRST);
    ask(&b, PERSON, SECOND);
    ask(&c, PERSON, FIRST);
    site_run(&site, 41500);
    require_closed(CLOSE_SESSION_STILL, 1);
    assert_true(caller_in_session(&b));
    site_run(&site, 41500);
    require_closed(CLOSE_SESSION_STILL, 2);
    require_joined(&c, &first);
    tear_down();
}

static void who_does_not_wait_takes_a_still_line(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        set_up(seed, 0, true);
        site.config->sessions.yield_after_s = 40;
        ask(&a, PERSON, FIRST);
        site_run(&site, 39000);
        ask(&b, PERSON, SECOND);
        assert_true(is_told(&b, 5));
        site_run(&site, 2000);
        ask(&b, PERSON, SECOND);
        require_joined(&b, &second);
        require_closed(CLOSE_SESSION_STILL, 1);
        tear_down();
    }
}

static void a_half_closed_holder_gives_way(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        set_up(seed, 0, true);
        ask(&a, PERSON, FIRST);
        require_joined(&a, &first);
        caller_shutdown(&a);
        ask(&b, PERSON, SECOND);
        require_joined(&b, &second);
        require_closed(CLOSE_SESSION_YIELDED, 1);
        tear_down();
    }
}

/* ---- who goes ---- */

static void a_lost_link_frees_the_line(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        set_up(seed, 60, true);
        ask(&a, PERSON, FIRST);
        ask(&b, PERSON, SECOND);
        caller_reset(&first);
        require_joined(&b, &second);
        require_closed(CLOSE_SESSION_DEVICE_GONE, 1);
        tear_down();
    }
}

static void who_waits_for_a_device_that_goes_is_told(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        set_up(seed, 60, true);
        ask(&a, PERSON, FIRST);
        ask(&b, PERSON, SECOND);
        caller_reset(&second);
        assert_true(is_told(&b, 6));
        require_closed(CLOSE_SESSION_OFFLINE, 1);
        ask(&b, PERSON, SECOND); /* one that is away isn't waited for */
        assert_true(is_told(&b, 6));
        require_joined(&a, &first);
        tear_down();
    }
}

static void who_leaves_the_queue_is_out(void **state)
{
    (void)state;
    set_up(5, 60, true);
    ask(&a, PERSON, FIRST);
    ask(&b, PERSON, SECOND);
    ask(&c, PERSON, FIRST);
    caller_reset(&b);
    require_closed(CLOSE_AGENT_RESET, 1);
    caller_reset(&a);
    require_joined(&c, &first);
    tear_down();
}

static void an_operator_ends_holder_and_waiter(void **state)
{
    struct session_facts facts[4];
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        set_up(seed, 60, true);
        ask(&a, PERSON, FIRST);
        ask(&b, PERSON, SECOND);
        ask(&c, PERSON, SECOND);
        assert_int_equal(sessions_list(site.server, 0, facts, 4), 3);
        assert_int_equal(facts[1].state, SESSION_WAITING);
        assert_int_equal(session_kill(site.server, facts[1].id), STATUS_OK);
        require_closed(CLOSE_SESSION_KILLED, 1);
        assert_int_equal(session_kill(site.server, facts[0].id), STATUS_OK);
        require_joined(&c, &second);
        require_closed(CLOSE_SESSION_KILLED, 2);
        tear_down();
    }
}

/* ---- who is moved ---- */

static void who_waits_follows_its_device_to_another_channel(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        set_up(seed, 60, true);
        ask(&a, PERSON, FIRST);
        ask(&b, PERSON, SECOND);
        ask(&c, PERSON, ALONE);
        on_channel_move(&site, "default", SECOND, 2);
        caller_reset(&a); /* its turn, but on the other channel it isn't */
        site_run(&site, 100);
        assert_false(caller_in_session(&b));
        assert_true(caller_is_open(&b));
        caller_reset(&c);
        require_joined(&b, &second);
        tear_down();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_session_holds_all),
        cmocka_unit_test(a_channel_that_is_not_exclusive_holds_nobody),
        cmocka_unit_test(a_change_counts_for_those_that_come_later),
        cmocka_unit_test(the_next_one_is_served),
        cmocka_unit_test(persons_come_first),
        cmocka_unit_test(nobody_waits_for_ever),
        cmocka_unit_test(a_still_holder_gives_way_to_who_waits),
        cmocka_unit_test(the_next_holder_is_watched_as_well),
        cmocka_unit_test(who_does_not_wait_takes_a_still_line),
        cmocka_unit_test(a_half_closed_holder_gives_way),
        cmocka_unit_test(a_lost_link_frees_the_line),
        cmocka_unit_test(who_waits_for_a_device_that_goes_is_told),
        cmocka_unit_test(who_leaves_the_queue_is_out),
        cmocka_unit_test(an_operator_ends_holder_and_waiter),
        cmocka_unit_test(who_waits_follows_its_device_to_another_channel),
    };
    return cmocka_run_group_tests_name("channel line", tests, NULL, NULL);
}
