/* Datagrams in the simulation. The property, under many seeds: senders send numbered datagrams to
 * two sockets of one reactor that pause and answer at will; what is received was sent, in order
 * where the network keeps it; without loss on the way all is received or counted as overrun; what
 * answers come out comes from the address that was asked; nothing is left in flight. Then the
 * simulation as a judge of the rules. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "server/reactor/reactor.h"
#include "server/reactor/sim/sim.h"
#include "tests/sim/bench_kernel.h"
#include "tests/sim/seeds.h"

#define SOCKETS   2u
#define SENT_EACH 150u
#define MAX_STEPS 400000u
#define LONGEST   700u

struct ear {
    struct datagram_socket socket;
    uint32_t room; /* bytes of payload that a buffer has */
    uint32_t sent;
    uint32_t next;
    uint64_t heard;
    unsigned closed;
    bool in_order;
    uint8_t times[SENT_EACH];
};

static struct sim *sim;
static struct reactor *reactor;
static struct ear ears[SOCKETS];
static struct address sender;
static struct address asked;
static uint64_t answers;

static uint8_t byte_of(uint32_t ear, uint32_t number, uint32_t at)
{
    return (uint8_t)(ear * 101 + number * 7 + at);
}

static uint32_t size_of(uint32_t number)
{
    return 4 + number * 37 % (LONGEST - 4);
}

static void check_content(uint32_t ear, const struct datagram *datagram, uint32_t *number)
{
    SEEDS_REQUIRE(datagram->size >= sizeof *number);
    memcpy(number, datagram->data, sizeof *number);
    SEEDS_REQUIRE(*number < ears[ear].sent);
    uint32_t size = size_of(*number);
    SEEDS_REQUIRE(datagram->truncated == (size > ears[ear].room));
    SEEDS_REQUIRE(datagram->size == (size > ears[ear].room ? ears[ear].room : size));
    for (uint32_t i = sizeof *number; i < datagram->size; i++)
        SEEDS_REQUIRE(datagram->data[i] == byte_of(ear, *number, i));
}

static void on_received(struct datagram_socket *socket, const struct datagram *datagram)
{
    struct ear *ear = container_of(socket, struct ear, socket);
    uint32_t number;
    SEEDS_REQUIRE(!ear->closed && !socket->paused);
    check_content((uint32_t)(ear - ears), datagram, &number);
    SEEDS_REQUIRE(address_same_ip(&datagram->peer, &sender) && datagram->peer.port == sender.port);
    SEEDS_REQUIRE(address_same_ip(&datagram->local, &asked));
    SEEDS_REQUIRE(datagram->local.port == socket->address.port);
    if (ear->in_order)
        SEEDS_REQUIRE(number >= ear->next);
    ear->next = number + 1;
    ear->heard++;
    SEEDS_REQUIRE(++ear->times[number] <= 2);
    if (sim_chance(sim, 300))
        SEEDS_REQUIRE(datagram_send(socket, &datagram->peer, &datagram->local, datagram->data,
                                    datagram->size) ==
                      (socket->closing ? STATUS_REFUSED : STATUS_OK));
    if (sim_chance(sim, 50))
        datagram_pause(socket, true);
}

static void on_closed(struct datagram_socket *socket)
{
    container_of(socket, struct ear, socket)->closed++;
}

static const struct datagram_ops ops = {.received = on_received, .closed = on_closed};

static void address(const char *text, struct address *out)
{
    SEEDS_REQUIRE(address_parse(text, out) == STATUS_OK);
}

static void set_up(const struct sim_options *options)
{
    sim = sim_create(options);
    uint32_t buffer = 256 + (uint32_t)sim_below(sim, 800);
    struct kernel_error error;
    struct reactor_config config = {
        .limits = {.slots = 4,
                   .buffer_count = {2, 1, 1u << sim_below(sim, 5)},
                   .buffer_size = {64, 64, buffer}},
    };
    SEEDS_REQUIRE(reactor_create(&config, &reactor, &error) == STATUS_OK);
    memset(ears, 0, sizeof ears);
    address("10.0.0.7:7777", &sender);
    address("192.0.2.9:1", &asked);
    answers = 0;
    for (uint32_t i = 0; i < SOCKETS; i++) {
        struct ear *ear = &ears[i];
        uint32_t granted;
        address("0.0.0.0:4059", &ear->socket.address);
        ear->socket.address.port = (uint16_t)(4059 + i);
        ear->socket.socket = kernel_datagram_open(&ear->socket.address,
                                                  4096 + (uint32_t)sim_below(sim, 60000), &granted);
        SEEDS_REQUIRE(ear->socket.socket >= 0);
        ear->socket.ops = &ops;
        ear->room = buffer - KERNEL_DATAGRAM_OVERHEAD;
        ear->in_order = options->datagram_reorder == 0 && options->datagram_twice == 0;
        SEEDS_REQUIRE(datagram_open(&ear->socket, reactor) == STATUS_OK);
    }
}

static void send_one(uint32_t index)
{
    struct ear *ear = &ears[index];
    uint8_t data[LONGEST];
    uint32_t number = ear->sent++;
    uint32_t size = size_of(number);
    for (uint32_t i = 0; i < size; i++)
        data[i] = byte_of(index, number, i);
    memcpy(data, &number, sizeof number);
    struct address to = asked;
    to.port = ear->socket.address.port;
    sim_datagram_send(sim, &sender, &to, data, size);
}

static void take_answers(void)
{
    struct address from;
    uint8_t data[LONGEST];
    while (sim_datagram_take(sim, &sender, &from, data, sizeof data) >= 0) {
        SEEDS_REQUIRE(address_same_ip(&from, &asked));
        SEEDS_REQUIRE(from.port == 4059 || from.port == 4060);
        answers++;
    }
}

