/* The reactor over the real ring: timers, files, slow work, and words from other threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/ring/bed.h"

static const struct bed_limits ordinary = {
    .slots = 16, .reserved_slots = 1, .small_count = 4, .large_count = 1};

/* ---- timers ---- */

#define CLOCKS 8u

static struct {
    unsigned order[CLOCKS * 4];
    unsigned fired;
} alarms;

struct clock {
    struct timer timer;
    struct reactor *reactor;
    uint64_t earliest_ms;
    unsigned number;
    unsigned again; /* times it restarts itself */
};

static void fire(struct timer *timer)
{
    struct clock *clock = container_of(timer, struct clock, timer);
    assert_false(timer_running(timer));
    assert_true(reactor_now_ms(clock->reactor) >= clock->earliest_ms);
    alarms.order[alarms.fired++] = clock->number;
    if (clock->again > 0) {
        clock->again--;
        clock->earliest_ms = reactor_now_ms(clock->reactor) + 10;
        timer_start_fine(clock->reactor, timer, 10);
    }
}

static void clock_start(struct clock *clock, struct bed *bed, unsigned number, uint32_t delay_ms,
                        bool fine)
{
    clock->reactor = bed->reactor;
    clock->number = number;
    clock->again = 0;
    clock->earliest_ms = reactor_now_ms(bed->reactor) + delay_ms;
    timer_init(&clock->timer, fire);
    if (fine)
        timer_start_fine(bed->reactor, &clock->timer, delay_ms);
    else
        timer_start(bed->reactor, &clock->timer, delay_ms);
    assert_true(timer_running(&clock->timer));
}

static void test_fine_timers(void **state)
{
    (void)state;
    static const uint32_t delays_ms[CLOCKS] = {70, 10, 50, 30, 80, 20, 60, 40};
    struct bed *bed = bed_open(&ordinary, 1);
    struct clock clocks[CLOCKS];
    memset(&alarms, 0, sizeof alarms);
    for (unsigned i = 0; i < CLOCKS; i++)
        clock_start(&clocks[i], bed, delays_ms[i], delays_ms[i], true);
    timer_stop(&clocks[2].timer);
    timer_stop(&clocks[2].timer); /* harmless */
    clocks[1].again = 2;
    BED_UNTIL(bed, alarms.fired == CLOCKS - 1 + 2);
    unsigned last = 0;
    for (unsigned i = 0; i < alarms.fired; i++) {
        assert_int_not_equal(alarms.order[i], 50);
        if (alarms.order[i] == 10)
            continue; /* came again in between */
        assert_true(alarms.order[i] > last);
        last = alarms.order[i];
    }
    bed_close(bed);
}

static void test_wheel_timers(void **state)
{
    (void)state;
    struct bed *bed = bed_open(&ordinary, 1);
    struct clock clocks[4];
    memset(&alarms, 0, sizeof alarms);
    clock_start(&clocks[0], bed, 3, 2500, false);
    clock_start(&clocks[1], bed, 1, 0, false);
    clock_start(&clocks[2], bed, 2, 1100, false);
    clock_start(&clocks[3], bed, 9, 1000000, false);
    timer_start(bed->reactor, &clocks[3].timer, 2000000); /* anew, in another round of the wheel */
    BED_UNTIL(bed, alarms.fired == 3);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(alarms.order[i], i + 1);
    assert_true(timer_running(&clocks[3].timer));
    timer_stop(&clocks[3].timer);
    bed_close(bed);
}

/* ---- files ---- */

struct act {
    struct operation operation;
    bool done;
    int32_t result;
};

static void act_done(struct operation *operation, int32_t result)
{
    struct act *act = container_of(operation, struct act, operation);
    assert_false(act->done);
    act->done = true;
    act->result = result;
}

static struct act *act_new(struct act *act)
{
    memset(act, 0, sizeof *act);
    act->operation.done = act_done;
    return act;
}

static int32_t act_result(struct bed *bed, const struct act *act, enum status status)
{
    assert_int_equal(status, STATUS_OK);
    BED_UNTIL(bed, act->done);
    return act->result;
}

