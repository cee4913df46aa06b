/* The reactor's promises, over the simulation, under many seeds: three reactors, pairs of streams
 * that pass bytes on (tests/sim/relay.c), peers that write, read, pause, finish, close, reset and
 * vanish. What one end wrote is what the other end read, in order, to the last byte before a close;
 * no buffer is lost; every in-flight count returns to zero; a hand-over at any moment loses
 * nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/sim/crowd.h"
#include "tests/sim/seeds.h"

static void run_seed(uint64_t seed)
{
    crowd_run(seed, NULL);
}

static void nothing_is_lost_under_every_seed(void **state)
{
    (void)state;
    seeds_run("reactor", 3000, run_seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost_under_every_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
