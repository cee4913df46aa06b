/* What the northbound does by the clock, in a time that passes quickly: pings, statuses and
 * announcements again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "codec/proto/text.h"
#include "tests/sim/north.h"
#include "tests/sim/quiet_log.h"
#include "tests/sim/seeds.h"

static void begin(uint64_t seed)
{
    static const struct address from = {.ip = {10, 0, 0, 1}, .family = 4};
    struct sim_options options;
    memset(&world, 0, sizeof world);
    sim_options_calm(&options, seed);
    world.sim = sim_create(&options);
    north_start();
    while (!hes_connect(&world.hes, world.sim, &world.address, &from))
        north_step();
}

static void pass(uint64_t ms)
{
    uint64_t until_ms = sim_now_ms(world.sim) + ms;
    while (sim_now_ms(world.sim) < until_ms) {
        if (world.hes.peer != NULL)
            hes_pump(&world.hes);
        north_step();
    }
}

static uint64_t connections(void)
{
    return atomic_load(&world.northbound->http2.counters.connections);
}

static struct {
    unsigned rounds;
    unsigned statuses;
    uint32_t csq; /* of the last one; 0: not known */
    int64_t last_activity_unix_ms;
} watched;

static void got_status(struct hes *hes, const uint8_t *message, size_t size)
{
    Cenc__V1__WatchDevicesResponse *response =
        cenc__v1__watch_devices_response__unpack(NULL, size, message);
    (void)hes;
    SEEDS_REQUIRE(response != NULL);
    watched.rounds += response->complete != 0;
    watched.statuses += (unsigned)response->n_devices;
    for (size_t i = 0; i < response->n_devices; i++) {
        const Cenc__V1__DeviceStatus *status = response->devices[i];
        watched.csq = status->signal != NULL ? status->signal->csq : 0;
        watched.last_activity_unix_ms = status->last_activity_unix_ms;
    }
    cenc__v1__watch_devices_response__free_unpacked(response, NULL);
}

static void watch_devices(uint32_t coalesce_ms, uint32_t repeat_s)
{
    Cenc__V1__WatchDevicesRequest request = CENC__V1__WATCH_DEVICES_REQUEST__INIT;
    uint8_t bytes[64];
    size_t size;
    request.coalesce_ms = coalesce_ms;
    request.repeat_s = repeat_s;
    SEEDS_REQUIRE(proto_pack(&request.base, bytes, sizeof bytes, &size) == CODEC_OK);
    hes_call(&world.hes, "/cenc.v1.Northbound/WatchDevices", NORTH_TOKEN);
    hes_send(&world.hes, bytes, size);
    hes_finish(&world.hes);
    world.hes.got = got_status;
    watched.rounds = watched.statuses = 0;
}

/* Whoever answers pings stays; whoever doesn't may as well have lost its network. */
static void who_vanishes_is_let_go(void **state)
{
    (void)state;
    begin(1);
    watch_devices(0, 0);
    pass(300000);
    assert_int_equal(watched.rounds, 1);
    assert_false(world.hes.closed);
    assert_int_equal(connections(), 1);
    hes_leave(&world.hes, HES_VANISH);
    pass(15000);
    assert_int_equal(connections(), 1);
    pass(40000);
    assert_int_equal(connections(), 0);
    north_stop();
    sim_destroy(world.sim);
}

/* All of them again after each time that was asked for; and many changes in a short time are one
 * report. */
static void statuses_come_again_and_coalesced(void **state)
{
    const struct plugin_identity identity = {.serial = "867793"};
    struct registration registration = {
        .scope = "default", .identity = &identity, .link = {.id = 1}, .utc_ms = 1};
    Cenc__V1__Device device = CENC__V1__DEVICE__INIT;

    (void)state;
    begin(2);
    assert_int_equal(directory_register(world.directory, &registration), REGISTERED_NEW);
    watch_devices(2000, 60);
    pass(10000);
    assert_int_equal(watched.rounds, 1);
    assert_int_equal(watched.statuses, 1);
    device.scope = proto_string("default");
    device.serial = proto_string("867793");
    uint64_t began_ms = sim_now_ms(world.sim);
    for (unsigned i = 0; i < 30; i++) {
        north_append(&device);
        while (world.committed < world.appended)
            pass(1);
    }
    pass(5000);
    uint64_t took_ms = sim_now_ms(world.sim) - began_ms;
    assert_true(took_ms < 48000);
    assert_int_equal(watched.rounds, 1);
    assert_in_range(watched.statuses, 2, 2 + took_ms / 2000);
    pass(300000);
    assert_in_range(watched.rounds, 5, 6);
    assert_true(watched.statuses < 30);
    north_stop();
    sim_destroy(world.sim);
}

static struct registration registered(void)
{
    static const struct plugin_identity identity = {.serial = "867793", .signal_csq = 9};
    struct registration registration = {
        .scope = "default", .identity = &identity, .link = {.id = 1}, .utc_ms = 1700000000000};

    assert_int_equal(directory_register(world.directory, &registration), REGISTERED_NEW);
    return registration;
}

