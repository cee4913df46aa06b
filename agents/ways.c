#include "agents/ways.h"

#include <stdio.h>
#include <stdlib.h>

#include "agents/visitor.h"
#include "server/base/check.h"
#include "server/link/door.h"
#include "server/link/listening.h"

#define ACCEPT_DEPTH 2u

struct way_listener {
    struct listener listener;
    struct accept_operation accepts[ACCEPT_DEPTH];
    struct shard *shard;
    uint32_t index; /* in the configuration */
    bool open;
};

struct ways {
    struct way_listener *listeners;
    uint32_t count;
};

/* ---- the server's part ---- */

static enum status open_tls(struct server *server, const struct config_way *way,
                            struct tls_context **context, struct kernel_error *error)
{
    static const struct tls_options options = {
        .verify = TLS_VERIFY_REQUIRED,
        .allow_truncation = true, /* agents that close without a word end their session */
    };
    char whose[CONFIG_NAME_SIZE + 32];
    (void)snprintf(whose, sizeof whose, "agents' listener %s", way->name);
    return door_tls(&way->tls, options, whose, &server->certificates, context, error);
}

enum status ways_open(struct server *server, struct kernel_error *error)
{
    const struct config *config = server->config;
    size_t count = config->agents.listener_count;
    server->way_tls = calloc(count + 1, sizeof(struct tls_context *));
    if (server->way_tls == NULL)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        const struct config_way *way = &config->agents.listeners[i];
        enum status status = open_tls(server, way, &server->way_tls[i], error);
        if (status != STATUS_OK)
            return status;
    }
    return sources_create(config->agents.unauthenticated_per_source,
                          config->agents.connections + (uint32_t)count * 512u * ACCEPT_DEPTH,
                          &server->visitor_sources);
}

void ways_close(struct server *server)
{
    for (size_t i = 0; server->way_tls != NULL && i < server->config->agents.listener_count; i++)
        tls_context_release(server->way_tls[i]);
    sources_free(server->visitor_sources);
    free(server->way_tls);
}

uint32_t ways_slots(const struct config *config)
{
    return (uint32_t)config->agents.listener_count * ACCEPT_DEPTH;
}

/* ---- accepting ---- */

static bool allowed(const struct config_way *way, const struct address *peer)
{
    for (size_t i = 0; i < way->allow_count; i++)
        if (cidr_contains(&way->allow[i], peer))
            return true;
    return false;
}

static bool has_room(const struct server *server)
{
    return atomic_load(&server->visitors) < server->config->agents.connections;
}

static void review(struct way_listener *listener)
{
    bool paused = !has_room(listener->shard->server);
    if (!listener->listener.closing && listener->listener.paused != paused)
        listener_pause(&listener->listener, paused);
}

static void on_accepted(struct listener *accepting, uint32_t slot, const struct address *peer)
{
    struct way_listener *listener = container_of(accepting, struct way_listener, listener);
    struct shard *shard = listener->shard;
    struct server *server = shard->server;
    const struct config_way *way = &server->config->agents.listeners[listener->index];
    if (!allowed(way, peer))
        agent_refuse(shard, slot, peer, NULL, CLOSE_SESSION_REFUSED);
    else if (!has_room(server))
        agent_refuse(shard, slot, peer, NULL, CLOSE_LIMIT_VISITORS);
    else
        visitor_accept(shard, way,
                       shard->listening[server->config->listener_count + listener->index].drops,
                       slot, peer, server->way_tls[listener->index]);
    review(listener);
}

static void on_late(struct listener *accepting, const struct address *peer)
{
    const struct way_listener *listener = container_of(accepting, struct way_listener, listener);
    agent_refused(listener->shard, peer, NULL,
                  listener->shard->stopping ? CLOSE_SERVER_STOPPING : CLOSE_LISTENER_STOPPED);
}

static void on_closed(struct listener *accepting)
{
    struct way_listener *listener = container_of(accepting, struct way_listener, listener);
    uint32_t devices = (uint32_t)listener->shard->server->config->listener_count;
    listener->open = false;
    listening_let_go(listener->shard, devices + listener->index);
}

static const struct listener_ops way_ops = {
    .accepted = on_accepted,
    .late = on_late,
    .closed = on_closed,
};

/* ---- the shard's part ---- */

enum status ways_create(struct shard *shard)
{
    uint32_t count = (uint32_t)shard->server->config->agents.listener_count;
    struct ways *ways = calloc(1, sizeof *ways);
    if (ways == NULL)
        return STATUS_NO_MEMORY;
    ways->count = count;
    ways->listeners = calloc(count + 1, sizeof *ways->listeners);
    if (ways->listeners == NULL) {
        free(ways);
        return STATUS_NO_MEMORY;
    }
    shard->ways = ways;
    return STATUS_OK;
}

enum status ways_open_one(struct shard *shard, uint32_t index, int socket)
{
    struct way_listener *listener = &shard->ways->listeners[index];
    listener->shard = shard;
    listener->index = index;
    listener->listener.ops = &way_ops;
    listener->listener.accepts = listener->accepts;
    listener->listener.depth = ACCEPT_DEPTH;
    listener->listener.socket = socket;
    listener->listener.paused = !has_room(shard->server);
    if (listener_open(&listener->listener, shard->reactor) != STATUS_OK)
        return STATUS_NO_MEMORY;
    listener->open = true;
    return STATUS_OK;
}

void ways_review(struct shard *shard)
{
    for (uint32_t i = 0; i < shard->ways->count; i++)
        if (shard->ways->listeners[i].open)
            review(&shard->ways->listeners[i]);
}

void ways_close_one(struct shard *shard, uint32_t index)
{
    CHECK(shard->ways->listeners[index].open);
    listener_close(&shard->ways->listeners[index].listener);
}

static bool came_by(const struct session *session, const struct config_way *way)
{
    return session->way->path != SESSION_DIRECT_PORT && visitor_of(session)->config == way;
}

void ways_drop(struct shard *shard, uint32_t index)
{
    const struct config_way *way = &shard->server->config->agents.listeners[index];
    struct list *node = shard->sessions.next;
    while (node != &shard->sessions) {
        struct session *session = container_of(node, struct session, node);
        node = node->next;
        if (came_by(session, way))
            session_drop(session, CLOSE_LISTENER_STOPPED);
    }
}

void ways_free(struct shard *shard)
{
    if (shard->ways == NULL)
        return;
    free(shard->ways->listeners);
    free(shard->ways);
    shard->ways = NULL;
}
