/* The northbound under many seeds: a consumer that comes and goes at any point, over a network with
 * all its faults, while events are recorded. It is sent every event, in order; again only what it
 * had not acknowledged; and when all is over nothing is left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "codec/proto/event.h"
#include "tests/sim/north.h"
#include "tests/sim/quiet_log.h"

/* ---- the consumer ---- */

static void send_request(const Cenc__V1__EventsRequest *request)
{
    uint8_t bytes[512];
    size_t size;
    SEEDS_REQUIRE(proto_pack(&request->base, bytes, sizeof bytes, &size) == CODEC_OK);
    hes_send(&world.hes, bytes, size);
}

static void acknowledge(uint64_t sequence)
{
    Cenc__V1__EventsRequest request = CENC__V1__EVENTS_REQUEST__INIT;
    Cenc__V1__Acknowledge body = CENC__V1__ACKNOWLEDGE__INIT;
    body.sequence = sequence;
    request.request_case = CENC__V1__EVENTS_REQUEST__REQUEST_ACKNOWLEDGE;
    request.acknowledge = &body;
    send_request(&request);
    if (sequence > world.acknowledged)
        world.acknowledged = sequence;
}

static void check_event(const Cenc__V1__Event *event)
{
    char node[24];
    uint64_t sequence = event->sequence;
    SEEDS_REQUIRE(sequence > world.last_in_stream && sequence <= world.committed);
    SEEDS_REQUIRE(north_is_event(sequence));
    (void)snprintf(node, sizeof node, "n%llu", (unsigned long long)sequence);
    SEEDS_REQUIRE(strcmp(event->node, node) == 0);
    /* nothing is left out, neither in the stream nor between streams */
    uint64_t before = world.last_in_stream > 0 ? world.last_in_stream : world.log;
    for (uint64_t i = before + 1; i < sequence; i++)
        SEEDS_REQUIRE(!north_is_event(i));
    world.last_in_stream = sequence;
    if (sequence <= world.log)
        world.repeats++;
    else
        world.log = sequence;
}

static void got(struct hes *hes, const uint8_t *message, size_t size)
{
    Cenc__V1__EventsResponse *response = cenc__v1__events_response__unpack(NULL, size, message);
    (void)hes;
    SEEDS_REQUIRE(response != NULL);
    for (size_t i = 0; i < response->n_events; i++)
        check_event(response->events[i]);
    SEEDS_REQUIRE(response->through >= world.last_in_stream &&
                  response->through <= response->newest_sequence);
    if (world.log < response->through)
        world.log = response->through;
    world.last_in_stream = response->through;
    if (!sim_chance(world.sim, 300))
        acknowledge(response->through);
    if (sim_chance(world.sim, 50) && response->through > 3)
        acknowledge(response->through - sim_below(world.sim, 3));
    cenc__v1__events_response__free_unpacked(response, NULL);
}

static void subscribe(void)
{
    Cenc__V1__EventsRequest request = CENC__V1__EVENTS_REQUEST__INIT;
    Cenc__V1__Subscribe body = CENC__V1__SUBSCRIBE__INIT;
    body.max_unacknowledged_events =
        sim_chance(world.sim, 500) ? 0 : 1 + (uint32_t)sim_below(world.sim, 50);
    /* from what it has itself, or from what it has acknowledged */
    if (sim_chance(world.sim, 300)) {
        body.start = CENC__V1__START__START_SEQUENCE;
        body.from_sequence = world.log + 1;
    }
    request.request_case = CENC__V1__EVENTS_REQUEST__REQUEST_SUBSCRIBE;
    request.subscribe = &body;
    send_request(&request);
    world.last_in_stream = 0;
    world.streams++;
}

static void come(void)
{
    static const struct address from = {.ip = {10, 0, 0, 1}, .family = 4};
    if (!hes_connect(&world.hes, world.sim, &world.address, &from))
        return;
    world.hes.got = got;
    hes_call(&world.hes, "/cenc.v1.Northbound/Events", NORTH_TOKEN);
    subscribe();
}

static void consumer_step(unsigned leaving)
{
    if (world.hes.peer == NULL) {
        if (sim_chance(world.sim, 100))
            come();
        return;
    }
    hes_pump(&world.hes);
    if (world.hes.closed) {
        /* aborted: the server still had an older stream of it, or the network broke */
        SEEDS_REQUIRE(world.hes.status == -1 || world.hes.status == GRPC_ABORTED);
        hes_leave(&world.hes, HES_CLOSE);
    } else if (world.last_in_stream > 0 && sim_chance(world.sim, 20)) {
        acknowledge(world.last_in_stream); /* or a small window stays closed */
    } else if (sim_chance(world.sim, leaving)) {
        hes_leave(&world.hes, (enum hes_end)sim_below(world.sim, 4));
    }
}

