#include "tests/ring/bed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"

#define SMALL_BYTES 2048u
#define LARGE_BYTES 65536u
#define QUEUE_LIMIT 262144u
#define PATIENCE_MS 100000u /* only a test that is stuck gets there */
#define TURN_MS     5

uint64_t bed_counter(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* ---- ends ---- */

static struct end *end_of(struct stream *stream)
{
    return container_of(stream, struct end, stream);
}

static void on_ready(struct stream *stream)
{
    end_of(stream)->ready++;
}

static void echo(struct end *end, struct chunk *chunk)
{
    stream_send(&end->stream, chunk);
    if (end->stream.queued_bytes >= end->queue_limit && !end->stopped) {
        end->stopped = true;
        stream_receive_stop(&end->stream);
    }
}

static void on_received(struct stream *stream, struct chunk *chunk)
{
    struct end *end = end_of(stream);
    if (!pattern_matches(end->seed, end->received, chunk->data, chunk->size))
        end->wrong = true;
    end->received += chunk->size;
    if (end->manner == END_ECHO) {
        echo(end, chunk);
    } else if (end->manner == END_KEEP) {
        chunk->next = end->kept;
        end->kept = chunk;
    } else {
        chunk_free(stream->reactor, chunk);
    }
}

static void on_sent(struct stream *stream)
{
    struct end *end = end_of(stream);
    if (end->stopped && stream->queued_bytes <= end->queue_limit / 2) {
        end->stopped = false;
        stream_receive(stream, RECEIVE_STREAM);
    }
}

static void on_ended(struct stream *stream, int error)
{
    struct end *end = end_of(stream);
    end->ended++;
    end->error = error;
    if (end->manner == END_ECHO)
        stream_shutdown(stream);
}

static void on_failed(struct stream *stream, int error)
{
    end_of(stream)->failed++;
    end_of(stream)->error = error;
}

static void on_connected(struct stream *stream, int error)
{
    end_of(stream)->connected++;
    end_of(stream)->error = error;
}

static void on_closed(struct stream *stream)
{
    end_of(stream)->closed++;
}

const struct stream_ops end_ops = {
    .ready = on_ready,
    .received = on_received,
    .ended = on_ended,
    .sent = on_sent,
    .failed = on_failed,
    .connected = on_connected,
    .closed = on_closed,
};

void end_give_back(struct end *end)
{
    while (end->kept != NULL) {
        struct chunk *chunk = end->kept;
        end->kept = chunk->next;
        chunk_free(end->stream.reactor, chunk);
    }
}

void end_send(struct end *end, uint64_t offset, uint32_t size)
{
    struct chunk *chunk = chunk_allocate(end->stream.reactor, size);
    CHECK(chunk != NULL);
    pattern_fill(end->seed, offset, chunk->data, size);
    chunk->size = size;
    stream_send(&end->stream, chunk);
}

struct end *bed_end(struct bed *bed, enum end_manner manner)
{
    CHECK(bed->end_count < BED_ENDS);
    struct end *end = &bed->ends[bed->end_count++];
    end->bed = bed;
    end->manner = manner;
    end->queue_limit = QUEUE_LIMIT;
    return end;
}

/* ---- the listener ---- */

static void on_accepted(struct listener *listener, uint32_t slot, const struct address *peer)
{
    struct bed *bed = container_of(listener, struct bed, listener);
    CHECK(peer->family == 4 && peer->port != 0 && address_same_ip(peer, &bed->address));
    struct end *end = bed_end(bed, bed->manner);
    stream_init(&end->stream, bed->reactor, slot, &end_ops);
    if (bed->mode != RECEIVE_NONE)
        stream_receive(&end->stream, bed->mode);
}

static void on_listener_closed(struct listener *listener)
{
    container_of(listener, struct bed, listener)->listener_closed = true;
}

static const struct listener_ops listener_ops = {
    .accepted = on_accepted,
    .closed = on_listener_closed,
};

/* ---- the bed ---- */

struct bed *bed_open(const struct bed_limits *limits, uint32_t depth)
{
    struct bed *bed = calloc(1, sizeof *bed);
    struct kernel_error error = {0};
    static const struct listen_options options = {.backlog = 256, .nodelay = true};
    struct reactor_config config = {
        .limits = {.slots = limits->slots,
                   .reserved_slots = limits->reserved_slots,
                   .buffer_count = {limits->small_count, limits->large_count},
                   .buffer_size = {SMALL_BYTES, LARGE_BYTES}},
    };
    CHECK(bed != NULL);
    config.owner = bed;
    bed->mode = RECEIVE_STREAM;
    if (reactor_create(&config, &bed->reactor, &error) != STATUS_OK) {
        (void)fprintf(stderr, "%s\n", error.text);
        check_failed("a ring can be made here", __FILE__, __LINE__);
    }
    CHECK(address_parse("127.0.0.1:0", &bed->address) == STATUS_OK);
    bed->listener.ops = &listener_ops;
    bed->listener.accepts = bed->accepts;
    bed->listener.depth = depth;
    bed->listener.socket = kernel_listen(&bed->address, &options);
    CHECK(bed->listener.socket >= 0);
    CHECK(listener_open(&bed->listener, bed->reactor) == STATUS_OK);
    return bed;
}

void bed_wait_begins(struct bed *bed)
{
    bed->wait_until_ms = kernel_now_ms(reactor_kernel(bed->reactor)) + PATIENCE_MS;
}

void bed_step(struct bed *bed)
{
    CHECK(kernel_now_ms(reactor_kernel(bed->reactor)) < bed->wait_until_ms);
    reactor_turn(bed->reactor, TURN_MS);
    for (size_t i = 0; i < bed->client_count; i++)
        client_step(&bed->clients[i]);
}

struct client *bed_client(struct bed *bed)
{
    CHECK(bed->client_count < BED_CLIENTS);
    struct client *client = &bed->clients[bed->client_count++];
    client_open(client, &bed->address, 0, 0);
    return client;
}

struct end *bed_pair(struct bed *bed, struct client **client)
{
    size_t before = bed->end_count;
    *client = bed_client(bed);
    BED_UNTIL(bed, bed->end_count > before);
    return &bed->ends[before];
}

static bool all_closed(const struct bed *bed)
{
    for (size_t i = 0; i < bed->end_count; i++)
        if (bed->ends[i].closed == 0)
            return false;
    return bed->listener_closed && reactor_idle(bed->reactor);
}

static void check_nothing_left(const struct bed *bed)
{
    const struct reactor_counters *counters = reactor_counters(bed->reactor);
    CHECK(bed_counter(&counters->in_flight) == 0);
    CHECK(bed_counter(&counters->slots_used) == 0);
    CHECK(bed_counter(&counters->private_bytes) == 0);
    CHECK(bed_counter(&counters->stale_completions) == 0);
    for (int group = 0; group < BUFFER_GROUPS; group++)
        CHECK(bed_counter(&counters->buffers_out[group]) == 0);
}

void bed_close(struct bed *bed)
{
    if (!bed->listener.closing)
        listener_close(&bed->listener);
    for (size_t i = 0; i < bed->end_count; i++) {
        end_give_back(&bed->ends[i]);
        if (bed->ends[i].closed == 0)
            stream_close(&bed->ends[i].stream);
    }
    BED_UNTIL(bed, all_closed(bed));
    reactor_turn(bed->reactor, 0);
    for (size_t i = 0; i < bed->end_count; i++)
        CHECK(bed->ends[i].closed == 1 && bed->ends[i].ended <= 1 && bed->ends[i].failed <= 1);
    check_nothing_left(bed);
    for (size_t i = 0; i < bed->client_count; i++)
        client_close(&bed->clients[i]);
    kernel_listen_close(bed->listener.socket);
    reactor_destroy(bed->reactor);
    free(bed);
}
