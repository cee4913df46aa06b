/* Counting of unidentified links by source: limits, bounds, removal, threads. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/link/sources.h"

static struct address v4(uint32_t number, uint16_t port)
{
    struct address address = {
        .ip = {10, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number},
        .port = port,
        .family = 4,
    };
    return address;
}

static struct address parse(const char *text)
{
    struct address address;

    assert_int_equal(address_parse(text, &address), STATUS_OK);
    return address;
}

static void test_limit_of_one_address(void **state)
{
    struct sources *sources;
    struct address a = v4(1, 1000);
    struct address b = v4(2, 1000);

    (void)state;
    assert_int_equal(sources_create(3, 100, &sources), STATUS_OK);
    for (uint16_t port = 1; port <= 3; port++) {
        a.port = port; /* another port is no other source */
        assert_true(sources_enter(sources, &a));
    }
    assert_false(sources_enter(sources, &a));
    assert_true(sources_enter(sources, &b));
    sources_leave(sources, &a);
    assert_true(sources_enter(sources, &a));
    assert_false(sources_enter(sources, &a));
    sources_free(sources);
}

static void test_ipv6_counts_by_network(void **state)
{
    struct sources *sources;
    struct address first = parse("[2001:db8:1:2::1]:1");
    struct address neighbour = parse("[2001:db8:1:2:ffff::9]:1");
    struct address other = parse("[2001:db8:1:3::1]:1");

    (void)state;
    assert_int_equal(sources_create(1, 100, &sources), STATUS_OK);
    assert_true(sources_enter(sources, &first));
    assert_false(sources_enter(sources, &neighbour));
    assert_true(sources_enter(sources, &other));
    sources_leave(sources, &neighbour);
    assert_true(sources_enter(sources, &first));
    sources_free(sources);
}

static void test_families_differ(void **state)
{
    struct sources *sources;
    struct address six = parse("[a00:1::]:1"); /* begins with the bytes of 10.0.0.1 */
    struct address four = v4(1, 1);

    (void)state;
    assert_int_equal(sources_create(1, 100, &sources), STATUS_OK);
    assert_true(sources_enter(sources, &six));
    assert_true(sources_enter(sources, &four));
    sources_free(sources);
}

static void test_capacity(void **state)
{
    struct sources *sources;
    struct address address;

    (void)state;
    assert_int_equal(sources_create(10, 500, &sources), STATUS_OK);
    for (uint32_t i = 0; i < 500; i++) {
        address = v4(i, 1);
        assert_true(sources_enter(sources, &address));
    }
    address = v4(500, 1);
    assert_false(sources_enter(sources, &address));
    address = v4(7, 1); /* known ones still count */
    assert_true(sources_enter(sources, &address));
    sources_leave(sources, &address);
    sources_leave(sources, &address);
    address = v4(500, 1);
    assert_true(sources_enter(sources, &address));
    sources_free(sources);
}

/* Against a plain array, in an order that mixes growth, removal and collisions. */
static void test_model(void **state)
{
    enum { ADDRESSES = 4000, LIMIT = 3, STEPS = 200000 };
    static uint8_t counts[ADDRESSES];
    struct sources *sources;
    uint64_t random = 1;

    (void)state;
    assert_int_equal(sources_create(LIMIT, ADDRESSES, &sources), STATUS_OK);
    for (unsigned step = 0; step < STEPS; step++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint32_t number = (uint32_t)(random >> 33) % ADDRESSES;
        struct address address = v4(number * 16, 1);
        if ((random >> 20 & 1) != 0 && counts[number] > 0) {
            sources_leave(sources, &address);
            counts[number]--;
        } else {
            assert_int_equal(sources_enter(sources, &address), counts[number] < LIMIT);
            counts[number] = (uint8_t)(counts[number] < LIMIT ? counts[number] + 1 : LIMIT);
        }
    }
    sources_free(sources);
}

static void *come_and_go(void *argument)
{
    struct sources *sources = argument;

    for (uint32_t round = 0; round < 20; round++) {
        for (uint32_t i = 0; i < 500; i++) {
            struct address address = v4(i, 1);
            if (!sources_enter(sources, &address))
                return argument;
        }
        for (uint32_t i = 0; i < 500; i++) {
            struct address address = v4(i, 1);
            sources_leave(sources, &address);
        }
    }
    return NULL;
}

static void test_threads(void **state)
{
    struct sources *sources;
    pthread_t threads[4];

    (void)state;
    assert_int_equal(sources_create(4, 500, &sources), STATUS_OK);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, sources), 0);
    for (size_t i = 0; i < 4; i++) {
        void *refused;
        assert_int_equal(pthread_join(threads[i], &refused), 0);
        assert_null(refused);
    }
    for (uint32_t i = 1000; i < 1500; i++) { /* nothing was left behind */
        struct address address = v4(i, 1);
        assert_true(sources_enter(sources, &address));
    }
    sources_free(sources);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limit_of_one_address),
        cmocka_unit_test(test_ipv6_counts_by_network),
        cmocka_unit_test(test_families_differ),
        cmocka_unit_test(test_capacity),
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
