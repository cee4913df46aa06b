/* Is the simulated network one to rely on? Directly over kernel.h, under many seeds: streams of
 * known bytes both ways, with cancels and resets at any moment. What arrives is what was sent, in
 * order, without a gap; a FIN without an error comes after the last byte; and the same seed gives
 * the same run. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/reactor/kernel.h"
#include "server/reactor/sim/sim.h"
#include "tests/sim/seeds.h"

#define CONNECTIONS 4u
#define SEND_BYTES  8192u
#define MAX_STEPS   400000u

enum { ACCEPT = 1, RECEIVE, SEND, CANCEL, SHUTDOWN, CLOSE };

struct side {
    uint64_t total; /* bytes it will send */
    uint64_t written;
    uint64_t read;
    bool shut;
};

struct connection {
    struct sim_peer *peer;
    struct side outside;
    struct side inside;
    uint32_t slot;
    uint32_t in_flight; /* on the slot */
    bool accepted;
    bool receiving;
    bool sending;
    bool shut;
    bool ended; /* FIN or an error was received */
    bool broken;
    bool closing;
    bool closed;
    uint8_t data[SEND_BYTES];
};

struct world {
    struct sim *sim;
    struct kernel *kernel;
    struct address address;
    int listening;
    bool accepting;
    struct accept_buffer accept_buffer;
    struct connection connections[CONNECTIONS];
};

static uint64_t tag_of(unsigned kind, unsigned index)
{
    return (uint64_t)kind << 32 | index;
}

/* Byte number `at` of a stream is a function of both. */
static uint8_t byte_at(unsigned stream, uint64_t at)
{
    return (uint8_t)((at * 167 + (at >> 8) * 59 + stream * 101) ^ (at >> 16));
}

static void fill(uint8_t *data, size_t size, unsigned stream, uint64_t at)
{
    for (size_t i = 0; i < size; i++)
        data[i] = byte_at(stream, at + i);
}

static void compare(const uint8_t *data, size_t size, unsigned stream, uint64_t at)
{
    for (size_t i = 0; i < size; i++)
        SEEDS_REQUIRE(data[i] == byte_at(stream, at + i));
}

/* ---- inside ---- */

static void arm_accept(struct world *world)
{
    world->accepting = true;
    kernel_accept(world->kernel, world->listening, false, &world->accept_buffer, tag_of(ACCEPT, 0));
}

/* The peer's port says which connection it is. */
static void accepted(struct world *world, int32_t result)
{
    world->accepting = false;
    if (result >= 0) {
        struct address peer;
        address_from_socket(&world->accept_buffer.peer, &peer);
        SEEDS_REQUIRE(peer.port < CONNECTIONS && peer.ip[0] == 10);
        struct connection *connection = &world->connections[peer.port];
        SEEDS_REQUIRE(!connection->accepted);
        connection->accepted = true;
        connection->slot = (uint32_t)result;
    }
    for (unsigned i = 0; i < CONNECTIONS; i++)
        if (!world->connections[i].accepted && !world->accepting)
            arm_accept(world);
}

static void received(struct world *world, unsigned index, const struct completion *completion)
{
    struct connection *connection = &world->connections[index];
    uint16_t id = (uint16_t)(completion->flags >> 16);
    if (completion->result > 0) {
        SEEDS_REQUIRE(completion->flags & COMPLETION_BUFFER);
        compare(kernel_buffer(world->kernel, BUFFERS_SMALL, id), (size_t)completion->result,
                index * 2, connection->outside.read);
        connection->outside.read += (uint64_t)completion->result;
        SEEDS_REQUIRE(connection->outside.read <= connection->outside.written);
    }
    if (completion->flags & COMPLETION_BUFFER)
        kernel_buffer_return(world->kernel, BUFFERS_SMALL, id);
    if (!(completion->flags & COMPLETION_MORE))
        connection->receiving = false;
    if (completion->result == 0)
        connection->ended = true;
    if (completion->result < 0 && completion->result != -ECANCELED &&
        completion->result != -ENOBUFS) {
        SEEDS_REQUIRE(completion->result == -ECONNRESET || completion->result == -EPIPE);
        connection->ended = true;
        connection->broken = true;
    }
}

