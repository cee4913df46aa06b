/* The whole server with a Redis that has every trouble, under many seeds: devices dial in, gasp and
 * come back, batches of others are added, operators remove some, agents read, the disk refuses;
 * Redis breaks off at any byte, is slow, refuses, loses everything or some of it, babbles, says
 * nothing. What holds:
 *
 *  - The server goes on: what happens is recorded, and it stops in order at any time.
 *  - What waits for Redis is bounded.
 *  - The password is in no log.
 *  - When Redis is well again it has what the directory has, and keeps it. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/directory/edit_batch.h"
#include "server/journal/journal.h"
#include "server/reactor/sim/world.h"
#include "server/redis/redis.h"
#include "server/shard/durable.h"
#include "tests/history/history.h"
#include "tests/sim/large_push.h"
#include "tests/sim/redis_same.h"
#include "tests/sim/redis_server.h"
#include "tests/sim/seeds.h"
#include "tests/sim/site.h"

#define ROUNDS        2u
#define DEVICES       6u
#define SERIALS       (DEVICES + 2u) /* the last ones never dial in */
#define AGENTS        3u
#define BATCH_MAX     40u /* devices; the serials of the first batch begin with 2000 */
#define GASPS         4059
#define MODEMS        5009
#define PUSH_SIZE     30000u
#define PASSWORD      "Quokka-1-Numbat"
#define PASSWORD_FILE "/redis-password"
#define WAITING_MAX   1500000u /* bytes: eight batches */
#define RUN_STEPS     4000000u
#define WELL_AFTER_S  150u

static const char yaml[] =
    "server: {shards: 2, state_dir: /nowhere}\n"
    "direct_ports: {range: 20000-20007}\n"
    "buffers: {datagram_size_bytes: 65536, datagram_count: 64}\n"
    "journal: {queue_mb: 1, segment_mb: 1}\n"
    "redis: {url: 'redis://127.0.0.1:6379/3', password_file: " PASSWORD_FILE ",\n"
    "        presence_ttl_s: 10}\n"
    "listeners:\n"
    "  - name: gasps\n"
    "    address: 0.0.0.0:4059\n"
    "    transport: udp\n"
    "    receive_buffer_bytes: 1048576\n"
    "    plugins:\n"
    "      - dlms-push\n"
    "      - pattern: {last_gasp: 'BYE,(id:4)', power_restored: 'BACK,(id:4)'}\n"
    "  - name: modems\n"
    "    address: 0.0.0.0:5009\n"
    "    plugins:\n"
    "      - pattern: {registration: 'LOGIN:(id:4)', last_gasp: 'BYE,(id:4)',\n"
    "                  power_restored: 'BACK,(id:4)'}\n";

static struct {
    struct site site;
    struct redis_server redis;
    int nowhere;
    char folder[64];
    struct sim_peer *devices[DEVICES];
    struct sim_peer *agents[AGENTS];
    struct edit removal;
    bool removal_open;
    struct edit_batch batch;
    unsigned batches;
    bool batch_open;
    bool spoils;  /* somebody else writes under the prefix, in this run */
    bool spoiled; /* he did */
} world;

static struct {
    uint64_t rebuilds;
    uint64_t errors;
    uint64_t replaced;
    uint64_t refused;
    uint64_t forced;
    uint64_t gasps;
    uint64_t batches;
    uint64_t batches_failed;
    uint64_t removed;
    uint64_t stayed; /* it had connected, or was about to */
} seen;

/* ---- time ---- */

static void run(uint64_t ms)
{
    struct sim *sim = world.site.sim;
    uint64_t end_ms = sim_now_ms(sim) + ms;
    uint64_t steps = 0;

    for (;;) {
        bool moved = site_step(&world.site);
        moved = redis_server_run(&world.redis) || moved;
        uint64_t now_ms = sim_now_ms(sim);
        uint64_t next_ms = end_ms;
        if (moved) {
            SEEDS_REQUIRE(++steps < RUN_STEPS);
            if (steps % 1000 == 0)
                sim_advance(sim, 1);
            continue;
        }
        if (now_ms >= end_ms)
            return;
        if (sim_next_event_ms(sim) < next_ms)
            next_ms = sim_next_event_ms(sim);
        if (redis_server_due_ms(&world.redis) < next_ms)
            next_ms = redis_server_due_ms(&world.redis);
        sim_advance(sim, next_ms > now_ms ? next_ms - now_ms : 0);
    }
}

