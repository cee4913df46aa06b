/* Hand-over of TLS streams between two reactors in two threads, over the real ring: in the middle
 * of their handshake, and again and again while records come and go. The far sides are TLS streams
 * of a third reactor, in the test's own thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <unistd.h>

#include "server/base/check.h"
#include "server/reactor/tls.h"
#include "tests/ring/client.h"
#include "tests/tls/certificates.h"

#define NODES      2u
#define TRAVELLERS 16u
#define BYTES      200000u
#define PIECE      5000u
#define TURNS      20000 /* of at most 10 ms: only a test that is stuck gets there */

/* An echo that travels. */
struct traveller {
    struct stream stream;
    struct stream_move move;
    uint64_t received;
    uint64_t leave_at; /* bytes */
    uint32_t stride;   /* bytes between moves */
    bool secured;
    bool ended;
    _Atomic unsigned moves;
};

struct visitor {
    struct stream stream;
    uint64_t received;
    bool wrong;
    bool closed;
};

static struct {
    struct reactor *nodes[NODES];
    pthread_t threads[NODES];
    pthread_barrier_t barrier;
    struct tls_context *server;
    struct tls_context *client;
    struct listener listener; /* of node 0 */
    struct accept_operation accepts[2];
    struct address address;
    struct traveller travellers[TRAVELLERS];
    unsigned accepted;
    _Atomic unsigned closed;
    _Atomic bool listener_closed;
    _Atomic bool stop_listening;
    _Atomic bool stop;
    struct reactor *own;
    struct visitor visitors[TRAVELLERS];
} world;

static struct reactor *make_reactor(void)
{
    static const struct reactor_config config = {.limits = {.slots = 64,
                                                            .reserved_slots = 1,
                                                            .buffer_count = {64, 2},
                                                            .buffer_size = {2048, 65536}}};
    struct kernel_error error;
    struct reactor *reactor = NULL;
    CHECK(reactor_create(&config, &reactor, &error) == STATUS_OK);
    return reactor;
}

/* ---- travellers ---- */

static void close_when_empty(struct traveller *traveller)
{
    struct stream *stream = &traveller->stream;
    if (traveller->ended && stream->queued_bytes == 0 &&
        (stream->flags & (STREAM_MOVING | STREAM_CLOSING)) == 0)
        stream_close(stream);
}

static void on_arrived(struct stream_move *move, struct reactor *reactor)
{
    struct traveller *traveller = container_of(move, struct traveller, move);
    CHECK(traveller->stream.reactor == reactor);
    traveller->moves++;
    if (traveller->secured && !traveller->ended)
        stream_receive(&traveller->stream, RECEIVE_STREAM);
    close_when_empty(traveller);
}

static void leave(struct traveller *traveller)
{
    struct reactor *here = traveller->stream.reactor;
    traveller->leave_at = traveller->received + traveller->stride;
    traveller->move.arrived = on_arrived;
    stream_move(&traveller->stream, world.nodes[here == world.nodes[0] ? 1 : 0], &traveller->move);
}

static void on_secured(struct stream *stream, int error)
{
    struct traveller *traveller = container_of(stream, struct traveller, stream);
    CHECK(error == 0);
    traveller->secured = true;
    stream_receive(stream, RECEIVE_STREAM);
}

static void on_received(struct stream *stream, struct chunk *chunk)
{
    struct traveller *traveller = container_of(stream, struct traveller, stream);
    traveller->received += chunk->size;
    stream_send(stream, chunk);
    if (traveller->received >= traveller->leave_at && (stream->flags & STREAM_MOVING) == 0)
        leave(traveller);
}

static void on_sent(struct stream *stream)
{
    close_when_empty(container_of(stream, struct traveller, stream));
}

static void on_ended(struct stream *stream, int error)
{
    struct traveller *traveller = container_of(stream, struct traveller, stream);
    CHECK(error == 0);
    traveller->ended = true;
    stream_shutdown(stream);
    close_when_empty(traveller);
}

static void on_failed(struct stream *stream, int error)
{
    (void)stream;
    (void)error;
    check_failed("nothing fails here", __FILE__, __LINE__);
}

static void on_closed(struct stream *stream)
{
    (void)stream;
    world.closed++;
}

static const struct stream_ops traveller_ops = {
    .received = on_received,
    .ended = on_ended,
    .sent = on_sent,
    .failed = on_failed,
    .secured = on_secured,
    .closed = on_closed,
    .move_failed = on_failed,
};

/* ---- nodes ---- */

/* Every second one leaves before its handshake begins. */
static void on_accepted(struct listener *listener, uint32_t slot, const struct address *peer)
{
    struct traveller *traveller = &world.travellers[world.accepted];
    (void)peer;
    CHECK(world.accepted < TRAVELLERS);
    stream_init(&traveller->stream, listener->reactor, slot, &traveller_ops);
    traveller->stride = 1000 + world.accepted * 3000;
    traveller->leave_at = traveller->stride;
    CHECK(stream_tls_start(&traveller->stream, world.server, NULL) == STATUS_OK);
    if (world.accepted++ % 2 == 0)
        leave(traveller);
}

static void on_listener_closed(struct listener *listener)
{
    (void)listener;
    world.listener_closed = true;
}

static const struct listener_ops listener_ops = {.accepted = on_accepted,
                                                 .closed = on_listener_closed};

static void listen_here(struct reactor *reactor)
{
    world.listener.ops = &listener_ops;
    world.listener.accepts = world.accepts;
    world.listener.depth = 2;
    CHECK(listener_open(&world.listener, reactor) == STATUS_OK);
}

