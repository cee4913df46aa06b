/* Parts of the northbound that stand alone: the window, the set of what changed, filters, the
 * ledger. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "codec/proto/event.h"
#include "server/northbound/filter.h"
#include "server/northbound/ledger.h"
#include "server/northbound/pointer_set.h"
#include "server/northbound/window.h"
#include "tests/history/history.h"

/* ---- the window ---- */

static void test_window_frees_what_is_acknowledged(void **state)
{
    struct window window = {.max_count = 3, .max_bytes = 100};

    (void)state;
    for (uint64_t sequence = 10; sequence <= 30; sequence += 10) {
        assert_true(window_open(&window));
        assert_true(window_add(&window, sequence, 5));
    }
    assert_false(window_open(&window));
    window_acknowledge(&window, 9);
    assert_false(window_open(&window));
    window_acknowledge(&window, 25);
    assert_int_equal(window.count, 1);
    assert_int_equal(window.bytes, 5);
    window_acknowledge(&window, 25);
    assert_int_equal(window.count, 1);
    window_acknowledge(&window, 30);
    assert_int_equal(window.count, 0);
    window_free(&window);
}

static void test_window_takes_one_whatever_its_size(void **state)
{
    struct window window = {.max_count = 10, .max_bytes = 1};

    (void)state;
    assert_true(window_open(&window));
    assert_true(window_add(&window, 1, 5000));
    assert_false(window_open(&window));
    window_acknowledge(&window, 1);
    assert_true(window_open(&window));
    window_free(&window);
}

static void test_window_goes_round(void **state)
{
    struct window window = {.max_count = WINDOW_EVENTS_MAX, .max_bytes = UINT64_MAX};
    uint64_t sequence = 0;
    uint64_t acknowledged = 0;

    (void)state;
    srand(7); // NOLINT(cert-msc32-c,cert-msc51-cpp): the same each time
    for (int i = 0; i < 20000; i++) {
        if (rand() % 3 > 0) { // NOLINT(cert-msc30-c,cert-msc50-cpp,concurrency-mt-unsafe)
            assert_true(window_add(&window, ++sequence, 2));
        } else if (acknowledged < sequence) {
            window_acknowledge(&window, ++acknowledged);
        }
        assert_int_equal(window.count, sequence - acknowledged);
        assert_int_equal(window.bytes, 2 * (sequence - acknowledged));
    }
    window_free(&window);
}

/* ---- the set ---- */

static void test_set_has_each_once(void **state)
{
    static const char things[POINTER_SET_MAX + 1];
    struct pointer_set set = {0};

    (void)state;
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < 1000; i++)
            assert_true(pointer_set_add(&set, &things[i]));
    for (size_t i = 0; i < 1000; i++)
        assert_ptr_equal(pointer_set_take(&set), &things[i]);
    assert_null(pointer_set_take(&set));
    for (size_t i = 0; i < POINTER_SET_MAX; i++)
        assert_true(pointer_set_add(&set, &things[i]));
    assert_true(pointer_set_add(&set, &things[5]));
    assert_false(pointer_set_add(&set, &things[POINTER_SET_MAX]));
    pointer_set_free(&set);
}

/* What changes again after it was told must be told again. */
static void test_set_takes_again_what_was_taken(void **state)
{
    static const char things[2];
    struct pointer_set set = {0};

    (void)state;
    assert_true(pointer_set_add(&set, &things[0]));
    assert_true(pointer_set_add(&set, &things[1]));
    assert_ptr_equal(pointer_set_take(&set), &things[0]);
    assert_true(pointer_set_add(&set, &things[0]));
    assert_true(pointer_set_add(&set, &things[0]));
    assert_ptr_equal(pointer_set_take(&set), &things[1]);
    assert_ptr_equal(pointer_set_take(&set), &things[0]);
    assert_null(pointer_set_take(&set));
}

/* ---- filters ---- */

static struct config_consumer config_all = {.name = "all", .projects = {.all = true}};
static struct config_consumer config_north = {.name = "north",
                                              .projects = {.count = 1, .names = {"north"}}};

static size_t make_event(uint8_t *data, const char *project, const char *serial, bool added)
{
    Cenc__V1__Event event = CENC__V1__EVENT__INIT;
    Cenc__V1__Device device = CENC__V1__DEVICE__INIT;
    Cenc__V1__DeviceAdded body = CENC__V1__DEVICE_ADDED__INIT;
    Cenc__V1__Connected connected = CENC__V1__CONNECTED__INIT;
    size_t size = 0;

    event.project = proto_string(project);
    device.scope = proto_string("s");
    device.serial = proto_string(serial);
    event.device = serial != NULL ? &device : NULL;
    event.body_case = added ? CENC__V1__EVENT__BODY_DEVICE_ADDED : CENC__V1__EVENT__BODY_CONNECTED;
    if (added)
        event.device_added = &body;
    else
        event.connected = &connected;
    if (serial == NULL)
        device.serial = proto_string("");
    assert_int_equal(event_pack(&event, data, 256, &size), CODEC_OK);
    return size;
}

