/* What pushes become: events with these fields, a gasp of the device or none, an answer or none.
 * Also when the disk is late, so that a device is back before its gasp is recorded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/link/datagrams.h"
#include "server/link/link.h"
#include "server/reactor/sim/sim.h"
#include "tests/hex.h"
#include "tests/sim/caller.h"
#include "tests/sim/large_push.h"
#include "tests/sim/seeds.h"
#include "tests/sim/state_site.h"

#define MODEMS 5009
#define UDP    0u
#define SMR_TEST                                                                                   \
    "00010067006600280F000000010002030911455858585830303430303132333435313709060003190900FF06"     \
    "00000002"

static const char yaml[] =
    "server: {shards: 2}\n"
    "direct_ports: {range: 20000-20007, anonymous: allow}\n"
    "buffers: {datagram_size_bytes: 65536, datagram_count: 64}\n"
    "journal: {queue_mb: 1}\n"
    "listeners:\n"
    "  - name: gasps\n"
    "    address: 0.0.0.0:4059\n"
    "    transport: udp\n"
    "    receive_buffer_bytes: 1048576\n"
    "    plugins:\n"
    "      - dlms-push\n"
    "      - pattern: {last_gasp: 'BYE,(id:4 print)', power_restored: 'BACK,(id:4)',\n"
    "                  push_answer: ACK}\n"
    "  - name: modems\n"
    "    address: 0.0.0.0:5009\n"
    "    plugins:\n"
    "      - pattern: {registration: 'LOGIN:(id:4)', last_gasp: 'BYE\\n', push_answer: ACK}\n"
    "  - name: open\n"
    "    address: 0.0.0.0:5010\n"
    "    plugins:\n"
    "      - pattern: {last_gasp: 'PWRFAIL,(id)', power_restored: 'PWROK,(id)', push_answer: "
    "ACK}\n";

static struct state_site state_site;
static struct site *const site = &state_site.site;
static struct caller caller;
static struct address from;

static void start(void)
{
    struct sim_options options;
    sim_options_calm(&options, 1);
    state_load(&state_site, &options, yaml);
    state_start(&state_site);
    site_run(site, 100);
}

/* Each from an address of its own. */
static void datagram(const void *data, size_t size)
{
    struct address asked = {.ip = {192, 0, 2, 7}, .port = 4059, .family = 4};
    from = site_address(site, "10.0.0.9");
    sim_datagram_send(site->sim, &from, &asked, data, size);
    site_run(site, 100);
}

static void say(const char *text)
{
    datagram(text, strlen(text));
}

static bool is_answered(void)
{
    uint8_t data[16];
    struct address sender;
    return sim_datagram_take(site->sim, &from, &sender, data, sizeof data) == 3 &&
           memcmp(data, "ACK", 3) == 0;
}

static void dial_in(void)
{
    caller_dial(&caller, site, "10.0.0.1", MODEMS);
    caller_say(&caller, "LOGIN:1001");
    site_run(site, 100);
}

static void known_device(void)
{
    dial_in();
    assert_int_equal(caller_link_state(&caller), LINK_IDLE);
    caller_shutdown(&caller);
    site_run(site, 100);
}

static struct gasp gasp_of(const char *serial)
{
    struct device_info info;
    assert_true(site_device(site, "default", serial, &info));
    return info.gasp;
}

static uint64_t refused(void)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < site->server->shard_count; i++)
        sum += atomic_load(&site->server->shards[i]->counters.pushes_refused);
    return sum;
}

/* ---- the events that are left ---- */

#define MAX_EVENTS 6000u

static struct {
    uint64_t sequence;
    Cenc__V1__Event event; /* without what it points to */
    char serial[32];
    uint8_t raw[8]; /* of the serial */
    char type[16];
    char listener[16];
    Cenc__V1__LastGasp gasp;
    Cenc__V1__PowerRestored restored;
    uint64_t lost;
    size_t size; /* of the message */
} events[MAX_EVENTS];
static size_t count;

