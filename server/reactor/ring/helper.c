/* The helper thread: slow work (password hashes, the directory's store) away from the shards. One
 * thread serves all rings of the process; it lives as long as there is a ring. Where processors are
 * scarce it gives way to the shards: a storm's events must be recorded before they are stored. */
#include "server/base/check.h"
#include "server/reactor/ring/ring.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define NICE 10

static struct {
    pthread_mutex_t waking; /* held while a kernel is told, so that it doesn't go meanwhile */
    pthread_mutex_t lock;
    pthread_cond_t wanted;
    pthread_t thread;
    struct work *head;
    struct work **tail;
    unsigned users;
    bool running;
    bool stop;
} helper = {
    .waking = PTHREAD_MUTEX_INITIALIZER,
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .wanted = PTHREAD_COND_INITIALIZER,
};

static void finish(struct work *work)
{
    struct kernel *kernel = work->kernel;
    struct work *head = atomic_load_explicit(&kernel->finished, memory_order_relaxed);
    do
        work->next = head;
    while (!atomic_compare_exchange_weak_explicit(&kernel->finished, &head, work,
                                                  memory_order_release, memory_order_relaxed));
    kernel_wake(NULL, kernel);
}

static void *helper_main(void *unused)
{
    (void)unused;
    /* of this thread alone, in Linux */
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
    pthread_mutex_lock(&helper.lock);
    for (;;) {
        while (helper.head == NULL && !helper.stop)
            pthread_cond_wait(&helper.wanted, &helper.lock);
        if (helper.head == NULL)
            break;
        struct work *work = helper.head;
        helper.head = work->next;
        if (helper.head == NULL)
            helper.tail = &helper.head;
        pthread_mutex_unlock(&helper.lock);
        work->function(work->argument);
        /* as soon as the kernel sees that its last work is done it may be destroyed */
        pthread_mutex_lock(&helper.waking);
        finish(work);
        pthread_mutex_unlock(&helper.waking);
        pthread_mutex_lock(&helper.lock);
    }
    pthread_mutex_unlock(&helper.lock);
    return NULL;
}

void helper_retain(void)
{
    pthread_mutex_lock(&helper.lock);
    helper.users++;
    pthread_mutex_unlock(&helper.lock);
}

void helper_release(void)
{
    bool join = false;
    pthread_t thread;
    pthread_mutex_lock(&helper.waking);
    pthread_mutex_unlock(&helper.waking);
    pthread_mutex_lock(&helper.lock);
    CHECK(helper.users > 0);
    helper.users--;
    if (helper.users == 0 && helper.running) {
        helper.stop = true;
        join = true;
        thread = helper.thread;
        pthread_cond_signal(&helper.wanted);
    }
    pthread_mutex_unlock(&helper.lock);
    if (!join)
        return;
    pthread_join(thread, NULL);
    pthread_mutex_lock(&helper.lock);
    helper.running = false;
    helper.stop = false;
    pthread_mutex_unlock(&helper.lock);
}

void helper_submit(struct work *work)
{
    work->next = NULL;
    pthread_mutex_lock(&helper.lock);
    if (!helper.running) {
        helper.tail = &helper.head;
        CHECK(pthread_create(&helper.thread, NULL, helper_main, NULL) == 0);
        helper.running = true;
    }
    *helper.tail = work;
    helper.tail = &work->next;
    pthread_cond_signal(&helper.wanted);
    pthread_mutex_unlock(&helper.lock);
}

unsigned works_collect(struct kernel *kernel, struct completion *completions, unsigned capacity)
{
    unsigned count = 0;
    if (kernel->works == 0)
        return 0;
    struct work *list = atomic_exchange_explicit(&kernel->finished, NULL, memory_order_acquire);
    while (list != NULL && count < capacity) {
        struct work *work = list;
        list = work->next;
        completions[count].tag = work->tag;
        completions[count].result = 0;
        completions[count].flags = 0;
        count++;
        kernel->works--;
        free(work);
    }
    /* what didn't fit goes back, for the next turn */
    while (list != NULL) {
        struct work *work = list;
        list = work->next;
        finish(work);
    }
    return count;
}
