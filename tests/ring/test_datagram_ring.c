/* Datagrams over the real ring and loopback: order, addresses, truncation, shortage of buffers,
 * back-pressure and its losses, answers from the address that was asked. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/base/check.h"
#include "server/reactor/reactor.h"

#define BUFFER_BYTES 640u
#define ROOM         (BUFFER_BYTES - KERNEL_DATAGRAM_OVERHEAD)
#define MAX_TURNS    200000

struct seen {
    struct reactor *reactor;
    struct datagram_socket socket;
    struct address address; /* where to send: loopback */
    struct address peer;    /* of the last datagram */
    struct address local;
    uint32_t next; /* number that the next datagram must be above */
    uint32_t received;
    uint32_t size;
    uint64_t utc_ms;
    bool truncated;
    bool echo;
    bool pause_at_once;
    bool close_at_once;
    unsigned closed;
    uint32_t granted;
};

static void on_received(struct datagram_socket *socket, const struct datagram *datagram)
{
    struct seen *seen = container_of(socket, struct seen, socket);
    assert_int_equal(seen->closed, 0);
    assert_false(socket->paused);
    if (datagram->size >= sizeof seen->next) {
        uint32_t number;
        memcpy(&number, datagram->data, sizeof number);
        assert_true(number >= seen->next); /* in order */
        seen->next = number + 1;
    }
    seen->received++;
    seen->peer = datagram->peer;
    seen->local = datagram->local;
    seen->size = datagram->size;
    seen->utc_ms = datagram->utc_ms;
    seen->truncated = datagram->truncated;
    if (seen->echo)
        assert_int_equal(datagram_send(socket, &datagram->peer, &datagram->local, datagram->data,
                                       datagram->size),
                         socket->closing ? STATUS_REFUSED : STATUS_OK);
    if (seen->pause_at_once)
        datagram_pause(socket, true);
    if (seen->close_at_once && !socket->closing) /* what is there already is told even so */
        datagram_close(socket);
}

static void on_closed(struct datagram_socket *socket)
{
    container_of(socket, struct seen, socket)->closed++;
}

static const struct datagram_ops ops = {.received = on_received, .closed = on_closed};