/* A failure may show only as a send that ended early; whoever is told of it first (a send or a
 * receive) takes the error away, as on Linux: the other one then sees EPIPE or a FIN. */
static void sent(struct connection *connection, int32_t result)
{
    connection->sending = false;
    if (result > 0)
        connection->inside.written += (uint64_t)result;
    else if (result != -ECANCELED)
        connection->broken = true;
}

static void complete(struct world *world, const struct completion *completion)
{
    unsigned index = (unsigned)(completion->tag & 0xff);
    struct connection *connection = &world->connections[index];
    unsigned kind = (unsigned)(completion->tag >> 32);
    if (kind == ACCEPT) {
        accepted(world, completion->result);
        return;
    }
    if (kind != CANCEL && !(completion->flags & COMPLETION_MORE))
        connection->in_flight--;
    if (kind == RECEIVE)
        received(world, index, completion);
    else if (kind == SEND)
        sent(connection, completion->result);
    else if (kind == SHUTDOWN && completion->result < 0)
        connection->broken = true;
    else if (kind == CLOSE)
        connection->closed = true;
}

static void start_send(struct world *world, unsigned index)
{
    struct connection *connection = &world->connections[index];
    uint64_t left = connection->inside.total - connection->inside.written;
    uint32_t size = 1 + (uint32_t)sim_below(world->sim, SEND_BYTES);
    if (size > left)
        size = (uint32_t)left;
    fill(connection->data, size, index * 2 + 1, connection->inside.written);
    connection->sending = true;
    connection->in_flight++;
    kernel_send(world->kernel, connection->slot, connection->data, size, tag_of(SEND, index));
}

static void close_connection(struct world *world, unsigned index)
{
    struct connection *connection = &world->connections[index];
    if (connection->in_flight == 0) {
        connection->closing = true;
        connection->in_flight++;
        kernel_close(world->kernel, connection->slot, tag_of(CLOSE, index));
    }
}

static void act_inside(struct world *world, unsigned index)
{
    struct connection *connection = &world->connections[index];
    struct sim *sim = world->sim;
    if (!connection->accepted || connection->closing)
        return;
    bool all_sent = connection->inside.written == connection->inside.total || connection->broken;
    if (!connection->ended && !connection->receiving && sim_chance(sim, 700)) {
        connection->receiving = true;
        connection->in_flight++;
        kernel_receive(world->kernel, connection->slot, BUFFERS_SMALL, sim_chance(sim, 500),
                       tag_of(RECEIVE, index));
    }
    if (!all_sent && !connection->sending && sim_chance(sim, 700))
        start_send(world, index);
    if (sim_chance(sim, 50))
        kernel_cancel(world->kernel, tag_of(sim_chance(sim, 500) ? RECEIVE : SEND, index),
                      tag_of(CANCEL, index));
    if (all_sent && !connection->shut && !connection->sending) {
        connection->shut = true;
        connection->in_flight++;
        kernel_shutdown(world->kernel, connection->slot, tag_of(SHUTDOWN, index));
    }
    if (connection->ended && connection->shut)
        close_connection(world, index);
}

static void turn(struct world *world)
{
    struct completion completions[8];
    unsigned count = kernel_wait(world->kernel, completions, 8, -1);
    for (unsigned i = 0; i < count; i++)
        complete(world, &completions[i]);
    for (unsigned i = 0; i < CONNECTIONS; i++)
        act_inside(world, i);
}

/* ---- outside ---- */

static void act_outside(struct world *world, unsigned index)
{
    struct connection *connection = &world->connections[index];
    uint8_t data[3000];
    size_t size = 1 + (size_t)sim_below(world->sim, sizeof data);
    uint64_t left = connection->outside.total - connection->outside.written;
    if (size > left)
        size = (size_t)left;
    fill(data, size, index * 2, connection->outside.written);
    connection->outside.written += sim_peer_write(connection->peer, data, size);
    if (connection->outside.written == connection->outside.total && !connection->outside.shut) {
        connection->outside.shut = true;
        sim_peer_shutdown(connection->peer);
    }
    size = sim_peer_read(connection->peer, data, 1 + (size_t)sim_below(world->sim, sizeof data));
    compare(data, size, index * 2 + 1, connection->inside.read);
    connection->inside.read += size;
}

