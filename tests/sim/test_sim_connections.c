/* The simulation's connections: backlog and tables, connecting, hand-over, and peers that vanish.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/sim/bench_kernel.h"

static struct address parse(const char *text)
{
    struct address address;
    assert_int_equal(address_parse(text, &address), STATUS_OK);
    return address;
}

static struct sim_peer *knock(struct bench *bench)
{
    struct address to = parse("192.0.2.1:5000");
    struct address from = parse("10.0.0.2:77");
    return sim_peer_connect(bench->sim, &to, &from);
}

/* ---- accepting ---- */

static void the_backlog_is_bounded_and_reset_with_its_listener(void **state)
{
    (void)state;
    struct bench bench;
    struct sim_peer *peers[3];
    bench_open(&bench, NULL);
    for (unsigned i = 0; i < 3; i++)
        assert_non_null(peers[i] = knock(&bench));
    assert_null(knock(&bench));
    kernel_listen_close(bench.listening);
    bench.listening = -1;
    bench_run(&bench, 1000);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(sim_peer_state(peers[i]), SIM_PEER_RESET);
    assert_null(knock(&bench));
    bench_close(&bench);
}

static void a_full_table_leaves_the_connection_in_the_backlog(void **state)
{
    (void)state;
    struct bench bench;
    struct accept_buffer buffer;
    bench_open(&bench, NULL);
    for (unsigned i = 0; i < 3; i++)
        assert_non_null(knock(&bench));
    for (uint64_t tag = 1; tag <= 2; tag++) {
        kernel_accept(bench.kernels[1], bench.listening, false, &buffer, tag);
        assert_int_equal(bench_result(&bench, tag) > 0, 1);
    }
    kernel_accept(bench.kernels[1], bench.listening, false, &buffer, 3);
    assert_int_equal(bench_result(&bench, 3), -ENFILE);
    kernel_accept(bench.kernels[0], bench.listening, false, &buffer, 4);
    int32_t slot = bench_result(&bench, 4);
    assert_true(slot > 0);
    struct address peer;
    address_from_socket(&buffer.peer, &peer);
    assert_int_equal(peer.port, 77);
    bench_close_slot(&bench, (uint32_t)slot);
    for (uint32_t own = 1; own <= 2; own++) {
        kernel_close(bench.kernels[1], own, 10 + own);
        assert_int_equal(bench_result(&bench, 10 + own), 0);
    }
    bench_close(&bench);
}

static void a_listener_in_a_slot_accepts_and_ends_with_the_slot(void **state)
{
    (void)state;
    struct bench bench;
    struct listen_options options = {.backlog = 2};
    struct address address = parse("127.0.0.1:0");
    struct address from = parse("127.0.0.1:9");
    bench_open(&bench, NULL);
    int descriptor = kernel_listen(&address, &options);
    assert_true(descriptor >= 0 && address.port > 0);
    assert_int_equal(kernel_listen(&address, &options), -EADDRINUSE);
    assert_int_equal(kernel_install(bench.kernels[0], descriptor, 0), 0);
    assert_non_null(sim_peer_connect(bench.sim, &address, &from));
    kernel_accept(bench.kernels[0], 0, true, &bench.accept_buffer, 1);
    int32_t slot = bench_result(&bench, 1);
    assert_true(slot > 0);
    bench_close_slot(&bench, (uint32_t)slot);
    bench_close_slot(&bench, 0);
    assert_null(sim_peer_connect(bench.sim, &address, &from));
    bench_close(&bench);
}

/* ---- connecting ---- */

static uint32_t open_socket(struct bench *bench, const struct listen_options *options)
{
    kernel_socket(bench->kernels[0], AF_INET, options, 1000);
    int32_t slot = bench_result(bench, 1000);
    assert_true(slot > 0);
    return (uint32_t)slot;
}

static void connecting_reaches_a_peer_or_is_refused(void **state)
{
    (void)state;
    struct bench bench;
    struct address there = parse("198.51.100.7:4059");
    union socket_address address;
    socklen_t size = address_to_socket(&there, &address);
    uint8_t data[16];
    bench_open(&bench, NULL);
    uint32_t slot = open_socket(&bench, NULL);
    kernel_connect(bench.kernels[0], slot, &address, size, 1);
    assert_int_equal(bench_result(&bench, 1), -ECONNREFUSED);
    struct sim_peer_listener *listener = sim_peer_listen(bench.sim, &there, 1);
    assert_non_null(listener);
    kernel_connect(bench.kernels[0], slot, &address, size, 2);
    assert_int_equal(bench_result(&bench, 2), 0);
    struct sim_peer *peer = sim_peer_accept(listener);
    assert_non_null(peer);
    kernel_send(bench.kernels[0], slot, (const uint8_t *)"ping", 4, 3);
    assert_int_equal(bench_result(&bench, 3), 4);
    assert_int_equal(sim_peer_read(peer, data, sizeof data), 4);
    assert_memory_equal(data, "ping", 4);
    bench_close_slot(&bench, slot);
    bench_close(&bench);
}

