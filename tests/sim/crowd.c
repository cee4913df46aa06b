#include "tests/sim/crowd.h"

#include <string.h>

#include "tests/sim/outside.h"
#include "tests/sim/relay.h"
#include "tests/sim/seeds.h"

#define MAX_STEPS 3000000u

/* FATE_TRUNCATE, of TLS alone: a FIN without close_notify. */
enum fate { FATE_GOOD, FATE_CLOSE, FATE_RESET, FATE_VANISH, FATE_TRUNCATE };

struct outside {
    struct outside_end end;
    uint64_t total;
    uint64_t written;
    uint64_t read;
    uint64_t pause_until_ms;
    uint64_t fate_at; /* bytes written */
    enum fate fate;
    bool shut;
};

struct world {
    struct relay relay;
    struct outside outsides[RELAY_PAIRS][2];
    struct sim_peer_listener *dialled[RELAY_PAIRS];
    bool network_is_good;
    bool tables_are_small;
    const struct crowd_tls *tls;
};

static struct world world;

/* ---- outside ---- */

static void meet_fate(struct outside *outside)
{
    if (outside->fate == FATE_TRUNCATE)
        sim_peer_shutdown(outside->end.peer);
    else if (outside->fate == FATE_CLOSE)
        sim_peer_close(outside->end.peer);
    else if (outside->fate == FATE_RESET)
        sim_peer_reset(outside->end.peer);
    else
        sim_peer_vanish(outside->end.peer);
}

/* With TLS the last words have to leave first; those who break off don't care. */
static bool is_finished(struct outside *outside)
{
    if (outside->fate == FATE_GOOD || (outside->fate == FATE_CLOSE && outside->total % 2 == 0))
        return outside_finish(&outside->end, true);
    return outside->fate != FATE_TRUNCATE || outside_finish(&outside->end, false);
}

static void outside_write(struct outside *outside, unsigned source)
{
    uint8_t data[4096];
    uint64_t until = outside->fate == FATE_GOOD ? outside->total : outside->fate_at;
    size_t size = 1 + (size_t)sim_below(world.relay.sim, sizeof data);
    if (size > until - outside->written)
        size = (size_t)(until - outside->written);
    for (size_t i = 0; i < size; i++)
        data[i] = relay_byte(source, outside->written + i);
    outside->written += outside_put(&outside->end, data, size);
    if (outside->written < until || outside->shut || !is_finished(outside))
        return;
    outside->shut = true;
    if (outside->fate == FATE_GOOD)
        sim_peer_shutdown(outside->end.peer);
    else
        meet_fate(outside);
}

static void outside_read(struct outside *outside, unsigned source, uint64_t written)
{
    uint8_t data[4096];
    size_t size = 1 + (size_t)sim_below(world.relay.sim, sizeof data);
    size = outside_take(&outside->end, data, size);
    relay_compare(data, size, source, outside->read);
    outside->read += size;
    SEEDS_REQUIRE(outside->read <= written);
}

static void outside_act(unsigned pair_index, unsigned side)
{
    struct sim *sim = world.relay.sim;
    struct pair *pair = &world.relay.pairs[pair_index];
    struct outside *outside = &world.outsides[pair_index][side];
    if (!outside->end.peer && side == 1 && world.dialled[pair_index])
        outside_begin(&outside->end, sim_peer_accept(world.dialled[pair_index]),
                      world.tls != NULL ? world.tls->outside_server : NULL);
    if (!outside->end.peer || sim_now_ms(sim) < outside->pause_until_ms)
        return;
    unsigned from = pair->kind == PAIR_ECHO ? 0 : !side;
    if (sim_chance(sim, 5))
        outside->pause_until_ms = sim_now_ms(sim) + sim_below(sim, 2000);
    outside_write(outside, pair->legs[side].source);
    outside_read(outside, pair->legs[from].source, world.outsides[pair_index][from].written);
}

static void outside_init(unsigned pair_index, unsigned side, bool is_good)
{
    struct sim *sim = world.relay.sim;
    struct pair *pair = &world.relay.pairs[pair_index];
    struct outside *outside = &world.outsides[pair_index][side];
    outside->total = sim_below(sim, UINT64_C(1) << sim_below(sim, 17));
    outside->fate = is_good ? FATE_GOOD : (enum fate)sim_below(sim, world.tls != NULL ? 5 : 4);
    outside->fate_at = sim_below(sim, outside->total + 1);
    if (side == 1 && pair->kind != PAIR_ACCEPTED)
        return;
    struct address to;
    struct address from;
    SEEDS_REQUIRE(address_parse("192.0.2.1:5000", &to) == STATUS_OK);
    SEEDS_REQUIRE(address_parse("10.0.0.1:1", &from) == STATUS_OK);
    from.port = (uint16_t)(pair_index * 2 + side);
    struct sim_peer *peer = sim_peer_connect(sim, &to, &from);
    SEEDS_REQUIRE(peer);
    outside_begin(&outside->end, peer, world.tls != NULL ? world.tls->outside_client : NULL);
}

