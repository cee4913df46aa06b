/* The journal's queue is full for a while: what it refused is told afterwards, once for each class;
 * also by a server that stops meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "server/link/link.h"
#include "tests/sim/caller.h"
#include "tests/sim/seeds.h"
#include "tests/sim/state_site.h"

#define ENTRIES 200u
#define LARGE   60000u
#define SIZES   5u

static const char yaml[] = "server: {shards: 2}\n"
                           "direct_ports: {range: 20000-20007}\n"
                           "journal: {queue_mb: 1}\n"
                           "listeners:\n"
                           "  - name: modems\n"
                           "    address: 0.0.0.0:5009\n"
                           "    plugins:\n"
                           "      - pattern: {registration: 'LOGIN:(id:4)'}\n";

static struct state_site state_site;
static struct site *const site = &state_site.site;
static struct journal_entry entries[ENTRIES];
static unsigned appended;
static uint8_t events[SIZES][LARGE + 64];
static size_t event_sizes[SIZES];
static uint64_t refused[3]; /* by class, as we were told */

static struct {
    unsigned events[3];
    uint64_t count[3];
    int64_t since[3];
    int64_t until[3];
} told;

/* What the journal says of the only device. */
static struct {
    unsigned connected;
    unsigned gone;         /* with a reason */
    unsigned gone_unknown; /* without one */
    uint32_t epoch;        /* of the last of these events */
    uint32_t changed_epoch;
    Cenc__V1__Event__BodyCase last;
} device;

static void start(void)
{
    struct sim_options options;
    Cenc__V1__Event event = CENC__V1__EVENT__INIT;
    Cenc__V1__UnparsedBytes body = CENC__V1__UNPARSED_BYTES__INIT;
    static uint8_t bytes[LARGE];
    sim_options_calm(&options, 1);
    state_load(&state_site, &options, yaml);
    state_start(&state_site);
    site_run(site, 100);
    event.body_case = CENC__V1__EVENT__BODY_UNPARSED_BYTES;
    event.unparsed_bytes = &body;
    body.data.data = bytes;
    body.data.len = LARGE;
    for (size_t i = 0; i < SIZES; i++, body.data.len /= 10)
        assert_int_equal(event_pack(&event, events[i], sizeof events[i], &event_sizes[i]),
                         CODEC_OK);
    memset(refused, 0, sizeof refused);
    memset(&told, 0, sizeof told);
    memset(&device, 0, sizeof device);
    appended = 0;
}

static void done(struct journal_entry *entry, enum status status)
{
    (void)entry;
    (void)status;
}

static bool append(enum journal_class class, size_t size)
{
    struct journal_entry *entry = &entries[appended];
    assert_true(appended < ENTRIES);
    *entry = (struct journal_entry){.data = events[size],
                                    .size = (uint32_t)event_sizes[size],
                                    .kind = JOURNAL_EVENT,
                                    .class = (uint8_t) class,
                                    .done = done};
    if (journal_append(site->server->journal, entry) == STATUS_OK) {
        appended++;
        return true;
    }
    refused[class]++;
    return false;
}

/* Until there is no room for the smallest. */
static void fill(enum journal_class class, unsigned beyond)
{
    for (size_t size = 0; size < SIZES; size++)
        while (append(class, size))
            continue;
    for (; beyond > 0; beyond--)
        (void)append(class, SIZES - 1);
}

static void keep_device(const Cenc__V1__Event *event)
{
    switch (event->body_case) {
    case CENC__V1__EVENT__BODY_CONNECTED:
        device.connected++;
        break;
    case CENC__V1__EVENT__BODY_DISCONNECTED:
        device.gone += event->disconnected->reason != NULL;
        device.gone_unknown += event->disconnected->reason == NULL;
        break;
    case CENC__V1__EVENT__BODY_DEVICE_CHANGED:
        device.changed_epoch = event->device_changed->state->link_epoch;
        return;
    default:
        return;
    }
    device.last = event->body_case;
    device.epoch = event->link_epoch;
}

static void keep(const Cenc__V1__Event *event, uint64_t sequence)
{
    (void)sequence;
    keep_device(event);
    if (event->body_case != CENC__V1__EVENT__BODY_EVENTS_REFUSED)
        return;
    const Cenc__V1__EventsRefused *body = event->events_refused;
    for (int class = 0; class < 3; class ++) {
        if (strcmp(body->event_class, event_class_name((enum event_class) class)) != 0)
            continue;
        told.events[class]++;
        told.count[class] += body->count;
        told.since[class] = body->since_unix_ms;
        told.until[class] = body->until_unix_ms;
    }
}

static void look_at_the_journal(void)
{
    struct journal *journal = state_journal(&state_site);
    state_walk(&state_site, journal, keep);
    journal_free(journal);
    state_close(&state_site);
}

static void stop(void)
{
    state_stop(&state_site, NULL);
    state_set_disk(&state_site, 0, 0, 0);
    look_at_the_journal();
}

static uint64_t utc_ms(void)
{
    return reactor_utc_ms(site->server->shards[0]->reactor);
}

