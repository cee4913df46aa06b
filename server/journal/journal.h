/* The journal: the durable, ordered log of all events of this node, and the only durable state of
 * it. Append-only segments in one folder; one writer, a thread with a reactor of its own.
 *
 * Group commit: what has come while one group is being synced is the next group. An entry is done
 * when its bytes are on the disk (fdatasync, or a write that does the same), and not before; until
 * then nobody may be told that it is recorded. Entries of one caller are committed in the order of
 * their append.
 *
 * When the disk fails (EIO, ENOSPC) the segment is sealed at the last committed offset and pending
 * records are written into a new one; a failed sync is never retried. While that doesn't succeed
 * the journal is not durable: journal_state says so, appends wait in the queue as long as it has
 * room, and it tries again every second, without restart. The same while the disk doesn't answer
 * (a file server that went, a controller that resets): after ten seconds the journal is not
 * durable, until the answer comes. What is under way can't be taken back; a stop waits for it, too.
 *
 * The queue has a bound (bytes). At half of it entries of class JOURNAL_LATER are refused, at three
 * quarters those of JOURNAL_NORMAL, at the full bound those of JOURNAL_FIRST. */
#ifndef CENCD_JOURNAL_JOURNAL_H
#define CENCD_JOURNAL_JOURNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "server/base/status.h"
#include "server/journal/commit_time.h"
#include "server/reactor/reactor.h"

struct journal;

/* What is refused last comes first. */
enum journal_class {
    JOURNAL_FIRST,  /* last gasps, changes of the directory */
    JOURNAL_NORMAL, /* sessions, pushes, security */
    JOURNAL_LATER,  /* connects and disconnects, bytes that nobody knows */
};

/* Record kinds: public ones go to readers outside the node, private ones never do. */
enum journal_kind {
    JOURNAL_EVENT = 1,   /* a cenc.v1.Event without sequence; the record has it */
    JOURNAL_PRIVATE = 2, /* a cenc.private.v1.Record */
};

#define JOURNAL_RECORD_MAX 65536u /* bytes of one record's payload */

struct journal_entry {
    const uint8_t *data; /* the caller's, until done; 1..JOURNAL_RECORD_MAX bytes */
    uint32_t size;
    uint8_t kind;         /* enum journal_kind */
    uint8_t class;        /* enum journal_class */
    bool kept;            /* who appends it tries again: that there was no room counts as nothing */
    struct reactor *from; /* of the thread that appends, where done is called; NULL: any thread
                             appends, done is called in the journal's own */
    /* STATUS_OK: committed as sequence. STATUS_SYSTEM: the journal stopped before it was. */
    void (*done)(struct journal_entry *entry, enum status status);
    uint64_t sequence;
    struct message message; /* the journal's own, like the rest */
    struct journal *journal;
    uint64_t appended_ms;
    enum status status;
    uint8_t committed_half; /* told.c */
    uint8_t appended_half;
};

struct journal_config {
    const char *folder;       /* made if it is not there */
    char node[32];            /* name of this node, NUL padded */
    uint64_t segment_bytes;   /* a new segment begins beyond this size */
    uint64_t queue_bytes;     /* bound of what waits */
    uint64_t retention_bytes; /* the journal's hard limit on the disk */
    uint64_t retention_age_s; /* segments older than this go, if all readers are past them */
    uint32_t sync_delay_ms;   /* bench and tests only: each fdatasync takes so much longer */
};

struct journal_error {
    char text[1024];
};

/* What recovery found, for the log and for `cencctl journal verify`. */
struct journal_recovery {
    uint64_t first_sequence; /* 0: the journal is empty */
    uint64_t last_sequence;
    uint64_t segments;
    uint64_t torn_bytes; /* cut from the end of the last segment */
};

/* Recovers the folder (blocking file calls; before any shard runs). STATUS_INVALID: corruption in
 * the midst, which is reported with file and offset, never cut. */
enum status journal_open(const struct journal_config *config, struct journal **journal,
                         struct journal_recovery *recovery, struct journal_error *error) MUST_CHECK;