static void keep_body(const Cenc__V1__Event *event)
{
    events[count].lost = 0;
    if (event->body_case == CENC__V1__EVENT__BODY_LAST_GASP) {
        events[count].gasp = *event->last_gasp;
        events[count].size = event->last_gasp->raw.len;
    } else if (event->body_case == CENC__V1__EVENT__BODY_POWER_RESTORED) {
        events[count].restored = *event->power_restored;
    } else if (event->body_case == CENC__V1__EVENT__BODY_DATAGRAMS_LOST) {
        events[count].lost = event->datagrams_lost->count;
    } else if (event->body_case == CENC__V1__EVENT__BODY_PUSH_RECEIVED) {
        events[count].size = event->push_received->raw.len;
    }
}

static void keep(const Cenc__V1__Event *event, uint64_t sequence)
{
    if (event->body_case == CENC__V1__EVENT__BODY_SERVER_STARTED ||
        event->body_case == CENC__V1__EVENT__BODY_SERVER_STOPPING)
        return;
    assert_true(count < MAX_EVENTS);
    events[count].sequence = sequence;
    events[count].event = *event;
    (void)snprintf(events[count].type, sizeof events[count].type, "%s", event->event_type);
    (void)snprintf(events[count].listener, sizeof events[count].listener, "%s", event->listener);
    events[count].serial[0] = '\0';
    if (event->device != NULL) {
        (void)snprintf(events[count].serial, sizeof events[count].serial, "%s",
                       event->device->serial);
        if (event->device->serial_raw.len == 4)
            memcpy(events[count].raw, event->device->serial_raw.data, 4);
    }
    keep_body(event);
    count++;
}

static void stop(void)
{
    state_stop(&state_site, NULL);
    struct journal *journal = state_journal(&state_site);
    count = 0;
    state_walk(&state_site, journal, keep);
    journal_free(journal);
    state_close(&state_site);
}

/* The number of events with this body; at says where the last of them is. */
static size_t events_of(Cenc__V1__Event__BodyCase body, size_t *at)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        if (events[i].event.body_case == body) {
            found++;
            *at = i;
        }
    return found;
}
#define EVENTS_OF(body, at) events_of(CENC__V1__EVENT__BODY_##body, at)

/* ---- fields ---- */

static void a_known_device(void **state)
{
    size_t at = 0;
    size_t added = 0;
    (void)state;
    start();
    known_device();
    say("BYE,1001");
    assert_true(is_answered());
    struct gasp gasp = gasp_of("1001");
    stop();
    assert_int_equal(EVENTS_OF(DEVICE_ADDED, &added), 1);
    assert_int_equal(EVENTS_OF(LAST_GASP, &at), 1);
    assert_int_equal(events[at].sequence, gasp.sequence);
    assert_int_equal(events[at].event.received_unix_ms, gasp.utc_ms);
    assert_string_equal(events[at].serial, "1001");
    assert_string_equal(events[at].type, "3.26.136.47");
    assert_string_equal(events[at].listener, "gasps"); /* not that of the device */
    assert_int_equal(events[at].event.link_epoch, 0);  /* it is about no connection */
    assert_int_equal(events[at].gasp.transport, CENC__V1__TRANSPORT__TRANSPORT_UDP);
    assert_int_equal(events[at].size, 8);
    assert_false(events[at].gasp.unknown_device || events[at].gasp.test);
}

static void an_unknown_device(void **state)
{
    struct device_info info;
    size_t at = 0;
    (void)state;
    start();
    say("BYE,7\\77");
    assert_true(is_answered());
    assert_false(site_device(site, "default", "7\\77", &info));
    stop();
    assert_int_equal(EVENTS_OF(LAST_GASP, &at), 1);
    assert_true(events[at].gasp.unknown_device);
    assert_string_equal(events[at].serial, "7\\x5C77");
    assert_memory_equal(events[at].raw, "7\\77", 4);
}

static void a_test_is_an_event_and_no_more(void **state)
{
    uint8_t data[64];
    size_t size = hex_bytes(SMR_TEST, data, sizeof data);
    size_t at = 0;
    (void)state;
    start();
    datagram(data, size);
    stop();
    assert_int_equal(EVENTS_OF(LAST_GASP, &at), 1);
    assert_true(events[at].gasp.test);
    assert_string_equal(events[at].serial, "EXXXX004001234517");
}