static uint64_t value(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void open_seen(struct seen *seen, const char *address, uint32_t buffers, uint32_t bytes)
{
    struct kernel_error error = {0};
    struct reactor_config config = {
        .limits = {.slots = 8,
                   .buffer_count = {4, 2, buffers},
                   .buffer_size = {512, 1024, BUFFER_BYTES}},
    };
    memset(seen, 0, sizeof *seen);
    assert_int_equal(reactor_create(&config, &seen->reactor, &error), STATUS_OK);
    assert_int_equal(address_parse(address, &seen->address), STATUS_OK);
    seen->address.port = 0;
    seen->socket.socket = kernel_datagram_open(&seen->address, bytes, &seen->granted);
    assert_true(seen->socket.socket >= 0);
    assert_true(seen->address.port != 0 && seen->granted > 0);
    seen->socket.address = seen->address;
    seen->socket.ops = &ops;
    assert_int_equal(datagram_open(&seen->socket, seen->reactor), STATUS_OK);
    (void)reactor_turn(seen->reactor, 0);
}

#define UNTIL(seen, condition)                                                                     \
    do {                                                                                           \
        for (int turns_ = 0; !(condition); turns_++) {                                             \
            assert_true(turns_ < MAX_TURNS);                                                       \
            (void)reactor_turn((seen)->reactor, 5);                                                \
        }                                                                                          \
    } while (0)

static void close_seen(struct seen *seen)
{
    if (!seen->socket.closing)
        datagram_close(&seen->socket);
    UNTIL(seen, seen->closed > 0);
    assert_int_equal(seen->closed, 1);
    assert_true(reactor_idle(seen->reactor));
    assert_int_equal(value(&reactor_counters(seen->reactor)->buffers_out[BUFFERS_DATAGRAM]), 0);
    reactor_destroy(seen->reactor);
    kernel_datagram_close(seen->socket.socket);
}

/* ---- the other side: an ordinary socket ---- */

static int outside(int family, const char *bind_to)
{
    int made = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(made >= 0);
    struct address address;
    union socket_address name;
    assert_int_equal(address_parse(bind_to, &address), STATUS_OK);
    address.port = 0;
    socklen_t size = address_to_socket(&address, &name);
    assert_int_equal(bind(made, &name.any, size), 0);
    struct timeval limit = {.tv_sec = 20};
    assert_int_equal(setsockopt(made, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    return made;
}

static void say(int from, const char *to, uint16_t port, const void *data, size_t size)
{
    struct address address;
    union socket_address name;
    assert_int_equal(address_parse(to, &address), STATUS_OK);
    address.port = port;
    socklen_t length = address_to_socket(&address, &name);
    assert_int_equal(sendto(from, data, size, 0, &name.any, length), size);
}

static void say_numbers(int from, const struct seen *seen, uint32_t first, uint32_t count)
{
    for (uint32_t number = first; number < first + count; number++)
        say(from, "127.0.0.1:1", seen->address.port, &number, sizeof number);
}

/* ---- tests ---- */

static void all_come_in_order_with_few_buffers(void **state)
{
    (void)state;
    struct seen seen;
    open_seen(&seen, "127.0.0.1:1", 4, 4u << 20);
    int from = outside(AF_INET, "127.0.0.1:1");
    for (uint32_t round = 0; round < 20; round++) {
        say_numbers(from, &seen, round * 100, 100);
        UNTIL(&seen, seen.received == (round + 1) * 100);
    }
    assert_int_equal(value(&seen.socket.counters.received), 2000);
    assert_int_equal(value(&seen.socket.counters.received_bytes), 8000);
    datagram_count_overruns(&seen.socket);
    assert_int_equal(value(&seen.socket.counters.overruns), 0);
    /* a burst of more datagrams than buffers ran out of them, and went on */
    assert_true(value(&reactor_counters(seen.reactor)->no_buffers) > 0);
    close(from);
    close_seen(&seen);
}

static void answers_come_from_the_address_that_was_asked(void **state)
{
    (void)state;
    struct seen seen;
    open_seen(&seen, "0.0.0.0:1", 8, 0);
    seen.echo = true;
    int from = outside(AF_INET, "127.0.0.3:1");
    say(from, "127.0.0.2:1", seen.address.port, "gasp", 4);
    UNTIL(&seen, value(&seen.socket.counters.sent) == 1);
    struct address expected;
    assert_int_equal(address_parse("127.0.0.2:1", &expected), STATUS_OK);
    assert_true(address_same_ip(&seen.local, &expected));
    assert_int_equal(seen.local.port, seen.address.port);
    assert_int_equal(address_parse("127.0.0.3:1", &expected), STATUS_OK);
    assert_true(address_same_ip(&seen.peer, &expected));
    uint8_t data[16];
    union socket_address name;
    socklen_t size = sizeof name;
    assert_int_equal(recvfrom(from, data, sizeof data, 0, &name.any, &size), 4);
    assert_memory_equal(data, "gasp", 4);
    struct address answered;
    address_from_socket(&name, &answered);
    assert_true(address_same_ip(&answered, &seen.local));
    assert_int_equal(answered.port, seen.address.port);
    close(from);
    close_seen(&seen);
}

static void one_socket_serves_both_families(void **state)
{
    (void)state;
    struct seen seen;
    struct address expected;
    union socket_address name = {0};
    uint8_t data[16];
    open_seen(&seen, "[::]:1", 8, 0);
    seen.echo = true;
    int v6 = outside(AF_INET6, "[::1]:1");
    int v4 = outside(AF_INET, "127.0.0.1:1");
    say(v6, "[::1]:1", seen.address.port, "six", 3);
    UNTIL(&seen, value(&seen.socket.counters.sent) == 1);
    assert_int_equal(address_parse("[::1]:1", &expected), STATUS_OK);
    assert_true(address_same_ip(&seen.local, &expected) && address_same_ip(&seen.peer, &expected));
    assert_int_equal(recv(v6, data, sizeof data, 0), 3);
    say(v4, "127.0.0.5:1", seen.address.port, "four", 4);
    UNTIL(&seen, value(&seen.socket.counters.sent) == 2);
    assert_int_equal(address_parse("127.0.0.5:1", &expected), STATUS_OK);
    assert_true(address_same_ip(&seen.local, &expected));
    assert_int_equal(seen.peer.family, 4);
    socklen_t size = sizeof name;
    assert_int_equal(recvfrom(v4, data, sizeof data, 0, &name.any, &size), 4);
    assert_int_equal(name.v4.sin_addr.s_addr, htonl(0x7f000005));
    close(v6);
    close(v4);
    close_seen(&seen);
}

static void sizes_from_nothing_to_too_long(void **state)
{
    (void)state;
    struct seen seen;
    uint8_t data[ROOM + 1];
    memset(data, 0xff, sizeof data);
    memset(data, 0, sizeof seen.next);
    open_seen(&seen, "127.0.0.1:1", 8, 0);
    int from = outside(AF_INET, "127.0.0.1:1");
    say(from, "127.0.0.1:1", seen.address.port, data, 0);
    UNTIL(&seen, seen.received == 1);
    assert_int_equal(seen.size, 0);
    assert_false(seen.truncated);
    say(from, "127.0.0.1:1", seen.address.port, data, ROOM);
    UNTIL(&seen, seen.received == 2);
    assert_int_equal(seen.size, ROOM);
    assert_false(seen.truncated);
    seen.next = 0;
    say(from, "127.0.0.1:1", seen.address.port, data, ROOM + 1);
    UNTIL(&seen, seen.received == 3);
    assert_int_equal(seen.size, ROOM);
    assert_true(seen.truncated);
    assert_int_equal(value(&seen.socket.counters.truncated), 1);
    close(from);
    close_seen(&seen);
}

/* What the socket's buffer can't hold is counted, also when no later datagram tells of it. */
static void while_paused_they_wait_and_overruns_are_counted(void **state)
{
    (void)state;
    struct seen seen;
    open_seen(&seen, "127.0.0.1:1", 4, 32768);
    int from = outside(AF_INET, "127.0.0.1:1");
    seen.pause_at_once = true;
    say_numbers(from, &seen, 0, 1000);
    UNTIL(&seen, seen.received == 1);
    for (int i = 0; i < 20; i++)
        (void)reactor_turn(seen.reactor, 0);
    assert_int_equal(seen.received, 1);
    say_numbers(from, &seen, 1000, 1000);
    datagram_count_overruns(&seen.socket);
    assert_true(value(&seen.socket.counters.overruns) > 0);
    seen.pause_at_once = false;
    datagram_pause(&seen.socket, false);
    UNTIL(&seen, seen.received + value(&seen.socket.counters.overruns) == 2000);
    /* and the next ones, which carry the counter, don't count them again */
    say_numbers(from, &seen, 2000, 10);
    UNTIL(&seen, seen.received + value(&seen.socket.counters.overruns) == 2010);
    for (int i = 0; i < 20; i++)
        (void)reactor_turn(seen.reactor, 0);
    assert_int_equal(seen.received + value(&seen.socket.counters.overruns), 2010);
    close(from);
    close_seen(&seen);
}

static void each_pause_holds_at_once(void **state)
{
    (void)state;
    struct seen seen;
    open_seen(&seen, "127.0.0.1:1", 4, 1u << 20);
    int from = outside(AF_INET, "127.0.0.1:1");
    seen.pause_at_once = true;
    say_numbers(from, &seen, 0, 200);
    for (uint32_t i = 1; i <= 200; i++) {
        UNTIL(&seen, seen.received == i);
        datagram_pause(&seen.socket, false);
    }
    assert_int_equal(seen.next, 200);
    close(from);
    close_seen(&seen);
}

static uint64_t utc_ms(void)
{
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_REALTIME, &now), 0);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* The system begins to take down times a moment after it was asked to, so the first ones may tell
 * when they were taken. */
static void the_time_is_that_of_the_arrival(void **state)
{
    (void)state;
    struct seen seen;
    bool told = false;
    open_seen(&seen, "127.0.0.1:1", 4, 0);
    int from = outside(AF_INET, "127.0.0.1:1");
    for (uint32_t i = 0; !told; i++) {
        assert_true(i < 2000);
        datagram_pause(&seen.socket, true);
        uint64_t before_ms = utc_ms();
        say_numbers(from, &seen, i, 1);
        uint64_t after_ms = utc_ms();
        while (utc_ms() <= after_ms + 1)
            (void)reactor_turn(seen.reactor, 0);
        datagram_pause(&seen.socket, false);
        UNTIL(&seen, seen.received == i + 1);
        assert_true(seen.utc_ms >= before_ms);
        told = seen.utc_ms <= after_ms;
    }
    close(from);
    close_seen(&seen);
}

static void what_can_not_be_sent_is_refused_or_counted(void **state)
{
    (void)state;
    struct seen seen;
    struct address to;
    struct address from = {.family = 0};
    static uint8_t data[KERNEL_DATAGRAM_MAX_SIZE + 1];
    open_seen(&seen, "127.0.0.1:1", 4, 0);
    assert_int_equal(address_parse("127.0.0.1:9", &to), STATUS_OK);
    assert_int_equal(datagram_send(&seen.socket, &to, &from, data, sizeof data), STATUS_INVALID);
    for (unsigned i = 0; i < DATAGRAM_MAX_SENDS; i++)
        assert_int_equal(datagram_send(&seen.socket, &to, &from, data, 4), STATUS_OK);
    assert_int_equal(datagram_send(&seen.socket, &to, &from, data, 4), STATUS_FULL);
    assert_int_equal(value(&seen.socket.counters.send_failures), 1);
    UNTIL(&seen, value(&seen.socket.counters.sent) == DATAGRAM_MAX_SENDS);
    /* no address of this machine */
    assert_int_equal(address_parse("203.0.113.1:1", &from), STATUS_OK);
    assert_int_equal(datagram_send(&seen.socket, &to, &from, data, 4), STATUS_OK);
    UNTIL(&seen, value(&seen.socket.counters.send_failures) == 2);
    close_seen(&seen);
}

static void closing_in_the_middle_ends_everything(void **state)
{
    (void)state;
    struct seen seen;
    open_seen(&seen, "127.0.0.1:1", 8, 0);
    int from = outside(AF_INET, "127.0.0.1:1");
    seen.echo = true;
    seen.close_at_once = true;
    say_numbers(from, &seen, 0, 50);
    UNTIL(&seen, seen.closed == 1);
    assert_in_range(seen.received, 1, 8); /* all that had a buffer */
    struct address to = seen.peer;
    assert_int_equal(datagram_send(&seen.socket, &to, &seen.local, NULL, 0), STATUS_REFUSED);
    close(from);
    close_seen(&seen);
}

static void a_port_is_not_shared(void **state)
{
    (void)state;
    struct seen seen;
    uint32_t granted;
    open_seen(&seen, "127.0.0.1:1", 8, 0);
    struct address same = seen.address;
    assert_int_equal(kernel_datagram_open(&same, 0, &granted), -EADDRINUSE);
    close_seen(&seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_come_in_order_with_few_buffers),
        cmocka_unit_test(answers_come_from_the_address_that_was_asked),
        cmocka_unit_test(one_socket_serves_both_families),
        cmocka_unit_test(sizes_from_nothing_to_too_long),
        cmocka_unit_test(while_paused_they_wait_and_overruns_are_counted),
        cmocka_unit_test(each_pause_holds_at_once),
        cmocka_unit_test(the_time_is_that_of_the_arrival),
        cmocka_unit_test(what_can_not_be_sent_is_refused_or_counted),
        cmocka_unit_test(closing_in_the_middle_ends_everything),
        cmocka_unit_test(a_port_is_not_shared),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
