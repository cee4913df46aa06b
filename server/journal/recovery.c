/* Recovery: what is on the disk, up to where it is whole, and whether what follows is the torn end
 * of an interrupted write or damage. Only the last segment can have a torn end; of the others only
 * the names matter here (journal_verify reads them all). */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/journal/internal.h"
#include "server/journal/scan.h"
#include "server/reactor/disk.h"

struct found {
    struct segment *segments;
    size_t count;
    size_t capacity;
    bool no_memory;
};

static void collect(const char *name, uint64_t size, void *context)
{
    struct found *found = context;
    struct segment segment;
    if (!segment_name_parse(name, &segment))
        return;
    segment.bytes = size;
    if (found->count == found->capacity) {
        size_t capacity = found->capacity * 2 + 64;
        struct segment *grown = realloc(found->segments, capacity * sizeof *grown);
        if (grown == NULL) {
            found->no_memory = true;
            return;
        }
        found->segments = grown;
        found->capacity = capacity;
    }
    found->segments[found->count++] = segment;
}

static int by_order(const void *a, const void *b)
{
    const struct segment *left = a;
    const struct segment *right = b;
    if (left->first != right->first)
        return left->first < right->first ? -1 : 1;
    return left->attempt < right->attempt ? -1 : left->attempt > right->attempt;
}

static enum status say(struct journal_error *error, const char *path, int number)
{
    (void)snprintf(error->text, sizeof error->text, "the journal can't read %s: %s", path,
                   strerror(-number));
    return STATUS_SYSTEM;
}

/* The last segment decides where the journal ends. One without a single whole record is of no use:
 * *useful is false, and the one before it is the last. */
static enum status end_of(struct journal *journal, struct segment *segment, bool *useful,
                          struct journal_recovery *recovery, struct journal_error *error)
{
    struct segment_scan scan;
    char path[PATH_SIZE];
    segment_path(journal, segment, path);
    enum status status = segment_scan(path, segment->first, UINT64_MAX, NULL, NULL, &scan);
    if (status == STATUS_SYSTEM)
        return say(error, path, scan.error);
    if (status == STATUS_INVALID) {
        (void)snprintf(error->text, sizeof error->text,
                       "the journal is damaged: %s at offset %" PRIu64
                       ", good records follow; nothing was changed",
                       path, scan.end_offset);
        return STATUS_INVALID;
    }
    if (status != STATUS_OK)
        return status;
    *useful = scan.records > 0;
    recovery->torn_bytes += segment->bytes - (scan.records > 0 ? scan.end_offset : 0);
    if (!*useful) {
        int result = disk_remove(path);
        return result < 0 ? say(error, path, result) : STATUS_OK;
    }
    /* also syncs: what is counted as recorded from now on is on the disk */
    int result = disk_truncate(path, scan.end_offset);
    if (result < 0)
        return say(error, path, result);
    segment->bytes = scan.end_offset;
    segment->created_utc_ms = scan.header.created_utc_ms;
    recovery->last_sequence = scan.last_sequence;
    return STATUS_OK;
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

static enum status adopt(struct journal *journal, struct found *found,
                         struct journal_recovery *recovery, struct journal_error *error)
{
    size_t count = found->count;
    bool useful = false;
    while (count > 0 && !useful) {
        enum status status = end_of(journal, &found->segments[count - 1], &useful, recovery, error);
        if (status != STATUS_OK)
            return status;
        if (!useful)
            count--;
    }
    for (size_t i = 0; i < count; i++) {
        bool outdone = i + 1 < count && found->segments[i + 1].first == found->segments[i].first;
        if (outdone)
            continue; /* an attempt that failed: nothing of it was committed */
        if (i + 1 < count)
            read_created(journal, &found->segments[i]);
        if (segments_add(journal, &found->segments[i]) != STATUS_OK)
            return STATUS_NO_MEMORY;
    }
    return STATUS_OK;
}

enum status recover(struct journal *journal, struct journal_recovery *recovery,
                    struct journal_error *error)
{
    struct found found = {0};
    memset(recovery, 0, sizeof *recovery);
    int result = disk_make_folder(journal->folder);
    if (result == 0)
        result = disk_list(journal->folder, collect, &found);
    enum status status = STATUS_OK;
    if (result < 0)
        status = say(error, journal->folder, result);
    else if (found.no_memory)
        status = STATUS_NO_MEMORY;
    if (status == STATUS_OK && found.count > 0) {
        qsort(found.segments, found.count, sizeof *found.segments, by_order);
        status = adopt(journal, &found, recovery, error);
    }
    if (status == STATUS_NO_MEMORY)
        (void)snprintf(error->text, sizeof error->text, "the journal can't be opened: no memory");
    /* numbers go on where they were, also when the last segment is empty or was removed */
    if (status == STATUS_OK && recovery->last_sequence == 0 && found.count > 0)
        recovery->last_sequence = found.segments[0].first - 1;
    free(found.segments);
    recovery->segments = journal->segment_count;
    recovery->first_sequence = journal->segment_count > 0 ? journal->segments[0].first : 0;
    counter_set(&journal->counters.committed, recovery->last_sequence);
    journal->next_sequence = recovery->last_sequence + 1;
    return status;
}
