/* The simulation as a judge: each breach of kernel.h's rules ends the process. Every case runs in a
 * child of its own; the first shows that a child that breaks nothing lives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/sim/bench_kernel.h"

static struct bench bench;
static uint32_t slot;
static struct sim_peer *peer;
static uint8_t bytes[64];

static void set_up(void)
{
    bench_open(&bench, NULL);
    peer = bench_connect(&bench, &slot);
}

static uint16_t receive_byte(void)
{
    struct completion completion;
    (void)sim_peer_write(peer, bytes, 1);
    kernel_receive(bench.kernels[0], slot, BUFFERS_SMALL, false, 1);
    bench_run(&bench, 100);
    if (!bench_take(&bench, 1, &completion) || completion.result != 1)
        exit(1);
    return (uint16_t)(completion.flags >> 16);
}

static void nothing_broken(void)
{
    set_up();
    kernel_buffer_return(bench.kernels[0], BUFFERS_SMALL, receive_byte());
    bench_close_slot(&bench, slot);
    bench_close(&bench);
}

static void close_in_flight(void)
{
    set_up();
    kernel_poll(bench.kernels[0], slot, 1);
    kernel_close(bench.kernels[0], slot, 2);
}

static void close_before_the_completion_was_told(void)
{
    set_up();
    kernel_send(bench.kernels[0], slot, bytes, 1, 1);
    for (unsigned i = 0; i < 20; i++)
        sim_step(bench.sim);
    kernel_close(bench.kernels[0], slot, 2);
}

static void close_twice(void)
{
    set_up();
    kernel_close(bench.kernels[0], slot, 1);
    kernel_close(bench.kernels[0], slot, 2);
}

static void use_after_close(void)
{
    set_up();
    bench_close_slot(&bench, slot);
    kernel_poll(bench.kernels[0], slot, 2);
}

static void hand_over_in_flight(void)
{
    set_up();
    kernel_poll(bench.kernels[0], slot, 1);
    kernel_send_slot(bench.kernels[0], slot, bench.kernels[1], 2);
}

static void use_after_hand_over(void)
{
    set_up();
    kernel_send_slot(bench.kernels[0], slot, bench.kernels[1], 1);
    if (bench_result(&bench, 1) > 0)
        kernel_receive(bench.kernels[0], slot, BUFFERS_SMALL, false, 2);
}

static void two_receives(void)
{
    set_up();
    kernel_receive(bench.kernels[0], slot, BUFFERS_SMALL, false, 1);
    kernel_receive(bench.kernels[0], slot, BUFFERS_SMALL, false, 2);
}

static void two_sends(void)
{
    set_up();
    kernel_send(bench.kernels[0], slot, bytes, 1, 1);
    kernel_send(bench.kernels[0], slot, bytes, 1, 2);
}

static void bytes_changed_while_sent(void)
{
    set_up();
    kernel_send(bench.kernels[0], slot, bytes, sizeof bytes, 1);
    bytes[63] = 1;
    bench_run(&bench, 100);
}

static void buffer_returned_twice(void)
{
    set_up();
    uint16_t id = receive_byte();
    kernel_buffer_return(bench.kernels[0], BUFFERS_SMALL, id);
    kernel_buffer_return(bench.kernels[0], BUFFERS_SMALL, id);
}

/* What the sanitizer would find at once shows here when the buffer is taken again. */
static void __attribute__((no_sanitize("address"))) poke(volatile uint8_t *place)
{
    *place = 0;
}

static void headroom_written_after_return(void)
{
    set_up();
    uint16_t id = receive_byte();
    kernel_buffer_return(bench.kernels[0], BUFFERS_SMALL, id);
    poke(kernel_buffer(bench.kernels[0], BUFFERS_SMALL, id) - KERNEL_BUFFER_HEADROOM);
    for (unsigned i = 0; i < 4; i++)
        kernel_buffer_return(bench.kernels[0], BUFFERS_SMALL, receive_byte());
}

static void written_beyond_the_buffer(void)
{
    set_up();
    uint16_t id = receive_byte();
    poke(kernel_buffer(bench.kernels[0], BUFFERS_SMALL, id) + 256);
    kernel_buffer_return(bench.kernels[0], BUFFERS_SMALL, id);
}

static void accept_buffer_changed(void)
{
    struct address to;
    bench_open(&bench, NULL);
    kernel_accept(bench.kernels[0], bench.listening, false, &bench.accept_buffer, 1);
    bench_run(&bench, 100);
    bench.accept_buffer.peer_size = 1;
    if (address_parse("192.0.2.1:5000", &to) == STATUS_OK &&
        sim_peer_connect(bench.sim, &to, &to) != NULL)
        bench_run(&bench, 100);
}

static void accept_buffer_shared(void)
{
    bench_open(&bench, NULL);
    kernel_accept(bench.kernels[0], bench.listening, false, &bench.accept_buffer, 1);
    kernel_accept(bench.kernels[1], bench.listening, false, &bench.accept_buffer, 1);
}

static void cancel_of_two(void)
{
    set_up();
    kernel_poll(bench.kernels[0], slot, 1);
    kernel_poll(bench.kernels[0], slot, 1);
    kernel_cancel(bench.kernels[0], 1, 2);
    bench_run(&bench, 100);
}

static void not_quiet_slot(void)
{
    set_up();
    sim_check_quiet(bench.sim);
}

static void not_quiet_buffer(void)
{
    set_up();
    (void)receive_byte();
    bench_close_slot(&bench, slot);
    sim_check_quiet(bench.sim);
}

static void not_quiet_operation(void)
{
    bench_open(&bench, NULL);
    kernel_accept(bench.kernels[0], bench.listening, false, &bench.accept_buffer, 1);
    sim_check_quiet(bench.sim);
}

static void wake_of_the_dead(void)
{
    bench_open(&bench, NULL);
    kernel_destroy(bench.kernels[1]);
    kernel_wake(bench.kernels[0], bench.kernels[1]);
}

struct breach {
    void (*run)(void);
    const char *rule; /* a part of what the simulation says */
};

static const struct breach breaches[] = {
    {close_in_flight, "kernel_close with something in flight"},
    {close_before_the_completion_was_told, "kernel_close with something in flight"},
    {close_twice, "an operation on a slot that is being closed"},
    {use_after_close, "an operation on a free slot"},
    {hand_over_in_flight, "kernel_send_slot with something in flight"},
    {use_after_hand_over, "a slot whose descriptor was handed over"},
    {two_receives, "two receives in flight"},
    {two_sends, "two sends in flight"},
    {bytes_changed_while_sent, "bytes were changed while they were being sent"},
    {buffer_returned_twice, "a buffer was returned that is not out"},
    {headroom_written_after_return, "a buffer was written to after it had been returned"},
    {written_beyond_the_buffer, "bytes were written beyond the end of a buffer"},
    {accept_buffer_changed, "an accept buffer was changed"},
    {accept_buffer_shared, "two accepts with one accept buffer"},
    {cancel_of_two, "kernel_cancel of a tag that two operations in flight have"},
    {not_quiet_slot, ": slot "},
    {not_quiet_buffer, "1 buffers of group 0 are out"},
    {not_quiet_operation, "accept is in flight"},
    {wake_of_the_dead, "kernel_wake of a kernel that was destroyed"},
};

static void every_breach_is_found(void **state)
{
    (void)state;
    assert_false(bench_dies_of(nothing_broken, ""));
    for (size_t i = 0; i < sizeof breaches / sizeof breaches[0]; i++)
        if (!bench_dies_of(breaches[i].run, breaches[i].rule))
            fail_msg("not found: %s", breaches[i].rule);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_breach_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
