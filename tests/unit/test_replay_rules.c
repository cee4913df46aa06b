/* What events make of the directory, rule by rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"
#include "tests/history/history.h"

#define FIRST_PORT 20000u

static const struct config_listener listeners[] = {
    {.name = "one"},
    {.name = "two"},
    {.name = "strict", .scope = "strict", .admission = CONFIG_APPROVE}};

static struct directory *make_directory(void)
{
    struct directory_config config = {
        .max_devices = 1000,
        .first_port = FIRST_PORT,
        .last_port = FIRST_PORT + 15,
        .recorded = true,
        .listeners = listeners,
        .listener_count = 3,
    };
    struct directory *directory = NULL;

    assert_int_equal(directory_create(&config, &directory), STATUS_OK);
    return directory;
}

struct bench {
    struct history history;
    struct directory *directory;
};

static int open_bench(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    history_init(&bench->history);
    bench->directory = make_directory();
    *state = bench;
    return 0;
}

static int close_bench(void **state)
{
    struct bench *bench = *state;

    directory_free(bench->directory);
    history_free(&bench->history);
    free(bench);
    return 0;
}

static void apply(struct bench *bench, Cenc__V1__Event__BodyCase body, const struct told *told,
                  uint64_t utc_ms)
{
    uint64_t sequence = history_tell(&bench->history, body, told, utc_ms);

    history_to_directory(&bench->history, bench->directory, sequence, sequence);
}

static struct device_info info_of(struct bench *bench, const char *serial)
{
    struct device_info info = {0};
    const struct device *device = directory_find(bench->directory, "", serial);

    if (device != NULL)
        directory_get(bench->directory, device, &info);
    return info;
}

static void test_older_links_change_nothing(void **state)
{
    struct bench *bench = *state;
    struct told eight = {.serial = "1", .epoch = 8, .firmware = "new", .port = 20003, .csq = 9};
    struct told seven = {.serial = "1", .epoch = 7, .firmware = "old", .port = 20004, .csq = 3};

    apply(bench, CENC__V1__EVENT__BODY_CONNECTED, &eight, 1000);
    apply(bench, CENC__V1__EVENT__BODY_CONNECTED, &seven, 1001);
    apply(bench, CENC__V1__EVENT__BODY_DISCONNECTED, &seven, 1002);
    struct device_info info = info_of(bench, "1");
    assert_int_equal(info.epoch, 8);
    assert_int_equal(info.direct_port, 20003);
    assert_int_equal(info.signal_csq, 9);
    assert_string_equal(info.firmware, "new");
    assert_int_equal(info.last_seen_utc_ms, 1001);
}

/* It is told of twice when two links add it at once: the approval in between stays. */
static void test_an_approval_stays(void **state)
{
    struct bench *bench = *state;
    struct told told = {.serial = "1", .epoch = 1, .unapproved = true};

    apply(bench, CENC__V1__EVENT__BODY_DEVICE_ADDED, &told, 1000);
    assert_true(info_of(bench, "1").unapproved);
    apply(bench, CENC__V1__EVENT__BODY_CONNECTED, &told, 1001);
    assert_true(info_of(bench, "1").unapproved);
    apply(bench, CENC__V1__EVENT__BODY_DEVICE_APPROVED, &told, 1002);
    assert_false(info_of(bench, "1").unapproved);
    apply(bench, CENC__V1__EVENT__BODY_DEVICE_ADDED, &told, 1003);
    assert_false(info_of(bench, "1").unapproved);
    apply(bench, CENC__V1__EVENT__BODY_DEVICE_REMOVED, &told, 1004);
    told.epoch = 2;
    apply(bench, CENC__V1__EVENT__BODY_DEVICE_ADDED, &told, 1005);
    assert_true(info_of(bench, "1").unapproved); /* it came again, as a new one */
}

/* The store was lost, and the journal begins later than the device: whether an operator had let it
 * in nobody knows, and it was let in. */
