/* How many shards, and how large: descriptors decide. */
#include <stdio.h>
#include <string.h>

#include "agents/direct_ports.h"
#include "agents/ways.h"
#include "server/shard/server.h"
#include "server/shard/sizes.h"

/* Descriptors of one shard besides links and agents. */
static uint64_t overhead(const struct config *config, uint32_t shards)
{
    return direct_ports_slots(config, shards) * 2ull /* the socket and its armed accept */
           + config->listener_count * ACCEPT_DEPTH + ways_slots(config) + 16;
}

/* Agents with a session, and without one. */
static uint64_t wanted_agents(const struct config *config)
{
    uint64_t visitors = config->agents.listener_count > 0 ? config->agents.connections : 0;
    return config->limits.sessions + visitors;
}

static uint64_t wanted(const struct config *config)
{
    return config->limits.links + wanted_agents(config);
}

/* Links and agents that `shards` tables of at most nofile descriptors hold. */
static uint64_t room(const struct config *config, uint64_t nofile, uint32_t shards)
{
    uint64_t own = overhead(config, shards);
    return own < nofile ? (nofile - own) * shards : 0;
}

/* Connections by HTTP that take descriptors of the process: of the pages, and of the admin API by
 * HTTPS while each gives up its place to another one. */
static uint32_t http_connections(const struct config *config)
{
    return config->ops.max_connections +
           (config->admin.https ? 2 * config->admin.max_connections : 0);
}

/* Descriptors that the process has beside the rings' tables. */
static uint64_t of_process(const struct config *config, uint32_t shards)
{
    return PROCESS_DESCRIPTORS + config->listener_count + config->agents.listener_count +
           http_connections(config) + RING_DESCRIPTORS * (uint64_t)shards;
}

/* Beyond these the start would fail. */
static uint32_t most_shards(const struct config *config, const struct server_machine *machine)
{
    uint64_t buffers = (uint64_t)config->buffers.small_count + config->buffers.large_count;
    uint64_t locked_bytes = RING_LOCKED_BYTES + buffers * BUFFER_LOCKED_BYTES;
    uint64_t most = machine->nofile / (RING_SHARE * RING_DESCRIPTORS);
    if (most > machine->memlock_bytes / locked_bytes)
        most = machine->memlock_bytes / locked_bytes;
    if (most > MAX_SHARDS)
        most = MAX_SHARDS;
    return most > 0 ? (uint32_t)most : 1;
}

static uint32_t choose_shards(const struct config *config, const struct server_machine *machine,
                              uint64_t nofile)
{
    if (config->server.shards > 0)
        return config->server.shards;
    uint32_t most = most_shards(config, machine);
    uint32_t shards = machine->processors > 0 ? machine->processors : 1;
    if (shards > most)
        shards = most;
    while (shards < most && room(config, nofile, shards) < wanted(config))
        shards++;
    return shards;
}

/* In each shard: an agent must be in the shard of its device, wherever that is. Where there is
 * little room, half of it. */
static uint32_t agent_places(const struct config *config, uint32_t shards, uint64_t room_of_one)
{
    uint64_t places = wanted_agents(config) / shards + 1;
    return (uint32_t)(places < room_of_one / 2 ? places : room_of_one / 2);
}

/* One sentence with the remedy. */
static void explain_too_low(const struct config *config, uint64_t nofile, uint32_t shards,
                            struct server_plan *plan)
{
    uint64_t own = of_process(config, shards);
    const char *raise = "raise it (systemd: LimitNOFILE=1048576; shell: ulimit -n)";
    if (own > nofile)
        (void)snprintf(plan->too_low, sizeof plan->too_low,
                       "RLIMIT_NOFILE %llu is too low: the process needs %llu descriptors of its "
                       "own with %u shards and %u HTTP connections; %s%s",
                       (unsigned long long)nofile, (unsigned long long)own, shards,
                       http_connections(config), raise,
                       config->server.shards > 1 ? " or configure fewer shards" : "");
    else
        (void)snprintf(plan->too_low, sizeof plan->too_low,
                       "RLIMIT_NOFILE %llu is too low: no room for a single link beside %llu "
                       "descriptors for direct ports and accepting in %u shards; %s or make "
                       "direct_ports.range smaller",
                       (unsigned long long)nofile,
                       (unsigned long long)overhead(config, shards) * shards, shards, raise);
}

void server_plan(const struct config *config, const struct server_machine *machine,
                 struct server_plan *plan)
{
    memset(plan, 0, sizeof *plan);
    uint64_t nofile = machine->nofile < MAX_SLOTS ? machine->nofile : MAX_SLOTS;
    uint32_t shards = choose_shards(config, machine, nofile);
    uint64_t own = overhead(config, shards);
    /* any shard may come to hold more than its share */
    uint64_t slots = own + wanted(config) + 1;
    if (slots > nofile)
        slots = nofile;
    uint64_t reserved = direct_ports_slots(config, shards);
    uint64_t room_of_one = slots > own ? slots - own : 0;
    plan->shards = shards;
    plan->slots = (uint32_t)slots;
    plan->reserved_slots = (uint32_t)(reserved < slots ? reserved : slots - 1);
    plan->agent_places = agent_places(config, shards, room_of_one);
    plan->links = (room_of_one - plan->agent_places) * shards;
    if (plan->links > config->limits.links)
        plan->links = config->limits.links;
    if (plan->links == 0 || of_process(config, shards) > nofile)
        explain_too_low(config, nofile, shards, plan);
    (void)snprintf(plan->why, sizeof plan->why,
                   "%llu links: %u shards (%s, %u processors) with %llu descriptors each "
                   "(RLIMIT_NOFILE %llu), %llu of them for direct ports and accepting, %llu kept "
                   "for agents; limits.links is %u",
                   (unsigned long long)plan->links, shards,
                   config->server.shards > 0 ? "configured" : "auto", machine->processors,
                   (unsigned long long)slots, (unsigned long long)nofile,
                   (unsigned long long)own * shards,
                   (unsigned long long)plan->agent_places * shards, config->limits.links);
}