static void step(void)
{
    bool moved = sim_step(sim);
    if (sim_pick_due(sim) != NULL)
        (void)reactor_turn(reactor, -1);
    else if (!moved)
        sim_advance(sim, 10);
}

static bool all_sent(void)
{
    return ears[0].sent == SENT_EACH && ears[1].sent == SENT_EACH;
}

static void act(void)
{
    uint32_t index = (uint32_t)sim_below(sim, SOCKETS);
    if (ears[index].sent < SENT_EACH && sim_chance(sim, 400))
        send_one(index);
    if (sim_chance(sim, 30))
        datagram_pause(&ears[index].socket, sim_chance(sim, 500));
    if (sim_chance(sim, 20))
        datagram_count_overruns(&ears[index].socket);
    take_answers();
}

static uint64_t value(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void run_until_quiet(void)
{
    for (unsigned i = 0; i < MAX_STEPS; i++) {
        for (uint32_t k = 0; k < SOCKETS; k++)
            datagram_pause(&ears[k].socket, false);
        if (sim_idle(sim) || (sim_next_event_ms(sim) > sim_now_ms(sim) && i > 2000))
            return;
        step();
    }
    SEEDS_REQUIRE(false);
}

static void check_counts(const struct sim_options *options)
{
    for (uint32_t i = 0; i < SOCKETS; i++) {
        struct ear *ear = &ears[i];
        datagram_count_overruns(&ear->socket);
        SEEDS_REQUIRE(value(&ear->socket.counters.received) == ear->heard);
        SEEDS_REQUIRE(value(&ear->socket.counters.receive_errors) == 0);
        if (options->datagram_loss == 0 && options->datagram_twice == 0)
            SEEDS_REQUIRE(ear->heard + value(&ear->socket.counters.overruns) == ear->sent);
    }
}

static void finish(void)
{
    for (uint32_t i = 0; i < SOCKETS; i++)
        datagram_close(&ears[i].socket);
    for (unsigned i = 0; !(ears[0].closed && ears[1].closed); i++) {
        SEEDS_REQUIRE(i < MAX_STEPS);
        step();
    }
    SEEDS_REQUIRE(reactor_idle(reactor));
    sim_check_quiet(sim);
    reactor_destroy(reactor);
    for (uint32_t i = 0; i < SOCKETS; i++)
        kernel_datagram_close(ears[i].socket.socket);
    sim_destroy(sim);
}

static void property(uint64_t seed)
{
    struct sim_options options;
    sim_options_random(&options, seed);
    set_up(&options);
    for (unsigned i = 0; !all_sent(); i++) {
        SEEDS_REQUIRE(i < MAX_STEPS);
        act();
        step();
    }
    if (seed % 4 != 0) { /* else it closes in the middle */
        run_until_quiet();
        check_counts(&options);
    }
    finish();
}

static void what_was_sent_is_received_or_counted(void **state)
{
    (void)state;
    seeds_run("datagrams", 400, property);
}

/* ---- the judge ---- */

static struct kernel *made;
static int ear;
static struct kernel_outgoing outgoing;
static uint8_t bytes[16];

static void bench(void)
{
    struct sim_options options;
    struct kernel_error error;
    struct kernel_limits limits = {
        .slots = 2, .buffer_count = {2, 2, 2}, .buffer_size = {64, 64, 256}};
    struct address bound;
    uint32_t granted;
    sim_options_calm(&options, 1);
    sim = sim_create(&options);
    SEEDS_REQUIRE(kernel_create(&limits, &made, &error) == STATUS_OK);
    address("0.0.0.0:4059", &bound);
    ear = kernel_datagram_open(&bound, 65536, &granted);
    memset(&outgoing, 0, sizeof outgoing);
    address("10.0.0.1:1", &outgoing.to);
    outgoing.data = bytes;
    outgoing.size = sizeof bytes;
    outgoing.family = 4;
}

static void nothing_broken(void)
{
    struct completion completion;
    bench();
    kernel_send_datagram(made, ear, &outgoing, 1);
    while (kernel_wait(made, &completion, 1, -1) == 0)
        (void)sim_step(sim);
    SEEDS_REQUIRE(completion.result == sizeof bytes);
    kernel_datagram_close(ear);
    kernel_destroy(made);
    sim_destroy(sim);
}

static void close_in_flight(void)
{
    bench();
    kernel_receive_datagrams(made, ear, 1);
    kernel_datagram_close(ear);
}

static void receive_twice(void)
{
    bench();
    kernel_receive_datagrams(made, ear, 1);
    kernel_receive_datagrams(made, ear, 2);
}

static void change_while_sending(void)
{
    struct completion completion;
    bench();
    kernel_send_datagram(made, ear, &outgoing, 1);
    bytes[3]++;
    while (kernel_wait(made, &completion, 1, -1) == 0)
        (void)sim_step(sim);
}

static void use_after_close(void)
{
    bench();
    kernel_datagram_close(ear);
    kernel_receive_datagrams(made, ear, 1);
}

static void name_another_family(void)
{
    bench();
    outgoing.family = 6;
    kernel_send_datagram(made, ear, &outgoing, 1);
}

static void the_rules_are_judged(void **state)
{
    (void)state;
    nothing_broken();
    assert_true(bench_dies_of(close_in_flight, "close with something in flight"));
    assert_true(bench_dies_of(receive_twice, "two receives in flight"));
    assert_true(bench_dies_of(change_while_sending, "changed while it was being sent"));
    assert_true(bench_dies_of(use_after_close, "not open"));
    assert_true(bench_dies_of(name_another_family, "socket's family"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_sent_is_received_or_counted),
        cmocka_unit_test(the_rules_are_judged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