static void test_without_its_beginning_it_waits_for_an_operator(void **state)
{
    struct bench *bench = *state;
    const struct device *device = NULL;
    const struct {
        const char *serial;
        const char *scope;
        Cenc__V1__Event__BodyCase body;
        bool unapproved;
    } firsts[] = {
        {"1", "strict", CENC__V1__EVENT__BODY_CONNECTED, true},
        {"2", "strict", CENC__V1__EVENT__BODY_LAST_GASP, true},
        {"3", "strict", CENC__V1__EVENT__BODY_ACCESS_FINISHED, false},
        {"4", "strict", CENC__V1__EVENT__BODY_DEVICE_APPROVED, false},
        {"5", "strict", CENC__V1__EVENT__BODY_DEVICE_CHANGED, false},
        {"6", "", CENC__V1__EVENT__BODY_CONNECTED, false},
    };

    for (size_t i = 0; i < sizeof(firsts) / sizeof(firsts[0]); i++) {
        struct told told = {.scope = firsts[i].scope, .serial = firsts[i].serial, .epoch = 1};
        apply(bench, firsts[i].body, &told, 1000 + i);
        device = directory_find(bench->directory, firsts[i].scope, firsts[i].serial);
        assert_non_null(device);
        assert_int_equal(device_unapproved(bench->directory, device), firsts[i].unapproved);
        told.epoch = 2;
        apply(bench, CENC__V1__EVENT__BODY_CONNECTED, &told, 2000);
        assert_int_equal(device_unapproved(bench->directory, device), firsts[i].unapproved);
    }
}

static void test_gasps(void **state)
{
    struct bench *bench = *state;
    struct told told = {.serial = "1", .epoch = 1};

    apply(bench, CENC__V1__EVENT__BODY_CONNECTED, &told, 1000);
    apply(bench, CENC__V1__EVENT__BODY_LAST_GASP, &told, 2000);
    assert_int_equal(info_of(bench, "1").gasp.utc_ms, 2000);
    assert_int_equal(info_of(bench, "1").gasp.sequence, 2);
    apply(bench, CENC__V1__EVENT__BODY_LAST_GASP, &told, 1500); /* came late */
    assert_int_equal(info_of(bench, "1").gasp.utc_ms, 2000);
    apply(bench, CENC__V1__EVENT__BODY_CONNECTED, &told, 2500); /* may have begun before */
    assert_int_equal(info_of(bench, "1").gasp.utc_ms, 2000);
    told.gasp_utc_ms = 1500;
    apply(bench, CENC__V1__EVENT__BODY_POWER_RESTORED, &told, 2600); /* of another gasp */
    assert_int_equal(info_of(bench, "1").gasp.utc_ms, 2000);
    told.gasp_utc_ms = 2000;
    apply(bench, CENC__V1__EVENT__BODY_POWER_RESTORED, &told, 2700);
    assert_int_equal(info_of(bench, "1").gasp.utc_ms, 0);
    assert_int_equal(info_of(bench, "1").gasp.sequence, 0);
    told.test = true;
    apply(bench, CENC__V1__EVENT__BODY_LAST_GASP, &told, 2800);
    assert_int_equal(info_of(bench, "1").gasp.utc_ms, 0);
    struct told stranger = {.serial = "2", .unknown = true};
    apply(bench, CENC__V1__EVENT__BODY_LAST_GASP, &stranger, 3000);
    assert_null(directory_find(bench->directory, "", "2"));
}

