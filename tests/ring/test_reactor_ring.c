/* The reactor over the real ring, alone: connections on loopback TCP, byte for byte, through
 * shortage of buffers and of slots, peers that don't read, half-closes, and closes at any moment.
 * bed_close checks after each test that all counters have returned to zero. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/socket.h>

#include "tests/ring/bed.h"

#define MEGABYTE 1048576u

static const struct bed_limits ordinary = {
    .slots = 256, .reserved_slots = 4, .small_count = 64, .large_count = 4};

static bool all_echoed(const struct bed *bed)
{
    for (size_t i = 0; i < bed->client_count; i++)
        if (bed->clients[i].received < bed->clients[i].to_send)
            return false;
    return true;
}

static bool all_ended(const struct bed *bed)
{
    for (size_t i = 0; i < bed->client_count; i++)
        if (!bed->clients[i].ended)
            return false;
    return true;
}

static void check_exact(const struct bed *bed)
{
    for (size_t i = 0; i < bed->client_count; i++) {
        const struct client *client = &bed->clients[i];
        assert_int_equal(client->received, client->to_send);
        assert_false(client->wrong);
        assert_int_equal(client->error, 0);
    }
    for (size_t i = 0; i < bed->end_count; i++)
        assert_false(bed->ends[i].wrong);
}

/* ---- bytes ---- */

static void test_echo(void **state)
{
    (void)state;
    struct bed *bed = bed_open(&ordinary, 4);
    struct client *client;
    struct end *end = bed_pair(bed, &client);
    client->to_send = 4 * MEGABYTE;
    client->finish = true;
    BED_UNTIL(bed, client->ended);
    check_exact(bed);
    assert_int_equal(end->received, 4 * MEGABYTE);
    assert_int_equal(end->ended, 1);
    assert_int_equal(end->error, 0);
    bed_close(bed);
}

/* Far more connections than armed accepts, and more listeners on one reactor. */
static void test_many_connections(void **state)
{
    (void)state;
    struct bed *bed = bed_open(&ordinary, 1);
    for (int i = 0; i < 100; i++) {
        struct client *client = bed_client(bed);
        client->to_send = 30000;
        client->finish = true;
    }
    BED_UNTIL(bed, all_ended(bed));
    check_exact(bed);
    assert_int_equal(bed->end_count, 100);
    assert_int_equal(bed_counter(&reactor_counters(bed->reactor)->accepts), 100);
    bed_close(bed);
}

static void test_receive_once(void **state)
{
    (void)state;
    struct bed *bed = bed_open(&ordinary, 4);
    struct client *client;
    bed->manner = END_SINK;
    bed->mode = RECEIVE_NONE;
    struct end *end = bed_pair(bed, &client);
    stream_watch(&end->stream);
    stream_watch(&end->stream); /* harmless */
    client->to_send = 10;
    BED_UNTIL(bed, end->ready == 1);
    assert_int_equal(end->received, 0);
    stream_receive(&end->stream, RECEIVE_ONCE);
    BED_UNTIL(bed, end->received == 10);
    client->to_send = 20;
    BED_UNTIL(bed, client->sent == 20);
    for (int i = 0; i < 20; i++)
        bed_step(bed);
    assert_int_equal(end->received, 10); /* not asked for more */
    stream_receive(&end->stream, RECEIVE_ONCE);
    BED_UNTIL(bed, end->received == 20);
    assert_int_equal(end->ready, 1);
    assert_false(end->wrong);
    bed_close(bed);
}

/* ---- shortage of buffers ---- */

static void test_tiny_buffers(void **state)
{
    (void)state;
    static const struct bed_limits tiny = {.slots = 256, .small_count = 2, .large_count = 1};
    struct bed *bed = bed_open(&tiny, 4);
    for (int i = 0; i < 24; i++) {
        struct client *client = bed_client(bed);
        client->to_send = 200000;
        client->finish = true;
    }
    BED_UNTIL(bed, all_ended(bed));
    check_exact(bed);
    bed_close(bed);
}

