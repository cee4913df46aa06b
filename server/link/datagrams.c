#include "server/link/datagrams.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"

#define MAX_MESSAGES 64u /* pushes of one datagram */

bool datagrams_mine(const struct shard *shard, uint32_t listener)
{
    const struct server *server = shard->server;
    return server->config->listeners[listener].transport == CONFIG_UDP &&
           listener % server->shard_count == shard->index;
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
        .utc_ms = reactor_utc_ms(listener->shard->reactor),
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
    const struct shard *shard = listener->shard;
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
}

static void on_closed(struct datagram_socket *socket)
{
    container_of(socket, struct datagram_listener, socket)->open = false;
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

static enum status start_one(struct shard *shard, uint32_t index)
{
    struct datagram_listener *listener = &shard->datagrams[shard->datagram_count];
    listener->shard = shard;
    listener->index = index;
    listener->socket.ops = &ops;
    listener->socket.socket = shard->server->sockets[index];
    listener->socket.address = shard->server->config->listeners[index].address;
    if (datagram_open(&listener->socket, shard->reactor) != STATUS_OK)
        return STATUS_NO_MEMORY;
    listener->open = true;
    shard->datagram_count++;
    return STATUS_OK;
}

enum status datagrams_start(struct shard *shard)
{
    size_t listeners = shard->server->config->listener_count;
    uint32_t mine = 0;
    for (uint32_t i = 0; i < listeners; i++)
        mine += datagrams_mine(shard, i);
    if (mine == 0)
        return STATUS_OK;
    shard->datagrams = calloc(mine, sizeof *shard->datagrams);
    if (shard->datagrams == NULL)
        return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < listeners; i++)
        if (datagrams_mine(shard, i) && start_one(shard, i) != STATUS_OK)
            return STATUS_NO_MEMORY;
    return STATUS_OK;
}

void datagrams_tick(struct shard *shard)
{
    for (uint32_t i = 0; i < shard->datagram_count; i++)
        datagram_count_overruns(&shard->datagrams[i].socket);
}

void datagrams_pause(struct shard *shard, bool paused)
{
    for (uint32_t i = 0; i < shard->datagram_count; i++)
        datagram_pause(&shard->datagrams[i].socket, paused);
}

void datagrams_stop(struct shard *shard)
{
    for (uint32_t i = 0; i < shard->datagram_count; i++)
        datagram_close(&shard->datagrams[i].socket);
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
    if (listener != NULL)
        (void)!datagram_send(&listener->socket, &answer->peer, &answer->local, answer->data,
                             answer->size);
}
