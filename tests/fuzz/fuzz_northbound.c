/* The northbound with a hostile client. Byte 0: into how many pieces the rest is cut, and whether
 * the client's preface and SETTINGS stand in front of it; then what the client sends.
 *
 * Promised: no step outside of memory; whatever comes, the server stays quiet or answers, and stops
 * in order with nothing left behind. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "codec/proto/event.h"
#include "server/base/check.h"
#include "server/base/log.h"
#include "server/directory/directory.h"
#include "server/northbound/northbound.h"
#include "server/reactor/sim/sim.h"
#include "tests/fuzz/fuzz.h"

#define INPUT_MAX  16384u
#define MAX_STEPS  200000u
#define STEPS_EACH 40u
#define EVENTS     3u

static const uint8_t preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";

static struct {
    struct sim *sim;
    struct reactor *writer;
    struct reactor *reactor;
    struct journal *journal;
    struct directory *directory;
    struct northbound *northbound;
    struct sim_peer *peer;
    struct journal_entry entries[EVENTS];
    uint8_t payloads[EVENTS][32];
    struct config config;
    struct config_consumer consumer;
    bool stopped;
} world;

static void step(void)
{
    (void)sim_step(world.sim);
    struct kernel *kernel = sim_pick_due(world.sim);
    if (kernel != NULL)
        (void)reactor_turn(kernel == reactor_kernel(world.writer) ? world.writer : world.reactor,
                           -1);
}

static struct reactor *make_reactor(void)
{
    struct reactor *reactor;
    struct kernel_error error;
    struct reactor_config config = {
        .limits = {
            .slots = 8, .reserved_slots = 1, .buffer_count = {8, 2}, .buffer_size = {512, 4096}}};

    CHECK(reactor_create(&config, &reactor, &error) == STATUS_OK);
    return reactor;
}

static void recorded(struct journal_entry *entry, enum status status)
{
    (void)entry;
    CHECK(status == STATUS_OK);
}

static void append(unsigned index)
{
    Cenc__V1__Event event = CENC__V1__EVENT__INIT;
    size_t size;

    event.node = proto_string("fuzz");
    CHECK(event_pack(&event, world.payloads[index], sizeof(world.payloads[0]), &size) == CODEC_OK);
    world.entries[index] = (struct journal_entry){.data = world.payloads[index],
                                                  .size = (uint32_t)size,
                                                  .kind = JOURNAL_EVENT,
                                                  .from = world.reactor,
                                                  .done = recorded};
    CHECK(journal_append(world.journal, &world.entries[index]) == STATUS_OK);
}

/* SHA-256 of the token that the corpus uses: 0123456789abcdef0123456789abcdef. */
static void configure(void)
{
    static const char hash[] = "3eb1bd439947eb762998e566ccc2e099c791118b2f40579cc4f7da2b5061b7f9";

    (void)strcpy(world.consumer.name, "hes");
    memcpy(world.consumer.token_sha256, hash, sizeof(hash));
    world.consumer.projects.all = true;
    world.config.northbound.consumers = &world.consumer;
    world.config.northbound.consumer_count = 1;
    world.config.northbound.max_connections = 2;
}

static void start(void)
{
    static const struct listen_options listen_options = {.backlog = 4};
    struct sim_options options;
    struct journal_config journal_config = {.folder = "/journal",
                                            .node = "fuzz",
                                            .segment_bytes = 100000,
                                            .queue_bytes = 100000,
                                            .retention_bytes = UINT64_MAX};
    struct directory_config directory_config = {.max_devices = 4, .recorded = true};
    struct journal_recovery recovery;
    struct journal_error journal_error;
    struct kernel_error error;
    struct address address = {.ip = {10, 0, 0, 2}, .port = 9192, .family = 4};
    static const struct address from = {.ip = {10, 0, 0, 1}, .family = 4};

    memset(&world, 0, sizeof(world));
    configure();
    sim_options_calm(&options, 1);
    world.sim = sim_create(&options);
    CHECK(journal_open(&journal_config, &world.journal, &recovery, &journal_error) == STATUS_OK);
    CHECK(directory_create(&directory_config, &world.directory) == STATUS_OK);
    world.writer = make_reactor();
    world.reactor = make_reactor();
    journal_start(world.journal, world.writer);
    struct northbound_settings settings = {.config = &world.config,
                                           .journal = world.journal,
                                           .directory = world.directory,
                                           .reactor = world.reactor,
                                           .socket = kernel_listen(&address, &listen_options)};
    CHECK(northbound_create(&settings, &world.northbound, &error) == STATUS_OK);
    for (unsigned i = 0; i < EVENTS; i++)
        append(i);
    world.peer = sim_peer_connect(world.sim, &address, &from);
    CHECK(world.peer != NULL);
}

/* What comes back is read, so that nothing waits for room. */
static void run(unsigned steps)
{
    uint8_t bytes[4096];

    for (unsigned i = 0; i < steps; i++) {
        step();
        while (sim_peer_read(world.peer, bytes, sizeof(bytes)) > 0)
            ;
    }
}

static void send_bytes(const uint8_t *data, size_t size)
{
    for (unsigned tries = 0; size > 0 && tries < 1000; tries++) {
        size_t taken = sim_peer_write(world.peer, data, size);
        data += taken;
        size -= taken;
        run(STEPS_EACH);
        if (sim_peer_state(world.peer) != SIM_PEER_CONNECTED)
            return;
    }
}

static void gone(void *context)
{
    (void)context;
    world.stopped = true;
}

static void until_stopped(void)
{
    for (unsigned i = 0; !world.stopped; i++) {
        CHECK(i < MAX_STEPS);
        step();
    }
    world.stopped = false;
}

static void stop(void)
{
    sim_peer_close(world.peer);
    sim_peer_release(world.peer);
    northbound_stop(world.northbound, gone, NULL);
    until_stopped();
    journal_stop(world.journal, gone, NULL);
    until_stopped();
    for (unsigned i = 0; !reactor_idle(world.writer) || !reactor_idle(world.reactor); i++) {
        CHECK(i < MAX_STEPS);
        step();
    }
    reactor_destroy(world.writer);
    reactor_destroy(world.reactor);
    journal_free(world.journal);
    directory_free(world.directory);
    sim_destroy(world.sim);
}

/* A line for each closed connection would be all that one sees. */
static void quiet(void)
{
    static bool done;

    if (!done)
        CHECK(log_start(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_ERROR) == STATUS_OK);
    done = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > INPUT_MAX)
        return 0;
    quiet();
    size_t pieces = (data[0] & 15u) + 1;
    bool greeted = (data[0] & 16u) != 0;
    size_t each = (size - 1) / pieces + 1;
    start();
    if (greeted)
        send_bytes(preface, sizeof(preface) - 1);
    for (size_t at = 1; at < size; at += each)
        send_bytes(data + at, size - at < each ? size - at : each);
    run(STEPS_EACH);
    stop();
    return 0;
}