/* Everything but the shards goes on: they get no turn, as threads of a busy machine. */
static void run_without_shards(uint64_t ms)
{
    struct sim *sim = world.site.sim;
    uint64_t end_ms = sim_now_ms(sim) + ms;

    world.site.shards_held = true;
    for (uint64_t steps = 1; sim_now_ms(sim) < end_ms; steps++) {
        (void)site_step(&world.site);
        (void)redis_server_run(&world.redis);
        if (steps % 50 == 0)
            sim_advance(sim, 1);
    }
    world.site.shards_held = false;
}

/* ---- devices and agents ---- */

static void hang_up(struct sim_peer **peer)
{
    if (*peer == NULL)
        return;
    if (sim_chance(world.site.sim, 700))
        sim_peer_close(*peer);
    else
        sim_peer_reset(*peer);
    sim_peer_release(*peer);
    *peer = NULL;
}

static bool room_for_peer(void)
{
    return world.site.next_peer < SITE_MAX_PEERS;
}

static struct sim_peer *dial(uint16_t port)
{
    struct address from = site_address(&world.site, "10.0.0.9");

    return site_dial(&world.site, port, &from);
}

static void dial_in(uint64_t number)
{
    char text[32];

    if (!room_for_peer())
        return;
    hang_up(&world.devices[number]);
    world.devices[number] = dial(MODEMS);
    int size = snprintf(text, sizeof(text), "LOGIN:%04u", 1000u + (unsigned)number);
    if (world.devices[number] != NULL)
        (void)sim_peer_write(world.devices[number], (const uint8_t *)text, (size_t)size);
}

static void send_datagram(const uint8_t *data, size_t size)
{
    struct address to = {.ip = {192, 0, 2, 7}, .port = GASPS, .family = 4};
    struct address from = {.ip = {10, 0, 0, 8}, .port = 999, .family = 4};

    sim_datagram_send(world.site.sim, &from, &to, data, size);
}

static void say(const char *verb, uint64_t number)
{
    char text[32];
    int size = snprintf(text, sizeof(text), "%s,%04u", verb, 1000u + (unsigned)number);

    send_datagram((const uint8_t *)text, (size_t)size);
}

/* Fills the journal's queue, or the journal. */
static void push_much(void)
{
    static uint8_t data[PUSH_SIZE + LARGE_PUSH_REST];
    size_t size = large_push("1000", PUSH_SIZE, data);

    for (uint64_t count = sim_below(world.site.sim, 40); count > 0; count--)
        send_datagram(data, size);
}

static void read_meter(void)
{
    struct sim_peer **agent = &world.agents[sim_below(world.site.sim, AGENTS)];

    if (*agent != NULL)
        hang_up(agent);
    else if (room_for_peer())
        *agent = dial((uint16_t)(20000 + sim_below(world.site.sim, 8)));
}

static void set_disk(uint16_t errors)
{
    world.site.sim->options.file_error = errors;
}

/* ---- Redis ---- */

static void spoil(void)
{
    char serial[64];
    static const char *const others[] = {"cencd:gasps", "cencd:devices:node1", "cencd:meta:node1",
                                         "cencd:stale:node1"};

    world.spoiled = true;
    (void)snprintf(serial, sizeof(serial), "cencd:%s:default:%04u",
                   sim_chance(world.site.sim, 500) ? "device" : "presence",
                   1000u + (unsigned)sim_below(world.site.sim, DEVICES));
    if (sim_chance(world.site.sim, 500))
        keyspace_spoil(&world.redis.keyspace, serial);
    else
        keyspace_spoil(&world.redis.keyspace, others[sim_below(world.site.sim, 4)]);
}

