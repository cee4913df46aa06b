/* Listeners that an operator stops and starts, over one and several shards: who is refused and who
 * stays, what is kept over a restart, a port that somebody took meanwhile, and one thing in the
 * midst of another: a stop while a start is under way, a stop of the server while a listener's is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/bridge/registry.h"
#include "server/directory/edit.h"
#include "server/directory/halts.h"
#include "server/link/link.h"
#include "server/link/listening.h"
#include "tests/sim/caller.h"
#include "tests/sim/seeds.h"
#include "tests/sim/state_site.h"

#define MODEMS 5009
#define PUSHES 5010
#define SOCKS  1080
#define SHARDS 3u

static const char yaml[] =
    "server: {shards: 3}\n"
    "direct_ports: {range: 20000-20007, anonymous: allow}\n"
    "agents:\n"
    "  listeners:\n"
    "    - {name: socks, address: 0.0.0.0:1080, kind: socks5, anonymous: allow}\n"
    "listeners:\n"
    "  - {name: modems, address: 0.0.0.0:5009, plugins: [irz]}\n"
    "  - {name: pushes, address: 0.0.0.0:5010, transport: udp, plugins: [dlms-push]}\n";

static struct state_site state;
static struct site *const site = &state.site;
static struct caller modem;
static struct caller agent;
static struct caller other;

static void start(void)
{
    state_start(&state);
    site_run(site, 0);
}

static void set_up(uint64_t seed)
{
    struct sim_options options;
    sim_options_calm(&options, seed);
    state_load(&state, &options, yaml);
    start();
}

static void tear_down(void)
{
    site_check(site);
    state_stop(&state, NULL);
    state_close(&state);
}

/* ---- edits ---- */

struct order {
    struct edit edit;
    bool done;
};

static void order_done(struct edit *edit)
{
    container_of(edit, struct order, edit)->done = true;
}

static void submit(struct order *order, enum edit_kind kind, const char *listener, bool close_links)
{
    memset(order, 0, sizeof *order);
    order->edit.kind = kind;
    order->edit.close_links = close_links;
    order->edit.done = order_done;
    (void)snprintf(order->edit.listener, sizeof order->edit.listener, "%s", listener);
    editor_submit(site->server->editor, &order->edit);
}

static enum edit_result finish(struct order *order)
{
    for (int i = 0; i < 1000 && !order->done; i++)
        site_run(site, 10);
    assert_true(order->done);
    site_run(site, 50);
    return order->edit.result;
}

static enum edit_result do_it(enum edit_kind kind, const char *listener)
{
    struct order order;
    submit(&order, kind, listener, false);
    return finish(&order);
}

static bool is_open(const char *listener)
{
    return !listening_closed(site->server, listening_find(site->server, listener));
}

static bool takes(uint16_t port)
{
    struct address from = site_address(site, "10.0.0.9");
    return site_dial(site, port, &from) != NULL;
}

static bool session_works(struct caller *reader)
{
    caller_say(reader, "ask");
    site_run(site, 20);
    if (!caller_hears(&modem, "ask"))
        return false;
    caller_say(&modem, "answer");
    site_run(site, 20);
    return caller_hears(reader, "answer");
}

static void dial_in(void)
{
    caller_modem(&modem, site, "10.0.0.1", MODEMS, CALLER_SERIAL);
    site_run(site, 50);
    caller_read(&modem, sizeof modem.heard);
    modem.heard_size = 0;
}

/* ---- stories ---- */

static void a_stopped_listener_is_closed_and_its_links_stay(void **unused)
{
    (void)unused;
    set_up(1);
    dial_in();
    caller_agent(&agent, site, CALLER_SERIAL);
    assert_true(session_works(&agent));
    assert_int_equal(do_it(EDIT_LISTENER_STOP, "modems"), EDIT_DONE);
    assert_false(is_open("modems"));
    assert_false(takes(MODEMS));
    assert_true(takes(SOCKS)); /* the others go on */
    assert_true(session_works(&agent));
    assert_int_equal(do_it(EDIT_LISTENER_STOP, "modems"), EDIT_EXISTS);
    assert_int_equal(do_it(EDIT_LISTENER_START, "modems"), EDIT_DONE);
    assert_true(takes(MODEMS));
    assert_int_equal(do_it(EDIT_LISTENER_START, "modems"), EDIT_EXISTS);
    assert_int_equal(do_it(EDIT_LISTENER_STOP, "none"), EDIT_NOT_FOUND);
    tear_down();
}