/* ---- inside ---- */

static void on_accepted(struct listener *listener, uint32_t slot, const struct address *peer)
{
    struct shard *shard = container_of(listener, struct shard, listener);
    SEEDS_REQUIRE(shard == world.relay.running);
    SEEDS_REQUIRE(peer->family == 4 && peer->ip[0] == 10 && peer->port < 2 * RELAY_PAIRS);
    struct pair *pair = &world.relay.pairs[peer->port / 2];
    if (pair->broken)
        reactor_discard(shard->reactor, slot);
    else
        relay_leg_accepted(&pair->legs[peer->port % 2], shard, slot);
}

static void on_listener_closed(struct listener *listener)
{
    container_of(listener, struct shard, listener)->listener_closed = true;
}

static const struct listener_ops listener_ops = {.accepted = on_accepted,
                                                 .closed = on_listener_closed};

static bool everything_closed(void)
{
    for (unsigned i = 0; i < world.relay.pair_count; i++)
        if (!relay_pair_closed(&world.relay.pairs[i]))
            return false;
    return true;
}

static void on_tick(struct timer *timer)
{
    struct shard *shard = container_of(timer, struct shard, tick);
    struct sim *sim = world.relay.sim;
    SEEDS_REQUIRE(shard == world.relay.running);
    relay_tick(shard);
    if (everything_closed()) {
        listener_close(&shard->listener);
        return;
    }
    if (sim_chance(sim, 50))
        listener_pause(&shard->listener, sim_chance(sim, 300));
    timer_start_fine(shard->reactor, &shard->tick, (uint32_t)sim_below(sim, 50));
}

static void turn(struct shard *shard)
{
    world.relay.running = shard;
    reactor_turn(shard->reactor, -1);
    world.relay.running = NULL;
}

static struct shard *shard_of(const struct kernel *kernel)
{
    for (unsigned i = 0; i < RELAY_REACTORS; i++)
        if (reactor_kernel(world.relay.shards[i].reactor) == kernel)
            return &world.relay.shards[i];
    return NULL;
}

static void shard_create(struct shard *shard)
{
    struct sim *sim = world.relay.sim;
    struct kernel_error error;
    uint32_t room = world.tables_are_small ? 3 + (uint32_t)sim_below(sim, 4) : 24;
    struct reactor_config config = {
        .limits = {.slots = 2 + room,
                   .reserved_slots = 2,
                   .buffer_count = {1u << sim_below(sim, 5), 1u << sim_below(sim, 3)},
                   .buffer_size = {1u << (4 + sim_below(sim, 8)), 1u << (9 + sim_below(sim, 5))}},
    };
    if (config.limits.buffer_size[BUFFERS_LARGE] < config.limits.buffer_size[BUFFERS_SMALL])
        config.limits.buffer_size[BUFFERS_LARGE] = config.limits.buffer_size[BUFFERS_SMALL];
    shard->relay = &world.relay;
    SEEDS_REQUIRE(reactor_create(&config, &shard->reactor, &error) == STATUS_OK);
    shard->listener = (struct listener){.ops = &listener_ops,
                                        .accepts = shard->accepts,
                                        .depth = 1 + (uint32_t)sim_below(sim, 3),
                                        .socket = world.relay.socket};
    SEEDS_REQUIRE(listener_open(&shard->listener, shard->reactor) == STATUS_OK);
    timer_init(&shard->tick, on_tick);
    timer_start_fine(shard->reactor, &shard->tick, 1);
}

/* ---- one run ---- */

static void create(uint64_t seed, const struct crowd_tls *tls)
{
    struct sim_options options;
    struct listen_options listen_options = {.backlog = 2 * RELAY_PAIRS,
                                            .nodelay = true,
                                            .keepalive_idle_s = 60,
                                            .keepalive_interval_s = 20,
                                            .keepalive_count = 3,
                                            .user_timeout_ms = 100000};
    memset(&world, 0, sizeof world);
    world.tls = tls;
    struct relay *relay = &world.relay;
    sim_options_random(&options, seed);
    world.network_is_good = options.reset == 0 && options.connect_error == 0;
    relay->sim = sim_create(&options);
    relay->server = tls != NULL ? tls->server : NULL;
    relay->client = tls != NULL ? tls->client : NULL;
    world.tables_are_small = sim_chance(relay->sim, 200);
    SEEDS_REQUIRE(address_parse("0.0.0.0:5000", &relay->address) == STATUS_OK);
    relay->socket = kernel_listen(&relay->address, &listen_options);
    SEEDS_REQUIRE(relay->socket >= 0);
    for (unsigned i = 0; i < RELAY_REACTORS; i++)
        shard_create(&relay->shards[i]);
    relay->pair_count = 1 + (unsigned)sim_below(relay->sim, RELAY_PAIRS);
    for (unsigned i = 0; i < relay->pair_count; i++) {
        struct pair *pair = &relay->pairs[i];
        relay_pair_init(pair, relay, i, (enum pair_kind)sim_below(relay->sim, 3));
        if (pair->kind == PAIR_DIALLED) {
            struct address address;
            SEEDS_REQUIRE(address_parse("198.51.100.1:7000", &address) == STATUS_OK);
            address.port = (uint16_t)(address.port + i);
            world.dialled[i] = sim_peer_listen(relay->sim, &address, 1);
            SEEDS_REQUIRE(world.dialled[i]);
        }
        bool is_good = sim_chance(relay->sim, 800);
        for (unsigned side = 0; side < pair->leg_count; side++)
            outside_init(i, side, is_good);
    }
}