static void trouble(void)
{
    struct sim *sim = world.site.sim;

    switch (sim_below(sim, 8)) {
    case 0:
        redis_server_down(&world.redis);
        break;
    case 1:
        redis_server_up(&world.redis, (enum redis_content)sim_below(sim, 3));
        break;
    case 2:
        redis_server_save(&world.redis);
        break;
    case 3:
        if (world.spoils)
            spoil();
        break;
    case 4:
        redis_server_cut(&world.redis);
        break;
    case 5:
        keyspace_clear(&world.redis.keyspace); /* FLUSHALL */
        break;
    case 6:
        world.redis.health = (enum redis_health)sim_below(sim, HEALTH_COUNT);
        break;
    default:
        world.redis.health = HEALTH_WELL;
        redis_server_up(&world.redis, CONTENT_KEPT);
        break;
    }
}

/* ---- batches ---- */

static bool next_item(void *context, size_t index, struct edit *edit)
{
    (void)context;
    edit->kind = index == 0 ? EDIT_PROJECT_ADD : EDIT_DEVICE_ADD;
    edit->project = index == 0 ? 0 : edit_batch_reference(0);
    (void)snprintf(edit->name, sizeof(edit->name), "batch %u", world.batches);
    (void)snprintf(edit->scope, sizeof(edit->scope), "default");
    (void)snprintf(edit->serial, sizeof(edit->serial), "%04zu",
                   2000 + (size_t)world.batches * BATCH_MAX + index);
    return true;
}

static void batch_done(struct edit_batch *batch)
{
    world.batch_open = false;
    SEEDS_REQUIRE(batch->result == EDIT_DONE || batch->result == EDIT_UNAVAILABLE);
    seen.batches += batch->result == EDIT_DONE;
    seen.batches_failed += batch->result != EDIT_DONE;
}

static void add_batch(void)
{
    if (world.batch_open || world.batches == 100)
        return;
    world.batches++;
    world.batch_open = true;
    world.batch = (struct edit_batch){.count = 2 + sim_below(world.site.sim, BATCH_MAX - 2),
                                      .next = next_item,
                                      .done = batch_done};
    editor_submit_batch(world.site.server->editor, &world.batch);
}

/* ---- an operator removes a device ---- */

static void removal_done(struct edit *edit)
{
    world.removal_open = false;
    SEEDS_REQUIRE(edit->result == EDIT_DONE || edit->result == EDIT_IN_USE ||
                  edit->result == EDIT_NOT_FOUND || edit->result == EDIT_UNAVAILABLE);
    seen.removed += edit->result == EDIT_DONE;
    seen.stayed += edit->result == EDIT_IN_USE;
}

static void remove_device(uint64_t number)
{
    struct directory *directory = world.site.server->directory;
    char serial[8];

    (void)snprintf(serial, sizeof(serial), "%04u", 1000u + (unsigned)number);
    struct device *device = directory_known(directory, "default", serial);
    if (world.removal_open || device == NULL)
        return;
    world.removal_open = true;
    world.removal =
        (struct edit){.kind = EDIT_DEVICE_REMOVE, .device = device, .done = removal_done};
    editor_submit(world.site.server->editor, &world.removal);
}

/* ---- what happens ---- */

static const struct redis_counters *counters(void)
{
    return world.site.server->redis_counters;
}

static const struct journal_counters *journal(void)
{
    return world.site.server->journal_counters;
}

static void act(void)
{
    struct sim *sim = world.site.sim;

    switch (sim_below(sim, 16)) {
    case 14:
        if (sim_chance(sim, 500))
            remove_device(sim_below(sim, DEVICES));
        break;
    case 0:
    case 1:
        dial_in(sim_below(sim, DEVICES));
        break;
    case 2:
        hang_up(&world.devices[sim_below(sim, DEVICES)]);
        break;
    case 3:
    case 4:
        say("BYE", sim_below(sim, SERIALS));
        break;
    case 5:
        say("BACK", sim_below(sim, SERIALS));
        break;
    case 6:
    case 7:
        read_meter();
        break;
    case 8:
        if (sim_chance(sim, 200))
            push_much();
        else if (sim_chance(sim, 200))
            add_batch();
        break;
    case 9:
        if (sim_chance(sim, 300))
            set_disk(sim_chance(sim, 300) ? 1000 : 0);
        break;
    case 10:
    case 11:
        if (sim_chance(sim, 500))
            trouble();
        break;
    case 12:
        if (sim_chance(sim, 300))
            run_without_shards(sim_below(sim, 40));
        break;
    default:
        run(sim_below(sim, sim_chance(sim, 100) ? 12000 : 300));
    }
}

