#include "server/northbound/plugin_host.h"

#include <inttypes.h>
#include <stdio.h>
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
#define LIST_RETRY_MS    100u

static const struct log_context module = {.module = "plugins"};

static void count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static void note_error(struct told_plugin *told, const char *why)
{
    pthread_mutex_lock(&told->error.lock);
    told->error.utc_ms = reactor_utc_ms(told->northbound->reactor);
    (void)snprintf(told->error.text, sizeof(told->error.text), "%s", why);
    pthread_mutex_unlock(&told->error.lock);
}

/* ---- asking ---- */

static void begin_list(struct told_plugin *told);
static void list_on(struct told_plugin *told);
static void end_list(struct told_plugin *told);

static void ask(struct told_plugin *told)
{
    told->asking = true;
    timer_start(told->northbound->reactor, &told->timer, UNANSWERED_MS);
    plugin_thread_ask(told->thread);
}

/* In the plugin's thread. */
static void answered(void *context)
{
    struct told_plugin *told = context;

    reactor_post(NULL, told->northbound->reactor, &told->message);
}

static void due(struct timer *timer)
{
    struct told_plugin *told = container_of(timer, struct told_plugin, timer);

    if (told->asking) {
        atomic_store(&told->counters.unanswered, true);
        note_error(told, "it doesn't answer");
        log_line(LOG_WARN, &module, "a plugin doesn't answer; the others go on",
                 "plugin=%s sequence=%" PRIu64, told->plugin->plugin->name, told->sequence);
        return;
    }
    atomic_store(&told->counters.waits, false);
    if (told->busy)
        ask(told);
    else
        begin_list(told);
}

static void try_later(struct told_plugin *told, const char *why)
{
    char quoted[256];

    count(&told->counters.retries);
    note_error(told, why);
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

static void go_on(struct told_plugin *told, const struct plugin_reply *reply)
{
    char quoted[256];

    if (reply->answer == PLUGIN_REFUSED) {
        count(&told->counters.refused);
        note_error(told, reply->why);
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
    if (!told->listing)
        positions_move(told->northbound, told->consumer, told->taken);
    if (told->northbound->stopping)
        return;
    if (told->missed)
        begin_list(told);
    else if (told->completing)
        end_list(told);
    else if (told->listing)
        list_on(told);
    else
        feed_resume(&told->follower);
}

static void deliver(struct message *message, struct reactor *reactor)
{
    struct told_plugin *told = container_of(message, struct told_plugin, message);
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
static bool take_record(struct told_plugin *told, const struct journal_record *record)
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
    plugin_telling_of_event(plugin_thread_telling(told->thread), event, record->sequence);
    told->sequence = record->sequence;
    told->busy = true;
    ask(told);
    return true;
}

static size_t take(struct follower *follower, const struct journal_record *records, size_t count)
{
    struct told_plugin *told = container_of(follower, struct told_plugin, follower);
    size_t taken = 0;

    while (taken < count && take_record(told, &records[taken]))
        told->taken = records[taken++].sequence;
    if (!told->busy)
        positions_move(told->northbound, told->consumer, told->taken);
    return taken;
}

static void gone(struct follower *follower)
{
    struct told_plugin *told = container_of(follower, struct told_plugin, follower);
    uint64_t oldest = journal_oldest(told->northbound->journal);

    count(&told->counters.gaps);
    log_line(LOG_WARN, &module,
             "a plugin missed events that retention removed; it is told of all devices",
             "plugin=%s wanted=%" PRIu64 " oldest=%" PRIu64, told->plugin->plugin->name,
             follower->next, oldest);
    told->missed = true;
    if (!told->busy)
        begin_list(told);
}

static const struct follower_ops follower_ops = {.take = take, .gone = gone};

static void follow(struct told_plugin *told)
{
    told->follower.ops = &follower_ops;
    told->follower.next = told->taken + 1;
    feed_add(told->northbound->feed, &told->follower);
}

/* ---- what is there already ---- */

/* It goes on only now: a list that is told anew takes the place of whatever came before it. */
static void list_saved(void *context)
{
    struct told_plugin *told = context;

    if (atomic_load(&told->consumer->hold.acknowledged) < told->listed)
        return; /* an earlier one, which was under way */
    told->consumer->saved = NULL;
    if (told->northbound->stopping)
        return;
    told->listing = false;
    atomic_store(&told->counters.listing, false);
    follow(told);
}

static void end_list(struct told_plugin *told)
{
    told->completing = false;
    told->taken = told->listed;
    told->consumer->saved = list_saved;
    told->consumer->saved_context = told;
    positions_begin(told->northbound, told->consumer, told->listed);
}

struct search {
    struct directory *directory;
    const struct device *found;
};

/* One whose record isn't on the disk may never have been; if it comes there, it is told as new. */
static bool is_next(const struct device_info *info, void *context)
{
    struct search *search = context;

    if (directory_known(search->directory, info->scope, info->serial) == NULL)
        return true;
    search->found = info->device;
    return false;
}

static void list_on(struct told_plugin *told)
{
    struct northbound *northbound = told->northbound;
    struct plugin_telling *telling = plugin_thread_telling(told->thread);
    uint64_t utc_ms = reactor_utc_ms(northbound->reactor);
    const char *node = northbound->config->server.node;
    struct search search = {.directory = northbound->directory};
    struct device_message message;

    told->list_at = directory_walk(northbound->directory, told->list_at, is_next, &search);
    if (search.found != NULL) {
        device_message_fill(northbound->directory, search.found, northbound->config, utc_ms, NULL,
                            &message);
        plugin_telling_of_device(telling, &message, node, told->listed);
    } else {
        plugin_telling_of_complete(telling, utc_ms, node, told->listed);
        told->completing = true;
    }
    told->sequence = told->listed;
    told->busy = true;
    ask(told);
}

/* What the directory has from now on holds all up to `listed`; what comes after it is kept. */
static void begin_list(struct told_plugin *told)
{
    struct northbound *northbound = told->northbound;
    uint64_t sequence = northbound_told(northbound);

    told->missed = false;
    told->completing = false;
    told->listing = true;
    atomic_store(&told->counters.listing, true);
    if (sequence < told->consumer->position || sequence + 1 < journal_oldest(northbound->journal)) {
        timer_start_fine(northbound->reactor, &told->timer, LIST_RETRY_MS); /* it will have soon */
        return;
    }
    told->listed = sequence;
    told->list_at = 0;
    atomic_store(&told->consumer->hold.acknowledged, sequence);
    atomic_store(&told->consumer->counters.position, sequence);
    list_on(told);
}

/* ---- start and stop ---- */

static enum status start_one(struct northbound *northbound, struct told_plugin *told, size_t index)
{
    told->northbound = northbound;
    told->plugin = &northbound->config->registration.plugins[index];
    told->consumer = &northbound->consumers.all[northbound->consumers.account_count + index];
    told->taken = told->consumer->position;
    told->message.deliver = deliver;
    timer_init(&told->timer, due);
    CHECK(pthread_mutex_init(&told->error.lock, NULL) == 0);
    enum status status = plugin_thread_start(told->plugin, answered, told, &told->thread);
    if (status != STATUS_OK)
        return status;
    if (told->consumer->fresh)
        begin_list(told);
    else
        follow(told);
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
static bool leave(struct told_plugin *told)
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
        struct told_plugin *told = &host->all[i];
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
    for (size_t i = 0; i < northbound->plugins.count; i++)
        pthread_mutex_destroy(&northbound->plugins.all[i].error.lock);
    free(northbound->plugins.all);
}
