#include "server/journal/batch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/journal/internal.h"
#include "server/reactor/disk.h"

#define LIMIT_BYTES (512ull << 20)
#define NOT_COUNTED UINT8_MAX
#define BATCH_FILE  "batch.new"

enum batch_state {
    BATCH_OWNER,   /* its owner has it */
    BATCH_BUSY,    /* an operation is under way */
    BATCH_READY,   /* waits for the writer */
    BATCH_JOINING, /* the writer makes a segment of it */
    BATCH_NAMED,   /* likewise, and it may have its name by now */
    BATCH_DOUBT,   /* the writer failed at that: the next segment outdoes it */
};

uint64_t journal_batch_limit(const struct journal *journal)
{
    uint64_t half = journal->config.retention_bytes / 2;

    return half < LIMIT_BYTES ? half : LIMIT_BYTES;
}

void batch_file_path(const struct journal *journal, char path[static PATH_SIZE])
{
    (void)snprintf(path, PATH_SIZE, "%s/" BATCH_FILE, journal->folder);
}

/* ---- to the owner ---- */

static void tell_more(struct message *message, struct reactor *reactor)
{
    struct journal_batch *batch = container_of(message, struct journal_batch, message);

    (void)reactor;
    batch->more(batch);
}

static void give_back(struct journal_batch *batch)
{
    batch->state = BATCH_OWNER;
    batch->message.deliver = tell_more;
    reactor_post(batch->journal->reactor, batch->from, &batch->message);
}

static void forget_appended(struct journal_batch *batch)
{
    if (batch->appended_half != NOT_COUNTED)
        told_remove(&batch->journal->appended, batch->appended_half);
    batch->appended_half = NOT_COUNTED;
}

static void tell_done(struct message *message, struct reactor *reactor)
{
    struct journal_batch *batch = container_of(message, struct journal_batch, message);

    (void)reactor;
    free(batch->block);
    batch->block = NULL;
    if (batch->status != STATUS_OK)
        forget_appended(batch);
    batch->done(batch, batch->status);
}

/* Its file is gone, or a segment. */
static void finish(struct journal_batch *batch, enum status status)
{
    struct journal *journal = batch->journal;

    if (journal->batch == batch)
        journal->batch = NULL;
    batch->status = status;
    batch->message.deliver = tell_done;
    atomic_fetch_sub(&journal->counters.queued_bytes, ENTRY_COST);
    reactor_post(journal->reactor, batch->from, &batch->message);
}

void journal_batch_told(struct journal_batch *batch)
{
    told_remove(&batch->journal->committed, batch->committed_half);
    forget_appended(batch);
}

/* ---- giving up ---- */

static void file_removed(struct operation *operation, int32_t result)
{
    struct journal_batch *batch = container_of(operation, struct journal_batch, operation);

    struct journal *journal = batch->journal;

    (void)result;
    finish(batch, batch->status);
    writer_pump(journal); /* a stop waits for this */
}

static void remove_file(void *argument)
{
    struct journal_batch *batch = argument;

    (void)disk_remove(batch->path); /* if it stays the next batch or start removes it */
}

static void file_closed(struct operation *operation, int32_t result)
{
    struct journal_batch *batch = container_of(operation, struct journal_batch, operation);

    (void)result;
    batch->operation.done = file_removed;
    if (reactor_work(batch->journal->reactor, &batch->operation, remove_file, batch) != STATUS_OK)
        finish(batch, batch->status);
}

static void drop(struct journal_batch *batch, enum status status)
{
    int file = batch->file;

    batch->state = BATCH_BUSY;
    batch->status = status;
    batch->file = -1;
    batch->operation.done = file_closed;
    if (file < 0 || file_close(batch->journal->reactor, &batch->operation, file) != STATUS_OK)
        file_closed(&batch->operation, 0);
}

static void failed(struct journal_batch *batch, int error)
{
    struct journal_counters *counters = &batch->journal->counters;

    counter_add(&counters->failures, 1);
    atomic_store(&counters->last_error, -error);
    drop(batch, STATUS_SYSTEM);
}

/* ---- blocks ---- */

static void write_block(struct journal_batch *batch);
static void wish_commit(struct journal_batch *batch);

