/* The list of segments, and which of them may go. */
#include <stdlib.h>
#include <string.h>

#include "server/journal/internal.h"
#include "server/reactor/disk.h"

void segment_path(const struct journal *journal, const struct segment *segment,
                  char path[static PATH_SIZE])
{
    segment_file_path(journal->folder, segment, path);
}

static void publish(struct journal *journal)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < journal->segment_count; i++)
        bytes += journal->segments[i].bytes;
    counter_set(&journal->counters.disk_bytes, bytes);
    counter_set(&journal->counters.segments, journal->segment_count);
    if (journal->segment_count > 0)
        counter_set(&journal->counters.oldest, journal->segments[0].first);
}

enum status segments_add(struct journal *journal, const struct segment *segment)
{
    enum status status = STATUS_OK;
    pthread_mutex_lock(&journal->lock);
    if (journal->segment_count == journal->segment_capacity) {
        size_t capacity = journal->segment_capacity * 2 + 16;
        struct segment *grown = realloc(journal->segments, capacity * sizeof *grown);
        if (grown == NULL) {
            status = STATUS_NO_MEMORY;
            goto done;
        }
        journal->segments = grown;
        journal->segment_capacity = capacity;
    }
    /* a new attempt takes the place of the one before */
    if (journal->segment_count > 0 &&
        journal->segments[journal->segment_count - 1].first == segment->first)
        journal->segment_count--;
    journal->segments[journal->segment_count++] = *segment;
    publish(journal);
done:
    pthread_mutex_unlock(&journal->lock);
    return status;
}

void segments_grow_last(struct journal *journal, uint64_t bytes)
{
    pthread_mutex_lock(&journal->lock);
    CHECK(journal->segment_count > 0);
    journal->segments[journal->segment_count - 1].bytes = bytes;
    publish(journal);
    pthread_mutex_unlock(&journal->lock);
}

bool segments_find(struct journal *journal, uint64_t sequence, struct segment *segment,
                   uint64_t *next_first)
{
    bool found = false;
    pthread_mutex_lock(&journal->lock);
    for (size_t i = journal->segment_count; i > 0 && !found; i--) {
        if (journal->segments[i - 1].first > sequence)
            continue;
        *segment = journal->segments[i - 1];
        *next_first = i < journal->segment_count ? journal->segments[i].first : UINT64_MAX;
        found = true;
    }
    pthread_mutex_unlock(&journal->lock);
    return found;
}

/* ---- retention ---- */

static uint64_t slowest_hold(const struct journal *journal)
{
    uint64_t slowest = journal->left_at;
    for (const struct list *node = journal->holds.next; node != &journal->holds;
         node = node->next) {
        const struct journal_hold *hold = container_of(node, struct journal_hold, node);
        uint64_t acknowledged = atomic_load_explicit(&hold->acknowledged, memory_order_relaxed);
        if (acknowledged < slowest)
            slowest = acknowledged;
    }
    return slowest;
}

/* Takes the oldest segment out of the list if it may go. The last one never does. */
static bool let_go(struct journal *journal)
{
    uint64_t now = reactor_utc_ms(journal->reactor);
    uint64_t age_ms = journal->config.retention_age_s * 1000;
    bool remove = false;
    pthread_mutex_lock(&journal->lock);
    if (journal->segment_count >= 2) {
        const struct segment *next = &journal->segments[1];
        bool read = slowest_hold(journal) >= next->first - 1;
        /* its newest record is as old as the next segment */
        bool old = age_ms > 0 && next->created_utc_ms + age_ms < now;
        bool full = atomic_load(&journal->counters.disk_bytes) > journal->config.retention_bytes;
        remove = full || (old && read);
        if (remove) {
            journal->segment_count--;
            memmove(journal->segments, next, journal->segment_count * sizeof *next);
            publish(journal);
            if (!read)
                counter_add(&journal->counters.forced_segments, 1);
        }
    }
    pthread_mutex_unlock(&journal->lock);
    return remove;
}

/* The helper thread: all files older than the oldest segment, attempts that failed among them. One
 * after the other, each for certain, so that no crash leaves a gap between those that are there. */
static void remove_files(void *argument)
{
    struct journal *journal = argument;
    struct catalog catalog;
    uint64_t oldest = journal_oldest(journal);
    int result = catalog_read(journal->folder, &catalog);
    for (size_t i = 0; i < catalog.count && result == 0; i++) {
        char path[PATH_SIZE];
        if (catalog.segments[i].first >= oldest)
            break;
        segment_path(journal, &catalog.segments[i], path);
        result = disk_remove(path);
        if (result == 0)
            result = disk_sync_folder(journal->folder);
    }
    catalog_free(&catalog);
    journal->removal_failed = result < 0;
}

/* What couldn't be removed waits for the next segment: a disk that refuses isn't asked on and on.
 */
static void removed(struct operation *operation, int32_t result)
{
    (void)result;
    struct journal *journal = container_of(operation, struct journal, removal);
    journal->removing = false;
    if (!journal->removal_failed)
        segments_retain(journal); /* what has come meanwhile */
    writer_pump(journal);         /* a stop waits for this */
}

void segments_retain(struct journal *journal)
{
    if (journal->removing || atomic_load(&journal->stopping) ||
        atomic_load(&journal->awaits_readers))
        return;
    bool any = journal->removal_failed;
    while (let_go(journal))
        any = true;
    if (!any)
        return;
    journal->removal_failed = true; /* until it is done */
    journal->removal.done = removed;
    journal->removing =
        reactor_work(journal->reactor, &journal->removal, remove_files, journal) == STATUS_OK;
}