static void on_its_own_link(void **state)
{
    size_t at = 0;
    (void)state;
    start();
    dial_in();
    site_run(site, 1000);
    caller_say(&caller, "BYE\n");
    site_run(site, 100);
    assert_true(caller_hears(&caller, "ACK"));
    assert_true(gasp_of("1001").utc_ms != 0); /* the link is older than the gasp */
    stop();
    assert_int_equal(EVENTS_OF(LAST_GASP, &at), 1);
    assert_int_equal(events[at].event.link_epoch, 1);
    assert_int_equal(events[at].gasp.transport, CENC__V1__TRANSPORT__TRANSPORT_TCP);
    assert_int_equal(EVENTS_OF(POWER_RESTORED, &at), 0);
}

/* A gasp that ends with its connection is whole, though more letters might have followed: the
 * plugin waited for a quiet line, and the gasp of a module that had gone by then was lost. */
static void a_gasp_and_gone(void **state)
{
    size_t at = 0;
    (void)state;
    start();
    known_device();
    for (unsigned i = 0; i < 3; i++) {
        caller_dial(&caller, site, "10.0.0.2", 5010);
        caller_say(&caller, i == 2 ? "PWRFAIL,1001PWR" : "PWRFAIL,1001");
        if (i == 0)
            caller_shutdown(&caller);
        else
            caller_reset(&caller);
        site_run(site, 100);
        if (i == 0) {
            assert_true(caller_hears(&caller, "ACK")); /* it only said that it is done */
            assert_true(caller_sees_fin(&caller));
        }
    }
    assert_true(gasp_of("1001").utc_ms != 0);
    stop();
    assert_int_equal(EVENTS_OF(LAST_GASP, &at), 3);
    assert_string_equal(events[at].serial, "1001PWR"); /* an id all the same, of nobody */
    assert_true(events[at].gasp.unknown_device);
}

/* What nobody knows behind a gasp, the end of a line for instance, kept the device from its answer.
 */
static void a_gasp_with_something_behind_it(void **state)
{
    size_t at = 0;
    (void)state;
    start();
    known_device();
    caller_dial(&caller, site, "10.0.0.2", 5010);
    caller_say(&caller, "PWRFAIL,1001\r\n");
    caller_say(&caller, "more");
    site_run(site, 100);
    assert_true(caller_hears(&caller, "ACK"));
    assert_int_equal(caller_link_state(&caller), LINK_FREE);
    stop();
    assert_int_equal(EVENTS_OF(LAST_GASP, &at), 1);
}

/* One that finishes before its gasp is on the disk is answered when it is, and not kept for ever.
 */
static void a_gasp_that_waits_for_its_answer(void **state)
{
    size_t at = 0;
    (void)state;
    start();
    known_device();
    state_set_disk(&state_site, 1000, 0, 0);
    for (unsigned i = 0; i < 2; i++) {
        caller_dial(&caller, site, "10.0.0.2", 5010);
        caller_say(&caller, "PWRFAIL,1001");
        caller_shutdown(&caller);
        site_run(site, 3000);
        assert_true(caller_hears(&caller, ""));
        assert_int_equal(caller_link_state(&caller), LINK_GREETING);
        if (i == 0)
            site_run(site, 30000);
        assert_int_equal(caller_link_state(&caller), i == 0 ? LINK_FREE : LINK_GREETING);
    }
    state_set_disk(&state_site, 0, 0, 0);
    site_run(site, 2000);
    assert_true(caller_hears(&caller, "ACK"));
    assert_true(caller_sees_fin(&caller));
    stop();
    assert_int_equal(EVENTS_OF(LAST_GASP, &at), 2);
}

/* ---- power returns ---- */

static void by_a_link(void **state)
{
    size_t gasp = 0;
    size_t at = 0;
    (void)state;
    start();
    known_device();
    say("BYE,1001");
    dial_in();
    assert_int_equal(gasp_of("1001").utc_ms, 0);
    stop();
    assert_int_equal(EVENTS_OF(LAST_GASP, &gasp), 1);
    assert_int_equal(EVENTS_OF(POWER_RESTORED, &at), 1);
    assert_int_equal(events[at].restored.by, CENC__V1__POWER_RESTORED_BY__POWER_RESTORED_BY_LINK);
    assert_int_equal(events[at].restored.last_gasp_sequence, events[gasp].sequence);
    assert_string_equal(events[at].type, "3.26.136.216");
}

