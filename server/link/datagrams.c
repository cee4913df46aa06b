#include "server/link/datagrams.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/base/log.h"
#include "server/link/events.h"
#include "server/link/listening.h"
#include "server/link/push_events.h"

#define MAX_MESSAGES 64u /* pushes of one datagram */

/* Of the journal's queue. What is taken below the first of them finds room: pushes are refused at
 * three quarters. */
#define PAUSE_PERCENT  50u
#define RESUME_PERCENT 25u
#define REVIEW_MS      20u
#define TELL_MS        1000u

bool datagrams_mine(const struct shard *shard, uint32_t listener)
{
    const struct server *server = shard->server;
    return server->config->listeners[listener].transport == CONFIG_UDP &&
           listener % server->shard_count == shard->index;
}

/* ---- back-pressure ---- */

static void set_paused(struct shard *shard, bool paused)
{
    struct log_context context = {.module = "push"};
    uint64_t now_ms = reactor_now_ms(shard->reactor);
    shard->datagrams_paused = paused;
    if (paused) {
        shard->datagrams_paused_ms = now_ms;
        count_up(&shard->counters.datagram_pauses, 1);
    } else if (shard->datagrams_pause_told) {
        shard->datagrams_pause_told = false;
        log_line(LOG_WARN, &context, "datagrams are taken again", "shard=%u waited_ms=%llu",
                 shard->index, (unsigned long long)(now_ms - shard->datagrams_paused_ms));
    }
    datagrams_pause(shard, paused);
}

/* A storm makes short pauses, many of them. */
static void tell_pause(struct shard *shard)
{
    struct log_context context = {.module = "push"};
    uint64_t now_ms = reactor_now_ms(shard->reactor);
    if (!shard->datagrams_paused || shard->datagrams_pause_told ||
        now_ms - shard->datagrams_paused_ms < TELL_MS)
        return;
    shard->datagrams_pause_told = true;
    log_line(LOG_WARN, &context, "the journal is behind: datagrams wait in the sockets' buffers",
             "shard=%u", shard->index);
}

static uint64_t queued_percent(const struct server *server)
{
    uint64_t queue_bytes = server->config->journal.queue_mb * 1048576ull;
    return atomic_load(&server->journal_counters->queued_bytes) * 100 / queue_bytes;
}

/* What waits for room keeps the sockets paused, so it is no more than one datagram brought. */
static void review(struct shard *shard)
{
    if (shard->server->journal == NULL)
        return;
    bool waits = !push_retry(shard);
    uint64_t queued = queued_percent(shard->server);
    bool paused = shard->datagrams_paused;
    if (!paused && (waits || queued >= PAUSE_PERCENT))
        set_paused(shard, true);
    else if (paused && !waits && queued < RESUME_PERCENT)
        set_paused(shard, false);
    if (shard->datagrams_paused && !timer_running(&shard->datagram_review))
        timer_start_fine(shard->reactor, &shard->datagram_review, REVIEW_MS);
}

static void review_again(struct timer *timer)
{
    review(container_of(timer, struct shard, datagram_review));
}

void datagrams_review(struct shard *shard)
{
    review(shard);
}

void datagrams_recorded(struct shard *shard)
{
    if (shard->datagrams_paused)
        review(shard);
}

/* ---- a datagram ---- */

static void failed(const struct datagram_listener *listener, const struct datagram *datagram,
                   const char *why)
{
    struct server *server = listener->shard->server;
    const struct config_listener *config = &server->config->listeners[listener->index];
    struct failed_identification entry;
    count_up(&listener->shard->counters.listeners[listener->index].failed, 1);
    memset(&entry, 0, sizeof entry);
    entry.utc_ms = reactor_utc_ms(listener->shard->reactor);
    entry.peer = datagram->peer;
    entry.listener = listener->index;
    entry.reason = CLOSE_GREETING_UNKNOWN;
    entry.size = datagram->size;
    (void)snprintf(entry.why, sizeof entry.why, "%s",
                   datagram->truncated ? "longer than buffers.datagram_size_bytes" : why);
    for (size_t i = 0; i < config->plugin_count; i++)
        if (config->plugins[i].plugin->mask != NULL)
            config->plugins[i].plugin->mask(datagram->data, datagram->size);
    entry.kept = datagram->size < FAILED_BYTES ? datagram->size : FAILED_BYTES;
    memcpy(entry.bytes, datagram->data, entry.kept);
    failed_log_add(server->failed, &entry);
}

static void hand_on(const struct datagram_listener *listener, const struct datagram *datagram,
                    size_t plugin, struct plugin_push *push)
{
    struct push_source source = {
        .shard = listener->shard,
        .listener = listener->index,
        .plugin = (uint8_t)plugin,
        .peer = datagram->peer,
        .local = datagram->local,
        .utc_ms = datagram->utc_ms,
    };
    push->serial[PLUGIN_SERIAL_SIZE - 1] = '\0';
    push->rule[PLUGIN_RULE_SIZE - 1] = '\0';
    push_received(&source, push);
}

