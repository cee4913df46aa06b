/* What the server says of itself is held against the links and sessions that there are. Holds
 * between any two turns, not only at quiet moments. */
#include <string.h>

#include "agents/direct_ports.h"
#include "server/bridge/channel_line.h"
#include "server/bridge/session.h"
#include "server/directory/channels.h"
#include "tests/sim/seeds.h"
#include "tests/sim/site.h"

#define MAX_LISTENERS 8u
#define MAX_CHANNELS  8u

struct tally {
    uint64_t links;
    uint64_t live; /* links that were not closed yet */
    uint64_t unidentified;
    uint64_t sessions;      /* connections of agents that are in a list */
    uint64_t live_sessions; /* of these, not finished yet */
    uint64_t online;
    uint64_t in_session;
    uint64_t by_listener[MAX_LISTENERS];
    uint64_t on_channel[MAX_CHANNELS]; /* joined, by the id of an exclusive one */
    uint64_t greeting[MAX_LISTENERS];
    uint64_t idle[MAX_LISTENERS];
    uint64_t joined[MAX_LISTENERS];
};

static uint64_t read_count(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

uint64_t site_closed(const struct site *site, enum close_reason reason)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < site->server->shard_count; i++)
        sum += read_count(&site->server->shards[i]->counters.closed[reason]);
    return sum;
}

uint64_t site_queue_bound(const struct site *site)
{
    const struct config *config = site->config;
    /* what was under way when the receive was stopped: at worst every buffer of the shard, each
     * with a frame around it */
    uint64_t small =
        (uint64_t)config->buffers.small_count * (config->buffers.small_size_bytes + 20);
    uint64_t large = config->buffers.large_size_bytes + config->buffers.large_size_bytes / 50;
    /* and answers to keepalives */
    return config->limits.session_buffer_bytes + small + large + 8192;
}

static bool count_port(const struct device_info *info, void *context)
{
    uint32_t *ports = context;
    *ports += info->link.id != 0 && info->direct_port != 0;
    return true;
}

void site_check_ports(const struct site *site)
{
    uint32_t wanted = 0;
    uint32_t open = 0;
    (void)directory_walk(site->server->directory, 0, count_port, &wanted);
    for (uint32_t i = 0; i < site->server->shard_count; i++)
        open += direct_ports_open_count(site->server->shards[i]);
    SEEDS_REQUIRE(open == wanted);
}

/* A link that the directory knows is a device's newest, and nobody else's. */
static void check_newest(const struct site *site, const struct link *link)
{
    struct device_info info;
    struct link_ref ref = link_ref(link);
    directory_get(site->server->directory, link->device, &info);
    SEEDS_REQUIRE(info.link.id == ref.id && info.link.index == ref.index &&
                  info.link.shard == ref.shard);
    SEEDS_REQUIRE(info.epoch == link->epoch);
    SEEDS_REQUIRE((info.state == DEVICE_IN_SESSION) == (link->state == LINK_IN_SESSION));
    if (link->state == LINK_IN_SESSION && timer_running(&link->session->tell)) {
        SEEDS_REQUIRE(info.bytes.received <= link->bytes_received);
        SEEDS_REQUIRE(info.bytes.sent <= link->bytes_sent);
    } else {
        SEEDS_REQUIRE(info.bytes.received == link->bytes_received);
        SEEDS_REQUIRE(info.bytes.sent == link->bytes_sent);
    }
}

static void tally_link(const struct site *site, const struct link *link, struct tally *tally)
{
    tally->links++;
    tally->by_listener[link->listener]++;
    tally->unidentified += (link->counted & LINK_COUNTED_UNIDENTIFIED) != 0;
    SEEDS_REQUIRE(link->stream.queued_bytes <= site_queue_bound(site));
    if (link->state == LINK_GONE)
        return;
    tally->live++;
    if (link->state == LINK_GREETING || link->state == LINK_HELD) {
        tally->greeting[link->listener]++;
        return;
    }
    tally->online++;
    check_newest(site, link);
    if (link->state == LINK_IDLE) {
        tally->idle[link->listener]++;
    } else {
        tally->joined[link->listener]++;
        tally->in_session++;
        SEEDS_REQUIRE(link->session->link == link && link->session->state == SESSION_JOINED);
    }
}

/* One session at a time on all devices of an exclusive channel. */
static void tally_channel(const struct site *site, const struct session *session,
                          struct tally *tally)
{
    struct device_info info;
    directory_get(site->server->directory, session->device, &info);
    if (!channel_is_exclusive(site->server->directory, info.channel_id))
        return;
    SEEDS_REQUIRE(info.channel_id < MAX_CHANNELS && session->ticket != NULL);
    SEEDS_REQUIRE(++tally->on_channel[info.channel_id] == 1);
}