/* ---- the run ---- */

#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        unsigned steps_left = DUO_MAX_STEPS;                                                       \
        while (!(condition)) {                                                                     \
            SEEDS_REQUIRE(steps_left-- > 0);                                                       \
            consumer_step(0);                                                                      \
            north_step();                                                                          \
        }                                                                                          \
    } while (0)

static void run_seed(uint64_t seed)
{
    struct sim_options options;
    memset(&world, 0, sizeof world);
    sim_options_random(&options, seed);
    /* the disk's faults are another property's business */
    options.file_error = options.file_full = 0;
    options.disk_bytes = 0;
    world.sim = sim_create(&options);
    north_start();
    unsigned appends = (unsigned)sim_below(world.sim, 300);
    unsigned leaving = (unsigned)sim_below(world.sim, 20);
    unsigned steps = (unsigned)sim_below(world.sim, 8000);
    for (unsigned i = 0; i < steps; i++) {
        if (sim_chance(world.sim, appends))
            north_append(NULL);
        consumer_step(leaving);
        north_step();
        /* a list of devices mustn't promise more than the directory was told */
        SEEDS_REQUIRE(northbound_told(world.northbound) <= world.committed);
    }
    /* on a good network it has all of it soon */
    sim_calm_down(world.sim);
    north_append(NULL);
    UNTIL(world.committed == world.appended);
    UNTIL(world.log >= world.appended);
    UNTIL(northbound_told(world.northbound) == world.appended);
    north_stop();
    sim_destroy(world.sim);
}

static void a_consumer_gets_all_events_in_order(void **state)
{
    (void)state;
    seeds_run("northbound", 300, run_seed);
}

/* Somebody who connects, speaks HTTP/2 and never logs in holds a place that others need: also one
 * who never ends the only request that a stranger may make. */
static void a_stranger_is_sent_away(uint64_t seed)
{
    static const struct address from = {.ip = {10, 0, 0, 3}, .family = 4};
    static const char nobody[] = "somebody-somebody-somebody-somebody";
    struct sim_options options;
    memset(&world, 0, sizeof world);
    sim_options_calm(&options, seed);
    world.sim = sim_create(&options);
    north_start();
    UNTIL(hes_connect(&world.hes, world.sim, &world.address, &from));
    world.hes.got = got;
    if (sim_chance(world.sim, 300))
        hes_call(&world.hes, "/cenc.v1.Northbound/Events", nobody);
    else if (sim_chance(world.sim, 500))
        hes_call(&world.hes, "/grpc.health.v1.Health/Check", nobody);
    uint64_t came_ms = sim_now_ms(world.sim);
    for (unsigned i = 0; !world.hes.closed || sim_peer_state(world.hes.peer) == SIM_PEER_CONNECTED;
         i++) {
        SEEDS_REQUIRE(i < DUO_MAX_STEPS);
        hes_pump(&world.hes);
        north_step();
    }
    SEEDS_REQUIRE(sim_now_ms(world.sim) - came_ms < 30000);
    hes_leave(&world.hes, HES_CLOSE);
    north_stop();
    sim_destroy(world.sim);
}

static void strangers_are_sent_away(void **state)
{
    (void)state;
    seeds_run("northbound-stranger", 20, a_stranger_is_sent_away);
}

/* The journal told a consumer of a device, who asks for it at once: its shard comes to know that
 * the record is on the disk a moment later. It was "no such device", and wasn't announced. */
static void a_device_that_was_just_recorded(void **state)
{
    const struct directory_config config = {.max_devices = 10, .recorded = true};
    const struct plugin_identity identity = {.serial = "867793"};
    struct registration registration = {
        .scope = "default", .identity = &identity, .link = {.id = 1}, .utc_ms = 1};
    struct directory *directory = NULL;

    (void)state;
    assert_int_equal(directory_create(&config, &directory), STATUS_OK);
    assert_int_equal(directory_register(directory, &registration), REGISTERED_NEW);
    assert_null(directory_known(directory, "default", "867793"));
    assert_ptr_equal(registry_device(directory, "default", "867793"), registration.device);
    assert_null(registry_device(directory, "default", "867794"));
    directory_free(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_that_was_just_recorded),
        cmocka_unit_test(a_consumer_gets_all_events_in_order),
        cmocka_unit_test(strangers_are_sent_away),
    };
    return cmocka_run_group_tests(tests, quiet_log_start, quiet_log_stop);
}
