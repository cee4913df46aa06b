#include "tests/sim/site.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config/load.h"
#include "server/bridge/session.h"
#include "server/reactor/sim/operation.h"
#include "server/reactor/sim/world.h"
#include "server/shard/durable.h"
#include "tests/sim/seeds.h"
#include "tests/sim/site_internal.h"

#define STOP_LIMIT_MS 5000u
#define STEPS_PER_MS  1000u /* much takes its time: completions may be on their way for a while */
#define STEPS_LIMIT   4000000u /* of one run: more is a loop that never waits */

/* ---- start ---- */

/* The log goes to memory; with SIM_LOG in the environment to stderr, and isn't judged. */
static int open_log(void)
{
    if (getenv("SIM_LOG") != NULL)
        return -1;
    int file = memfd_create("log", MFD_CLOEXEC);
    SEEDS_REQUIRE(file >= 0);
    SEEDS_REQUIRE(log_start(file, LOG_INFO) == STATUS_OK);
    return file;
}

void site_load(struct site *site, const struct sim_options *options, const char *yaml)
{
    memset(site, 0, sizeof *site);
    site->sim = sim_create(options);
    site->log_file = open_log();
    SEEDS_REQUIRE(config_load_buffer("test", yaml, strlen(yaml), stderr, &site->config) ==
                  STATUS_OK);
}

void site_start(struct site *site, uint64_t nofile)
{
    struct kernel_error error;
    const struct server_machine machine = {
        .nofile = nofile, .memlock_bytes = UINT64_MAX, .processors = 1};
    server_plan(site->config, &machine, &site->plan);
    SEEDS_REQUIRE(site->plan.links > 0);
    SEEDS_REQUIRE(server_create(site->config, &site->plan, sim_now_ms(site->sim), &site->server,
                                &error) == STATUS_OK);
    for (int role = 0; site->server->durable != NULL && role < DURABLE_ROLES; role++)
        SEEDS_REQUIRE(durable_create(site->server->durable, (enum durable_role)role, &error) ==
                      STATUS_OK);
    for (uint32_t i = 0; i < site->plan.shards; i++)
        SEEDS_REQUIRE(shard_create(site->server, &site->plan, i, &error) == STATUS_OK);
    for (uint32_t i = 0; i < site->plan.shards; i++)
        SEEDS_REQUIRE(shard_start(site->server->shards[i]) == STATUS_OK);
    if (site->server->durable != NULL)
        durable_readers_are_there(site->server->durable);
    atomic_store(&site->server->ready, true);
}

struct address site_address(struct site *site, const char *ip)
{
    struct address address;
    char text[ADDRESS_TEXT_SIZE];
    SEEDS_REQUIRE(site->next_peer < SITE_MAX_PEERS);
    (void)snprintf(text, sizeof text, "%s:%u", ip, SITE_FIRST_PORT + site->next_peer++);
    SEEDS_REQUIRE(address_parse(text, &address) == STATUS_OK);
    return address;
}

struct sim_peer *site_dial(struct site *site, uint16_t port, const struct address *from)
{
    struct address to = {.ip = {127, 0, 0, 1}, .port = port, .family = 4};
    return sim_peer_connect(site->sim, &to, from);
}

/* ---- running ---- */

static void turn(const struct site *site, const struct kernel *kernel)
{
    struct durable *durable = site->server->durable;
    for (uint32_t i = 0; i < site->server->shard_count; i++)
        if (reactor_kernel(site->server->shards[i]->reactor) == kernel) {
            if (site->shards_held)
                return;
            shard_turn(site->server->shards[i], -1);
            return;
        }
    for (int role = 0; durable != NULL && role < DURABLE_ROLES; role++)
        if (reactor_kernel(durable_reactor(durable, (enum durable_role)role)) == kernel) {
            durable_turn(durable, (enum durable_role)role, -1);
            return;
        }
    seeds_failed("a kernel without a shard", __FILE__, __LINE__);
}

static bool quiet_now(const struct site *site)
{
    return site->sim->ready.count == 0 && !sim_any_kernel_due(site->sim);
}

bool site_step(struct site *site)
{
    if (quiet_now(site))
        return false;
    if (site->sim->ready.count > 0)
        (void)sim_step(site->sim);
    struct kernel *kernel = sim_pick_due(site->sim);
    if (kernel != NULL)
        turn(site, kernel);
    return true;
}

