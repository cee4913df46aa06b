/* The journal's queue is full for a while: what it refused is told afterwards, once for each class;
 * also by a server that stops meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/sim/caller.h"
#include "tests/sim/seeds.h"
#include "tests/sim/state_site.h"

#define ENTRIES 200u
#define LARGE   60000u

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
static uint8_t large[LARGE + 64];
static size_t large_size;
static uint64_t refused[3]; /* by class, as we were told */

static struct {
    unsigned events[3];
    uint64_t count[3];
    int64_t since[3];
    int64_t until[3];
    unsigned others;
} told;

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
    body.data.data = bytes;
    body.data.len = sizeof bytes;
    event.body_case = CENC__V1__EVENT__BODY_UNPARSED_BYTES;
    event.unparsed_bytes = &body;
    assert_int_equal(event_pack(&event, large, sizeof large, &large_size), CODEC_OK);
    memset(refused, 0, sizeof refused);
    memset(&told, 0, sizeof told);
    appended = 0;
}

static void done(struct journal_entry *entry, enum status status)
{
    (void)entry;
    (void)status;
}

/* Until it is full for them. */
static void fill(enum journal_class class, unsigned beyond)
{
    for (unsigned left = beyond; left > 0;) {
        assert_true(appended < ENTRIES);
        struct journal_entry *entry = &entries[appended++];
        *entry = (struct journal_entry){.data = large,
                                        .size = (uint32_t)large_size,
                                        .kind = JOURNAL_EVENT,
                                        .class = (uint8_t) class,
                                        .done = done};
        if (journal_append(site->server->journal, entry) == STATUS_OK)
            continue;
        refused[class]++;
        left--;
    }
}

static void keep(const Cenc__V1__Event *event, uint64_t sequence)
{
    (void)sequence;
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

static void stop(void)
{
    state_stop(&state_site, NULL);
    struct journal *journal = state_journal(&state_site);
    state_walk(&state_site, journal, keep);
    journal_free(journal);
    state_close(&state_site);
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
    assert_int_equal(told.count[JOURNAL_LATER], 4);
}

static void who_stops_tells_it(void **state)
{
    (void)state;
    start();
    fill(JOURNAL_LATER, 2); /* and the disk is well */
    stop();
    assert_int_equal(told.events[JOURNAL_LATER], 1);
    assert_int_equal(told.count[JOURNAL_LATER], 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_class_is_told_once),
        cmocka_unit_test(a_second_time_is_told_again),
        cmocka_unit_test(who_stops_tells_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
