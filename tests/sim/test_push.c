/* What devices push, through the whole server: by datagram, on a connection of their own, on the
 * link of a known device. What happens behind push_received is told elsewhere; here it is who comes
 * there, what becomes of the connection, and that an acknowledgement finds its way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "server/bridge/session.h"
#include "server/link/datagrams.h"
#include "server/link/link.h"
#include "tests/hex.h"
#include "tests/sim/caller.h"
#include "tests/sim/seeds.h"

#define GASPS  4059
#define MODEMS 5009
#define UDP    0u /* the listener for datagrams */
#define TCP    1u
#define SERIAL "KA6P005039021110"
#define GASP                                                                                       \
    "000100670066002AC2090C07E70706040A362600FF888000018080808080000209104B4136503030353033393032" \
    "31"                                                                                           \
    "313130"

static const char yaml[] = "server: {shards: 2}\n"
                           "direct_ports: {range: 20000-20007, anonymous: allow}\n"
                           "listeners:\n"
                           "  - name: gasps\n"
                           "    address: 0.0.0.0:4059\n"
                           "    transport: udp\n"
                           "    receive_buffer_bytes: 65536\n"
                           "    plugins: [dlms-push, pattern: {last_gasp: 'BYE,(id:4)'}]\n"
                           "  - name: modems\n"
                           "    address: 0.0.0.0:5009\n"
                           "    plugins:\n"
                           "      - irz\n"
                           "      - dlms-push\n"
                           "      - pattern: {registration: 'LOGIN:(id:4)', last_gasp: 'BYE\\n'}\n";

static struct site site;
static struct caller caller;
static uint8_t gasp[64];
static size_t gasp_size;

static void start_with(const struct sim_options *options)
{
    site_load(&site, options, yaml);
    site.config->listeners[TCP].greeting_timeout_s = 5;
    site_start(&site, 20000);
    site_run(&site, 0);
    gasp_size = hex_bytes(GASP, gasp, sizeof gasp);
}

static void start(void)
{
    struct sim_options options;
    sim_options_calm(&options, 1);
    start_with(&options);
}

static void finish(void)
{
    site_check(&site);
    site_stop(&site);
    site_close(&site);
}

static uint64_t of_listener(uint32_t listener, size_t offset)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < site.server->shard_count; i++) {
        const char *counters =
            (const char *)&site.server->shards[i]->counters.listeners[listener] + offset;
        sum += atomic_load((const _Atomic uint64_t *)(const void *)counters);
    }
    return sum;
}
#define COUNTED(listener, member)                                                                  \
    of_listener((listener), offsetof(struct listener_counters, member))

static uint64_t unknown_gasps(void)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < site.server->shard_count; i++)
        sum += atomic_load(&site.server->shards[i]->counters.unknown_gasps);
    return sum;
}

static struct shard *owner_of_datagrams(void)
{
    for (uint32_t i = 0; i < site.server->shard_count; i++)
        if (datagrams_mine(site.server->shards[i], UDP))
            return site.server->shards[i];
    return NULL;
}

static const struct datagram_counters *datagrams(void)
{
    return datagrams_counters(owner_of_datagrams(), UDP);
}

static struct address from;
static struct address asked;

static void datagram(const uint8_t *data, size_t size)
{
    assert_int_equal(address_parse("10.0.0.9:700", &from), STATUS_OK);
    assert_int_equal(address_parse("192.0.2.7:4059", &asked), STATUS_OK);
    sim_datagram_send(site.sim, &from, &asked, data, size);
}

static void datagram_text(const char *text)
{
    datagram((const uint8_t *)text, strlen(text));
}

/* ---- datagrams ---- */

static void a_datagram_is_a_push_or_a_failure(void **state)
{
    struct failed_identification failures[4];

    (void)state;
    start();
    datagram(gasp, gasp_size);
    datagram_text("BYE,1001");
    datagram_text("HELLO");
    datagram_text("");
    site_run(&site, 0);
    assert_int_equal(COUNTED(UDP, accepted), 4);
    assert_int_equal(COUNTED(UDP, pushes), 2);
    assert_int_equal(COUNTED(UDP, last_gasps), 2);
    assert_int_equal(COUNTED(UDP, failed), 1);
    assert_int_equal(unknown_gasps(), 2);
    assert_int_equal(failed_log_read(site.server->failed, failures, 4), 1);
    assert_int_equal(failures[0].size, 5);
    assert_memory_equal(failures[0].bytes, "HELLO", 5);
    assert_string_equal(failures[0].why, "none of the packets in the plugin's settings");
    assert_int_equal(failures[0].peer.port, 700);
    finish();
}

static void one_datagram_may_hold_several(void **state)
{
    static const uint8_t bye[] = {'B', 'Y', 'E', ',', '1', '0', '0', '1'};
    static const uint8_t what[] = {'W', 'H', 'A', 'T'};
    uint8_t both[128];

    (void)state;
    start();
    memcpy(both, gasp, gasp_size);
    memcpy(both + gasp_size, bye, sizeof bye);
    datagram(both, gasp_size + sizeof bye);
    memcpy(both + gasp_size, what, sizeof what);
    datagram(both, gasp_size + sizeof what);
    site_run(&site, 0);
    assert_int_equal(COUNTED(UDP, pushes), 3);
    assert_int_equal(COUNTED(UDP, failed), 1); /* what was left of the second */
    finish();
}