static void check_bounds(void)
{
    const struct reactor *reactor = durable_reactor(world.site.server->durable, DURABLE_READERS);

    SEEDS_REQUIRE(atomic_load(&reactor_counters(reactor)->private_bytes) <= WAITING_MAX);
    SEEDS_REQUIRE(atomic_load(&counters()->damaged) == 0);
}

static void live(void)
{
    uint64_t actions = 20 + sim_below(world.site.sim, 300);

    for (uint64_t i = 0; i < actions; i++) {
        act();
        for (uint64_t steps = sim_below(world.site.sim, 30); steps > 0; steps--) {
            (void)site_step(&world.site);
            (void)redis_server_run(&world.redis);
        }
        check_bounds();
    }
}

/* Whatever Redis does: on a good disk all that waits is recorded soon. */
static void all_is_recorded(void)
{
    set_disk(0);
    run(4000);
    SEEDS_REQUIRE(atomic_load(&journal()->queued_bytes) == 0);
    SEEDS_REQUIRE(atomic_load(&journal()->durable));
}

/* ---- and when Redis is well again ---- */

/* Something happens to every device, so that every key is written. */
static void touch_all(void)
{
    world.site.next_peer = world.site.next_peer > SITE_MAX_PEERS - DEVICES
                               ? SITE_MAX_PEERS - DEVICES
                               : world.site.next_peer;
    for (uint64_t i = 0; i < DEVICES; i++)
        dial_in(i);
    run(3000);
    for (uint64_t i = 0; i < SERIALS; i++)
        say("BYE", i);
    run(1000);
    for (uint64_t i = 0; i < DEVICES; i++)
        if (sim_chance(world.site.sim, 500))
            hang_up(&world.devices[i]);
    dial_in(0);
    run(1000);
}

/* Whoever spoiled a key doesn't do it again; that is found when the key is written. All the rest
 * gets well by itself. */
static void all_is_well(void)
{
    world.redis.health = HEALTH_WELL;
    redis_server_up(&world.redis, CONTENT_KEPT);
    if (sim_chance(world.site.sim, 500)) {
        for (uint32_t i = 0; i < AGENTS; i++)
            hang_up(&world.agents[i]);
        run(1000);
    }
    if (world.spoiled)
        touch_all();
}

static bool is_well(void)
{
    return redis_same(&world.redis.keyspace, &world.site, false) && atomic_load(&counters()->up) &&
           atomic_load(&counters()->sequence) == atomic_load(&journal()->committed);
}

static void becomes_the_same(void)
{
    for (unsigned seconds = 0; !is_well() && seconds < WELL_AFTER_S; seconds++)
        run(1000);
    SEEDS_REQUIRE(redis_same(&world.redis.keyspace, &world.site, true));
    SEEDS_REQUIRE(is_well());
    run(15000); /* longer than presence lasts */
    SEEDS_REQUIRE(redis_same(&world.redis.keyspace, &world.site, true));
    SEEDS_REQUIRE(is_well());
}

/* ---- properties ---- */

static void open_world(const struct sim_options *options)
{
    struct site *site = &world.site;
    struct address address = {.ip = {127, 0, 0, 1}, .port = 6379, .family = 4};

    memset(&world, 0, sizeof(world));
    site_load(site, options, yaml);
    world.nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    SEEDS_REQUIRE(world.nowhere >= 0);
    history_make_folder(world.folder);
    (void)snprintf(site->config->server.state_dir, sizeof(site->config->server.state_dir), "%s",
                   world.folder);
    sim_file_put(site->sim, PASSWORD_FILE, (const uint8_t *)PASSWORD "\n", sizeof(PASSWORD));
    world.spoils = sim_chance(site->sim, 300);
    if (sim_chance(site->sim, 300))
        site->config->journal.retention_mb = 1; /* events are gone before Redis has them */
    redis_server_open(&world.redis, site->sim, &address, PASSWORD);
    if (sim_chance(site->sim, 300))
        redis_server_down(&world.redis);
}

static void close_world(void)
{
    redis_server_close(&world.redis);
    (void)close(world.nowhere);
    site_close(&world.site);
    history_remove_folder(world.folder);
}

