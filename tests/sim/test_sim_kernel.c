/* The rules of kernel.h in the simulation, one by one: what each operation returns in the cases
 * that io_uring and TCP have. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/sim/bench_kernel.h"

static const uint8_t hello[] = "hello, world";
#define HELLO_BYTES ((uint32_t)sizeof hello)

static void options_with(struct sim_options *options, uint32_t socket_bytes)
{
    sim_options_calm(options, 7);
    options->socket_bytes_min = socket_bytes;
    options->socket_bytes_max = socket_bytes;
}

static void receive(struct bench *bench, uint32_t slot, uint64_t tag)
{
    kernel_receive(bench->kernels[0], slot, BUFFERS_SMALL, false, tag);
}

/* Takes a receive's completion and gives its buffer back. */
static int32_t received(struct bench *bench, uint64_t tag)
{
    struct completion completion;
    bench_run(bench, 1000);
    assert_true(bench_take(bench, tag, &completion));
    if (completion.flags & COMPLETION_BUFFER)
        kernel_buffer_return(bench->kernels[0], BUFFERS_SMALL, (uint16_t)(completion.flags >> 16));
    return completion.result;
}

/* ---- receiving ---- */

static void a_receive_waits_for_bytes_and_a_fin_follows_them(void **state)
{
    (void)state;
    struct bench bench;
    struct completion completion;
    uint32_t slot;
    bench_open(&bench, NULL);
    struct sim_peer *peer = bench_connect(&bench, &slot);
    receive(&bench, slot, 1);
    bench_run(&bench, 1000);
    assert_false(bench_take(&bench, 1, &completion));
    assert_int_equal(sim_peer_write(peer, hello, HELLO_BYTES), HELLO_BYTES);
    sim_peer_shutdown(peer);
    bench_run(&bench, 1000);
    assert_true(bench_take(&bench, 1, &completion));
    assert_int_equal(completion.result, HELLO_BYTES);
    assert_int_equal(completion.flags & 0xffff, COMPLETION_BUFFER);
    uint16_t id = (uint16_t)(completion.flags >> 16);
    assert_memory_equal(kernel_buffer(bench.kernels[0], BUFFERS_SMALL, id), hello, HELLO_BYTES);
    kernel_buffer_return(bench.kernels[0], BUFFERS_SMALL, id);
    receive(&bench, slot, 2);
    assert_int_equal(received(&bench, 2), 0);
    bench_close_slot(&bench, slot);
    bench_run(&bench, 1000);
    assert_int_equal(sim_peer_state(peer), SIM_PEER_FIN);
    bench_close(&bench);
}

/* Empties the small group; the ids are the caller's to return. */
static void take_all_buffers(struct bench *bench, struct sim_peer *peer, uint32_t slot)
{
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(sim_peer_write(peer, hello, 1), 1);
        receive(bench, slot, 100 + i);
        assert_int_equal(bench_result(bench, 100 + i), 1);
    }
}

static void return_all_buffers(struct bench *bench)
{
    for (uint16_t id = 0; id < 4; id++)
        kernel_buffer_return(bench->kernels[0], BUFFERS_SMALL, id);
}

static void a_receive_on_an_empty_group_fails_at_once(void **state)
{
    (void)state;
    struct bench bench;
    uint32_t slot;
    bench_open(&bench, NULL);
    struct sim_peer *peer = bench_connect(&bench, &slot);
    take_all_buffers(&bench, peer, slot);
    receive(&bench, slot, 1);
    assert_int_equal(bench_result(&bench, 1), -ENOBUFS);
    return_all_buffers(&bench);
    bench_close_slot(&bench, slot);
    bench_close(&bench);
}

static void with_poll_first_it_fails_when_bytes_or_a_fin_come(void **state)
{
    (void)state;
    struct bench bench;
    struct sim_options options;
    struct completion completion;
    uint32_t slot;
    options_with(&options, 1024);
    options.poll_first = 1000;
    bench_open(&bench, &options);
    struct sim_peer *peer = bench_connect(&bench, &slot);
    take_all_buffers(&bench, peer, slot);
    receive(&bench, slot, 1);
    bench_run(&bench, 1000);
    assert_false(bench_take(&bench, 1, &completion));
    sim_peer_shutdown(peer);
    assert_int_equal(bench_result(&bench, 1), -ENOBUFS);
    return_all_buffers(&bench);
    receive(&bench, slot, 2);
    assert_int_equal(received(&bench, 2), 0);
    bench_close_slot(&bench, slot);
    bench_close(&bench);
}

