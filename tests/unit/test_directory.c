/* The directory: who is registered, which link is the newest, ports, flapping, order, threads. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/directory/directory.h"

static const struct directory_config usual = {
    .max_devices = 10000,
    .first_port = 20000,
    .last_port = 20002,
    .flap_count = 3,
    .flap_window_s = 60,
    .network_prefix_v4 = 16,
    .network_prefix_v6 = 32,
};

static struct directory *create(const struct directory_config *config)
{
    struct directory *directory;

    assert_int_equal(directory_create(config, &directory), STATUS_OK);
    return directory;
}

static struct plugin_identity identity_of(const char *serial)
{
    struct plugin_identity identity = {
        .kind = "irz-modem",
        .model = "ATM2-485",
        .firmware = "3.1",
        .hardware = "C",
        .signal_csq = 17,
    };
    snprintf(identity.serial, sizeof(identity.serial), "%s", serial);
    return identity;
}

static struct address from(uint8_t second, uint8_t last)
{
    return (struct address){.ip = {10, second, 0, last}, .port = 4000, .family = 4};
}

/* Registers link number id of a device in the scope "meters". */
static enum registration_result enter(struct directory *directory, const char *serial, uint64_t id,
                                      struct registration *out)
{
    struct plugin_identity identity = identity_of(serial);
    struct registration registration = {
        .scope = "meters",
        .identity = &identity,
        .link = {.id = id, .index = (uint32_t)id + 100, .shard = 2},
        .peer = from(1, (uint8_t)id),
        .listener = 5,
        .utc_ms = 1000 + id,
        .now_ms = id,
    };
    enum registration_result result = directory_register(directory, &registration);
    if (out != NULL)
        *out = registration;
    return result;
}

static struct link_ref reference(uint64_t id)
{
    return (struct link_ref){.id = id};
}

static struct device_info info_of(struct directory *directory, const struct device *device)
{
    struct device_info info;

    directory_get(directory, device, &info);
    return info;
}

static void test_first_registration(void **state)
{
    struct directory *directory = create(&usual);
    struct registration r;

    (void)state;
    assert_null(directory_find(directory, "meters", "868441"));
    assert_int_equal(enter(directory, "868441", 7, &r), REGISTERED_NEW);
    assert_int_equal(r.epoch, 1);
    assert_int_equal(r.direct_port, 20000);
    assert_ptr_equal(directory_find(directory, "meters", "868441"), r.device);
    assert_null(directory_find(directory, "other", "868441"));
    assert_null(directory_find(directory, "meters", "86844"));
    assert_string_equal(device_serial(r.device), "868441");

    struct device_info info = info_of(directory, r.device);
    assert_ptr_equal(info.device, r.device);
    assert_string_equal(info.scope, "meters");
    assert_string_equal(info.serial, "868441");
    assert_string_equal(info.kind, "irz-modem");
    assert_string_equal(info.model, "ATM2-485");
    assert_string_equal(info.firmware, "3.1");
    assert_string_equal(info.hardware, "C");
    assert_int_equal(info.first_seen_utc_ms, 1007);
    assert_int_equal(info.last_seen_utc_ms, 1007);
    assert_int_equal(info.peer.ip[3], 7);
    assert_int_equal(info.link.id, 7);
    assert_int_equal(info.link.index, 107);
    assert_int_equal(info.link.shard, 2);
    assert_int_equal(info.listener, 5);
    assert_int_equal(info.signal_csq, 17);
    assert_int_equal(info.state, DEVICE_IDLE);
    directory_free(directory);
}

static void test_scope_is_part_of_identity(void **state)
{
    struct directory *directory = create(&usual);
    struct plugin_identity identity = identity_of("1");
    struct registration r = {.scope = "a", .identity = &identity, .link = reference(1)};

    (void)state;
    assert_int_equal(directory_register(directory, &r), REGISTERED_NEW);
    struct device *first = r.device;
    r.scope = "b";
    r.link = reference(2);
    assert_int_equal(directory_register(directory, &r), REGISTERED_NEW);
    assert_true(r.device != first);
    assert_ptr_equal(directory_find(directory, "a", "1"), first);
    directory_free(directory);
}

