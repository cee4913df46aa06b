/* Fewer buffers than streams that have something to say: those that found none wait without being
 * tried again and again, and everyone gets its turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "server/reactor/reactor.h"
#include "server/reactor/sim/sim.h"
#include "tests/sim/seeds.h"

#define BUFFERS     4u
#define BUFFER_SIZE 64u
#define GUESTS      24u
#define ROUNDS      60u /* deliveries, by guest */
#define MAX_STEPS   1000000u

struct guest {
    struct stream stream;
    struct sim_peer *peer;
    uint64_t last; /* stage.deliveries when it got something, or came */
};

static struct {
    struct sim *sim;
    struct reactor *reactor;
    struct listener listener;
    struct accept_operation accepts[2];
    struct guest guests[GUESTS];
    uint32_t here;
    uint32_t gone;
    struct chunk *held[BUFFERS]; /* by the owner of the streams, oldest first */
    uint32_t held_count;
    uint64_t deliveries;
    uint64_t longest_wait; /* in deliveries to others */
    unsigned steps;
    bool full_speed; /* nothing is held */
    bool listener_closed;
} stage;

static struct guest *guest_of(struct stream *stream)
{
    return container_of(stream, struct guest, stream);
}

static uint64_t refusals(void)
{
    return atomic_load(&reactor_counters(stage.reactor)->no_buffers);
}

static void give_back(void)
{
    if (stage.held_count == 0)
        return;
    chunk_free(stage.reactor, stage.held[0]);
    stage.held_count--;
    memmove(&stage.held[0], &stage.held[1], stage.held_count * sizeof stage.held[0]);
}

static void note_wait(const struct guest *guest)
{
    uint64_t waited = stage.deliveries - guest->last;
    if (waited > stage.longest_wait)
        stage.longest_wait = waited;
}

/* ---- callbacks ---- */

static void on_received(struct stream *stream, struct chunk *chunk)
{
    struct guest *guest = guest_of(stream);
    note_wait(guest);
    stage.deliveries++;
    guest->last = stage.deliveries;
    SEEDS_REQUIRE(stage.held_count < BUFFERS);
    stage.held[stage.held_count++] = chunk;
    if (stage.full_speed)
        give_back();
}

static void on_ended(struct stream *stream, int error)
{
    (void)stream;
    SEEDS_REQUIRE(error == 0);
}

static void on_closed(struct stream *stream)
{
    (void)stream;
    stage.gone++;
}

static const struct stream_ops ops = {
    .received = on_received, .ended = on_ended, .closed = on_closed};

static void on_accepted(struct listener *listener, uint32_t slot, const struct address *peer)
{
    (void)peer;
    struct guest *guest = &stage.guests[stage.here++];
    stream_init(&guest->stream, listener->reactor, slot, &ops);
}

static void on_listener_closed(struct listener *listener)
{
    (void)listener;
    stage.listener_closed = true;
}

static const struct listener_ops listener_ops = {.accepted = on_accepted,
                                                 .closed = on_listener_closed};

/* ---- the stage ---- */

static void turn_if_due(void)
{
    if (sim_pick_due(stage.sim) != NULL)
        reactor_turn(stage.reactor, -1);
}

static void step(void)
{
    SEEDS_REQUIRE(++stage.steps < MAX_STEPS);
    (void)sim_step(stage.sim);
    turn_if_due();
}

/* Everything that happens in no time; ends only if the reactor goes to sleep. */
static void settle(void)
{
    uint64_t now_ms = sim_now_ms(stage.sim);
    turn_if_due();
    while (sim_next_event_ms(stage.sim) <= now_ms)
        step();
}

/* Each guest has more to say than all buffers hold. */
static void talk(void)
{
    static const uint8_t words[4 * BUFFERS * BUFFER_SIZE];
    for (uint32_t i = 0; i < GUESTS; i++)
        (void)sim_peer_write(stage.guests[i].peer, words, sizeof words);
}

static void invite(const struct address *to)
{
    struct address from = {.ip = {10, 0, 0, 1}, .family = 4};
    for (uint32_t i = 0; i < GUESTS; i++) {
        from.port = (uint16_t)(1000 + i);
        stage.guests[i].peer = sim_peer_connect(stage.sim, to, &from);
        SEEDS_REQUIRE(stage.guests[i].peer != NULL);
        while (stage.here <= i)
            step();
    }
}

