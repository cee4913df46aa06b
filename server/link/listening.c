#include "server/link/listening.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/base/log.h"
#include "server/base/monotonic.h"
#include "server/link/datagrams.h"
#include "server/link/door.h"

uint32_t listening_find(const struct server *server, const char *name)
{
    for (uint32_t i = 0; i < server->listening->count; i++)
        if (strcmp(listening_name(server, i), name) == 0)
            return i;
    return UINT32_MAX;
}

/* ---- sockets ---- */

static struct listen_options options_of(const struct config_listener *listener)
{
    return (struct listen_options){
        .backlog = (int)listener->backlog,
        .nodelay = true,
        .keepalive_idle_s = listener->tcp.keepalive_idle_s,
        .keepalive_interval_s = listener->tcp.keepalive_interval_s,
        .keepalive_count = listener->tcp.keepalive_count,
        .user_timeout_ms = listener->tcp.user_timeout_s * 1000,
    };
}

static struct listen_options options_of_way(const struct config_way *way)
{
    struct listen_options options = door_options((int)way->backlog);
    options.user_timeout_ms = 120000;
    return options;
}

#define DATAGRAM_ROOM 420u /* bytes of the buffer that a short datagram takes */

static int open_datagrams(const struct config_listener *listener, struct address *address)
{
    uint32_t granted = 0;
    int socket = kernel_datagram_open(address, listener->receive_buffer_bytes, &granted);
    if (socket >= 0 && granted < listener->receive_buffer_bytes) {
        struct log_context context = {.module = "shard"};
        log_line(LOG_WARN, &context,
                 "the kernel gives less receive buffer than configured: raise net.core.rmem_max or "
                 "allow CAP_NET_ADMIN",
                 "listener=%s configured=%u given=%u short_datagrams=%u", listener->name,
                 listener->receive_buffer_bytes, granted, granted / DATAGRAM_ROOM);
    }
    return socket;
}

int listening_open(struct server *server, uint32_t index)
{
    struct listening *entry = &server->listening->entries[index];
    struct address address = *listening_address(server, index);
    CHECK(atomic_load(&entry->socket) < 0 && atomic_load(&entry->holders) == 0);
    int socket;
    if (listening_is_datagram(server, index)) {
        socket = open_datagrams(&server->config->listeners[index], &address);
    } else {
        struct listen_options options = listening_is_way(server, index)
                                            ? options_of_way(listening_way(server, index))
                                            : options_of(&server->config->listeners[index]);
        socket = kernel_listen(&address, &options);
    }
    if (socket < 0)
        return socket;
    atomic_store(&entry->socket, socket);
    return 0;
}

void listening_shut(struct server *server, uint32_t index)
{
    struct listening_table *table = server->listening;
    struct listening *entry = &table->entries[index];
    int socket = atomic_load(&entry->socket);
    CHECK(socket >= 0);
    if (listening_is_datagram(server, index))
        kernel_datagram_close(socket);
    else
        kernel_listen_close(socket);
    CHECK(pthread_mutex_lock(&table->lock) == 0);
    atomic_store(&entry->socket, -1);
    CHECK(pthread_cond_broadcast(&table->closed) == 0);
    CHECK(pthread_mutex_unlock(&table->lock) == 0);
}

/* ---- the table ---- */

enum status listening_create(struct server *server)
{
    size_t count = server->config->listener_count + server->config->agents.listener_count;
    struct listening_table *table = calloc(1, sizeof *table + count * sizeof table->entries[0]);
    if (table == NULL)
        return STATUS_NO_MEMORY;
    table->count = (uint32_t)count;
    for (uint32_t i = 0; i < count; i++)
        atomic_init(&table->entries[i].socket, -1);
    CHECK(pthread_mutex_init(&table->lock, NULL) == 0);
    monotonic_condition_init(&table->closed);
    server->listening = table;
    return STATUS_OK;
}

void listening_free(struct server *server)
{
    struct listening_table *table = server->listening;
    if (table == NULL)
        return;
    for (uint32_t i = 0; i < table->count; i++)
        if (atomic_load(&table->entries[i].socket) >= 0)
            listening_shut(server, i);
    (void)pthread_cond_destroy(&table->closed);
    (void)pthread_mutex_destroy(&table->lock);
    free(table);
    server->listening = NULL;
}

void listening_give(struct server *server, uint32_t index)
{
    struct listening *entry = &server->listening->entries[index];
    atomic_store(&entry->holders, listening_is_datagram(server, index) ? 1 : server->shard_count);
    atomic_fetch_add(&entry->epoch, 1);
    atomic_store(&entry->wanted, true);
    atomic_fetch_add(&server->listening->changes, 1);
}

void listening_take(struct server *server, uint32_t index, bool drop)
{
    struct listening *entry = &server->listening->entries[index];
    atomic_store(&entry->wanted, false);
    if (drop)
        atomic_fetch_add(&entry->drops, 1);
    atomic_fetch_add(&server->listening->changes, 1);
}

void listening_tell(struct server *server)
{
    for (uint32_t i = 0; i < server->shard_count; i++)
        if (server->shards[i] != NULL)
            kernel_wake(NULL, reactor_kernel(server->shards[i]->reactor));
}

bool listening_closed(const struct server *server, uint32_t index)
{
    return atomic_load(&server->listening->entries[index].socket) < 0;
}

bool listening_await_closed(struct server *server, uint32_t index, uint32_t seconds)
{
    struct listening_table *table = server->listening;
    const struct timespec until = monotonic_in_seconds(seconds);
    CHECK(pthread_mutex_lock(&table->lock) == 0);
    while (!listening_closed(server, index) &&
           pthread_cond_timedwait(&table->closed, &table->lock, &until) != ETIMEDOUT) {
    }
    CHECK(pthread_mutex_unlock(&table->lock) == 0);
    return listening_closed(server, index);
}

/* ---- a shard ---- */

bool listening_serves(const struct shard *shard, uint32_t index)
{
    return !listening_is_datagram(shard->server, index) || datagrams_mine(shard, index);
}

void listening_let_go(struct shard *shard, uint32_t index)
{
    struct listening_part *part = &shard->listening[index];
    CHECK(part->holds);
    *part = (struct listening_part){.epoch = part->epoch, .drops = part->drops};
    if (atomic_fetch_sub(&shard->server->listening->entries[index].holders, 1) == 1)
        listening_shut(shard->server, index);
}
