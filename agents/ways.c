#include "agents/ways.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/visitor.h"
#include "server/base/check.h"
#include "server/reactor/tls.h"

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

static int open_socket(const struct config_way *way, struct address *address)
{
    struct listen_options options = {
        .backlog = (int)way->backlog,
        .nodelay = true,
        .keepalive_idle_s = 60,
        .keepalive_interval_s = 15,
        .keepalive_count = 4,
        .user_timeout_ms = 120000,
    };
    return kernel_listen(address, &options);
}

static enum status open_tls(const struct config_way *way, struct tls_context **context,
                            struct kernel_error *error)
{
    struct tls_error why;
    struct tls_options options = {
        .role = TLS_SERVER,
        .verify = way->tls.client_ca[0] != '\0' ? TLS_VERIFY_REQUIRED : TLS_VERIFY_NONE,
        .minimum = TLS_1_2,
        .certificate = way->tls.certificate,
        .key = way->tls.key,
        .ca = way->tls.client_ca,
        .allow_truncation = true, /* agents that close without a word end their session */
    };
    if (!config_tls_enabled(&way->tls))
        return STATUS_OK;
    enum status status = tls_context_create(&options, context, &why);
    if (status != STATUS_OK)
        (void)snprintf(error->text, sizeof error->text, "agents' listener %s: %.*s", way->name, 150,
                       why.text);
    return status;
}

enum status ways_open(struct server *server, struct kernel_error *error)
{
    const struct config *config = server->config;
    size_t count = config->agents.listener_count;
    server->way_sockets = malloc((count + 1) * sizeof *server->way_sockets);
    server->way_tls = calloc(count + 1, sizeof(struct tls_context *));
    for (size_t i = 0; server->way_sockets != NULL && i < count; i++)
        server->way_sockets[i] = -1;
    if (server->way_sockets == NULL || server->way_tls == NULL)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        const struct config_way *way = &config->agents.listeners[i];
        struct address address = way->address;
        enum status status = open_tls(way, &server->way_tls[i], error);
        if (status != STATUS_OK)
            return status;
        int socket = open_socket(way, &address);
        if (socket < 0) {
            char text[ADDRESS_TEXT_SIZE];
            error->error = -socket;
            (void)snprintf(error->text, sizeof error->text, "can't listen on %s: %s",
                           address_format(&address, text), strerror(-socket));
            return STATUS_REFUSED;
        }
        server->way_sockets[i] = socket;
    }
    return sources_create(config->agents.unauthenticated_per_source,
                          config->agents.connections + (uint32_t)count * 512u * ACCEPT_DEPTH,
                          &server->visitor_sources);
}

void ways_close(struct server *server)
{
    for (size_t i = 0; i < server->config->agents.listener_count; i++) {
        if (server->way_sockets != NULL && server->way_sockets[i] >= 0)
            kernel_listen_close(server->way_sockets[i]);
        if (server->way_tls != NULL)
            tls_context_release(server->way_tls[i]);
    }
    sources_free(server->visitor_sources);
    free(server->way_sockets);
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
        visitor_accept(shard, way, slot, peer, server->way_tls[listener->index]);
    review(listener);
}

static void on_late(struct listener *accepting, const struct address *peer)
{
    struct way_listener *listener = container_of(accepting, struct way_listener, listener);
    agent_refused(listener->shard, peer, NULL, CLOSE_SERVER_STOPPING);
}

static void on_closed(struct listener *accepting)
{
    container_of(accepting, struct way_listener, listener)->open = false;
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

enum status ways_start(struct shard *shard)
{
    for (uint32_t i = 0; i < shard->ways->count; i++) {
        struct way_listener *listener = &shard->ways->listeners[i];
        listener->shard = shard;
        listener->index = i;
        listener->listener.ops = &way_ops;
        listener->listener.accepts = listener->accepts;
        listener->listener.depth = ACCEPT_DEPTH;
        listener->listener.socket = shard->server->way_sockets[i];
        if (listener_open(&listener->listener, shard->reactor) != STATUS_OK)
            return STATUS_NO_MEMORY;
        listener->open = true;
    }
    return STATUS_OK;
}

void ways_review(struct shard *shard)
{
    for (uint32_t i = 0; i < shard->ways->count; i++)
        if (shard->ways->listeners[i].open)
            review(&shard->ways->listeners[i]);
}

void ways_stop(struct shard *shard)
{
    for (uint32_t i = 0; i < shard->ways->count; i++)
        if (shard->ways->listeners[i].open)
            listener_close(&shard->ways->listeners[i].listener);
}

void ways_free(struct shard *shard)
{
    if (shard->ways == NULL)
        return;
    free(shard->ways->listeners);
    free(shard->ways);
    shard->ways = NULL;
}
