/* Stuck shards are named, slow ones are not; readiness follows start and stop. */
#include "server/ops/health.h"
#include "tests/unit/ops_world.h"

static struct health *create(struct ops_world *world)
{
    struct health *health;

    assert_int_equal(health_create(&world->server, &health), STATUS_OK);
    return health;
}

static void assert_health(const struct health *health, bool good, const char *text)
{
    struct page page = {0};

    assert_int_equal(health_report(health, &page), good);
    assert_string_equal(page.text, text);
    page_free(&page);
}

static void test_turning_shards(void **state)
{
    struct ops_world *world = world_create();
    struct health *health = create(world);

    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        assert_health(health, true, "ok\n");
        world->reactors[0].turns++;
        world->reactors[1].turns += 1000;
        health_sample(health);
    }
    health_free(health);
    world_free(world);
}

static void test_a_stuck_shard_is_named(void **state)
{
    struct ops_world *world = world_create();
    struct health *health = create(world);

    (void)state;
    for (unsigned i = 0; i < HEALTH_SAMPLES; i++) {
        assert_health(health, true, "ok\n");
        world->reactors[0].turns++;
        health_sample(health);
    }
    assert_health(health, false, "shard 1 has not turned for 5 s\n");
    health_sample(health);
    health_sample(health);
    for (unsigned i = 0; i < HEALTH_SAMPLES; i++)
        health_sample(health);
    assert_health(health, false,
                  "shard 0 has not turned for 5 s\nshard 1 has not turned for 5 s\n");
    world->reactors[0].turns++;
    world->reactors[1].turns++;
    health_sample(health);
    assert_health(health, true, "ok\n");
    health_free(health);
    world_free(world);
}

static void assert_ready(struct ops_world *world, bool good, const char *text)
{
    struct page page = {0};

    assert_int_equal(health_ready(&world->server, &page), good);
    assert_string_equal(page.text, text);
    page_free(&page);
}

static void test_ready(void **state)
{
    struct ops_world *world = world_create();

    (void)state;
    world->server.ready = false;
    assert_ready(world, false, "the shards are not all started yet\n");
    world->server.ready = true;
    assert_ready(world, true, "ready\n");
    world->server.stopping = true;
    assert_ready(world, false, "the server stops\n");
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_turning_shards),
        cmocka_unit_test(test_a_stuck_shard_is_named),
        cmocka_unit_test(test_ready),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
