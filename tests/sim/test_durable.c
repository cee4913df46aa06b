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
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "server/directory/restore.h"
#include "server/link/datagrams.h"
#include "tests/sim/large_push.h"
#include "tests/sim/seeds.h"
#include "tests/sim/state_site.h"

#define ROUNDS    3u
#define DEVICES   6u
#define SERIALS   (DEVICES + 2u) /* the last ones never dial in */
#define AGENTS    4u
#define GASPS     4059
#define MODEMS    5009
#define UDP       0u
#define ANSWER    "ACK"
#define LARGE_MAX 40000u

static const char yaml[] =
    "server: {shards: 2}\n"
    "direct_ports: {range: 20000-20007, anonymous: allow}\n"
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
    struct state_site state;
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
    uint32_t epochs[SERIALS];   /* likewise */
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
    mouth->address = site_address(&world.state.site, "10.0.0.9");
    mouth->used = true;
    return mouth;
}

static void send_datagram(const uint8_t *data, size_t size)
{
    const struct mouth *mouth = new_mouth();
    struct address to = {.ip = {192, 0, 2, 7}, .port = GASPS, .family = 4};
    if (mouth != NULL)
        sim_datagram_send(world.state.site.sim, &mouth->address, &to, data, size);
}

static size_t words(char text[static 32], const char *verb)
{
    char serial[8];
    serial_of(sim_below(world.state.site.sim, SERIALS), serial);
    return (size_t)snprintf(text, 32, "%s,%s", verb, serial);
}

static void say_by_datagram(const char *verb)
{
    char text[32];
    size_t size = words(text, verb);
    send_datagram((const uint8_t *)text, size);
}

static void push_much(size_t size)
{
    static uint8_t data[LARGE_MAX + LARGE_PUSH_REST];
    send_datagram(data, large_push("1000", size, data));
}

static struct mouth *dial(const char *text)
{
    struct mouth *mouth = new_mouth();
    if (mouth == NULL)
        return NULL;
    mouth->peer = site_dial(&world.state.site, MODEMS, &mouth->address);
    if (mouth->peer != NULL)
        (void)sim_peer_write(mouth->peer, (const uint8_t *)text, strlen(text));
    return mouth;
}

static void hang_up(struct mouth *mouth)
{
    if (mouth == NULL || mouth->peer == NULL)
        return;
    if (sim_chance(world.state.site.sim, 700))
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
    if (sim_chance(world.state.site.sim, 500))
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
    struct sim_peer **agent = &world.agents[sim_below(world.state.site.sim, AGENTS)];
    struct address from;
    if (*agent != NULL) {
        sim_peer_close(*agent);
        sim_peer_release(*agent);
        *agent = NULL;
    } else if (world.mouth_count < SITE_MAX_PEERS) {
        from = new_mouth()->address;
        *agent = site_dial(&world.state.site,
                           (uint16_t)(20000 + sim_below(world.state.site.sim, 8)), &from);
    }
}

static void hear(struct mouth *mouth)
{
    uint8_t data[64];
    struct address from;
    while (sim_datagram_take(world.state.site.sim, &mouth->address, &from, data, sizeof data) >= 0)
        mouth->answers = 1; /* the network may have made more of one */
    size_t size = mouth->peer != NULL ? sim_peer_read(mouth->peer, data, sizeof data) : 0;
    for (size_t i = 0; i < size; i++)
        mouth->answers += data[i] == ANSWER[0];
}

/* ---- what happens ---- */

static void change_disk(void)
{
    static const uint16_t rates[] = {0, 0, 0, 20, 200, 1000};
    struct sim *sim = world.state.site.sim;
    state_set_disk(&world.state, rates[sim_below(sim, 6)], rates[sim_below(sim, 6)],
                   rates[sim_below(sim, 6)]);
}

static void burst(void)
{
    uint64_t count = sim_below(world.state.site.sim, 40);
    for (uint64_t i = 0; i < count; i++)
        push_much(sim_below(world.state.site.sim, LARGE_MAX));
}

static void act(void)
{
    struct sim *sim = world.state.site.sim;
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
        site_run(&world.state.site, sim_below(sim, sim_chance(sim, 100) ? 3000 : 100));
    }
}

static void live(void)
{
    uint64_t actions = 20 + sim_below(world.state.site.sim, 400);
    static const uint8_t text[] = "meter says";
    for (uint64_t i = 0; i < actions; i++) {
        act();
        for (uint64_t steps = sim_below(world.state.site.sim, 30); steps > 0; steps--)
            (void)site_step(&world.state.site);
        uint64_t number = sim_below(world.state.site.sim, DEVICES);
        if (world.devices[number] != NULL && world.devices[number]->peer != NULL &&
            sim_chance(world.state.site.sim, 100))
            (void)sim_peer_write(world.devices[number]->peer, text, sizeof text);
    }
}

/* ---- the end of a round ---- */

static uint64_t count_of(size_t offset)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < world.state.site.server->shard_count; i++) {
        const char *counters = (const char *)&world.state.site.server->shards[i]->counters + offset;
        sum += atomic_load((const _Atomic uint64_t *)(const void *)counters);
    }
    return sum;
}
#define COUNTED(member) count_of(offsetof(struct shard_counters, member))