static bool takes(struct filter *filter, const char *project, const char *serial, bool added)
{
    uint8_t data[256];
    size_t size = make_event(data, project, serial, added);

    return filter_takes(filter, data, size);
}

static struct filter *make_filter(const struct config_consumer *config,
                                  const Cenc__V1__EventFilter *wanted)
{
    static struct consumer consumer;
    struct filter *filter = NULL;
    char error[FILTER_ERROR_SIZE];

    consumer.config = config;
    assert_int_equal(filter_create(&consumer, wanted, &filter, error), STATUS_OK);
    return filter;
}

static void test_filter_of_a_consumer(void **state)
{
    struct filter *filter = make_filter(&config_north, NULL);

    (void)state;
    assert_true(takes(filter, "north", "1", true));
    assert_false(takes(filter, "south", "1", true));
    assert_false(takes(filter, "", "1", true));
    assert_false(takes(filter, "", NULL, true));
    filter_free(filter);
    filter = make_filter(&config_all, NULL);
    assert_true(takes(filter, "", NULL, true));
    filter_free(filter);
}

static void test_filter_of_a_stream(void **state)
{
    char *kinds[] = {"device_added"};
    char *projects[] = {"north", "south"};
    Cenc__V1__DeviceKey key = CENC__V1__DEVICE_KEY__INIT;
    Cenc__V1__DeviceKey *keys[] = {&key};
    Cenc__V1__EventFilter wanted = CENC__V1__EVENT_FILTER__INIT;

    (void)state;
    key.scope = proto_string("s");
    key.serial = proto_string("1");
    wanted.n_kinds = 1;
    wanted.kinds = kinds;
    wanted.n_projects = 2;
    wanted.projects = projects;
    wanted.n_devices = 1;
    wanted.devices = keys;
    struct filter *filter = make_filter(&config_all, &wanted);
    assert_true(takes(filter, "north", "1", true));
    assert_true(takes(filter, "south", "1", true));
    assert_false(takes(filter, "west", "1", true));
    assert_false(takes(filter, "north", "2", true));
    assert_false(takes(filter, "north", "1", false));
    assert_false(takes(filter, "north", NULL, true));
    assert_false(filter_takes(filter, (const uint8_t *)"\xff", 1));
    filter_free(filter);
}

static const struct config_consumer config_both = {
    .name = "both", .projects = {.count = 2, .names = {"north", "south"}}};

static size_t make_move(uint8_t *data, const char *former, const char *new)
{
    Cenc__V1__Event event = CENC__V1__EVENT__INIT;
    Cenc__V1__Device device = CENC__V1__DEVICE__INIT;
    Cenc__V1__DeviceMoved moved = CENC__V1__DEVICE_MOVED__INIT;
    char *former_groups[] = {"former group"};
    char *groups[] = {"new group"};
    size_t size = 0;

    event.project = proto_string(new);
    device.serial = proto_string("1");
    event.device = &device;
    moved.former_project = proto_string(former);
    moved.n_former_groups = moved.n_groups = 1;
    moved.former_groups = former_groups;
    moved.groups = groups;
    moved.project_id = 2;
    moved.group_id = 3;
    moved.former_channel = proto_string("former channel");
    moved.channel = proto_string("new channel");
    moved.channel_id = 4;
    event.body_case = CENC__V1__EVENT__BODY_DEVICE_MOVED;
    event.device_moved = &moved;
    assert_int_equal(event_pack(&event, data, 256, &size), CODEC_OK);
    return size;
}

static struct proto_arena arena;

static const Cenc__V1__Event *part_of(const struct filter *filter, const uint8_t *data, size_t size)
{
    static uint8_t part[256];
    Cenc__V1__Event *event;

    size = filter_part(filter, data, size, &arena, part, sizeof(part));
    assert_true(size > 0);
    arena.used = 0;
    assert_int_equal(event_unpack(part, size, &arena, &event), CODEC_OK);
    assert_string_equal(event->device->serial, "1");
    return event;
}

