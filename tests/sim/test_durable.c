/* The whole server with its state on a disk, under many seeds: devices dial in, say by datagram and
 * by connection that their power failed and is back, push much, agents read; the disk refuses, is
 * full, writes in pieces; the server stops, is killed, or loses power, and starts again from what
 * is left. What holds then:
 *
 *  - Whatever was answered is in the journal, and what was committed is there, numbered without gap
 *    or repeat.
 *  - A start makes the same directory of store and journal as the journal alone does.
 *  - A device keeps its direct port. A gasp that the directory showed is there after a crash; after
 *    a stop in order the gasps are the same.
 *  - Every datagram that was taken is recorded, if the server is stopped in order.
 *
 * The store is a real file: a crash is a copy of it, as a killed process leaves it. From the crash
 * on the disk refuses everything, so that the server can be taken down without changing it. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/directory/load.h"
#include "server/journal/walk.h"
#include "server/link/datagrams.h"
#include "server/reactor/sim/world.h"
#include "tests/history/history.h"
#include "tests/sim/seeds.h"
#include "tests/sim/site.h"

#define ROUNDS    3u
#define DEVICES   6u
#define SERIALS   (DEVICES + 2u) /* the last ones never dial in */
#define AGENTS    4u
#define GASPS     4059
#define MODEMS    5009
#define UDP       0u
#define ANSWER    "ACK"
#define LARGE_MAX 40000u
#define MIB       1048576ull

static const char yaml[] =
    "server: {shards: 2, state_dir: /nowhere}\n"
    "direct_ports: {range: 20000-20007}\n"
    "buffers: {datagram_size_bytes: 65536, datagram_count: 64}\n"
    "journal: {queue_mb: 1, segment_mb: 1}\n"
    "listeners:\n"
    "  - name: gasps\n"
    "    address: 0.0.0.0:4059\n"
    "    transport: udp\n"
    "    receive_buffer_bytes: 1048576\n"
    "    plugins:\n"
    "      - dlms-push\n"
    "      - pattern: {last_gasp: 'BYE,(id:4)', power_restored: 'BACK,(id:4)', push_answer: ACK}\n"
    "  - name: modems\n"
    "    address: 0.0.0.0:5009\n"
    "    plugins:\n"
    "      - pattern: {registration: 'LOGIN:(id:4)', last_gasp: 'BYE,(id:4)',\n"
    "                  power_restored: 'BACK,(id:4)', push_answer: ACK}\n";

/* One address of the outside world; each says its messages from one of its own. */
struct mouth {
    struct address address;
    struct sim_peer *peer; /* NULL: by datagram, or over */
    unsigned answers;      /* heard */
    unsigned recorded;     /* events of this peer in the journal */
    bool used;
};

static struct {
    struct site site;
    int nowhere;
    char folder[64];
    struct proto_arena arena;
    struct mouth mouths[SITE_MAX_PEERS];
    uint32_t mouth_count;
    struct mouth *devices[DEVICES]; /* their connections */
    struct sim_peer *agents[AGENTS];

    uint64_t committed; /* told so by the journal */
    uint64_t last;      /* record in the journal, as it was read */
    uint64_t base;      /* of the round: the last record before it */
    uint64_t datagrams; /* events of the round that came in one */
    uint16_t ports[SERIALS];
    struct gasp gasps[SERIALS]; /* shown by the directory at the end of a round */
    bool in_order;              /* the round ended with a stop */
    struct directory *alone;    /* made of the journal alone */
} world;

static struct {
    uint64_t answered;
    uint64_t pauses;
    uint64_t overruns;
    uint64_t cleared;
    uint64_t gasps;
} seen;

static void serial_of(uint64_t number, char serial[static 8])
{
    (void)snprintf(serial, 8, "%04u", 1000u + (unsigned)number);
}

/* ---- what people say ---- */