static void test_a_removed_device_comes_back_as_a_new_one(void **state)
{
    struct bench *bench = *state;
    struct told told = {.serial = "1", .epoch = 5, .port = 20001, .first_seen_utc_ms = 500};
    struct directory_counts counts;

    apply(bench, CENC__V1__EVENT__BODY_DEVICE_ADDED, &told, 1000);
    struct device *device = directory_known(bench->directory, "", "1");
    apply(bench, CENC__V1__EVENT__BODY_DEVICE_REMOVED, &told, 1100);
    apply(bench, CENC__V1__EVENT__BODY_DISCONNECTED, &told, 1200);
    assert_null(directory_find(bench->directory, "", "1"));
    /* what it said just before is recorded just afterwards */
    struct gasp gasp = {.utc_ms = 1099, .sequence = 4};
    struct heard heard;
    assert_int_equal(directory_gasp(bench->directory, device, &gasp, &heard), STATUS_NOT_FOUND);
    directory_count(bench->directory, &counts);
    assert_int_equal(counts.devices, 0);
    assert_int_equal(counts.ports_leased, 0);
    struct plugin_identity identity = {.serial = "1"};
    struct registration registration = {
        .scope = "", .identity = &identity, .link = {.id = 1}, .utc_ms = 9000};
    assert_int_equal(directory_register(bench->directory, &registration), REGISTERED_NEW);
    assert_int_equal(registration.epoch, 6);
    assert_int_equal(info_of(bench, "1").first_seen_utc_ms, 9000);
    assert_int_equal(info_of(bench, "1").gasp.utc_ms, 0);
    directory_count(bench->directory, &counts);
    assert_int_equal(counts.devices, 1);
}

static void test_a_note_changes_only_by_name(void **state)
{
    struct bench *bench = *state;
    struct device_facts facts;
    struct told told = {.serial = "1", .note = "on the roof"};

    facts_init(&facts, "", "1");
    (void)history_tell(&bench->history, CENC__V1__EVENT__BODY_DEVICE_ADDED, &told, 1000);
    assert_true(replay_apply(history_event(&bench->history, 1), 1, &facts));
    assert_string_equal(facts.note, "on the roof");
    struct history other;
    history_init(&other);
    told.note = "";
    (void)history_tell(&other, CENC__V1__EVENT__BODY_DEVICE_CHANGED, &told, 1000);
    assert_true(replay_apply(history_event(&other, 1), 2, &facts));
    assert_string_equal(facts.note, "on the roof");
    told.changed = "note";
    (void)history_tell(&other, CENC__V1__EVENT__BODY_DEVICE_CHANGED, &told, 1000);
    assert_true(replay_apply(history_event(&other, 2), 3, &facts));
    assert_string_equal(facts.note, "");
    history_free(&other);
}

static void test_serials_that_are_none(void **state)
{
    struct bench *bench = *state;
    struct directory_counts counts;
    struct told empty = {.serial = ""};
    struct told longest = {.serial = "1234567890123456789012345678901"};
    struct told too_long = {.serial = "12345678901234567890123456789012"};
    struct told too_long_raw = {.serial = "12345678901234567890123456789012", .raw = true};

    apply(bench, CENC__V1__EVENT__BODY_CONNECTED, &empty, 1);
    apply(bench, CENC__V1__EVENT__BODY_CONNECTED, &too_long, 1);
    apply(bench, CENC__V1__EVENT__BODY_CONNECTED, &too_long_raw, 1);
    directory_count(bench->directory, &counts);
    assert_int_equal(counts.devices, 0);
    apply(bench, CENC__V1__EVENT__BODY_CONNECTED, &longest, 1);
    assert_non_null(directory_find(bench->directory, "", longest.serial));
}

/* ---- ports and listeners that the configuration doesn't have ---- */

