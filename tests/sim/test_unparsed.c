/* What a device sends while nobody reads and its plugin doesn't know becomes an event, once in a
 * while; the rest is counted, and nothing is left uncounted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "server/link/link.h"
#include "tests/sim/caller.h"
#include "tests/sim/state_site.h"

#define MAX_EVENTS 16u

static const char yaml[] = "server: {shards: 2}\n"
                           "direct_ports: {range: 20000-20007, anonymous: allow}\n"
                           "links: {unparsed_bytes: %u, unparsed_interval_s: 60}\n"
                           "listeners:\n"
                           "  - name: modems\n"
                           "    address: 0.0.0.0:5009\n"
                           "    plugins:\n"
                           "      - pattern: {registration: 'LOGIN:(id:4)'}\n"
                           "  - name: talkative\n"
                           "    address: 0.0.0.0:5010\n"
                           "    plugins: [irz]\n";

static struct state_site state_site;
static struct site *const site = &state_site.site;
static struct caller modem;

static struct {
    char text[512];
    size_t size;
    uint64_t data_size;
    uint64_t skipped;
    char serial[32];
    char why[64];
    uint32_t epoch;
    bool has_peer;
} events[MAX_EVENTS];
static size_t count;

static void keep(const Cenc__V1__Event *event, uint64_t sequence)
{
    (void)sequence;
    if (event->body_case != CENC__V1__EVENT__BODY_UNPARSED_BYTES)
        return;
    const Cenc__V1__UnparsedBytes *body = event->unparsed_bytes;
    assert_true(count < MAX_EVENTS && body->data.len < sizeof events[0].text);
    assert_int_equal(event_class(event), EVENT_LATER);
    memset(&events[count], 0, sizeof events[0]);
    if (body->data.len > 0)
        memcpy(events[count].text, body->data.data, body->data.len);
    events[count].size = body->data.len;
    events[count].data_size = body->data_size;
    events[count].skipped = body->skipped_bytes;
    (void)snprintf(events[count].serial, sizeof events[0].serial, "%s", event->device->serial);
    (void)snprintf(events[count].why, sizeof events[0].why, "%s", body->why);
    events[count].epoch = event->link_epoch;
    events[count].has_peer = body->peer != NULL;
    count++;
}

static void start(unsigned bytes)
{
    struct sim_options options;
    char text[sizeof yaml + 16];
    sim_options_calm(&options, 1);
    (void)snprintf(text, sizeof text, yaml, bytes);
    state_load(&state_site, &options, text);
    state_start(&state_site);
    site_run(site, 100);
    count = 0;
}

static void stop(void)
{
    state_stop(&state_site, NULL);
    struct journal *journal = state_journal(&state_site);
    state_walk(&state_site, journal, keep);
    journal_free(journal);
    state_close(&state_site);
}

static void dial_in(struct caller *caller, const char *hello)
{
    caller_dial(caller, site, "10.0.0.1", 5009);
    caller_say(caller, hello);
    site_run(site, 1000);
    assert_int_equal(caller_link_state(caller), LINK_IDLE);
}

static void say(const char *text)
{
    caller_say(&modem, text);
    site_run(site, 1000);
}

static void the_first_bytes_are_an_event(void **state)
{
    (void)state;
    start(8);
    dial_in(&modem, "LOGIN:1001");
    say("0123456789");
    stop();
    assert_int_equal(count, 1);
    assert_string_equal(events[0].text, "01234567");
    assert_int_equal(events[0].data_size, 10);
    assert_int_equal(events[0].skipped, 0);
    assert_string_equal(events[0].serial, "1001");
    assert_string_equal(events[0].why, "a message of the plugin pattern");
    assert_int_equal(events[0].epoch, 1);
    assert_true(events[0].has_peer);
}

static void once_in_a_minute_and_the_rest_is_counted(void **state)
{
    static struct caller other;
    (void)state;
    start(256);
    dial_in(&modem, "LOGIN:1001");
    say("one");
    say("two"); /* counted */
    dial_in(&other, "LOGIN:1002");
    caller_say(&other, "another's");
    site_run(site, 30000);
    say("three");          /* counted */
    site_run(site, 62000); /* which is told, though nothing comes */
    say("four");           /* counted */
    site_run(site, 62000);
    site_run(site, 62000); /* nothing to tell */
    say("five");
    stop();
    assert_int_equal(count, 5);
    assert_string_equal(events[0].text, "one");
    assert_string_equal(events[1].text, "another's");
    assert_string_equal(events[1].serial, "1002");
    assert_int_equal(events[2].size, 0);
    assert_int_equal(events[2].skipped, strlen("two") + strlen("three"));
    assert_string_equal(events[2].serial, "1001");
    assert_int_equal(events[3].skipped, strlen("four"));
    assert_string_equal(events[4].text, "five");
    assert_int_equal(events[4].skipped, 0);
}

static void what_a_session_reads_is_none(void **state)
{
    static struct caller agent;
    (void)state;
    start(256);
    dial_in(&modem, "LOGIN:1001");
    caller_agent(&agent, site, "1001");
    say("an answer");
    stop();
    assert_int_equal(count, 0);
}

static void a_password_is_blanked(void **state)
{
    (void)state;
    start(256);
    caller_modem(&modem, site, "10.0.0.1", 5010, CALLER_SERIAL);
    site_run(site, 1000);
    assert_int_equal(caller_link_state(&modem), LINK_IDLE);
    say("IMEI=1,PSW=secret1,TYP=7");
    stop();
    assert_int_equal(count, 1);
    assert_non_null(strstr(events[0].text, "PSW="));
    assert_null(strstr(events[0].text, "secret1"));
}

static void it_can_be_off(void **state)
{
    (void)state;
    start(0);
    dial_in(&modem, "LOGIN:1001");
    say("one");
    stop();
    assert_int_equal(count, 0);
}

/* The journal has no room: nothing is lost uncounted. */
static void what_is_refused_is_counted(void **state)
{
    (void)state;
    start(256);
    dial_in(&modem, "LOGIN:1001");
    atomic_fetch_add(
        &((struct journal_counters *)(uintptr_t)site->server->journal_counters)->queued_bytes,
        1ull << 40);
    say("one");
    atomic_fetch_sub(
        &((struct journal_counters *)(uintptr_t)site->server->journal_counters)->queued_bytes,
        1ull << 40);
    say("two");
    site_run(site, 62000);
    stop();
    assert_int_equal(count, 1);
    assert_int_equal(events[0].skipped, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_bytes_are_an_event),
        cmocka_unit_test(once_in_a_minute_and_the_rest_is_counted),
        cmocka_unit_test(what_a_session_reads_is_none),
        cmocka_unit_test(a_password_is_blanked),
        cmocka_unit_test(it_can_be_off),
        cmocka_unit_test(what_is_refused_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