static struct mouth *new_mouth(void)
{
    if (world.mouth_count == SITE_MAX_PEERS)
        return NULL;
    struct mouth *mouth = &world.mouths[world.mouth_count++];
    mouth->address = site_address(&world.site, "10.0.0.9");
    mouth->used = true;
    return mouth;
}

static void send_datagram(const uint8_t *data, size_t size)
{
    const struct mouth *mouth = new_mouth();
    struct address to = {.ip = {192, 0, 2, 7}, .port = GASPS, .family = 4};
    if (mouth != NULL)
        sim_datagram_send(world.site.sim, &mouth->address, &to, data, size);
}

static size_t words(char text[static 32], const char *verb)
{
    char serial[8];
    serial_of(sim_below(world.site.sim, SERIALS), serial);
    return (size_t)snprintf(text, 32, "%s,%s", verb, serial);
}

static void say_by_datagram(const char *verb)
{
    char text[32];
    size_t size = words(text, verb);
    send_datagram((const uint8_t *)text, size);
}

/* A DataNotification: {identifier, octets}. */
static void push_much(size_t size)
{
    static uint8_t data[LARGE_MAX + 64];
    static const uint8_t head[] = {0x0f, 0, 0, 0, 1, 0, 2, 2, 9, 4, '1', '0', '0', '0', 9, 0x82};
    size_t body = sizeof head + 2 + size;
    uint8_t wrapper[] = {0, 1, 0, 0x67, 0, 0x66, (uint8_t)(body >> 8), (uint8_t)body};
    memcpy(data, wrapper, sizeof wrapper);
    memcpy(data + sizeof wrapper, head, sizeof head);
    data[sizeof wrapper + sizeof head] = (uint8_t)(size >> 8);
    data[sizeof wrapper + sizeof head + 1] = (uint8_t)size;
    send_datagram(data, sizeof wrapper + body);
}

static struct mouth *dial(const char *text)
{
    struct mouth *mouth = new_mouth();
    if (mouth == NULL)
        return NULL;
    mouth->peer = site_dial(&world.site, MODEMS, &mouth->address);
    if (mouth->peer != NULL)
        (void)sim_peer_write(mouth->peer, (const uint8_t *)text, strlen(text));
    return mouth;
}

static void hang_up(struct mouth *mouth)
{
    if (mouth == NULL || mouth->peer == NULL)
        return;
    if (sim_chance(world.site.sim, 700))
        sim_peer_close(mouth->peer);
    else
        sim_peer_reset(mouth->peer);
    sim_peer_release(mouth->peer);
    mouth->peer = NULL;
}

static void dial_in(uint64_t number)
{
    char text[32] = "LOGIN:";
    serial_of(number, text + 6);
    if (sim_chance(world.site.sim, 500))
        hang_up(world.devices[number]);
    world.devices[number] = dial(text);
}

static void say_on_link(uint64_t number, const char *verb)
{
    char text[32];
    const struct mouth *mouth = world.devices[number];
    size_t size = words(text, verb);
    if (mouth != NULL && mouth->peer != NULL)
        (void)sim_peer_write(mouth->peer, (const uint8_t *)text, size);
}

static void read_meter(void)
{
    struct sim_peer **agent = &world.agents[sim_below(world.site.sim, AGENTS)];
    struct address from;
    if (*agent != NULL) {
        sim_peer_close(*agent);
        sim_peer_release(*agent);
        *agent = NULL;
    } else if (world.mouth_count < SITE_MAX_PEERS) {
        from = new_mouth()->address;
        *agent = site_dial(&world.site, (uint16_t)(20000 + sim_below(world.site.sim, 8)), &from);
    }
}

static void hear(struct mouth *mouth)
{
    uint8_t data[64];
    struct address from;
    while (sim_datagram_take(world.site.sim, &mouth->address, &from, data, sizeof data) >= 0)
        mouth->answers = 1; /* the network may have made more of one */
    size_t size = mouth->peer != NULL ? sim_peer_read(mouth->peer, data, sizeof data) : 0;
    for (size_t i = 0; i < size; i++)
        mouth->answers += data[i] == ANSWER[0];
}