static void test_files(void **state)
{
    (void)state;
    char folder[] = "/tmp/cencd-ring-XXXXXX";
    char path[64];
    uint8_t out[10000];
    uint8_t in[sizeof out];
    struct act act;
    struct bed *bed = bed_open(&ordinary, 1);
    struct reactor *reactor = bed->reactor;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/file", folder);
    pattern_fill(7, 0, out, sizeof out);
    struct operation *operation = &act_new(&act)->operation;
    int file =
        act_result(bed, &act, file_open(reactor, operation, path, O_RDWR | O_CREAT | O_EXCL, 0600));
    assert_true(file >= 0);
    operation = &act_new(&act)->operation;
    assert_int_equal(
        act_result(bed, &act, file_write(reactor, operation, file, out, sizeof out, 5)),
        sizeof out);
    operation = &act_new(&act)->operation;
    assert_int_equal(act_result(bed, &act, file_sync(reactor, operation, file)), 0);
    operation = &act_new(&act)->operation;
    assert_int_equal(act_result(bed, &act, file_read(reactor, operation, file, in, sizeof in, 5)),
                     sizeof in);
    assert_memory_equal(in, out, sizeof in);
    operation = &act_new(&act)->operation;
    assert_int_equal(
        act_result(bed, &act, file_read(reactor, operation, file, in, sizeof in, 5 + sizeof out)),
        0); /* the end */
    operation = &act_new(&act)->operation;
    assert_int_equal(act_result(bed, &act, file_close(reactor, operation, file)), 0);
    operation = &act_new(&act)->operation;
    assert_int_equal(act_result(bed, &act, file_sync(reactor, operation, file)), -EBADF);
    (void)snprintf(path, sizeof path, "%s/file/none", folder);
    operation = &act_new(&act)->operation;
    assert_int_equal(act_result(bed, &act, file_open(reactor, operation, path, O_RDONLY, 0)),
                     -ENOTDIR);
    (void)snprintf(path, sizeof path, "%s/file", folder);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
    bed_close(bed);
}

/* ---- slow work ---- */

#define WORKS 100u

struct work_item {
    struct act act;
    pthread_t thread;
    unsigned ran;
};

static void slow(void *argument)
{
    struct work_item *item = argument;
    item->thread = pthread_self();
    item->ran++;
}

static bool all_done(const struct work_item *items)
{
    for (unsigned i = 0; i < WORKS; i++)
        if (!items[i].act.done)
            return false;
    return true;
}

static void test_work(void **state)
{
    (void)state;
    static struct work_item items[WORKS];
    for (int round = 0; round < 2; round++) { /* the helper thread ends with the last ring */
        struct bed *bed = bed_open(&ordinary, 1);
        for (unsigned i = 0; i < WORKS; i++) {
            items[i].ran = 0;
            assert_int_equal(
                reactor_work(bed->reactor, &act_new(&items[i].act)->operation, slow, &items[i]),
                STATUS_OK);
        }
        BED_UNTIL(bed, all_done(items));
        for (unsigned i = 0; i < WORKS; i++) {
            assert_int_equal(items[i].ran, 1);
            assert_int_equal(items[i].act.result, 0);
            assert_false(pthread_equal(items[i].thread, pthread_self()));
        }
        bed_close(bed);
    }
}

static sem_t gate;

static void wait_at_gate(void *argument)
{
    (void)argument;
    while (sem_wait(&gate) != 0) {
    }
}

/* What waits for somebody, a name server for instance, doesn't stand before what computes. */
static void test_what_computes_goes_past_what_waits(void **state)
{
    (void)state;
    static struct work_item items[WORKS];
    struct act waits;
    struct bed *bed = bed_open(&ordinary, 1);
    assert_int_equal(sem_init(&gate, 0, 0), 0);
    assert_int_equal(reactor_work(bed->reactor, &act_new(&waits)->operation, wait_at_gate, NULL),
                     STATUS_OK);
    for (unsigned i = 0; i < WORKS; i++) {
        items[i].ran = 0;
        assert_int_equal(
            reactor_compute(bed->reactor, &act_new(&items[i].act)->operation, slow, &items[i]),
            STATUS_OK);
    }
    BED_UNTIL(bed, all_done(items));
    assert_false(waits.done);
    assert_int_equal(sem_post(&gate), 0);
    BED_UNTIL(bed, waits.done);
    for (unsigned i = 0; i < WORKS; i++)
        assert_int_equal(items[i].ran, 1);
    bed_close(bed);
    assert_int_equal(sem_destroy(&gate), 0);
}