static void test_comes_back(void **state)
{
    struct directory *directory = create(&usual);
    struct registration r;
    struct link_ref link = reference(1);

    (void)state;
    assert_int_equal(enter(directory, "1", 1, &r), REGISTERED_NEW);
    assert_true(directory_release(directory, r.device, &link, 5000));
    assert_false(directory_release(directory, r.device, &link, 5000));
    struct device_info info = info_of(directory, r.device);
    assert_int_equal(info.link.id, 0);
    assert_int_equal(info.state, DEVICE_OFFLINE);
    assert_int_equal(info.direct_port, 20000);
    assert_int_equal(info.last_seen_utc_ms, 1001); /* silence is no sight of it */

    assert_int_equal(enter(directory, "1", 2, &r), REGISTERED_AGAIN);
    assert_int_equal(r.epoch, 2);
    assert_int_equal(r.direct_port, 20000);
    info = info_of(directory, r.device);
    assert_int_equal(info.first_seen_utc_ms, 1001);
    assert_int_equal(info.last_seen_utc_ms, 1002);
    assert_int_equal(info.state, DEVICE_IDLE);
    directory_free(directory);
}

static void test_links_of_a_later_run(void **state)
{
    struct directory_config config = usual;
    struct registration r;
    struct link_ref link = reference(1);

    (void)state;
    config.first_epoch = 100;
    struct directory *directory = create(&config);
    assert_int_equal(enter(directory, "1", 1, &r), REGISTERED_NEW);
    assert_int_equal(r.epoch, 100);
    assert_true(directory_release(directory, r.device, &link, 5000));
    assert_int_equal(enter(directory, "1", 2, &r), REGISTERED_AGAIN);
    assert_int_equal(r.epoch, 101);
    directory_free(directory);
}

static void test_occupied_and_outdated(void **state)
{
    struct directory *directory = create(&usual);
    struct registration r;

    (void)state;
    assert_int_equal(enter(directory, "1", 5, NULL), REGISTERED_NEW);
    assert_int_equal(enter(directory, "1", 6, &r), REGISTRATION_OCCUPIED);
    assert_int_equal(r.occupant.id, 5);
    assert_int_equal(r.occupant.index, 105);
    assert_false(r.other_network);
    assert_false(r.flapping);
    assert_int_equal(info_of(directory, r.device).link.id, 5);
    assert_int_equal(info_of(directory, r.device).epoch, 1);

    assert_int_equal(enter(directory, "1", 4, &r), REGISTRATION_OUTDATED);
    assert_int_equal(r.occupant.id, 5);
    assert_int_equal(info_of(directory, r.device).link.id, 5);
    directory_free(directory);
}

static void test_other_network(void **state)
{
    struct directory *directory = create(&usual);
    struct plugin_identity identity = identity_of("1");
    struct registration r = {.scope = "meters", .identity = &identity, .link = reference(2)};

    (void)state;
    assert_int_equal(enter(directory, "1", 1, NULL), REGISTERED_NEW);
    r.peer = from(2, 1);
    assert_int_equal(directory_register(directory, &r), REGISTRATION_OCCUPIED);
    assert_true(r.other_network);
    r.peer = from(1, 200);
    assert_int_equal(directory_register(directory, &r), REGISTRATION_OCCUPIED);
    assert_false(r.other_network);
    directory_free(directory);
}

static void test_same_link_again(void **state)
{
    struct directory *directory = create(&usual);
    struct link_ref link = reference(1);
    struct registration r;
    struct directory_counts counts;

    (void)state;
    assert_int_equal(enter(directory, "1", 1, &r), REGISTERED_NEW);
    directory_set_in_session(directory, r.device, &link, true, 3000);
    assert_int_equal(enter(directory, "1", 1, &r), REGISTERED_AGAIN);
    assert_int_equal(r.epoch, 1);
    directory_count(directory, &counts);
    assert_int_equal(counts.online, 1);
    assert_int_equal(counts.in_session, 1);
    directory_free(directory);
}