/* ---- what happens ---- */

static void set_disk(uint16_t errors, uint16_t full, uint16_t shorts)
{
    struct sim_options *options = &world.site.sim->options;
    options->file_error = errors;
    options->file_full = full;
    options->file_short = shorts;
}

static void change_disk(void)
{
    static const uint16_t rates[] = {0, 0, 0, 20, 200, 1000};
    struct sim *sim = world.site.sim;
    set_disk(rates[sim_below(sim, 6)], rates[sim_below(sim, 6)], rates[sim_below(sim, 6)]);
}

static void burst(void)
{
    uint64_t count = sim_below(world.site.sim, 40);
    for (uint64_t i = 0; i < count; i++)
        push_much(sim_below(world.site.sim, LARGE_MAX));
}

static void act(void)
{
    struct sim *sim = world.site.sim;
    uint64_t number = sim_below(sim, DEVICES);
    char text[32];
    switch (sim_below(sim, 16)) {
    case 0:
    case 1:
        dial_in(number);
        break;
    case 2:
        hang_up(world.devices[number]);
        break;
    case 3:
    case 4:
    case 5:
        say_by_datagram("BYE");
        break;
    case 6:
        say_by_datagram("BACK");
        break;
    case 7:
        say_on_link(number, sim_chance(sim, 700) ? "BYE" : "BACK");
        break;
    case 8:
        (void)words(text, "BYE");
        (void)dial(text);
        break;
    case 9:
    case 10:
        read_meter();
        break;
    case 11:
        if (sim_chance(sim, 100))
            burst();
        break;
    case 12:
        if (sim_chance(sim, 200))
            change_disk();
        break;
    default:
        site_run(&world.site, sim_below(sim, sim_chance(sim, 100) ? 3000 : 100));
    }
}

static void live(void)
{
    uint64_t actions = 20 + sim_below(world.site.sim, 400);
    static const uint8_t text[] = "meter says";
    for (uint64_t i = 0; i < actions; i++) {
        act();
        for (uint64_t steps = sim_below(world.site.sim, 30); steps > 0; steps--)
            (void)site_step(&world.site);
        uint64_t number = sim_below(world.site.sim, DEVICES);
        if (world.devices[number] != NULL && world.devices[number]->peer != NULL &&
            sim_chance(world.site.sim, 100))
            (void)sim_peer_write(world.devices[number]->peer, text, sizeof text);
    }
}

/* ---- the end of a round ---- */

static uint64_t count_of(size_t offset)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < world.site.server->shard_count; i++) {
        const char *counters = (const char *)&world.site.server->shards[i]->counters + offset;
        sum += atomic_load((const _Atomic uint64_t *)(const void *)counters);
    }
    return sum;
}
#define COUNTED(member) count_of(offsetof(struct shard_counters, member))

static uint64_t datagrams_pushed(void)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < world.site.server->shard_count; i++)
        sum += atomic_load(&world.site.server->shards[i]->counters.listeners[UDP].pushes);
    return sum;
}

static uint64_t datagrams_lost(void)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < world.site.server->shard_count; i++) {
        const struct datagram_counters *counters =
            datagrams_counters(world.site.server->shards[i], UDP);
        sum += counters != NULL ? atomic_load(&counters->overruns) : 0;
    }
    return sum;
}

/* What the server said so far. */
static void note_promises(void)
{
    struct directory *directory = world.site.server->directory;
    struct device_info info;
    char serial[8];
    for (uint32_t i = 0; i < world.mouth_count; i++)
        hear(&world.mouths[i]);
    world.committed = atomic_load(&world.site.server->journal_counters->committed);
    for (uint32_t i = 0; i < SERIALS; i++) {
        serial_of(i, serial);
        const struct device *device = directory_known(directory, "default", serial);
        world.gasps[i] = (struct gasp){0};
        if (device == NULL)
            continue;
        directory_get(directory, device, &info);
        SEEDS_REQUIRE(world.ports[i] == 0 || world.ports[i] == info.direct_port);
        world.ports[i] = info.direct_port;
        world.gasps[i] = info.gasp;
        seen.gasps += info.gasp.utc_ms != 0;
    }
}

