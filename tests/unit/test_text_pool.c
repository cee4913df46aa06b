/* The pool of texts: one number for equal texts, also when threads add them at once. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "server/directory/text_pool.h"

#define THREADS 4u
#define TEXTS   3000u /* some chunks */

static struct text_pool pool;

static int make(uint32_t capacity)
{
    struct siphash_key key = siphash_random_key();

    return text_pool_init(&pool, capacity, &key) == STATUS_OK ? 0 : -1;
}

static void test_numbers(void **state)
{
    (void)state;
    assert_int_equal(make(3), 0);
    assert_int_equal(text_pool_find(&pool, "a"), TEXT_POOL_NONE);
    uint32_t a = text_pool_take(&pool, "a");
    uint32_t empty = text_pool_take(&pool, "");
    assert_int_not_equal(a, TEXT_POOL_NONE);
    assert_int_not_equal(empty, TEXT_POOL_NONE);
    assert_int_not_equal(a, empty);
    assert_int_equal(text_pool_take(&pool, "a"), a);
    assert_int_equal(text_pool_find(&pool, "a"), a);
    assert_string_equal(text_pool_text(&pool, a), "a");
    assert_string_equal(text_pool_text(&pool, empty), "");
    assert_string_equal(text_pool_text(&pool, TEXT_POOL_NONE), "");
    text_pool_destroy(&pool);
}

static void test_full(void **state)
{
    (void)state;
    assert_int_equal(make(2), 0);
    uint32_t a = text_pool_take(&pool, "a");
    uint32_t b = text_pool_take(&pool, "b");
    assert_int_equal(text_pool_take(&pool, "c"), TEXT_POOL_NONE);
    assert_int_equal(text_pool_find(&pool, "c"), TEXT_POOL_NONE);
    assert_int_equal(text_pool_take(&pool, "a"), a);
    assert_int_equal(text_pool_take(&pool, "b"), b);
    assert_true(a <= 2 && b <= 2);
    text_pool_destroy(&pool);
}

static void *add_all(void *argument)
{
    uint32_t *numbers = argument;
    char text[16];

    for (uint32_t i = 0; i < TEXTS; i++) {
        (void)snprintf(text, sizeof(text), "text %u", i);
        numbers[i] = text_pool_take(&pool, text);
    }
    return NULL;
}

static void test_threads_agree(void **state)
{
    static uint32_t numbers[THREADS][TEXTS];
    pthread_t threads[THREADS];
    char text[16];

    (void)state;
    assert_int_equal(make(TEXTS), 0);
    for (uint32_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_all, numbers[i]), 0);
    for (uint32_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (uint32_t i = 0; i < TEXTS; i++) {
        (void)snprintf(text, sizeof(text), "text %u", i);
        assert_string_equal(text_pool_text(&pool, numbers[0][i]), text);
        for (uint32_t other = 1; other < THREADS; other++)
            assert_int_equal(numbers[other][i], numbers[0][i]);
    }
    text_pool_destroy(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_threads_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
