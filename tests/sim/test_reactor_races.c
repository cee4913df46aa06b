/* Races that the property test (test_reactor.c) once found in the reactor, each on a stage of its
 * own so that a few hundred seeds meet it for sure. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "server/reactor/reactor.h"
#include "server/reactor/sim/sim.h"
#include "tests/sim/seeds.h"

#define MAX_STEPS 100000u

struct guest {
    struct stream stream;
    struct stream_move move;
    struct sim_peer *peer;
    struct reactor *to;
    uint64_t bytes;
    unsigned closed;
    bool here;
    bool moving;
    bool moved;
    bool ended;
    int error;
};

struct stage {
    struct sim *sim;
    struct reactor *reactors[2];
    struct listener listeners[2];
    struct accept_operation accepts[2];
    unsigned listeners_closed;
    int socket;
    struct guest guests[2]; /* guest 0 comes to reactor 0, guest 1 to reactor 1 */
};

static struct stage stage;

static struct guest *guest_of(struct stream *stream)
{
    return container_of(stream, struct guest, stream);
}

/* ---- callbacks ---- */

static void on_received(struct stream *stream, struct chunk *chunk)
{
    guest_of(stream)->bytes += chunk->size;
    chunk_free(stream->reactor, chunk);
}

static void on_ended(struct stream *stream, int error)
{
    struct guest *guest = guest_of(stream);
    SEEDS_REQUIRE(!guest->ended);
    guest->ended = true;
    guest->error = error;
}

static void on_closed(struct stream *stream)
{
    guest_of(stream)->closed++;
}

static void on_arrived(struct stream_move *move, struct reactor *reactor)
{
    struct guest *guest = container_of(move, struct guest, move);
    SEEDS_REQUIRE(reactor == guest->to && guest->stream.reactor == reactor);
    guest->moving = false;
    guest->moved = true;
    stream_receive(&guest->stream, RECEIVE_STREAM);
}

static void start_move(struct guest *guest)
{
    guest->moving = true;
    guest->move.arrived = on_arrived;
    stream_move(&guest->stream, guest->to, &guest->move);
}

static void on_move_failed(struct stream *stream, int error)
{
    SEEDS_REQUIRE(error == -ENFILE);
    guest_of(stream)->moving = false; /* tried again by the test */
}

static const struct stream_ops ops = {
    .received = on_received,
    .ended = on_ended,
    .closed = on_closed,
    .move_failed = on_move_failed,
};

static void on_accepted(struct listener *listener, uint32_t slot, const struct address *peer)
{
    struct guest *guest = &stage.guests[peer->port];
    SEEDS_REQUIRE(peer->port < 2 && !guest->here);
    guest->here = true;
    stream_init(&guest->stream, listener->reactor, slot, &ops);
    stream_receive(&guest->stream, RECEIVE_STREAM);
    listener_close(listener);
}

static void on_listener_closed(struct listener *listener)
{
    (void)listener;
    stage.listeners_closed++;
}

static const struct listener_ops listener_ops = {.accepted = on_accepted,
                                                 .closed = on_listener_closed};

/* ---- the stage ---- */

static void run_turn(struct reactor *reactor)
{
    reactor_turn(reactor, -1);
}

static void step(void)
{
    static unsigned steps;
    SEEDS_REQUIRE(++steps % MAX_STEPS != 0);
    sim_step(stage.sim);
    struct kernel *kernel = sim_pick_due(stage.sim);
    for (unsigned i = 0; i < 2; i++)
        if (kernel && reactor_kernel(stage.reactors[i]) == kernel)
            run_turn(stage.reactors[i]);
}

/* One guest after the other, each to its own reactor, whose only accept is armed then. */
static void invite(unsigned index, const struct address *to)
{
    struct guest *guest = &stage.guests[index];
    struct listener *listener = &stage.listeners[index];
    struct address from = {.ip = {10, 0, 0, 1}, .port = (uint16_t)index, .family = 4};
    *listener = (struct listener){
        .ops = &listener_ops, .accepts = &stage.accepts[index], .depth = 1, .socket = stage.socket};
    SEEDS_REQUIRE(listener_open(listener, stage.reactors[index]) == STATUS_OK);
    guest->peer = sim_peer_connect(stage.sim, to, &from);
    guest->to = stage.reactors[!index];
    SEEDS_REQUIRE(guest->peer);
    while (!guest->here || stage.listeners_closed <= index) {
        run_turn(stage.reactors[index]);
        step();
    }
}