static void a_connect_to_a_full_backlog_times_out_or_is_cancelled(void **state)
{
    (void)state;
    struct bench bench;
    struct completion completion;
    union socket_address address;
    struct address there = parse("192.0.2.1:5000");
    socklen_t size = address_to_socket(&there, &address);
    bench_open(&bench, NULL);
    for (unsigned i = 0; i < 3; i++)
        assert_non_null(knock(&bench));
    uint32_t slot = open_socket(&bench, NULL);
    kernel_connect(bench.kernels[0], slot, &address, size, 1);
    bench_run(&bench, 5000);
    assert_false(bench_take(&bench, 1, &completion));
    kernel_cancel(bench.kernels[0], 1, 2);
    assert_int_equal(bench_result(&bench, 1), -ECANCELED);
    kernel_connect(bench.kernels[0], slot, &address, size, 3);
    bench_run(&bench, 600000);
    assert_int_equal(bench_result(&bench, 3), -ETIMEDOUT);
    bench_close_slot(&bench, slot);
    bench_close(&bench);
}

/* ---- hand-over ---- */

static void a_slot_is_handed_over_and_the_fin_comes_with_the_last_close(void **state)
{
    (void)state;
    struct bench bench;
    uint32_t slot;
    bench_open(&bench, NULL);
    struct sim_peer *peer = bench_connect(&bench, &slot);
    kernel_send_slot(bench.kernels[0], slot, bench.kernels[1], 1);
    int32_t there = bench_result(&bench, 1);
    assert_true(there > 0);
    bench_close_slot(&bench, slot);
    bench_run(&bench, 1000);
    assert_int_equal(sim_peer_state(peer), SIM_PEER_CONNECTED);
    assert_int_equal(sim_peer_write(peer, (const uint8_t *)"x", 1), 1);
    kernel_receive(bench.kernels[1], (uint32_t)there, BUFFERS_LARGE, false, 2);
    assert_int_equal(bench_result(&bench, 2), 1);
    kernel_buffer_return(bench.kernels[1], BUFFERS_LARGE, 0);
    kernel_close(bench.kernels[1], (uint32_t)there, 3);
    assert_int_equal(bench_result(&bench, 3), 0);
    assert_int_equal(sim_peer_state(peer), SIM_PEER_FIN);
    bench_close(&bench);
}

static void a_hand_over_to_a_full_table_leaves_the_slot_as_it_was(void **state)
{
    (void)state;
    struct bench bench;
    uint32_t slots[3];
    bench_open(&bench, NULL);
    for (unsigned i = 0; i < 3; i++)
        bench_connect(&bench, &slots[i]);
    for (unsigned i = 0; i < 2; i++) {
        kernel_send_slot(bench.kernels[0], slots[i], bench.kernels[1], 1);
        assert_true(bench_result(&bench, 1) > 0);
        bench_close_slot(&bench, slots[i]);
    }
    kernel_send_slot(bench.kernels[0], slots[2], bench.kernels[1], 1);
    assert_int_equal(bench_result(&bench, 1), -ENFILE);
    kernel_send(bench.kernels[0], slots[2], (const uint8_t *)"x", 1, 2);
    assert_int_equal(bench_result(&bench, 2), 1);
    bench_close_slot(&bench, slots[2]);
    for (uint32_t own = 1; own <= 2; own++) {
        kernel_close(bench.kernels[1], own, 10 + own);
        assert_int_equal(bench_result(&bench, 10 + own), 0);
    }
    bench_close(&bench);
}

/* ---- silence ---- */

static void a_vanished_peer_ends_by_keepalive_or_user_timeout(void **state)
{
    (void)state;
    for (unsigned with_bytes = 0; with_bytes < 2; with_bytes++) {
        struct bench bench;
        struct completion completion;
        uint32_t slot;
        bench_open(&bench, NULL);
        struct sim_peer *peer = bench_connect(&bench, &slot);
        sim_peer_vanish(peer);
        uint64_t start_ms = sim_now_ms(bench.sim);
        kernel_receive(bench.kernels[0], slot, BUFFERS_SMALL, false, 1);
        if (with_bytes) {
            kernel_send(bench.kernels[0], slot, (const uint8_t *)"x", 1, 2);
            assert_int_equal(bench_result(&bench, 2), 1);
        }
        uint64_t passed_ms = sim_now_ms(bench.sim) - start_ms;
        bench_run(&bench, (with_bytes ? 29999 : 69999) - passed_ms);
        assert_false(bench_take(&bench, 1, &completion));
        bench_run(&bench, 2);
        assert_true(bench_take(&bench, 1, &completion));
        assert_int_equal(completion.result, -ETIMEDOUT);
        bench_close_slot(&bench, slot);
        bench_close(&bench);
    }
}

