/* A server by hand for the tests of its HTTP pages: two shards that don't run, two listeners, a
 * real directory and list of failed identifications. A shard's reactor is nothing but its counters,
 * and reactor_counters is defined here: include this in one file of a test. */
#ifndef CENCD_TESTS_UNIT_OPS_WORLD_H
#define CENCD_TESTS_UNIT_OPS_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/link/listening.h"

#define WORLD_SHARDS    2
#define WORLD_LISTENERS 2

struct ops_world {
    struct config config;
    struct config_listener listeners[WORLD_LISTENERS];
    struct server server;
    struct shard shards[WORLD_SHARDS];
    struct shard *shard_list[WORLD_SHARDS];
    struct listener_counters counters[WORLD_SHARDS][WORLD_LISTENERS];
    struct reactor_counters reactors[WORLD_SHARDS];
    _Atomic uint64_t listener_links[WORLD_LISTENERS];
};

/* The shards turn whenever somebody looks. */
static bool world_turns;

const struct reactor_counters *reactor_counters(const struct reactor *reactor)
{
    if (world_turns)
        atomic_fetch_add(&((struct reactor_counters *)(uintptr_t)reactor)->turns, 1);
    return (const struct reactor_counters *)(const void *)reactor;
}

static inline struct ops_world *world_create(void)
{
    struct ops_world *world = calloc(1, sizeof(*world));
    struct directory_config directory = {
        .max_devices = 20000, .first_port = 20000, .last_port = 20001};

    assert_non_null(world);
    snprintf(world->config.server.node, sizeof(world->config.server.node), "node1");
    world->config.limits.links = 100;
    world->config.limits.unidentified = 50;
    world->config.limits.devices = 20000;
    world->config.limits.sessions = 30;
    world->config.direct_ports.enabled = true;
    world->config.direct_ports.first = 20000;
    world->config.direct_ports.last = 20001;
    assert_int_equal(address_parse("127.0.0.1:0", &world->config.ops.address), STATUS_OK);
    world->config.ops.max_connections = 4;
    world->config.ops.failed_identifications = 20;
    world->config.listeners = world->listeners;
    world->config.listener_count = WORLD_LISTENERS;
    snprintf(world->listeners[0].name, sizeof(world->listeners[0].name), "modems");
    snprintf(world->listeners[0].scope, sizeof(world->listeners[0].scope), "default");
    snprintf(world->listeners[1].name, sizeof(world->listeners[1].name), "meters");
    snprintf(world->listeners[1].scope, sizeof(world->listeners[1].scope), "other");
    for (uint32_t i = 0; i < WORLD_SHARDS; i++) {
        world->shards[i].server = &world->server;
        world->shards[i].index = i;
        world->shards[i].reactor = (struct reactor *)(void *)&world->reactors[i];
        world->shards[i].counters.listeners = world->counters[i];
        world->shard_list[i] = &world->shards[i];
    }
    world->server.listening =
        calloc(1, sizeof(*world->server.listening) +
                      WORLD_LISTENERS * sizeof(world->server.listening->entries[0]));
    assert_non_null(world->server.listening);
    world->server.listening->count = WORLD_LISTENERS;
    for (uint32_t i = 0; i < WORLD_LISTENERS; i++)
        world->server.listening->entries[i].wanted = true;
    world->server.config = &world->config;
    world->server.shards = world->shard_list;
    world->server.shard_count = WORLD_SHARDS;
    world->server.listener_links = world->listener_links;
    world->server.started_utc_ms = 1767225600123; /* 2026-01-01T00:00:00.123Z */
    world->server.ready = true;
    assert_int_equal(directory_create(&directory, &world->server.directory), STATUS_OK);
    assert_int_equal(failed_log_create(20, &world->server.failed), STATUS_OK);
    return world;
}

static inline void world_free(struct ops_world *world)
{
    directory_free(world->server.directory);
    failed_log_free(world->server.failed);
    free(world->server.listening);
    free(world);
}

/* Registers a device in scope "default" by link number id. */
static inline struct device *world_register(struct ops_world *world,
                                            const struct plugin_identity *identity, uint64_t id)
{
    struct registration r = {
        .scope = "default",
        .identity = identity,
        .link = {.id = id},
        .peer = {.ip = {10, 0, 0, 1}, .port = 4711, .family = 4},
        .utc_ms = 1767225601000,
    };

    assert_int_equal(directory_register(world->server.directory, &r), REGISTERED_NEW);
    return r.device;
}

#endif
