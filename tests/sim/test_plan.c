/* How many shards, and how large: whatever the machine allows, the plan fits into it, or says in
 * one sentence what is too low. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "config/load.h"
#include "server/shard/server.h"
#include "server/shard/sizes.h"

static struct config *load(const char *shards, const char *ports)
{
    char yaml[256];
    struct config *config = NULL;
    int size = snprintf(yaml, sizeof yaml,
                        "server: {shards: %s}\n"
                        "direct_ports: {range: %s}\n"
                        "listeners:\n"
                        "  - {name: modems, address: 0.0.0.0:5009, plugins: [irz]}\n",
                        shards, ports);
    assert_int_equal(config_load_buffer("test", yaml, (size_t)size, stderr, &config), STATUS_OK);
    return config;
}

static struct server_plan plan_of(const struct config *config, uint64_t nofile,
                                  uint64_t memlock_bytes, unsigned processors)
{
    struct server_plan plan;
    const struct server_machine machine = {nofile, memlock_bytes, processors};
    server_plan(config, &machine, &plan);
    return plan;
}

static void auto_fits_into_every_limit(void **state)
{
    (void)state;
    struct config *config = load("auto", "20000-20099");
    for (uint64_t nofile = 1; nofile < 2000000; nofile = nofile * 5 / 4 + 1) {
        for (unsigned processors = 0; processors <= 1024; processors = processors * 4 + 1) {
            struct server_plan plan = plan_of(config, nofile, UINT64_MAX, processors);
            assert_in_range(plan.shards, 1, MAX_SHARDS);
            assert_true(plan.reserved_slots < plan.slots);
            assert_true(plan.slots <= nofile && plan.slots <= MAX_SLOTS);
            if (plan.too_low[0] != '\0') {
                assert_non_null(strstr(plan.too_low, "LimitNOFILE"));
                assert_true(nofile < 200);
                continue;
            }
            assert_true(plan.links > 0);
            assert_true(plan.agent_places > 0);
            assert_true((uint64_t)plan.shards * RING_DESCRIPTORS * RING_SHARE <= nofile);
        }
    }
    config_free(config);
}

static void auto_has_a_shard_for_each_processor_if_there_is_room(void **state)
{
    (void)state;
    struct config *config = load("auto", "20000-20099");
    assert_int_equal(plan_of(config, 1048576, UINT64_MAX, 1).shards, 1);
    assert_int_equal(plan_of(config, 1048576, UINT64_MAX, 24).shards, 24);
    assert_int_equal(plan_of(config, 20000, UINT64_MAX, 2).shards, 6);
    assert_int_equal(plan_of(config, 20000, UINT64_MAX, 2).links, config->limits.links);
    assert_true(plan_of(config, 240, UINT64_MAX, 128).shards <= 40);
    config_free(config);
}

static void auto_leaves_lockable_memory_to_others(void **state)
{
    (void)state;
    struct config *config = load("auto", "20000-20099");
    struct server_plan plan = plan_of(config, 1024, 8192 * 1024, 2);
    assert_in_range(plan.shards, 30, 60);
    assert_string_equal(plan.too_low, "");
    assert_true(plan.links < config->limits.links);
    config_free(config);
}

static void what_is_configured_is_not_changed(void **state)
{
    (void)state;
    struct config *config = load("200", "20000-20099");
    struct server_plan plan = plan_of(config, 256, 0, 2);
    assert_int_equal(plan.shards, 200);
    assert_non_null(strstr(plan.too_low, "200 shards"));
    assert_non_null(strstr(plan.too_low, "fewer shards"));
    assert_string_equal(plan_of(config, 1024, 0, 2).too_low, "");
    config_free(config);
}

static void direct_ports_without_room_are_named(void **state)
{
    (void)state;
    struct config *config = load("auto", "20000-29999");
    struct server_plan plan = plan_of(config, 256, UINT64_MAX, 2);
    assert_non_null(strstr(plan.too_low, "direct_ports.range"));
    assert_string_equal(plan_of(config, 512, UINT64_MAX, 2).too_low, "");
    config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(auto_fits_into_every_limit),
        cmocka_unit_test(auto_has_a_shard_for_each_processor_if_there_is_room),
        cmocka_unit_test(auto_leaves_lockable_memory_to_others),
        cmocka_unit_test(what_is_configured_is_not_changed),
        cmocka_unit_test(direct_ports_without_room_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