static void without_options_a_vanished_peer_stays_for_ever(void **state)
{
    (void)state;
    struct bench bench;
    struct completion completion;
    struct address there = parse("198.51.100.7:4059");
    union socket_address address;
    socklen_t size = address_to_socket(&there, &address);
    bench_open(&bench, NULL);
    struct sim_peer_listener *listener = sim_peer_listen(bench.sim, &there, 1);
    uint32_t slot = open_socket(&bench, NULL);
    kernel_connect(bench.kernels[0], slot, &address, size, 1);
    assert_int_equal(bench_result(&bench, 1), 0);
    sim_peer_vanish(sim_peer_accept(listener));
    kernel_receive(bench.kernels[0], slot, BUFFERS_SMALL, false, 2);
    bench_run(&bench, UINT64_C(1) << 40);
    assert_false(bench_take(&bench, 2, &completion));
    kernel_cancel(bench.kernels[0], 2, 3);
    assert_int_equal(bench_result(&bench, 2), -ECANCELED);
    bench_close_slot(&bench, slot);
    bench_close(&bench);
}

/* ---- waking, working ---- */

static void a_kernel_sleeps_until_woken_or_due(void **state)
{
    (void)state;
    struct bench bench;
    struct completion completion;
    bench_open(&bench, NULL);
    struct kernel *kernel = bench.kernels[0];
    assert_true(sim_kernel_due(kernel));
    assert_int_equal(kernel_wait(kernel, &completion, 1, 50), 0);
    assert_int_equal(kernel_wait(bench.kernels[1], &completion, 1, -1), 0);
    assert_false(sim_kernel_due(kernel));
    assert_int_equal(sim_next_wakeup(bench.sim), sim_now_ms(bench.sim) + 50);
    assert_true(sim_step(bench.sim));
    assert_true(sim_kernel_due(kernel));
    assert_int_equal(kernel_wait(kernel, &completion, 1, -1), 0); /* the one from before ends */
    assert_true(sim_kernel_due(kernel));
    assert_int_equal(kernel_wait(kernel, &completion, 1, -1), 0);
    assert_true(sim_idle(bench.sim));
    kernel_wake(bench.kernels[1], kernel);
    kernel_wake(NULL, kernel);
    assert_true(sim_step(bench.sim));
    assert_ptr_equal(sim_pick_due(bench.sim), kernel);
    assert_int_equal(kernel_wait(kernel, &completion, 1, -1), 0);
    assert_int_equal(kernel_wait(kernel, &completion, 1, -1), 0);
    assert_true(sim_idle(bench.sim));
    bench_close(&bench);
}

static void note(void *argument)
{
    *(bool *)argument = true;
}

static void work_runs_once_and_later(void **state)
{
    (void)state;
    struct bench bench;
    struct completion completion;
    bool done = false;
    bench_open(&bench, NULL);
    kernel_work(bench.kernels[0], WORK_WAITS, note, &done, 1);
    assert_int_equal(kernel_wait(bench.kernels[0], &completion, 1, 0), 0);
    assert_false(done);
    assert_int_equal(bench_result(&bench, 1), 0);
    assert_true(done);
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_backlog_is_bounded_and_reset_with_its_listener),
        cmocka_unit_test(a_full_table_leaves_the_connection_in_the_backlog),
        cmocka_unit_test(a_listener_in_a_slot_accepts_and_ends_with_the_slot),
        cmocka_unit_test(connecting_reaches_a_peer_or_is_refused),
        cmocka_unit_test(a_connect_to_a_full_backlog_times_out_or_is_cancelled),
        cmocka_unit_test(a_slot_is_handed_over_and_the_fin_comes_with_the_last_close),
        cmocka_unit_test(a_hand_over_to_a_full_table_leaves_the_slot_as_it_was),
        cmocka_unit_test(a_vanished_peer_ends_by_keepalive_or_user_timeout),
        cmocka_unit_test(without_options_a_vanished_peer_stays_for_ever),
        cmocka_unit_test(a_kernel_sleeps_until_woken_or_due),
        cmocka_unit_test(work_runs_once_and_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
