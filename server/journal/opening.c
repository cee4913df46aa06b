/* A new segment: created, its header written and synced, its name made durable. Only then it is
 * one.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "server/journal/internal.h"
#include "server/reactor/disk.h"

static void folder_synced(struct operation *operation, int32_t result)
{
    struct journal *journal = container_of(operation, struct journal, operation);
    if (result < 0) {
        writer_broken(journal, result);
        return;
    }
    if (segments_add(journal, &journal->opening) != STATUS_OK) {
        writer_broken(journal, -ENOMEM);
        return;
    }
    journal->file_bytes = journal->opening.bytes;
    journal->sealed = false;
    writer_enter(journal, WRITER_READY);
    if (journal->group_head == NULL) /* otherwise its commit says so */
        atomic_store(&journal->counters.durable, true);
    batch_segment_is_there(journal);
    segments_retain(journal);
    writer_pump(journal);
}

static void sync_folder(struct journal *journal)
{
    journal->operation.done = folder_synced;
    if (file_sync(journal->reactor, &journal->operation, journal->folder_file) != STATUS_OK)
        writer_broken(journal, -ENOMEM);
}

static void folder_opened(struct operation *operation, int32_t result)
{
    struct journal *journal = container_of(operation, struct journal, operation);
    if (result < 0) {
        writer_broken(journal, result);
        return;
    }
    journal->folder_file = result;
    sync_folder(journal);
}

static void make_name_durable(struct journal *journal)
{
    if (journal->folder_file >= 0) {
        sync_folder(journal);
        return;
    }
    journal->operation.done = folder_opened;
    if (file_open(journal->reactor, &journal->operation, journal->folder, O_RDONLY | O_DIRECTORY,
                  0) != STATUS_OK)
        writer_broken(journal, -ENOMEM);
}

static void batch_renamed(struct operation *operation, int32_t result)
{
    struct journal *journal = container_of(operation, struct journal, operation);
    (void)result;
    if (journal->rename_result < 0)
        writer_broken(journal, journal->rename_result);
    else
        make_name_durable(journal);
}

static void rename_batch(void *argument)
{
    struct journal *journal = argument;
    journal->rename_result = disk_rename(journal->batch->path, journal->path);
}

static void header_synced(struct operation *operation, int32_t result)
{
    struct journal *journal = container_of(operation, struct journal, operation);
    if (result < 0) {
        writer_broken(journal, result);
    } else if (batch_joining(journal) == NULL) {
        make_name_durable(journal);
    } else {
        batch_gets_name(journal);
        journal->operation.done = batch_renamed;
        if (reactor_work(journal->reactor, &journal->operation, rename_batch, journal) != STATUS_OK)
            writer_broken(journal, -ENOMEM);
    }
}

static void header_written(struct operation *operation, int32_t result)
{
    struct journal *journal = container_of(operation, struct journal, operation);
    if (result != (int32_t)SEGMENT_HEADER_SIZE) {
        writer_broken(journal, result < 0 ? result : -ENOSPC);
        return;
    }
    journal->operation.done = header_synced;
    if (file_sync(journal->reactor, &journal->operation, journal->file) != STATUS_OK)
        writer_broken(journal, -ENOMEM);
}

static void write_header(struct journal *journal)
{
    const struct journal_batch *batch = batch_joining(journal);
    struct segment_header header = {
        .first_sequence = journal->opening.first,
        .created_utc_ms = journal->opening.created_utc_ms,
        .seed = journal->seed,
        .batch = batch != NULL ? batch->records : 0,
    };
    memcpy(header.node, journal->config.node, sizeof header.node);
    segment_header_encode(&header, journal->header);
    journal->operation.done = header_written;
    if (file_write(journal->reactor, &journal->operation, journal->file, journal->header,
                   SEGMENT_HEADER_SIZE, 0) != STATUS_OK)
        writer_broken(journal, -ENOMEM);
}

static void segment_opened(struct operation *operation, int32_t result)
{
    struct journal *journal = container_of(operation, struct journal, operation);
    if (result < 0) {
        writer_broken(journal, result);
        return;
    }
    journal->file = result;
    write_header(journal);
}

static void choose_name(struct journal *journal)
{
    uint64_t first = atomic_load(&journal->counters.committed) + 1;
    bool again_for_it = journal->opening.first == first;
    journal->opening.attempt = again_for_it ? journal->opening.attempt + 1 : 0;
    if (!again_for_it)
        journal->kept_attempt = 0;
    journal->opening.first = first;
    journal->opening.created_utc_ms = reactor_utc_ms(journal->reactor);
    segment_path(journal, &journal->opening, journal->path);
}

static void create_segment(struct journal *journal)
{
    choose_name(journal);
    journal->seed = (uint32_t)reactor_random(journal->reactor);
    journal->opening.bytes = SEGMENT_HEADER_SIZE;
    journal->operation.done = segment_opened;
    if (file_open(journal->reactor, &journal->operation, journal->path, O_WRONLY | O_CREAT | O_EXCL,
                  0640) != STATUS_OK)
        writer_broken(journal, -ENOMEM);
}

static void remove_attempt(void *argument)
{
    const struct journal *journal = argument;
    (void)disk_remove(journal->path); /* if it stays the next start removes it */
}

static void attempt_removed(struct operation *operation, int32_t result)
{
    (void)result;
    create_segment(container_of(operation, struct journal, operation));
}

/* What failed before for the same sequence gives its space back, since that may be what is missing.
 */
void opening_begin(struct journal *journal)
{
    uint64_t first = atomic_load(&journal->counters.committed) + 1;
    bool outdone =
        journal->opening.first == first && journal->opening.attempt != journal->kept_attempt;
    writer_enter(journal, WRITER_BUSY);
    if (outdone) {
        segment_path(journal, &journal->opening, journal->path);
        journal->operation.done = attempt_removed;
        if (reactor_work(journal->reactor, &journal->operation, remove_attempt, journal) ==
            STATUS_OK)
            return;
    }
    create_segment(journal);
}

void opening_join(struct journal *journal)
{
    writer_enter(journal, WRITER_BUSY);
    choose_name(journal);
    journal->seed = journal->batch->seed;
    journal->opening.bytes = journal->batch->bytes;
    journal->file = batch_take_file(journal);
    write_header(journal);
}
