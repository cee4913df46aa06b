/* The pool of links: indexes, reuse, growth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/link/link.h"
#include "server/link/pool.h"

#define MANY_LINKS 3000u

static void test_empty(void **state)
{
    struct link_pool pool = {0};

    (void)state;
    assert_int_equal(link_pool_size(&pool), 0);
    assert_null(link_pool_at(&pool, 0));
    link_pool_free(&pool);
}

static void assert_fresh(const struct link *link)
{
    struct link expected;

    memset(&expected, 0, sizeof(expected));
    expected.index = link->index;
    assert_memory_equal(link, &expected, sizeof(expected));
}

static void test_links_stay_where_they_are(void **state)
{
    struct link_pool pool = {0};
    struct link **links = calloc(MANY_LINKS, sizeof(struct link *));

    (void)state;
    assert_non_null(links);
    for (uint32_t i = 0; i < MANY_LINKS; i++) {
        links[i] = link_pool_take(&pool);
        assert_non_null(links[i]);
        assert_fresh(links[i]);
        links[i]->state = LINK_GREETING;
        links[i]->id = i + 1;
    }
    assert_int_equal(link_pool_size(&pool), MANY_LINKS);
    for (uint32_t i = 0; i < MANY_LINKS; i++) {
        assert_int_equal(links[i]->index, i);
        assert_int_equal(links[i]->id, i + 1);
        assert_ptr_equal(link_pool_at(&pool, i), links[i]);
    }
    assert_null(link_pool_at(&pool, MANY_LINKS));
    free(links);
    link_pool_free(&pool);
}

static void test_given_links_come_back_zeroed(void **state)
{
    struct link_pool pool = {0};
    struct link *first = link_pool_take(&pool);
    struct link *second = link_pool_take(&pool);

    (void)state;
    memset(first->plugin_state, 0xab, sizeof(first->plugin_state));
    first->id = 7;
    first->state = LINK_GONE;
    second->id = 8;
    link_pool_give(&pool, first);
    assert_int_equal(first->id, 0); /* nobody finds what was there */
    assert_int_equal(first->state, LINK_FREE);
    assert_ptr_equal(link_pool_at(&pool, 0), first);
    link_pool_give(&pool, second);

    struct link *again[2] = {link_pool_take(&pool), link_pool_take(&pool)};
    assert_true(again[0] != again[1]);
    for (size_t i = 0; i < 2; i++) {
        assert_true(again[i] == first || again[i] == second);
        assert_fresh(again[i]);
    }
    assert_int_equal(link_pool_size(&pool), 2);
    link_pool_free(&pool);
}

static void test_churn_does_not_grow(void **state)
{
    struct link_pool pool = {0};
    struct link *held[10] = {0};

    (void)state;
    for (unsigned round = 0; round < 10000; round++) {
        struct link **place = &held[round * 7 % 10];
        if (*place != NULL)
            link_pool_give(&pool, *place);
        *place = link_pool_take(&pool);
        assert_non_null(*place);
        (*place)->id = round + 1;
    }
    assert_int_equal(link_pool_size(&pool), 10);
    link_pool_free(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_links_stay_where_they_are),
        cmocka_unit_test(test_given_links_come_back_zeroed),
        cmocka_unit_test(test_churn_does_not_grow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
