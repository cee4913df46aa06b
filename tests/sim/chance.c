/* A world for each seed: limits, times, devices and the kind of network. */
#include <stdio.h>
#include <string.h>

#include "tests/sim/on_channel.h"
#include "tests/sim/play.h"
#include "tests/sim/seeds.h"

#define AUTO_PORT   5009
#define ALWAYS_PORT 5010

static const char yaml[] = "server:\n"
                           "  shards: 1\n"
                           "direct_ports:\n"
                           "  range: 20000-20003\n"
                           "  anonymous: allow\n"
                           "agents:\n"
                           "  listeners:\n"
                           "    - {name: socks, address: 0.0.0.0:1080, kind: socks5,\n"
                           "       anonymous: allow, scope: default}\n"
                           "    - {name: other, address: 0.0.0.0:1081, kind: socks5,\n"
                           "       anonymous: allow, scope: other}\n"
                           "listeners:\n"
                           "  - name: auto\n"
                           "    address: 0.0.0.0:5009\n"
                           "    plugins:\n"
                           "      - irz:\n"
                           "          hello_quiet_ms: 10000\n"
                           "  - name: always\n"
                           "    address: 0.0.0.0:5010\n"
                           "    scope: other\n"
                           "    plugins:\n"
                           "      - irz:\n"
                           "          greeting: always\n"
                           "          acknowledge_keepalive: true\n"
                           "          hello_quiet_ms: 10000\n";

static uint32_t between(struct play *play, uint32_t least, uint32_t most)
{
    return least + (uint32_t)sim_below(play->site.sim, most - least + 1u);
}

/* Mostly generous; in some runs so small that it is reached. */
static uint32_t limit(struct play *play, uint32_t least, uint32_t most)
{
    return sim_chance(play->site.sim, 700) ? most : between(play, least, most);
}

static void choose_limits(struct play *play, struct config *config)
{
    config->limits.links = limit(play, 3, 100);
    config->limits.unidentified = limit(play, 1, 50);
    config->limits.unidentified_per_source = limit(play, 1, 30);
    config->limits.devices = sim_chance(play->site.sim, 800) ? 100 : between(play, 1, 4);
    config->limits.sessions = limit(play, 1, 30);
    config->agents.connections = limit(play, 1, 20);
    config->limits.session_buffer_bytes = 1u << between(play, 10, 16);
    config->buffers.small_count = 1u << between(play, 2, 6);
    config->buffers.small_size_bytes = 1u << between(play, 6, 11);
    config->buffers.large_count = 1u << between(play, 0, 2);
    config->buffers.large_size_bytes = 1u << between(play, 11, 14);
}

static void choose_times(struct play *play, struct config *config)
{
    config->links.hold_s = between(play, 1, 15);
    config->links.flap_count = between(play, 1, 5);
    config->links.flap_window_s = between(play, 5, 60);
    config->sessions.idle_timeout_s = sim_chance(play->site.sim, 300) ? 0 : between(play, 5, 60);
    config->sessions.half_close_s = between(play, 0, 5);
    config->sessions.max_length_s = sim_chance(play->site.sim, 200) ? between(play, 5, 60) : 0;
    config->sessions.yield_after_s = sim_chance(play->site.sim, 500) ? between(play, 2, 20) : 0;
    config->sessions.max_waiting = between(play, 0, 2);
    config->agents.greeting_timeout_s = between(play, 2, 20);
    for (size_t i = 0; i < config->agents.listener_count; i++)
        config->agents.listeners[i].wait_s =
            sim_chance(play->site.sim, 500) ? between(play, 1, 60) : 0;
    config->direct_ports.wait_s = sim_chance(play->site.sim, 500) ? between(play, 1, 60) : 0;
    config->direct_ports.priority = (uint32_t)sim_below(play->site.sim, 2);
    for (size_t i = 0; i < config->listener_count; i++) {
        struct config_listener *listener = &config->listeners[i];
        listener->max_links = sim_chance(play->site.sim, 200) ? between(play, 1, 6) : 0;
        listener->backlog = between(play, 1, 16);
        listener->greeting_timeout_s = between(play, 11, 40);
        listener->greeting_max_bytes = between(play, 256, 1024);
        listener->idle_timeout_s = sim_chance(play->site.sim, 200) ? 0 : between(play, 5, 90);
        listener->tcp.user_timeout_s = sim_chance(play->site.sim, 300) ? 0 : between(play, 5, 120);
        listener->tcp.keepalive_idle_s =
            sim_chance(play->site.sim, 300) ? 0 : between(play, 10, 60);
    }
}