static void note_counters(void)
{
    seen.pauses += COUNTED(datagram_pauses);
    seen.overruns += datagrams_lost();
}

static void everybody_leaves(void)
{
    for (uint32_t i = 0; i < world.mouth_count; i++) {
        hear(&world.mouths[i]);
        hang_up(&world.mouths[i]);
    }
    for (uint32_t i = 0; i < AGENTS; i++) {
        if (world.agents[i] != NULL)
            sim_peer_release(world.agents[i]);
        world.agents[i] = NULL;
    }
    memset(world.devices, 0, sizeof world.devices);
}

static void end_in_order(void)
{
    set_disk(0, 0, 0);
    site_run(&world.site, 3000);
    everybody_leaves();
    site_stop(&world.site);
    note_promises();
    note_counters();
    SEEDS_REQUIRE(world.base + 1 <= world.committed);
    world.datagrams = datagrams_pushed();
    world.in_order = true;
    site_leave(&world.site);
}

static void copy_file(const char *from, const char *to)
{
    static char bytes[1 << 16];
    ssize_t size = 1;
    int in = open(from, O_RDONLY | O_CLOEXEC);
    (void)unlink(to);
    if (in < 0)
        return;
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    SEEDS_REQUIRE(out >= 0);
    while ((size = read(in, bytes, sizeof bytes)) > 0)
        SEEDS_REQUIRE(write(out, bytes, (size_t)size) == size);
    SEEDS_REQUIRE(size == 0);
    (void)close(in);
    (void)close(out);
}

static void copy_store(const char *from, const char *to)
{
    static const char *const ends[] = {"", "-wal"};
    char source[128];
    char target[128];
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(source, sizeof source, "%s/%s%s", world.folder, from, ends[i]);
        (void)snprintf(target, sizeof target, "%s/%s%s", world.folder, to, ends[i]);
        copy_file(source, target);
    }
    (void)snprintf(target, sizeof target, "%s/%s-shm", world.folder, to);
    (void)unlink(target);
}

static void end_in_a_crash(void)
{
    note_promises();
    copy_store("directory.sqlite", "kept.sqlite");
    set_disk(1000, 0, 0);
    site_stop(&world.site);
    note_counters();
    for (uint32_t i = 0; i < world.mouth_count; i++) { /* nobody was answered after the crash */
        struct mouth *mouth = &world.mouths[i];
        unsigned answers = mouth->answers;
        hear(mouth);
        mouth->answers = answers;
    }
    everybody_leaves();
    world.in_order = false;
    site_leave(&world.site);
    copy_store("kept.sqlite", "directory.sqlite");
    set_disk(0, 0, 0);
    if (sim_chance(world.site.sim, 700))
        sim_crash_disk(world.site.sim);
}

/* ---- what is left ---- */

static void note_event(const Cenc__V1__Event *event, uint64_t sequence)
{
    const Cenc__V1__Endpoint *peer = NULL;
    Cenc__V1__Transport transport = CENC__V1__TRANSPORT__TRANSPORT_UNSPECIFIED;
    if (event->body_case == CENC__V1__EVENT__BODY_LAST_GASP) {
        peer = event->last_gasp->peer;
        transport = event->last_gasp->transport;
    } else if (event->body_case == CENC__V1__EVENT__BODY_PUSH_RECEIVED) {
        peer = event->push_received->peer;
        transport = event->push_received->transport;
    } else if (event->body_case == CENC__V1__EVENT__BODY_POWER_RESTORED) {
        seen.cleared++;
    }
    if (peer == NULL)
        return;
    SEEDS_REQUIRE(peer->port >= SITE_FIRST_PORT &&
                  peer->port < SITE_FIRST_PORT + world.mouth_count);
    world.mouths[peer->port - SITE_FIRST_PORT].recorded++;
    if (sequence > world.base && transport == CENC__V1__TRANSPORT__TRANSPORT_UDP)
        world.datagrams--;
}

