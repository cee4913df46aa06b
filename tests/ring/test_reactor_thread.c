/* A thread with a reactor of its own: where things run, in which order they end, and that it takes
 * no signals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

#include "server/reactor/thread.h"

#define SLOTS 32u

struct part {
    struct reactor_thread thread;
    struct timer timer;
    pthread_t ran_in;
    enum status answer; /* of begin */
    unsigned begun;
    unsigned stops;
    unsigned asked;   /* whether it is quiet */
    bool told_before; /* it was asked before it was to stop */
    bool signals_blocked;
    bool quiet;
};

static const struct reactor_config config = {
    .limits = {.slots = SLOTS,
               .reserved_slots = 1,
               .buffer_count = {16, 4},
               .buffer_size = {4096, 65536}},
};

static struct part *of(const struct reactor_thread *thread)
{
    return container_of(thread, struct part, thread);
}

static void fired(struct timer *timer)
{
    container_of(timer, struct part, timer)->quiet = true;
}

static enum status begin(struct reactor_thread *thread, struct kernel_error *error)
{
    struct part *part = of(thread);
    sigset_t mask;

    part->begun++;
    part->ran_in = pthread_self();
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &mask), 0);
    part->signals_blocked = sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGHUP) == 1;
    timer_init(&part->timer, fired);
    if (part->answer != STATUS_OK)
        (void)strcpy(error->text, "it has a cold");
    return part->answer;
}

/* What this begins takes some turns. */
static void stop(struct reactor_thread *thread)
{
    of(thread)->stops++;
    timer_start_fine(thread->reactor, &of(thread)->timer, 50);
}

static bool quiet(const struct reactor_thread *thread)
{
    of(thread)->asked++;
    of(thread)->told_before |= of(thread)->stops == 0;
    return of(thread)->quiet;
}

static const struct reactor_thread_ops ops = {.begin = begin, .stop = stop, .quiet = quiet};

static void test_life(void **state)
{
    struct part part = {.answer = STATUS_OK};
    struct kernel_error error = {0};

    (void)state;
    assert_int_equal(reactor_thread_start(&part.thread, &ops, &config, &error), STATUS_OK);
    assert_int_equal(part.begun, 1);
    assert_true(part.signals_blocked);
    assert_false(pthread_equal(part.ran_in, pthread_self()));
    reactor_thread_stop(&part.thread);
    assert_int_equal(part.stops, 1);
    assert_true(part.quiet);
    assert_true(part.asked > 0);
    assert_false(part.told_before);
    kernel_wake(NULL, reactor_kernel(part.thread.reactor)); /* it is still there */
    reactor_thread_free(&part.thread);
}

/* The caller's own signals are as they were. */
static void test_signals(void **state)
{
    struct part part = {.answer = STATUS_OK};
    struct kernel_error error = {0};
    sigset_t before;
    sigset_t after;

    (void)state;
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &before), 0);
    assert_int_equal(reactor_thread_start(&part.thread, &ops, &config, &error), STATUS_OK);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &after), 0);
    for (int number = 1; number < SIGRTMIN; number++)
        assert_int_equal(sigismember(&after, number), sigismember(&before, number));
    reactor_thread_stop(&part.thread);
    reactor_thread_free(&part.thread);
}

static void test_no_beginning(void **state)
{
    struct part part = {.answer = STATUS_INVALID};
    struct kernel_error error = {0};

    (void)state;
    assert_int_equal(reactor_thread_start(&part.thread, &ops, &config, &error), STATUS_INVALID);
    assert_string_equal(error.text, "it has a cold");
    assert_int_equal(part.stops, 0);
    reactor_destroy(part.thread.reactor); /* the thread has ended */
}

/* A table of slots is bounded by the limit on descriptors. */
static void test_no_reactor(void **state)
{
    struct rlimit before;
    struct part part = {.answer = STATUS_OK};
    struct kernel_error error = {0};

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit few = {.rlim_cur = SLOTS - 1, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    assert_int_equal(reactor_thread_start(&part.thread, &ops, &config, &error), STATUS_SYSTEM);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(part.begun, 0);
    assert_int_not_equal(error.text[0], '\0');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_signals),
        cmocka_unit_test(test_no_beginning),
        cmocka_unit_test(test_no_reactor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
