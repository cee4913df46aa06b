/* The journal's door: opening, appending, watching, stopping. */
#include "server/journal/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/journal/internal.h"

enum status journal_open(const struct journal_config *config, struct journal **opened,
                         struct journal_recovery *recovery, struct journal_error *error)
{
    struct journal *journal = calloc(1, sizeof *journal);
    if (journal == NULL || strlen(config->folder) >= sizeof journal->folder) {
        (void)snprintf(error->text, sizeof error->text, "the journal can't be opened: %s",
                       journal == NULL ? "out of memory" : "its folder's name is too long");
        free(journal);
        return STATUS_NO_MEMORY;
    }
    journal->config = *config;
    (void)snprintf(journal->folder, sizeof journal->folder, "%s", config->folder);
    journal->config.folder = journal->folder;
    journal->file = -1;
    journal->folder_file = -1;
    journal->state = WRITER_CLOSED;
    journal->group_capacity = GROUP_BYTES;
    journal->group = malloc(journal->group_capacity);
    list_init(&journal->holds);
    journal->left_at = UINT64_MAX;
    list_init(&journal->watches);
    atomic_store(&journal->counters.durable, true);
    CHECK(pthread_mutex_init(&journal->lock, NULL) == 0);
    enum status status = STATUS_NO_MEMORY;
    if (journal->group != NULL)
        status = recover(journal, recovery, error);
    if (status != STATUS_OK) {
        journal_free(journal);
        return status;
    }
    *opened = journal;
    return STATUS_OK;
}

void journal_free(struct journal *journal)
{
    CHECK(journal->reactor == NULL || journal->state == WRITER_STOPPED);
    pthread_mutex_destroy(&journal->lock);
    free(journal->segments);
    free(journal->group);
    free(journal);
}

void journal_start(struct journal *journal, struct reactor *reactor)
{
    journal->reactor = reactor;
    writer_begin(journal);
}

void journal_stop(struct journal *journal, void (*stopped)(void *context), void *context)
{
    atomic_store(&journal->stopping, true);
    journal->stopped = stopped;
    journal->stopped_context = context;
    writer_pump(journal);
}

/* ---- appending ---- */

static void arrive(struct message *message, struct reactor *reactor)
{
    struct journal_entry *entry = entry_of(message);
    struct journal *journal = entry->journal;
    if (entry->appended_ms == 0)
        entry->appended_ms = reactor_now_ms(reactor);
    message->next = NULL;
    if (journal->pending_tail != NULL)
        journal->pending_tail->next = message;
    else
        journal->pending_head = message;
    journal->pending_tail = message;
    writer_pump(journal);
}

/* How much may wait, so that a class still gets in. */
static uint64_t queue_limit(const struct journal *journal, enum journal_class class)
{
    uint64_t all = journal->config.queue_bytes;
    switch (class) {
    case JOURNAL_FIRST:
        return all;
    case JOURNAL_NORMAL:
        return all / 4 * 3;
    case JOURNAL_LATER:
        break;
    }
    return all / 2;
}

enum status journal_append(struct journal *journal, struct journal_entry *entry)
{
    CHECK(entry->size > 0 && entry->size <= JOURNAL_RECORD_MAX);
    CHECK(entry->class <= JOURNAL_LATER);
    uint64_t cost = entry->size + ENTRY_COST;
    /* counted first, so that a stop either sees it or was seen */
    uint64_t queued = atomic_fetch_add(&journal->counters.queued_bytes, cost);
    if (atomic_load(&journal->stopping)) {
        atomic_fetch_sub(&journal->counters.queued_bytes, cost);
        return STATUS_REFUSED;
    }
    if (queued + cost > queue_limit(journal, (enum journal_class)entry->class)) {
        atomic_fetch_sub(&journal->counters.queued_bytes, cost);
        if (!entry->kept)
            counter_add(&journal->counters.refused[entry->class], 1);
        return STATUS_FULL;
    }
    entry->journal = journal;
    entry->appended_ms = entry->from != NULL ? reactor_now_ms(entry->from) : 0;
    entry->appended_half = told_add(&journal->appended);
    entry->message.deliver = arrive;
    reactor_post(entry->from, journal->reactor, &entry->message);
    return STATUS_OK;
}

bool journal_has_room(const struct journal *journal, enum journal_class class)
{
    uint64_t queued = atomic_load(&journal->counters.queued_bytes);
    return queued + JOURNAL_RECORD_MAX + ENTRY_COST <= queue_limit(journal, class);
}

/* ---- readers' side ---- */

uint64_t journal_committed(const struct journal *journal)
{
    return atomic_load(&journal->counters.committed);
}

uint64_t journal_oldest(const struct journal *journal)
{
    return atomic_load(&journal->counters.oldest);
}

const struct journal_counters *journal_counters(const struct journal *journal)
{
    return &journal->counters;
}

void journal_hold_add(struct journal *journal, struct journal_hold *hold)
{
    pthread_mutex_lock(&journal->lock);
    list_append(&journal->holds, &hold->node);
    pthread_mutex_unlock(&journal->lock);
}

void journal_hold_remove(struct journal *journal, struct journal_hold *hold)
{
    pthread_mutex_lock(&journal->lock);
    list_remove(&hold->node);
    pthread_mutex_unlock(&journal->lock);
}

void journal_hold_leave(struct journal *journal, struct journal_hold *hold)
{
    uint64_t acknowledged = atomic_load_explicit(&hold->acknowledged, memory_order_relaxed);
    pthread_mutex_lock(&journal->lock);
    list_remove(&hold->node);
    if (acknowledged < journal->left_at)
        journal->left_at = acknowledged;
    pthread_mutex_unlock(&journal->lock);
}

void journal_await_readers(struct journal *journal)
{
    atomic_store(&journal->awaits_readers, true);
}

void journal_readers_are_back(struct journal *journal)
{
    atomic_store(&journal->awaits_readers, false);
}

/* In the watcher's thread. */
static void committed(struct message *message, struct reactor *reactor)
{
    struct journal_watch *watch = container_of(message, struct journal_watch, message);
    (void)reactor;
    atomic_store(&watch->posted, false);
    if (watch->removed != NULL)
        watch->removed(watch);
    else
        watch->committed(watch);
}

void watches_tell(struct journal *journal)
{
    pthread_mutex_lock(&journal->lock);
    for (struct list *node = journal->watches.next; node != &journal->watches; node = node->next) {
        struct journal_watch *watch = container_of(node, struct journal_watch, node);
        if (atomic_exchange(&watch->posted, true))
            continue;
        watch->message.deliver = committed;
        reactor_post(journal->reactor, watch->reactor, &watch->message);
    }
    pthread_mutex_unlock(&journal->lock);
}

void journal_watch_add(struct journal *journal, struct journal_watch *watch)
{
    atomic_store(&watch->posted, false);
    watch->removed = NULL;
    pthread_mutex_lock(&journal->lock);
    list_append(&journal->watches, &watch->node);
    pthread_mutex_unlock(&journal->lock);
}

void journal_watch_remove(struct journal *journal, struct journal_watch *watch,
                          void (*removed)(struct journal_watch *watch))
{
    pthread_mutex_lock(&journal->lock);
    list_remove(&watch->node);
    pthread_mutex_unlock(&journal->lock);
    watch->removed = removed;
    /* told by the message that is on its way, or by one of its own */
    if (!atomic_exchange(&watch->posted, true)) {
        watch->message.deliver = committed;
        reactor_post(watch->reactor, watch->reactor, &watch->message);
    }
}
