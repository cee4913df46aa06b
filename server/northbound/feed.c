#include "server/northbound/feed.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/northbound/recent.h"

#define RETRY_MS 1000u /* after the disk failed */

/* A reader of one follower that is far behind. */
struct feed_reader {
    struct list node;
    struct feed *feed;
    struct journal_reader *reader;
    struct follower *follower; /* NULL: it is on its way out */
    const struct journal_record *records;
    size_t count;
    size_t at;
    bool reading;
    struct timer retry;
};

struct feed {
    struct journal *journal;
    struct reactor *reactor;
    struct journal_reader *reader; /* of those near the end */
    struct journal_watch watch;
    uint64_t next; /* of that reader; recent holds what is before it */
    struct recent recent;
    struct list ready;
    struct list near; /* next >= feed->next: they wait for the reader, or for a commit */
    struct list paused;
    struct list wanting; /* a reader of their own */
    struct list readers;
    unsigned reader_count; /* also those on their way out */
    struct message wake;
    struct timer retry;
    bool posted;
    bool reading;
    bool stop;
    void (*stopped)(void *context);
    void *stopped_context;
};

static void serve(struct follower *follower);
static void reader_go(struct feed_reader *own);

/* ---- lists ---- */

static void put(struct follower *follower, struct list *list, enum follower_state state)
{
    list_remove(&follower->node);
    list_append(list, &follower->node);
    follower->state = state;
}

static struct follower *first_of(struct list *list)
{
    return container_of(list->next, struct follower, node);
}

/* The oldest record in memory, or the next one to come there. */
static uint64_t near_first(const struct feed *feed)
{
    uint64_t first = recent_first(&feed->recent);

    return first > 0 ? first : feed->next;
}

/* ---- giving ---- */

/* False: it took less than there was, or is gone. */
static bool give(struct follower *follower, const struct journal_record *records, size_t count,
                 size_t *taken)
{
    struct feed *feed = follower->feed;

    *taken = follower->ops->take(follower, records, count);
    CHECK(*taken <= count);
    follower->next += *taken;
    if (follower->state == FOLLOWER_NONE)
        return false;
    if (*taken == count)
        return true;
    put(follower, &feed->paused, FOLLOWER_PAUSED);
    return false;
}

static bool give_recent(struct follower *follower)
{
    size_t taken;
    size_t count;
    const struct journal_record *records =
        recent_find(&follower->feed->recent, follower->next, &count);

    return give(follower, records, count, &taken);
}

/* ---- readers of their own ---- */

static void post(struct feed *feed);

static void reader_freed(void *context)
{
    struct feed_reader *own = context;
    struct feed *feed = own->feed;

    feed->reader_count--;
    list_remove(&own->node);
    free(own);
    post(feed);
}

static void detach(struct feed_reader *own)
{
    own->follower->reader = NULL;
    own->follower = NULL;
    timer_stop(&own->retry);
    journal_reader_free(own->reader, reader_freed, own);
}

static void reader_retry(struct timer *timer)
{
    struct feed_reader *own = container_of(timer, struct feed_reader, retry);

    reader_go(own);
}

static void follower_gone(struct follower *follower)
{
    feed_remove(follower);
    follower->ops->gone(follower);
}

static void got_own(void *context, enum journal_read what, const struct journal_record *records,
                    size_t count)
{
    struct feed_reader *own = context;
    struct follower *follower = own->follower;

    own->reading = false;
    CHECK(follower != NULL); /* a reader on its way out answers nobody */
    switch (what) {
    case JOURNAL_READ_RECORDS:
        own->records = records;
        own->count = count;
        own->at = 0;
        reader_go(own);
        break;
    case JOURNAL_READ_END:
        detach(own);
        serve(follower);
        break;
    case JOURNAL_READ_GONE:
        follower_gone(follower);
        break;
    case JOURNAL_READ_ERROR:
        timer_start(own->feed->reactor, &own->retry, RETRY_MS);
        break;
    }
}

