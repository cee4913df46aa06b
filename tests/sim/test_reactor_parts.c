/* The reactor's smaller promises, in virtual time: a message wakes a sleeping reactor, timers are
 * never early and not later than promised, what repeats keeps its pace, a send that a peer doesn't
 * take gives its provided buffer back, files and slow work tell their results. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "server/base/check.h"
#include "server/reactor/reactor.h"
#include "server/reactor/sim/sim.h"
#include "tests/sim/seeds.h"

static struct sim *sim;
static struct reactor *reactors[2];

static void open_reactors(const struct sim_options *options)
{
    struct kernel_error error;
    struct reactor_config config = {
        .limits = {.slots = 8, .buffer_count = {4, 2}, .buffer_size = {256, 1024}}};
    sim = sim_create(options);
    for (unsigned i = 0; i < 2; i++)
        CHECK(reactor_create(&config, &reactors[i], &error) == STATUS_OK);
}

static void close_reactors(void)
{
    sim_check_quiet(sim);
    for (unsigned i = 0; i < 2; i++)
        reactor_destroy(reactors[i]);
    sim_destroy(sim);
}

/* Lets things happen until *done, or until the time is limit_ms. */
static void run_until(const bool *done, uint64_t limit_ms)
{
    for (unsigned steps = 0; !*done && sim_next_event_ms(sim) <= limit_ms; steps++) {
        SEEDS_REQUIRE(steps < 1000000);
        sim_step(sim);
        struct kernel *kernel = sim_pick_due(sim);
        for (unsigned i = 0; i < 2; i++)
            if (kernel && reactor_kernel(reactors[i]) == kernel)
                reactor_turn(reactors[i], -1);
    }
}

/* ---- messages ---- */

static unsigned delivered;
static bool all_delivered;

static void on_message(struct message *message, struct reactor *reactor)
{
    (void)message;
    assert_ptr_equal(reactor, reactors[1]);
    all_delivered = ++delivered == 2;
}

static void a_message_wakes_a_sleeping_reactor(void **state)
{
    (void)state;
    struct sim_options options;
    struct message messages[2] = {{.deliver = on_message}, {.deliver = on_message}};
    sim_options_calm(&options, 1);
    open_reactors(&options);
    for (unsigned i = 0; i < 2; i++)
        while (sim_kernel_due(reactor_kernel(reactors[i])))
            reactor_turn(reactors[i], -1);
    delivered = 0;
    all_delivered = false;
    reactor_post(reactors[0], reactors[1], &messages[0]);
    reactor_post(NULL, reactors[1], &messages[1]);
    run_until(&all_delivered, sim_now_ms(sim)); /* no time passes */
    assert_true(all_delivered);
    close_reactors();
}

/* ---- timers ---- */

#define TIMERS 40u

struct alarm {
    struct timer timer;
    uint64_t due_ms;
    uint64_t late_ms;
    bool fired;
};

static struct alarm alarms[TIMERS];
static unsigned alarms_left;
static bool all_fired;

static void on_alarm(struct timer *timer)
{
    struct alarm *alarm = container_of(timer, struct alarm, timer);
    SEEDS_REQUIRE(!alarm->fired && !timer_running(timer));
    SEEDS_REQUIRE(sim_now_ms(sim) >= alarm->due_ms);
    SEEDS_REQUIRE(sim_now_ms(sim) <= alarm->due_ms + alarm->late_ms);
    alarm->fired = true;
    all_fired = --alarms_left == 0;
}

static void start_alarm(struct alarm *alarm)
{
    bool is_fine = sim_chance(sim, 300);
    uint64_t delay_ms = sim_below(sim, is_fine ? 1000 : 3000000);
    alarm->due_ms = reactor_now_ms(reactors[0]) + delay_ms;
    alarm->late_ms = is_fine ? 10 : 1000;
    if (is_fine)
        timer_start_fine(reactors[0], &alarm->timer, (uint32_t)delay_ms);
    else
        timer_start(reactors[0], &alarm->timer, delay_ms);
}