static void links_are_closed_when_asked(void **unused)
{
    struct order order;
    (void)unused;
    set_up(2);
    dial_in();
    assert_int_equal(do_it(EDIT_LISTENER_STOP, "modems"), EDIT_DONE);
    assert_int_equal(caller_link_state(&modem), LINK_IDLE);
    submit(&order, EDIT_LISTENER_STOP, "modems", true); /* also of one that is stopped */
    assert_int_equal(finish(&order), EDIT_DONE);
    assert_int_equal(caller_link_state(&modem), LINK_FREE);
    assert_int_equal(site_closed(site, CLOSE_LISTENER_STOPPED), 1);
    tear_down();
}

static void agents_listeners_too(void **unused)
{
    struct order order;
    (void)unused;
    set_up(3);
    dial_in();
    caller_dial(&agent, site, "127.0.0.1", SOCKS); /* says nothing yet */
    caller_dial(&other, site, "127.0.0.1", SOCKS);
    caller_say_bytes(&other, (const uint8_t *)"\5\1\0", 3);
    caller_say_bytes(&other, (const uint8_t *)"\5\1\0\3\17" CALLER_SERIAL "\0\1", 22);
    site_run(site, 50);
    caller_read(&other, sizeof other.heard);
    other.heard_size = 0;
    assert_true(session_works(&other));
    assert_int_equal(do_it(EDIT_LISTENER_STOP, "socks"), EDIT_DONE);
    assert_false(takes(SOCKS));
    assert_true(session_works(&other));
    assert_true(caller_is_open(&agent));
    submit(&order, EDIT_LISTENER_STOP, "socks", true);
    assert_int_equal(finish(&order), EDIT_DONE);
    assert_int_equal(site_closed(site, CLOSE_LISTENER_STOPPED), 2);
    assert_int_equal(caller_link_state(&modem), LINK_IDLE); /* the device isn't concerned */
    assert_int_equal(do_it(EDIT_LISTENER_START, "socks"), EDIT_DONE);
    assert_true(takes(SOCKS));
    tear_down();
}

/* Once, a session that was between two shards when its listener was stopped with all that came by
 * it arrived where the stop had been seen to already, and went on. */
static void whoever_is_on_the_way_between_shards_too(void **unused)
{
    struct session_facts session;
    struct sim_options options;
    (void)unused;
    sim_options_calm(&options, 7);
    options.delay = 300; /* of a thousand things: so that a move takes its time */
    state_load(&state, &options, yaml);
    start();
    dial_in();
    site_run(site, 1000);
    uint32_t socks = listening_find(site->server, "socks");
    for (int moment = 0; moment < 240; moment++) {
        caller_dial(&other, site, "127.0.0.1", SOCKS);
        caller_say_bytes(&other, (const uint8_t *)"\5\1\0", 3);
        caller_say_bytes(&other, (const uint8_t *)"\5\1\0\3\17" CALLER_SERIAL "\0\1", 22);
        for (int step = 0; step < moment / 3; step++)
            if (!site_step(site))
                sim_advance(site->sim, 1);
        listening_take(site->server, socks, true);
        listening_tell(site->server);
        site_run(site, 1000);
        assert_int_equal(sessions_list(site->server, 0, &session, 1), 0);
        caller_reset(&other);
        site_run(site, 1000);
        assert_int_equal(atomic_load(&site->server->sessions), 0);
        assert_int_equal(atomic_load(&site->server->visitors), 0);
        assert_int_equal(listening_open(site->server, socks), 0);
        listening_give(site->server, socks);
        listening_tell(site->server);
        site_run(site, 1000);
    }
    tear_down();
}

static void datagrams_too(void **unused)
{
    (void)unused;
    set_up(4);
    assert_int_equal(do_it(EDIT_LISTENER_STOP, "pushes"), EDIT_DONE);
    assert_false(is_open("pushes"));
    assert_int_equal(do_it(EDIT_LISTENER_START, "pushes"), EDIT_DONE);
    assert_true(is_open("pushes"));
    tear_down();
}

