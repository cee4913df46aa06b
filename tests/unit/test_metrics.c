/* The page /metrics: in order, complete, escaped, and no longer for more devices. */
#include "server/directory/keeper.h"
#include "server/journal/journal.h"
#include "server/ops/metrics.h"
#include "server/redis/redis.h"
#include "tests/unit/exposition.h"
#include "tests/unit/ops_world.h"

static struct exposition exposition;

static void read_metrics(struct ops_world *world)
{
    struct page page = {0};

    metrics_write(&world->server, &page);
    assert_false(page.failed);
    assert_int_equal(strlen(page.text), page.size);
    exposition_read(&exposition, page.text);
    page_free(&page);
}

static void assert_value(const char *series, double value)
{
    double found = exposition_value(&exposition, series);

    if (found < value || found > value)
        fail_msg("%s is %f, expected %f", series, found, value);
}

static bool page_has(double value)
{
    for (size_t i = 0; i < exposition.count; i++) {
        double found = exposition.samples[i].value;
        if (found >= value && found <= value)
            return true;
    }
    return false;
}

/* Gives every counter from first to before end a number of its own; returns how many. */
static size_t number_all(void *first, const void *end, uint64_t number)
{
    _Atomic uint64_t *at = first;
    size_t count = (size_t)((const char *)end - (const char *)first) / sizeof(*at);

    for (size_t i = 0; i < count; i++)
        atomic_store(&at[i], number + i);
    return count;
}

static void assert_all_there(uint64_t number, size_t count, const char *what)
{
    for (size_t i = 0; i < count; i++) {
        if (!page_has((double)(number + i)))
            fail_msg("counter %zu of %s is not on the page", i, what);
    }
}

/* A counter that is added to a struct and forgotten here is found by this. */
static void test_every_counter_is_there(void **state)
{
    struct ops_world *world = world_create();
    struct shard_counters *shard = &world->shards[1].counters;

    (void)state;
    size_t of_shard = number_all(shard, &shard->listeners, 1000000);
    size_t of_reactor = number_all(&world->reactors[0], &world->reactors[1], 2000000);
    size_t of_listener = number_all(&world->counters[0][1], &world->counters[0][2], 3000000);
    read_metrics(world);
    assert_all_there(1000000, of_shard, "struct shard_counters");
    assert_all_there(2000000, of_reactor, "struct reactor_counters");
    assert_all_there(3000000, of_listener, "struct listener_counters");
    world_free(world);
}

static void test_shards_are_told_apart_or_summed(void **state)
{
    struct ops_world *world = world_create();

    (void)state;
    world->shards[0].counters.keepalives = 3;
    world->shards[1].counters.keepalives = 4;
    world->reactors[1].buffers_out[BUFFERS_LARGE] = 5;
    world->shards[0].counters.closed[CLOSE_LINK_IDLE] = 6;
    world->shards[1].counters.closed[CLOSE_LINK_IDLE] = 7;
    world->counters[0][1].accepted = 8;
    world->counters[1][1].accepted = 9;
    world->counters[0][0].in_session = 2;
    read_metrics(world);
    assert_value("cencd_shard_keepalives_total{shard=\"0\"}", 3);
    assert_value("cencd_shard_keepalives_total{shard=\"1\"}", 4);
    assert_value("cencd_reactor_buffers_out{shard=\"1\",group=\"large\"}", 5);
    assert_value("cencd_closed_total{layer=\"link\",cause=\"idle_timeout\"}", 13);
    assert_value("cencd_closed_total{layer=\"peer\",cause=\"reset\"}", 0);
    assert_value("cencd_listener_accepted_total{listener=\"meters\"}", 17);
    assert_value("cencd_listener_accepted_total{listener=\"modems\"}", 0);
    assert_value("cencd_listener_links{listener=\"modems\",state=\"in_session\"}", 2);
    world_free(world);
}

static void test_server_and_directory(void **state)
{
    struct ops_world *world = world_create();
    struct plugin_identity identity = {.serial = "868441", .kind = "irz-modem"};

    (void)state;
    world->server.links = 11;
    world->server.unidentified = 12;
    world->server.sessions = 13;
    (void)world_register(world, &identity, 1);
    read_metrics(world);
    assert_value("cencd_build_info{version=\"" CENCD_VERSION "\",node=\"node1\"}", 1);
    assert_value("process_start_time_seconds", 1767225600.123);
    assert_value("cencd_shards", 2);
    assert_value("cencd_links", 11);
    assert_value("cencd_links_limit", 100);
    assert_value("cencd_unidentified_links", 12);
    assert_value("cencd_unidentified_links_limit", 50);
    assert_value("cencd_sessions", 13);
    assert_value("cencd_sessions_limit", 30);
    assert_value("cencd_devices", 1);
    assert_value("cencd_devices_online", 1);
    assert_value("cencd_devices_in_session", 0);
    assert_value("cencd_devices_limit", 20000);
    assert_value("cencd_direct_ports_leased", 1);
    assert_value("cencd_direct_ports_limit", 2);
    assert_value("cencd_log_lines_dropped_total", 0);
    world_free(world);
}

