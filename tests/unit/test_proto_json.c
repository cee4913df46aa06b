/* Messages as JSON: what a line looks like, what private records show, when room ends. The JSON of
 * each kind is compared with Google's in tests/proto/python.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <cenc/private/v1/records.pb-c.h>
#include <cenc/v1/events.pb-c.h>

#include "codec/proto/json.h"
#include "codec/proto/text.h"

static const char *json_of(const ProtobufCMessage *message, enum proto_json how)
{
    static char text[4096];
    size_t size = 0;

    assert_int_equal(proto_json(message, how, text, sizeof(text), &size), CODEC_OK);
    assert_int_equal(strlen(text), size);
    return text;
}

static Cenc__V1__Event *finished(void)
{
    static Cenc__V1__Event event;
    static Cenc__V1__Device device;
    static Cenc__V1__AccessFinished body;
    static Cenc__V1__CloseReason reason;
    static Cenc__V1__Detail details[2];
    static Cenc__V1__Detail *pointers[] = {&details[0], &details[1]};
    static uint8_t raw[] = {0x00, 0xc2, 0xff};

    cenc__v1__event__init(&event);
    cenc__v1__device__init(&device);
    cenc__v1__access_finished__init(&body);
    cenc__v1__close_reason__init(&reason);
    cenc__v1__detail__init(&details[0]);
    cenc__v1__detail__init(&details[1]);
    event.sequence = UINT64_MAX;
    event.received_unix_ms = -1;
    event.device = &device;
    device.serial = proto_string("\"1\"\n");
    event.link_epoch = 4294967295u;
    event.details = pointers;
    event.n_details = 2;
    details[0].name = proto_string("native_code");
    details[1].raw.data = raw;
    details[1].raw.len = sizeof(raw);
    event.body_case = CENC__V1__EVENT__BODY_ACCESS_FINISHED;
    event.access_finished = &body;
    body.path = CENC__V1__ACCESS_PATH__ACCESS_PATH_SOCKS5;
    body.reason = &reason;
    reason.layer = proto_string("agent");
    reason.cause = proto_string("closed");
    return &event;
}

static const char finished_json[] =
    "{\"sequence\":\"18446744073709551615\",\"received_unix_ms\":\"-1\","
    "\"device\":{\"serial\":\"\\\"1\\\"\\u000a\"},\"link_epoch\":4294967295,"
    "\"details\":[{\"name\":\"native_code\"},{\"raw\":\"00c2ff\"}],"
    "\"access_finished\":{\"path\":\"ACCESS_PATH_SOCKS5\","
    "\"reason\":{\"layer\":\"agent\",\"cause\":\"closed\"}}}";

static void an_event_is_one_line(void **state)
{
    Cenc__V1__Event empty = CENC__V1__EVENT__INIT;

    (void)state;
    assert_string_equal(json_of(&empty.base, PROTO_JSON_ALL), "{}");
    assert_string_equal(json_of(&finished()->base, PROTO_JSON_ALL), finished_json);
}

static void an_enum_of_a_newer_version_is_a_number(void **state)
{
    Cenc__V1__Connected body = CENC__V1__CONNECTED__INIT;

    (void)state;
    body.transport = (Cenc__V1__Transport)99;
    assert_string_equal(json_of(&body.base, PROTO_JSON_ALL), "{\"transport\":99}");
}

static void numbers_that_json_lacks(void **state)
{
    Cenc__V1__Value value = CENC__V1__VALUE__INIT;
    static const struct {
        double number;
        const char *json;
    } cases[] = {
        {0.1, "{\"floating\":0.10000000000000001}"},
        {-2, "{\"floating\":-2}"},
        {(double)__builtin_inff(), "{\"floating\":\"Infinity\"}"},
        {-(double)__builtin_inff(), "{\"floating\":\"-Infinity\"}"},
        {(double)__builtin_nanf(""), "{\"floating\":\"NaN\"}"},
        {0, "{\"floating\":0}"}, /* in a oneof the default counts */
    };

    (void)state;
    value.kind_case = CENC__V1__VALUE__KIND_FLOATING;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        value.floating = cases[i].number;
        assert_string_equal(json_of(&value.base, PROTO_JSON_ALL), cases[i].json);
    }
}

/* Secrets are bytes, and a private record is shown without them. */
static void a_private_record_shows_no_bytes(void **state)
{
    Cenc__Private__V1__Record record = CENC__PRIVATE__V1__RECORD__INIT;
    Cenc__Private__V1__AgentSecret secret = CENC__PRIVATE__V1__AGENT_SECRET__INIT;
    uint8_t hash[] = "hash of a password";

    (void)state;
    record.body_case = CENC__PRIVATE__V1__RECORD__BODY_AGENT_SECRET;
    record.agent_secret = &secret;
    secret.name = proto_string("hes");
    secret.log2_n = 15;
    secret.hash.data = hash;
    secret.hash.len = sizeof(hash);
    assert_string_equal(
        json_of(&record.base, PROTO_JSON_NO_BYTES),
        "{\"agent_secret\":{\"name\":\"hes\",\"log2_n\":15,\"hash\":\"19 bytes\"}}");
}

static void a_string_that_is_not_utf8_is_still_json(void **state)
{
    Cenc__V1__Detail detail = CENC__V1__DETAIL__INIT;

    (void)state;
    detail.name = proto_string("a\xff"
                               "b");
    detail.value = NULL;
    assert_string_equal(json_of(&detail.base, PROTO_JSON_ALL), "{\"name\":\"a\\ufffdb\"}");
}

static void room_ends_anywhere(void **state)
{
    (void)state;
    for (size_t room = 0; room <= sizeof(finished_json); room++) {
        char *text = malloc(room + 1); /* for the address sanitizer */
        size_t size = 1;

        assert_non_null(text);
        assert_int_equal(proto_json(&finished()->base, PROTO_JSON_ALL, text, room, &size),
                         room < sizeof(finished_json) ? CODEC_FULL : CODEC_OK);
        assert_int_equal(size, room < sizeof(finished_json) ? 0 : sizeof(finished_json) - 1);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_one_line),
        cmocka_unit_test(an_enum_of_a_newer_version_is_a_number),
        cmocka_unit_test(numbers_that_json_lacks),
        cmocka_unit_test(a_private_record_shows_no_bytes),
        cmocka_unit_test(a_string_that_is_not_utf8_is_still_json),
        cmocka_unit_test(room_ends_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