static void timers_of_a_seed(uint64_t seed)
{
    struct sim_options options;
    sim_options_calm(&options, seed);
    open_reactors(&options);
    memset(alarms, 0, sizeof alarms);
    alarms_left = TIMERS;
    all_fired = false;
    for (unsigned i = 0; i < TIMERS; i++) {
        timer_init(&alarms[i].timer, on_alarm);
        start_alarm(&alarms[i]);
        if (sim_chance(sim, 300))
            start_alarm(&alarms[i]); /* again: only the second counts */
        if (sim_chance(sim, 200)) {
            timer_stop(&alarms[i].timer);
            alarms_left--;
        }
    }
    reactor_turn(reactors[0], -1);
    run_until(&all_fired, sim_now_ms(sim) + 4000000);
    SEEDS_REQUIRE(alarms_left == 0);
    close_reactors();
}

static void timers_fire_once_never_early_and_in_time(void **state)
{
    (void)state;
    seeds_run("timers", 100, timers_of_a_seed);
}

/* A reactor is always a little late, if only by a millisecond. What happens every second happened
 * every two seconds then, since a second after the late moment is no whole second. */
static uint64_t ticks;

static void on_tick(struct timer *timer)
{
    ticks++;
    timer_repeat(reactors[0], timer, 1000);
}

static void turn_late(uint64_t late_ms)
{
    uint64_t next_s = sim_now_ms(sim) / 1000 + 1;
    sim_advance(sim, next_s * 1000 + late_ms - sim_now_ms(sim));
    reactor_turn(reactors[0], 0);
}

static void repeats_of_a_seed(uint64_t seed)
{
    struct sim_options options;
    struct timer timer;
    sim_options_calm(&options, seed);
    open_reactors(&options);
    ticks = 0;
    timer_init(&timer, on_tick);
    timer_start(reactors[0], &timer, 1000);
    turn_late(0);
    turn_late(sim_below(sim, 900));
    SEEDS_REQUIRE(ticks >= 1);
    for (uint64_t i = 0, before = ticks; i < 100; i++) {
        turn_late(sim_below(sim, 900));
        SEEDS_REQUIRE(ticks == before + i + 1);
    }
    uint64_t before = ticks;
    sim_advance(sim, 50000 + sim_below(sim, 10000)); /* it is held up: that isn't made up for */
    reactor_turn(reactors[0], 0);
    SEEDS_REQUIRE(ticks > before && ticks <= before + 2);
    before = ticks;
    turn_late(0);
    SEEDS_REQUIRE(ticks == before + 1);
    timer_stop(&timer);
    close_reactors();
}

static void what_repeats_keeps_its_pace(void **state)
{
    (void)state;
    seeds_run("repeats", 100, repeats_of_a_seed);
}

/* ---- a send that stalls ---- */

struct echo {
    struct listener listener;
    struct accept_operation accept;
    struct stream stream;
    bool accepted;
    bool received;
    bool closed;
    bool listener_closed;
    bool never;
};

static struct echo echo;

static void on_received(struct stream *stream, struct chunk *chunk)
{
    stream_send(stream, chunk);
    echo.received = true;
}

static void on_closed(struct stream *stream)
{
    (void)stream;
    echo.closed = true;
}

static const struct stream_ops stream_ops = {.received = on_received, .closed = on_closed};

static void on_accepted(struct listener *listener, uint32_t slot, const struct address *peer)
{
    (void)peer;
    stream_init(&echo.stream, listener->reactor, slot, &stream_ops);
    stream_receive(&echo.stream, RECEIVE_ONCE);
    echo.accepted = true;
    listener_close(listener);
}

static void on_listener_closed(struct listener *listener)
{
    (void)listener;
    echo.listener_closed = true;
}

static const struct listener_ops listener_ops = {.accepted = on_accepted,
                                                 .closed = on_listener_closed};

