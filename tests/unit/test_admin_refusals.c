/* Refused actions: told at once, then once a minute with how many there were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "server/ops/admin_refusals.h"

static struct admin_refusals refusals;

static int begin(void **state)
{
    (void)state;
    admin_refusals_init(&refusals);
    return 0;
}

static int end(void **state)
{
    (void)state;
    admin_refusals_destroy(&refusals);
    return 0;
}

static uint64_t post(const char *name, const char *resource, uint64_t now_ms)
{
    return admin_refusals_count(&refusals, name, "POST", resource, now_ms);
}

static void test_once_a_minute(void **state)
{
    (void)state;
    assert_int_equal(post("desk", "projects", 5), 1);
    for (uint64_t now_ms = 6; now_ms < 16; now_ms++)
        assert_int_equal(post("desk", "projects", now_ms), 0);
    assert_int_equal(post("desk", "projects", 4 + ADMIN_REFUSAL_MS), 0);
    assert_int_equal(post("desk", "projects", 5 + ADMIN_REFUSAL_MS), 12);
    assert_int_equal(post("desk", "projects", 6 + ADMIN_REFUSAL_MS), 0);
}

static void test_each_by_itself(void **state)
{
    (void)state;
    assert_int_equal(post("desk", "projects", 5), 1);
    assert_int_equal(post("desk", "agents", 5), 1);
    assert_int_equal(post("panel", "projects", 5), 1);
    assert_int_equal(admin_refusals_count(&refusals, "desk", "DELETE", "projects", 5), 1);
    assert_int_equal(post("desk", "projects", 5), 0);
}

/* Whoever was told longest ago gives way; nothing is lost or told twice of the others. */
static void test_more_than_there_is_room_for(void **state)
{
    char name[32];

    (void)state;
    for (uint64_t i = 0; i <= ADMIN_REFUSALS; i++) {
        (void)snprintf(name, sizeof(name), "token%u", (unsigned)i);
        assert_int_equal(post(name, "projects", 1 + i), 1);
    }
    assert_int_equal(post("token1", "projects", 1 + ADMIN_REFUSALS), 0);
    assert_int_equal(post("token0", "projects", 1 + ADMIN_REFUSALS), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_once_a_minute, begin, end),
        cmocka_unit_test_setup_teardown(test_each_by_itself, begin, end),
        cmocka_unit_test_setup_teardown(test_more_than_there_is_room_for, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