/* The writer's own thread: create its reactor, then turn it until stopped. In the simulation it is
 * one more reactor that takes turns. The journal's reactor needs few slots and buffers. */
void journal_start(struct journal *journal, struct reactor *reactor);

/* Any thread, after journal_start. STATUS_FULL: the queue has no room for this class; done will not
 * be called. STATUS_REFUSED: the journal is stopping. */
enum status journal_append(struct journal *journal, struct journal_entry *entry) MUST_CHECK;

/* Any thread: an entry of this class would find room now, however large. */
bool journal_has_room(const struct journal *journal, enum journal_class class);

/* The journal's thread: refuses further appends, commits what waits (or fails it with STATUS_SYSTEM
 * if the disk doesn't take it), then stopped is called, in the journal's thread. */
void journal_stop(struct journal *journal, void (*stopped)(void *context), void *context);
void journal_free(struct journal *journal);

/* Where readers may read to: everything up to and including this is committed. Any thread. */
uint64_t journal_committed(const struct journal *journal);
uint64_t journal_oldest(const struct journal *journal);

/* A reader's acknowledged position holds segments back; retention by age and size goes no further
 * than the slowest of them, until retention_bytes forces it (the oldest segments go, the reader is
 * told by JOURNAL_READ_GONE, and a counter says so). name: a constant string. */
struct journal_hold {
    struct list node;
    const char *name;
    _Atomic uint64_t acknowledged;
};
void journal_hold_add(struct journal *journal, struct journal_hold *hold);
void journal_hold_remove(struct journal *journal, struct journal_hold *hold);
/* The reader ends with the process and comes back with the next one: what it hasn't acknowledged is
 * held on until the journal is closed. */
void journal_hold_leave(struct journal *journal, struct journal_hold *hold);

/* Readers of the last run come back by and by, and before they do nobody knows how far they were:
 * from the first call, before journal_start, to the second, in any thread, nothing is let go. */
void journal_await_readers(struct journal *journal);
void journal_readers_are_back(struct journal *journal);

/* Called in the thread of `reactor` soon after each commit that follows (several commits may be one
 * call). One per reader. */
struct journal_watch {
    struct list node;
    struct reactor *reactor;
    void (*committed)(struct journal_watch *watch);
    struct message message; /* the journal's own, like the rest */
    _Atomic bool posted;
    void (*removed)(struct journal_watch *watch);
};
void journal_watch_add(struct journal *journal, struct journal_watch *watch);
/* The watch's own thread. removed is called when no message is on its way any more. */
void journal_watch_remove(struct journal *journal, struct journal_watch *watch,
                          void (*removed)(struct journal_watch *watch));

/* Read by anyone. */
struct journal_counters {
    _Atomic bool durable;                     /* false while the disk refuses, or hangs */
    _Atomic bool hangs;                       /* now: it has not answered for ten seconds */
    _Atomic int last_error;                   /* errno of the last failure, 0: none since start */
    _Atomic uint64_t committed;               /* sequence */
    _Atomic uint64_t oldest;                  /* sequence */
    _Atomic uint64_t records;                 /* committed since start */
    _Atomic uint64_t bytes;                   /* written since start */
    _Atomic uint64_t groups;                  /* syncs that committed */
    _Atomic uint64_t failures;                /* writes and syncs that failed */
    _Atomic uint64_t segments;                /* on disk, now */
    _Atomic uint64_t disk_bytes;              /* now */
    _Atomic uint64_t queued_bytes;            /* now */
    _Atomic uint64_t refused[3];              /* by class, and lost */
    _Atomic uint64_t forced_segments;         /* removed before all readers were past them */
    _Atomic uint64_t commits[COMMIT_BUCKETS]; /* entries by time from append to commit */
    _Atomic uint64_t commit_sum_ms;           /* of those times */
    _Atomic uint64_t committed_utc_ms;        /* when something was last committed; 0: never */
};
const struct journal_counters *journal_counters(const struct journal *journal);

#endif