/* The store and the journal each know it: the journal is newer than the store when it starts. */
static void it_is_kept_over_a_restart(void **unused)
{
    (void)unused;
    set_up(5);
    assert_int_equal(do_it(EDIT_LISTENER_STOP, "modems"), EDIT_DONE);
    assert_int_equal(do_it(EDIT_LISTENER_STOP, "pushes"), EDIT_DONE);
    assert_int_equal(do_it(EDIT_LISTENER_START, "pushes"), EDIT_DONE);
    state_stop(&state, NULL);
    start();
    assert_false(is_open("modems"));
    assert_false(takes(MODEMS));
    assert_true(is_open("pushes"));
    assert_int_equal(do_it(EDIT_LISTENER_STOP, "socks"), EDIT_DONE);
    state_crash(&state, true, NULL);
    start();
    assert_false(is_open("modems"));
    assert_false(is_open("socks"));
    assert_int_equal(do_it(EDIT_LISTENER_START, "modems"), EDIT_DONE);
    assert_true(takes(MODEMS));
    tear_down();
}

static void a_port_that_was_taken_is_told(void **unused)
{
    struct address taken;
    struct listen_options options = {.backlog = 1};
    struct order order;
    (void)unused;
    set_up(6);
    assert_int_equal(do_it(EDIT_LISTENER_STOP, "modems"), EDIT_DONE);
    assert_int_equal(address_parse("0.0.0.0:5009", &taken), STATUS_OK);
    int descriptor = kernel_listen(&taken, &options);
    assert_true(descriptor >= 0);
    submit(&order, EDIT_LISTENER_START, "modems", false);
    assert_int_equal(finish(&order), EDIT_IN_USE);
    assert_non_null(strstr(order.edit.text, "can't listen on 0.0.0.0:5009"));
    struct halt_info halt;
    assert_true(halt_find(site->server->directory, "modems", &halt));
    assert_true(halt.stopped);
    assert_int_equal(halt.revision, 1);
    kernel_listen_close(descriptor);
    assert_int_equal(do_it(EDIT_LISTENER_START, "modems"), EDIT_DONE);
    assert_true(takes(MODEMS));
    tear_down();
}

/* ---- one in the midst of another, by chance ---- */

static void by_chance(uint64_t seed)
{
    static const char *const names[] = {"modems", "pushes", "socks"};
    struct order orders[24];
    struct sim_options options;
    unsigned count = 0;
    sim_options_calm(&options, seed);
    state_load(&state, &options, yaml);
    start();
    dial_in();
    srandom((unsigned)seed);
    for (; count < sizeof orders / sizeof orders[0]; count++) {
        enum edit_kind kind = random() % 2 == 0 ? EDIT_LISTENER_STOP : EDIT_LISTENER_START;
        bool drop = kind == EDIT_LISTENER_STOP && random() % 4 == 0;
        submit(&orders[count], kind, names[random() % 3], drop);
        for (long steps = random() % 60; steps > 0; steps--)
            (void)site_step(site);
        if (random() % 3 == 0)
            (void)takes(random() % 2 == 0 ? MODEMS : SOCKS);
        if (random() % 6 == 0)
            site_run(site, (uint64_t)(random() % 30));
    }
    if (random() % 2 == 0) { /* otherwise the server stops in the midst of it */
        for (unsigned i = 0; i < count; i++)
            (void)finish(&orders[i]);
        for (unsigned i = 0; i < 3; i++) {
            struct halt_info halt;
            (void)halt_find(site->server->directory, names[i], &halt);
            SEEDS_REQUIRE(is_open(names[i]) == !halt.stopped);
        }
        SEEDS_REQUIRE(takes(MODEMS) == is_open("modems"));
        SEEDS_REQUIRE(takes(SOCKS) == is_open("socks"));
        site_run(site, 10);
        site_check(site);
    }
    state_stop(&state, NULL);
    for (unsigned i = 0; i < count; i++)
        SEEDS_REQUIRE(orders[i].done);
    state_close(&state);
}

static void many_at_once(void **unused)
{
    (void)unused;
    seeds_run("listeners", 60, by_chance);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stopped_listener_is_closed_and_its_links_stay),
        cmocka_unit_test(links_are_closed_when_asked),
        cmocka_unit_test(agents_listeners_too),
        cmocka_unit_test(whoever_is_on_the_way_between_shards_too),
        cmocka_unit_test(datagrams_too),
        cmocka_unit_test(it_is_kept_over_a_restart),
        cmocka_unit_test(a_port_that_was_taken_is_told),
        cmocka_unit_test(many_at_once),
    };
    return cmocka_run_group_tests_name("listeners", tests, NULL, NULL);
}
