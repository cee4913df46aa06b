#include "server/northbound/plugin_host.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "codec/proto/event.h"
#include "server/base/check.h"
#include "server/base/log.h"
#include "server/northbound/internal.h"
#include "server/northbound/plugin_thread.h"

#define BACKOFF_FIRST_MS 100u
#define BACKOFF_MAX_MS   30000u
#define UNANSWERED_MS    30000u

static const struct log_context module = {.module = "plugins"};

static void count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* ---- asking ---- */

static void ask(struct told *told)
{
    told->asking = true;
    timer_start(told->northbound->reactor, &told->timer, UNANSWERED_MS);
    plugin_thread_ask(told->thread);
}

/* In the plugin's thread. */
static void answered(void *context)
{
    struct told *told = context;

    reactor_post(NULL, told->northbound->reactor, &told->message);
}

static void due(struct timer *timer)
{
    struct told *told = container_of(timer, struct told, timer);

    if (told->asking) {
        atomic_store(&told->counters.unanswered, true);
        log_line(LOG_WARN, &module, "a plugin doesn't answer; the others go on",
                 "plugin=%s sequence=%" PRIu64, told->plugin->plugin->name, told->sequence);
        return;
    }
    atomic_store(&told->counters.waits, false);
    ask(told);
}

static void try_later(struct told *told, const char *why)
{
    char quoted[256];

    count(&told->counters.retries);
    if (!told->failing)
        log_line(LOG_WARN, &module, "a plugin takes nothing for now; it is tried again",
                 "plugin=%s sequence=%" PRIu64 " reason=%s", told->plugin->plugin->name,
                 told->sequence, log_quote(why, quoted, sizeof(quoted)));
    told->failing = true;
    told->backoff_ms = told->backoff_ms == 0                   ? BACKOFF_FIRST_MS
                       : told->backoff_ms < BACKOFF_MAX_MS / 2 ? told->backoff_ms * 2
                                                               : BACKOFF_MAX_MS;
    if (told->northbound->stopping)
        return; /* the next start tells it */
    atomic_store(&told->counters.waits, true);
    timer_start(told->northbound->reactor, &told->timer, told->backoff_ms);
}

static void go_on(struct told *told, const struct plugin_reply *reply)
{
    char quoted[256];

    if (reply->answer == PLUGIN_REFUSED) {
        count(&told->counters.refused);
        log_line(LOG_WARN, &module, "a plugin refused a fact; it is told of the next one",
                 "plugin=%s sequence=%" PRIu64 " reason=%s", told->plugin->plugin->name,
                 told->sequence, log_quote(reply->why, quoted, sizeof(quoted)));
    } else {
        count(&told->counters.told);
    }
    if (told->failing)
        log_line(LOG_INFO, &module, "a plugin takes facts again", "plugin=%s",
                 told->plugin->plugin->name);
    told->failing = false;
    told->backoff_ms = 0;
    told->busy = false;
    positions_move(told->northbound, told->consumer, told->taken);
    if (!told->northbound->stopping)
        feed_resume(&told->follower);
}

static void deliver(struct message *message, struct reactor *reactor)
{
    struct told *told = container_of(message, struct told, message);
    struct plugin_reply reply = plugin_thread_reply(told->thread);

    (void)reactor;
    told->asking = false;
    timer_stop(&told->timer);
    atomic_store(&told->counters.unanswered, false);
    if (reply.answer == PLUGIN_DONE || reply.answer == PLUGIN_REFUSED)
        go_on(told, &reply);
    else
        try_later(told, reply.why);
}

/* ---- following the journal ---- */

/* False: the plugin is busy with an earlier one. */
static bool take_record(struct told *told, const struct journal_record *record)
{
    struct proto_arena *arena = &told->northbound->arena;
    struct event_outline outline;
    enum plugin_fact what;
    Cenc__V1__Event *event;

    if (record->kind != JOURNAL_EVENT || !event_outline(record->data, record->size, &outline) ||
        !plugin_fact_of((int)outline.body, &what))
        return true;
    if (told->busy)
        return false;
    arena->used = 0;
    if (event_unpack(record->data, record->size, arena, &event) != CODEC_OK ||
        event->device == NULL || !plugin_fact_of((int)event->body_case, &what))
        return true;
    plugin_thread_set(told->thread, event, record->sequence);
    told->sequence = record->sequence;
    told->busy = true;
    ask(told);
    return true;
}