#define LAST_WORKS 300u
#define ROOM_TRIES 3000u

/* The kernel takes a ring down a while after it was closed. Until then its memory counts as locked
 * by this user, who may lock little if he isn't root. */
static struct reactor *make_small(void)
{
    static const struct reactor_config config = {
        .limits = {
            .slots = 4, .reserved_slots = 1, .buffer_count = {2, 2}, .buffer_size = {64, 64}}};
    const struct timespec pause = {.tv_nsec = 10000000};
    struct kernel_error error;
    struct reactor *reactor = NULL;
    for (unsigned i = 0; i < ROOM_TRIES; i++) {
        if (reactor_create(&config, &reactor, &error) == STATUS_OK)
            return reactor;
        assert_int_equal(error.error, ENOMEM);
        (void)nanosleep(&pause, NULL);
    }
    fail_msg("%s", error.text);
    return NULL;
}

/* At a stop the helper thread lives on for others, while a ring goes as soon as its last work is
 * done: in between the helper wrote to the event descriptor of a ring that was gone. It takes a
 * sanitizer to see it. */
static void test_a_ring_goes_after_its_last_work(void **state)
{
    (void)state;
    struct bed *other = bed_open(&ordinary, 1);
    for (unsigned i = 0; i < LAST_WORKS; i++) {
        static struct work_item item;
        struct reactor *reactor = make_small();
        item.ran = 0;
        assert_int_equal(reactor_work(reactor, &act_new(&item.act)->operation, slow, &item),
                         STATUS_OK);
        while (!item.act.done)
            reactor_turn(reactor, 0);
        reactor_destroy(reactor);
        assert_int_equal(item.ran, 1);
    }
    bed_close(other);
}

/* ---- words from a thread without a reactor ---- */

#define WORDS 20000u

struct word {
    struct message message;
    unsigned number;
};

static struct {
    struct reactor *to;
    struct word words[WORDS];
    unsigned delivered;
    bool disordered;
} talk;

static void word_deliver(struct message *message, struct reactor *reactor)
{
    const struct word *word = container_of(message, struct word, message);
    if (word->number != talk.delivered || reactor != talk.to)
        talk.disordered = true;
    talk.delivered++;
}

static void *talker_main(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < WORDS; i++) {
        talk.words[i].number = i;
        talk.words[i].message.deliver = word_deliver;
        reactor_post(NULL, talk.to, &talk.words[i].message);
    }
    return NULL;
}

static void test_post_from_a_foreign_thread(void **state)
{
    (void)state;
    struct bed *bed = bed_open(&ordinary, 1);
    pthread_t talker;
    talk.to = bed->reactor;
    assert_int_equal(pthread_create(&talker, NULL, talker_main, NULL), 0);
    while (talk.delivered < WORDS)
        reactor_turn(bed->reactor, -1); /* a word must end the wait */
    assert_int_equal(pthread_join(talker, NULL), 0);
    assert_false(talk.disordered);
    bed_close(bed);
}

/* A word to oneself is delivered in a later turn, without waiting. */
static void test_post_to_itself(void **state)
{
    (void)state;
    struct bed *bed = bed_open(&ordinary, 1);
    memset(&talk, 0, sizeof talk);
    talk.to = bed->reactor;
    talk.words[0].message.deliver = word_deliver;
    reactor_post(bed->reactor, bed->reactor, &talk.words[0].message);
    assert_int_equal(talk.delivered, 0);
    reactor_turn(bed->reactor, -1);
    assert_int_equal(talk.delivered, 1);
    bed_close(bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fine_timers),
        cmocka_unit_test(test_wheel_timers),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_work),
        cmocka_unit_test(test_what_computes_goes_past_what_waits),
        cmocka_unit_test(test_a_ring_goes_after_its_last_work),
        cmocka_unit_test(test_post_from_a_foreign_thread),
        cmocka_unit_test(test_post_to_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
