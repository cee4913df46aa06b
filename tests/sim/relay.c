#include "tests/sim/relay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/seeds.h"

#define PATIENCE_MS   UINT64_C(300000)
#define MOVES_TO_FAIL 30u

uint8_t relay_byte(unsigned source, uint64_t at)
{
    return (uint8_t)((at * 193 + (at >> 8) * 71 + source * 89) ^ (at >> 16));
}

void relay_compare(const uint8_t *data, size_t size, unsigned source, uint64_t at)
{
    for (size_t i = 0; i < size; i++)
        SEEDS_REQUIRE(data[i] == relay_byte(source, at + i));
}

static struct leg *leg_of(struct stream *stream)
{
    struct leg *leg = container_of(stream, struct leg, stream);
    SEEDS_REQUIRE(leg->shard && leg->shard == leg->pair->relay->running);
    SEEDS_REQUIRE(stream->reactor == leg->shard->reactor);
    SEEDS_REQUIRE(!leg->closed);
    return leg;
}

static bool chance(const struct leg *leg, unsigned per_mille)
{
    return sim_chance(leg->pair->relay->sim, per_mille);
}

/* May be called from the shard whose turn it is. */
static bool is_here(const struct leg *leg)
{
    return leg->shard && leg->shard == leg->pair->relay->running && leg->connected &&
           !leg->moving && !leg->closing;
}

/* ---- passing on ---- */

static void hold(struct leg *to, const uint8_t *data, size_t size)
{
    to->held = realloc(to->held, to->held_size + size + 1);
    SEEDS_REQUIRE(to->held);
    memcpy(to->held + to->held_size, data, size);
    to->held_size += size;
}

/* Uses the headroom, which is the holder's. */
static void shift_back(struct leg *leg, struct chunk *chunk)
{
    size_t back = (size_t)sim_below(leg->pair->relay->sim, CHUNK_HEADROOM + 1);
    memmove(chunk->data - back, chunk->data, chunk->size);
    chunk->data -= back;
}

static struct chunk *take_kept(struct leg *leg)
{
    struct chunk *chunk = leg->kept;
    leg->kept = chunk->next;
    if (!leg->kept)
        leg->kept_end = &leg->kept;
    return chunk;
}

static void drop_kept(struct leg *leg, bool hold_bytes)
{
    while (leg->kept) {
        struct chunk *chunk = take_kept(leg);
        if (hold_bytes)
            hold(relay_target(leg), chunk->data, chunk->size);
        chunk_free(leg->shard->reactor, chunk);
    }
}

/* Both legs are here: what waited goes on its way, in order. */
static void pass_on(struct leg *leg)
{
    struct leg *to = relay_target(leg);
    if (to->held_size > 0) {
        SEEDS_REQUIRE(stream_send_copy(&to->stream, to->held, (uint32_t)to->held_size) ==
                      STATUS_OK);
        to->held_size = 0;
    }
    while (leg->kept)
        stream_send(&to->stream, take_kept(leg));
    if (leg->ended && !to->shut) {
        to->shut = true;
        stream_shutdown(&to->stream);
    }
}

static void ask(struct leg *leg)
{
    enum leg_style style = leg->style;
    if (style == STYLE_MIXED)
        style = (enum leg_style)sim_below(leg->pair->relay->sim, STYLE_MIXED);
    if (style == STYLE_WATCH) {
        stream_watch(&leg->stream);
        return;
    }
    leg->asked = true;
    stream_receive(&leg->stream, style == STYLE_ONCE ? RECEIVE_ONCE : RECEIVE_STREAM);
}

static bool has_room(const struct leg *to)
{
    return to->stream.queued_bytes + to->held_size < to->limit;
}

/* The source's share: passes on what it has, and asks for more if there is room for it. */
static void pump(struct leg *leg)
{
    struct leg *to = relay_target(leg);
    if (leg->pair->broken || !is_here(leg))
        return;
    if (is_here(to))
        pass_on(leg);
    if (leg->ended)
        return;
    if (has_room(to))
        ask(leg);
    else
        stream_receive_stop(&leg->stream);
}

/* ---- what the reactor tells ---- */

static void on_ready(struct stream *stream)
{
    struct leg *leg = leg_of(stream);
    SEEDS_REQUIRE(!leg->closing && !leg->moving);
    if (leg->ended || chance(leg, 100))
        return;
    leg->asked = true;
    bool once = leg->style == STYLE_ONCE || chance(leg, 800);
    stream_receive(stream, once ? RECEIVE_ONCE : RECEIVE_STREAM);
}

