#include "server/directory/load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/log.h"
#include "server/directory/accounts_message.h"
#include "server/directory/restore.h"
#include "server/journal/walk.h"

static const struct log_context module = {.module = "directory"};

struct loading {
    struct directory *directory;
    struct load_report *report;
    struct proto_arena arena;
    uint64_t damaged;
    bool no_memory;
};

static void note(struct loading *loading, enum status status)
{
    if (status == STATUS_NO_MEMORY)
        loading->no_memory = true;
    else if (status == STATUS_INVALID)
        loading->damaged++;
    else if (status != STATUS_OK)
        loading->report->refused++;
}

static void take_device(const struct device_facts *facts, void *context)
{
    struct loading *loading = context;

    note(loading, directory_restore(loading->directory, facts));
}

static enum status take_account(const Cenc__V1__Event *event, void *context)
{
    struct loading *loading = context;

    note(loading, accounts_apply(loading->directory, event));
    return STATUS_OK;
}

static enum status take_private(const Cenc__Private__V1__Record *record, void *context)
{
    struct loading *loading = context;

    note(loading, accounts_apply_private(loading->directory, record));
    return STATUS_OK;
}

static void take_private_record(struct loading *loading, const struct journal_record *record)
{
    ProtobufCMessage *message = NULL;

    if (proto_unpack(&cenc__private__v1__record__descriptor, record->data, record->size,
                     &loading->arena, &message) != CODEC_OK)
        loading->damaged++;
    else
        note(loading,
             accounts_apply_private(loading->directory, (Cenc__Private__V1__Record *)message));
    explicit_bzero(loading->arena.memory, loading->arena.used);
}

static void take_record(const struct journal_record *record, void *context)
{
    struct loading *loading = context;
    Cenc__V1__Event *event;

    loading->report->replayed++;
    loading->arena.used = 0;
    loading->arena.full = false;
    if (record->kind == JOURNAL_PRIVATE)
        take_private_record(loading, record);
    if (record->kind != JOURNAL_EVENT)
        return;
    if (event_unpack(record->data, record->size, &loading->arena, &event) != CODEC_OK)
        loading->damaged++;
    else
        note(loading, directory_apply_event(loading->directory, event, record->sequence));
}

/* The journal goes on where the store ends, or before that. */
static enum status check_sequence(const char *path, const struct store *store,
                                  const struct journal *journal, struct load_report *report,
                                  struct store_error *error)
{
    uint64_t last = journal_committed(journal);
    uint64_t oldest = journal_oldest(journal);

    report->sequence = store_sequence(store);
    if (report->sequence > last) {
        (void)snprintf(error->text, sizeof(error->text),
                       "the directory's store %s knows the journal up to record %" PRIu64
                       ", but the journal ends with %" PRIu64
                       ": one of them was put back from an older copy; put back both from the same "
                       "one, or move the store away to have it made anew from the journal",
                       path, report->sequence, last);
        return STATUS_INVALID;
    }
    if (oldest > report->sequence + 1)
        report->missing = oldest - report->sequence - 1;
    return STATUS_OK;
}

static enum status replay(struct loading *loading, struct journal *journal,
                          struct store_error *error)
{
    struct journal_error reason = {{0}};
    enum status status =
        journal_walk(journal, loading->report->sequence + 1, take_record, loading, &reason);

    if (status != STATUS_OK)
        (void)snprintf(error->text, sizeof(error->text), "%s", reason.text);
    return status;
}

static void say(const struct loading *loading)
{
    const struct load_report *report = loading->report;
    struct directory_counts counts;

    directory_count(loading->directory, &counts);
    loading->report->devices = counts.devices;
    if (report->missing > 0)
        log_line(LOG_WARN, &module,
                 "records between the store's end and the journal's start are gone",
                 "records=%" PRIu64, report->missing);
    if (report->refused > 0)
        log_line(LOG_WARN, &module, "devices are more than limits.devices allows",
                 "left_out=%" PRIu64, report->refused);
    if (loading->damaged > 0)
        log_line(LOG_WARN, &module, "records of the journal or rows of the store make no sense",
                 "records=%" PRIu64, loading->damaged);
    if (counts.ports_dropped > 0)
        log_line(LOG_WARN, &module, "leased ports are outside of direct_ports.range: dropped",
                 "ports=%" PRIu64, counts.ports_dropped);
}

static enum status no_memory(struct store_error *error)
{
    (void)snprintf(error->text, sizeof(error->text), "the directory can't be loaded: no memory");
    return STATUS_NO_MEMORY;
}

static enum status load(struct loading *loading, const char *path, struct journal *journal,
                        struct store *store, struct store_error *error)
{
    const struct account_visitor visitor = {
        .event = take_account, .private = take_private, .context = loading};
    enum status status = check_sequence(path, store, journal, loading->report, error);

    if (status == STATUS_OK)
        status = store_load_accounts(store, &visitor, error);
    if (status == STATUS_OK)
        status = store_load(store, take_device, loading, error);
    if (status == STATUS_OK)
        status = replay(loading, journal, error);
    return status == STATUS_OK && loading->no_memory ? no_memory(error) : status;
}

enum status directory_load(struct directory *directory, const char *path, struct journal *journal,
                           struct store **loaded, struct load_report *report,
                           struct store_error *error)
{
    struct store *store;
    struct loading loading = {.directory = directory, .report = report};

    *report = (struct load_report){0};
    enum status status = store_open(path, &store, error);
    if (status != STATUS_OK)
        return status;
    loading.arena.size = PROTO_ARENA_SIZE;
    loading.arena.memory = malloc(PROTO_ARENA_SIZE);
    status = loading.arena.memory != NULL ? load(&loading, path, journal, store, error)
                                          : no_memory(error);
    free(loading.arena.memory);
    if (status != STATUS_OK) {
        store_close(store);
        return status;
    }
    say(&loading);
    *loaded = store;
    return STATUS_OK;
}
