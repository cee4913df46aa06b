/* Hand-over over the real ring: two reactors in two threads, between which streams move back and
 * forth while bytes flow through them, at whatever moment: receiving, sending, stalled, ending. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "server/base/check.h"
#include "server/reactor/reactor.h"
#include "tests/ring/client.h"

#define NODES        2u
#define TRAVELLERS   24u
#define QUEUE_LIMIT  100000u
#define PAUSE_US     200u
#define PATIENCE     1000000u /* pauses: only a test that is stuck takes so many */
#define MAX_DELAY_MS 8u

struct node {
    struct reactor *reactor;
    struct kernel_limits limits;
    pthread_t thread;
};

/* An echo that travels. */
struct traveller {
    struct stream stream;
    struct stream_move move;
    struct timer timer; /* of the reactor where it is: leaves at an idle moment, too */
    uint64_t received;
    uint64_t leave_at; /* bytes */
    uint32_t stride;   /* bytes between moves */
    bool stopped;
    bool ended;
    bool wrong;
    _Atomic unsigned moves;
    _Atomic unsigned failed_moves;
    _Atomic bool closed;
};

static struct {
    struct node nodes[NODES];
    struct listener listener; /* of node 0 */
    struct accept_operation accepts[2];
    struct address address;
    struct traveller travellers[TRAVELLERS];
    _Atomic unsigned accepted;
    _Atomic bool listener_closed;
    _Atomic bool stop_listening;
    _Atomic bool stop;
    pthread_barrier_t barrier;
} world;

/* ---- travellers ---- */

static struct traveller *traveller_of(struct stream *stream)
{
    return container_of(stream, struct traveller, stream);
}

/* False: not yet. */
static bool close_when_empty(struct traveller *traveller)
{
    if (!traveller->ended || traveller->stream.queued_bytes > 0 || traveller->stream.move != NULL)
        return false;
    timer_stop(&traveller->timer);
    stream_close(&traveller->stream);
    return true;
}

/* What was sent on the way was not told, so the queue may be shorter than it was. */
static void settle(struct traveller *traveller)
{
    struct stream *stream = &traveller->stream;
    if (close_when_empty(traveller))
        return;
    traveller->stopped = stream->queued_bytes >= QUEUE_LIMIT;
    if (!traveller->stopped && !traveller->ended)
        stream_receive(stream, RECEIVE_STREAM);
    timer_start_fine(stream->reactor, &traveller->timer,
                     1 + (uint32_t)reactor_random(stream->reactor) % MAX_DELAY_MS);
}

static void arrived(struct stream_move *move, struct reactor *reactor)
{
    struct traveller *traveller = container_of(move, struct traveller, move);
    CHECK(traveller->stream.reactor == reactor);
    traveller->moves++;
    settle(traveller);
}

static void leave(struct traveller *traveller)
{
    struct reactor *here = traveller->stream.reactor;
    struct reactor *there = world.nodes[here == world.nodes[0].reactor ? 1 : 0].reactor;
    timer_stop(&traveller->timer);
    traveller->leave_at = traveller->received + traveller->stride;
    traveller->move.arrived = arrived;
    stream_move(&traveller->stream, there, &traveller->move);
}

static void timer_fires(struct timer *timer)
{
    leave(container_of(timer, struct traveller, timer));
}

static void on_received(struct stream *stream, struct chunk *chunk)
{
    struct traveller *traveller = traveller_of(stream);
    if (!pattern_matches(0, traveller->received, chunk->data, chunk->size))
        traveller->wrong = true;
    traveller->received += chunk->size;
    stream_send(stream, chunk);
    if (stream->queued_bytes >= QUEUE_LIMIT && !traveller->stopped) {
        traveller->stopped = true;
        stream_receive_stop(stream);
    }
    if (traveller->received >= traveller->leave_at && (stream->flags & STREAM_MOVING) == 0)
        leave(traveller);
}

