/* The server put together. */
#include "server/shard/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/direct_ports.h"
#include "agents/ways.h"
#include "server/base/check.h"
#include "server/bridge/channel_line.h"
#include "server/bridge/session.h"
#include "server/link/datagrams.h"
#include "server/link/early_pushes.h"
#include "server/link/login_events.h"
#include "server/link/untold.h"
#include "server/shard/durable.h"
#include "server/shard/listeners.h"
#include "server/shard/sizes.h"

#define TICK_MS 1000u

/* ---- the shared part ---- */

static void explain(struct kernel_error *error, int number, const char *what, const char *where)
{
    error->error = number;
    (void)snprintf(error->text, sizeof error->text, "%s%s%s: %s", what, *where != '\0' ? " " : "",
                   where, strerror(number));
}

static enum status create_parts(struct server *server)
{
    const struct config *config = server->config;
    struct directory_config directory = {
        .max_devices = config->limits.devices,
        .first_port = config->direct_ports.enabled ? config->direct_ports.first : 0,
        .last_port = config->direct_ports.last,
        .flap_count = config->links.flap_count,
        .flap_window_s = config->links.flap_window_s,
        .network_prefix_v4 = config->links.network_prefix_v4,
        .network_prefix_v6 = config->links.network_prefix_v6,
        .listeners = config->listeners,
        .listener_count = config->listener_count,
        .recorded = config->server.state_dir[0] != '\0',
    };
    if (directory.recorded)
        directory.first_epoch = (uint32_t)(server->started_utc_ms / 1000);
    server->shards = calloc(server->shard_count, sizeof *server->shards);
    server->listener_links = calloc(config->listener_count, sizeof *server->listener_links);
    if (server->shards == NULL || server->listener_links == NULL)
        return STATUS_NO_MEMORY;
    enum status status = listening_create(server);
    if (status == STATUS_OK)
        status = directory_create(&directory, &server->directory);
    if (status == STATUS_OK)
        status = failed_log_create(config->ops.failed_identifications, &server->failed);
    if (status == STATUS_OK)
        status = session_registry_create(&server->registry);
    if (status == STATUS_OK)
        status = channel_lines_create(&server->channel_lines);
    if (status == STATUS_OK)
        server->channel_line_counters = channel_lines_counters(server->channel_lines);
    if (status == STATUS_OK)
        status = sources_create(config->limits.unidentified_per_source,
                                config->limits.unidentified + MAX_SHARDS * LISTENER_MAX_DEPTH,
                                &server->sources);
    return status;
}

enum status server_create(const struct config *config, const struct server_plan *plan,
                          uint64_t utc_ms, struct server **created, struct kernel_error *error)
{
    struct server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        explain(error, ENOMEM, "the server can't start", "");
        return STATUS_NO_MEMORY;
    }
    server->config = config;
    server->shard_count = plan->shards;
    server->agent_places = plan->agent_places;
    server->started_utc_ms = utc_ms;
    server->hooks.device_online = direct_ports_online;
    server->hooks.device_offline = direct_ports_offline;
    enum status status = create_parts(server);
    if (status != STATUS_OK)
        explain(error, ENOMEM, "the server can't start", "");
    else if (config->server.state_dir[0] != '\0')
        status = durable_open(server, error);
    if (status == STATUS_OK)
        status = listeners_open(server, error);
    if (status == STATUS_OK)
        status = ways_open(server, error);
    if (status != STATUS_OK) {
        server_free(server);
        return status;
    }
    *created = server;
    return STATUS_OK;
}

void server_free(struct server *server)
{
    listening_free(server);
    if (server->durable != NULL)
        durable_close(server->durable);
    if (server->sources != NULL)
        sources_free(server->sources);
    if (server->failed != NULL)
        failed_log_free(server->failed);
    session_registry_free(server->registry);
    channel_lines_free(server->channel_lines);
    ways_close(server);
    if (server->directory != NULL)
        directory_free(server->directory);
    free(server->listener_links);
    free(server->shards);
    free(server);
}

void server_stop(struct server *server)
{
    atomic_store(&server->stopping, true);
    for (uint32_t i = 0; i < server->shard_count; i++)
        if (server->shards[i] != NULL)
            kernel_wake(NULL, reactor_kernel(server->shards[i]->reactor));
}

/* ---- a shard ---- */

static void tick(struct timer *timer)
{
    struct shard *shard = container_of(timer, struct shard, tick);
    if (!shard->stopping) {
        listeners_review(shard);
        datagrams_tick(shard);
        unparsed_tick(shard);
        ways_review(shard);
    }
    timer_repeat(shard->reactor, timer, TICK_MS);
}

