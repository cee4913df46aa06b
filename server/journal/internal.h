/* Inside the journal: what its files share. */
#ifndef CENCD_JOURNAL_INTERNAL_H
#define CENCD_JOURNAL_INTERNAL_H

#include <pthread.h>

#include "server/base/check.h"
#include "server/journal/batch.h"
#include "server/journal/catalog.h"
#include "server/journal/journal.h"
#include "server/journal/record.h"
#include "server/journal/told.h"

#define GROUP_BYTES (4u << 20) /* one group's records, at most (or one record) */
/* After a group of so many records the next one waits for more, so long or until it is so large:
 * each sync costs processors what a hundred records do. */
#define GATHER_RECORDS 64u
#define GATHER_MS      2u
#define GATHER_BYTES   (1u << 20)

#define RETRY_MS     1000u
#define STOP_LOOK_MS 10u
#define HANG_MS      10000u /* without an answer of the disk: nobody is to rely on it */
#define AGE_LOOK_MS  60000u /* how often retention looks at the clock */
#define ENTRY_COST   128u   /* what an entry costs beside its bytes */

enum writer_state {
    WRITER_CLOSED, /* no segment is open */
    WRITER_BUSY,   /* an operation is under way */
    WRITER_READY,
    WRITER_BROKEN, /* waits to try a new segment */
    WRITER_STOPPED,
};

struct journal {
    struct journal_config config;
    char folder[PATH_SIZE - 64];
    struct reactor *reactor;
    struct journal_counters counters;
    _Atomic bool stopping;
    _Atomic bool awaits_readers; /* nothing is let go until they are back */

    struct told_count committed; /* and not told */
    struct told_count appended;  /* likewise */

    pthread_mutex_t lock;     /* segments, holds, watches */
    struct segment *segments; /* in order; the last one is written to */
    size_t segment_count;
    size_t segment_capacity;
    struct list holds;
    uint64_t left_at; /* slowest of the readers that left until the next start */
    struct list watches;

    /* the journal's thread only */
    struct message *pending_head; /* of entries, oldest first */
    struct message *pending_tail;
    struct message *group_head; /* being written */
    uint8_t *group;             /* their records */
    size_t group_size;
    size_t group_capacity;
    size_t group_written;
    uint64_t next_sequence;
    uint64_t file_bytes; /* committed size of the open segment */
    enum writer_state state;
    int file; /* -1: none */
    int folder_file;
    int rename_result; /* of the batch's file */
    struct operation operation;
    struct operation closing;
    bool close_under_way;
    struct timer timer;
    struct timer age_timer;
    struct timer gather_timer;
    struct timer hang_timer; /* runs while state is WRITER_BUSY */
    uint64_t former_records; /* of the group before; 0: the next one has waited */
    uint8_t header[SEGMENT_HEADER_SIZE];
    char path[PATH_SIZE];
    uint32_t seed;               /* of the segment that is open, or being made */
    uint32_t kept_attempt;       /* of opening.first: its file stays, since its name tells where the
                                    segment before ends; later ones that fail don't pile up */
    struct segment opening;      /* the file made last, or found at the start */
    struct operation removal;    /* of files that retention lets go */
    struct journal_batch *batch; /* under way; NULL: none */
    bool sealed;                 /* the seal is written, or couldn't be */
    bool removing;
    bool removal_failed; /* some are there still: tried again with the next segment */
    void (*stopped)(void *context);
    void *stopped_context;
};

static inline struct journal_entry *entry_of(struct message *message)
{
    return container_of(message, struct journal_entry, message);
}

static inline void counter_set(_Atomic uint64_t *counter, uint64_t value)
{
    atomic_store_explicit(counter, value, memory_order_relaxed);
}

static inline void counter_add(_Atomic uint64_t *counter, uint64_t by)
{
    atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

/* segments.c */
void segment_path(const struct journal *journal, const struct segment *segment,
                  char path[static PATH_SIZE]);
/* Adds at the end. The lock is taken here. */
enum status segments_add(struct journal *journal, const struct segment *segment) MUST_CHECK;
/* The last one has so many committed bytes now. */
void segments_grow_last(struct journal *journal, uint64_t bytes);
/* The segment that holds sequence and the first sequence after it (UINT64_MAX: it is the last). */
bool segments_find(struct journal *journal, uint64_t sequence, struct segment *segment,
                   uint64_t *next_first);
/* Removes what retention lets go. */
void segments_retain(struct journal *journal);

/* journal.c */
void watches_tell(struct journal *journal);

/* writer.c */
void writer_pump(struct journal *journal);
void writer_begin(struct journal *journal);
/* Each change of state. */
void writer_enter(struct journal *journal, enum writer_state state);
/* An operation on the open segment failed (negative errno): it is given up. */
void writer_broken(struct journal *journal, int error);

/* batch.c: what the writer does with the batch that is under way. */
void batch_file_path(const struct journal *journal, char path[static PATH_SIZE]);
/* All of it is on the disk, and it waits to become a segment. */
bool batch_is_ready(const struct journal *journal);
/* That is being done; NULL: it isn't. */
struct journal_batch *batch_joining(const struct journal *journal);
/* It is ready: now the writer makes a segment of it, with its file. */
int batch_take_file(struct journal *journal);
/* From now on the next start may find it. */
void batch_gets_name(struct journal *journal);
void batch_writer_broken(struct journal *journal);
/* A segment is there for certain: this batch's, or one that outdoes it. */
void batch_segment_is_there(struct journal *journal);
/* Nothing else waits. What has not been committed won't be. */
void batch_stop(struct journal *journal);

/* opening.c */
/* Makes the batch that is ready the segment for what comes after the last committed record. */
void opening_join(struct journal *journal);
/* Makes the segment for what comes after the last committed record, then pumps. */
void opening_begin(struct journal *journal);

/* recovery.c */
enum status recover(struct journal *journal, struct journal_recovery *recovery,
                    struct journal_error *error) MUST_CHECK;

#endif