static void each_class_is_told_once(void **state)
{
    (void)state;
    start();
    state_set_disk(&state_site, 1000, 0, 0);
    site_run(site, 1500);
    int64_t before = (int64_t)utc_ms();
    for (int class = JOURNAL_LATER; class >= JOURNAL_FIRST; class --) {
        fill((enum journal_class) class, 3 + (unsigned)class);
        site_run(site, 2500); /* over, but there is no room */
    }
    int64_t after = (int64_t)utc_ms();
    fill(JOURNAL_LATER, 7);
    state_set_disk(&state_site, 0, 0, 0);
    site_run(site, 6000);
    assert_true(journal_has_room(site->server->journal, JOURNAL_LATER));
    stop();
    for (int class = 0; class < 3; class ++) {
        assert_int_equal(told.events[class], 1);
        assert_int_equal(told.count[class], refused[class]);
        assert_true(told.since[class] >= before - 1100 && told.since[class] <= told.until[class]);
    }
    assert_true(told.since[JOURNAL_LATER] <= before);
    assert_true(told.until[JOURNAL_LATER] >= after);
    assert_true(told.until[JOURNAL_NORMAL] < after);
}

static void a_second_time_is_told_again(void **state)
{
    (void)state;
    start();
    for (unsigned i = 0; i < 2; i++) {
        state_set_disk(&state_site, 1000, 0, 0);
        fill(JOURNAL_LATER, 2);
        state_set_disk(&state_site, 0, 0, 0);
        site_run(site, 6000);
    }
    stop();
    assert_int_equal(told.events[JOURNAL_LATER], 2);
    assert_int_equal(told.count[JOURNAL_LATER], refused[JOURNAL_LATER]);
}

static void who_stops_tells_it(void **state)
{
    (void)state;
    start();
    fill(JOURNAL_LATER, 2); /* and the disk is well */
    stop();
    assert_int_equal(told.events[JOURNAL_LATER], 1);
    assert_int_equal(told.count[JOURNAL_LATER], refused[JOURNAL_LATER]);
}

/* ---- devices that come and go meanwhile ---- */

static void dial_in(struct caller *caller)
{
    caller_dial(caller, site, "10.0.0.1", 5009);
    caller_say(caller, "LOGIN:1001");
    site_run(site, 100);
    assert_int_equal(caller_link_state(caller), LINK_IDLE);
}

static uint32_t epoch(void)
{
    struct device_info info;
    assert_true(site_device(site, "default", "1001", &info));
    return info.epoch;
}

/* Once while it is recorded, three times while it isn't. */
static void come_and_go(struct caller *caller)
{
    start();
    dial_in(caller);
    site_run(site, 1000);
    state_set_disk(&state_site, 1000, 0, 0);
    fill(JOURNAL_LATER, 1);
    for (int i = 0; i < 3; i++) {
        caller_shutdown(caller);
        site_run(site, 100);
        dial_in(caller);
    }
}

/* The journal said that a device had link 1, memory had 4; after a crash 2 to 4 were given again.
 */
static void who_is_there_is_told_later(void **state)
{
    static struct caller caller;
    (void)state;
    come_and_go(&caller);
    state_set_disk(&state_site, 0, 0, 0);
    site_run(site, 6000);
    assert_int_equal(epoch(), 4);
    state_crash(&state_site, true, NULL);
    look_at_the_journal();
    assert_int_equal(device.connected, 2);
    assert_int_equal(device.epoch, 4);
    assert_int_equal(device.last, CENC__V1__EVENT__BODY_CONNECTED);
}

static void who_is_gone_is_told_later(void **state)
{
    static struct caller caller;
    (void)state;
    come_and_go(&caller);
    caller_shutdown(&caller);
    site_run(site, 100);
    state_set_disk(&state_site, 0, 0, 0);
    site_run(site, 6000);
    state_crash(&state_site, true, NULL);
    look_at_the_journal();
    assert_int_equal(device.connected, 1);
    assert_int_equal(device.gone, 0);
    assert_int_equal(device.gone_unknown, 1);
    assert_int_equal(device.epoch, 4);
    assert_int_equal(device.changed_epoch, 4);
}

/* The journal knows link 1 alone, and whoever saw 2 to 4 isn't to see them again. */
static void what_was_never_told_is_not_given_again(void **state)
{
    static struct caller caller;
    (void)state;
    come_and_go(&caller);
    site_run(site, 4000);
    assert_int_equal(epoch(), 4);
    state_crash(&state_site, true, NULL);
    state_set_disk(&state_site, 0, 0, 0);
    state_start(&state_site);
    dial_in(&caller);
    uint32_t given = epoch();
    assert_true(given > 4);
    stop();
    assert_int_equal(device.epoch, given);
}

/* The disk is well again only during the stop. */
static void a_stop_tells_it(void **state)
{
    static struct caller caller;
    (void)state;
    come_and_go(&caller);
    state_set_disk(&state_site, 0, 0, 0);
    stop();
    assert_int_equal(device.last, CENC__V1__EVENT__BODY_DISCONNECTED);
    assert_int_equal(device.epoch, 4);
}

/* And a stop ends if it isn't. */
static void a_stop_gives_up(void **state)
{
    static struct caller caller;
    (void)state;
    come_and_go(&caller);
    stop();
    assert_int_equal(device.epoch, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_class_is_told_once),
        cmocka_unit_test(a_second_time_is_told_again),
        cmocka_unit_test(who_stops_tells_it),
        cmocka_unit_test(who_is_there_is_told_later),
        cmocka_unit_test(who_is_gone_is_told_later),
        cmocka_unit_test(a_stop_tells_it),
        cmocka_unit_test(a_stop_gives_up),
        cmocka_unit_test(what_was_never_told_is_not_given_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
