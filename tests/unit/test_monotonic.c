/* Waiting until a time: by the clock that nobody sets. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/base/check.h"
#include "server/base/monotonic.h"

static struct {
    pthread_mutex_t lock;
    pthread_cond_t told;
    bool done;
} world = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void *tell(void *argument)
{
    (void)argument;
    CHECK(pthread_mutex_lock(&world.lock) == 0);
    world.done = true;
    CHECK(pthread_cond_signal(&world.told) == 0);
    CHECK(pthread_mutex_unlock(&world.lock) == 0);
    return NULL;
}

/* An hour from now is long ago by the clock of the day. */
static void a_time_that_is_to_come(void **state)
{
    const struct timespec until = monotonic_in_seconds(3600);
    pthread_t teller;
    int result = 0;

    (void)state;
    monotonic_condition_init(&world.told);
    assert_int_equal(pthread_mutex_lock(&world.lock), 0);
    assert_int_equal(pthread_create(&teller, NULL, tell, NULL), 0);
    while (!world.done && result == 0)
        result = pthread_cond_timedwait(&world.told, &world.lock, &until);
    assert_int_equal(pthread_mutex_unlock(&world.lock), 0);
    assert_int_equal(pthread_join(teller, NULL), 0);
    assert_int_equal(pthread_cond_destroy(&world.told), 0);
    assert_int_equal(result, 0);
}

static void a_time_that_has_come(void **state)
{
    const struct timespec until = monotonic_in_seconds(0);
    int result = 0;

    (void)state;
    monotonic_condition_init(&world.told);
    assert_int_equal(pthread_mutex_lock(&world.lock), 0);
    while (result == 0) /* nobody tells: it may wake for nothing */
        result = pthread_cond_timedwait(&world.told, &world.lock, &until);
    assert_int_equal(pthread_mutex_unlock(&world.lock), 0);
    assert_int_equal(pthread_cond_destroy(&world.told), 0);
    assert_int_equal(result, ETIMEDOUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_time_that_is_to_come),
        cmocka_unit_test(a_time_that_has_come),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
