/* What events make of the directory: at any cut, the store up to there and the events after it
 * give what all events gave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"
#include "tests/history/history.h"

#define DEVICES    7u
#define FIRST_PORT 20000u
#define RUNS       60u
#define EVENTS     120u

static const struct config_listener listeners[] = {{.name = "one"}, {.name = "two"}};

static struct directory *make_directory(void)
{
    struct directory_config config = {
        .max_devices = 1000,
        .first_port = FIRST_PORT,
        .last_port = FIRST_PORT + 15,
        .recorded = true,
        .listeners = listeners,
        .listener_count = 2,
    };
    struct directory *directory = NULL;

    assert_int_equal(directory_create(&config, &directory), STATUS_OK);
    return directory;
}

struct place {
    char folder[64];
    char path[80];
};

static void open_place(struct place *place)
{
    history_make_folder(place->folder);
    (void)snprintf(place->path, sizeof(place->path), "%s/store", place->folder);
}

static struct store *open_store(const struct place *place)
{
    struct store *store = NULL;
    struct store_error error;

    if (store_open(place->path, &store, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    return store;
}

/* Names the first line that differs. */
static void assert_same(struct directory *directory, const char *expected, uint64_t seed)
{
    char *text = history_describe(directory);
    size_t line = 0;
    size_t i = 0;

    for (; text[i] == expected[i] && text[i] != '\0'; i++)
        if (text[i] == '\n')
            line = i + 1;
    if (text[i] != expected[i])
        fail_msg("seed %llu: %.*s, but expected %.*s", (unsigned long long)seed,
                 (int)strcspn(text + line, "\n"), text + line, (int)strcspn(expected + line, "\n"),
                 expected + line);
    free(text);
}

/* ---- any events at all ---- */

static const char *const serials[DEVICES] = {
    "861234567890123", "861234567890124", "861234567890123", /* in another scope */
    "back\\slash",     "\xff\xfe raw",    "tab\there",       "\\x41 is no A",
};

/* In every other run devices are removed. */
static bool removes(uint64_t seed)
{
    return seed % 2 == 0;
}

static const char *pick(struct dice *dice, const char *a, const char *b, const char *c)
{
    const char *const choices[] = {a, b, c};

    return choices[dice_below(dice, 3)];
}

static void random_event(struct dice *dice, struct history *history,
                         uint32_t epochs[static DEVICES], uint64_t utc_ms, bool removals)
{
    static const Cenc__V1__Event__BodyCase bodies[] = {
        CENC__V1__EVENT__BODY_DEVICE_ADDED,   CENC__V1__EVENT__BODY_DEVICE_CHANGED,
        CENC__V1__EVENT__BODY_DEVICE_CHANGED, CENC__V1__EVENT__BODY_DEVICE_REMOVED,
        CENC__V1__EVENT__BODY_DEVICE_MOVED,   CENC__V1__EVENT__BODY_CONNECTED,
        CENC__V1__EVENT__BODY_CONNECTED,      CENC__V1__EVENT__BODY_DISCONNECTED,
        CENC__V1__EVENT__BODY_ACCESS_STARTED, CENC__V1__EVENT__BODY_ACCESS_FINISHED,
        CENC__V1__EVENT__BODY_LAST_GASP,      CENC__V1__EVENT__BODY_LAST_GASP,
        CENC__V1__EVENT__BODY_POWER_RESTORED, CENC__V1__EVENT__BODY_UNPARSED_BYTES,
        CENC__V1__EVENT__BODY_SERVER_STARTED, CENC__V1__EVENT__BODY__NOT_SET,
    };
    uint64_t device = dice_below(dice, DEVICES);
    Cenc__V1__Event__BodyCase body = bodies[dice_below(dice, sizeof(bodies) / sizeof(bodies[0]))];
    struct told told = {
        .scope = device == 2 ? "other" : "default",
        .serial = serials[device],
        .kind = pick(dice, "meter", "irz-modem", NULL),
        .model = pick(dice, "ATM21", "\xc3\x28 bad", "\xd0\x9c\xd0\xb8\xd1\x80"),
        .firmware = pick(dice, "1", "2", NULL),
        .hardware = pick(dice, "a\\b", NULL, "c"),
        .project = pick(dice, "north", "south", NULL),
        .listener = pick(dice, "one", "two", "two"),
        .changed = pick(dice, NULL, "note", "direct_port"),
        .first_seen_utc_ms = utc_ms - dice_below(dice, 10),
        .last_seen_utc_ms = utc_ms,
        .gasp_utc_ms = dice_below(dice, 2) * (utc_ms - dice_below(dice, 2000)),
        .gasp_sequence = history->count / 2,
        .port = dice_below(dice, 3) == 0 ? 0 : (uint16_t)(FIRST_PORT + device),
        .csq = dice_below(dice, 3) == 0 ? PLUGIN_SIGNAL_UNKNOWN : (uint8_t)dice_below(dice, 32),
        .unknown = dice_below(dice, 8) == 0,
        .test = dice_below(dice, 8) == 0,
        .raw = dice_below(dice, 2) == 0,
        .no_device = dice_below(dice, 20) == 0,
    };

    if (body == CENC__V1__EVENT__BODY_DEVICE_REMOVED && !removals)
        return;
    if (body == CENC__V1__EVENT__BODY_CONNECTED || body == CENC__V1__EVENT__BODY_DEVICE_ADDED)
        epochs[device]++;
    told.epoch = epochs[device];
    /* an older link has its say, late */
    if (body != CENC__V1__EVENT__BODY_DEVICE_ADDED && body != CENC__V1__EVENT__BODY_DEVICE_REMOVED)
        told.epoch -= (uint32_t)dice_below(dice, told.epoch < 3 ? 1 : 3);
    (void)history_tell(history, body, &told, utc_ms);
}