static void on_sent(struct stream *stream)
{
    struct traveller *traveller = traveller_of(stream);
    if (traveller->stopped && stream->queued_bytes <= QUEUE_LIMIT / 2) {
        traveller->stopped = false;
        stream_receive(stream, RECEIVE_STREAM);
    }
    (void)close_when_empty(traveller);
}

static void on_ended(struct stream *stream, int error)
{
    CHECK(error == 0);
    traveller_of(stream)->ended = true;
    stream_shutdown(stream);
    (void)close_when_empty(traveller_of(stream));
}

static void on_failed(struct stream *stream, int error)
{
    (void)stream;
    (void)error;
    check_failed("the clients read to the end", __FILE__, __LINE__);
}

static void on_closed(struct stream *stream)
{
    traveller_of(stream)->closed = true;
}

static void on_move_failed(struct stream *stream, int error)
{
    struct traveller *traveller = traveller_of(stream);
    CHECK(error == -ENFILE);
    traveller->failed_moves++;
    settle(traveller);
}

static const struct stream_ops traveller_ops = {
    .received = on_received,
    .ended = on_ended,
    .sent = on_sent,
    .failed = on_failed,
    .closed = on_closed,
    .move_failed = on_move_failed,
};

/* ---- the listener ---- */

static void on_accepted(struct listener *listener, uint32_t slot, const struct address *peer)
{
    (void)peer;
    unsigned number = world.accepted;
    struct traveller *traveller = &world.travellers[number];
    CHECK(number < TRAVELLERS);
    stream_init(&traveller->stream, listener->reactor, slot, &traveller_ops);
    timer_init(&traveller->timer, timer_fires);
    traveller->stride = 1000 + number * 3000;
    traveller->leave_at = traveller->stride;
    settle(traveller);
    world.accepted = number + 1;
}

static void on_listener_closed(struct listener *listener)
{
    (void)listener;
    world.listener_closed = true;
}

static const struct listener_ops listener_ops = {
    .accepted = on_accepted,
    .closed = on_listener_closed,
};

static void listen_here(struct reactor *reactor)
{
    world.listener.ops = &listener_ops;
    world.listener.accepts = world.accepts;
    world.listener.depth = 2;
    CHECK(listener_open(&world.listener, reactor) == STATUS_OK);
}

/* ---- nodes ---- */

static void *node_main(void *argument)
{
    struct node *node = argument;
    struct reactor_config config = {.limits = node->limits, .owner = node};
    struct kernel_error error;
    CHECK(reactor_create(&config, &node->reactor, &error) == STATUS_OK);
    pthread_barrier_wait(&world.barrier);
    struct reactor *reactor = node->reactor;
    if (node == &world.nodes[0])
        listen_here(reactor);
    while (!world.stop || !reactor_idle(reactor)) {
        if (node == &world.nodes[0] && world.stop_listening && !world.listener.closing)
            listener_close(&world.listener);
        reactor_turn(reactor, 10);
    }
    reactor_turn(reactor, 0);
    pthread_barrier_wait(&world.barrier);
    const struct reactor_counters *counters = reactor_counters(reactor);
    CHECK(counters->in_flight == 0 && counters->slots_used == 0);
    CHECK(counters->private_bytes == 0 && counters->stale_completions == 0);
    for (int group = 0; group < BUFFER_GROUPS; group++)
        CHECK(counters->buffers_out[group] == 0);
    reactor_destroy(reactor);
    return NULL;
}

static void world_open(uint32_t slots_of_second, uint32_t small_count)
{
    static const struct listen_options options = {.backlog = 64, .nodelay = true};
    memset(&world, 0, sizeof world);
    assert_int_equal(address_parse("127.0.0.1:0", &world.address), STATUS_OK);
    world.listener.socket = kernel_listen(&world.address, &options);
    assert_true(world.listener.socket >= 0);
    assert_int_equal(pthread_barrier_init(&world.barrier, NULL, NODES), 0);
    for (unsigned i = 0; i < NODES; i++) {
        struct node *node = &world.nodes[i];
        node->limits.slots = i == 1 ? slots_of_second : 128;
        node->limits.buffer_count[BUFFERS_SMALL] = small_count;
        node->limits.buffer_count[BUFFERS_LARGE] = 2;
        node->limits.buffer_size[BUFFERS_SMALL] = 2048;
        node->limits.buffer_size[BUFFERS_LARGE] = 65536;
        assert_int_equal(pthread_create(&node->thread, NULL, node_main, node), 0);
    }
}