static void visit(const struct journal_record *record, void *context)
{
    Cenc__V1__Event *event = NULL;
    (void)context;
    SEEDS_REQUIRE(record->sequence == ++world.last);
    world.arena.used = 0;
    world.arena.full = false;
    SEEDS_REQUIRE(event_unpack(record->data, record->size, &world.arena, &event) == CODEC_OK);
    note_event(event, record->sequence);
    SEEDS_REQUIRE(directory_apply_event(world.alone, event, record->sequence) == STATUS_OK);
}

static struct directory *make_directory(void)
{
    struct directory *directory = NULL;
    struct directory_config config = {
        .max_devices = 100,
        .first_port = 20000,
        .last_port = 20007,
        .recorded = true,
        .listeners = world.site.config->listeners,
        .listener_count = world.site.config->listener_count,
    };
    SEEDS_REQUIRE(directory_create(&config, &directory) == STATUS_OK);
    return directory;
}

static void require_same(struct directory *directory, struct directory *other)
{
    char *text = history_describe(directory);
    char *expected = history_describe(other);
    if (strcmp(text, expected) != 0)
        (void)fprintf(stderr, "%s--- but expected\n%s", text, expected);
    SEEDS_REQUIRE(strcmp(text, expected) == 0);
    free(text);
    free(expected);
}

static void check_start(struct journal *journal)
{
    struct directory *directory = make_directory();
    struct store *store = NULL;
    struct load_report report;
    struct store_error error;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/directory.sqlite", world.folder);
    SEEDS_REQUIRE(directory_load(directory, path, journal, &store, &report, &error) == STATUS_OK);
    SEEDS_REQUIRE(report.missing == 0 && report.refused == 0);
    require_same(directory, world.alone);
    store_close(store);
    directory_free(directory);
}

static void check_devices(void)
{
    struct device_info info;
    char serial[8];
    for (uint32_t i = 0; i < SERIALS; i++) {
        serial_of(i, serial);
        const struct device *device = directory_find(world.alone, "default", serial);
        struct gasp gasp = {0};
        if (device != NULL) {
            directory_get(world.alone, device, &info);
            gasp = info.gasp;
        }
        if (world.ports[i] != 0)
            SEEDS_REQUIRE(device != NULL && info.direct_port == world.ports[i]);
        if (world.in_order && gasp.sequence != world.gasps[i].sequence)
            (void)fprintf(stderr, "%s: gasp %llu at %llu, but %llu at %llu was shown\n", serial,
                          (unsigned long long)gasp.sequence, (unsigned long long)gasp.utc_ms,
                          (unsigned long long)world.gasps[i].sequence,
                          (unsigned long long)world.gasps[i].utc_ms);
        SEEDS_REQUIRE(gasp.utc_ms >= world.gasps[i].utc_ms);
        if (world.in_order)
            SEEDS_REQUIRE(gasp.utc_ms == world.gasps[i].utc_ms &&
                          gasp.sequence == world.gasps[i].sequence);
    }
}

static void check_answers(void)
{
    for (uint32_t i = 0; i < world.mouth_count; i++) {
        SEEDS_REQUIRE(world.mouths[i].answers <= world.mouths[i].recorded);
        seen.answered += world.mouths[i].answers;
    }
}

