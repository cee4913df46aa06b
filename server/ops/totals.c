#include "server/ops/totals.h"

#include "server/northbound/northbound.h"
#include "server/ops/admin_https.h"

#include "server/link/datagrams.h"
#include "server/link/listening.h"
#include "server/ops/samples.h"

static void add_datagrams(const struct shard *shard, uint32_t listener,
                          struct listener_totals *totals)
{
    const struct datagram_counters *one = datagrams_counters(shard, listener);

    if (one == NULL)
        return;
    totals->datagrams_truncated += sample_of(&one->truncated);
    totals->datagrams_overrun += sample_of(&one->overruns);
    totals->datagrams_sent += sample_of(&one->sent);
    totals->datagram_errors += sample_of(&one->receive_errors) + sample_of(&one->send_failures);
}

void totals_listener(const struct server *server, uint32_t listener, struct listener_totals *totals)
{
    *totals = (struct listener_totals){0};
    for (uint32_t i = 0; i < server->shard_count; i++) {
        const struct listener_counters *one = &server->shards[i]->counters.listeners[listener];
        totals->accepted += sample_of(&one->accepted);
        totals->identified += sample_of(&one->identified);
        totals->failed += sample_of(&one->failed);
        totals->bytes_received += sample_of(&one->bytes_received);
        totals->greeting += sample_of(&one->greeting);
        totals->idle += sample_of(&one->idle);
        totals->in_session += sample_of(&one->in_session);
        totals->pushes += sample_of(&one->pushes);
        totals->last_gasps += sample_of(&one->last_gasps);
        add_datagrams(server->shards[i], listener, totals);
    }
}

uint64_t totals_closed(const struct server *server, enum close_reason reason)
{
    uint64_t closed = 0;

    for (uint32_t i = 0; i < server->shard_count; i++)
        closed += sample_of(&server->shards[i]->counters.closed[reason]);
    if (server->northbound != NULL)
        closed += sample_of(&northbound_http2_counters(server->northbound)->closed[reason]);
    if (server->admin != NULL)
        closed += sample_of(&server->admin->connections->closed[reason]);
    return closed;
}

bool totals_accepting(const struct server *server, uint32_t listener)
{
    const struct config *config = server->config;
    uint32_t max_links = config->listeners[listener].max_links;

    return listening_running(server, listener) && atomic_load(&server->ready) &&
           !atomic_load(&server->stopping) && sample_of(&server->links) < config->limits.links &&
           sample_of(&server->unidentified) < config->limits.unidentified &&
           (max_links == 0 || sample_of(&server->listener_links[listener]) < max_links);
}

bool totals_way_accepting(const struct server *server, uint32_t index)
{
    const struct config *config = server->config;

    return listening_running(server, (uint32_t)config->listener_count + index) &&
           atomic_load(&server->ready) && !atomic_load(&server->stopping) &&
           sample_of(&server->visitors) < config->agents.connections;
}