static size_t take(struct follower *follower, const struct journal_record *records, size_t count)
{
    struct told *told = container_of(follower, struct told, follower);
    size_t taken = 0;

    while (taken < count && take_record(told, &records[taken]))
        told->taken = records[taken++].sequence;
    if (!told->busy)
        positions_move(told->northbound, told->consumer, told->taken);
    return taken;
}

static void gone(struct follower *follower)
{
    struct told *told = container_of(follower, struct told, follower);
    uint64_t oldest = journal_oldest(told->northbound->journal);

    count(&told->counters.gaps);
    log_line(LOG_WARN, &module, "a plugin missed events that retention removed",
             "plugin=%s wanted=%" PRIu64 " oldest=%" PRIu64, told->plugin->plugin->name,
             follower->next, oldest);
    if (oldest > follower->next)
        follower->next = oldest;
    feed_add(told->northbound->feed, follower);
}

static const struct follower_ops follower_ops = {.take = take, .gone = gone};

/* ---- start and stop ---- */

static enum status start_one(struct northbound *northbound, struct told *told, size_t index)
{
    told->northbound = northbound;
    told->plugin = &northbound->config->registration.plugins[index];
    told->consumer = &northbound->consumers.all[northbound->consumers.account_count + index];
    told->taken = told->consumer->position;
    told->message.deliver = deliver;
    timer_init(&told->timer, due);
    enum status status = plugin_thread_start(told->plugin, answered, told, &told->thread);
    if (status != STATUS_OK)
        return status;
    told->follower.ops = &follower_ops;
    told->follower.next = told->taken + 1;
    feed_add(northbound->feed, &told->follower);
    return STATUS_OK;
}

enum status plugin_host_start(struct northbound *northbound)
{
    struct plugin_host *host = &northbound->plugins;
    size_t wanted = northbound->config->registration.plugin_count;

    host->all = calloc(wanted + 1, sizeof(*host->all));
    if (host->all == NULL)
        return STATUS_NO_MEMORY;
    for (; host->count < wanted; host->count++) {
        enum status status = start_one(northbound, &host->all[host->count], host->count);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

void plugin_host_stop(struct northbound *northbound)
{
    struct plugin_host *host = &northbound->plugins;

    for (size_t i = 0; i < host->count; i++) {
        feed_remove(&host->all[i].follower);
        if (!host->all[i].asking)
            timer_stop(&host->all[i].timer);
        plugin_thread_stop(host->all[i].thread);
    }
}

static _Atomic bool left_behind; /* of the process, which ends */

bool plugin_host_left_any(void)
{
    return atomic_load(&left_behind);
}

/* False: its answer is on its way. */
static bool leave(struct told *told)
{
    if (!plugin_thread_leave(told->thread))
        return false;
    log_line(LOG_ERROR, &module, "a plugin doesn't end; it is left behind",
             "plugin=%s sequence=%" PRIu64, told->plugin->plugin->name, told->sequence);
    timer_stop(&told->timer);
    atomic_store(&left_behind, true);
    told->thread = NULL;
    return true;
}

bool plugin_host_stopped(struct northbound *northbound, bool late)
{
    struct plugin_host *host = &northbound->plugins;
    bool stopped = true;

    for (size_t i = 0; i < host->count; i++) {
        struct told *told = &host->all[i];
        if (told->thread == NULL)
            continue;
        if (!told->asking) {
            plugin_thread_join(told->thread);
            told->thread = NULL;
        } else if (!late || !leave(told)) {
            stopped = false;
        }
    }
    return stopped;
}

void plugin_host_free(struct northbound *northbound)
{
    free(northbound->plugins.all);
}
