/* The feed: records of the journal for any number of followers, each from its own place and at its
 * own pace, in order and without a gap.
 *
 * Followers near the end share the work: one reader of the journal keeps the latest records in
 * memory (recent.h), and they take theirs from there. Who is further behind gets a reader
 * of his own, of which there are FEED_READERS; who wants one in vain waits, and who has one and
 * doesn't read gives way. While nobody is near the end, nothing is read.
 *
 * All in one reactor's thread. take and the others are called from the reactor only, never from
 * inside a call below; there a follower may be removed, also from inside its own take. */
#ifndef CENCD_NORTHBOUND_FEED_H
#define CENCD_NORTHBOUND_FEED_H

#include "server/journal/reader.h"

#define FEED_READERS 32u

struct feed;
struct feed_reader;
struct follower;

enum follower_state {
    FOLLOWER_NONE,   /* not added */
    FOLLOWER_READY,  /* will be given what there is, soon */
    FOLLOWER_END,    /* has all that is committed */
    FOLLOWER_PAUSED, /* took less than it was given; feed_resume goes on */
    FOLLOWER_BEHIND, /* waits for its reader, or for one */
};

struct follower_ops {
    /* Records from follower->next on, in order. Returns how many were taken; fewer than count:
     * nothing more until feed_resume. */
    size_t (*take)(struct follower *follower, const struct journal_record *records, size_t count);
    /* All that is committed was taken. NULL: not interested. */
    void (*end)(struct follower *follower);
    /* follower->next was removed by retention. It is removed from the feed. */
    void (*gone)(struct follower *follower);
};

/* Embedded in its owner. */
struct follower {
    struct list node; /* in one of the feed's lists */
    const struct follower_ops *ops;
    struct feed *feed;
    struct feed_reader *reader; /* of its own, or NULL */
    uint64_t next;              /* record wanted; at most one beyond the committed */
    enum follower_state state;
};

enum status feed_create(struct journal *journal, struct reactor *reactor,
                        struct feed **feed) MUST_CHECK;
/* No follower is left. stopped is called when nothing is in flight; its memory is gone then. */
void feed_stop(struct feed *feed, void (*stopped)(void *context), void *context);

/* next and ops are set by the caller. */
void feed_add(struct feed *feed, struct follower *follower);
void feed_remove(struct follower *follower); /* harmless if it isn't there */
void feed_resume(struct follower *follower); /* harmless if it isn't paused */

#endif
