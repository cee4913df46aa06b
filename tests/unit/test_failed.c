/* The list of failed identifications: order, bound, readers beside writers. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/link/failed.h"

static void add(struct failed_log *log, uint32_t size)
{
    struct failed_identification entry = {
        .number = 99, /* the log's own business */
        .utc_ms = 1000 + size,
        .listener = 3,
        .reason = CLOSE_GREETING_UNKNOWN,
        .why = "expected a hello",
        .size = size,
        .kept = 2,
        .bytes = {0xff, (uint8_t)size},
    };
    failed_log_add(log, &entry);
}

static void test_newest_first(void **state)
{
    struct failed_identification entries[10];
    struct failed_log *log;

    (void)state;
    assert_int_equal(failed_log_create(5, &log), STATUS_OK);
    assert_int_equal(failed_log_read(log, entries, 10), 0);
    for (uint32_t i = 1; i <= 3; i++)
        add(log, i);
    assert_int_equal(failed_log_read(log, entries, 10), 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(entries[i].number, 3 - i);
        assert_int_equal(entries[i].size, 3 - i);
        assert_int_equal(entries[i].bytes[1], 3 - i);
        assert_int_equal(entries[i].utc_ms, 1003 - i);
        assert_int_equal(entries[i].listener, 3);
        assert_int_equal(entries[i].reason, CLOSE_GREETING_UNKNOWN);
        assert_string_equal(entries[i].why, "expected a hello");
    }
    assert_int_equal(failed_log_read(log, entries, 2), 2);
    assert_int_equal(entries[1].number, 2);
    assert_int_equal(failed_log_read(log, entries, 0), 0);
    failed_log_free(log);
}

static void test_forgets_the_oldest(void **state)
{
    enum { CAPACITY = 200, ADDED = 777 };
    static struct failed_identification entries[CAPACITY + 1];
    struct failed_log *log;

    (void)state;
    assert_int_equal(failed_log_create(CAPACITY, &log), STATUS_OK);
    for (uint32_t i = 1; i <= ADDED; i++)
        add(log, i);
    assert_int_equal(failed_log_read(log, entries, CAPACITY + 1), CAPACITY);
    for (uint32_t i = 0; i < CAPACITY; i++) {
        assert_int_equal(entries[i].number, ADDED - i);
        assert_int_equal(entries[i].size, ADDED - i);
    }
    failed_log_free(log);
}

static void test_capacity_one(void **state)
{
    struct failed_identification entry;
    struct failed_log *log;

    (void)state;
    assert_int_equal(failed_log_create(1, &log), STATUS_OK);
    add(log, 1);
    add(log, 2);
    assert_int_equal(failed_log_read(log, &entry, 1), 1);
    assert_int_equal(entry.number, 2);
    failed_log_free(log);
}

static void *write_many(void *argument)
{
    for (uint32_t i = 0; i < 5000; i++)
        add(argument, i);
    return NULL;
}

static void test_threads(void **state)
{
    static struct failed_identification entries[300];
    struct failed_log *log;
    pthread_t writers[3];

    (void)state;
    assert_int_equal(failed_log_create(300, &log), STATUS_OK);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&writers[i], NULL, write_many, log), 0);
    for (unsigned round = 0; round < 50; round++) {
        size_t count = failed_log_read(log, entries, 300);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(entries[i].bytes[1], (uint8_t)entries[i].size);
            assert_true(i == 0 || entries[i].number == entries[i - 1].number - 1);
        }
    }
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pthread_join(writers[i], NULL), 0);
    assert_int_equal(failed_log_read(log, entries, 300), 300);
    assert_int_equal(entries[0].number, 15000);
    failed_log_free(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_newest_first),
        cmocka_unit_test(test_forgets_the_oldest),
        cmocka_unit_test(test_capacity_one),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