static bool visit(const struct device_info *info, void *context)
{
    (void)context;
    seen.gasps += info->gasp.utc_ms != 0;
    return true;
}

static void note_counters(void)
{
    (void)directory_walk(world.site.server->directory, 0, visit, NULL);
    seen.rebuilds += atomic_load(&counters()->rebuilds);
    seen.errors += atomic_load(&counters()->errors);
    seen.replaced += atomic_load(&counters()->replaced);
    seen.forced += atomic_load(&journal()->forced_segments);
    for (int class = 0; class < 3; class ++)
        seen.refused += atomic_load(&journal()->refused[class]);
}

/* The site's own log ends with the first server. */
static void stop(bool logs)
{
    for (uint32_t i = 0; i < DEVICES; i++)
        hang_up(&world.devices[i]);
    for (uint32_t i = 0; i < AGENTS; i++)
        hang_up(&world.agents[i]);
    if (sim_chance(world.site.sim, 500))
        add_batch();
    site_stop(&world.site);
    SEEDS_REQUIRE(!world.batch_open && !world.removal_open);
    if (logs && world.site.log_text != NULL)
        SEEDS_REQUIRE(strstr(world.site.log_text, PASSWORD) == NULL);
    site_leave(&world.site);
}

static void run_seed(uint64_t seed)
{
    struct sim_options options;

    sim_options_random(&options, seed);
    options.file_short = options.file_error = options.file_full = 0;
    options.disk_bytes = 0;
    open_world(&options);
    for (unsigned round = 0; round < ROUNDS; round++) {
        if (round > 0 && getenv("SIM_LOG") == NULL)
            SEEDS_REQUIRE(log_start(world.nowhere, LOG_ERROR) == STATUS_OK);
        site_start(&world.site, 20000);
        live();
        all_is_recorded();
        if (round + 1 == ROUNDS) {
            sim_calm_down(world.site.sim);
            all_is_well();
            becomes_the_same();
        }
        note_counters();
        stop(round == 0);
        if (round > 0 && getenv("SIM_LOG") == NULL)
            log_stop();
    }
    close_world();
}

static void redis_becomes_what_the_directory_is(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof(seen));
    seeds_run("redis", 600, run_seed);
    if (seeds_all())
        assert_true(seen.rebuilds > 0 && seen.errors > 0 && seen.replaced > 0 && seen.refused > 0 &&
                    seen.forced > 0 && seen.gasps > 0 && seen.batches > 0 &&
                    seen.batches_failed > 0 && seen.removed > 0 && seen.stayed > 0);
}

/* ---- a shard that gets no turn ---- */

/* A gasp is on the disk, and its shard hasn't told the directory yet, when Redis is emptied: what
 * is written anew comes from the directory, and events from before are not read again. Without its
 * wait for the shard the gasp is in Redis no more. */
static void a_rebuild_waits_for_the_directory(void **state)
{
    struct sim_options options;
    unsigned steps = 0;

    (void)state;
    sim_options_calm(&options, 1);
    open_world(&options);
    redis_server_up(&world.redis, CONTENT_KEPT);
    site_start(&world.site, 20000);
    run(2000);
    dial_in(0);
    run(2000);
    assert_true(is_well());
    uint64_t rebuilds = atomic_load(&counters()->rebuilds);
    uint64_t committed = atomic_load(&journal()->committed);
    say("BYE", 0);
    while (atomic_load(&journal()->queued_bytes) == 0) {
        assert_true(steps++ < 10000 && site_step(&world.site));
        sim_advance(world.site.sim, 1);
    }
    run_without_shards(100);
    assert_int_equal(atomic_load(&journal()->committed), committed + 1);
    keyspace_clear(&world.redis.keyspace);
    run_without_shards(30000);
    assert_int_equal(atomic_load(&counters()->rebuilds), rebuilds); /* it has begun, and waits */
    run(5000);
    assert_true(atomic_load(&counters()->rebuilds) > rebuilds);
    assert_true(redis_same(&world.redis.keyspace, &world.site, true));
    assert_true(is_well());
    seen.gasps = 0;
    note_counters();
    assert_int_equal(seen.gasps, 1);
    stop(true);
    close_world();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rebuild_waits_for_the_directory),
        cmocka_unit_test(redis_becomes_what_the_directory_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