/* Only the newest link speaks for its device. */
static void test_older_links_are_ignored(void **state)
{
    struct directory *directory = create(&usual);
    struct link_ref older = reference(1);
    struct link_ref newer = reference(2);
    struct link_ref none = reference(0);
    struct registration r;

    (void)state;
    assert_int_equal(enter(directory, "1", 1, &r), REGISTERED_NEW);
    directory_replaced(directory, r.device, &older, 10);
    assert_int_equal(info_of(directory, r.device).state, DEVICE_OFFLINE);
    directory_set_signal(directory, r.device, &none, 1);
    directory_set_bytes(directory, r.device, &none, &(struct link_bytes){1, 1});
    assert_int_equal(info_of(directory, r.device).bytes.received, 0);
    directory_set_in_session(directory, r.device, &none, true, 1);
    assert_false(directory_release(directory, r.device, &none, 1));
    assert_int_equal(enter(directory, "1", 2, &r), REGISTERED_AGAIN);

    directory_set_signal(directory, r.device, &older, 3);
    directory_set_bytes(directory, r.device, &older, &(struct link_bytes){1, 1});
    directory_set_in_session(directory, r.device, &older, true, 4000);
    assert_false(directory_release(directory, r.device, &older, 4000));
    directory_replaced(directory, r.device, &older, 20);
    struct device_info info = info_of(directory, r.device);
    assert_int_equal(info.signal_csq, 17);
    assert_int_equal(info.state, DEVICE_IDLE);
    assert_int_equal(info.link.id, 2);
    assert_int_equal(info.bytes.received, 0);

    directory_set_signal(directory, r.device, &newer, 3);
    directory_set_in_session(directory, r.device, &newer, true, 4000);
    info = info_of(directory, r.device);
    assert_int_equal(info.signal_csq, 3);
    assert_int_equal(info.state, DEVICE_IN_SESSION);
    assert_int_equal(info.last_seen_utc_ms, 4000);
    directory_free(directory);
}

/* They are the newest link's, and stay when it is gone. */
static void test_bytes(void **state)
{
    struct directory *directory = create(&usual);
    struct link_ref first = reference(1);
    struct registration r;

    (void)state;
    assert_int_equal(enter(directory, "1", 1, &r), REGISTERED_NEW);
    directory_set_bytes(directory, r.device, &first, &(struct link_bytes){UINT32_MAX, 7});
    assert_int_equal(enter(directory, "1", 1, &r), REGISTERED_AGAIN); /* the same link */
    assert_true(directory_release(directory, r.device, &first, 1));
    assert_int_equal(info_of(directory, r.device).bytes.received, UINT32_MAX);
    assert_int_equal(info_of(directory, r.device).bytes.sent, 7);
    assert_int_equal(enter(directory, "1", 2, &r), REGISTERED_AGAIN);
    assert_int_equal(info_of(directory, r.device).bytes.received, 0);
    assert_int_equal(info_of(directory, r.device).bytes.sent, 0);
    directory_free(directory);
}

static void test_counts(void **state)
{
    struct directory *directory = create(&usual);
    struct registration first;
    struct registration second;
    struct link_ref one = reference(1);
    struct link_ref two = reference(2);
    struct directory_counts counts;

    (void)state;
    assert_int_equal(enter(directory, "1", 1, &first), REGISTERED_NEW);
    assert_int_equal(enter(directory, "2", 2, &second), REGISTERED_NEW);
    directory_set_in_session(directory, first.device, &one, true, 9000);
    directory_set_in_session(directory, first.device, &one, true, 9000);
    directory_set_in_session(directory, second.device, &two, true, 9000);
    directory_set_in_session(directory, second.device, &two, false, 9001);
    assert_int_equal(info_of(directory, second.device).last_seen_utc_ms, 9001);
    directory_count(directory, &counts);
    assert_int_equal(counts.devices, 2);
    assert_int_equal(counts.online, 2);
    assert_int_equal(counts.in_session, 1);
    assert_int_equal(counts.ports_leased, 2);
    assert_int_equal(counts.replacements, 0);

    assert_true(directory_release(directory, first.device, &one, 9500));
    assert_int_equal(info_of(directory, first.device).last_seen_utc_ms, 9500); /* session's end */
    directory_replaced(directory, second.device, &two, 1);
    directory_count(directory, &counts);
    assert_int_equal(counts.devices, 2);
    assert_int_equal(counts.online, 0);
    assert_int_equal(counts.in_session, 0);
    assert_int_equal(counts.replacements, 1);
    directory_free(directory);
}