static void a_multishot_receive_goes_on_until_the_group_is_empty(void **state)
{
    (void)state;
    struct bench bench;
    struct completion completion;
    uint8_t data[1500];
    uint32_t slot;
    memset(data, 'x', sizeof data);
    bench_open(&bench, NULL);
    struct sim_peer *peer = bench_connect(&bench, &slot);
    kernel_receive(bench.kernels[0], slot, BUFFERS_SMALL, true, 1);
    assert_int_equal(sim_peer_write(peer, data, sizeof data), sizeof data);
    bench_run(&bench, 1000);
    for (unsigned i = 0; i < 4; i++) {
        assert_true(bench_take(&bench, 1, &completion));
        assert_int_equal(completion.result, 256);
        assert_int_equal(completion.flags & 0xffff, COMPLETION_BUFFER | COMPLETION_MORE);
    }
    assert_int_equal(bench_result(&bench, 1), -ENOBUFS);
    return_all_buffers(&bench);
    bench_close_slot(&bench, slot);
    bench_run(&bench, 1000);
    assert_int_equal(sim_peer_state(peer), SIM_PEER_RESET); /* bytes were unread */
    bench_close(&bench);
}

static void after_a_reset_what_had_arrived_can_be_read(void **state)
{
    (void)state;
    struct bench bench;
    uint32_t slot;
    bench_open(&bench, NULL);
    struct sim_peer *peer = bench_connect(&bench, &slot);
    assert_int_equal(sim_peer_write(peer, hello, HELLO_BYTES), HELLO_BYTES);
    bench_run(&bench, 1000);
    assert_int_equal(sim_peer_write(peer, hello, HELLO_BYTES), HELLO_BYTES);
    sim_peer_reset(peer); /* before the second came through */
    kernel_poll(bench.kernels[0], slot, 1);
    bench_run(&bench, 1000);
    kernel_poll(bench.kernels[0], slot, 2);
    assert_int_equal(bench_result(&bench, 2), POLLIN | POLLRDHUP | POLLHUP | POLLERR);
    receive(&bench, slot, 3);
    assert_int_equal(received(&bench, 3), HELLO_BYTES);
    receive(&bench, slot, 4);
    assert_int_equal(received(&bench, 4), -ECONNRESET);
    receive(&bench, slot, 5);
    assert_int_equal(received(&bench, 5), 0);
    kernel_send(bench.kernels[0], slot, hello, 1, 6);
    assert_int_equal(bench_result(&bench, 6), -EPIPE);
    bench_close_slot(&bench, slot);
    bench_close(&bench);
}

/* ---- sending, shutting down ---- */

static void a_send_waits_for_a_peer_that_does_not_read(void **state)
{
    (void)state;
    static const uint8_t data[4096];
    struct bench bench;
    struct sim_options options;
    struct completion completion;
    uint8_t read[4096];
    uint32_t slot;
    options_with(&options, 1000);
    bench_open(&bench, &options);
    struct sim_peer *peer = bench_connect(&bench, &slot);
    kernel_send(bench.kernels[0], slot, data, sizeof data, 1);
    bench_run(&bench, 1000);
    assert_false(bench_take(&bench, 1, &completion));
    assert_int_equal(sim_peer_readable(peer), 1000);
    kernel_cancel(bench.kernels[0], 1, 2);
    assert_int_equal(bench_result(&bench, 1), 2000); /* in both sockets' buffers */
    assert_int_equal(bench_result(&bench, 2), 0);
    assert_int_equal(sim_peer_read(peer, read, sizeof read), 1000);
    kernel_shutdown(bench.kernels[0], slot, 3);
    assert_int_equal(bench_result(&bench, 3), 0);
    assert_int_equal(sim_peer_read(peer, read, sizeof read), 1000);
    assert_int_equal(sim_peer_state(peer), SIM_PEER_FIN);
    kernel_send(bench.kernels[0], slot, hello, 1, 4);
    assert_int_equal(bench_result(&bench, 4), -EPIPE);
    bench_close_slot(&bench, slot);
    bench_close(&bench);
}

