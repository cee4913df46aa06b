/* The numbers of journal, store and Redis: each counter under its own name, nothing of what isn't
 * there. */
#include "server/ops/durable_numbers.h"

#include "server/directory/keeper.h"
#include "server/journal/journal.h"
#include "server/redis/redis.h"
#include "tests/unit/exposition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct journal_counters journal;
static struct keeper_counters keeper;
static struct redis_counters redis;
static struct server server;
static struct exposition exposition;

static int start(void **state)
{
    (void)state;
    memset(&journal, 0, sizeof(journal));
    memset(&keeper, 0, sizeof(keeper));
    memset(&redis, 0, sizeof(redis));
    server = (struct server){
        .journal_counters = &journal, .keeper_counters = &keeper, .redis_counters = &redis};
    journal.durable = true;
    return 0;
}

static void read_page(void)
{
    struct page page = {.text = NULL};

    durable_metrics(&server, &page);
    assert_false(page.failed);
    exposition_read(&exposition, page.text != NULL ? page.text : "");
    page_free(&page);
}

static void assert_value(const char *series, double expected)
{
    double value = exposition_value(&exposition, series);

    if (value != expected)
        fail_msg("%s is %f, not %f", series, value, expected);
}

static void test_journal(void **state)
{
    (void)state;
    journal.committed = 1;
    journal.oldest = 2;
    journal.records = 3;
    journal.bytes = 4;
    journal.groups = 5;
    journal.failures = 6;
    journal.segments = 7;
    journal.disk_bytes = 8;
    journal.queued_bytes = 9;
    journal.forced_segments = 10;
    journal.committed_utc_ms = 1700000000123;
    for (int class = 0; class < 3; class ++)
        journal.refused[class] = 11 + (unsigned)class;
    read_page();
    assert_value("cencd_journal_durable", 1);
    assert_value("cencd_journal_committed_sequence", 1);
    assert_value("cencd_journal_oldest_sequence", 2);
    assert_value("cencd_journal_records_total", 3);
    assert_value("cencd_journal_written_bytes_total", 4);
    assert_value("cencd_journal_groups_total", 5);
    assert_value("cencd_journal_failures_total", 6);
    assert_value("cencd_journal_segments", 7);
    assert_value("cencd_journal_disk_bytes", 8);
    assert_value("cencd_journal_queued_bytes", 9);
    assert_value("cencd_journal_forced_segments_total", 10);
    assert_value("cencd_journal_commit_timestamp_seconds", 1700000000.123);
    assert_value("cencd_journal_refused_total{class=\"first\"}", 11);
    assert_value("cencd_journal_refused_total{class=\"normal\"}", 12);
    assert_value("cencd_journal_refused_total{class=\"later\"}", 13);
}

static void test_store(void **state)
{
    (void)state;
    keeper.sequence = 1;
    keeper.records = 2;
    keeper.batches = 3;
    keeper.failures = 4;
    keeper.waits = 6;
    keeper.rewrites = 5;
    keeper.failing = true;
    read_page();
    assert_value("cencd_store_sequence", 1);
    assert_value("cencd_store_records_total", 2);
    assert_value("cencd_store_batches_total", 3);
    assert_value("cencd_store_waits_total", 6);
    assert_value("cencd_store_failures_total", 4);
    assert_value("cencd_store_rewrites_total", 5);
    assert_value("cencd_store_failing", 1);
}

static void test_redis(void **state)
{
    (void)state;
    redis.state = REDIS_REBUILDING;
    redis.up = true;
    redis.sequence = 1;
    redis.records = 2;
    redis.batches = 3;
    redis.commands = 4;
    redis.errors = 5;
    redis.damaged = 6;
    redis.replaced = 7;
    redis.rebuilds = 8;
    read_page();
    assert_value("cencd_redis_up", 1);
    assert_value("cencd_redis_state{state=\"waiting\"}", 0);
    assert_value("cencd_redis_state{state=\"connecting\"}", 0);
    assert_value("cencd_redis_state{state=\"rebuilding\"}", 1);
    assert_value("cencd_redis_state{state=\"following\"}", 0);
    assert_value("cencd_redis_state{state=\"stopping\"}", 0);
    assert_value("cencd_redis_sequence", 1);
    assert_value("cencd_redis_records_total", 2);
    assert_value("cencd_redis_batches_total", 3);
    assert_value("cencd_redis_commands_total", 4);
    assert_value("cencd_redis_errors_total", 5);
    assert_value("cencd_redis_damaged_total", 6);
    assert_value("cencd_redis_replaced_total", 7);
    assert_value("cencd_redis_rebuilds_total", 8);
}

/* Redis may have been asked for its sequence before the journal's counter was read: never below
 * zero. */
static void test_lag(void **state)
{
    (void)state;
    journal.committed = 100;
    redis.sequence = 40;
    read_page();
    assert_value("cencd_redis_lag", 60);
    redis.sequence = 101;
    read_page();
    assert_value("cencd_redis_lag", 0);
}

static void test_what_is_not_there(void **state)
{
    (void)state;
    server.redis_counters = NULL;
    read_page();
    for (size_t i = 0; i < exposition.count; i++)
        assert_null(strstr(exposition.samples[i].family, "redis"));
    server.journal_counters = NULL;
    server.keeper_counters = NULL;
    read_page();
    assert_int_equal(exposition.count, 0);
}

static json_int_t integer(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

static void test_stats(void **state)
{
    (void)state;
    journal.committed = 10;
    journal.oldest = 2;
    journal.queued_bytes = 9;
    redis.state = REDIS_FOLLOWING;
    redis.sequence = 7;
    redis.errors = 5;
    redis.rebuilds = 8;
    json_t *object = durable_journal_stats(&server);
    assert_true(json_is_true(json_object_get(object, "durable")));
    assert_int_equal(integer(object, "committed"), 10);
    assert_int_equal(integer(object, "oldest"), 2);
    assert_int_equal(integer(object, "queued_bytes"), 9);
    json_decref(object);
    object = durable_redis_stats(&server);
    assert_string_equal(json_string_value(json_object_get(object, "state")), "following");
    assert_true(json_is_false(json_object_get(object, "up")));
    assert_int_equal(integer(object, "sequence"), 7);
    assert_int_equal(integer(object, "lag"), 3);
    assert_int_equal(integer(object, "errors"), 5);
    assert_int_equal(integer(object, "rebuilds"), 8);
    json_decref(object);
}

static void test_durable(void **state)
{
    (void)state;
    assert_true(durable_is_durable(&server));
    journal.durable = false;
    assert_false(durable_is_durable(&server));
    read_page();
    assert_value("cencd_journal_durable", 0);
    server.journal_counters = NULL;
    server.redis_counters = NULL;
    assert_true(durable_is_durable(&server)); /* nothing is to be recorded */
    assert_true(json_is_null(durable_journal_stats(&server)));
    assert_true(json_is_null(durable_redis_stats(&server)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_journal, start),
        cmocka_unit_test_setup(test_store, start),
        cmocka_unit_test_setup(test_redis, start),
        cmocka_unit_test_setup(test_lag, start),
        cmocka_unit_test_setup(test_what_is_not_there, start),
        cmocka_unit_test_setup(test_stats, start),
        cmocka_unit_test_setup(test_durable, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