/* No event tells of a signal, and it is told all the same; many in a short time are one report. */
static void a_signal_alone_is_a_change(void **state)
{
    (void)state;
    begin(3);
    struct registration device = registered();
    watch_devices(2000, 86400);
    pass(10000);
    assert_int_equal(watched.statuses, 1);
    assert_int_equal(watched.csq, 9);
    directory_set_signal(world.directory, device.device, &device.link, 20);
    pass(10000);
    assert_int_equal(watched.statuses, 2);
    assert_int_equal(watched.csq, 20);
    directory_set_signal(world.directory, device.device, &device.link, 20);
    pass(10000);
    assert_int_equal(watched.statuses, 2);
    uint64_t began_ms = sim_now_ms(world.sim);
    for (unsigned i = 0; i < 100; i++) {
        directory_set_signal(world.directory, device.device, &device.link, (uint8_t)(i % 31));
        pass(100);
    }
    pass(10000);
    uint64_t took_ms = sim_now_ms(world.sim) - began_ms;
    assert_in_range(watched.statuses, 3, 3 + took_ms / 2000);
    assert_true(watched.statuses < 80);
    assert_int_equal(watched.csq, 99 % 31);
    assert_int_equal(watched.rounds, 1);
    north_stop();
    sim_destroy(world.sim);
}

static void last_activity_is_in_a_status(void **state)
{
    Cenc__V1__Device key = CENC__V1__DEVICE__INIT;

    (void)state;
    begin(4);
    struct registration device = registered();
    watch_devices(2000, 60);
    pass(10000);
    assert_int_equal(watched.last_activity_unix_ms, 1700000000000);
    directory_set_in_session(world.directory, device.device, &device.link, true, 1700000005000);
    key.scope = proto_string("default");
    key.serial = proto_string("867793");
    north_append(&key);
    pass(10000);
    assert_int_equal(watched.rounds, 1);
    assert_int_equal(watched.last_activity_unix_ms, 1700000005000);
    /* alone it is no change: it comes when all do */
    directory_seen(world.directory, device.device, 1700000006000);
    pass(10000);
    assert_int_equal(watched.last_activity_unix_ms, 1700000005000);
    pass(60000);
    assert_int_equal(watched.rounds, 2);
    assert_int_equal(watched.last_activity_unix_ms, 1700000006000);
    north_stop();
    sim_destroy(world.sim);
}

/* ---- registrations ---- */

static unsigned announced;

static void got_registrations(struct hes *hes, const uint8_t *message, size_t size)
{
    Cenc__V1__WatchRegistrationsResponse *response =
        cenc__v1__watch_registrations_response__unpack(NULL, size, message);
    (void)hes;
    SEEDS_REQUIRE(response != NULL);
    announced += (unsigned)response->n_devices;
    cenc__v1__watch_registrations_response__free_unpacked(response, NULL);
}

static void watch_registrations(uint32_t repeat_s)
{
    Cenc__V1__WatchRegistrationsRequest request = CENC__V1__WATCH_REGISTRATIONS_REQUEST__INIT;
    uint8_t bytes[64];
    size_t size;
    request.repeat_s = repeat_s;
    SEEDS_REQUIRE(proto_pack(&request.base, bytes, sizeof bytes, &size) == CODEC_OK);
    hes_call(&world.hes, "/cenc.v1.Northbound/WatchRegistrations", NORTH_TOKEN);
    hes_send(&world.hes, bytes, size);
    hes_finish(&world.hes);
    world.hes.got = got_registrations;
    announced = 0;
}

static void got_answer(struct hes *hes, const uint8_t *message, size_t size)
{
    (void)hes;
    (void)message;
    (void)size;
}

/* By a connection of its own. */
static void accept_registration(void)
{
    static const struct address from = {.ip = {10, 0, 0, 3}, .family = 4};
    struct hes hes = {.status = -1};
    Cenc__V1__ReportRegistrationRequest request = CENC__V1__REPORT_REGISTRATION_REQUEST__INIT;
    Cenc__V1__DeviceKey key = CENC__V1__DEVICE_KEY__INIT;
    uint8_t bytes[128];
    size_t size;
    key.scope = proto_string("default");
    key.serial = proto_string("867793");
    request.device = &key;
    request.answer_case = CENC__V1__REPORT_REGISTRATION_REQUEST__ANSWER_ACCEPTED_ID;
    request.accepted_id = proto_string("17");
    SEEDS_REQUIRE(proto_pack(&request.base, bytes, sizeof bytes, &size) == CODEC_OK);
    while (!hes_connect(&hes, world.sim, &world.address, &from))
        pass(1);
    hes.got = got_answer;
    hes_call(&hes, "/cenc.v1.Northbound/ReportRegistration", NORTH_TOKEN);
    hes_send(&hes, bytes, size);
    hes_finish(&hes);
    for (unsigned i = 0; i < 100000 && !hes.closed; i++) {
        hes_pump(&hes);
        pass(1);
    }
    assert_int_equal(hes.status, GRPC_OK);
    hes_leave(&hes, HES_CLOSE);
}

static void announced_again_until_the_answer(void **state)
{
    Cenc__V1__Device key = CENC__V1__DEVICE__INIT;

    (void)state;
    begin(5);
    (void)registered();
    key.scope = proto_string("default");
    key.serial = proto_string("867793");
    watch_registrations(60);
    pass(10000);
    assert_int_equal(announced, 0);
    north_append_added(&key);
    pass(10000);
    assert_int_equal(announced, 1);
    pass(30000);
    assert_int_equal(announced, 1);
    pass(20000);
    assert_int_equal(announced, 2);
    pass(180000);
    assert_int_equal(announced, 5);
    accept_registration();
    unsigned told = announced;
    pass(300000);
    assert_int_equal(announced, told);
    assert_false(world.hes.closed);
    north_stop();
    sim_destroy(world.sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_vanishes_is_let_go),
        cmocka_unit_test(statuses_come_again_and_coalesced),
        cmocka_unit_test(a_signal_alone_is_a_change),
        cmocka_unit_test(last_activity_is_in_a_status),
        cmocka_unit_test(announced_again_until_the_answer),
    };
    return cmocka_run_group_tests(tests, quiet_log_start, quiet_log_stop);
}