static void by_a_message(void **state)
{
    size_t at = 0;
    (void)state;
    start();
    known_device();
    say("BYE,1001");
    say("BACK,1001");
    assert_true(is_answered());
    assert_int_equal(gasp_of("1001").utc_ms, 0);
    say("BACK,1001"); /* once more: nothing to clear, but it is recorded */
    assert_true(is_answered());
    stop();
    assert_int_equal(EVENTS_OF(POWER_RESTORED, &at), 1);
    assert_int_equal(events[at].restored.by,
                     CENC__V1__POWER_RESTORED_BY__POWER_RESTORED_BY_MESSAGE);
    assert_int_equal(EVENTS_OF(PUSH_RECEIVED, &at), 2);
}

/* The disk stands still while the device says goodbye and comes back. */
static void a_gasp_that_is_recorded_late(void **state)
{
    size_t gasp = 0;
    size_t at = 0;
    (void)state;
    start();
    known_device();
    state_set_disk(&state_site, 1000, 0, 0);
    say("BYE,1001");
    assert_false(is_answered());
    dial_in();
    assert_int_equal(caller_link_state(&caller), LINK_IDLE);
    state_set_disk(&state_site, 0, 0, 0);
    site_run(site, 5000);
    assert_true(is_answered());
    assert_int_equal(gasp_of("1001").utc_ms, 0);
    stop();
    assert_int_equal(EVENTS_OF(LAST_GASP, &gasp), 1);
    assert_int_equal(EVENTS_OF(POWER_RESTORED, &at), 1);
    assert_int_equal(events[at].restored.last_gasp_sequence, events[gasp].sequence);
    assert_int_equal(events[at].restored.by, CENC__V1__POWER_RESTORED_BY__POWER_RESTORED_BY_LINK);
    assert_true(at > gasp);
}

/* The same, but the link was there before: what it said in a session tells that power is back. It
 * was told as if the link had. */
static void a_late_gasp_that_a_session_ended(void **state)
{
    static struct caller agent;
    size_t at = 0;
    (void)state;
    start();
    dial_in();
    state_set_disk(&state_site, 1000, 0, 0);
    say("BYE,1001");
    site_run(site, 1000);
    caller_agent(&agent, site, "1001");
    site_run(site, 100);
    caller_say(&caller, "a meter's answer");
    site_run(site, 100);
    assert_true(caller_hears(&agent, "a meter's answer"));
    caller_shutdown(&agent);
    site_run(site, 100);
    state_set_disk(&state_site, 0, 0, 0);
    site_run(site, 5000);
    assert_int_equal(gasp_of("1001").utc_ms, 0);
    stop();
    assert_int_equal(EVENTS_OF(LAST_GASP, &at), 1);
    assert_int_equal(EVENTS_OF(POWER_RESTORED, &at), 1);
    assert_int_equal(events[at].restored.by,
                     CENC__V1__POWER_RESTORED_BY__POWER_RESTORED_BY_SESSION);
}

/* Power fails before the record of the new device is on the disk. The gasp was a stranger's. */
static void a_gasp_in_the_first_moments(void **state)
{
    size_t added = 0;
    size_t at = 0;
    (void)state;
    start();
    state_set_disk(&state_site, 1000, 0, 0);
    dial_in();
    say("BYE,1001");
    site_run(site, 3000);
    assert_false(is_answered());
    state_set_disk(&state_site, 0, 0, 0);
    site_run(site, 5000);
    assert_true(is_answered());
    struct gasp gasp = gasp_of("1001");
    stop();
    assert_int_equal(EVENTS_OF(DEVICE_ADDED, &added), 1);
    assert_int_equal(EVENTS_OF(LAST_GASP, &at), 1);
    assert_true(at > added);
    assert_false(events[at].gasp.unknown_device);
    assert_int_equal(events[at].sequence, gasp.sequence);
    assert_int_equal(events[at].event.received_unix_ms, gasp.utc_ms);
    assert_int_equal(EVENTS_OF(POWER_RESTORED, &at), 0); /* the link is older */
}