static void check_what_is_left(void)
{
    struct journal *journal = NULL;
    struct journal_recovery recovery;
    struct journal_error error;
    char folder[80];
    (void)snprintf(folder, sizeof folder, "%s/journal", world.folder);
    struct journal_config config = {.folder = folder,
                                    .node = "node1",
                                    .segment_bytes = MIB,
                                    .queue_bytes = MIB,
                                    .retention_bytes = UINT64_MAX};
    SEEDS_REQUIRE(journal_open(&config, &journal, &recovery, &error) == STATUS_OK);
    for (uint32_t i = 0; i < world.mouth_count; i++)
        world.mouths[i].recorded = 0;
    world.last = 0;
    world.alone = make_directory();
    SEEDS_REQUIRE(journal_walk(journal, 1, visit, NULL, &error) == STATUS_OK);
    SEEDS_REQUIRE(world.last >= world.committed && recovery.last_sequence == world.last);
    check_answers();
    check_devices();
    if (world.in_order)
        SEEDS_REQUIRE(world.datagrams == 0);
    check_start(journal);
    world.base = world.last;
    directory_free(world.alone);
    journal_free(journal);
}

/* ---- properties ---- */

static void open_world(const struct sim_options *options)
{
    struct site *site = &world.site;
    memset(&world, 0, sizeof world);
    site_load(site, options, yaml);
    world.nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    SEEDS_REQUIRE(world.nowhere >= 0);
    history_make_folder(world.folder);
    (void)snprintf(site->config->server.state_dir, sizeof site->config->server.state_dir, "%s",
                   world.folder);
    world.arena.size = PROTO_ARENA_SIZE;
    world.arena.memory = malloc(PROTO_ARENA_SIZE);
    SEEDS_REQUIRE(world.arena.memory != NULL);
}

static void close_world(void)
{
    free(world.arena.memory);
    (void)close(world.nowhere);
    site_close(&world.site);
    history_remove_folder(world.folder);
}

/* The site's own log ends with the first server. */
static void log_to_nowhere(void)
{
    if (getenv("SIM_LOG") == NULL)
        SEEDS_REQUIRE(log_start(world.nowhere, LOG_ERROR) == STATUS_OK);
}

static void run_seed(uint64_t seed)
{
    struct sim_options options;
    sim_options_random(&options, seed);
    options.file_short = options.file_error = options.file_full = 0;
    options.disk_bytes = 0;
    open_world(&options);
    for (unsigned round = 0; round < ROUNDS; round++) {
        if (round > 0)
            log_to_nowhere();
        site_start(&world.site, 20000);
        if (sim_chance(world.site.sim, 700))
            change_disk();
        live();
        if (sim_chance(world.site.sim, 300))
            end_in_order();
        else
            end_in_a_crash();
        if (round > 0)
            log_stop();
        check_what_is_left();
    }
    close_world();
}

static void what_was_told_is_there_afterwards(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof seen);
    seeds_run("durable", 400, run_seed);
    if (!getenv("SIM_SEED") && !getenv("SIM_SEEDS"))
        assert_true(seen.answered > 0 && seen.pauses > 0 && seen.overruns > 0 && seen.cleared > 0 &&
                    seen.gasps > 0);
}

/* The disk takes nothing for a while: half the queue fills, then datagrams wait in the socket. */
static void a_disk_that_stands_still_loses_nothing_that_was_taken(void **state)
{
    struct sim_options options;
    (void)state;
    sim_options_calm(&options, 1);
    open_world(&options);
    site_start(&world.site, 20000);
    site_run(&world.site, 100);
    set_disk(1000, 0, 0);
    for (int i = 0; i < 100; i++)
        push_much(30000);
    site_run(&world.site, 5000);
    assert_int_equal(COUNTED(datagram_pauses), 1);
    assert_true(datagrams_pushed() < 30);
    assert_true(datagrams_lost() > 0);
    assert_int_equal(COUNTED(pushes_refused), 0);
    set_disk(0, 0, 0);
    site_run(&world.site, 5000);
    assert_int_equal(datagrams_pushed() + datagrams_lost(), 100);
    end_in_order();
    check_what_is_left();
    close_world();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_disk_that_stands_still_loses_nothing_that_was_taken),
        cmocka_unit_test(what_was_told_is_there_afterwards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