static void test_ports_come_back_and_are_given_once(void **state)
{
    struct bench *bench = *state;
    struct plugin_identity identity = {0};
    struct directory_counts counts;
    bool seen[16] = {false};
    struct told a = {.serial = "a", .port = 20002};
    struct told b = {.serial = "b", .port = 20000};
    struct told same = {.serial = "c", .port = 20002};
    struct told outside = {.serial = "d", .port = 30000};

    apply(bench, CENC__V1__EVENT__BODY_CONNECTED, &a, 1);
    apply(bench, CENC__V1__EVENT__BODY_CONNECTED, &b, 1);
    apply(bench, CENC__V1__EVENT__BODY_CONNECTED, &same, 1);
    apply(bench, CENC__V1__EVENT__BODY_CONNECTED, &outside, 1);
    directory_count(bench->directory, &counts);
    assert_int_equal(counts.ports_leased, 2);
    assert_int_equal(counts.ports_dropped, 2);
    seen[0] = seen[2] = true;
    for (unsigned i = 0; i < 20; i++) {
        (void)snprintf(identity.serial, sizeof(identity.serial), i == 0 ? "c" : "new%u", i);
        struct registration r = {.scope = "", .identity = &identity, .link = {.id = i + 1}};
        enum registration_result result = directory_register(bench->directory, &r);
        assert_int_equal(result, i == 0 ? REGISTERED_AGAIN : REGISTERED_NEW);
        if (i == 0)
            assert_true(r.changed); /* it got a port now */
        if (i >= 14) {
            assert_int_equal(r.direct_port, 0);
            continue;
        }
        assert_in_range(r.direct_port, 20000, 20015);
        assert_false(seen[r.direct_port - 20000]);
        seen[r.direct_port - 20000] = true;
    }
    assert_int_equal(info_of(bench, "a").direct_port, 20002);
    assert_int_equal(info_of(bench, "b").direct_port, 20000);
}

static void test_a_listener_without_its_name_is_none(void **state)
{
    struct bench *bench = *state;
    struct told two = {.serial = "1", .listener = "two"};
    struct told gone = {.serial = "2", .listener = "gone"};

    apply(bench, CENC__V1__EVENT__BODY_CONNECTED, &two, 1);
    apply(bench, CENC__V1__EVENT__BODY_CONNECTED, &gone, 1);
    assert_int_equal(info_of(bench, "1").listener, 1);
    assert_int_equal(info_of(bench, "2").listener, DIRECTORY_NO_LISTENER);
}

/* A link that was refused while its device was new, and then ended, makes no device. */
static void test_only_what_vouches_for_a_device_adds_it(void **state)
{
    struct bench *bench = *state;
    struct told told = {.serial = "1", .epoch = 1};

    apply(bench, CENC__V1__EVENT__BODY_DISCONNECTED, &told, 1);
    apply(bench, CENC__V1__EVENT__BODY_DEVICE_REMOVED, &told, 1);
    apply(bench, CENC__V1__EVENT__BODY_UNPARSED_BYTES, &told, 1);
    assert_null(directory_find(bench->directory, "", "1"));
    apply(bench, CENC__V1__EVENT__BODY_ACCESS_STARTED, &told, 1);
    assert_non_null(directory_find(bench->directory, "", "1"));
}

static void test_a_full_directory_says_so(void **state)
{
    struct bench *bench = *state;
    struct device_facts facts;
    char serial[16];

    for (unsigned i = 0; i < 1000; i++) {
        (void)snprintf(serial, sizeof(serial), "%u", i);
        facts_init(&facts, "", serial);
        assert_int_equal(directory_restore(bench->directory, &facts), STATUS_OK);
    }
    facts_init(&facts, "", "1000");
    assert_int_equal(directory_restore(bench->directory, &facts), STATUS_FULL);
    facts_init(&facts, "", "999");
    assert_int_equal(directory_restore(bench->directory, &facts), STATUS_OK);
}

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, open_bench, close_bench)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BENCH(test_older_links_change_nothing),
        WITH_BENCH(test_an_approval_stays),
        WITH_BENCH(test_without_its_beginning_it_waits_for_an_operator),
        WITH_BENCH(test_gasps),
        WITH_BENCH(test_a_removed_device_comes_back_as_a_new_one),
        WITH_BENCH(test_a_note_changes_only_by_name),
        WITH_BENCH(test_serials_that_are_none),
        WITH_BENCH(test_ports_come_back_and_are_given_once),
        WITH_BENCH(test_a_listener_without_its_name_is_none),
        WITH_BENCH(test_only_what_vouches_for_a_device_adds_it),
        WITH_BENCH(test_a_full_directory_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