/* The device leaves and its record is never written: after a while it is a stranger. */
static void a_gasp_of_a_device_that_is_not_recorded(void **state)
{
    size_t at = 0;
    (void)state;
    start();
    struct registration registration = {
        .scope = "default",
        .identity = &(struct plugin_identity){.serial = "1001"},
        .link = {.id = 1},
        .utc_ms = 1,
    };
    assert_int_equal(directory_register(site->server->directory, &registration), REGISTERED_NEW);
    say("BYE,1001");
    site_run(site, 29000);
    assert_false(is_answered());
    site_run(site, 2000);
    assert_true(is_answered());
    say("BYE,1001"); /* and a stop doesn't wait for it */
    directory_release(site->server->directory, registration.device, &registration.link, 1);
    stop();
    assert_int_equal(EVENTS_OF(DEVICE_ADDED, &at), 0);
    assert_int_equal(EVENTS_OF(LAST_GASP, &at), 2);
    assert_true(events[at].gasp.unknown_device);
    assert_string_equal(events[at].serial, "1001");
}

/* The time of receipt is that of the arrival, however long the datagram waits to be taken. */
static void a_gasp_that_waited_in_the_socket(void **state)
{
    size_t at = 0;
    (void)state;
    start();
    known_device();
    for (uint32_t i = 0; i < site->server->shard_count; i++)
        datagrams_pause(site->server->shards[i], true);
    say("BYE,1001");
    site_run(site, 1000);
    dial_in();
    for (uint32_t i = 0; i < site->server->shard_count; i++)
        datagrams_pause(site->server->shards[i], false);
    site_run(site, 2000); /* the shard sleeps until its tick */
    assert_true(is_answered());
    assert_int_equal(gasp_of("1001").utc_ms, 0);
    stop();
    assert_int_equal(EVENTS_OF(LAST_GASP, &at), 1);
    assert_int_equal(EVENTS_OF(POWER_RESTORED, &at), 1);
}

static void a_late_gasp_of_a_device_that_was_here_before(void **state)
{
    size_t at = 0;
    (void)state;
    start();
    dial_in();
    state_set_disk(&state_site, 1000, 0, 0);
    say("BYE,1001");
    state_set_disk(&state_site, 0, 0, 0);
    site_run(site, 5000);
    assert_true(gasp_of("1001").utc_ms != 0);
    stop();
    assert_int_equal(EVENTS_OF(POWER_RESTORED, &at), 0);
}

/* Whoever looked while the disk stood still saw a device on line, and no event would have told that
 * it isn't any more. */
static void a_new_device_that_goes_before_it_is_recorded(void **state)
{
    size_t added = 0;
    size_t gone = 0;
    (void)state;
    start();
    state_set_disk(&state_site, 1000, 0, 0);
    dial_in();
    caller_shutdown(&caller);
    site_run(site, 120000);
    state_set_disk(&state_site, 0, 0, 0);
    site_run(site, 5000);
    stop();
    assert_int_equal(EVENTS_OF(DEVICE_ADDED, &added), 1);
    assert_int_equal(EVENTS_OF(CONNECTED, &gone), 0);
    assert_int_equal(EVENTS_OF(DISCONNECTED, &gone), 1);
    assert_true(gone > added);
    assert_int_equal(events[gone].event.link_epoch, 1);
}

/* ---- what isn't recorded ---- */

static void large(size_t size)
{
    static uint8_t data[65536];
    datagram(data, large_push("1001", size, data));
}

static void a_push_as_large_as_a_datagram(void **state)
{
    size_t at = 0;
    (void)state;
    start();
    large(65000);
    large(30000);
    stop();
    assert_int_equal(EVENTS_OF(PUSH_RECEIVED, &at), 2);
    assert_int_equal(events[at].size, 30000 + 26);
    assert_int_equal(events[0].size, 50000);
}

static unsigned filling;

static void filled(struct journal_entry *entry, enum status status)
{
    assert_int_equal(status, STATUS_OK);
    filling--;
    free(entry);
}