/* Asks one plugin. Bytes that it took as a push; 0: none. */
static size_t ask(const struct datagram_listener *listener, const struct datagram *datagram,
                  size_t at, size_t index, const char **why)
{
    const struct config_plugin *plugin =
        &listener->shard->server->config->listeners[listener->index].plugins[index];
    struct reactor *reactor = listener->shard->reactor;
    uint8_t reply[PLUGIN_REPLY_SIZE];
    uint64_t state[(PLUGIN_STATE_SIZE + 7) / 8] = {0};
    struct plugin_push push = {.kind = PLUGIN_PUSH_DATA};
    struct plugin_greeting greeting = {
        .data = datagram->data + at,
        .size = datagram->size - at,
        .now_ms = reactor_now_ms(reactor),
        .utc_ms = reactor_utc_ms(reactor),
        .reply = reply,
        .push = &push,
        .input_flags = PLUGIN_GREETING_DATAGRAM,
    };
    if (plugin->plugin->identify(plugin->instance, state, &greeting) != PLUGIN_PUSHED) {
        *why = greeting.why != NULL ? greeting.why : *why;
        return 0;
    }
    if (greeting.consumed == 0 || greeting.consumed > greeting.size)
        return 0;
    hand_on(listener, datagram, index, &push);
    return greeting.consumed;
}

static void on_received(struct datagram_socket *socket, const struct datagram *datagram)
{
    struct datagram_listener *listener = container_of(socket, struct datagram_listener, socket);
    struct shard *shard = listener->shard;
    size_t plugins = shard->server->config->listeners[listener->index].plugin_count;
    const char *why = "";
    size_t at = 0;
    count_up(&shard->counters.listeners[listener->index].accepted, 1);
    count_up(&shard->counters.listeners[listener->index].bytes_received, datagram->size);
    for (unsigned i = 0; at < datagram->size && i < MAX_MESSAGES; i++) {
        size_t taken = 0;
        for (size_t plugin = 0; plugin < plugins && taken == 0; plugin++)
            taken = ask(listener, datagram, at, plugin, &why);
        if (taken == 0)
            break;
        at += taken;
    }
    if (at < datagram->size)
        failed(listener, datagram, why);
    review(shard);
}

static void on_closed(struct datagram_socket *socket)
{
    struct datagram_listener *listener = container_of(socket, struct datagram_listener, socket);
    listener->open = false;
    listening_let_go(listener->shard, listener->index);
}

static const struct datagram_ops ops = {.received = on_received, .closed = on_closed};

/* ---- the shard's listeners ---- */

static struct datagram_listener *of_listener(const struct shard *shard, uint32_t index)
{
    for (uint32_t i = 0; i < shard->datagram_count; i++)
        if (shard->datagrams[i].index == index)
            return &shard->datagrams[i];
    return NULL;
}

enum status datagrams_open(struct shard *shard, uint32_t index, int socket)
{
    struct datagram_listener *listener = of_listener(shard, index);
    CHECK(listener != NULL && !listener->open);
    listener->overruns_utc_ms = reactor_utc_ms(shard->reactor);
    listener->socket.ops = &ops;
    listener->socket.socket = socket;
    listener->socket.address = shard->server->config->listeners[index].address;
    if (datagram_open(&listener->socket, shard->reactor) != STATUS_OK)
        return STATUS_NO_MEMORY;
    listener->open = true;
    datagram_pause(&listener->socket, shard->datagrams_paused);
    return STATUS_OK;
}

void datagrams_close(struct shard *shard, uint32_t index)
{
    struct datagram_listener *listener = of_listener(shard, index);
    CHECK(listener != NULL && listener->open);
    datagram_count_overruns(&listener->socket);
    datagram_close(&listener->socket);
}

enum status datagrams_start(struct shard *shard)
{
    size_t listeners = shard->server->config->listener_count;
    uint32_t mine = 0;
    list_init(&shard->waiting_pushes);
    timer_init(&shard->datagram_review, review_again);
    for (uint32_t i = 0; i < listeners; i++)
        mine += datagrams_mine(shard, i);
    if (mine == 0)
        return STATUS_OK;
    shard->datagrams = calloc(mine, sizeof *shard->datagrams);
    if (shard->datagrams == NULL)
        return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < listeners; i++) {
        if (!datagrams_mine(shard, i))
            continue;
        shard->datagrams[shard->datagram_count].shard = shard;
        shard->datagrams[shard->datagram_count].index = i;
        shard->datagram_count++;
    }
    return STATUS_OK;
}

static void tell_overruns(struct datagram_listener *listener)
{
    struct shard *shard = listener->shard;
    uint64_t overruns = atomic_load(&listener->socket.counters.overruns);
    uint64_t now_ms = reactor_utc_ms(shard->reactor);
    if (overruns == listener->overruns_told ||
        events_datagrams_lost(shard, listener->index, overruns - listener->overruns_told,
                              listener->overruns_utc_ms) == STATUS_OK) {
        listener->overruns_told = overruns;
        listener->overruns_utc_ms = now_ms;
    }
}

void datagrams_tick(struct shard *shard)
{
    tell_pause(shard);
    for (uint32_t i = 0; i < shard->datagram_count; i++) {
        if (shard->datagrams[i].open)
            datagram_count_overruns(&shard->datagrams[i].socket);
        tell_overruns(&shard->datagrams[i]);
    }
}

void datagrams_pause(struct shard *shard, bool paused)
{
    for (uint32_t i = 0; i < shard->datagram_count; i++)
        if (shard->datagrams[i].open)
            datagram_pause(&shard->datagrams[i].socket, paused);
}

void datagrams_free(struct shard *shard)
{
    for (uint32_t i = 0; i < shard->datagram_count; i++)
        CHECK(!shard->datagrams[i].open);
    free(shard->datagrams);
}

void datagrams_answer(struct shard *shard, const struct push_answer *answer)
{
    struct datagram_listener *listener = of_listener(shard, answer->listener);
    /* what can't be sent is counted there, and the device asks again */
    if (listener != NULL && listener->open)
        (void)!datagram_send(&listener->socket, &answer->peer, &answer->local, answer->data,
                             answer->size);
}
