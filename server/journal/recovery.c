/* Recovery: what is on the disk, up to where it is whole, and whether what follows is the torn end
 * of an interrupted write or damage. Only the last segment can have a torn end; of the others only
 * the names matter here. That the last one has no records doesn't make the one before it the last:
 * what that may hold beyond is a group whose write failed, and which was never committed. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/journal/internal.h"
#include "server/journal/scan.h"
#include "server/reactor/disk.h"

static enum status say(struct journal_error *error, const char *path, int number)
{
    (void)snprintf(error->text, sizeof error->text, "the journal can't read %s: %s", path,
                   strerror(-number));
    return number == -ENOMEM ? STATUS_NO_MEMORY : STATUS_SYSTEM;
}

/* The last group may be one whose sync failed, after which the system takes its pages for clean: a
 * sync would do nothing. Written again, they are not. */
static int write_again(const char *path, const struct segment_scan *scan)
{
    size_t size = (size_t)(scan->end_offset - scan->doubt_offset);
    uint8_t *bytes = malloc(size);
    if (bytes == NULL)
        return -ENOMEM;
    int64_t got = disk_read(path, scan->doubt_offset, bytes, size);
    int result = got == (int64_t)size ? 0 : -EIO;
    if (got < 0)
        result = (int)got;
    if (result == 0)
        result = disk_write(path, scan->doubt_offset, bytes, size);
    free(bytes);
    return result;
}

/* Cuts what is torn. Also syncs, unless the seal tells that this was done: what is counted as
 * recorded from now on is on the disk. */
static enum status cut(const char *path, const struct segment_scan *scan,
                       struct journal_error *error)
{
    if (scan->sealed && scan->file_bytes == scan->end_offset)
        return STATUS_OK;
    int result = write_again(path, scan);
    if (result == 0)
        result = disk_truncate(path, scan->end_offset);
    return result < 0 ? say(error, path, result) : STATUS_OK;
}

/* The last segment decides where the journal ends. */
static enum status end_of(struct journal *journal, struct segment *segment,
                          struct journal_recovery *recovery, struct journal_error *error)
{
    struct segment_scan scan;
    char path[PATH_SIZE];
    segment_path(journal, segment, path);
    enum status status = segment_scan(path, segment->first, UINT64_MAX, NULL, NULL, &scan);
    if (status == STATUS_SYSTEM)
        return say(error, path, scan.error);
    if (status == STATUS_NO_MEMORY)
        return say(error, path, -ENOMEM);
    if (status == STATUS_INVALID) {
        (void)snprintf(error->text, sizeof error->text,
                       "the journal is damaged: %s at offset %" PRIu64
                       ": what was committed is bad or missing; nothing was changed",
                       path, scan.end_offset);
        return STATUS_INVALID;
    }
    recovery->torn_bytes = scan.file_bytes - scan.end_offset;
    /* numbers go on where they were, also when this segment is all that is left */
    recovery->last_sequence = scan.records > 0 ? scan.last_sequence : segment->first - 1;
    journal->opening = *segment; /* the next file for this sequence is another attempt */
    journal->kept_attempt = segment->attempt;
    if (scan.records == 0)
        return STATUS_OK;
    segment->bytes = scan.end_offset;
    segment->created_utc_ms = scan.header.created_utc_ms;
    return cut(path, &scan, error);
}

static void read_created(const struct journal *journal, struct segment *segment)
{
    uint8_t bytes[SEGMENT_HEADER_SIZE];
    struct segment_header header;
    char path[PATH_SIZE];
    segment_path(journal, segment, path);
    if (disk_read(path, 0, bytes, sizeof bytes) == (int64_t)sizeof bytes &&
        segment_header_decode(bytes, &header))
        segment->created_utc_ms = header.created_utc_ms;
}

/* Attempts that failed: they only take space. The one that counts must stay, so it comes first. If
 * it can't be done now, the next start will. */
static void remove_outdone(const struct journal *journal, const struct catalog *catalog)
{
    bool any = false;
    for (size_t i = 0; i < catalog->count; i++)
        any = any || catalog_outdone(catalog, i);
    if (!any || disk_sync_folder(journal->folder) < 0)
        return;
    for (size_t i = 0; i < catalog->count; i++) {
        char path[PATH_SIZE];
        segment_path(journal, &catalog->segments[i], path);
        if (catalog_outdone(catalog, i))
            (void)disk_remove(path);
    }
}

static enum status adopt(struct journal *journal, struct catalog *catalog,
                         struct journal_recovery *recovery, struct journal_error *error)
{
    struct segment *last = &catalog->segments[catalog->count - 1];
    enum status status = end_of(journal, last, recovery, error);
    if (status != STATUS_OK)
        return status;
    bool empty = recovery->last_sequence < last->first;
    for (size_t i = 0; i < catalog->count; i++) {
        struct segment *segment = &catalog->segments[i];
        if (catalog_outdone(catalog, i) || (segment == last && empty))
            continue;
        if (segment != last)
            read_created(journal, segment);
        if (segments_add(journal, segment) != STATUS_OK)
            return say(error, journal->folder, -ENOMEM);
    }
    remove_outdone(journal, catalog);
    return STATUS_OK;
}

enum status recover(struct journal *journal, struct journal_recovery *recovery,
                    struct journal_error *error)
{
    struct catalog catalog = {0};
    enum status status = STATUS_OK;
    char path[PATH_SIZE];
    memset(recovery, 0, sizeof *recovery);
    int result = disk_make_folder(journal->folder);
    if (result == 0)
        result = catalog_read(journal->folder, &catalog);
    if (result < 0)
        status = say(error, journal->folder, result);
    else if (catalog.count > 0)
        status = adopt(journal, &catalog, recovery, error);
    batch_file_path(journal, path);
    if (status == STATUS_OK)
        (void)disk_remove(path); /* of a batch that wasn't committed; the next one does it, too */
    catalog_free(&catalog);
    recovery->segments = journal->segment_count;
    recovery->first_sequence = journal->segment_count > 0 ? journal->segments[0].first : 0;
    counter_set(&journal->counters.committed, recovery->last_sequence);
    journal->next_sequence = recovery->last_sequence + 1;
    return status;
}