static void open_stage(uint64_t seed, uint32_t slots_of_second)
{
    struct sim_options options;
    struct kernel_error error;
    struct listen_options listen_options = {.backlog = 2};
    struct address address = {.ip = {192, 0, 2, 1}, .port = 5000, .family = 4};
    struct reactor_config config = {
        .limits = {.slots = 4, .buffer_count = {4, 4}, .buffer_size = {64, 256}}};
    memset(&stage, 0, sizeof stage);
    sim_options_calm(&options, seed);
    options.spurious_wake = 500;
    options.reorder = 300;
    options.cancel_race = 500;
    stage.sim = sim_create(&options);
    stage.socket = kernel_listen(&address, &listen_options);
    SEEDS_REQUIRE(stage.socket >= 0);
    SEEDS_REQUIRE(reactor_create(&config, &stage.reactors[0], &error) == STATUS_OK);
    config.limits.slots = slots_of_second;
    SEEDS_REQUIRE(reactor_create(&config, &stage.reactors[1], &error) == STATUS_OK);
    invite(0, &address);
    if (slots_of_second == 1)
        invite(1, &address);
}

static void close_stage(void)
{
    while (sim_not_quiet(stage.sim))
        step();
    for (unsigned i = 0; i < 2; i++) {
        run_turn(stage.reactors[i]);
        SEEDS_REQUIRE(reactor_counters(stage.reactors[i])->in_flight == 0);
        SEEDS_REQUIRE(reactor_counters(stage.reactors[i])->slots_used == 0);
        reactor_destroy(stage.reactors[i]);
    }
    kernel_listen_close(stage.socket);
    sim_destroy(stage.sim);
}

/* The only slot of reactor 1 was being closed: in the kernel it was free already, a hand-over took
 * it, and the stream arrived before the close's completion was told. A check failed, and with it
 * the server. */
static void hand_over_overtakes_close(uint64_t seed)
{
    open_stage(seed, 1);
    struct guest *mover = &stage.guests[0];
    struct guest *closer = &stage.guests[1];
    stream_close(&closer->stream);
    run_turn(stage.reactors[1]);
    while (!mover->moved) {
        if (!mover->moving) {
            start_move(mover);
            run_turn(stage.reactors[0]);
        }
        step();
    }
    while (closer->closed == 0)
        step();
    stream_close(&mover->stream);
    run_turn(stage.reactors[1]);
    close_stage();
    SEEDS_REQUIRE(mover->closed == 1 && closer->closed == 1);
}

static void a_hand_over_may_overtake_the_news_of_a_close(void **state)
{
    (void)state;
    seeds_run("hand-over overtakes close", 1000, hand_over_overtakes_close);
}

/* The kernel tells of a reset once. When that was while a receive was being cancelled for a
 * hand-over, it was dropped, and the next receive took the connection's end for a FIN: half a
 * message looked like a whole one. */
static void reset_during_hand_over(uint64_t seed)
{
    open_stage(seed, 4);
    struct guest *guest = &stage.guests[0];
    uint8_t data[100] = {0};
    SEEDS_REQUIRE(sim_peer_write(guest->peer, data, sizeof data) == sizeof data);
    while (guest->bytes < sizeof data)
        step();
    start_move(guest);
    sim_peer_reset(guest->peer);
    while (!guest->moved && !guest->ended) {
        if (!guest->moving)
            start_move(guest);
        step();
    }
    while (!guest->ended)
        step();
    SEEDS_REQUIRE(guest->error == -ECONNRESET);
    while (guest->moving)
        step();
    stream_close(&guest->stream);
    run_turn(guest->stream.reactor);
    close_stage();
}

static void a_reset_during_a_hand_over_is_no_fin(void **state)
{
    (void)state;
    seeds_run("reset during hand-over", 1000, reset_during_hand_over);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hand_over_may_overtake_the_news_of_a_close),
        cmocka_unit_test(a_reset_during_a_hand_over_is_no_fin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