static void a_close_delivers_what_was_sent_unless_bytes_are_unread(void **state)
{
    (void)state;
    struct bench bench;
    uint8_t read[64];
    uint32_t slot;
    bench_open(&bench, NULL);
    struct sim_peer *peer = bench_connect(&bench, &slot);
    kernel_send(bench.kernels[0], slot, hello, HELLO_BYTES, 1);
    assert_int_equal(bench_result(&bench, 1), HELLO_BYTES);
    bench_close_slot(&bench, slot);
    assert_int_equal(sim_peer_read(peer, read, sizeof read), HELLO_BYTES);
    assert_int_equal(sim_peer_state(peer), SIM_PEER_FIN);
    assert_int_equal(sim_peer_write(peer, hello, 1), 1); /* to nobody */
    bench_run(&bench, 1000);
    assert_int_equal(sim_peer_state(peer), SIM_PEER_RESET);
    bench_close(&bench);
}

/* ---- cancelling ---- */

static void a_cancel_finds_its_target_or_says_so(void **state)
{
    (void)state;
    struct bench bench;
    uint32_t slot;
    bench_open(&bench, NULL);
    bench_connect(&bench, &slot);
    kernel_cancel(bench.kernels[0], 77, 1);
    assert_int_equal(bench_result(&bench, 1), -ENOENT);
    receive(&bench, slot, 2);
    kernel_poll(bench.kernels[0], slot, 3);
    kernel_accept(bench.kernels[0], bench.listening, false, &bench.accept_buffer, 4);
    bench_run(&bench, 100);
    for (uint64_t tag = 2; tag <= 4; tag++) {
        kernel_cancel(bench.kernels[0], tag, 10 + tag);
        assert_int_equal(bench_result(&bench, tag), -ECANCELED);
        assert_int_equal(bench_result(&bench, 10 + tag), 0);
    }
    bench_close_slot(&bench, slot);
    bench_close(&bench);
}

static void a_cancel_may_lose_the_race(void **state)
{
    (void)state;
    bool with_bytes = false;
    bool without = false;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct bench bench;
        struct sim_options options;
        uint32_t slot;
        sim_options_calm(&options, seed);
        options.cancel_race = 500;
        bench_open(&bench, &options);
        struct sim_peer *peer = bench_connect(&bench, &slot);
        receive(&bench, slot, 1);
        bench_run(&bench, 100);
        assert_int_equal(sim_peer_write(peer, hello, 1), 1);
        sim_step(bench.sim); /* delivered, not yet received */
        kernel_cancel(bench.kernels[0], 1, 2);
        int32_t result = received(&bench, 1);
        assert_true(result == 1 || result == -ECANCELED);
        with_bytes = with_bytes || result == 1;
        without = without || result == -ECANCELED;
        result = bench_result(&bench, 2);
        assert_true(result == 0 || result == -ENOENT || result == -EALREADY);
        bench_close_slot(&bench, slot);
        bench_close(&bench);
    }
    assert_true(with_bytes && without);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_receive_waits_for_bytes_and_a_fin_follows_them),
        cmocka_unit_test(a_receive_on_an_empty_group_fails_at_once),
        cmocka_unit_test(with_poll_first_it_fails_when_bytes_or_a_fin_come),
        cmocka_unit_test(a_multishot_receive_goes_on_until_the_group_is_empty),
        cmocka_unit_test(after_a_reset_what_had_arrived_can_be_read),
        cmocka_unit_test(a_send_waits_for_a_peer_that_does_not_read),
        cmocka_unit_test(a_close_delivers_what_was_sent_unless_bytes_are_unread),
        cmocka_unit_test(a_cancel_finds_its_target_or_says_so),
        cmocka_unit_test(a_cancel_may_lose_the_race),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