static void open_stage(const struct sim_options *options)
{
    struct kernel_error error;
    struct listen_options listen_options = {.backlog = 2};
    struct address address = {.ip = {192, 0, 2, 1}, .port = 5000, .family = 4};
    struct reactor_config config = {.limits = {.slots = GUESTS + 4,
                                               .buffer_count = {BUFFERS, 0},
                                               .buffer_size = {BUFFER_SIZE, 256}}};
    memset(&stage, 0, sizeof stage);
    stage.sim = sim_create(options);
    stage.listener = (struct listener){.ops = &listener_ops,
                                       .accepts = stage.accepts,
                                       .depth = 2,
                                       .socket = kernel_listen(&address, &listen_options)};
    SEEDS_REQUIRE(stage.listener.socket >= 0);
    SEEDS_REQUIRE(reactor_create(&config, &stage.reactor, &error) == STATUS_OK);
    SEEDS_REQUIRE(listener_open(&stage.listener, stage.reactor) == STATUS_OK);
    reactor_turn(stage.reactor, -1);
    invite(&address);
}

static void begin_receiving(enum receive_mode mode)
{
    for (uint32_t i = 0; i < GUESTS; i++)
        stream_receive(&stage.guests[i].stream, mode);
    reactor_turn(stage.reactor, 0);
}

static void close_stage(void)
{
    sim_calm_down(stage.sim);
    while (stage.held_count > 0)
        give_back();
    for (uint32_t i = 0; i < GUESTS; i++)
        stream_close(&stage.guests[i].stream);
    listener_close(&stage.listener);
    reactor_turn(stage.reactor, 0);
    while (stage.gone < GUESTS || !stage.listener_closed)
        step();
    int socket = stage.listener.socket;
    sim_check_quiet(stage.sim);
    reactor_destroy(stage.reactor);
    kernel_listen_close(socket);
    sim_destroy(stage.sim);
}

/* ---- who waits, sleeps ---- */

/* The owner holds all buffers: the others are told so once each, and then nothing happens, however
 * much time passes. One buffer that comes back is for one of them. */
static void waiting_costs_nothing(uint64_t seed)
{
    struct sim_options options;
    sim_options_calm(&options, seed);
    options.poll_first = seed % 2 ? 500 : 0;
    open_stage(&options);
    talk();
    begin_receiving(RECEIVE_STREAM);
    settle();
    SEEDS_REQUIRE(stage.held_count == BUFFERS);
    SEEDS_REQUIRE(refusals() <= GUESTS);
    uint64_t before = refusals();
    uint64_t turns = atomic_load(&reactor_counters(stage.reactor)->turns);
    sim_advance(stage.sim, 60000);
    settle();
    SEEDS_REQUIRE(refusals() == before);
    SEEDS_REQUIRE(atomic_load(&reactor_counters(stage.reactor)->turns) <= turns + 120);
    for (unsigned i = 0; i < 10 * GUESTS; i++) {
        before = refusals();
        give_back();
        reactor_turn(stage.reactor, 0); /* as at the end of whatever gave it back */
        settle();
        SEEDS_REQUIRE(stage.held_count == BUFFERS);
        SEEDS_REQUIRE(refusals() <= before + 2);
    }
    close_stage();
}

static void those_who_wait_for_a_buffer_sleep(void **state)
{
    (void)state;
    seeds_run("waiting costs nothing", 200, waiting_costs_nothing);
}

/* ---- everyone gets its turn ---- */

static void talk_long(const struct sim_options *options, bool full_speed)
{
    open_stage(options);
    stage.full_speed = full_speed;
    talk();
    begin_receiving(RECEIVE_STREAM);
    while (stage.deliveries < (uint64_t)ROUNDS * GUESTS) {
        talk();
        if (sim_chance(stage.sim, 300)) {
            give_back();
            reactor_turn(stage.reactor, 0);
        }
        step();
    }
}

static void nobody_starves(uint64_t seed)
{
    struct sim_options options;
    sim_options_calm(&options, seed);
    options.poll_first = seed % 2 ? 500 : 0;
    options.multishot_end = seed % 3 ? 200 : 0;
    options.reorder = seed % 5 ? 0 : 200;
    options.no_buffers = seed % 7 ? 0 : 200;
    talk_long(&options, seed % 4 == 0);
    for (uint32_t i = 0; i < GUESTS; i++)
        note_wait(&stage.guests[i]);
    SEEDS_REQUIRE(stage.longest_wait <= 40ull * GUESTS);
    SEEDS_REQUIRE(refusals() <= 15 * stage.deliveries);
    close_stage();
}

static void everyone_gets_its_turn(void **state)
{
    (void)state;
    seeds_run("nobody starves", 300, nobody_starves);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_who_wait_for_a_buffer_sleep),
        cmocka_unit_test(everyone_gets_its_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