/* A listener of both families: IPv4 peers come mapped into IPv6. */
static void choose_family(struct play *play, struct config *config)
{
    if (sim_chance(play->site.sim, 300))
        SEEDS_REQUIRE(address_parse("[::]:5009", &config->listeners[0].address) == STATUS_OK);
}

static void choose_devices(struct play *play)
{
    play->device_count = between(play, 1, PLAY_DEVICES);
    for (uint32_t i = 0; i < play->device_count; i++) {
        struct device_role *device = &play->devices[i];
        bool always = sim_chance(play->site.sim, 400);
        memset(device, 0, sizeof *device);
        (void)snprintf(device->scope, sizeof device->scope, "%s", always ? "other" : "default");
        (void)snprintf(device->serial, sizeof device->serial, "8684410336%05u", i / 2);
        device->port = always ? ALWAYS_PORT : AUTO_PORT;
        device->encapsulated = sim_chance(play->site.sim, 400);
        device->greeted = always || device->encapsulated;
        device->acknowledged = always;
    }
}

/* Where every keepalive must be recognised, nothing may be late, and everybody reads. */
static void be_punctual(struct sim_options *options)
{
    options->stall = 0;
    options->delay = 0;
    options->time_passes = 0;
    options->socket_bytes_min = 32768;
    options->socket_bytes_max = 32768;
}

/* Two roles with one serial in one scope would be one device with two voices. */
static void make_serials_differ(struct play *play)
{
    for (uint32_t i = 0; i < play->device_count; i++)
        for (uint32_t j = 0; j < i; j++)
            if (strcmp(play->devices[i].serial, play->devices[j].serial) == 0 &&
                strcmp(play->devices[i].scope, play->devices[j].scope) == 0)
                play->devices[i].serial[0] = (char)('a' + i);
}

/* Devices that were entered by hand, each on one of three channels, of which one is not exclusive,
 * or on none. */
static void choose_channels(struct play *play)
{
    play->channels = sim_chance(play->site.sim, 500);
    if (!play->channels)
        return;
    for (uint32_t id = 1; id <= 3; id++)
        on_channel_put(&play->site, id, 1, id != 3);
    for (uint32_t i = 0; i < play->device_count; i++)
        (void)on_channel_enter(&play->site, play->devices[i].scope, play->devices[i].serial,
                               sim_chance(play->site.sim, 600) ? 1 : between(play, 0, 3));
}

void play_open(struct play *play, uint64_t seed)
{
    struct sim_options options;
    sim_options_random(&options, seed);
    if (options.stall_ms > 1500)
        options.stall_ms = 1500; /* a longer pause in a hello looks like its end */
    play->strict = seed % 4 == 0;
    if (play->strict)
        be_punctual(&options);
    play->dial_count = 0;
    play->agent_count = 0;
    play->stranger_count = 0;
    site_load(&play->site, &options, yaml);
    struct config *config = play->site.config;
    config->server.shards = between(play, 1, 3);
    choose_limits(play, config);
    choose_times(play, config);
    choose_family(play, config);
    if (play->strict)
        config->limits.session_buffer_bytes = 65536;
    play->largest = play->strict || sim_chance(play->site.sim, 700) ? 300 : 8000;
    choose_devices(play);
    make_serials_differ(play);
    uint64_t nofile = 20000;
    if (sim_chance(play->site.sim, 200)) /* a table that fills */
        nofile = 2 * ((4 + config->server.shards - 1) / config->server.shards) + 2 * 4 + 2 * 2 +
                 16 +
                 (config->limits.sessions + config->agents.connections) / config->server.shards +
                 1 + between(play, 1, 12);
    site_start(&play->site, nofile);
    choose_channels(play);
}
