#include "server/reactor/thread.h"

#include <signal.h>

#include "server/base/check.h"

#define STOP_TURN_MS 20

static enum status begin(struct reactor_thread *thread)
{
    enum status status = reactor_create(thread->config, &thread->reactor, thread->error);

    return status == STATUS_OK ? thread->ops->begin(thread, thread->error) : status;
}

static void run(struct reactor_thread *thread)
{
    bool stopping = false;

    while (!stopping || !thread->ops->quiet(thread) || !reactor_idle(thread->reactor)) {
        if (!stopping && atomic_load_explicit(&thread->stop, memory_order_relaxed)) {
            stopping = true;
            thread->ops->stop(thread);
        }
        (void)reactor_turn(thread->reactor, stopping ? STOP_TURN_MS : -1);
    }
}

static void *thread_main(void *argument)
{
    struct reactor_thread *thread = argument;

    thread->status = begin(thread);
    pthread_barrier_wait(&thread->barrier);
    if (thread->status != STATUS_OK)
        return NULL;
    run(thread);
    pthread_barrier_wait(&thread->barrier);
    pthread_barrier_wait(&thread->barrier);
    reactor_destroy(thread->reactor);
    return NULL;
}

static void end(struct reactor_thread *thread)
{
    CHECK(pthread_join(thread->thread, NULL) == 0);
    (void)pthread_barrier_destroy(&thread->barrier);
}

enum status reactor_thread_start(struct reactor_thread *thread,
                                 const struct reactor_thread_ops *ops,
                                 const struct reactor_config *config, struct kernel_error *error)
{
    sigset_t all;
    sigset_t before;

    *thread = (struct reactor_thread){.ops = ops, .config = config, .error = error};
    (void)sigfillset(&all);
    CHECK(pthread_barrier_init(&thread->barrier, NULL, 2) == 0);
    CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    CHECK(pthread_create(&thread->thread, NULL, thread_main, thread) == 0);
    CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    pthread_barrier_wait(&thread->barrier);
    if (thread->status != STATUS_OK)
        end(thread);
    return thread->status;
}

void reactor_thread_stop(struct reactor_thread *thread)
{
    atomic_store(&thread->stop, true);
    kernel_wake(NULL, reactor_kernel(thread->reactor));
    pthread_barrier_wait(&thread->barrier);
}

void reactor_thread_free(struct reactor_thread *thread)
{
    pthread_barrier_wait(&thread->barrier);
    end(thread);
}