/* The store in batches up to a cut, then closed and opened again; what is newer, and some that is
 * not, from the history. */
static void restart_at(struct dice *dice, struct history *history, const char *expected,
                       uint64_t seed)
{
    struct place place;
    uint64_t cut = dice_below(dice, history->count + 1);
    struct directory *directory = make_directory();

    open_place(&place);
    struct store *store = open_store(&place);
    for (uint64_t done = 0; done < cut;) {
        uint64_t batch = 1 + dice_below(dice, cut - done);
        history_to_store(history, store, done + 1, done + batch);
        done += batch;
    }
    store_close(store);
    store = open_store(&place);
    assert_int_equal(store_sequence(store), cut);
    history_load(store, directory);
    history_to_directory(history, directory, cut + 1, history->count);
    assert_same(directory, expected, seed);
    if (!removes(seed)) {
        uint64_t again = 1 + dice_below(dice, history->count);
        history_to_directory(history, directory, again, history->count);
        assert_same(directory, expected, seed);
    }
    store_close(store);
    directory_free(directory);
    history_remove_folder(place.folder);
}

static void test_every_cut_is_the_same(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= RUNS; seed++) {
        struct dice dice = {.state = seed};
        struct history history;
        uint32_t epochs[DEVICES] = {0};
        uint64_t utc_ms = 1700000000000u;
        struct directory *directory = make_directory();
        history_init(&history);
        for (unsigned i = 0; i < EVENTS; i++) {
            utc_ms += dice_below(&dice, 1000);
            random_event(&dice, &history, epochs, utc_ms, removes(seed));
        }
        history_to_directory(&history, directory, 1, history.count);
        char *expected = history_describe(directory);
        restart_at(&dice, &history, expected, seed);
        free(expected);
        directory_free(directory);
        history_free(&history);
    }
}

/* ---- a server's life ---- */

struct life {
    struct dice dice;
    struct history history;
    struct directory *directory;
    struct device *devices[DEVICES];
    struct link_ref links[DEVICES]; /* id 0: offline */
    bool in_session[DEVICES];
    uint64_t next_link;
    uint64_t utc_ms;
};

static void tell(struct life *life, Cenc__V1__Event__BodyCase body, const struct device *device,
                 const struct gasp *former)
{
    struct device_info info;

    directory_get(life->directory, device, &info);
    struct told told = {
        .scope = info.scope,
        .serial = info.serial,
        .kind = info.kind,
        .model = info.model,
        .firmware = info.firmware,
        .hardware = info.hardware,
        .listener = info.listener < 2 ? listeners[info.listener].name : "",
        .first_seen_utc_ms = info.first_seen_utc_ms,
        .last_seen_utc_ms = info.last_seen_utc_ms,
        .gasp_utc_ms = former != NULL ? former->utc_ms : info.gasp.utc_ms,
        .gasp_sequence = former != NULL ? former->sequence : info.gasp.sequence,
        .epoch = info.epoch,
        .port = info.direct_port,
        .csq = info.signal_csq,
    };
    (void)history_tell(&life->history, body, &told, life->utc_ms);
}

static void leave(struct life *life, size_t i)
{
    const struct device *device = life->devices[i];

    if (life->links[i].id == 0)
        return;
    if (life->in_session[i])
        tell(life, CENC__V1__EVENT__BODY_ACCESS_FINISHED, device, NULL);
    assert_true(
        directory_release(life->directory, life->devices[i], &life->links[i], life->utc_ms));
    tell(life, CENC__V1__EVENT__BODY_DISCONNECTED, device, NULL);
    life->links[i].id = 0;
    life->in_session[i] = false;
}

