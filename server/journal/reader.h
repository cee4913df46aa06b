/* Reads the journal from a sequence on, at its own pace, in the thread of its own reactor. Any
 * number of readers. A reader never sees a record that isn't committed. */
#ifndef CENCD_JOURNAL_READER_H
#define CENCD_JOURNAL_READER_H

#include "server/journal/journal.h"

struct journal_reader;

struct journal_record {
    uint64_t sequence;
    const uint8_t
        *data; /* valid until the batch callback returns or journal_reader_next is called */
    uint32_t size;
    uint8_t kind; /* enum journal_kind */
};

enum journal_read {
    JOURNAL_READ_RECORDS, /* count >= 1 records, in order, without a gap */
    JOURNAL_READ_END,   /* nothing newer is committed; call next again after journal_watch tells */
    JOURNAL_READ_GONE,  /* the wanted sequence is older than journal_oldest */
    JOURNAL_READ_ERROR, /* the disk fails or the segment is damaged; try again later */
};

/* The next record wanted is `from` (1 is the first ever). */
enum status journal_reader_create(struct journal *journal, struct reactor *reactor, uint64_t from,
                                  struct journal_reader **reader) MUST_CHECK;

/* Reads a batch (bounded: at most 256 kB of payload and 4096 records); got is called once, never
 * from inside this call. Memory of the records lives until the next call for this reader. */
void journal_reader_next(struct journal_reader *reader,
                         void (*got)(void *context, enum journal_read what,
                                     const struct journal_record *records, size_t count),
                         void *context);
uint64_t journal_reader_position(const struct journal_reader *reader); /* next record wanted */
void journal_reader_seek(struct journal_reader *reader, uint64_t from);

/* freed is called when no operation is in flight; then its memory is gone. */
void journal_reader_free(struct journal_reader *reader, void (*freed)(void *context),
                         void *context);

#endif