static void a_send_that_stalls_gives_its_buffer_back(void **state)
{
    (void)state;
    struct sim_options options;
    struct address address = {.ip = {192, 0, 2, 1}, .port = 5000, .family = 4};
    struct listen_options listen_options = {.backlog = 1};
    uint8_t data[200];
    size_t read = 0;
    sim_options_calm(&options, 1);
    options.socket_bytes_min = 64;
    options.socket_bytes_max = 64;
    open_reactors(&options);
    memset(&echo, 0, sizeof echo);
    echo.listener = (struct listener){.ops = &listener_ops, .accepts = &echo.accept, .depth = 1};
    echo.listener.socket = kernel_listen(&address, &listen_options);
    assert_int_equal(listener_open(&echo.listener, reactors[0]), STATUS_OK);
    struct sim_peer *peer = sim_peer_connect(sim, &address, &address);
    assert_non_null(peer);
    run_until(&echo.accepted, UINT64_MAX);
    /* More than fits into both sockets' buffers comes back, and the peer doesn't read. */
    for (unsigned i = 0; i < 4; i++) {
        memset(data, (int)i, sizeof data);
        assert_int_equal(sim_peer_write(peer, data, 50), 50);
        echo.received = false;
        run_until(&echo.received, UINT64_MAX);
        stream_receive(&echo.stream, RECEIVE_ONCE);
    }
    const struct reactor_counters *counters = reactor_counters(reactors[0]);
    run_until(&echo.never, sim_now_ms(sim) + 50);
    assert_true(counters->buffers_out[BUFFERS_SMALL] > 0);
    run_until(&echo.never, sim_now_ms(sim) + 200);
    assert_int_equal(counters->buffers_out[BUFFERS_SMALL], 0);
    assert_int_equal(counters->stalled_sends, 1);
    assert_true(counters->private_bytes > 0);
    while (read < 200) {
        read += sim_peer_read(peer, data + read, sizeof data - read);
        run_until(&echo.never, sim_now_ms(sim) + 10);
    }
    for (size_t i = 0; i < sizeof data; i++)
        assert_int_equal(data[i], i / 50);
    stream_close(&echo.stream);
    reactor_turn(reactors[0], -1);
    run_until(&echo.closed, UINT64_MAX);
    assert_true(echo.closed && echo.listener_closed);
    assert_int_equal(counters->private_bytes, 0);
    kernel_listen_close(echo.listener.socket);
    close_reactors();
}

/* ---- files, slow work ---- */

static int32_t last_result;
static bool is_done;

static void on_done(struct operation *operation, int32_t result)
{
    assert_ptr_equal(operation->reactor, reactors[0]);
    last_result = result;
    is_done = true;
}

static int32_t result_of(enum status status)
{
    assert_int_equal(status, STATUS_OK);
    is_done = false;
    reactor_turn(reactors[0], -1);
    run_until(&is_done, UINT64_MAX);
    assert_true(is_done);
    return last_result;
}

static void files_tell_their_results(void **state)
{
    (void)state;
    struct sim_options options;
    struct operation operation = {.done = on_done};
    uint8_t data[8];
    sim_options_calm(&options, 1);
    open_reactors(&options);
    int file = result_of(file_open(reactors[0], &operation, "/state/a", O_RDWR | O_CREAT, 0600));
    assert_true(file >= 0);
    assert_int_equal(
        result_of(file_write(reactors[0], &operation, file, (const uint8_t *)"abc", 3, 1)), 3);
    assert_int_equal(result_of(file_sync(reactors[0], &operation, file)), 0);
    assert_int_equal(result_of(file_read(reactors[0], &operation, file, data, 8, 0)), 4);
    assert_memory_equal(data, "\0abc", 4);
    assert_int_equal(result_of(file_close(reactors[0], &operation, file)), 0);
    assert_int_equal(result_of(file_open(reactors[0], &operation, "/none", O_RDONLY, 0)), -ENOENT);
    close_reactors();
}

static void work(void *argument)
{
    *(int *)argument += 1;
}

static void slow_work_runs_once_and_is_told(void **state)
{
    (void)state;
    struct sim_options options;
    struct operation operation = {.done = on_done};
    int runs = 0;
    sim_options_calm(&options, 1);
    open_reactors(&options);
    assert_int_equal(result_of(reactor_work(reactors[0], &operation, work, &runs)), 0);
    assert_int_equal(runs, 1);
    close_reactors();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_wakes_a_sleeping_reactor),
        cmocka_unit_test(timers_fire_once_never_early_and_in_time),
        cmocka_unit_test(what_repeats_keeps_its_pace),
        cmocka_unit_test(a_send_that_stalls_gives_its_buffer_back),
        cmocka_unit_test(files_tell_their_results),
        cmocka_unit_test(slow_work_runs_once_and_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