static uint64_t next_moment(const struct sim *sim)
{
    uint64_t wakeup = sim_next_wakeup(sim);
    return wakeup < sim->later_min_ms ? wakeup : sim->later_min_ms;
}

void site_run(struct site *site, uint64_t ms)
{
    uint64_t end_ms = sim_now_ms(site->sim) + ms;
    uint64_t steps = 0;
    for (;;) {
        while (site_step(site)) {
            SEEDS_REQUIRE(++steps < STEPS_LIMIT);
            if (steps % STEPS_PER_MS == 0)
                sim_advance(site->sim, 1);
        }
        uint64_t now_ms = sim_now_ms(site->sim);
        if (now_ms >= end_ms)
            return;
        uint64_t next_ms = next_moment(site->sim);
        if (next_ms > end_ms)
            next_ms = end_ms;
        sim_advance(site->sim, next_ms > now_ms ? next_ms - now_ms : 0);
    }
}

/* ---- looking ---- */

static bool same_peer(const struct address *a, const struct address *b)
{
    return a->port == b->port && address_same_ip(a, b);
}

struct link *site_link(const struct site *site, const struct address *peer)
{
    for (uint32_t s = 0; s < site->server->shard_count; s++) {
        const struct link_pool *pool = &site->server->shards[s]->links;
        for (uint32_t i = 0; i < link_pool_size(pool); i++) {
            struct link *link = link_pool_at(pool, i);
            if (link->state != LINK_FREE && link->state != LINK_GONE &&
                same_peer(&link->peer, peer))
                return link;
        }
    }
    return NULL;
}

struct session *site_session(const struct site *site, const struct address *agent)
{
    for (uint32_t s = 0; s < site->server->shard_count; s++) {
        struct list *head = &site->server->shards[s]->sessions;
        for (struct list *node = head->next; node != head; node = node->next) {
            struct session *session = container_of(node, struct session, node);
            if (session->state == SESSION_JOINED && same_peer(&session->peer, agent))
                return session;
        }
    }
    return NULL;
}

bool site_device(const struct site *site, const char *scope, const char *serial,
                 struct device_info *info)
{
    struct device *device = directory_find(site->server->directory, scope, serial);
    if (device == NULL)
        return false;
    directory_get(site->server->directory, device, info);
    return true;
}

/* ---- stop ---- */

static bool all_quiet(const struct site *site)
{
    for (uint32_t i = 0; i < site->server->shard_count; i++)
        if (!shard_quiet(site->server->shards[i]))
            return false;
    return true;
}

static void run_until(struct site *site, bool (*reached)(const struct site *site))
{
    uint64_t begin_ms = sim_now_ms(site->sim);
    while (!reached(site)) {
        SEEDS_REQUIRE(sim_now_ms(site->sim) < begin_ms + STOP_LIMIT_MS);
        if (!site_step(site))
            sim_advance(site->sim, 1);
    }
}

static bool durable_quiet(const struct site *site)
{
    const struct durable *durable = site->server->durable;
    return durable_stopped(durable, DURABLE_WRITER) && durable_stopped(durable, DURABLE_READERS);
}

void site_stop(struct site *site)
{
    server_stop(site->server);
    run_until(site, all_quiet);
    site_check(site);
    if (site->server->durable != NULL) {
        durable_stop(site->server->durable);
        run_until(site, durable_quiet);
    }
    sim_check_quiet(site->sim);
    for (int i = 0; i < CLOSE_REASON_COUNT; i++)
        site->at_stop[i] = site_closed(site, (enum close_reason)i);
    if (site->log_file >= 0) {
        SEEDS_REQUIRE(log_dropped() == 0);
        log_stop();
        site_read_log(site);
    }
}

static void free_server(struct site *site)
{
    for (uint32_t i = 0; i < site->plan.shards; i++)
        shard_destroy(site->server->shards[i]);
    for (int role = 0; site->server->durable != NULL && role < DURABLE_ROLES; role++)
        durable_destroy(site->server->durable, (enum durable_role)role);
    server_free(site->server);
    site->server = NULL;
}

void site_leave(struct site *site)
{
    free_server(site);
    if (site->log_file >= 0)
        (void)close(site->log_file);
    site->log_file = -1;
}

void site_close(struct site *site)
{
    if (site->server != NULL)
        free_server(site);
    sim_destroy(site->sim);
    config_free(site->config);
    if (site->log_file >= 0)
        (void)close(site->log_file);
    free(site->log_text);
    free(site->ends);
}