static void a_long_datagram_is_told_as_such(void **state)
{
    static uint8_t data[4096];
    struct failed_identification failure;

    (void)state;
    start();
    datagram(data, sizeof data);
    site_run(&site, 0);
    assert_int_equal(failed_log_read(site.server->failed, &failure, 1), 1);
    assert_string_equal(failure.why, "longer than buffers.datagram_size_bytes");
    assert_int_equal(atomic_load(&datagrams()->truncated), 1);
    finish();
}

static void a_burst_is_taken_or_counted(void **state)
{
    (void)state;
    start();
    datagrams_pause(owner_of_datagrams(), true);
    for (int i = 0; i < 500; i++)
        datagram(gasp, gasp_size);
    site_run(&site, 2000); /* the tick asks how many were lost */
    uint64_t lost = atomic_load(&datagrams()->overruns);
    assert_int_equal(COUNTED(UDP, pushes), 0);
    assert_true(lost > 0 && lost < 500);
    datagrams_pause(owner_of_datagrams(), false);
    site_run(&site, 2000);
    assert_int_equal(COUNTED(UDP, pushes) + atomic_load(&datagrams()->overruns), 500);
    assert_int_equal(unknown_gasps(), COUNTED(UDP, pushes));
    finish();
}

static void an_answer_comes_from_the_address_that_was_asked(void **state)
{
    struct push_answer answer = {.size = 3, .data = "ACK", .listener = UDP};
    struct address sender;
    uint8_t data[16];

    (void)state;
    start();
    datagram(gasp, gasp_size);
    site_run(&site, 0);
    answer.peer = from;
    answer.local = asked;
    push_acknowledge(owner_of_datagrams(), &answer);
    site_run(&site, 0);
    assert_int_equal(sim_datagram_take(site.sim, &from, &sender, data, sizeof data), 3);
    assert_memory_equal(data, "ACK", 3);
    assert_true(address_same_ip(&sender, &asked));
    assert_int_equal(sender.port, GASPS);
    answer.size = 0; /* nothing is owed */
    push_acknowledge(owner_of_datagrams(), &answer);
    site_run(&site, 0);
    assert_int_equal(sim_datagram_take(site.sim, &from, &sender, data, sizeof data), -1);
    finish();
}

/* ---- connections ---- */

static void a_connection_that_only_says_its_gasp(void **state)
{
    (void)state;
    start();
    caller_dial(&caller, &site, "10.0.0.1", MODEMS);
    caller_say_bytes(&caller, gasp, 20);
    assert_int_equal(COUNTED(TCP, pushes), 0);
    caller_say_bytes(&caller, gasp + 20, gasp_size - 20);
    assert_int_equal(COUNTED(TCP, last_gasps), 1);
    assert_int_equal(unknown_gasps(), 1);
    assert_int_equal(caller_link_state(&caller), LINK_GREETING);
    caller_shutdown(&caller);
    site_run(&site, 100);
    assert_int_equal(site_closed(&site, CLOSE_PUSH_DONE), 1);
    assert_int_equal(COUNTED(TCP, failed), 0);
    assert_int_equal(failed_log_read(site.server->failed, &(struct failed_identification){0}, 1),
                     0);
    finish();
}

static void it_has_the_time_of_a_greeting_and_no_more(void **state)
{
    (void)state;
    start();
    caller_dial(&caller, &site, "10.0.0.1", MODEMS);
    for (int i = 0; i < 4; i++) {
        caller_say_bytes(&caller, gasp, gasp_size);
        site_run(&site, 1000);
    }
    assert_int_equal(COUNTED(TCP, pushes), 4);
    site_run(&site, 2000);
    assert_int_equal(site_closed(&site, CLOSE_PUSH_DONE), 1);
    assert_int_equal(COUNTED(TCP, failed), 0);
    assert_true(caller_sees_fin(&caller));
    finish();
}

static void pushes_do_not_use_up_the_greetings_bytes(void **state)
{
    (void)state;
    start();
    caller_dial(&caller, &site, "10.0.0.1", MODEMS);
    for (int i = 0; i < 50; i++)
        caller_say_bytes(&caller, gasp, gasp_size);
    assert_int_equal(COUNTED(TCP, pushes), 50);
    assert_int_equal(caller_link_state(&caller), LINK_GREETING);
    caller_reset(&caller);
    site_run(&site, 100);
    assert_int_equal(site_closed(&site, CLOSE_PUSH_DONE), 1);
    finish();
}

static void what_follows_may_register(void **state)
{
    struct device_info info;

    (void)state;
    start();
    caller_dial(&caller, &site, "10.0.0.1", MODEMS);
    caller_say_bytes(&caller, gasp, gasp_size);
    caller_say(&caller, "LOGIN:1001");
    assert_int_equal(caller_link_state(&caller), LINK_IDLE);
    assert_true(site_device(&site, "default", "1001", &info));
    finish();
}

