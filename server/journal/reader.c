/* A reader: opens the segment that holds the wanted record, reads a stretch, hands out the records
 * in it that are committed and wanted. */
#include "server/journal/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "server/journal/internal.h"

#define BATCH_BYTES   (256u * 1024)
#define BATCH_RECORDS 4096u

struct journal_reader {
    struct journal *journal;
    struct reactor *reactor;
    uint64_t position;            /* next record wanted */
    struct segment segment;       /* of the open file */
    uint64_t limit;               /* the last sequence that may be taken from it, for this read */
    struct segment_header header; /* its */
    uint64_t offset;              /* in it, where record `at` begins; 0: the header comes first */
    uint64_t at;
    int file; /* -1: none */
    bool busy;
    bool freeing;
    struct operation operation;
    char path[PATH_SIZE];
    struct journal_record *records;
    uint8_t *bytes;
    size_t capacity;
    void (*got)(void *context, enum journal_read what, const struct journal_record *records,
                size_t count);
    void *context;
    void (*freed)(void *context);
    void *freed_context;
};

static void step(struct journal_reader *reader);
static void end(struct journal_reader *reader);

enum status journal_reader_create(struct journal *journal, struct reactor *reactor, uint64_t from,
                                  struct journal_reader **created)
{
    struct journal_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return STATUS_NO_MEMORY;
    reader->journal = journal;
    reader->reactor = reactor;
    reader->position = from > 0 ? from : 1;
    reader->file = -1;
    reader->capacity = BATCH_BYTES + record_size(JOURNAL_RECORD_MAX);
    reader->records = malloc(BATCH_RECORDS * sizeof *reader->records);
    reader->bytes = malloc(reader->capacity);
    if (reader->records == NULL || reader->bytes == NULL) {
        free(reader->records);
        free(reader->bytes);
        free(reader);
        return STATUS_NO_MEMORY;
    }
    *created = reader;
    return STATUS_OK;
}

static void destroy(struct journal_reader *reader)
{
    void (*freed)(void *context) = reader->freed;
    void *context = reader->freed_context;
    free(reader->records);
    free(reader->bytes);
    free(reader);
    freed(context);
}

static void answer(struct journal_reader *reader, enum journal_read what, size_t count)
{
    reader->busy = false;
    if (reader->freeing)
        end(reader);
    else
        reader->got(reader->context, what, reader->records, count);
}

/* ---- the file ---- */

static void file_closed(struct operation *operation, int32_t result)
{
    (void)result;
    step(container_of(operation, struct journal_reader, operation));
}

static void close_segment(struct journal_reader *reader)
{
    reader->operation.done = file_closed;
    int file = reader->file;
    reader->file = -1;
    if (file_close(reader->reactor, &reader->operation, file) != STATUS_OK)
        answer(reader, JOURNAL_READ_ERROR, 0);
}

static void file_opened(struct operation *operation, int32_t result)
{
    struct journal_reader *reader = container_of(operation, struct journal_reader, operation);
    if (result == -ENOENT && reader->position < journal_oldest(reader->journal)) {
        answer(reader, JOURNAL_READ_GONE, 0);
        return;
    }
    if (result < 0) {
        answer(reader, JOURNAL_READ_ERROR, 0);
        return;
    }
    reader->file = result;
    reader->offset = 0;
    reader->at = reader->segment.first;
    step(reader);
}

/* Nothing is in flight: closes what is open, then frees. */
static void end(struct journal_reader *reader)
{
    int file = reader->file;
    reader->file = -1;
    reader->operation.done = file_closed;
    if (file < 0 || file_close(reader->reactor, &reader->operation, file) != STATUS_OK)
        destroy(reader);
}

static void open_segment(struct journal_reader *reader)
{
    segment_path(reader->journal, &reader->segment, reader->path);
    reader->operation.done = file_opened;
    if (file_open(reader->reactor, &reader->operation, reader->path, O_RDONLY, 0) != STATUS_OK)
        answer(reader, JOURNAL_READ_ERROR, 0);
}

/* ---- records ---- */

static size_t take_header(struct journal_reader *reader, size_t size)
{
    bool good = size >= SEGMENT_HEADER_SIZE &&
                segment_header_decode(reader->bytes, &reader->header) &&
                reader->header.first_sequence == reader->segment.first;
    return good ? SEGMENT_HEADER_SIZE : 0;
}

