/* The page /stats: valid JSON whatever devices call themselves, in pages, with defaults and bounds.
 */
#include <jansson.h>

#include "server/ops/stats.h"
#include "tests/unit/ops_world.h"

#define NOW 1767225700123u /* 100 s after the start */

static json_t *read_stats(struct ops_world *world, struct stats_query query)
{
    json_error_t error;
    char *text = stats_write(&world->server, &query, NOW);

    assert_non_null(text);
    json_t *page = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (page == NULL)
        fail_msg("%s at %d in %s", error.text, error.position, text);
    free(text);
    return page;
}

static const struct stats_query defaults = STATS_QUERY_DEFAULT;

static const char *text_at(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    if (!json_is_string(value))
        fail_msg("%s is no string", name);
    return json_string_value(value);
}

static json_int_t number_at(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    if (!json_is_integer(value))
        fail_msg("%s is no number", name);
    return json_integer_value(value);
}

static const json_t *row(const json_t *page, const char *list, size_t index)
{
    const json_t *found = json_array_get(json_object_get(page, list), index);

    if (found == NULL)
        fail_msg("no row %zu in %s", index, list);
    return found;
}

static size_t rows(const json_t *page, const char *list)
{
    const json_t *array = json_object_get(page, list);

    assert_true(json_is_array(array));
    return json_array_size(array);
}

static void test_server(void **state)
{
    struct ops_world *world = world_create();

    (void)state;
    world->counters[0][0].greeting = 1;
    world->counters[1][0].idle = 2;
    world->counters[1][1].idle = 3;
    world->counters[0][1].in_session = 4;
    world->server.sessions = 5;
    world->shards[1].counters.closed[CLOSE_GREETING_UNKNOWN] = 6;
    world->reactors[1].turns = 7;
    json_t *page = read_stats(world, defaults);
    assert_string_equal(text_at(page, "node"), "node1");
    assert_string_equal(text_at(page, "version"), CENCD_VERSION);
    assert_string_equal(text_at(page, "started_utc"), "2026-01-01T00:00:00.123Z");
    assert_int_equal(number_at(page, "uptime_s"), 100);
    const json_t *links = json_object_get(page, "links");
    assert_int_equal(number_at(links, "greeting"), 1);
    assert_int_equal(number_at(links, "idle"), 5);
    assert_int_equal(number_at(links, "in_session"), 4);
    assert_int_equal(number_at(page, "sessions"), 5);
    assert_int_equal(rows(page, "devices"), 0);
    assert_true(json_is_null(json_object_get(page, "next")));
    assert_int_equal(rows(page, "failed_identifications"), 0);
    const json_t *closed = json_object_get(page, "close_reasons");
    assert_int_equal(number_at(closed, "greeting/unknown"), 6);
    assert_int_equal(number_at(closed, "peer/closed"), 0);
    assert_int_equal(json_object_size(closed), CLOSE_REASON_COUNT);
    assert_int_equal(rows(page, "shards"), 2);
    assert_int_equal(number_at(row(page, "shards", 1), "shard"), 1);
    assert_int_equal(number_at(row(page, "shards", 1), "turns"), 7);
    json_decref(page);
    world_free(world);
}

static void test_listeners(void **state)
{
    struct ops_world *world = world_create();

    (void)state;
    assert_int_equal(address_parse("[::1]:5009", &world->listeners[1].address), STATUS_OK);
    world->listener_links[1] = 3;
    world->counters[0][1].accepted = 4;
    world->counters[1][1].identified = 5;
    world->counters[1][1].failed = 6;
    json_t *page = read_stats(world, defaults);
    assert_int_equal(rows(page, "listeners"), 2);
    const json_t *listener = row(page, "listeners", 1);
    assert_string_equal(text_at(listener, "name"), "meters");
    assert_string_equal(text_at(listener, "address"), "[::1]:5009");
    assert_string_equal(text_at(listener, "scope"), "other");
    assert_int_equal(number_at(listener, "links"), 3);
    assert_int_equal(number_at(listener, "accepted"), 4);
    assert_int_equal(number_at(listener, "identified"), 5);
    assert_int_equal(number_at(listener, "failed"), 6);
    assert_true(json_is_true(json_object_get(listener, "accepting")));
    json_decref(page);
    world->server.links = 100;
    page = read_stats(world, defaults);
    assert_true(json_is_false(json_object_get(row(page, "listeners", 1), "accepting")));
    json_decref(page);
    world_free(world);
}

