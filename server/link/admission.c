#include "server/link/admission.h"

#include <stdio.h>
#include <string.h>

#include "server/base/check.h"
#include "server/link/greeting.h"

bool admission_enter(struct link *link, enum close_reason *reason)
{
    struct server *server = link_shard(link)->server;
    const struct config *config = server->config;
    const struct config_listener *listener = link_listener(link);
    uint64_t links = atomic_fetch_add(&server->links, 1) + 1;
    uint64_t here = atomic_fetch_add(&server->listener_links[link->listener], 1) + 1;
    uint64_t unidentified = atomic_fetch_add(&server->unidentified, 1) + 1;
    link->counted = LINK_COUNTED_UNIDENTIFIED;
    if (links > config->limits.links)
        *reason = CLOSE_LIMIT_LINKS;
    else if (listener->max_links > 0 && here > listener->max_links)
        *reason = CLOSE_LIMIT_LISTENER;
    else if (unidentified > config->limits.unidentified)
        *reason = CLOSE_LIMIT_UNIDENTIFIED;
    else if (!sources_enter(server->sources, &link->peer))
        *reason = CLOSE_LIMIT_SOURCE;
    else {
        link->counted |= LINK_COUNTED_SOURCE;
        return true;
    }
    return false;
}

void admission_identified(struct link *link)
{
    struct server *server = link_shard(link)->server;
    if (link->counted & LINK_COUNTED_UNIDENTIFIED)
        atomic_fetch_sub(&server->unidentified, 1);
    if (link->counted & LINK_COUNTED_SOURCE)
        sources_leave(server->sources, &link->peer);
    link->counted = 0;
}

void admission_leave(struct link *link)
{
    struct server *server = link_shard(link)->server;
    CHECK(link->counted == 0);
    atomic_fetch_sub(&server->links, 1);
    atomic_fetch_sub(&server->listener_links[link->listener], 1);
}

static void mask(const struct config_listener *listener, uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < listener->plugin_count; i++)
        if (listener->plugins[i].plugin->mask != NULL)
            listener->plugins[i].plugin->mask(bytes, size);
}

void admission_failed(struct link *link, enum close_reason reason)
{
    struct server *server = link_shard(link)->server;
    const struct greeting *greeting = link->greeting;
    struct failed_identification failed;
    count_up(&link_counters(link)->failed, 1);
    if (reason == CLOSE_SERVER_STOPPING)
        return;
    memset(&failed, 0, sizeof failed);
    failed.utc_ms = reactor_utc_ms(link->stream.reactor);
    failed.peer = link->peer;
    failed.listener = link->listener;
    failed.reason = reason;
    if (greeting != NULL) {
        if (greeting->why != NULL)
            (void)snprintf(failed.why, sizeof failed.why, "%s", greeting->why);
        failed.size = greeting->size;
        /* masked as a whole: a secret may begin within what is kept and end beyond it */
        mask(link_listener(link), greeting->bytes, greeting->size);
        failed.kept = greeting->size < FAILED_BYTES ? greeting->size : FAILED_BYTES;
        if (failed.kept > 0)
            memcpy(failed.bytes, greeting->bytes, failed.kept);
    }
    failed_log_add(server->failed, &failed);
}

bool admission_open(const struct shard *shard, uint32_t index)
{
    const struct server *server = shard->server;
    const struct config *config = server->config;
    const struct config_listener *listener = &config->listeners[index];
    return atomic_load(&server->links) < config->limits.links &&
           atomic_load(&server->unidentified) < config->limits.unidentified &&
           (listener->max_links == 0 ||
            atomic_load(&server->listener_links[index]) < listener->max_links) &&
           reactor_slots_free(shard->reactor) > server->agent_places;
}

void admission_review(struct device_listener *listener)
{
    bool open = admission_open(listener->shard, listener->index);
    if (listener->listener.closing || listener->listener.paused == !open)
        return;
    listener_pause(&listener->listener, !open);
}