static void on_received(struct stream *stream, struct chunk *chunk)
{
    struct leg *leg = leg_of(stream);
    SEEDS_REQUIRE(!leg->closing && !leg->moving && !leg->ended);
    SEEDS_REQUIRE(leg->secured || !stream_is_tls(stream));
    SEEDS_REQUIRE(chunk->size > 0 && chunk->size <= chunk->capacity);
    if (leg->style == STYLE_ONCE)
        SEEDS_REQUIRE(leg->asked);
    leg->asked = false;
    relay_compare(chunk->data, chunk->size, leg->source, leg->received);
    leg->received += chunk->size;
    if (chance(leg, 300))
        shift_back(leg, chunk);
    chunk->next = NULL;
    *leg->kept_end = chunk;
    leg->kept_end = &chunk->next;
    if (!is_here(relay_target(leg)))
        drop_kept(leg, true);
    if (chance(leg, 900))
        pump(leg);
}

static void break_pair(struct pair *pair)
{
    pair->broken = true;
}

static void on_ended(struct stream *stream, int error)
{
    struct leg *leg = leg_of(stream);
    SEEDS_REQUIRE(!leg->closing && !leg->moving && !leg->ended && error <= 0);
    leg->ended = true;
    if (error < 0)
        break_pair(leg->pair);
    pump(leg);
}

static struct leg *source_of(struct leg *leg)
{
    return relay_target(leg); /* of two, the other; of one, itself */
}

static void on_sent(struct stream *stream)
{
    struct leg *leg = leg_of(stream);
    SEEDS_REQUIRE(!leg->closing);
    if (chance(leg, 900))
        pump(source_of(leg));
}

static void on_failed(struct stream *stream, int error)
{
    struct leg *leg = leg_of(stream);
    SEEDS_REQUIRE(!leg->closing && !leg->failed && error < 0);
    SEEDS_REQUIRE(stream->queued_bytes == 0);
    leg->failed = true;
    break_pair(leg->pair);
}

static void secure(struct leg *leg, struct tls_context *context, const char *name)
{
    if (context != NULL)
        SEEDS_REQUIRE(stream_tls_start(&leg->stream, context, name) == STATUS_OK);
}

static void on_secured(struct stream *stream, int error)
{
    struct leg *leg = leg_of(stream);
    char text[TLS_ERROR_SIZE];
    SEEDS_REQUIRE(!leg->closing && !leg->moving && !leg->secured && leg->connected);
    SEEDS_REQUIRE(leg->received == 0 && error <= 0);
    SEEDS_REQUIRE(error != -EPROTO || stream_tls_error(stream, text)[0] != '\0');
    leg->secured = true;
    if (error < 0) {
        leg->ended = true;
        leg->failed = true;
        break_pair(leg->pair);
    }
    pump(leg);
}

static void on_connected(struct stream *stream, int error)
{
    struct leg *leg = leg_of(stream);
    SEEDS_REQUIRE(!leg->closing && !leg->connected);
    leg->connected = true;
    if (error == 0)
        secure(leg, leg->pair->relay->client, "meters.example");
    if (error == -ENFILE)
        leg->pair->gave_up = true; /* only a full table says that */
    if (error < 0)
        break_pair(leg->pair);
    pump(leg);
    pump(source_of(leg));
}

static void on_closed(struct stream *stream)
{
    struct leg *leg = leg_of(stream);
    SEEDS_REQUIRE(leg->closing);
    leg->closed = true;
}

static void on_arrived(struct stream_move *move, struct reactor *reactor)
{
    struct leg *leg = container_of(move, struct leg, move);
    leg->shard = leg->pair->relay->running;
    SEEDS_REQUIRE(leg->shard->reactor == reactor && leg->stream.reactor == reactor);
    SEEDS_REQUIRE(leg->moving);
    leg->moving = false;
    leg->pair->failed_moves = 0;
    pump(leg);
    pump(source_of(leg));
}

static void on_move_failed(struct stream *stream, int error)
{
    struct leg *leg = leg_of(stream);
    SEEDS_REQUIRE(leg->moving && error < 0);
    leg->moving = false;
    if (++leg->pair->failed_moves > MOVES_TO_FAIL) {
        leg->pair->gave_up = true;
        break_pair(leg->pair);
    } else if (chance(leg, 500)) {
        leg->pair->home = leg->shard;
    }
    pump(leg);
}

static const struct stream_ops ops = {
    .ready = on_ready,
    .received = on_received,
    .ended = on_ended,
    .sent = on_sent,
    .failed = on_failed,
    .connected = on_connected,
    .closed = on_closed,
    .move_failed = on_move_failed,
    .secured = on_secured,
};

/* ---- from time to time ---- */

static bool leg_done(const struct leg *leg)
{
    return leg->ended && leg->shut && leg->held_size == 0 && leg->stream.queued_bytes == 0 &&
           !leg->kept;
}