static void test_accepting(void **state)
{
    struct ops_world *world = world_create();

    (void)state;
    world->listeners[1].max_links = 5;
    world->listener_links[1] = 5;
    read_metrics(world);
    assert_value("cencd_listener_accepting{listener=\"modems\"}", 1);
    assert_value("cencd_listener_accepting{listener=\"meters\"}", 0);
    assert_value("cencd_listener_links_limit{listener=\"meters\"}", 5);
    world->server.unidentified = 50;
    read_metrics(world);
    assert_value("cencd_listener_accepting{listener=\"modems\"}", 0);
    world->server.unidentified = 0;
    world->server.links = 100;
    read_metrics(world);
    assert_value("cencd_listener_accepting{listener=\"modems\"}", 0);
    world->server.links = 0;
    world->server.stopping = true;
    read_metrics(world);
    assert_value("cencd_listener_accepting{listener=\"modems\"}", 0);
    world_free(world);
}

static void test_label_values_are_escaped(void **state)
{
    struct ops_world *world = world_create();

    (void)state;
    snprintf(world->listeners[0].name, sizeof(world->listeners[0].name), "a\"b\\c\nd");
    world->counters[0][0].failed = 3;
    read_metrics(world);
    assert_value("cencd_listener_failed_total{listener=\"a\\\"b\\\\c\\nd\"}", 3);
    world_free(world);
}

static void test_devices_add_no_series(void **state)
{
    struct ops_world *world = world_create();
    struct plugin_identity identity = {.kind = "irz-modem"};

    (void)state;
    read_metrics(world);
    size_t before = exposition.count;
    for (uint32_t i = 1; i <= 500; i++) {
        snprintf(identity.serial, sizeof(identity.serial), "%u", i);
        snprintf(identity.model, sizeof(identity.model), "m%u", i);
        (void)world_register(world, &identity, i);
    }
    read_metrics(world);
    assert_int_equal(exposition.count, before);
    world_free(world);
}

static struct {
    struct journal_counters journal;
    struct keeper_counters keeper;
    struct redis_counters redis;
} durable;

static struct ops_world *world_with_journal(void)
{
    struct ops_world *world = world_create();

    memset(&durable, 0, sizeof(durable));
    world->server.journal_counters = &durable.journal;
    world->server.keeper_counters = &durable.keeper;
    world->server.redis_counters = &durable.redis;
    return world;
}

/* 3 events within a millisecond, 2 in less than 20, 1 that took longer than any bucket. */
static void test_commits_are_a_histogram(void **state)
{
    struct ops_world *world = world_with_journal();
    unsigned to_20 = 0;

    (void)state;
    while (commit_bucket_ms[to_20] < 20)
        to_20++;
    durable.journal.commits[0] = 3;
    durable.journal.commits[to_20] = 2;
    durable.journal.commits[COMMIT_BUCKETS - 1] = 1;
    durable.journal.commit_sum_ms = 7038;
    read_metrics(world);
    assert_value("cencd_journal_commit_seconds_bucket{le=\"0.001\"}", 3);
    assert_value("cencd_journal_commit_seconds_bucket{le=\"0.015\"}", 3);
    assert_value("cencd_journal_commit_seconds_bucket{le=\"0.02\"}", 5);
    assert_value("cencd_journal_commit_seconds_bucket{le=\"5\"}", 5);
    assert_value("cencd_journal_commit_seconds_bucket{le=\"+Inf\"}", 6);
    assert_value("cencd_journal_commit_seconds_sum", 7.038);
    assert_value("cencd_journal_commit_seconds_count", 6);
    world_free(world);
}

/* docs/operations-http.md names every metric and every reason. */
static void test_all_are_documented(void **state)
{
    static char text[1 << 16];
    struct ops_world *world = world_with_journal();
    const char *source = getenv("CENCD_SOURCE"); /* set by ctest */
    char path[4096];
    char wanted[128];

    (void)state;
    snprintf(path, sizeof(path), "%s/docs/operations-http.md", source != NULL ? source : ".");
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t size = fread(text, 1, sizeof(text) - 1, file);
    assert_int_equal(fclose(file), 0);
    assert_true(size < sizeof(text) - 1);
    text[size] = '\0';
    read_metrics(world);
    for (size_t i = 0; i < exposition.count; i++) {
        snprintf(wanted, sizeof(wanted), "`%s", exposition.samples[i].family);
        if (strstr(text, wanted) == NULL)
            fail_msg("%s` is not in %s", wanted, path);
    }
    for (int reason = 0; reason < CLOSE_REASON_COUNT; reason++) {
        snprintf(wanted, sizeof(wanted), "| `%s` | `%s` |", close_layer((enum close_reason)reason),
                 close_cause((enum close_reason)reason));
        if (strstr(text, wanted) == NULL)
            fail_msg("%s is not in %s", wanted, path);
    }
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_counter_is_there),
        cmocka_unit_test(test_shards_are_told_apart_or_summed),
        cmocka_unit_test(test_server_and_directory),
        cmocka_unit_test(test_accepting),
        cmocka_unit_test(test_label_values_are_escaped),
        cmocka_unit_test(test_devices_add_no_series),
        cmocka_unit_test(test_commits_are_a_histogram),
        cmocka_unit_test(test_all_are_documented),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
