/* Who waits for a device that another has, and who ends a session: turns, priorities, limits of
 * time, who leaves the queue and who waits on, and an operator. */
#include "tests/sim/agents_stage.h"

static void set_up_queue(uint32_t wait_s, uint32_t max_waiting)
{
    load(3, 2);
    for (size_t i = 0; i < 3; i++)
        site->config->agents.listeners[i].wait_s = wait_s;
    site->config->agents.listeners[1].priority = CONFIG_COLLECTION;
    site->config->sessions.max_waiting = max_waiting;
    start();
    add_agent("petrov", "secret", NULL, true, 0);
    dial_in(&modem, CALLER_SERIAL);
    socks(&agent, CALLER_SERIAL, "");
    assert_true(socks_answers(&agent, 0));
}

/* What it said while it waited arrives. */
static void the_next_one_is_served(void **unused)
{
    (void)unused;
    set_up_queue(60, 8);
    socks(&second, CALLER_SERIAL, "one");
    type(&second, "two");
    assert_false(caller_in_session(&second));
    caller_reset(&agent);
    assert_true(hears(&modem, "onetwo"));
    assert_true(socks_answers(&second, 0));
    type(&second, "three");
    assert_true(hears(&modem, "three"));
    tear_down();
}

static void nobody_waits_for_ever(void **unused)
{
    (void)unused;
    set_up_queue(30, 8);
    socks(&second, CALLER_SERIAL, "");
    site_run(site, 29000);
    assert_true(caller_is_open(&second));
    site_run(site, 2100);
    assert_true(socks_answers(&second, 5));
    require_closed(CLOSE_SESSION_WAIT_TIMEOUT, 1);
    tear_down();
}

static void persons_come_first(void **unused)
{
    (void)unused;
    set_up_queue(50, 2);
    come(&second, PROXY);
    ask_proxy(&second, CALLER_SERIAL, CREDENTIALS, "");
    static struct caller collector;
    come(&collector, PROXY);
    ask_proxy(&collector, CALLER_SERIAL, CREDENTIALS, "");
    socks(&third, CALLER_SERIAL, ""); /* takes the place of the last collector */
    assert_true(proxy_says(&collector, "409"));
    require_closed(CLOSE_SESSION_QUEUE_FULL, 1);
    caller_reset(&agent);
    assert_true(caller_in_session(&third));
    caller_reset(&third);
    assert_true(caller_in_session(&second));
    tear_down();
}

static void set_priority(const char *name, enum agent_priority priority)
{
    struct edit edit = new_edit(EDIT_AGENT_CHANGE, "");
    struct agent_info info;
    assert_true(agent_find(site->server->directory, name, &info));
    edit.id = info.id;
    edit.fields = EDIT_PRIORITY;
    edit.agent.priority = priority;
    (void)do_edit(&edit);
}

/* What the account says counts, not the way in: SOCKS is for persons here, the proxy for others. */
static void an_account_has_its_own_priority(void **unused)
{
    (void)unused;
    set_up_queue(50, 8);
    set_priority("petrov", AGENT_COLLECTION);
    socks(&second, CALLER_SERIAL, "");
    set_priority("petrov", AGENT_PERSON);
    come(&third, PROXY);
    ask_proxy(&third, CALLER_SERIAL, CREDENTIALS, "");
    site_run(site, 100);
    caller_reset(&agent);
    assert_true(caller_in_session(&third));
    caller_reset(&third);
    assert_true(caller_in_session(&second));
    tear_down();
}

static void who_leaves_the_queue_is_out(void **unused)
{
    (void)unused;
    set_up_queue(50, 2);
    socks(&second, CALLER_SERIAL, "");
    caller_shutdown(&second);
    site_run(site, 50);
    require_closed(CLOSE_AGENT_CLOSED, 1);
    caller_reset(&agent);
    assert_int_equal(caller_link_state(&modem), LINK_IDLE);
    tear_down();
}

/* It has sent all it wanted, shut its side, and reads: as in a session the answer comes. */
static void who_has_said_all_waits_on(void **unused)
{
    (void)unused;
    set_up_queue(50, 2);
    socks(&second, CALLER_SERIAL, "one");
    type(&second, "two");
    caller_shutdown(&second);
    site_run(site, 40000);
    assert_true(caller_is_open(&second));
    caller_reset(&agent);
    assert_true(hears(&modem, "onetwo"));
    assert_true(socks_answers(&second, 0));
    type(&modem, "answer");
    assert_true(hears(&second, "answer"));
    site_run(site, 10000); /* sessions.half_close_s */
    assert_true(caller_sees_fin(&second));
    require_closed(CLOSE_AGENT_CLOSED, 1);
    assert_int_equal(caller_link_state(&modem), LINK_IDLE);
    tear_down();
}