static bool finished(const struct world *world)
{
    for (unsigned i = 0; i < CONNECTIONS; i++)
        if (!world->connections[i].closed)
            return false;
    return true;
}

static bool drained(struct world *world, unsigned index)
{
    struct sim_peer *peer = world->connections[index].peer;
    enum sim_peer_state state = sim_peer_state(peer);
    return sim_peer_readable(peer) == 0 && (state == SIM_PEER_FIN || state == SIM_PEER_RESET);
}

static bool all_drained(struct world *world)
{
    for (unsigned i = 0; i < CONNECTIONS; i++)
        if (!drained(world, i))
            return false;
    return true;
}

/* ---- one run ---- */

static void world_create(struct world *world, uint64_t seed)
{
    struct sim_options options;
    struct kernel_error error;
    struct kernel_limits limits = {.slots = 16, .buffer_count = {4, 2}, .buffer_size = {512, 4096}};
    struct listen_options listen_options = {.backlog = CONNECTIONS};
    sim_options_random(&options, seed);
    memset(world, 0, sizeof *world);
    world->sim = sim_create(&options);
    SEEDS_REQUIRE(kernel_create(&limits, &world->kernel, &error) == STATUS_OK);
    SEEDS_REQUIRE(address_parse("0.0.0.0:5000", &world->address) == STATUS_OK);
    world->listening = kernel_listen(&world->address, &listen_options);
    SEEDS_REQUIRE(world->listening >= 0);
    struct address to;
    struct address from;
    SEEDS_REQUIRE(address_parse("192.0.2.1:5000", &to) == STATUS_OK);
    SEEDS_REQUIRE(address_parse("10.0.0.1:1", &from) == STATUS_OK);
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        struct connection *connection = &world->connections[i];
        from.port = (uint16_t)i;
        connection->peer = sim_peer_connect(world->sim, &to, &from);
        SEEDS_REQUIRE(connection->peer);
        connection->outside.total = sim_below(world->sim, 40000);
        connection->inside.total = sim_below(world->sim, 40000);
    }
    arm_accept(world);
}

static uint64_t world_finish(struct world *world)
{
    for (unsigned steps = 0; !sim_idle(world->sim) || !all_drained(world); steps++) {
        SEEDS_REQUIRE(steps < MAX_STEPS);
        sim_step(world->sim);
        turn(world);
        for (unsigned i = 0; i < CONNECTIONS; i++)
            act_outside(world, i);
    }
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        struct connection *connection = &world->connections[i];
        if (!connection->broken)
            SEEDS_REQUIRE(connection->outside.read == connection->outside.total);
        if (!connection->broken && sim_peer_state(connection->peer) == SIM_PEER_FIN)
            SEEDS_REQUIRE(connection->inside.read == connection->inside.total);
    }
    kernel_listen_close(world->listening);
    sim_check_quiet(world->sim);
    uint64_t hash = sim_trace_hash(world->sim);
    kernel_destroy(world->kernel);
    sim_destroy(world->sim);
    return hash;
}

static uint64_t run_world(uint64_t seed)
{
    static struct world world;
    world_create(&world, seed);
    for (unsigned steps = 0; !finished(&world); steps++) {
        SEEDS_REQUIRE(steps < MAX_STEPS);
        sim_step(world.sim);
        if (sim_chance(world.sim, 500))
            turn(&world);
        unsigned index = (unsigned)sim_below(world.sim, CONNECTIONS);
        if (sim_chance(world.sim, 300))
            act_outside(&world, index);
    }
    return world_finish(&world);
}

static void run_seed(uint64_t seed)
{
    (void)run_world(seed);
}

static void bytes_arrive_in_order_under_every_seed(void **state)
{
    (void)state;
    seeds_run("bytes", 1000, run_seed);
}

static void run_twice(uint64_t seed)
{
    static uint64_t previous;
    uint64_t hash = run_world(seed);
    SEEDS_REQUIRE(hash == run_world(seed));
    SEEDS_REQUIRE(hash != previous);
    previous = hash;
}

static void the_same_seed_is_the_same_run(void **state)
{
    (void)state;
    seeds_run("same run", 50, run_twice);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_is_the_same_run),
        cmocka_unit_test(bytes_arrive_in_order_under_every_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