static void arrive(struct life *life, size_t i)
{
    struct plugin_identity identity = {.kind = "irz-modem", .signal_csq = 20};
    struct gasp former;

    leave(life, i);
    (void)snprintf(identity.serial, sizeof(identity.serial), "%s", serials[i]);
    (void)snprintf(identity.firmware, sizeof(identity.firmware), "%u",
                   (unsigned)dice_below(&life->dice, 2));
    identity.signal_csq = (uint8_t)dice_below(&life->dice, 32);
    struct registration registration = {
        .scope = i == 2 ? "other" : "default",
        .identity = &identity,
        .link = {.id = ++life->next_link},
        .listener = (uint32_t)dice_below(&life->dice, 2),
        .utc_ms = life->utc_ms,
        .now_ms = life->utc_ms,
    };
    enum registration_result result = directory_register(life->directory, &registration);
    life->devices[i] = registration.device;
    life->links[i] = registration.link;
    if (result == REGISTERED_NEW) {
        tell(life, CENC__V1__EVENT__BODY_DEVICE_ADDED, registration.device, NULL);
        directory_recorded(life->directory, registration.device);
    } else {
        assert_int_equal(result, REGISTERED_AGAIN);
        if (registration.changed)
            tell(life, CENC__V1__EVENT__BODY_DEVICE_CHANGED, registration.device, NULL);
    }
    tell(life, CENC__V1__EVENT__BODY_CONNECTED, registration.device, NULL);
    if (directory_clear_gasp(life->directory, registration.device, life->utc_ms, &former))
        tell(life, CENC__V1__EVENT__BODY_POWER_RESTORED, registration.device, &former);
}

static void turn_session(struct life *life, size_t i)
{
    bool now = !life->in_session[i];

    if (life->links[i].id == 0)
        return;
    directory_set_in_session(life->directory, life->devices[i], &life->links[i], now, life->utc_ms);
    life->in_session[i] = now;
    tell(life, now ? CENC__V1__EVENT__BODY_ACCESS_STARTED : CENC__V1__EVENT__BODY_ACCESS_FINISHED,
         life->devices[i], NULL);
}

static void gasp(struct life *life, size_t i)
{
    struct device *device = NULL;
    const char *scope = i == 2 ? "other" : "default";
    struct gasp gasp = {.utc_ms = life->utc_ms, .sequence = life->history.count + 1};
    struct told told = {.scope = scope, .serial = serials[i], .unknown = true};

    if (directory_gasp(life->directory, scope, serials[i], &gasp, &device) == STATUS_OK)
        tell(life, CENC__V1__EVENT__BODY_LAST_GASP, device, NULL);
    else
        (void)history_tell(&life->history, CENC__V1__EVENT__BODY_LAST_GASP, &told, life->utc_ms);
}

/* Another directory takes the place of the one that was: all links are gone. */
static void crash(struct life *life, uint64_t seed)
{
    struct place place;
    uint64_t cut = dice_below(&life->dice, life->history.count + 1);
    struct directory *directory = make_directory();
    char *expected = history_describe(life->directory);

    open_place(&place);
    struct store *store = open_store(&place);
    history_to_store(&life->history, store, 1, cut);
    history_load(store, directory);
    history_to_directory(&life->history, directory, cut + 1, life->history.count);
    assert_same(directory, expected, seed);
    free(expected);
    store_close(store);
    history_remove_folder(place.folder);
    directory_free(life->directory);
    life->directory = directory;
    for (size_t i = 0; i < DEVICES; i++) {
        life->links[i].id = 0;
        life->in_session[i] = false;
        if (life->devices[i] != NULL)
            life->devices[i] = directory_find(directory, i == 2 ? "other" : "default", serials[i]);
    }
}

static void test_a_crash_changes_nothing(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= RUNS; seed++) {
        struct life life = {.dice = {.state = seed}, .utc_ms = 1700000000000u};
        life.directory = make_directory();
        history_init(&life.history);
        for (unsigned i = 0; i < EVENTS; i++) {
            size_t device = dice_below(&life.dice, DEVICES);
            life.utc_ms += 1 + dice_below(&life.dice, 1000);
            switch (dice_below(&life.dice, 16)) {
            case 0:
                crash(&life, seed);
                break;
            case 1:
            case 2:
            case 3:
                leave(&life, device);
                break;
            case 4:
            case 5:
            case 6:
                turn_session(&life, device);
                break;
            case 7:
            case 8:
                gasp(&life, device);
                break;
            default:
                arrive(&life, device);
                break;
            }
        }
        crash(&life, seed);
        directory_free(life.directory);
        history_free(&life.history);
    }
}

/* ---- rules, one by one ---- */

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
    apply(bench, CENC__V1__EVENT__BODY_DEVICE_REMOVED, &told, 1100);
    apply(bench, CENC__V1__EVENT__BODY_DISCONNECTED, &told, 1200);
    assert_null(directory_find(bench->directory, "", "1"));
    directory_count(bench->directory, &counts);
    assert_int_equal(counts.devices, 0);
    assert_int_equal(counts.ports_leased, 0);
    struct plugin_identity identity = {.serial = "1"};
    struct registration registration = {
        .scope = "", .identity = &identity, .link = {.id = 1}, .utc_ms = 9000};
    assert_int_equal(directory_register(bench->directory, &registration), REGISTERED_NEW);
    assert_int_equal(registration.epoch, 6);
    assert_int_equal(info_of(bench, "1").first_seen_utc_ms, 9000);
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
        cmocka_unit_test(test_every_cut_is_the_same),
        cmocka_unit_test(test_a_crash_changes_nothing),
        WITH_BENCH(test_older_links_change_nothing),
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