static void *node_main(void *argument)
{
    struct reactor **node = argument;
    bool first = node == &world.nodes[0];
    *node = make_reactor();
    struct reactor *reactor = *node;
    pthread_barrier_wait(&world.barrier);
    if (first)
        listen_here(reactor);
    while (!world.stop || !reactor_idle(reactor)) {
        if (first && world.stop_listening && !world.listener.closing)
            listener_close(&world.listener);
        reactor_turn(reactor, 10);
    }
    pthread_barrier_wait(&world.barrier);
    const struct reactor_counters *counters = reactor_counters(reactor);
    CHECK(counters->slots_used == 0 && counters->private_bytes == 0);
    CHECK(counters->buffers_out[BUFFERS_SMALL] == 0 && counters->stale_completions == 0);
    reactor_destroy(reactor);
    return NULL;
}

/* ---- visitors ---- */

static void visitor_connected(struct stream *stream, int error)
{
    CHECK(error == 0);
    CHECK(stream_tls_start(stream, world.client, "") == STATUS_OK);
}

static void visitor_secured(struct stream *stream, int error)
{
    const struct visitor *visitor = container_of(stream, struct visitor, stream);
    uint32_t seed = (uint32_t)(visitor - world.visitors);
    uint8_t piece[PIECE];
    CHECK(error == 0);
    for (uint32_t at = 0; at < BYTES; at += PIECE) {
        pattern_fill(seed, at, piece, PIECE);
        CHECK(stream_send_copy(stream, piece, PIECE) == STATUS_OK);
    }
    stream_shutdown(stream);
    stream_receive(stream, RECEIVE_STREAM);
}

static void visitor_received(struct stream *stream, struct chunk *chunk)
{
    struct visitor *visitor = container_of(stream, struct visitor, stream);
    uint32_t seed = (uint32_t)(visitor - world.visitors);
    if (!pattern_matches(seed, visitor->received, chunk->data, chunk->size))
        visitor->wrong = true;
    visitor->received += chunk->size;
    chunk_free(stream->reactor, chunk);
}

static void visitor_ended(struct stream *stream, int error)
{
    CHECK(error == 0);
    stream_close(stream);
}

static void visitor_closed(struct stream *stream)
{
    container_of(stream, struct visitor, stream)->closed = true;
}

static const struct stream_ops visitor_ops = {
    .connected = visitor_connected,
    .secured = visitor_secured,
    .received = visitor_received,
    .ended = visitor_ended,
    .failed = on_failed,
    .closed = visitor_closed,
};

/* ---- the test ---- */

static void write_text(char *path, const char *folder, const char *name, const char *text)
{
    (void)snprintf(path, 128, "%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void make_contexts(void)
{
    char folder[] = "/tmp/cencd-tls-XXXXXX";
    char paths[2][128];
    struct certificate certificate;
    struct tls_error error;
    struct tls_options client = {.role = TLS_CLIENT};
    struct tls_options server = {.role = TLS_SERVER, .certificate = paths[0], .key = paths[1]};
    assert_non_null(mkdtemp(folder));
    certificate_make(&certificate, &(struct certificate_wish){.name = "server"});
    write_text(paths[0], folder, "certificate", certificate.pem);
    write_text(paths[1], folder, "key", certificate.key_pem);
    assert_int_equal(tls_context_create(&server, &world.server, &error), STATUS_OK);
    assert_int_equal(tls_context_create(&client, &world.client, &error), STATUS_OK);
    certificate_free(&certificate);
    for (size_t i = 0; i < 2; i++)
        (void)unlink(paths[i]);
    assert_int_equal(rmdir(folder), 0);
}

#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        for (int turn = 0; !(condition); turn++) {                                                 \
            assert_true(turn < TURNS);                                                             \
            reactor_turn(world.own, 10);                                                           \
        }                                                                                          \
    } while (0)

static bool all_closed(void)
{
    for (size_t i = 0; i < TRAVELLERS; i++)
        if (!world.visitors[i].closed)
            return false;
    return true;
}

static void open_world(void)
{
    static const struct listen_options options = {.backlog = 64, .nodelay = true};
    memset(&world, 0, sizeof world);
    make_contexts();
    assert_int_equal(address_parse("127.0.0.1:0", &world.address), STATUS_OK);
    world.listener.socket = kernel_listen(&world.address, &options);
    assert_true(world.listener.socket >= 0);
    assert_int_equal(pthread_barrier_init(&world.barrier, NULL, NODES), 0);
    for (size_t i = 0; i < NODES; i++)
        assert_int_equal(pthread_create(&world.threads[i], NULL, node_main, &world.nodes[i]), 0);
    world.own = make_reactor();
}

static void close_world(void)
{
    world.stop_listening = true;
    UNTIL(world.listener_closed && reactor_idle(world.own));
    world.stop = true;
    for (size_t i = 0; i < NODES; i++)
        assert_int_equal(pthread_join(world.threads[i], NULL), 0);
    reactor_destroy(world.own);
    kernel_listen_close(world.listener.socket);
    pthread_barrier_destroy(&world.barrier);
    tls_context_release(world.server);
    tls_context_release(world.client);
}

static void tls_streams_move_between_threads(void **state)
{
    unsigned moves = 0;
    (void)state;
    open_world();
    for (size_t i = 0; i < TRAVELLERS; i++)
        stream_connect(&world.visitors[i].stream, world.own, &world.address, NULL, &visitor_ops);
    UNTIL(all_closed() && world.closed == TRAVELLERS);
    close_world();
    for (size_t i = 0; i < TRAVELLERS; i++) {
        assert_int_equal(world.visitors[i].received, BYTES);
        assert_false(world.visitors[i].wrong);
        moves += world.travellers[i].moves;
    }
    assert_true(moves > 2 * TRAVELLERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tls_streams_move_between_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