static void block_is_safe(struct journal_batch *batch)
{
    struct journal *journal = batch->journal;

    batch->bytes += batch->block_used;
    batch->block_used = 0;
    batch->block_written = 0;
    if (atomic_load(&journal->stopping)) {
        drop(batch, STATUS_REFUSED);
    } else if (batch->wish != wish_commit) {
        give_back(batch);
    } else if (journal->state == WRITER_BROKEN) {
        drop(batch, STATUS_SYSTEM); /* nobody knows for how long */
    } else {
        batch->state = BATCH_READY;
        writer_pump(journal);
    }
}

static void block_synced(struct operation *operation, int32_t result)
{
    struct journal_batch *batch = container_of(operation, struct journal_batch, operation);

    if (result < 0)
        failed(batch, result);
    else
        block_is_safe(batch);
}

static void block_written(struct operation *operation, int32_t result)
{
    struct journal_batch *batch = container_of(operation, struct journal_batch, operation);

    if (result <= 0) {
        failed(batch, result < 0 ? result : -ENOSPC);
        return;
    }
    batch->block_written += (size_t)result;
    if (batch->block_written < batch->block_used) {
        write_block(batch);
        return;
    }
    batch->operation.done = block_synced;
    if (file_sync(batch->journal->reactor, &batch->operation, batch->file) != STATUS_OK)
        failed(batch, -ENOMEM);
}

static void write_block(struct journal_batch *batch)
{
    batch->operation.done = block_written;
    if (file_write(batch->journal->reactor, &batch->operation, batch->file,
                   batch->block + batch->block_written,
                   (uint32_t)(batch->block_used - batch->block_written),
                   batch->bytes + batch->block_written) != STATUS_OK)
        failed(batch, -ENOMEM);
}

/* ---- what the owner wishes, in the journal's thread ---- */

static void wish_write(struct journal_batch *batch)
{
    batch->state = BATCH_BUSY;
    if (atomic_load(&batch->journal->stopping))
        drop(batch, STATUS_REFUSED);
    else if (batch->block_used == 0)
        block_is_safe(batch);
    else
        write_block(batch);
}

static void wish_commit(struct journal_batch *batch)
{
    wish_write(batch);
}

static void wish_abandon(struct journal_batch *batch)
{
    drop(batch, STATUS_REFUSED);
}

static void file_opened(struct operation *operation, int32_t result)
{
    struct journal_batch *batch = container_of(operation, struct journal_batch, operation);

    if (result < 0) {
        failed(batch, result);
        return;
    }
    batch->file = result;
    give_back(batch);
}

static void file_made_way(struct operation *operation, int32_t result)
{
    struct journal_batch *batch = container_of(operation, struct journal_batch, operation);

    (void)result;
    batch->operation.done = file_opened;
    if (file_open(batch->journal->reactor, &batch->operation, batch->path,
                  O_WRONLY | O_CREAT | O_EXCL, 0640) != STATUS_OK)
        failed(batch, -ENOMEM);
}

static void wish_begin(struct journal_batch *batch)
{
    struct journal *journal = batch->journal;

    if (atomic_load(&journal->stopping) || journal->batch != NULL) {
        finish(batch, journal->batch != NULL ? STATUS_FULL : STATUS_REFUSED);
        return;
    }
    journal->batch = batch;
    batch->state = BATCH_BUSY;
    batch->seed = (uint32_t)reactor_random(journal->reactor);
    batch_file_path(journal, batch->path);
    batch->operation.done = file_made_way;
    if (reactor_work(journal->reactor, &batch->operation, remove_file, batch) != STATUS_OK)
        failed(batch, -ENOMEM);
}

/* ---- the owner's side ---- */

static void arrive(struct message *message, struct reactor *reactor)
{
    struct journal_batch *batch = container_of(message, struct journal_batch, message);

    (void)reactor;
    batch->wish(batch);
}

static void pass_on(struct journal_batch *batch, void (*wish)(struct journal_batch *batch))
{
    batch->wish = wish;
    batch->message.deliver = arrive;
    reactor_post(batch->from, batch->journal->reactor, &batch->message);
}

enum status journal_batch_begin(struct journal_batch *batch)
{
    struct journal *journal = batch->journal;