static bool pair_is_doomed(const struct pair *pair)
{
    for (unsigned side = 0; side < pair->leg_count; side++)
        if (world.outsides[pair->index][side].fate != FATE_GOOD)
            return true;
    return false;
}

static void judge_pair(struct pair *pair)
{
    struct outside *outsides = world.outsides[pair->index];
    if (pair->broken) {
        SEEDS_REQUIRE(pair_is_doomed(pair) || pair->is_fickle || !world.network_is_good ||
                      (pair->gave_up && world.tables_are_small));
        return;
    }
    for (unsigned side = 0; side < pair->leg_count; side++) {
        SEEDS_REQUIRE(outsides[side].fate != FATE_TRUNCATE);
        unsigned from = pair->kind == PAIR_ECHO ? 0 : !side;
        if (outsides[side].fate != FATE_GOOD || outsides[from].fate == FATE_RESET ||
            sim_peer_state(outsides[side].end.peer) == SIM_PEER_RESET)
            continue;
        SEEDS_REQUIRE(sim_peer_state(outsides[side].end.peer) == SIM_PEER_FIN);
        SEEDS_REQUIRE(outsides[side].read == outsides[from].written);
        SEEDS_REQUIRE(outside_heard_end(&outsides[side].end));
    }
    SEEDS_REQUIRE(!world.network_is_good || pair_is_doomed(pair) ||
                  sim_peer_state(outsides[0].end.peer) == SIM_PEER_FIN);
}

static bool listeners_closed(void)
{
    for (unsigned i = 0; i < RELAY_REACTORS; i++)
        if (!world.relay.shards[i].listener_closed)
            return false;
    return true;
}

static bool outsides_drained(void)
{
    for (unsigned i = 0; i < world.relay.pair_count; i++)
        for (unsigned side = 0; side < 2; side++) {
            const struct outside *outside = &world.outsides[i][side];
            if (outside->end.peer && outside->fate == FATE_GOOD && !world.relay.pairs[i].broken &&
                (sim_peer_state(outside->end.peer) == SIM_PEER_CONNECTED ||
                 outside_has_more(&outside->end)))
                return false;
        }
    return true;
}

static void step(void)
{
    struct sim *sim = world.relay.sim;
    sim_step(sim);
    struct kernel *kernel = sim_pick_due(sim);
    if (kernel)
        turn(shard_of(kernel));
    if (sim_chance(sim, 300))
        outside_act((unsigned)sim_below(sim, world.relay.pair_count), (unsigned)sim_below(sim, 2));
}

static void judge_counters(struct shard *shard)
{
    const struct reactor_counters *counters = reactor_counters(shard->reactor);
    turn(shard);
    SEEDS_REQUIRE(counters->in_flight == 0);
    SEEDS_REQUIRE(counters->slots_used == 0);
    SEEDS_REQUIRE(counters->buffers_out[BUFFERS_SMALL] == 0);
    SEEDS_REQUIRE(counters->buffers_out[BUFFERS_LARGE] == 0);
    SEEDS_REQUIRE(counters->private_bytes == 0);
}

void crowd_run(uint64_t seed, const struct crowd_tls *tls)
{
    unsigned steps = 0;
    create(seed, tls);
    struct relay *relay = &world.relay;
    while (!listeners_closed() || !outsides_drained() || sim_not_quiet(relay->sim)) {
        SEEDS_REQUIRE(++steps < MAX_STEPS);
        step();
    }
    for (unsigned i = 0; i < RELAY_REACTORS; i++)
        judge_counters(&relay->shards[i]);
    sim_check_quiet(relay->sim);
    for (unsigned i = 0; i < relay->pair_count; i++) {
        judge_pair(&relay->pairs[i]);
        relay_pair_free(&relay->pairs[i]);
        for (unsigned side = 0; side < 2; side++)
            outside_free(&world.outsides[i][side].end);
    }
    for (unsigned i = 0; i < RELAY_REACTORS; i++)
        reactor_destroy(relay->shards[i].reactor);
    kernel_listen_close(relay->socket);
    sim_destroy(relay->sim);
}
