/* The outside world: plain calls on the other ends of connections. */
#include <errno.h>
#include <stdlib.h>

#include "server/base/check.h"
#include "server/reactor/sim/endpoint.h"
#include "server/reactor/sim/sim.h"

struct sim_peer {
    struct list node;
    struct sim *sim;
    struct sim_end *end; /* NULL: closed */
};

struct sim_peer_listener {
    struct list node;
    struct sim_listener *listener;
};

static struct sim_peer *peer_make(struct sim *sim, struct sim_end *end)
{
    struct sim_peer *peer = sim_allocate(sizeof *peer);
    peer->sim = sim;
    peer->end = end;
    list_append(&sim->peers, &peer->node);
    return peer;
}

struct sim_peer *sim_peer_connect(struct sim *sim, const struct address *to,
                                  const struct address *from)
{
    struct sim_listener *listener = sim_listener_find(sim, to);
    if (!listener || sim_listener_full(listener))
        return NULL;
    return peer_make(sim, sim_connection_make(listener, from));
}

struct sim_peer_listener *sim_peer_listen(struct sim *sim, const struct address *address,
                                          unsigned backlog)
{
    struct address bound = *address;
    struct listen_options options = {.backlog = (int)backlog};
    struct sim_listener *listener = sim_listener_open(sim, &bound, &options);
    if (!listener)
        return NULL;
    struct sim_peer_listener *handle = sim_allocate(sizeof *handle);
    handle->listener = listener;
    listener->is_peer = true;
    list_append(&sim->peer_listeners, &handle->node);
    return handle;
}

struct sim_peer *sim_peer_accept(struct sim_peer_listener *handle)
{
    struct sim_end *end = sim_listener_take(handle->listener);
    return end ? peer_make(handle->listener->sim, end) : NULL;
}

void sim_peer_listen_close(struct sim_peer_listener *handle)
{
    sim_listener_release(handle->listener);
    list_remove(&handle->node);
    free(handle);
}

size_t sim_peer_write(struct sim_peer *peer, const uint8_t *data, size_t size)
{
    if (!peer->end || size == 0)
        return 0;
    int32_t taken = sim_end_send(peer->end, data, size > 1u << 20 ? 1u << 20 : (uint32_t)size);
    return taken > 0 ? (size_t)taken : 0;
}

size_t sim_peer_read(struct sim_peer *peer, uint8_t *data, size_t size)
{
    if (!peer->end || peer->end->in.size == 0 || size == 0)
        return 0;
    return (size_t)sim_end_receive(peer->end, data, size > 1u << 20 ? 1u << 20 : (uint32_t)size);
}

size_t sim_peer_readable(const struct sim_peer *peer)
{
    return peer->end ? peer->end->in.size : 0;
}

enum sim_peer_state sim_peer_state(const struct sim_peer *peer)
{
    if (!peer->end)
        return SIM_PEER_CLOSED;
    if (peer->end->dead)
        return SIM_PEER_RESET;
    return peer->end->fin_received ? SIM_PEER_FIN : SIM_PEER_CONNECTED;
}

void sim_peer_shutdown(struct sim_peer *peer)
{
    if (peer->end)
        (void)sim_end_shutdown(peer->end);
}

void sim_peer_close(struct sim_peer *peer)
{
    struct sim_end *end = peer->end;
    peer->end = NULL;
    if (end)
        sim_end_close(end);
}

void sim_peer_reset(struct sim_peer *peer)
{
    if (peer->end)
        sim_end_reset(peer->end);
    sim_peer_close(peer);
}

void sim_peer_vanish(struct sim_peer *peer)
{
    if (peer->end)
        sim_end_cut(peer->end);
}

void sim_peer_release(struct sim_peer *peer)
{
    sim_peer_close(peer);
    list_remove(&peer->node);
    free(peer);
}

void sim_peers_free(struct sim *sim)
{
    for (struct list *node = sim->peer_listeners.next; node != &sim->peer_listeners;) {
        struct sim_peer_listener *handle = container_of(node, struct sim_peer_listener, node);
        node = node->next;
        sim_peer_listen_close(handle);
    }
    for (struct list *node = sim->peers.next; node != &sim->peers;) {
        struct sim_peer *peer = container_of(node, struct sim_peer, node);
        node = node->next;
        sim_peer_release(peer);
    }
}