static void test_ports_run_out(void **state)
{
    struct directory *directory = create(&usual);
    struct registration r;
    struct directory_counts counts;
    char serial[8];

    (void)state;
    for (uint64_t i = 1; i <= 5; i++) {
        snprintf(serial, sizeof(serial), "%u", (unsigned)i);
        assert_int_equal(enter(directory, serial, i, &r), REGISTERED_NEW);
        assert_int_equal(r.direct_port, i <= 3 ? 19999 + i : 0);
    }
    struct link_ref link = reference(2);
    struct device *device = directory_find(directory, "meters", "2");
    assert_true(directory_release(directory, device, &link, 1));
    assert_int_equal(enter(directory, "6", 6, &r), REGISTERED_NEW);
    assert_int_equal(r.direct_port, 0); /* 20001 stays with device 2 */
    assert_int_equal(enter(directory, "2", 7, &r), REGISTERED_AGAIN);
    assert_int_equal(r.direct_port, 20001);
    directory_count(directory, &counts);
    assert_int_equal(counts.ports_leased, 3);
    directory_free(directory);
}

static void test_no_ports(void **state)
{
    struct directory_config config = {.max_devices = 10};
    struct directory *directory = create(&config);
    struct registration r;

    (void)state;
    assert_int_equal(enter(directory, "1", 1, &r), REGISTERED_NEW);
    assert_int_equal(r.direct_port, 0);
    directory_free(directory);
}

static void test_last_port_of_all(void **state)
{
    struct directory_config config = {.max_devices = 10, .first_port = 65535, .last_port = 65535};
    struct directory *directory = create(&config);
    struct registration r;

    (void)state;
    assert_int_equal(enter(directory, "1", 1, &r), REGISTERED_NEW);
    assert_int_equal(r.direct_port, 65535);
    assert_int_equal(enter(directory, "2", 2, &r), REGISTERED_NEW);
    assert_int_equal(r.direct_port, 0);
    directory_free(directory);
}

static void test_full(void **state)
{
    struct directory_config config = {.max_devices = 2};
    struct directory *directory = create(&config);
    struct registration r;
    struct link_ref link = reference(1);

    (void)state;
    assert_int_equal(enter(directory, "1", 1, &r), REGISTERED_NEW);
    struct device *device = r.device;
    assert_int_equal(enter(directory, "2", 2, NULL), REGISTERED_NEW);
    assert_int_equal(enter(directory, "3", 3, &r), REGISTRATION_FULL);
    assert_null(r.device);
    assert_null(directory_find(directory, "meters", "3"));
    assert_true(directory_release(directory, device, &link, 1));
    assert_int_equal(enter(directory, "1", 4, NULL), REGISTERED_AGAIN); /* known ones still may */
    directory_free(directory);
}

/* Replaces the device's newest link, `from` to `from + 1`, at now_ms. */
static void replace(struct directory *directory, struct device *device, uint64_t id,
                    uint64_t now_ms)
{
    struct link_ref link = reference(id);

    directory_replaced(directory, device, &link, now_ms);
    assert_int_equal(enter(directory, device_serial(device), id + 1, NULL), REGISTERED_AGAIN);
}

static bool flaps(struct directory *directory, uint64_t now_ms)
{
    struct plugin_identity identity = identity_of("1");
    struct registration r = {
        .scope = "meters",
        .identity = &identity,
        .link = reference(1000),
        .now_ms = now_ms,
    };

    assert_int_equal(directory_register(directory, &r), REGISTRATION_OCCUPIED);
    return r.flapping;
}

static void test_flapping(void **state)
{
    struct directory *directory = create(&usual);
    struct registration r;
    struct directory_counts counts;

    (void)state;
    assert_int_equal(enter(directory, "1", 1, &r), REGISTERED_NEW);
    replace(directory, r.device, 1, 100000);
    replace(directory, r.device, 2, 110000);
    assert_false(flaps(directory, 110001));
    replace(directory, r.device, 3, 120000);
    assert_true(flaps(directory, 120001));
    assert_true(flaps(directory, 99999)); /* a shard whose clock is a little behind */
    assert_true(flaps(directory, 159999));
    assert_false(flaps(directory, 160000)); /* the window is over */
    directory_count(directory, &counts);
    assert_int_equal(counts.flapping, 3);
    assert_int_equal(counts.replacements, 3);
    replace(directory, r.device, 4, 170000); /* counts from one again */
    replace(directory, r.device, 5, 170001);
    assert_false(flaps(directory, 170002));
    directory_free(directory);
}

