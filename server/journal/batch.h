/* A batch: records that count together or not at all, also over a crash, however many they are.
 *
 * They are written, as they come, into a file that no reader looks at, block by block, each synced
 * before the next; meanwhile the journal goes on with everything else. When all are there the file
 * becomes the next segment: its header says now which sequence is its first, and its name is made
 * durable. That is one moment for the disk, the same work as any new segment, and the same for the
 * readers: before it the journal has none of the records, afterwards all, one after another.
 *
 * The file of a batch that didn't get so far is removed, at the latest by the next start. What
 * fails on the disk before the end costs nothing but the batch.
 *
 * The batch passes between its owner (a thread with a reactor) and the journal's thread; whoever
 * has it may act. The owner has it in `more`, and passes it on by one call of
 * journal_batch_write, _commit or _abandon, from inside or later. */
#ifndef CENCD_JOURNAL_BATCH_H
#define CENCD_JOURNAL_BATCH_H

#include "server/journal/journal.h"
#include "server/journal/name.h"

#define JOURNAL_BATCH_BLOCK (1u << 20) /* bytes that are written at a time */

struct journal_batch {
    struct journal *journal;
    struct reactor *from; /* the owner's */
    /* The owner's thread: the block is empty, and records may be put into it. */
    void (*more)(struct journal_batch *batch);
    /* The owner's thread, once. STATUS_OK: committed, as first_sequence and the records - 1 that
     * follow. STATUS_REFUSED: abandoned, or the journal stops. STATUS_SYSTEM: the disk failed. None
     * of it counts then, but when the journal stopped while the disk failed: then the next start
     * may find all of it. */
    void (*done)(struct journal_batch *batch, enum status status);
    uint64_t first_sequence;
    uint32_t records; /* put so far */

    struct message message; /* the journal's own, like the rest */
    void (*wish)(struct journal_batch *batch);
    enum status status;
    uint8_t *block;
    size_t block_used;
    size_t block_written;
    uint64_t bytes; /* of the file: blocks that were written, and the header's place */
    uint64_t most_bytes;
    uint32_t seed;
    int file; /* -1: none */
    struct operation operation;
    char path[PATH_SIZE];
    uint8_t state;
    uint8_t committed_half; /* told.c */
    uint8_t appended_half;
};

/* How large its file may become: half of retention_bytes, and no more than 512 MiB. */
uint64_t journal_batch_limit(const struct journal *journal);

/* The owner's thread, after journal_start: journal, from, more and done are set. more or done will
 * be called. STATUS_NO_MEMORY, STATUS_REFUSED: the journal is stopping. One batch at a time: a
 * second one waits for nobody, it is STATUS_FULL by done. */
enum status journal_batch_begin(struct journal_batch *batch) MUST_CHECK;

/* STATUS_FULL: the block is full; write it, and put the record when more is called. STATUS_INVALID:
 * the batch would be larger than journal_batch_limit. size: 1..JOURNAL_RECORD_MAX. */
enum status journal_batch_put(struct journal_batch *batch, enum journal_kind kind,
                              const uint8_t *data, size_t size) MUST_CHECK;

void journal_batch_write(struct journal_batch *batch);
/* There is at least one record. */
void journal_batch_commit(struct journal_batch *batch);
void journal_batch_abandon(struct journal_batch *batch);

/* Any thread, once after done with STATUS_OK: memory says what the records say (told.h). */
void journal_batch_told(struct journal_batch *batch);

#endif
