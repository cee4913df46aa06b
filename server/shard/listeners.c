#include "server/shard/listeners.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/ways.h"
#include "server/base/check.h"
#include "server/base/log.h"
#include "server/directory/edit.h"
#include "server/directory/halts.h"
#include "server/link/admission.h"
#include "server/link/datagrams.h"
#include "server/shard/sizes.h"

static const struct log_context module = {.module = "listener"};

/* ---- the server's part ---- */

static void explain(const struct server *server, uint32_t index, int error, char *text, size_t size)
{
    char address[ADDRESS_TEXT_SIZE];
    (void)snprintf(text, size, "can't listen on %s: %s",
                   address_format(listening_address(server, index), address), strerror(-error));
}

enum status listeners_open(struct server *server, struct kernel_error *error)
{
    struct halt_info halt;
    for (uint32_t i = 0; i < server->listening->count; i++) {
        const char *name = listening_name(server, i);
        if (halt_find(server->directory, name, &halt) && halt.stopped) {
            log_line(LOG_WARN, &module, "an operator stopped this listener: it stays closed",
                     "listener=%s", name);
            continue;
        }
        int result = listening_open(server, i);
        if (result < 0) {
            error->error = -result;
            explain(server, i, result, error->text, sizeof error->text);
            return STATUS_REFUSED;
        }
        listening_give(server, i);
    }
    return STATUS_OK;
}

/* ---- what the editor does ---- */

static bool find(void *context, const char *name, struct edit_listener *found)
{
    struct server *server = context;
    uint32_t index = listening_find(server, name);
    if (index == UINT32_MAX)
        return false;
    found->port = listening_address(server, index)->port;
    found->of_agents = listening_is_way(server, index);
    return true;
}

static bool prepare(void *context, const char *name, char *text, size_t size)
{
    struct server *server = context;
    uint32_t index = listening_find(server, name);
    CHECK(index != UINT32_MAX);
    if (!listening_closed(server, index)) {
        (void)snprintf(text, size, "it is still being stopped: try again");
        return false;
    }
    int result = listening_open(server, index);
    if (result < 0)
        explain(server, index, result, text, size);
    return result == 0;
}

static void start(void *context, const char *name, bool recorded)
{
    struct server *server = context;
    uint32_t index = listening_find(server, name);
    CHECK(index != UINT32_MAX);
    if (!recorded) {
        listening_shut(server, index);
        return;
    }
    log_line(LOG_INFO, &module, "started by an operator", "listener=%s", name);
    listening_give(server, index);
    listening_tell(server);
}

static void stop(void *context, const char *name, bool close_links)
{
    struct server *server = context;
    uint32_t index = listening_find(server, name);
    CHECK(index != UINT32_MAX);
    log_line(LOG_INFO, &module, "stopped by an operator", "listener=%s close_links=%s", name,
             close_links ? "yes" : "no");
    listening_take(server, index, close_links);
    listening_tell(server);
}

void listeners_fill_hooks(struct server *server, struct edit_listeners *hooks)
{
    *hooks = (struct edit_listeners){
        .context = server, .find = find, .prepare = prepare, .start = start, .stop = stop};
}

/* ---- listeners of devices on TCP ---- */

static void on_accepted(struct listener *listener, uint32_t slot, const struct address *peer)
{
    link_accept(container_of(listener, struct device_listener, listener), slot, peer);
}

static void on_closed(struct listener *accepting)
{
    struct device_listener *listener = container_of(accepting, struct device_listener, listener);
    listening_let_go(listener->shard, listener->index);
}

/* It came in the moment in which the port closes. */
static void on_late(struct listener *accepting, const struct address *peer)
{
    struct shard *shard = container_of(accepting, struct device_listener, listener)->shard;
    char text[ADDRESS_TEXT_SIZE];
    if (shard->stopping)
        return;
    log_line(LOG_INFO, &module, "link closed", "peer=%s layer=%s cause=%s",
             address_format(peer, text), close_layer(CLOSE_LISTENER_STOPPED),
             close_cause(CLOSE_LISTENER_STOPPED));
    count_up(&shard->counters.closed[CLOSE_LISTENER_STOPPED], 1);
}

static const struct listener_ops device_listener_ops = {
    .accepted = on_accepted,
    .late = on_late,
    .closed = on_closed,
};