static void world_close(void)
{
    world.stop_listening = true;
    for (unsigned i = 0; !world.listener_closed; i++) {
        CHECK(i < PATIENCE);
        (void)usleep(PAUSE_US);
    }
    world.stop = true;
    for (unsigned i = 0; i < NODES; i++)
        assert_int_equal(pthread_join(world.nodes[i].thread, NULL), 0);
    kernel_listen_close(world.listener.socket);
    pthread_barrier_destroy(&world.barrier);
}

/* ---- tests ---- */

static bool step_clients(struct client *clients)
{
    bool all = true;
    for (unsigned i = 0; i < TRAVELLERS; i++) {
        client_step(&clients[i]);
        all = all && clients[i].ended;
        assert_int_equal(clients[i].error, 0);
    }
    return all;
}

static unsigned closed_travellers(void)
{
    unsigned closed = 0;
    for (unsigned i = 0; i < TRAVELLERS; i++)
        closed += world.travellers[i].closed ? 1u : 0u;
    return closed;
}

/* late: pauses before the clients begin to read, so that sends stall and move while stalled */
static void run(uint64_t bytes, unsigned late)
{
    struct client clients[TRAVELLERS];
    for (unsigned i = 0; i < TRAVELLERS; i++) {
        client_open(&clients[i], &world.address, 0, 0);
        clients[i].to_send = bytes;
        clients[i].finish = true;
        clients[i].reads = late == 0;
    }
    for (unsigned i = 0; !step_clients(clients); i++) {
        assert_true(i < PATIENCE);
        for (unsigned k = 0; i == late && k < TRAVELLERS; k++)
            clients[k].reads = true;
        (void)usleep(PAUSE_US);
    }
    for (unsigned i = 0; closed_travellers() < TRAVELLERS; i++) {
        assert_true(i < PATIENCE);
        (void)usleep(PAUSE_US);
    }
    for (unsigned i = 0; i < TRAVELLERS; i++) {
        assert_int_equal(clients[i].received, bytes);
        assert_false(clients[i].wrong);
        client_close(&clients[i]);
    }
    world_close();
    for (unsigned i = 0; i < TRAVELLERS; i++) {
        assert_false(world.travellers[i].wrong);
        assert_int_equal(world.travellers[i].received, bytes);
    }
}

static unsigned all_moves(bool failed)
{
    unsigned moves = 0;
    for (unsigned i = 0; i < TRAVELLERS; i++)
        moves += failed ? world.travellers[i].failed_moves : world.travellers[i].moves;
    return moves;
}

static void test_moves_while_bytes_flow(void **state)
{
    (void)state;
    world_open(128, 64);
    run(1000000, 0);
    assert_true(all_moves(false) > TRAVELLERS);
    assert_int_equal(all_moves(true), 0);
}

static void test_moves_with_few_buffers(void **state)
{
    (void)state;
    world_open(128, 4);
    run(200000, 0);
    assert_true(all_moves(false) > TRAVELLERS);
}

/* 150 ms and more without a reader: queues fill, sends stall, and travel. */
static void test_moves_with_late_readers(void **state)
{
    (void)state;
    world_open(128, 64);
    run(8000000, 1000);
    assert_true(all_moves(false) > TRAVELLERS);
}

/* The second reactor has few places: who finds none stays, with all its bytes. */
static void test_moves_into_a_full_table(void **state)
{
    (void)state;
    world_open(4, 64);
    run(300000, 0);
    assert_true(all_moves(false) > 0);
    assert_true(all_moves(true) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moves_while_bytes_flow),
        cmocka_unit_test(test_moves_with_few_buffers),
        cmocka_unit_test(test_moves_with_late_readers),
        cmocka_unit_test(test_moves_into_a_full_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