static void check_former(const Cenc__V1__DeviceMoved *moved, const char *project, bool shown)
{
    assert_string_equal(moved->former_project, shown ? project : "");
    assert_int_equal(moved->n_former_groups, shown);
    assert_string_equal(moved->former_channel, shown ? "former channel" : "");
}

static void check_new(const Cenc__V1__Event *event, const char *project, bool shown)
{
    const Cenc__V1__DeviceMoved *moved = event->device_moved;

    assert_string_equal(event->project, shown ? project : "");
    assert_int_equal(moved->n_groups, shown);
    assert_string_equal(moved->channel, shown ? "new channel" : "");
    assert_int_equal(moved->project_id, shown ? 2 : 0);
    assert_int_equal(moved->group_id, shown ? 3 : 0);
    assert_int_equal(moved->channel_id, shown ? 4 : 0);
}

/* Of a move between projects each side's consumer is told its own half. */
static void test_half_a_move(void **state)
{
    struct filter *filter = make_filter(&config_north, NULL);
    uint8_t data[256];

    (void)state;
    arena = (struct proto_arena){.memory = malloc(PROTO_ARENA_SIZE), .size = PROTO_ARENA_SIZE};
    assert_non_null(arena.memory);
    size_t size = make_move(data, "north", "south");
    assert_int_equal(filter_takes(filter, data, size), FILTER_TAKES_PART);
    const Cenc__V1__Event *event = part_of(filter, data, size);
    check_former(event->device_moved, "north", true);
    check_new(event, "south", false);
    size = make_move(data, "south", "north");
    assert_int_equal(filter_takes(filter, data, size), FILTER_TAKES_PART);
    event = part_of(filter, data, size);
    check_former(event->device_moved, "south", false);
    check_new(event, "north", true);
    size = make_move(data, "north", "north");
    assert_int_equal(filter_takes(filter, data, size), FILTER_TAKES);
    size = make_move(data, "south", "west");
    assert_int_equal(filter_takes(filter, data, size), FILTER_LEAVES_OUT);
    filter_free(filter);
    filter = make_filter(&config_both, NULL);
    size = make_move(data, "north", "south");
    assert_int_equal(filter_takes(filter, data, size), FILTER_TAKES);
    filter_free(filter);
    filter = make_filter(&config_all, NULL);
    assert_int_equal(filter_takes(filter, data, size), FILTER_TAKES);
    filter_free(filter);
    free(arena.memory);
}

static void test_filters_that_are_refused(void **state)
{
    char *kinds[] = {"node"}; /* a field of Event, but no body */
    char *projects[] = {"south"};
    Cenc__V1__EventFilter wanted = CENC__V1__EVENT_FILTER__INIT;
    struct consumer consumer = {.config = &config_north};
    struct filter *filter = NULL;
    char error[FILTER_ERROR_SIZE];

    (void)state;
    wanted.n_kinds = 1;
    wanted.kinds = kinds;
    assert_int_equal(filter_create(&consumer, &wanted, &filter, error), STATUS_INVALID);
    assert_string_equal(error,
                        "there are no events of kind \"node\"; kinds are as in \"last_gasp\"");
    wanted.n_kinds = 0;
    wanted.n_projects = 1;
    wanted.projects = projects;
    assert_int_equal(filter_create(&consumer, &wanted, &filter, error), STATUS_REFUSED);
    assert_string_equal(error, "project \"south\" isn't one of consumer north's");
}

/* ---- the ledger ---- */

static void note_position(const char *name, uint64_t position, void *context)
{
    char *text = context;

    (void)sprintf(text + strlen(text), "%s=%llu ", name, (unsigned long long)position);
}

static void note_waiting(const char *scope, const char *serial, void *context)
{
    char *text = context;

    (void)sprintf(text + strlen(text), "%s/%s ", scope, serial);
}

static struct ledger_row row_of(const char *serial, enum ledger_state state, const char *id)
{
    struct ledger_row row = {.scope = "s", .state = state, .utc_ms = 7};

    (void)snprintf(row.serial, sizeof(row.serial), "%s", serial);
    (void)snprintf(row.id, sizeof(row.id), "%s", id);
    return row;
}

static void put(struct ledger *ledger, const char *serial, enum ledger_state state, const char *id)
{
    struct ledger_row row = row_of(serial, state, id);
    struct ledger_error error;

    assert_int_equal(ledger_put(ledger, &row, &error), STATUS_OK);
}