/* Two streams hold all buffers; the third one's bytes wait for one to come back. */
static void test_queue_for_buffers(void **state)
{
    (void)state;
    static const struct bed_limits two = {.slots = 256, .small_count = 2, .large_count = 1};
    struct bed *bed = bed_open(&two, 4);
    const struct reactor_counters *counters = reactor_counters(bed->reactor);
    struct client *clients[3];
    struct end *ends[3];
    bed->manner = END_KEEP;
    for (int i = 0; i < 3; i++)
        ends[i] = bed_pair(bed, &clients[i]);
    for (int i = 0; i < 2; i++) {
        clients[i]->to_send = 100;
        BED_UNTIL(bed, ends[i]->received == 100);
    }
    assert_int_equal(bed_counter(&counters->buffers_out[BUFFERS_SMALL]), 2);
    clients[2]->to_send = 100;
    clients[2]->finish = true;
    BED_UNTIL(bed, bed_counter(&counters->no_buffers) > 0);
    for (int i = 0; i < 20; i++)
        bed_step(bed);
    assert_int_equal(ends[2]->received, 0);
    end_give_back(ends[0]);
    BED_UNTIL(bed, ends[2]->ended == 1 || ends[2]->received == 100);
    assert_int_equal(ends[2]->received, 100);
    end_give_back(ends[2]);
    BED_UNTIL(bed, ends[2]->ended == 1);
    assert_false(ends[2]->wrong);
    bed_close(bed);
}

/* ---- a peer that doesn't read ---- */

static void test_non_reader(void **state)
{
    (void)state;
    struct bed *bed = bed_open(&ordinary, 4);
    const struct reactor_counters *counters = reactor_counters(bed->reactor);
    struct client *deaf;
    struct client *other;
    struct end *end = bed_pair(bed, &deaf);
    deaf->reads = false;
    deaf->to_send = 16 * MEGABYTE;
    BED_UNTIL(bed, bed_counter(&counters->stalled_sends) > 0 && end->stopped &&
                       bed_counter(&counters->buffers_out[BUFFERS_SMALL]) == 0 &&
                       bed_counter(&counters->buffers_out[BUFFERS_LARGE]) == 0);
    /* what waits is bounded (what all buffers held may come on top), and in private memory */
    assert_true(end->stream.queued_bytes > end->queue_limit / 2);
    assert_true(end->stream.queued_bytes <= end->queue_limit + 64 * 2048 + 4 * 65536);
    assert_true(bed_counter(&counters->private_bytes) >= end->stream.queued_bytes);
    bed_pair(bed, &other);
    other->to_send = MEGABYTE;
    BED_UNTIL(bed, other->received == MEGABYTE);
    deaf->reads = true;
    deaf->finish = true;
    other->finish = true;
    BED_UNTIL(bed, all_ended(bed));
    check_exact(bed);
    bed_close(bed);
}

/* ---- half-close ---- */

static void test_client_finishes_first(void **state)
{
    (void)state;
    struct bed *bed = bed_open(&ordinary, 4);
    struct client *client;
    bed->manner = END_SINK;
    struct end *end = bed_pair(bed, &client);
    client->to_send = 1000;
    client->finish = true;
    BED_UNTIL(bed, end->ended == 1);
    assert_int_equal(end->received, 1000);
    for (uint32_t i = 0; i < 16; i++)
        end_send(end, i * 65536ull, 65536);
    stream_shutdown(&end->stream);
    end_send(end, MEGABYTE, 100); /* too late: freed, not sent */
    BED_UNTIL(bed, client->ended);
    assert_int_equal(client->received, MEGABYTE);
    assert_false(client->wrong);
    bed_close(bed);
}

static void test_server_finishes_first(void **state)
{
    (void)state;
    struct bed *bed = bed_open(&ordinary, 4);
    struct client *client;
    bed->manner = END_SINK;
    struct end *end = bed_pair(bed, &client);
    end_send(end, 0, 5000);
    stream_shutdown(&end->stream);
    BED_UNTIL(bed, client->ended);
    assert_int_equal(client->received, 5000);
    client->to_send = MEGABYTE;
    client->finish = true;
    BED_UNTIL(bed, end->ended == 1);
    assert_int_equal(end->received, MEGABYTE);
    assert_false(end->wrong);
    assert_int_equal(end->failed, 0);
    bed_close(bed);
}

/* ---- closes ---- */

static void test_close_with_everything_armed(void **state)
{
    (void)state;
    struct bed *bed = bed_open(&ordinary, 4);
    struct client *client;
    bed->manner = END_SINK;
    struct end *end = bed_pair(bed, &client);
    client->reads = false;
    for (uint32_t i = 0; i < 256; i++)
        end_send(end, i * 65536ull, 65536);
    bed_step(bed);
    stream_watch(&end->stream);
    stream_receive(&end->stream, RECEIVE_STREAM);
    client->to_send = 100000;
    bed_step(bed);
    stream_close(&end->stream);
    stream_close(&end->stream); /* harmless */
    BED_UNTIL(bed, end->closed == 1);
    assert_int_equal(end->failed, 0);
    assert_int_equal(end->ended, 0);
    bed_close(bed);
}