static bool pair_done(const struct pair *pair)
{
    for (unsigned i = 0; i < pair->leg_count; i++)
        if (!pair->legs[i].closing && !leg_done(&pair->legs[i]))
            return false;
    return true;
}

static void move(struct leg *leg)
{
    if (leg->shard == leg->pair->home || leg->pair->broken || !is_here(leg))
        return;
    drop_kept(leg, true);
    leg->moving = true;
    leg->asked = false;
    leg->move.arrived = on_arrived;
    stream_move(&leg->stream, leg->pair->home->reactor, &leg->move);
}

static void close_leg(struct leg *leg)
{
    drop_kept(leg, false);
    leg->closing = true;
    stream_close(&leg->stream);
}

/* In any state that it may be in. */
static void act_at_random(struct leg *leg)
{
    struct relay *relay = leg->pair->relay;
    if (chance(leg, 60))
        leg->pair->home = &relay->shards[sim_below(relay->sim, RELAY_REACTORS)];
    if (chance(leg, 100) && leg->connected)
        stream_receive_stop(&leg->stream);
    if (chance(leg, 100) && leg->connected)
        stream_watch(&leg->stream);
    if (leg->pair->is_fickle && chance(leg, 30))
        break_pair(leg->pair);
}

static void dial(struct leg *leg, struct shard *shard)
{
    struct listen_options options = {
        .nodelay = true, .keepalive_idle_s = 60, .keepalive_interval_s = 20, .keepalive_count = 3};
    struct address address;
    SEEDS_REQUIRE(address_parse("198.51.100.1:7000", &address) == STATUS_OK);
    address.port = (uint16_t)(address.port + leg->pair->index);
    leg->shard = shard;
    stream_connect(&leg->stream, shard->reactor, &address, &options, &ops);
}

static void tend_leg(struct leg *leg, struct shard *shard)
{
    struct pair *pair = leg->pair;
    if (!leg->shard && leg == &pair->legs[1] && pair->kind == PAIR_DIALLED && !pair->broken &&
        pair->legs[0].shard == shard && is_here(&pair->legs[0]))
        dial(leg, shard);
    if (leg->shard != shard || leg->moving || leg->closing)
        return;
    if (pair->broken || pair_done(pair)) {
        close_leg(leg);
        return;
    }
    act_at_random(leg);
    move(leg);
    pump(leg);
}

void relay_tick(struct shard *shard)
{
    struct relay *relay = shard->relay;
    for (unsigned i = 0; i < relay->pair_count; i++) {
        struct pair *pair = &relay->pairs[i];
        if (!pair->broken && sim_now_ms(relay->sim) > pair->deadline_ms) {
            pair->gave_up = true;
            break_pair(pair);
        }
        for (unsigned k = 0; k < pair->leg_count; k++)
            tend_leg(&pair->legs[k], shard);
    }
}

/* ---- life ---- */

void relay_leg_accepted(struct leg *leg, struct shard *shard, uint32_t slot)
{
    SEEDS_REQUIRE(!leg->shard);
    leg->shard = shard;
    leg->connected = true;
    stream_init(&leg->stream, shard->reactor, slot, &ops);
    secure(leg, leg->pair->relay->server, NULL);
    if (chance(leg, 500))
        pump(leg);
}

void relay_pair_init(struct pair *pair, struct relay *relay, unsigned index, enum pair_kind kind)
{
    memset(pair, 0, sizeof *pair);
    pair->relay = relay;
    pair->index = index;
    pair->kind = kind;
    pair->leg_count = kind == PAIR_ECHO ? 1 : 2;
    pair->is_fickle = sim_chance(relay->sim, 100);
    pair->home = &relay->shards[sim_below(relay->sim, RELAY_REACTORS)];
    pair->deadline_ms = sim_now_ms(relay->sim) + PATIENCE_MS;
    for (unsigned i = 0; i < 2; i++) {
        struct leg *leg = &pair->legs[i];
        leg->pair = pair;
        leg->source = index * 2 + i;
        leg->style = (enum leg_style)sim_below(relay->sim, STYLE_MIXED + 1);
        leg->limit = 1 + (uint32_t)sim_below(relay->sim, 1u << (1 + sim_below(relay->sim, 15)));
        leg->kept_end = &leg->kept;
    }
}

/* A leg that never came to a shard has nothing to close. */
bool relay_pair_closed(const struct pair *pair)
{
    for (unsigned i = 0; i < pair->leg_count; i++)
        if (pair->legs[i].shard ? !pair->legs[i].closed : !pair->broken)
            return false;
    return true;
}

void relay_pair_free(struct pair *pair)
{
    for (unsigned i = 0; i < 2; i++)
        free(pair->legs[i].held);
}
