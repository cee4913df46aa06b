/* The thread of a registration plugin: one that answers, one that hangs, what it is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <semaphore.h>

#include "server/northbound/plugin_thread.h"

struct bed {
    sem_t answered;
    sem_t called;
    sem_t go; /* a plugin that hangs waits for it */
    bool hangs;
    enum plugin_answer answer;
    const char *why;
    unsigned calls;
    struct plugin_facts facts;
    char serial[64];
    char reason[64];
};

static enum plugin_answer tell(void *instance, const struct plugin_facts *facts, const char **why)
{
    struct bed *bed = instance;

    bed->calls++;
    bed->facts = *facts;
    (void)strncpy(bed->serial, facts->serial, sizeof(bed->serial) - 1);
    (void)strncpy(bed->reason, facts->reason, sizeof(bed->reason) - 1);
    *why = bed->why;
    sem_post(&bed->called);
    if (bed->hangs)
        sem_wait(&bed->go);
    return bed->answer;
}

static const struct plugin plugin = {.name = "bed", .tell = tell};

static void answered(void *context)
{
    sem_post(&((struct bed *)context)->answered);
}

static struct plugin_thread *start(struct bed *bed)
{
    struct config_plugin config = {.plugin = &plugin, .instance = bed};
    struct plugin_thread *thread = NULL;

    assert_int_equal(sem_init(&bed->answered, 0, 0), 0);
    assert_int_equal(sem_init(&bed->called, 0, 0), 0);
    assert_int_equal(sem_init(&bed->go, 0, 0), 0);
    assert_int_equal(plugin_thread_start(&config, answered, bed, &thread), STATUS_OK);
    return thread;
}

static void set(struct plugin_thread *thread, const char *serial)
{
    Cenc__V1__Event event = CENC__V1__EVENT__INIT;
    Cenc__V1__Device device = CENC__V1__DEVICE__INIT;
    Cenc__V1__Disconnected body = CENC__V1__DISCONNECTED__INIT;
    Cenc__V1__CloseReason reason = CENC__V1__CLOSE_REASON__INIT;

    device.serial = (char *)(uintptr_t)serial;
    reason.layer = (char *)(uintptr_t) "peer";
    reason.cause = (char *)(uintptr_t) "closed";
    body.reason = &reason;
    event.device = &device;
    event.link_epoch = 3;
    event.body_case = CENC__V1__EVENT__BODY_DISCONNECTED;
    event.disconnected = &body;
    plugin_telling_of_event(plugin_thread_telling(thread), &event, 7);
}

static void test_it_is_told_and_answers(void **state)
{
    struct bed bed = {.answer = PLUGIN_REFUSED, .why = "no"};
    struct plugin_thread *thread = start(&bed);

    (void)state;
    set(thread, "42");
    plugin_thread_ask(thread);
    sem_wait(&bed.answered);
    struct plugin_reply reply = plugin_thread_reply(thread);
    assert_int_equal(reply.answer, PLUGIN_REFUSED);
    assert_string_equal(reply.why, "no");
    assert_int_equal(bed.facts.what, PLUGIN_FACT_DISCONNECTED);
    assert_int_equal(bed.facts.sequence, 7);
    assert_int_equal(bed.facts.link_epoch, 3);
    assert_int_equal(bed.facts.signal_csq, PLUGIN_SIGNAL_UNKNOWN);
    assert_string_equal(bed.serial, "42");
    assert_string_equal(bed.reason, "peer closed");
    /* nothing said is said as nothing */
    assert_string_equal(bed.facts.model, "");
    plugin_thread_stop(thread);
    plugin_thread_join(thread);
}

/* What it was told stays until it is told something else. */
static void test_the_same_is_asked_again(void **state)
{
    struct bed bed = {.answer = PLUGIN_LATER};
    struct plugin_thread *thread = start(&bed);

    (void)state;
    set(thread, "42");
    for (unsigned i = 0; i < 3; i++) {
        bed.serial[0] = '\0';
        plugin_thread_ask(thread);
        sem_wait(&bed.answered);
        assert_string_equal(bed.serial, "42");
        assert_string_equal(plugin_thread_reply(thread).why, ""); /* it gave no reason */
    }
    assert_int_equal(bed.calls, 3);
    plugin_thread_stop(thread);
    plugin_thread_join(thread);
}

/* Not even the end of the thread is waited for; and nobody is called afterwards. */
static void test_who_hangs_is_left(void **state)
{
    static struct bed bed = {.hangs = true}; /* its thread goes on after this test */
    struct plugin_thread *thread = start(&bed);
    int count;

    (void)state;
    set(thread, "42");
    plugin_thread_ask(thread);
    sem_wait(&bed.called);
    plugin_thread_stop(thread);
    assert_true(plugin_thread_leave(thread));
    sem_post(&bed.go);
    sem_getvalue(&bed.answered, &count);
    assert_int_equal(count, 0);
}

static void test_who_has_answered_is_not_left(void **state)
{
    struct bed bed = {.answer = PLUGIN_DONE};
    struct plugin_thread *thread = start(&bed);

    (void)state;
    set(thread, "42");
    plugin_thread_ask(thread);
    sem_wait(&bed.answered);
    assert_false(plugin_thread_leave(thread));
    plugin_thread_stop(thread);
    plugin_thread_join(thread);
}

static void test_which_events_are_told(void **state)
{
    enum plugin_fact what;

    (void)state;
    assert_true(plugin_fact_of(CENC__V1__EVENT__BODY_DEVICE_ADDED, &what));
    assert_int_equal(what, PLUGIN_FACT_NEW);
    assert_true(plugin_fact_of(CENC__V1__EVENT__BODY_DEVICE_MOVED, &what));
    assert_int_equal(what, PLUGIN_FACT_CHANGED);
    assert_true(plugin_fact_of(CENC__V1__EVENT__BODY_DEVICE_REMOVED, &what));
    assert_int_equal(what, PLUGIN_FACT_GONE);
    assert_false(plugin_fact_of(CENC__V1__EVENT__BODY_SECURITY_EVENT, &what));
    assert_false(plugin_fact_of(CENC__V1__EVENT__BODY__NOT_SET, &what));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_is_told_and_answers),
        cmocka_unit_test(test_the_same_is_asked_again),
        cmocka_unit_test(test_who_hangs_is_left),
        cmocka_unit_test(test_who_has_answered_is_not_left),
        cmocka_unit_test(test_which_events_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