/* Gives what was read, then reads on, until the follower is near the end. */
static void reader_go(struct feed_reader *own)
{
    struct follower *follower = own->follower;
    size_t taken;

    if (own->reading || timer_running(&own->retry))
        return;
    if (own->at < own->count) {
        bool all = give(follower, own->records + own->at, own->count - own->at, &taken);
        if (follower->state == FOLLOWER_NONE)
            return; /* and own is detached */
        own->at += taken;
        if (!all)
            return;
    }
    if (follower->next >= near_first(own->feed)) {
        detach(own);
        put(follower, &own->feed->ready, FOLLOWER_READY);
        post(own->feed);
        return;
    }
    own->count = 0;
    own->at = 0;
    own->reading = true;
    follower->state = FOLLOWER_BEHIND;
    journal_reader_next(own->reader, got_own, own);
}

/* Takes the reader of somebody who doesn't read, if there is one. */
static void steal(struct feed *feed)
{
    for (struct list *node = feed->readers.next; node != &feed->readers; node = node->next) {
        struct feed_reader *own = container_of(node, struct feed_reader, node);
        if (own->follower != NULL && own->follower->state == FOLLOWER_PAUSED) {
            detach(own);
            return;
        }
    }
}

static void want_reader(struct follower *follower)
{
    struct feed *feed = follower->feed;
    struct feed_reader *own = NULL;

    put(follower, &feed->wanting, FOLLOWER_BEHIND);
    if (feed->reader_count >= FEED_READERS) {
        steal(feed);
        return;
    }
    own = calloc(1, sizeof(*own));
    if (own == NULL || journal_reader_create(feed->journal, feed->reactor, follower->next,
                                             &own->reader) != STATUS_OK) {
        free(own);
        timer_start(feed->reactor, &feed->retry, RETRY_MS);
        return;
    }
    own->feed = feed;
    own->follower = follower;
    timer_init(&own->retry, reader_retry);
    follower->reader = own;
    feed->reader_count++;
    list_append(&feed->readers, &own->node);
    list_remove(&follower->node);
    reader_go(own);
}

/* ---- near the end ---- */

static void read_on(struct feed *feed);

static void serve_all(struct feed *feed)
{
    struct list now;

    list_init(&now);
    list_splice(&now, &feed->ready);
    while (!list_empty(&now))
        serve(first_of(&now));
    while (!list_empty(&feed->wanting) && feed->reader_count < FEED_READERS && !feed->stop &&
           !timer_running(&feed->retry))
        want_reader(first_of(&feed->wanting));
    read_on(feed);
}

static void deliver(struct message *message, struct reactor *reactor)
{
    struct feed *feed = container_of(message, struct feed, wake);

    (void)reactor;
    feed->posted = false;
    serve_all(feed);
}

static void post(struct feed *feed)
{
    if (feed->posted || feed->stop)
        return;
    feed->posted = true;
    feed->wake.deliver = deliver;
    reactor_post(feed->reactor, feed->reactor, &feed->wake);
}

static void all_near_are_ready(struct feed *feed)
{
    while (!list_empty(&feed->near))
        put(first_of(&feed->near), &feed->ready, FOLLOWER_READY);
}

/* Without memory for them the followers read for themselves. */
static void keep(struct feed *feed, const struct journal_record *records, size_t count)
{
    feed->next = records[count - 1].sequence + 1;
    (void)recent_add(&feed->recent, records, count);
}

static void got_near(void *context, enum journal_read what, const struct journal_record *records,
                     size_t count)
{
    struct feed *feed = context;

    feed->reading = false;
    if (what == JOURNAL_READ_RECORDS)
        keep(feed, records, count);
    else if (what == JOURNAL_READ_ERROR)
        timer_start(feed->reactor, &feed->retry, RETRY_MS);
    if (what == JOURNAL_READ_GONE) {
        recent_forget(&feed->recent);
        feed->next = journal_oldest(feed->journal);
        journal_reader_seek(feed->reader, feed->next);
    }
    if (what != JOURNAL_READ_END)
        all_near_are_ready(feed);
    serve_all(feed);
}

static void read_on(struct feed *feed)
{
    if (feed->reading || feed->stop || list_empty(&feed->near) || timer_running(&feed->retry) ||
        journal_committed(feed->journal) < feed->next)
        return;
    feed->reading = true;
    journal_reader_next(feed->reader, got_near, feed);
}

/* Nobody was near: the reader stands where the last one left it. */
static void seek_near(struct feed *feed, uint64_t next)
{
    if (feed->reading || !list_empty(&feed->near) || next <= feed->next)
        return;
    recent_forget(&feed->recent);
    feed->next = next;
    journal_reader_seek(feed->reader, next);
}

