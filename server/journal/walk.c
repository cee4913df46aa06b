#include "server/journal/walk.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "server/journal/internal.h"
#include "server/journal/scan.h"

struct walk {
    uint64_t next; /* to be visited */
    uint64_t end;  /* not to be visited any more */
    void (*visit)(const struct journal_record *record, void *context);
    void *context;
};

static void pass_on(const struct record *record, void *context)
{
    struct walk *walk = context;
    struct journal_record passed = {
        .sequence = record->sequence,
        .data = record->payload,
        .size = record->size,
        .kind = record->kind,
    };

    if (record->sequence != walk->next || record->sequence == walk->end)
        return;
    walk->visit(&passed, walk->context);
    walk->next++;
}

static enum status explain(enum status status, const char *path, const struct segment_scan *scan,
                           struct journal_error *error)
{
    switch (status) {
    case STATUS_SYSTEM:
        (void)snprintf(error->text, sizeof error->text, "the journal can't read %s: %s", path,
                       strerror(-scan->error));
        break;
    case STATUS_INVALID:
        (void)snprintf(error->text, sizeof error->text,
                       "the journal is damaged: %s at offset %" PRIu64 "; nothing was changed",
                       path, scan->end_offset);
        break;
    default:
        (void)snprintf(error->text, sizeof error->text, "the journal can't be read: no memory");
        break;
    }
    return status;
}

enum status journal_walk(struct journal *journal, uint64_t from,
                         void (*visit)(const struct journal_record *record, void *context),
                         void *context, struct journal_error *error)
{
    uint64_t oldest = journal_oldest(journal);
    struct walk walk = {
        .next = from > oldest ? from : oldest,
        .end = journal_committed(journal) + 1,
        .visit = visit,
        .context = context,
    };

    while (oldest > 0 && walk.next < walk.end) {
        struct segment_scan scan;
        struct segment segment;
        char path[PATH_SIZE];
        uint64_t before = 0;
        uint64_t wanted = walk.next;
        CHECK(segments_find(journal, wanted, &segment, &before));
        segment_path(journal, &segment, path);
        enum status status = segment_scan(path, segment.first, before, pass_on, &walk, &scan);
        if (status == STATUS_OK && walk.next == wanted)
            status = STATUS_INVALID; /* it was whole when the journal was opened */
        if (status != STATUS_OK)
            return explain(status, path, &scan, error);
    }
    return STATUS_OK;
}
