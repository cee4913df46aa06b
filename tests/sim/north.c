#include "tests/sim/north.h"

#include <stdio.h>
#include <string.h>

#include "codec/proto/event.h"
#include "tests/sim/seeds.h"

#define FOLDER "/journal"
/* printf %s TOKEN | sha256sum */
#define TOKEN_HASH "3eb1bd439947eb762998e566ccc2e099c791118b2f40579cc4f7da2b5061b7f9"

struct north world;

/* ---- events ---- */

static void recorded(struct journal_entry *entry, enum status status)
{
    SEEDS_REQUIRE(status == STATUS_OK);
    SEEDS_REQUIRE(entry == &world.entries[entry->sequence]);
    world.committed = entry->sequence;
}

bool north_is_event(uint64_t sequence)
{
    return world.entries[sequence].kind == JOURNAL_EVENT;
}

static void append(Cenc__V1__Event *event, enum journal_kind kind)
{
    char node[24];
    size_t size;
    if (world.appended == NORTH_MAX_RECORDS)
        return;
    uint64_t sequence = ++world.appended;
    (void)snprintf(node, sizeof node, "n%llu", (unsigned long long)sequence);
    event->node = node;
    SEEDS_REQUIRE(event_pack(event, world.payloads[sequence], sizeof world.payloads[0], &size) ==
                  CODEC_OK);
    event->node = NULL;
    world.entries[sequence] = (struct journal_entry){
        .data = world.payloads[sequence],
        .size = (uint32_t)size,
        .kind = (uint8_t)kind,
        .class = JOURNAL_FIRST,
        .from = world.reactor,
        .done = recorded,
    };
    SEEDS_REQUIRE(journal_append(world.journal, &world.entries[sequence]) == STATUS_OK);
}

void north_append(Cenc__V1__Device *device)
{
    Cenc__V1__Event event = CENC__V1__EVENT__INIT;
    Cenc__V1__ServerStarted body = CENC__V1__SERVER_STARTED__INIT;
    event.device = device;
    event.body_case = CENC__V1__EVENT__BODY_SERVER_STARTED;
    event.server_started = &body;
    append(&event, device == NULL && sim_chance(world.sim, 100) ? JOURNAL_PRIVATE : JOURNAL_EVENT);
}

void north_append_added(Cenc__V1__Device *device)
{
    Cenc__V1__Event event = CENC__V1__EVENT__INIT;
    Cenc__V1__DeviceAdded body = CENC__V1__DEVICE_ADDED__INIT;
    event.device = device;
    event.body_case = CENC__V1__EVENT__BODY_DEVICE_ADDED;
    event.device_added = &body;
    append(&event, JOURNAL_EVENT);
}

/* ---- running ---- */

void north_step(void)
{
    sim_step(world.sim);
    struct kernel *kernel = sim_pick_due(world.sim);
    if (kernel != NULL)
        reactor_turn(kernel == reactor_kernel(world.writer) ? world.writer : world.reactor, -1);
}

static struct reactor *make_reactor(uint32_t slots)
{
    struct reactor *reactor;
    struct kernel_error error;
    struct reactor_config config = {
        .limits = {.slots = slots,
                   .reserved_slots = 1,
                   .buffer_count = {8, 2},
                   .buffer_size = {512, 4096}},
    };
    SEEDS_REQUIRE(reactor_create(&config, &reactor, &error) == STATUS_OK);
    return reactor;
}

void north_start(void)
{
    struct journal_recovery recovery;
    struct journal_error journal_error;
    struct kernel_error error;
    static const struct listen_options listen_options = {.backlog = 16};
    struct journal_config journal_config = {
        .folder = FOLDER,
        .node = "sim",
        .segment_bytes = 500 + sim_below(world.sim, 20000),
        .queue_bytes = 1000000,
        .retention_bytes = UINT64_MAX,
    };
    struct directory_config directory_config = {.max_devices = 10, .recorded = true};
    SEEDS_REQUIRE(journal_open(&journal_config, &world.journal, &recovery, &journal_error) ==
                  STATUS_OK);
    SEEDS_REQUIRE(directory_create(&directory_config, &world.directory) == STATUS_OK);
    world.writer = make_reactor(4);
    world.reactor = make_reactor(8);
    journal_start(world.journal, world.writer);
    (void)snprintf(world.consumer.name, sizeof world.consumer.name, "hes");
    (void)snprintf(world.consumer.token_sha256, sizeof world.consumer.token_sha256, "%s",
                   TOKEN_HASH);
    world.consumer.projects.all = true;
    world.config.northbound.consumers = &world.consumer;
    world.config.northbound.consumer_count = 1;
    world.config.northbound.max_connections = 4;
    world.address = (struct address){.ip = {10, 0, 0, 2}, .port = 9192, .family = 4};
    int socket = kernel_listen(&world.address, &listen_options);
    SEEDS_REQUIRE(socket >= 0);
    struct northbound_settings settings = {
        .config = &world.config,
        .journal = world.journal,
        .directory = world.directory,
        .reactor = world.reactor,
        .socket = socket,
    };
    SEEDS_REQUIRE(northbound_create(&settings, &world.northbound, &error) == STATUS_OK);
}

static void northbound_gone(void *context)
{
    (void)context;
    world.northbound_stopped = true;
}

static void journal_gone(void *context)
{
    (void)context;
    world.journal_stopped = true;
}

void north_stop(void)
{
    unsigned steps = DUO_MAX_STEPS;
    northbound_stop(world.northbound, northbound_gone, NULL);
    while (!world.northbound_stopped) {
        SEEDS_REQUIRE(steps-- > 0);
        if (world.hes.peer != NULL)
            hes_pump(&world.hes);
        north_step();
    }
    if (world.hes.peer != NULL)
        hes_leave(&world.hes, HES_CLOSE);
    /* what it hasn't acknowledged is kept for it, also now */
    SEEDS_REQUIRE(world.journal->left_at <= world.acknowledged);
    journal_stop(world.journal, journal_gone, NULL);
    while (!world.journal_stopped || !reactor_idle(world.writer) || !reactor_idle(world.reactor)) {
        SEEDS_REQUIRE(steps-- > 0);
        north_step();
    }
    reactor_destroy(world.writer);
    reactor_destroy(world.reactor);
    journal_free(world.journal);
    directory_free(world.directory);
}
