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
    struct heard heard = {.began_utc_ms = life->utc_ms};
    if (directory_clear_gasp(life->directory, registration.device, &heard, &former))
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
    struct heard heard;
    const char *scope = i == 2 ? "other" : "default";
    struct gasp gasp = {.utc_ms = life->utc_ms, .sequence = life->history.count + 1};
    struct told told = {.scope = scope, .serial = serials[i], .unknown = true};

    struct device *device = directory_known(life->directory, scope, serials[i]);
    if (device != NULL && directory_gasp(life->directory, device, &gasp, &heard) == STATUS_OK)
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_cut_is_the_same),
        cmocka_unit_test(test_a_crash_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