static uint64_t datagrams_pushed(void)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < world.state.site.server->shard_count; i++)
        sum += atomic_load(&world.state.site.server->shards[i]->counters.listeners[UDP].pushes);
    return sum;
}

static uint64_t datagrams_lost(void)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < world.state.site.server->shard_count; i++) {
        const struct datagram_counters *counters =
            datagrams_counters(world.state.site.server->shards[i], UDP);
        sum += counters != NULL ? atomic_load(&counters->overruns) : 0;
    }
    return sum;
}

/* What the server said so far. */
static void note_promises(void)
{
    struct directory *directory = world.state.site.server->directory;
    struct device_info info;
    char serial[8];
    for (uint32_t i = 0; i < world.mouth_count; i++)
        hear(&world.mouths[i]);
    world.committed = atomic_load(&world.state.site.server->journal_counters->committed);
    for (uint32_t i = 0; i < SERIALS; i++) {
        serial_of(i, serial);
        const struct device *device = directory_known(directory, "default", serial);
        world.gasps[i] = (struct gasp){0};
        world.epochs[i] = 0;
        if (device == NULL)
            continue;
        directory_get(directory, device, &info);
        SEEDS_REQUIRE(world.ports[i] == 0 || world.ports[i] == info.direct_port);
        world.ports[i] = info.direct_port;
        world.gasps[i] = info.gasp;
        world.epochs[i] = info.epoch;
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

static void last_look(void)
{
    if (world.in_order)
        note_promises();
    world.datagrams = datagrams_pushed();
    note_counters();
}

static void end_in_order(void)
{
    state_set_disk(&world.state, 0, 0, 0);
    site_run(&world.state.site, 3000);
    everybody_leaves();
    world.in_order = true;
    state_stop(&world.state, last_look);
}

static void end_in_a_crash(void)
{
    note_promises();
    world.in_order = false;
    state_crash(&world.state, sim_chance(world.state.site.sim, 700), last_look);
    for (uint32_t i = 0; i < world.mouth_count; i++) { /* nobody was answered after the crash */
        unsigned answers = world.mouths[i].answers;
        hear(&world.mouths[i]);
        world.mouths[i].answers = answers;
    }
    everybody_leaves();
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

static void visit(const Cenc__V1__Event *event, uint64_t sequence)
{
    SEEDS_REQUIRE(sequence == ++world.last);
    note_event(event, sequence);
    SEEDS_REQUIRE(directory_apply_event(world.alone, event, sequence) == STATUS_OK);
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
            /* what a stopped server had given, it doesn't give again */
            SEEDS_REQUIRE(!world.in_order || info.epoch >= world.epochs[i]);
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
    struct journal *journal = state_journal(&world.state);
    for (uint32_t i = 0; i < world.mouth_count; i++)
        world.mouths[i].recorded = 0;
    world.last = 0;
    world.alone = state_directory(&world.state);
    state_walk(&world.state, journal, visit);
    SEEDS_REQUIRE(world.last >= world.committed && journal_committed(journal) == world.last);
    check_answers();
    check_devices();
    if (world.in_order)
        SEEDS_REQUIRE(world.datagrams == 0);
    state_check_start(&world.state, journal, world.alone);
    world.base = world.last;
    directory_free(world.alone);
    journal_free(journal);
}

/* ---- properties ---- */

static void open_world(const struct sim_options *options)
{
    memset(&world, 0, sizeof world);
    state_load(&world.state, options, yaml);
}

static void run_seed(uint64_t seed)
{
    struct sim_options options;
    sim_options_random(&options, seed);
    options.file_short = options.file_error = options.file_full = 0;
    options.disk_bytes = 0;
    open_world(&options);
    for (unsigned round = 0; round < ROUNDS; round++) {
        state_start(&world.state);
        if (sim_chance(world.state.site.sim, 700))
            change_disk();
        live();
        if (sim_chance(world.state.site.sim, 300))
            end_in_order();
        else
            end_in_a_crash();
        check_what_is_left();
    }
    state_close(&world.state);
}

static void what_was_told_is_there_afterwards(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof seen);
    seeds_run("durable", 400, run_seed);
    if (seeds_all())
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
    state_start(&world.state);
    site_run(&world.state.site, 100);
    state_set_disk(&world.state, 1000, 0, 0);
    for (int i = 0; i < 100; i++)
        push_much(30000);
    site_run(&world.state.site, 5000);
    assert_int_equal(COUNTED(datagram_pauses), 1);
    assert_true(datagrams_pushed() < 30);
    assert_true(datagrams_lost() > 0);
    assert_int_equal(COUNTED(pushes_refused), 0);
    state_set_disk(&world.state, 0, 0, 0);
    site_run(&world.state.site, 5000);
    assert_int_equal(datagrams_pushed() + datagrams_lost(), 100);
    end_in_order();
    check_what_is_left();
    state_close(&world.state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_disk_that_stands_still_loses_nothing_that_was_taken),
        cmocka_unit_test(what_was_told_is_there_afterwards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