static void test_ledger_keeps_what_was_said(void **state)
{
    char folder[64];
    char path[96];
    char text[256] = "";
    struct ledger *ledger = NULL;
    struct ledger_error error;
    bool fresh = false;
    uint64_t sequence = 1;

    (void)state;
    history_make_folder(folder);
    (void)snprintf(path, sizeof(path), "%s/ledger", folder);
    assert_int_equal(ledger_open(path, &ledger, &fresh, &error), STATUS_OK);
    assert_true(fresh);
    assert_int_equal(ledger_sequence(ledger, &sequence, &error), STATUS_OK);
    assert_int_equal(sequence, 0);
    assert_int_equal(ledger_begin(ledger, &error), STATUS_OK);
    assert_int_equal(ledger_put_position(ledger, "a", 5, &error), STATUS_OK);
    assert_int_equal(ledger_put_position(ledger, "a", 6, &error), STATUS_OK);
    assert_int_equal(ledger_put_sequence(ledger, 44, &error), STATUS_OK);
    put(ledger, "1", LEDGER_WAITING, "");
    put(ledger, "2", LEDGER_WAITING, "");
    put(ledger, "2", LEDGER_ACCEPTED, "M 2");
    put(ledger, "2", LEDGER_WAITING, ""); /* announced again: the answer stays */
    put(ledger, "3", LEDGER_WAITING, "");
    assert_int_equal(ledger_remove(ledger, "s", "3", &error), STATUS_OK);
    assert_int_equal(ledger_end(ledger, &error), STATUS_OK);
    ledger_close(ledger);
    assert_int_equal(ledger_open(path, &ledger, &fresh, &error), STATUS_OK);
    assert_false(fresh);
    assert_int_equal(ledger_sequence(ledger, &sequence, &error), STATUS_OK);
    assert_int_equal(sequence, 44);
    assert_int_equal(ledger_positions(ledger, note_position, text, &error), STATUS_OK);
    assert_int_equal(ledger_waiting(ledger, note_waiting, text, &error), STATUS_OK);
    assert_string_equal(text, "a=6 s/1 ");
    struct ledger_row row = row_of("2", LEDGER_NONE, "");
    assert_int_equal(ledger_find(ledger, &row, &error), STATUS_OK);
    assert_int_equal(row.state, LEDGER_ACCEPTED);
    assert_string_equal(row.id, "M 2");
    row = row_of("9", LEDGER_ACCEPTED, "x");
    assert_int_equal(ledger_find(ledger, &row, &error), STATUS_OK);
    assert_int_equal(row.state, LEDGER_NONE);
    assert_string_equal(row.id, "");
    ledger_close(ledger);
    history_remove_folder(folder);
}

static void readable_by_its_user_alone(const char *path)
{
    struct stat status;

    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
}

/* Which devices there are is nobody else's business; everybody could read it once. */
static void test_ledger_is_for_its_user_alone(void **state)
{
    char folder[64];
    char path[96];
    char log[112];
    struct ledger *ledger = NULL;
    struct ledger_error error;
    bool fresh;
    mode_t former = umask(0);

    (void)state;
    history_make_folder(folder);
    (void)snprintf(path, sizeof(path), "%s/ledger", folder);
    (void)snprintf(log, sizeof(log), "%s-wal", path);
    assert_int_equal(ledger_open(path, &ledger, &fresh, &error), STATUS_OK);
    assert_true(fresh);
    readable_by_its_user_alone(path);
    readable_by_its_user_alone(log);
    (void)umask(former);
    ledger_close(ledger);
    history_remove_folder(folder);
}

static void test_ledger_leaves_other_files_alone(void **state)
{
    char folder[64];
    char path[96];
    struct ledger *ledger = NULL;
    struct ledger_error error;
    bool fresh;

    (void)state;
    history_make_folder(folder);
    (void)snprintf(path, sizeof(path), "%s/ledger", folder);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    for (int i = 0; i < 1000; i++)
        (void)fputs("no database ", file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(ledger_open(path, &ledger, &fresh, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "the ledger of the consumers"));
    history_remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_window_frees_what_is_acknowledged),
        cmocka_unit_test(test_window_takes_one_whatever_its_size),
        cmocka_unit_test(test_window_goes_round),
        cmocka_unit_test(test_set_has_each_once),
        cmocka_unit_test(test_set_takes_again_what_was_taken),
        cmocka_unit_test(test_filter_of_a_consumer),
        cmocka_unit_test(test_filter_of_a_stream),
        cmocka_unit_test(test_half_a_move),
        cmocka_unit_test(test_filters_that_are_refused),
        cmocka_unit_test(test_ledger_keeps_what_was_said),
        cmocka_unit_test(test_ledger_is_for_its_user_alone),
        cmocka_unit_test(test_ledger_leaves_other_files_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