static void test_texts_follow_the_newest_link(void **state)
{
    struct directory *directory = create(&usual);
    struct plugin_identity identity = identity_of("1");
    struct registration r = {.scope = "meters", .identity = &identity, .link = reference(1)};
    struct link_ref link = reference(1);

    (void)state;
    assert_int_equal(directory_register(directory, &r), REGISTERED_NEW);
    struct device_info before = info_of(directory, r.device);
    assert_true(directory_release(directory, r.device, &link, 1));
    memset(identity.firmware, 'x', sizeof(identity.firmware)); /* without NUL */
    identity.model[0] = '\0';
    r.link = reference(2);
    assert_int_equal(directory_register(directory, &r), REGISTERED_AGAIN);
    struct device_info after = info_of(directory, r.device);
    assert_string_equal(after.firmware, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    assert_string_equal(after.model, "");
    assert_string_equal(before.firmware, "3.1"); /* lives on */
    assert_ptr_equal(before.hardware, after.hardware);
    directory_free(directory);
}

static void test_longest_serial(void **state)
{
    struct directory *directory = create(&usual);
    struct plugin_identity identity = identity_of("");
    struct registration r = {.scope = "meters", .identity = &identity, .link = reference(1)};

    (void)state;
    memset(identity.serial, '9', sizeof(identity.serial)); /* without NUL */
    assert_int_equal(directory_register(directory, &r), REGISTERED_NEW);
    assert_int_equal(strlen(device_serial(r.device)), PLUGIN_SERIAL_SIZE - 1);
    assert_ptr_equal(directory_find(directory, "meters", device_serial(r.device)), r.device);
    assert_null(directory_find(directory, "meters", "99999999999999999999999999999999999999999"));
    directory_free(directory);
}

/* A flood of invented firmware names fills its pool, and nothing else. */
static void test_too_many_texts(void **state)
{
    struct directory_config config = {.max_devices = 70001};
    struct directory *directory = create(&config);
    struct plugin_identity identity = identity_of("");
    struct registration r = {.scope = "meters", .identity = &identity};

    (void)state;
    for (uint32_t i = 0; i < 70000; i++) {
        snprintf(identity.serial, sizeof(identity.serial), "%u", i);
        snprintf(identity.firmware, sizeof(identity.firmware), "f%u", i);
        r.link = reference(i + 1);
        assert_int_equal(directory_register(directory, &r), REGISTERED_NEW);
    }
    assert_string_equal(info_of(directory, r.device).firmware, "(many)");
    struct device *early = directory_find(directory, "meters", "3");
    assert_string_equal(info_of(directory, early).firmware, "f3");
    snprintf(identity.serial, sizeof(identity.serial), "new");
    snprintf(identity.model, sizeof(identity.model), "new model");
    snprintf(identity.firmware, sizeof(identity.firmware), "f3");
    r.link = reference(80000);
    assert_int_equal(directory_register(directory, &r), REGISTERED_NEW);
    assert_string_equal(info_of(directory, r.device).model, "new model");
    assert_string_equal(info_of(directory, r.device).firmware, "f3");
    directory_free(directory);
}

struct seen {
    uint32_t count;
    uint32_t stop_after;
};

static bool in_order(const struct device_info *info, void *context)
{
    struct seen *seen = context;
    char serial[16];

    snprintf(serial, sizeof(serial), "d%u", seen->count++);
    assert_string_equal(info->serial, serial);
    return seen->count != seen->stop_after;
}

static void test_walk(void **state)
{
    struct directory *directory = create(&usual);
    struct seen seen = {0};
    char serial[16];

    (void)state;
    assert_int_equal(directory_walk(directory, 0, in_order, &seen), 0);
    for (uint32_t i = 0; i < 9000; i++) {
        snprintf(serial, sizeof(serial), "d%u", i);
        assert_int_equal(enter(directory, serial, i + 1, NULL), REGISTERED_NEW);
    }
    seen.stop_after = 5000;
    uint64_t next = directory_walk(directory, 0, in_order, &seen);
    assert_int_equal(next, 5000);
    next = directory_walk(directory, next, in_order, &seen);
    assert_int_equal(next, 9000);
    assert_int_equal(seen.count, 9000);
    assert_int_equal(directory_walk(directory, next, in_order, &seen), 9000);
    assert_int_equal(directory_walk(directory, UINT64_MAX, in_order, &seen), UINT64_MAX);
    assert_int_equal(seen.count, 9000);
    directory_free(directory);
}

static void test_state_names(void **state)
{
    (void)state;
    assert_string_equal(device_state_name(DEVICE_OFFLINE), "offline");
    assert_string_equal(device_state_name(DEVICE_IDLE), "idle");
    assert_string_equal(device_state_name(DEVICE_IN_SESSION), "in session");
}

/* ---- threads ---- */

enum { THREADS = 4, ROUNDS = 20, SERIALS = 200 };

struct worker {
    pthread_t thread;
    struct directory *directory;
    uint32_t number;
    uint32_t new_devices;
    uint32_t ports;
};

static _Atomic uint64_t link_ids = 1;

/* As a shard would: register, replace an older link, work with it, release it. */
static void live_once(struct worker *worker, uint32_t device_number)
{
    struct registration r;
    char serial[16];
    enum registration_result result;
    uint64_t id = link_ids++;

    snprintf(serial, sizeof(serial), "t%u", device_number);
    while ((result = enter(worker->directory, serial, id, &r)) == REGISTRATION_OCCUPIED)
        directory_replaced(worker->directory, r.device, &r.occupant, id);
    if (result == REGISTRATION_OUTDATED)
        return;
    if (result == REGISTERED_NEW) {
        worker->new_devices++;
        worker->ports += r.direct_port != 0;
    }
    struct link_ref link = reference(id);
    directory_set_in_session(worker->directory, r.device, &link, true, id);
    directory_set_signal(worker->directory, r.device, &link, 9);
    if (device_number % 2 == 0)
        directory_set_in_session(worker->directory, r.device, &link, false, id);
    if (device_number % 3 == 0)
        (void)directory_release(worker->directory, r.device, &link, id);
}

static void *live(void *argument)
{
    struct worker *worker = argument;

    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (uint32_t i = 0; i < SERIALS; i++)
            live_once(worker, (i * 7 + worker->number) % SERIALS);
    }
    return NULL;
}