static void what_follows_may_be_unknown(void **state)
{
    struct failed_identification failure;

    (void)state;
    start();
    caller_dial(&caller, &site, "10.0.0.1", MODEMS);
    caller_say_bytes(&caller, gasp, gasp_size);
    caller_say(&caller, "WHAT?");
    assert_int_equal(site_closed(&site, CLOSE_GREETING_UNKNOWN), 1);
    assert_int_equal(COUNTED(TCP, failed), 1);
    assert_int_equal(failed_log_read(site.server->failed, &failure, 1), 1);
    assert_int_equal(failure.size, 5);
    finish();
}

/* ---- known devices ---- */

static void a_known_device_need_not_say_its_name(void **state)
{
    (void)state;
    start();
    caller_dial(&caller, &site, "10.0.0.1", MODEMS);
    caller_say(&caller, "LOGIN:1001");
    assert_int_equal(caller_link_state(&caller), LINK_IDLE);
    site_run(&site, 1000);
    caller_say(&caller, "BYE\n");
    assert_int_equal(COUNTED(TCP, last_gasps), 1);
    assert_int_equal(unknown_gasps(), 0);
    assert_int_equal(caller_link_state(&caller), LINK_IDLE);
    finish();
}

static void an_answer_finds_its_link_or_nobody(void **state)
{
    struct push_answer answer = {.size = 3, .data = "ACK", .listener = TCP};

    (void)state;
    start();
    caller_dial(&caller, &site, "10.0.0.1", MODEMS);
    caller_say(&caller, "LOGIN:1001");
    struct link *link = site_link(&site, &caller.address);
    assert_non_null(link);
    struct shard *shard = link_shard(link);
    answer.link = link_ref(link);
    push_acknowledge(shard, &answer);
    site_run(&site, 0);
    assert_true(caller_hears(&caller, "ACK"));
    caller_shutdown(&caller);
    site_run(&site, 100);
    push_acknowledge(shard, &answer);
    finish();
}

/* A link in session has no greeting: in its place stands the session. */
static void an_answer_in_a_session(void **state)
{
    struct session session;
    struct session before;
    struct link link = {.state = LINK_IN_SESSION, .session = &session};
    (void)state;
    memset(&session, 1, sizeof session);
    memcpy(&before, &session, sizeof before);
    greeting_answered(&link);
    assert_memory_equal(&session, &before, sizeof before);
}

static void a_known_serial_is_not_unknown_elsewhere(void **state)
{
    (void)state;
    start();
    caller_dial(&caller, &site, "10.0.0.1", MODEMS);
    caller_say(&caller, "LOGIN:1001");
    datagram_text("BYE,1001");
    datagram_text("BYE,1002");
    site_run(&site, 0);
    assert_int_equal(COUNTED(UDP, last_gasps), 2);
    assert_int_equal(unknown_gasps(), 1);
    finish();
}

/* ---- with faults ---- */

static void act(void)
{
    uint64_t what = sim_below(site.sim, 6);
    if (what < 2)
        datagram(gasp, gasp_size);
    else if (what == 2)
        datagram_text("junk");
    else if (what == 3)
        datagrams_pause(owner_of_datagrams(), sim_chance(site.sim, 500));
    else
        site_run(&site, sim_below(site.sim, 200));
}

static void property(uint64_t seed)
{
    struct sim_options options;
    sim_options_random(&options, seed);
    start_with(&options);
    for (int i = 0; i < 200; i++)
        act();
    datagrams_pause(owner_of_datagrams(), false);
    sim_calm_down(site.sim);
    site_run(&site, 3000);
    SEEDS_REQUIRE(COUNTED(UDP, pushes) + COUNTED(UDP, failed) ==
                  atomic_load(&datagrams()->received));
    SEEDS_REQUIRE(COUNTED(UDP, pushes) == unknown_gasps());
    finish();
}

static void whatever_the_network_does(void **state)
{
    (void)state;
    seeds_run("pushes", 60, property);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_datagram_is_a_push_or_a_failure),
        cmocka_unit_test(one_datagram_may_hold_several),
        cmocka_unit_test(a_long_datagram_is_told_as_such),
        cmocka_unit_test(a_burst_is_taken_or_counted),
        cmocka_unit_test(an_answer_comes_from_the_address_that_was_asked),
        cmocka_unit_test(a_connection_that_only_says_its_gasp),
        cmocka_unit_test(it_has_the_time_of_a_greeting_and_no_more),
        cmocka_unit_test(pushes_do_not_use_up_the_greetings_bytes),
        cmocka_unit_test(what_follows_may_register),
        cmocka_unit_test(what_follows_may_be_unknown),
        cmocka_unit_test(a_known_device_need_not_say_its_name),
        cmocka_unit_test(an_answer_finds_its_link_or_nobody),
        cmocka_unit_test(an_answer_in_a_session),
        cmocka_unit_test(a_known_serial_is_not_unknown_elsewhere),
        cmocka_unit_test(whatever_the_network_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
