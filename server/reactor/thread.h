/* A thread that turns a reactor of its own, for a part of the server that is to hold up nobody
 * else. The part gives what it begins with, how it stops, and when nothing of it is under way;
 * these are called in the thread. The functions below are for one other thread, the owner's, and in
 * this order. The thread blocks all signals. */
#ifndef CENCD_REACTOR_THREAD_H
#define CENCD_REACTOR_THREAD_H

#include <pthread.h>

#include "server/reactor/reactor.h"

struct reactor_thread;

struct reactor_thread_ops {
    /* thread->reactor is there. Not STATUS_OK: error tells why. */
    enum status (*begin)(struct reactor_thread *thread, struct kernel_error *error);
    void (*stop)(struct reactor_thread *thread);        /* once; what it begins may take turns */
    bool (*quiet)(const struct reactor_thread *thread); /* asked from then on, between turns */
};

struct reactor_thread {
    const struct reactor_thread_ops *ops;
    struct reactor *reactor;
    const struct reactor_config *config; /* these three until it has begun */
    struct kernel_error *error;
    enum status status;
    pthread_t thread;
    pthread_barrier_t barrier; /* with the owner: begun; quiet; may go */
    _Atomic bool stop;
};

/* Returns when ops->begin did, with its answer, or with reactor_create's. Where that isn't
 * STATUS_OK the thread has ended, but what it made stays as it is: whoever can't start ends the
 * process. */
enum status reactor_thread_start(struct reactor_thread *thread,
                                 const struct reactor_thread_ops *ops,
                                 const struct reactor_config *config,
                                 struct kernel_error *error) MUST_CHECK;
/* Returns when it is quiet and the reactor idle. No turn is made any more. */
void reactor_thread_stop(struct reactor_thread *thread);
/* Ends thread and reactor, which nobody may be about to wake by then. */
void reactor_thread_free(struct reactor_thread *thread);

#endif