static void test_device(void **state)
{
    struct ops_world *world = world_create();
    struct plugin_identity identity = {.serial = "868441",
                                       .kind = "irz-modem",
                                       .model = "ATM21",
                                       .firmware = "3.1",
                                       .hardware = "C",
                                       .signal_csq = 17};

    (void)state;
    struct device *device = world_register(world, &identity, 9);
    json_t *page = read_stats(world, defaults);
    const json_t *shown = row(page, "devices", 0);
    assert_string_equal(text_at(shown, "scope"), "default");
    assert_string_equal(text_at(shown, "serial"), "868441");
    assert_string_equal(text_at(shown, "kind"), "irz-modem");
    assert_string_equal(text_at(shown, "model"), "ATM21");
    assert_string_equal(text_at(shown, "firmware"), "3.1");
    assert_string_equal(text_at(shown, "hardware"), "C");
    assert_int_equal(number_at(shown, "signal_csq"), 17);
    assert_string_equal(text_at(shown, "state"), "idle");
    assert_int_equal(number_at(shown, "direct_port"), 20000);
    assert_string_equal(text_at(shown, "peer"), "10.0.0.1:4711");
    assert_string_equal(text_at(shown, "listener"), "modems");
    assert_string_equal(text_at(shown, "first_seen"), "2026-01-01T00:00:01.000Z");
    assert_string_equal(text_at(shown, "last_seen"), "2026-01-01T00:00:01.000Z");
    assert_true(json_is_null(json_object_get(shown, "last_gasp")));
    assert_int_equal(number_at(shown, "epoch"), 1);
    assert_int_equal(number_at(json_object_get(page, "directory"), "online"), 1);
    json_decref(page);

    struct link_ref link = {.id = 9};
    directory_set_in_session(world->server.directory, device, &link, true, 1767225602000);
    directory_set_signal(world->server.directory, device, &link, PLUGIN_SIGNAL_UNKNOWN);
    page = read_stats(world, defaults);
    shown = row(page, "devices", 0);
    assert_string_equal(text_at(shown, "state"), "in session");
    assert_true(json_is_null(json_object_get(shown, "signal_csq")));
    assert_string_equal(text_at(shown, "last_seen"), "2026-01-01T00:00:02.000Z");
    json_decref(page);
    world_free(world);
}

static void test_text_of_any_bytes(void **state)
{
    struct ops_world *world = world_create();
    struct plugin_identity identity = {.serial = "\xff\"\n", .model = "\xc3\xa4", .kind = "x"};

    (void)state;
    memset(identity.firmware, 0x80, sizeof(identity.firmware)); /* longest when written */
    (void)world_register(world, &identity, 1);
    json_t *page = read_stats(world, defaults);
    const json_t *shown = row(page, "devices", 0);
    assert_string_equal(text_at(shown, "serial"), "\\xff\"\\x0a");
    assert_string_equal(text_at(shown, "model"), "\xc3\xa4");
    assert_int_equal(strlen(text_at(shown, "firmware")), 4 * (PLUGIN_TEXT_SIZE - 1));
    json_decref(page);
    world_free(world);
}

static void test_pages_of_devices(void **state)
{
    struct ops_world *world = world_create();
    struct plugin_identity identity = {.kind = "x"};
    struct stats_query query = {.devices = 100};
    unsigned seen = 0;

    (void)state;
    for (uint32_t i = 0; i < 250; i++) {
        snprintf(identity.serial, sizeof(identity.serial), "d%u", i);
        (void)world_register(world, &identity, i + 1);
    }
    for (unsigned answer = 0; answer < 3; answer++) {
        json_t *page = read_stats(world, query);
        size_t count = rows(page, "devices");
        assert_int_equal(count, answer < 2 ? 100 : 50);
        for (size_t i = 0; i < count; i++) {
            char serial[16];
            snprintf(serial, sizeof(serial), "d%u", seen++);
            assert_string_equal(text_at(row(page, "devices", i), "serial"), serial);
            assert_int_equal(json_is_null(json_object_get(row(page, "devices", i), "direct_port")),
                             seen > 2);
        }
        assert_int_equal(json_is_null(json_object_get(page, "next")), answer == 2);
        if (answer < 2)
            query.from = (uint64_t)number_at(page, "next");
        json_decref(page);
    }
    query = (struct stats_query){.devices = 0};
    json_t *page = read_stats(world, query);
    assert_int_equal(rows(page, "devices"), 0);
    assert_int_equal(number_at(page, "next"), 0);
    json_decref(page);
    query = (struct stats_query){.from = INT64_MAX, .devices = 5};
    page = read_stats(world, query);
    assert_int_equal(rows(page, "devices"), 0);
    assert_true(json_is_null(json_object_get(page, "next")));
    json_decref(page);
    world_free(world);
}