/* It is told why it got nothing, too. */
static void who_has_said_all_is_told(void **unused)
{
    (void)unused;
    set_up_queue(20, 2);
    socks(&second, CALLER_SERIAL, "one");
    caller_shutdown(&second);
    site_run(site, 21000);
    assert_true(socks_answers(&second, 5));
    require_closed(CLOSE_SESSION_WAIT_TIMEOUT, 1);
    tear_down();
}

static void a_still_holder_yields(void **unused)
{
    (void)unused;
    set_up_queue(120, 2);
    socks(&second, CALLER_SERIAL, "");
    site_run(site, 40000);
    type(&agent, "still there");
    site_run(site, 59000);
    assert_true(caller_in_session(&agent));
    site_run(site, 2100);
    assert_true(caller_in_session(&second));
    require_closed(CLOSE_SESSION_STILL, 1);
    site_run(site, 61000);
    socks(&third, CALLER_SERIAL, ""); /* who comes to one that is still needn't wait */
    assert_true(caller_in_session(&third));
    tear_down();
}

/* The device dials in anew: those who wait for it follow. */
static void who_waits_follows_the_device(void **unused)
{
    static struct caller again;
    (void)unused;
    set_up_queue(50, 2);
    socks(&second, CALLER_SERIAL, "");
    site_run(site, 31000);
    dial_in(&again, CALLER_SERIAL);
    site_run(site, 100);
    assert_true(caller_in_session(&second) || !caller_is_open(&second));
    tear_down();
}

static void sessions_have_a_longest(void **unused)
{
    (void)unused;
    load(1, 1);
    site->config->sessions.max_length_s = 30;
    start();
    add_agent("petrov", "secret", NULL, true, 0);
    dial_in(&modem, CALLER_SERIAL);
    socks(&agent, CALLER_SERIAL, "");
    for (int i = 0; i < 28; i++) {
        type(&agent, "x");
        site_run(site, 950);
    }
    assert_true(caller_in_session(&agent));
    site_run(site, 3000);
    assert_false(caller_in_session(&agent));
    require_closed(CLOSE_SESSION_TOO_LONG, 1);
    tear_down();
}

static void an_operator_ends_sessions(void **unused)
{
    struct session_facts facts[4];
    (void)unused;
    set_up_queue(50, 2);
    socks(&second, CALLER_SERIAL, "");
    assert_int_equal(sessions_list(site->server, 0, facts, 4), 2);
    assert_int_equal(facts[0].state, SESSION_JOINED);
    assert_int_equal(facts[1].state, SESSION_WAITING);
    assert_int_equal(sessions_list(site->server, facts[0].id, facts + 2, 2), 1);
    assert_int_equal(facts[2].id, facts[1].id);
    assert_int_equal(session_kill(site->server, 999), STATUS_NOT_FOUND);
    assert_int_equal(session_kill(site->server, facts[1].id), STATUS_OK);
    site_run(site, 10);
    assert_true(socks_answers(&second, 1));
    assert_int_equal(session_kill(site->server, facts[0].id), STATUS_OK);
    site_run(site, 10);
    assert_true(caller_sees_fin(&agent));
    require_closed(CLOSE_SESSION_KILLED, 2);
    assert_int_equal(sessions_list(site->server, 0, facts, 4), 0);
    tear_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_one_is_served),
        cmocka_unit_test(nobody_waits_for_ever),
        cmocka_unit_test(persons_come_first),
        cmocka_unit_test(an_account_has_its_own_priority),
        cmocka_unit_test(who_leaves_the_queue_is_out),
        cmocka_unit_test(who_has_said_all_waits_on),
        cmocka_unit_test(who_has_said_all_is_told),
        cmocka_unit_test(a_still_holder_yields),
        cmocka_unit_test(who_waits_follows_the_device),
        cmocka_unit_test(sessions_have_a_longest),
        cmocka_unit_test(an_operator_ends_sessions),
    };
    return cmocka_run_group_tests_name("waiting", tests, NULL, NULL);
}