static enum status open_tcp(struct shard *shard, uint32_t index, int socket)
{
    struct device_listener *listener = &shard->listeners[index];
    listener->shard = shard;
    listener->index = index;
    listener->listener.ops = &device_listener_ops;
    listener->listener.accepts = listener->accepts;
    listener->listener.depth = ACCEPT_DEPTH;
    listener->listener.socket = socket;
    listener->listener.paused = !admission_open(shard, index);
    return listener_open(&listener->listener, shard->reactor);
}

/* ---- all kinds ---- */

static enum status open_part(struct shard *shard, uint32_t index)
{
    const struct server *server = shard->server;
    int socket = atomic_load(&server->listening->entries[index].socket);
    enum status status;
    if (listening_is_way(server, index))
        status = ways_open_one(shard, index - (uint32_t)server->config->listener_count, socket);
    else if (listening_is_datagram(server, index))
        status = datagrams_open(shard, index, socket);
    else
        status = open_tcp(shard, index, socket);
    shard->listening[index].open = status == STATUS_OK;
    if (status != STATUS_OK)
        log_line(LOG_ERROR, &module, "a listener can't be served for want of memory; trying again",
                 "listener=%s shard=%u", listening_name(server, index), shard->index);
    return status;
}

static void close_part(struct shard *shard, uint32_t index)
{
    const struct server *server = shard->server;
    shard->listening[index].closing = true;
    if (listening_is_way(server, index))
        ways_close_one(shard, index - (uint32_t)server->config->listener_count);
    else if (listening_is_datagram(server, index))
        datagrams_close(shard, index);
    else
        listener_close(&shard->listeners[index].listener);
}

static void drop_links(struct shard *shard, uint32_t index)
{
    if (listening_is_way(shard->server, index)) {
        ways_drop(shard, index - (uint32_t)shard->server->config->listener_count);
        return;
    }
    for (uint32_t i = 0; i < link_pool_size(&shard->links); i++) {
        struct link *link = link_pool_at(&shard->links, i);
        if (link->state != LINK_FREE && link->listener == index)
            link_close(link, CLOSE_LISTENER_STOPPED);
    }
}

static enum status look_at(struct shard *shard, uint32_t index)
{
    const struct listening *entry = &shard->server->listening->entries[index];
    struct listening_part *part = &shard->listening[index];
    uint32_t epoch = atomic_load(&entry->epoch);
    bool wanted = atomic_load(&entry->wanted);
    uint32_t drops = atomic_load(&entry->drops);
    if (part->epoch != epoch && listening_serves(shard, index))
        part->holds = true;
    part->epoch = epoch;
    if (part->drops != drops) {
        part->drops = drops;
        drop_links(shard, index);
    }
    if (!part->holds || part->closing)
        return STATUS_OK;
    if (wanted)
        return part->open ? STATUS_OK : open_part(shard, index);
    if (part->open)
        close_part(shard, index);
    else
        listening_let_go(shard, index); /* it was stopped before this shard had begun */
    return STATUS_OK;
}

static enum status look_at_all(struct shard *shard)
{
    enum status status = STATUS_OK;
    shard->listening_seen = atomic_load(&shard->server->listening->changes);
    for (uint32_t i = 0; i < shard->server->listening->count; i++)
        if (look_at(shard, i) != STATUS_OK)
            status = STATUS_NO_MEMORY;
    return status;
}

/* ---- the shard's ---- */

enum status listeners_create(struct shard *shard)
{
    size_t devices = shard->server->config->listener_count;
    shard->listeners = calloc(devices + 1, sizeof *shard->listeners);
    shard->listening = calloc(shard->server->listening->count + 1, sizeof *shard->listening);
    return shard->listeners != NULL && shard->listening != NULL ? STATUS_OK : STATUS_NO_MEMORY;
}

void listeners_free(struct shard *shard)
{
    free(shard->listeners);
    free(shard->listening);
}

enum status listeners_start(struct shard *shard)
{
    return look_at_all(shard);
}

void listeners_look(struct shard *shard)
{
    uint32_t changes =
        atomic_load_explicit(&shard->server->listening->changes, memory_order_acquire);
    if (shard->listening_seen != changes)
        (void)!look_at_all(shard); /* what failed is tried again */
}

void listeners_review(struct shard *shard)
{
    (void)!look_at_all(shard);
    for (uint32_t i = 0; i < shard->server->config->listener_count; i++)
        if (shard->listening[i].open && !listening_is_datagram(shard->server, i))
            admission_review(&shard->listeners[i]);
}

void listeners_stop(struct shard *shard)
{
    for (uint32_t i = 0; i < shard->server->listening->count; i++)
        if (shard->listening[i].open && !shard->listening[i].closing)
            close_part(shard, i);
}
