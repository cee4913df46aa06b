/* What events and devices mean in Redis: the operations that are written for them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/redis/projection.h"

static struct command command;
static Cenc__V1__Device device;
static Cenc__V1__Event event;

static void begin(Cenc__V1__Event__BodyCase body)
{
    cenc__v1__device__init(&device);
    device.scope = proto_string("default");
    device.serial = proto_string("868");
    device.kind = proto_string("irz-modem");
    device.model = proto_string("ATM21");
    device.firmware = proto_string("2.0");
    cenc__v1__event__init(&event);
    event.device = &device;
    event.received_unix_ms = 1000;
    event.link_epoch = 7;
    event.body_case = body;
}

static void assert_command(const char *expected)
{
    char text[1024] = "";

    for (uint32_t i = 0; i < command.count; i++) {
        size_t used = strlen(text);
        (void)snprintf(text + used, sizeof(text) - used, "%s%.*s", i == 0 ? "" : "|",
                       (int)command.sizes[i], command.arguments[i]);
    }
    assert_string_equal(text, expected);
}

static void assert_event(const char *expected)
{
    command_begin(&command);
    projection_event(&command, &event);
    assert_command(expected);
}

static void test_links(void **state)
{
    Cenc__V1__Connected connected = CENC__V1__CONNECTED__INIT;
    Cenc__V1__Disconnected disconnected = CENC__V1__DISCONNECTED__INIT;

    (void)state;
    begin(CENC__V1__EVENT__BODY_CONNECTED);
    connected.direct_port = 20001;
    event.connected = &connected;
    assert_event("U|default:868|7|irz-modem|ATM21|2.0|20001|1000|idle");
    begin(CENC__V1__EVENT__BODY_DISCONNECTED);
    event.disconnected = &disconnected;
    assert_event("S|default:868|7|offline|0");
    disconnected.newer_link = true;
    assert_event("S|default:868|7|offline|0");
}

static void test_devices(void **state)
{
    Cenc__V1__DeviceAdded added = CENC__V1__DEVICE_ADDED__INIT;
    Cenc__V1__DeviceRemoved removed = CENC__V1__DEVICE_REMOVED__INIT;
    Cenc__V1__DeviceState facts = CENC__V1__DEVICE_STATE__INIT;

    (void)state;
    begin(CENC__V1__EVENT__BODY_DEVICE_ADDED);
    event.device_added = &added;
    assert_event("U|default:868|7|irz-modem|ATM21|2.0|0|1000|");
    added.state = &facts;
    facts.last_seen_unix_ms = 900;
    facts.direct_port = 20002;
    facts.link_epoch = 8;
    assert_event("U|default:868|8|irz-modem|ATM21|2.0|20002|900|");
    begin(CENC__V1__EVENT__BODY_DEVICE_REMOVED);
    event.device_removed = &removed;
    assert_event("R|default:868");
}

static void test_sessions(void **state)
{
    Cenc__V1__AccessStarted started = CENC__V1__ACCESS_STARTED__INIT;
    Cenc__V1__AccessFinished finished = CENC__V1__ACCESS_FINISHED__INIT;

    (void)state;
    begin(CENC__V1__EVENT__BODY_ACCESS_STARTED);
    event.access_started = &started;
    assert_event("S|default:868|7|in session|1000");
    begin(CENC__V1__EVENT__BODY_ACCESS_FINISHED);
    event.access_finished = &finished;
    assert_event("S|default:868|7|idle|1000");
}

static void test_gasps(void **state)
{
    Cenc__V1__LastGasp gasp = CENC__V1__LAST_GASP__INIT;
    Cenc__V1__PowerRestored restored = CENC__V1__POWER_RESTORED__INIT;

    (void)state;
    begin(CENC__V1__EVENT__BODY_LAST_GASP);
    event.last_gasp = &gasp;
    assert_event("G|default:868|7|1000");
    gasp.unknown_device = true;
    assert_event("");
    gasp.unknown_device = false;
    gasp.test = true;
    assert_event("");
    begin(CENC__V1__EVENT__BODY_POWER_RESTORED);
    event.power_restored = &restored;
    assert_event("C|default:868|7|1000");
    restored.last_gasp_unix_ms = 990;
    assert_event("C|default:868|7|990");
}

static void test_other_events(void **state)
{
    Cenc__V1__ServerStarted started = CENC__V1__SERVER_STARTED__INIT;
    Cenc__V1__PushReceived push = CENC__V1__PUSH_RECEIVED__INIT;

    (void)state;
    begin(CENC__V1__EVENT__BODY_SERVER_STARTED);
    event.server_started = &started;
    event.device = NULL;
    assert_event("");
    begin(CENC__V1__EVENT__BODY_PUSH_RECEIVED);
    event.push_received = &push;
    assert_event("");
    begin(CENC__V1__EVENT__BODY__NOT_SET);
    assert_event("");
}

static void test_directory(void **state)
{
    struct device_info info = {
        .scope = "default",
        .serial = "a\\\n",
        .kind = "irz-modem",
        .model = "",
        .firmware = "\xff",
        .epoch = 9,
        .direct_port = 20003,
        .last_seen_utc_ms = 1767225600000,
        .state = DEVICE_IN_SESSION,
        .gasp = {.utc_ms = 55},
    };

    (void)state;
    command_begin(&command);
    projection_device(&command, &info);
    assert_command("F|default:a\\x5C\\x0A|9|irz-modem||\\xFF|20003|1767225600000|in session|55");
    command_begin(&command);
    projection_presence(&command, &info);
    assert_command("T|default:a\\x5C\\x0A|9|in session");
}

/* The longest texts that an event may have leave room. */
static void test_bounds(void **state)
{
    static char longest[4000];
    Cenc__V1__Connected connected = CENC__V1__CONNECTED__INIT;

    (void)state;
    memset(longest, 'x', sizeof(longest) - 1);
    begin(CENC__V1__EVENT__BODY_CONNECTED);
    event.connected = &connected;
    device.scope = device.kind = device.model = device.firmware = longest;
    command_begin(&command);
    while (projection_fits(&command)) {
        uint32_t arguments = command.count;
        uint32_t bytes = command.bytes;
        projection_event(&command, &event);
        assert_true(command.count - arguments <= PROJECTION_MAX_ARGUMENTS);
        assert_true(command.bytes - bytes <= PROJECTION_MAX_BYTES);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_links),        cmocka_unit_test(test_devices),
        cmocka_unit_test(test_sessions),     cmocka_unit_test(test_gasps),
        cmocka_unit_test(test_other_events), cmocka_unit_test(test_directory),
        cmocka_unit_test(test_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
