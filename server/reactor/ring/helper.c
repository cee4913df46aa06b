/* The helper threads: slow work away from the shards. One thread does what waits for others (the
 * directory's store, name servers), as many as there are processors what computes (password
 * hashes), so that neither stands before the other. They serve all rings of the process and live as
 * long as there is a ring. Where processors are scarce they give way to the shards: a storm's
 * events must be recorded before they are stored, and bytes flow on while a thousand agents log in.
 */
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "server/base/check.h"
#include "server/reactor/ring/ring.h"

#define NICE        10
#define MAX_THREADS 16u

/* Threads that do one kind of work, in the order in which it came. */
struct crew {
    pthread_cond_t wanted;
    pthread_t threads[MAX_THREADS];
    unsigned size;    /* threads that run */
    unsigned at_work; /* of them */
    unsigned queued;
    struct work *head;
    struct work **tail; /* NULL: none came yet */
};

static struct {
    pthread_mutex_t waking; /* held while a kernel is told, so that it doesn't go meanwhile */
    pthread_mutex_t lock;
    struct crew crews[WORK_KINDS];
    unsigned users;
    bool stop;
} helper = {
    .waking = PTHREAD_MUTEX_INITIALIZER,
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .crews = {[WORK_WAITS] = {.wanted = PTHREAD_COND_INITIALIZER},
              [WORK_COMPUTES] = {.wanted = PTHREAD_COND_INITIALIZER}},
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

static struct work *take(struct crew *crew)
{
    struct work *work = crew->head;
    crew->head = work->next;
    if (crew->head == NULL)
        crew->tail = NULL;
    crew->queued--;
    return work;
}

static void *helper_main(void *argument)
{
    struct crew *crew = argument;
    /* of this thread alone, in Linux */
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
    pthread_mutex_lock(&helper.lock);
    for (;;) {
        while (crew->head == NULL && !helper.stop)
            pthread_cond_wait(&crew->wanted, &helper.lock);
        if (crew->head == NULL)
            break;
        struct work *work = take(crew);
        crew->at_work++;
        pthread_mutex_unlock(&helper.lock);
        work->function(work->argument);
        /* as soon as the kernel sees that its last work is done it may be destroyed */
        pthread_mutex_lock(&helper.waking);
        finish(work);
        pthread_mutex_unlock(&helper.waking);
        pthread_mutex_lock(&helper.lock);
        crew->at_work--;
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

static void end_crew(struct crew *crew)
{
    for (unsigned i = 0; i < crew->size; i++)
        pthread_join(crew->threads[i], NULL);
    crew->size = 0;
}

void helper_release(void)
{
    pthread_mutex_lock(&helper.waking);
    pthread_mutex_unlock(&helper.waking);
    pthread_mutex_lock(&helper.lock);
    CHECK(helper.users > 0);
    helper.users--;
    helper.stop = helper.users == 0;
    bool last = helper.stop;
    for (int i = 0; last && i < WORK_KINDS; i++)
        pthread_cond_broadcast(&helper.crews[i].wanted);
    pthread_mutex_unlock(&helper.lock);
    if (!last)
        return;
    for (int i = 0; i < WORK_KINDS; i++)
        end_crew(&helper.crews[i]);
    pthread_mutex_lock(&helper.lock);
    helper.stop = false;
    pthread_mutex_unlock(&helper.lock);
}

/* Processors that the process may use. */
static unsigned most_threads(enum work_kind kind)
{
    cpu_set_t set;
    if (kind == WORK_WAITS || sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    unsigned count = (unsigned)CPU_COUNT(&set);
    return count < MAX_THREADS ? count : MAX_THREADS;
}

/* Under the lock. */
static void add_thread(struct crew *crew)
{
    CHECK(pthread_create(&crew->threads[crew->size], NULL, helper_main, crew) == 0);
    crew->size++;
}

void helper_submit(enum work_kind kind, struct work *work)
{
    struct crew *crew = &helper.crews[kind];
    work->next = NULL;
    pthread_mutex_lock(&helper.lock);
    *(crew->tail != NULL ? crew->tail : &crew->head) = work;
    crew->tail = &work->next;
    crew->queued++;
    if (crew->at_work + crew->queued > crew->size && crew->size < most_threads(kind))
        add_thread(crew);
    pthread_cond_signal(&crew->wanted);
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