static void wait_near(struct follower *follower)
{
    struct feed *feed = follower->feed;
    uint64_t committed = journal_committed(feed->journal);

    seek_near(feed, follower->next <= committed ? follower->next : committed + 1);
    put(follower, &feed->near, FOLLOWER_END);
    if (follower->next > committed && follower->ops->end != NULL)
        follower->ops->end(follower);
    else
        read_on(feed);
}

/* Gives all that is in memory, then decides how it goes on. */
static void serve(struct follower *follower)
{
    struct feed *feed = follower->feed;

    if (follower->reader != NULL) {
        list_remove(&follower->node);
        follower->state = FOLLOWER_BEHIND;
        reader_go(follower->reader);
        return;
    }
    while (follower->next < feed->next && follower->next >= near_first(feed))
        if (!give_recent(follower))
            return;
    if (follower->next < feed->next)
        want_reader(follower);
    else
        wait_near(follower);
}

static void committed(struct journal_watch *watch)
{
    read_on(container_of(watch, struct feed, watch));
}

static void retry(struct timer *timer)
{
    serve_all(container_of(timer, struct feed, retry));
}

/* ---- followers ---- */

void feed_add(struct feed *feed, struct follower *follower)
{
    CHECK(follower->state == FOLLOWER_NONE);
    follower->feed = feed;
    follower->reader = NULL;
    list_init(&follower->node);
    put(follower, &feed->ready, FOLLOWER_READY);
    post(feed);
}

void feed_remove(struct follower *follower)
{
    if (follower->state == FOLLOWER_NONE)
        return;
    list_remove(&follower->node);
    follower->state = FOLLOWER_NONE;
    if (follower->reader != NULL)
        detach(follower->reader);
}

void feed_resume(struct follower *follower)
{
    if (follower->state != FOLLOWER_PAUSED)
        return;
    put(follower, &follower->feed->ready, FOLLOWER_READY);
    post(follower->feed);
}

/* ---- start and stop ---- */

enum status feed_create(struct journal *journal, struct reactor *reactor, struct feed **created)
{
    struct feed *feed = calloc(1, sizeof(*feed));

    if (feed == NULL)
        return STATUS_NO_MEMORY;
    feed->journal = journal;
    feed->reactor = reactor;
    feed->next = journal_committed(journal) + 1;
    if (journal_reader_create(journal, reactor, feed->next, &feed->reader) != STATUS_OK) {
        free(feed);
        return STATUS_NO_MEMORY;
    }
    recent_init(&feed->recent);
    list_init(&feed->ready);
    list_init(&feed->near);
    list_init(&feed->paused);
    list_init(&feed->wanting);
    list_init(&feed->readers);
    timer_init(&feed->retry, retry);
    feed->watch.reactor = reactor;
    feed->watch.committed = committed;
    journal_watch_add(journal, &feed->watch);
    *created = feed;
    return STATUS_OK;
}

static void near_reader_freed(void *context)
{
    struct feed *feed = context;
    void (*stopped)(void *context) = feed->stopped;
    void *stopped_context = feed->stopped_context;

    recent_forget(&feed->recent);
    free(feed);
    stopped(stopped_context);
}

static void free_when_quiet(struct timer *timer)
{
    struct feed *feed = container_of(timer, struct feed, retry);

    if (feed->reader_count > 0 || feed->posted)
        timer_start_fine(feed->reactor, &feed->retry, 10);
    else
        journal_reader_free(feed->reader, near_reader_freed, feed);
}

static void watch_removed(struct journal_watch *watch)
{
    struct feed *feed = container_of(watch, struct feed, watch);

    timer_stop(&feed->retry);
    timer_init(&feed->retry, free_when_quiet);
    timer_start_fine(feed->reactor, &feed->retry, 10);
}

void feed_stop(struct feed *feed, void (*stopped)(void *context), void *context)
{
    CHECK(list_empty(&feed->ready) && list_empty(&feed->near) && list_empty(&feed->paused) &&
          list_empty(&feed->wanting));
    feed->stop = true;
    feed->stopped = stopped;
    feed->stopped_context = context;
    journal_watch_remove(feed->journal, &feed->watch, watch_removed);
}