static void test_peer_resets(void **state)
{
    (void)state;
    struct bed *bed = bed_open(&ordinary, 4);
    struct client *client;
    struct end *end = bed_pair(bed, &client);
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    client->reads = false;
    client->to_send = 16 * MEGABYTE;
    BED_UNTIL(bed, end->stopped);
    assert_int_equal(setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    client_close(client);
    BED_UNTIL(bed, end->failed == 1);
    assert_int_equal(end->stream.queued_bytes, 0);
    bed_close(bed);
}

/* ---- connecting ---- */

static void test_connect(void **state)
{
    (void)state;
    struct bed *bed = bed_open(&ordinary, 4);
    struct listen_options options = {.nodelay = true,
                                     .keepalive_idle_s = 60,
                                     .keepalive_interval_s = 15,
                                     .keepalive_count = 4,
                                     .user_timeout_ms = 120000};
    struct end *out = bed_end(bed, END_SINK);
    assert_int_equal(address_parse("127.0.0.1:0", &options.bind), STATUS_OK);
    stream_connect(&out->stream, bed->reactor, &bed->address, &options, &end_ops);
    end_send(out, 0, 60000); /* goes when connected */
    BED_UNTIL(bed, out->connected == 1);
    assert_int_equal(out->error, 0);
    stream_receive(&out->stream, RECEIVE_STREAM);
    BED_UNTIL(bed, out->received == 60000); /* the other end echoes */
    assert_false(out->wrong);
    stream_shutdown(&out->stream);
    BED_UNTIL(bed, out->ended == 1);
    bed_close(bed);
}

static void test_connect_refused(void **state)
{
    (void)state;
    struct bed *bed = bed_open(&ordinary, 4);
    struct bed *gone = bed_open(&ordinary, 1);
    struct address nobody = gone->address;
    bed_close(gone);
    struct end *out = bed_end(bed, END_SINK);
    stream_connect(&out->stream, bed->reactor, &nobody, NULL, &end_ops);
    BED_UNTIL(bed, out->connected == 1);
    assert_int_equal(out->error, -ECONNREFUSED);
    assert_int_equal(out->closed, 0);
    bed_close(bed);
}

static void test_close_while_connecting(void **state)
{
    (void)state;
    struct bed *bed = bed_open(&ordinary, 4);
    for (int turns = 0; turns < 4; turns++) {
        struct end *out = bed_end(bed, END_SINK);
        stream_connect(&out->stream, bed->reactor, &bed->address, NULL, &end_ops);
        for (int i = 0; i < turns; i++)
            reactor_turn(bed->reactor, 0);
        stream_close(&out->stream);
        unsigned connected = out->connected;
        BED_UNTIL(bed, out->closed == 1);
        assert_int_equal(out->connected, connected); /* nothing is told after a close */
    }
    bed_close(bed);
}

/* ---- shortage of slots ---- */

static size_t open_ends(const struct bed *bed)
{
    size_t open = 0;
    for (size_t i = 0; i < bed->end_count; i++)
        open += bed->ends[i].closed == 0;
    return open;
}

static void test_table_full(void **state)
{
    (void)state;
    static const struct bed_limits few = {
        .slots = 12, .reserved_slots = 4, .small_count = 64, .large_count = 1};
    struct bed *bed = bed_open(&few, 4);
    for (int i = 0; i < 20; i++)
        bed_client(bed)->to_send = 5000;
    BED_UNTIL(bed, open_ends(bed) == 8);
    assert_int_equal(reactor_slots_free(bed->reactor), 0);
    for (int i = 0; i < 20; i++)
        bed_step(bed);
    assert_int_equal(bed->end_count, 8); /* the others wait in the backlog, none was dropped */
    for (size_t i = 0; i < 20; i++) {
        BED_UNTIL(bed, bed->end_count > i);
        struct end *end = &bed->ends[i];
        BED_UNTIL(bed, end->received == 5000);
        stream_shutdown(&end->stream);
        BED_UNTIL(bed, end->stream.queued_bytes == 0);
        stream_close(&end->stream);
        BED_UNTIL(bed, end->closed == 1);
    }
    BED_UNTIL(bed, all_echoed(bed));
    check_exact(bed);
    assert_int_equal(bed_counter(&reactor_counters(bed->reactor)->accept_errors), 0);
    bed_close(bed);
}

/* A stream that finds no slot to connect with is told so, and closes like any other. */
static void test_table_full_connect(void **state)
{
    (void)state;
    static const struct bed_limits few = {.slots = 6, .small_count = 64, .large_count = 1};
    struct bed *bed = bed_open(&few, 1);
    struct client *client;
    listener_pause(&bed->listener, true);
    for (int i = 0; i < 1; i++)
        bed_pair(bed, &client); /* the accept that was armed */
    for (int i = 0; i < 6; i++) {
        struct end *out = bed_end(bed, END_SINK);
        stream_connect(&out->stream, bed->reactor, &bed->address, NULL, &end_ops);
        BED_UNTIL(bed, out->connected == 1);
        assert_int_equal(out->error, i < 5 ? 0 : -ENFILE);
    }
    bed_close(bed);
}

/* ---- listeners ---- */

struct port {
    struct listener listener;
    struct accept_operation accept;
    struct address address;
    struct bed *bed;
    unsigned accepted;
    bool closed;
};

static void port_accepted(struct listener *listener, uint32_t slot, const struct address *peer)
{
    (void)peer;
    struct port *port = container_of(listener, struct port, listener);
    port->accepted++;
    reactor_discard(port->bed->reactor, slot);
}

static void port_closed(struct listener *listener)
{
    container_of(listener, struct port, listener)->closed = true;
}

static int port_open(struct port *port, struct bed *bed)
{
    static const struct listener_ops ops = {.accepted = port_accepted, .closed = port_closed};
    static const struct listen_options options = {.backlog = 16};
    memset(port, 0, sizeof *port);
    assert_int_equal(address_parse("127.0.0.1:0", &port->address), STATUS_OK);
    port->bed = bed;
    port->listener.ops = &ops;
    port->listener.accepts = &port->accept;
    port->listener.depth = 1;
    return listener_open_slot(&port->listener, bed->reactor, &port->address, &options);
}

/* As many listeners in slots as slots were reserved; a closed one's slot and port serve again. */
static void test_listeners_in_slots(void **state)
{
    (void)state;
    struct bed *bed = bed_open(&ordinary, 4);
    struct port ports[5];
    struct client clients[12];
    for (int i = 0; i < 4; i++)
        assert_int_equal(port_open(&ports[i], bed), 0);
    assert_int_equal(port_open(&ports[4], bed), -ENFILE);
    for (int i = 0; i < 12; i++)
        client_open(&clients[i], &ports[i % 4].address, 0, 0);
    for (int i = 0; i < 4; i++)
        BED_UNTIL(bed, ports[i].accepted == 3);
    for (int i = 0; i < 12; i++) {
        BED_UNTIL(bed, (client_step(&clients[i]), clients[i].ended)); /* discarded: FIN */
        client_close(&clients[i]);
    }
    listener_close(&ports[0].listener);
    BED_UNTIL(bed, ports[0].closed);
    assert_int_equal(port_open(&ports[4], bed), 0);
    for (int i = 1; i < 5; i++) {
        listener_close(&ports[i].listener);
        BED_UNTIL(bed, ports[i].closed);
    }
    bed_close(bed);
}

static void test_pause(void **state)
{
    (void)state;
    struct bed *bed = bed_open(&ordinary, 2);
    listener_pause(&bed->listener, true);
    for (int i = 0; i < 10; i++)
        bed_client(bed)->to_send = 100;
    BED_UNTIL(bed, bed->end_count == 2); /* what was armed */
    for (int i = 0; i < 20; i++)
        bed_step(bed);
    assert_int_equal(bed->end_count, 2);
    listener_pause(&bed->listener, false);
    BED_UNTIL(bed, all_echoed(bed));
    check_exact(bed);
    bed_close(bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo),
        cmocka_unit_test(test_many_connections),
        cmocka_unit_test(test_receive_once),
        cmocka_unit_test(test_tiny_buffers),
        cmocka_unit_test(test_queue_for_buffers),
        cmocka_unit_test(test_non_reader),
        cmocka_unit_test(test_client_finishes_first),
        cmocka_unit_test(test_server_finishes_first),
        cmocka_unit_test(test_close_with_everything_armed),
        cmocka_unit_test(test_peer_resets),
        cmocka_unit_test(test_connect),
        cmocka_unit_test(test_connect_refused),
        cmocka_unit_test(test_close_while_connecting),
        cmocka_unit_test(test_table_full),
        cmocka_unit_test(test_table_full_connect),
        cmocka_unit_test(test_listeners_in_slots),
        cmocka_unit_test(test_pause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