/* Takes what is whole, committed and wanted out of the bytes read; skips what is older. */
static size_t take_records(struct journal_reader *reader, size_t size)
{
    size_t done = reader->offset == 0 ? take_header(reader, size) : 0;
    size_t count = 0;
    size_t payload = 0;
    if (reader->offset + done == 0)
        return 0; /* no header */
    while (count < BATCH_RECORDS && payload < BATCH_BYTES && reader->at <= reader->limit) {
        struct record record;
        size_t taken;
        if (record_decode(reader->header.seed, reader->bytes + done, size - done, &record,
                          &taken) != RECORD_GOOD ||
            record.sequence != segment_number(&reader->header, reader->at))
            break;
        if (reader->at >= reader->position) {
            struct journal_record *out = &reader->records[count++];
            out->sequence = reader->at;
            out->data = record.payload;
            out->size = record.size;
            out->kind = record.kind;
            payload += record.size;
        }
        done += taken;
        reader->at++;
    }
    reader->offset += done;
    if (count > 0)
        reader->position = reader->records[count - 1].sequence + 1;
    return count;
}

static void bytes_read(struct operation *operation, int32_t result)
{
    struct journal_reader *reader = container_of(operation, struct journal_reader, operation);
    uint64_t before = reader->at;
    if (result < 0) {
        answer(reader, JOURNAL_READ_ERROR, 0);
        return;
    }
    size_t count = take_records(reader, (size_t)result);
    if (count > 0)
        answer(reader, JOURNAL_READ_RECORDS, count);
    else if (reader->at == before)
        answer(reader, JOURNAL_READ_ERROR, 0); /* committed, and not readable */
    else
        step(reader); /* only records before the wanted one */
}

static enum status read_bytes(struct journal_reader *reader)
{
    reader->operation.done = bytes_read;
    return file_read(reader->reactor, &reader->operation, reader->file, reader->bytes,
                     (uint32_t)reader->capacity, reader->offset);
}

/* Is the wanted record further on in the open file? Otherwise *segment is where it is; false from
 * *known: nowhere. */
static bool is_open(struct journal_reader *reader, struct segment *segment, bool *known)
{
    uint64_t next_first;
    /* in this order: the segment of whatever is committed by now is known by then */
    uint64_t committed = journal_committed(reader->journal);
    *known = segments_find(reader->journal, reader->position, segment, &next_first);
    if (!*known || reader->file < 0 || segment->first != reader->segment.first ||
        segment->attempt != reader->segment.attempt || reader->at > reader->position)
        return false;
    /* what the file holds beyond is a seal, or a group that failed and was written elsewhere */
    reader->limit = committed < next_first ? committed : next_first - 1;
    return true;
}

/* What is to be done next for the call under way? */
static void step(struct journal_reader *reader)
{
    struct segment segment;
    bool known;
    if (reader->freeing) {
        end(reader);
        return;
    }
    if (reader->position < journal_oldest(reader->journal)) {
        answer(reader, JOURNAL_READ_GONE, 0);
        return;
    }
    if (reader->position > journal_committed(reader->journal)) {
        answer(reader, JOURNAL_READ_END, 0);
        return;
    }
    if (is_open(reader, &segment, &known)) {
        if (read_bytes(reader) != STATUS_OK)
            answer(reader, JOURNAL_READ_ERROR, 0);
    } else if (!known) {
        answer(reader, JOURNAL_READ_GONE, 0);
    } else if (reader->file >= 0) {
        close_segment(reader);
    } else {
        reader->segment = segment;
        open_segment(reader);
    }
}

static void begin(struct operation *operation, int32_t result)
{
    (void)result;
    step(container_of(operation, struct journal_reader, operation));
}

static void nothing(void *argument)
{
    (void)argument;
}

void journal_reader_next(struct journal_reader *reader,
                         void (*got)(void *context, enum journal_read what,
                                     const struct journal_record *records, size_t count),
                         void *context)
{
    CHECK(!reader->busy && !reader->freeing);
    reader->busy = true;
    reader->got = got;
    reader->context = context;
    struct segment segment;
    bool known;
    if (reader->position <= journal_committed(reader->journal) &&
        is_open(reader, &segment, &known) && read_bytes(reader) == STATUS_OK)
        return;
    /* the answer may be known at once, and must not come from inside this call */
    reader->operation.done = begin;
    CHECK(reactor_work(reader->reactor, &reader->operation, nothing, NULL) == STATUS_OK);
}

uint64_t journal_reader_position(const struct journal_reader *reader)
{
    return reader->position;
}

void journal_reader_seek(struct journal_reader *reader, uint64_t from)
{
    CHECK(!reader->busy);
    reader->position = from > 0 ? from : 1;
}

void journal_reader_free(struct journal_reader *reader, void (*freed)(void *context), void *context)
{
    reader->freeing = true;
    reader->freed = freed;
    reader->freed_context = context;
    if (reader->busy)
        return; /* the operation under way ends it */
    reader->busy = true;
    reader->operation.done = begin;
    CHECK(reactor_work(reader->reactor, &reader->operation, nothing, NULL) == STATUS_OK);
}