static void tally_sessions(const struct site *site, const struct shard *shard, struct tally *tally)
{
    const struct list *head = &shard->sessions;
    for (const struct list *node = head->next; node != head; node = node->next) {
        const struct session *session = container_of(node, struct session, node);
        tally->sessions++;
        SEEDS_REQUIRE(session->shard == shard);
        SEEDS_REQUIRE(session->agent.queued_bytes <= site_queue_bound(site));
        tally->live_sessions +=
            session->state != SESSION_DRAINING && session->state != SESSION_CLOSED;
        if (session->state == SESSION_JOINED) {
            SEEDS_REQUIRE(session->link->state == LINK_IN_SESSION &&
                          session->link->session == session &&
                          session->link->device == session->device);
            tally_channel(site, session, tally);
        }
    }
}

static void check_listeners(const struct site *site, const struct tally *tally)
{
    const struct server *server = site->server;
    for (size_t i = 0; i < site->config->listener_count; i++) {
        uint64_t greeting = 0;
        uint64_t idle = 0;
        uint64_t joined = 0;
        for (uint32_t s = 0; s < server->shard_count; s++) {
            const struct listener_counters *counters = &server->shards[s]->counters.listeners[i];
            greeting += read_count(&counters->greeting);
            idle += read_count(&counters->idle);
            joined += read_count(&counters->in_session);
        }
        SEEDS_REQUIRE(greeting == tally->greeting[i]);
        SEEDS_REQUIRE(idle == tally->idle[i]);
        SEEDS_REQUIRE(joined == tally->joined[i]);
        SEEDS_REQUIRE(read_count(&server->listener_links[i]) == tally->by_listener[i]);
    }
}

/* Every connection that was accepted is there, or was closed with one reason. (While the server
 * stops, some are discarded in the moment of being accepted.) */
static void check_closes(const struct site *site, const struct tally *tally, uint64_t moving)
{
    uint64_t accepted = 0;
    uint64_t closed = 0;
    uint64_t kept = 0; /* a session ended, the connection went on */
    for (uint32_t s = 0; s < site->server->shard_count; s++)
        accepted += read_count(&reactor_counters(site->server->shards[s]->reactor)->accepts);
    for (uint32_t s = 0; s < site->server->shard_count; s++)
        kept += read_count(&site->server->shards[s]->counters.kept);
    for (int i = 0; i < CLOSE_REASON_COUNT; i++)
        closed += site_closed(site, (enum close_reason)i);
    uint64_t accounted = closed + tally->live + tally->live_sessions + moving - kept;
    if (atomic_load(&site->server->stopping))
        SEEDS_REQUIRE(accounted <= accepted);
    else
        SEEDS_REQUIRE(accounted == accepted);
}

/* ---- channels at a quiet moment ---- */

static void check_line(uint32_t channel, const struct session *holder, uint32_t waiting,
                       void *context)
{
    uint64_t *waiters = context;
    (void)channel;
    *waiters += waiting;
    SEEDS_REQUIRE(holder->state == SESSION_JOINED ||
                  (holder->state == SESSION_WAITING && holder->line != NULL));
}

void site_check_channels(const struct site *site)
{
    uint64_t waiters = 0;
    channel_lines_walk(site->server->channel_lines, check_line, &waiters);
    for (uint32_t s = 0; s < site->server->shard_count; s++) {
        const struct list *head = &site->server->shards[s]->sessions;
        for (const struct list *node = head->next; node != head; node = node->next) {
            const struct session *session = container_of(node, struct session, node);
            struct device_info info;
            if (session->state != SESSION_WAITING || session->line != NULL)
                continue;
            directory_get(site->server->directory, session->device, &info);
            SEEDS_REQUIRE(info.link.id != 0 && waiters > 0);
            waiters--;
        }
    }
    SEEDS_REQUIRE(waiters == 0);
}

/* ---- all of it ---- */

void site_check(const struct site *site)
{
    const struct server *server = site->server;
    struct tally tally;
    struct directory_counts counts;
    memset(&tally, 0, sizeof tally);
    SEEDS_REQUIRE(site->config->listener_count <= MAX_LISTENERS);
    for (uint32_t s = 0; s < server->shard_count; s++) {
        const struct shard *shard = server->shards[s];
        for (uint32_t i = 0; i < link_pool_size(&shard->links); i++) {
            const struct link *link = link_pool_at(&shard->links, i);
            if (link->state != LINK_FREE)
                tally_link(site, link, &tally);
        }
        uint64_t before = tally.sessions;
        tally_sessions(site, shard, &tally);
        SEEDS_REQUIRE(read_count(&shard->counters.sessions) == tally.sessions - before);
    }
    uint64_t moving =
        read_count(&server->sessions) + read_count(&server->visitors) - tally.sessions;
    SEEDS_REQUIRE(read_count(&server->links) == tally.links);
    SEEDS_REQUIRE(read_count(&server->unidentified) == tally.unidentified);
    check_listeners(site, &tally);
    check_closes(site, &tally, moving);
    directory_count(server->directory, &counts);
    SEEDS_REQUIRE(counts.online == tally.online);
    SEEDS_REQUIRE(counts.in_session == tally.in_session);
}