    batch->first_sequence = 0;
    batch->records = 0;
    batch->block_used = 0;
    batch->block_written = 0;
    batch->bytes = SEGMENT_HEADER_SIZE;
    batch->most_bytes = journal_batch_limit(journal);
    batch->file = -1;
    batch->appended_half = NOT_COUNTED;
    /* counted first, so that a stop either sees it or was seen */
    atomic_fetch_add(&journal->counters.queued_bytes, ENTRY_COST);
    if (atomic_load(&journal->stopping)) {
        atomic_fetch_sub(&journal->counters.queued_bytes, ENTRY_COST);
        return STATUS_REFUSED;
    }
    batch->block = malloc(JOURNAL_BATCH_BLOCK);
    if (batch->block == NULL) {
        atomic_fetch_sub(&journal->counters.queued_bytes, ENTRY_COST);
        return STATUS_NO_MEMORY;
    }
    pass_on(batch, wish_begin);
    return STATUS_OK;
}

enum status journal_batch_put(struct journal_batch *batch, enum journal_kind kind,
                              const uint8_t *data, size_t size)
{
    CHECK(size > 0 && size <= JOURNAL_RECORD_MAX);
    struct record record = {
        .sequence = batch->records, .payload = data, .size = (uint32_t)size, .kind = (uint8_t)kind};
    size_t takes = record_size(record.size);

    if (batch->bytes + batch->block_used + takes > batch->most_bytes ||
        batch->records == UINT32_MAX)
        return STATUS_INVALID;
    if (batch->block_used + takes > JOURNAL_BATCH_BLOCK)
        return STATUS_FULL;
    record_encode(batch->seed, &record, batch->block + batch->block_used);
    batch->block_used += takes;
    batch->records++;
    return STATUS_OK;
}

void journal_batch_write(struct journal_batch *batch)
{
    pass_on(batch, wish_write);
}

void journal_batch_commit(struct journal_batch *batch)
{
    CHECK(batch->records > 0);
    batch->appended_half = told_add(&batch->journal->appended);
    pass_on(batch, wish_commit);
}

void journal_batch_abandon(struct journal_batch *batch)
{
    pass_on(batch, wish_abandon);
}

/* ---- the writer's side ---- */

bool batch_is_ready(const struct journal *journal)
{
    return journal->batch != NULL && journal->batch->state == BATCH_READY;
}

struct journal_batch *batch_joining(const struct journal *journal)
{
    struct journal_batch *batch = journal->batch;

    return batch != NULL && (batch->state == BATCH_JOINING || batch->state == BATCH_NAMED) ? batch
                                                                                           : NULL;
}

int batch_take_file(struct journal *journal)
{
    struct journal_batch *batch = journal->batch;
    int file = batch->file;

    CHECK(batch->state == BATCH_READY);
    batch->state = BATCH_JOINING;
    batch->file = -1;
    return file;
}

void batch_gets_name(struct journal *journal)
{
    CHECK(journal->batch->state == BATCH_JOINING);
    journal->batch->state = BATCH_NAMED;
}

void batch_writer_broken(struct journal *journal)
{
    struct journal_batch *batch = journal->batch;

    if (batch == NULL)
        return;
    if (batch->state == BATCH_NAMED)
        batch->state = BATCH_DOUBT;
    else if (batch->state == BATCH_READY || batch->state == BATCH_JOINING)
        drop(batch, STATUS_SYSTEM);
}

void batch_stop(struct journal *journal)
{
    struct journal_batch *batch = journal->batch;

    if (batch != NULL && batch->state == BATCH_DOUBT)
        finish(batch, STATUS_SYSTEM);
    else if (batch != NULL && batch->state == BATCH_READY)
        drop(batch, STATUS_REFUSED);
}

static void commit(struct journal *journal, struct journal_batch *batch)
{
    batch->first_sequence = journal->opening.first;
    uint64_t last = batch->first_sequence + batch->records - 1;

    journal->next_sequence = last + 1;
    counter_add(&journal->counters.records, batch->records);
    counter_add(&journal->counters.bytes, batch->bytes);
    counter_add(&journal->counters.groups, 1);
    counter_set(&journal->counters.committed_utc_ms, reactor_utc_ms(journal->reactor));
    batch->committed_half = told_add(&journal->committed);
    told_turn(&journal->committed);
    told_turn(&journal->appended);
    atomic_store(&journal->counters.committed, last);
    finish(batch, STATUS_OK);
    watches_tell(journal);
}

void batch_segment_is_there(struct journal *journal)
{
    struct journal_batch *batch = journal->batch;

    if (batch_joining(journal) != NULL)
        commit(journal, batch);
    else if (batch != NULL && batch->state == BATCH_DOUBT)
        finish(batch, STATUS_SYSTEM);
}