static void test_failed_identifications(void **state)
{
    struct ops_world *world = world_create();
    struct failed_identification failed = {
        .utc_ms = 1767225603456,
        .peer = {.ip = {192, 0, 2, 7}, .port = 99, .family = 4},
        .listener = 1,
        .reason = CLOSE_GREETING_TOO_LONG,
        .size = 5000,
        .kept = FAILED_BYTES,
    };

    (void)state;
    memset(failed.why, 'w', sizeof(failed.why) - 1);
    memset(failed.bytes, 0xfe, sizeof(failed.bytes));
    for (unsigned i = 0; i < 30; i++)
        failed_log_add(world->server.failed, &failed);
    json_t *page = read_stats(world, defaults);
    assert_int_equal(rows(page, "failed_identifications"), 20); /* all that are kept */
    const json_t *shown = row(page, "failed_identifications", 0);
    assert_int_equal(number_at(shown, "number"), 30);
    assert_string_equal(text_at(shown, "time"), "2026-01-01T00:00:03.456Z");
    assert_string_equal(text_at(shown, "peer"), "192.0.2.7:99");
    assert_string_equal(text_at(shown, "listener"), "meters");
    assert_string_equal(text_at(shown, "reason"), "greeting/too_long");
    assert_string_equal(text_at(shown, "why"), failed.why);
    assert_int_equal(number_at(shown, "size"), 5000);
    assert_int_equal(strlen(text_at(shown, "bytes_hex")), 2 * FAILED_BYTES);
    assert_memory_equal(text_at(shown, "bytes_hex"), "fefe", 4);
    assert_memory_equal(text_at(shown, "bytes_text"), "\\xfe\\xfe", 8);
    json_decref(page);

    struct stats_query query = {.failed = 3};
    page = read_stats(world, query);
    assert_int_equal(rows(page, "failed_identifications"), 3);
    json_decref(page);
    query.failed = 0;
    page = read_stats(world, query);
    assert_int_equal(rows(page, "failed_identifications"), 0);
    json_decref(page);
    world_free(world);
}

static void test_query(void **state)
{
    struct stats_query query = STATS_QUERY_DEFAULT;
    char error[96] = "";

    (void)state;
    assert_int_equal(stats_query_set(&query, "devices", "10000", error, 96), STATUS_OK);
    assert_int_equal(stats_query_set(&query, "failed", "0", error, 96), STATUS_OK);
    assert_int_equal(stats_query_set(&query, "from", "9223372036854775807", error, 96), STATUS_OK);
    assert_int_equal(query.devices, 10000);
    assert_int_equal(query.failed, 0);
    assert_true(query.from == INT64_MAX);
    assert_string_equal(error, "");
}

static void test_wrong_queries(void **state)
{
    static const struct {
        const char *name;
        const char *value;
        const char *error;
    } wrong[] = {
        {"devices", "10001", "devices: expected a number from 0 to 10000"},
        {"devices", "-1", "devices: expected a number from 0 to 10000"},
        {"devices", "1 ", "devices: expected a number from 0 to 10000"},
        {"devices", "", "devices: expected a number from 0 to 10000"},
        {"failed", NULL, "failed: expected a number from 0 to 10000"},
        {"failed", "99999999999999999999999999", "failed: expected a number from 0 to 10000"},
        {"from", "0x10", "from: expected a position, as `next` told it"},
        {"from", "9223372036854775808", "from: expected a position, as `next` told it"},
        {"from", "18446744073709551616", "from: expected a position, as `next` told it"},
        {"device", "1", "unknown parameter; expected devices, from or failed"},
        {"", NULL, "unknown parameter; expected devices, from or failed"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct stats_query query = STATS_QUERY_DEFAULT;
        char error[96] = "";
        assert_int_equal(stats_query_set(&query, wrong[i].name, wrong[i].value, error, 96),
                         STATUS_INVALID);
        assert_string_equal(error, wrong[i].error);
        assert_memory_equal(&query, &defaults, sizeof(query));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server),
        cmocka_unit_test(test_listeners),
        cmocka_unit_test(test_device),
        cmocka_unit_test(test_text_of_any_bytes),
        cmocka_unit_test(test_pages_of_devices),
        cmocka_unit_test(test_failed_identifications),
        cmocka_unit_test(test_query),
        cmocka_unit_test(test_wrong_queries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