/* Events of about so many bytes, until no other finds room. */
static void fill_queue(uint32_t size)
{
    static uint8_t raw[50000];
    Cenc__V1__Event event = CENC__V1__EVENT__INIT;
    Cenc__V1__UnparsedBytes body = CENC__V1__UNPARSED_BYTES__INIT;
    enum status status = STATUS_OK;
    body.data.data = raw;
    body.data.len = size;
    event.body_case = CENC__V1__EVENT__BODY_UNPARSED_BYTES;
    event.unparsed_bytes = &body;
    while (status == STATUS_OK) {
        struct journal_entry *entry = calloc(1, sizeof *entry + size + 64);
        size_t packed = 0;
        assert_non_null(entry);
        assert_int_equal(event_pack(&event, (uint8_t *)(entry + 1), size + 64, &packed), CODEC_OK);
        entry->data = (const uint8_t *)(entry + 1);
        entry->size = (uint32_t)packed;
        entry->kind = JOURNAL_EVENT;
        entry->class = JOURNAL_FIRST;
        entry->from = site->server->shards[0]->reactor;
        entry->done = filled;
        status = journal_append(site->server->journal, entry);
        if (status == STATUS_OK)
            filling++;
        else
            free(entry);
    }
    assert_int_equal(status, STATUS_FULL);
}

static void fill_all(void)
{
    fill_queue(50000);
    fill_queue(1000);
    fill_queue(1);
}

/* On a connection nothing waits: what finds no room is counted and never answered. */
static void a_connection_is_not_answered_when_the_queue_is_full(void **state)
{
    size_t at = 0;
    (void)state;
    start();
    dial_in();
    state_set_disk(&state_site, 1000, 0, 0);
    fill_all();
    site_run(site, 1000);
    caller_say(&caller, "BYE\n");
    assert_int_equal(refused(), 1);
    state_set_disk(&state_site, 0, 0, 0);
    site_run(site, 5000);
    assert_int_equal(filling, 0);
    assert_int_equal(caller_link_state(&caller), LINK_IDLE);
    assert_true(caller_hears(&caller, ""));
    assert_int_equal(gasp_of("1001").utc_ms, 0);
    caller_say(&caller, "BYE\n");
    site_run(site, 100);
    assert_true(caller_hears(&caller, "ACK"));
    stop();
    assert_int_equal(EVENTS_OF(LAST_GASP, &at), 1);
}

/* Nor is it kept for an answer that never comes. */
static void a_connection_that_is_not_answered_ends(void **state)
{
    (void)state;
    start();
    known_device();
    state_set_disk(&state_site, 1000, 0, 0);
    fill_all();
    caller_dial(&caller, site, "10.0.0.2", 5010);
    caller_say(&caller, "PWRFAIL,1001");
    caller_shutdown(&caller);
    site_run(site, 1000);
    assert_int_equal(refused(), 1);
    assert_int_equal(caller_link_state(&caller), LINK_FREE);
    assert_true(caller_hears(&caller, ""));
    state_set_disk(&state_site, 0, 0, 0);
    site_run(site, 5000);
    assert_int_equal(filling, 0);
    stop();
}

/* A datagram waits for room. */
static void a_datagram_is_answered_later_when_the_queue_is_full(void **state)
{
    size_t at = 0;
    (void)state;
    start();
    known_device();
    state_set_disk(&state_site, 1000, 0, 0);
    fill_all();
    say("BYE,1001");
    assert_false(is_answered());
    state_set_disk(&state_site, 0, 0, 0);
    site_run(site, 5000);
    assert_int_equal(refused(), 0);
    assert_true(is_answered());
    assert_true(gasp_of("1001").utc_ms != 0);
    stop();
    assert_int_equal(EVENTS_OF(LAST_GASP, &at), 1);
}

/* An end of a gasp that can't be told is none: the device and all who read the journal say the
 * same, and the next link is told as the end. */
static void power_that_returns_when_the_queue_is_full(void **state)
{
    size_t at = 0;
    (void)state;
    start();
    known_device();
    say("BYE,1001");
    state_set_disk(&state_site, 1000, 0, 0);
    fill_all();
    dial_in();
    assert_int_equal(caller_link_state(&caller), LINK_IDLE);
    assert_true(gasp_of("1001").utc_ms != 0);
    state_set_disk(&state_site, 0, 0, 0);
    site_run(site, 5000);
    dial_in();
    assert_int_equal(gasp_of("1001").utc_ms, 0);
    stop();
    assert_int_equal(EVENTS_OF(POWER_RESTORED, &at), 1);
}