static bool count_one(const struct device_info *info, void *context)
{
    uint32_t *count = context;

    if (strcmp(info->kind, "irz-modem") == 0 && info->serial[0] == 't' && info->epoch > 0)
        ++*count;
    return true;
}

static void test_threads(void **state)
{
    struct directory *directory = create(&usual);
    struct worker workers[THREADS];
    struct directory_counts counts;
    uint32_t new_devices = 0;
    uint32_t ports = 0;
    uint32_t walked = 0;

    (void)state;
    for (uint32_t i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.directory = directory, .number = i};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, live, &workers[i]), 0);
    }
    for (unsigned round = 0; round < 20; round++) {
        walked = 0;
        uint64_t end = directory_walk(directory, 0, count_one, &walked);
        assert_int_equal(walked, end);
        directory_count(directory, &counts);
        assert_true(counts.in_session <= SERIALS && counts.devices <= SERIALS);
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        new_devices += workers[i].new_devices;
        ports += workers[i].ports;
    }
    assert_int_equal(new_devices, SERIALS);
    assert_int_equal(ports, 3);
    walked = 0;
    assert_int_equal(directory_walk(directory, 0, count_one, &walked), SERIALS);
    assert_int_equal(walked, SERIALS);
    directory_count(directory, &counts);
    assert_int_equal(counts.devices, SERIALS);
    assert_true(counts.online <= SERIALS && counts.in_session <= counts.online);
    directory_free(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_registration),
        cmocka_unit_test(test_scope_is_part_of_identity),
        cmocka_unit_test(test_comes_back),
        cmocka_unit_test(test_links_of_a_later_run),
        cmocka_unit_test(test_occupied_and_outdated),
        cmocka_unit_test(test_other_network),
        cmocka_unit_test(test_same_link_again),
        cmocka_unit_test(test_older_links_are_ignored),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_ports_run_out),
        cmocka_unit_test(test_no_ports),
        cmocka_unit_test(test_last_port_of_all),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_flapping),
        cmocka_unit_test(test_texts_follow_the_newest_link),
        cmocka_unit_test(test_longest_serial),
        cmocka_unit_test(test_too_many_texts),
        cmocka_unit_test(test_walk),
        cmocka_unit_test(test_state_names),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
