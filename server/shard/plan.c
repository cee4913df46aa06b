/* How many shards, and how large: descriptors decide. */
#include <stdio.h>
#include <string.h>

#include "agents/direct_ports.h"
#include "server/shard/server.h"
#include "server/shard/sizes.h"

/* Descriptors of one shard besides links and agents. */
static uint64_t overhead(const struct config *config, uint32_t shards)
{
    return direct_ports_slots(config, shards) * 2ull /* the socket and its armed accept */
           + config->listener_count * ACCEPT_DEPTH + 16;
}

static uint64_t wanted(const struct config *config)
{
    return (uint64_t)config->limits.links + config->limits.sessions;
}

/* Links and agents that `shards` tables of at most nofile descriptors hold. */
static uint64_t room(const struct config *config, uint64_t nofile, uint32_t shards)
{
    uint64_t own = overhead(config, shards);
    return own < nofile ? (nofile - own) * shards : 0;
}

static uint32_t choose_shards(const struct config *config, uint64_t nofile, unsigned cores)
{
    if (config->server.shards > 0)
        return config->server.shards;
    uint32_t shards = cores > 0 ? cores : 1;
    while (shards < MAX_SHARDS && room(config, nofile, shards) < wanted(config))
        shards++;
    return shards;
}

void server_plan(const struct config *config, uint64_t nofile, unsigned cores,
                 struct server_plan *plan)
{
    memset(plan, 0, sizeof *plan);
    if (nofile > MAX_SLOTS)
        nofile = MAX_SLOTS;
    uint32_t shards = choose_shards(config, nofile, cores);
    uint64_t own = overhead(config, shards);
    /* any shard may come to hold more than its share */
    uint64_t slots = own + wanted(config) + 1;
    if (slots > nofile)
        slots = nofile;
    uint64_t reserved = direct_ports_slots(config, shards);
    uint64_t agents = (config->limits.sessions / shards + 1ull) * shards;
    uint64_t all = slots > own ? (slots - own) * shards : 0;
    plan->shards = shards;
    plan->slots = (uint32_t)slots;
    plan->reserved_slots = (uint32_t)(reserved < slots ? reserved : slots - 1);
    plan->links = all > agents ? all - agents : 0;
    if (plan->links > config->limits.links)
        plan->links = config->limits.links;
    (void)snprintf(
        plan->why, sizeof plan->why,
        "%llu links: %u shards (%s, %u processors) with %llu descriptors each "
        "(RLIMIT_NOFILE %llu), %llu of them for direct ports and accepting, %llu kept "
        "for agents; limits.links is %u",
        (unsigned long long)plan->links, shards, config->server.shards > 0 ? "configured" : "auto",
        cores, (unsigned long long)slots, (unsigned long long)nofile,
        (unsigned long long)own * shards, (unsigned long long)agents, config->limits.links);
}