static void filled_again(struct journal_entry *entry, enum status status)
{
    filled(entry, status);
    fill_all();
}

static void append_small(void (*done)(struct journal_entry *entry, enum status status))
{
    static const uint8_t something[] = {0};
    struct journal_entry *entry = calloc(1, sizeof *entry);
    assert_non_null(entry);
    *entry = (struct journal_entry){.data = something,
                                    .size = sizeof something,
                                    .kind = JOURNAL_PRIVATE,
                                    .class = JOURNAL_FIRST,
                                    .from = site->server->shards[0]->reactor,
                                    .done = done};
    filling++;
    assert_int_equal(journal_append(site->server->journal, entry), STATUS_OK);
}

/* The message that says so is recorded, but what follows from it finds no room: it was not
 * answered, and must not be when it is said again, before the end is on the disk. */
static void a_message_of_power_that_finds_no_room(void **state)
{
    size_t at = 0;
    (void)state;
    start();
    known_device();
    say("BYE,1001");
    assert_true(is_answered());
    state_set_disk(&state_site, 1000, 0, 0);
    append_small(filled); /* a group by itself */
    site_run(site, 100);
    append_small(filled_again); /* in the message's group, told before it */
    say("BACK,1001");
    state_set_disk(&state_site, 0, 0, 0);
    site_run(site, 5000);
    assert_int_equal(refused(), 1);
    assert_false(is_answered());
    assert_true(gasp_of("1001").utc_ms != 0);
    say("BACK,1001");
    assert_true(is_answered());
    assert_int_equal(gasp_of("1001").utc_ms, 0);
    stop();
    assert_int_equal(EVENTS_OF(POWER_RESTORED, &at), 1);
}

static void lost_datagrams_are_told(void **state)
{
    uint64_t lost = 0;
    uint64_t told = 0;
    (void)state;
    start();
    state_set_disk(&state_site, 1000, 0, 0);
    for (int i = 0; i < 80; i++)
        large(30000);
    state_set_disk(&state_site, 0, 0, 0);
    site_run(site, 8000);
    for (uint32_t i = 0; i < site->server->shard_count; i++)
        if (datagrams_counters(site->server->shards[i], UDP) != NULL)
            lost = atomic_load(&datagrams_counters(site->server->shards[i], UDP)->overruns);
    stop();
    assert_true(lost > 0);
    for (size_t i = 0; i < count; i++)
        told += events[i].lost;
    assert_int_equal(told, lost);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_known_device),
        cmocka_unit_test(an_unknown_device),
        cmocka_unit_test(a_test_is_an_event_and_no_more),
        cmocka_unit_test(on_its_own_link),
        cmocka_unit_test(a_gasp_and_gone),
        cmocka_unit_test(a_gasp_with_something_behind_it),
        cmocka_unit_test(a_gasp_that_waits_for_its_answer),
        cmocka_unit_test(by_a_link),
        cmocka_unit_test(by_a_message),
        cmocka_unit_test(a_gasp_that_is_recorded_late),
        cmocka_unit_test(a_late_gasp_that_a_session_ended),
        cmocka_unit_test(a_gasp_in_the_first_moments),
        cmocka_unit_test(a_gasp_of_a_device_that_is_not_recorded),
        cmocka_unit_test(a_gasp_that_waited_in_the_socket),
        cmocka_unit_test(a_late_gasp_of_a_device_that_was_here_before),
        cmocka_unit_test(a_new_device_that_goes_before_it_is_recorded),
        cmocka_unit_test(a_push_as_large_as_a_datagram),
        cmocka_unit_test(a_connection_is_not_answered_when_the_queue_is_full),
        cmocka_unit_test(a_connection_that_is_not_answered_ends),
        cmocka_unit_test(a_datagram_is_answered_later_when_the_queue_is_full),
        cmocka_unit_test(power_that_returns_when_the_queue_is_full),
        cmocka_unit_test(a_message_of_power_that_finds_no_room),
        cmocka_unit_test(lost_datagrams_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
