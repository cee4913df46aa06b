/* Names that are looked up: all addresses, with the port and in their order; what is not there. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "server/reactor/resolve.h"
#include "server/reactor/sim/sim.h"

static struct sim *sim;
static struct reactor *reactor;
static struct resolve resolve;
static unsigned told;
static int error;

static void on_done(struct resolve *done, int result)
{
    assert_ptr_equal(done, &resolve);
    told++;
    error = result;
}

static int set_up(void **state)
{
    struct sim_options options;
    struct kernel_error kernel_error;
    struct reactor_config config = {
        .limits = {
            .slots = 2, .reserved_slots = 1, .buffer_count = {1, 1}, .buffer_size = {512, 4096}}};

    (void)state;
    sim_options_calm(&options, 1);
    options.work_delay = 1000;
    sim = sim_create(&options);
    assert_int_equal(reactor_create(&config, &reactor, &kernel_error), STATUS_OK);
    resolve.done = on_done;
    told = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    reactor_destroy(reactor);
    sim_destroy(sim);
    return 0;
}

static void look_up(const char *host)
{
    unsigned steps = 0;
    unsigned before = told;

    assert_int_equal(resolve_start(&resolve, reactor, host, 6379), STATUS_OK);
    assert_int_equal(told, before); /* never from inside */
    while (told == before) {
        assert_true(++steps < 1000);
        sim_step(sim);
        if (sim_pick_due(sim) != NULL)
            reactor_turn(reactor, -1);
    }
    assert_int_equal(told, before + 1);
}

static void all_addresses_come(void **state)
{
    struct address addresses[3];

    (void)state;
    assert_int_equal(address_parse("[2001:db8::1]:1", &addresses[0]), STATUS_OK);
    assert_int_equal(address_parse("192.0.2.1:2", &addresses[1]), STATUS_OK);
    assert_int_equal(address_parse("192.0.2.2:3", &addresses[2]), STATUS_OK);
    sim_put_name(sim, "redis.example", addresses, 3);
    sim_put_name(sim, "other.example", addresses, 1);
    look_up("redis.example");
    assert_int_equal(error, 0);
    assert_int_equal(resolve.count, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(address_same_ip(&resolve.addresses[i], &addresses[i]));
        assert_int_equal(resolve.addresses[i].port, 6379);
    }
    sim_put_name(sim, "redis.example", addresses + 1, 1);
    look_up("redis.example");
    assert_int_equal(resolve.count, 1);
    assert_true(address_same_ip(&resolve.addresses[0], &addresses[1]));
}

static void who_is_not_there(void **state)
{
    (void)state;
    look_up("redis.example");
    assert_int_equal(error, -ENOENT);
    assert_int_equal(resolve.count, 0);
    assert_string_equal(resolve_error(error), "no such host");
}

static void too_long_a_name(void **state)
{
    char host[RESOLVE_HOST_SIZE + 1];

    (void)state;
    memset(host, 'a', sizeof host);
    host[RESOLVE_HOST_SIZE] = '\0';
    assert_int_equal(resolve_start(&resolve, reactor, host, 1), STATUS_INVALID);
    host[RESOLVE_HOST_SIZE - 1] = '\0';
    look_up(host);
    assert_int_equal(error, -ENOENT);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_addresses_come),
        TEST(who_is_not_there),
        TEST(too_long_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