enum status shard_create(struct server *server, const struct server_plan *plan, uint32_t index,
                         struct kernel_error *error)
{
    const struct config *config = server->config;
    struct shard *shard = calloc(1, sizeof *shard);
    if (shard == NULL)
        goto no_memory;
    shard->server = server;
    shard->index = index;
    list_init(&shard->sessions);
    list_init(&shard->challenges);
    early_pushes_init(shard);
    untold_init(shard);
    timer_init(&shard->tick, tick);
    shard->counters.listeners = calloc(config->listener_count, sizeof *shard->counters.listeners);
    if (listeners_create(shard) != STATUS_OK || shard->counters.listeners == NULL ||
        direct_ports_create(shard) != STATUS_OK || ways_create(shard) != STATUS_OK)
        goto no_memory;
    bool has_datagrams = false;
    for (uint32_t i = 0; i < config->listener_count; i++)
        has_datagrams |= datagrams_mine(shard, i);
    struct reactor_config reactor = {
        .limits = {.slots = plan->slots,
                   .reserved_slots = plan->reserved_slots,
                   .buffer_count = {config->buffers.small_count, config->buffers.large_count,
                                    has_datagrams ? config->buffers.datagram_count : 0},
                   .buffer_size = {config->buffers.small_size_bytes,
                                   config->buffers.large_size_bytes,
                                   config->buffers.datagram_size_bytes}},
        .owner = shard,
    };
    enum status status = reactor_create(&reactor, &shard->reactor, error);
    if (status != STATUS_OK) {
        shard_destroy(shard);
        return status;
    }
    if (login_desk_create(server->directory, shard->reactor, events_login, &shard->logins) !=
        STATUS_OK)
        goto no_memory;
    server->shards[index] = shard;
    return STATUS_OK;
no_memory:
    explain(error, ENOMEM, "a shard can't start", "");
    if (shard != NULL)
        shard_destroy(shard);
    return STATUS_NO_MEMORY;
}

enum status shard_start(struct shard *shard)
{
    timer_start(shard->reactor, &shard->tick, TICK_MS);
    if (datagrams_start(shard) != STATUS_OK)
        return STATUS_NO_MEMORY;
    return listeners_start(shard);
}

static void begin_stop(struct shard *shard)
{
    struct server *server = shard->server;
    shard->stopping = true;
    listeners_stop(shard);
    direct_ports_stop(shard);
    sessions_stop(shard);
    for (uint32_t i = 0; i < link_pool_size(&shard->links); i++) {
        struct link *link = link_pool_at(&shard->links, i);
        if (link->state != LINK_FREE)
            link_close(link, CLOSE_SERVER_STOPPING);
    }
    shard->stop_at_ms = reactor_now_ms(shard->reactor) + STOP_DRAIN_MS;
    uint32_t others = atomic_fetch_add(&server->shards_stopping, 1);
    if (others + 1 == server->shard_count && server->durable != NULL)
        durable_shards_stop(server->durable, shard->reactor);
}

void shard_turn(struct shard *shard, int max_wait_ms)
{
    if (atomic_load_explicit(&shard->server->stopping, memory_order_relaxed)) {
        if (!shard->stopping)
            begin_stop(shard);
        if (reactor_now_ms(shard->reactor) >= shard->stop_at_ms)
            sessions_drop(shard);
        if (max_wait_ms < 0 || max_wait_ms > STOP_TURN_MS)
            max_wait_ms = STOP_TURN_MS;
    }
    if (!shard->stopping)
        listeners_look(shard);
    reactor_turn(shard->reactor, max_wait_ms);
}

bool shard_quiet(const struct shard *shard)
{
    const struct server *server = shard->server;
    return atomic_load(&server->shards_stopping) == server->shard_count &&
           atomic_load(&server->links) == 0 && atomic_load(&server->sessions) == 0 &&
           atomic_load(&server->visitors) == 0 && atomic_load(&server->messages) == 0 &&
           direct_ports_open_count(shard) == 0 && reactor_idle(shard->reactor);
}

void shard_destroy(struct shard *shard)
{
    direct_ports_free(shard);
    ways_free(shard);
    datagrams_free(shard);
    login_desk_free(shard->logins);
    untold_free(shard);
    unparsed_free(shard);
    if (shard->reactor != NULL)
        reactor_destroy(shard->reactor);
    link_pool_free(&shard->links);
    free(shard->counters.listeners);
    listeners_free(shard);
    free(shard);
}
