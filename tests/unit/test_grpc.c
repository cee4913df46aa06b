/* gRPC's bytes and protobuf's wire format: what clients send, cut in any way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "codec/grpc/grpc.h"
#include "codec/proto/event.h"
#include "codec/proto/wire.h"

/* ---- messages in a stream of bytes ---- */

/* Feeds in pieces of `cut` bytes; writes "b3 xyz e " for each message of three bytes. */
static void play(const uint8_t *data, size_t size, size_t cut, char *out)
{
    struct grpc_unframe unframe = {0};

    for (size_t at = 0; at < size; at += cut) {
        const uint8_t *piece;
        const uint8_t *bytes = data + at;
        size_t left = size - at < cut ? size - at : cut;
        size_t piece_size;
        enum grpc_piece what;
        while ((what = grpc_unframe_next(&unframe, &bytes, &left, &piece, &piece_size)) !=
               GRPC_MORE) {
            if (what == GRPC_BEGIN)
                out += sprintf(out, "b%u%s ", unframe.size, unframe.compressed ? "z" : "");
            if (what == GRPC_BYTES)
                for (size_t i = 0; i < piece_size; i++)
                    *out++ = (char)piece[i];
            if (what == GRPC_END)
                out += sprintf(out, " e ");
        }
        assert_int_equal(left, 0);
    }
    assert_true(grpc_unframe_is_between(&unframe));
    *out = '\0';
}

static void test_messages_however_they_are_cut(void **state)
{
    static const uint8_t data[] = "\0\0\0\0\3xyz\0\0\0\0\0\1\0\0\0\1q";

    (void)state;
    for (size_t cut = 1; cut <= sizeof(data); cut++) {
        char out[128];
        play(data, sizeof(data) - 1, cut, out);
        assert_string_equal(out, "b3 xyz e b0  e b1z q e ");
    }
}

static void test_a_message_that_is_not_complete(void **state)
{
    struct grpc_unframe unframe = {0};
    const uint8_t *data = (const uint8_t *)"\0\0\0\0\2x";
    const uint8_t *piece;
    size_t size = 6;
    size_t piece_size;

    (void)state;
    assert_int_equal(grpc_unframe_next(&unframe, &data, &size, &piece, &piece_size), GRPC_BEGIN);
    assert_int_equal(grpc_unframe_next(&unframe, &data, &size, &piece, &piece_size), GRPC_BYTES);
    assert_int_equal(grpc_unframe_next(&unframe, &data, &size, &piece, &piece_size), GRPC_MORE);
    assert_false(grpc_unframe_is_between(&unframe));
}

static void test_prefixes(void **state)
{
    uint8_t prefix[GRPC_PREFIX_SIZE];

    (void)state;
    grpc_prefix_write(prefix, 0x01020304);
    assert_memory_equal(prefix, "\0\1\2\3\4", 5);
}

/* ---- header values ---- */

static void assert_timeout(const char *text, uint64_t expected)
{
    uint64_t ms = 0;

    assert_int_equal(grpc_timeout_parse(text, strlen(text), &ms), CODEC_OK);
    assert_int_equal(ms, expected);
}

static void test_timeouts(void **state)
{
    static const char *const wrong[] = {"", "1", "S", "123456789S", "-1S", "1s", "1 S", "1.5S"};
    uint64_t ms;

    (void)state;
    assert_timeout("1H", 3600000);
    assert_timeout("99999999H", 99999999ull * 3600000);
    assert_timeout("2M", 120000);
    assert_timeout("100m", 100);
    assert_timeout("1S", 1000);
    assert_timeout("1u", 1);
    assert_timeout("1001u", 2);
    assert_timeout("1n", 1);
    assert_timeout("0n", 0);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(grpc_timeout_parse(wrong[i], strlen(wrong[i]), &ms), CODEC_INVALID);
}

static void test_messages_of_statuses(void **state)
{
    char out[32];

    (void)state;
    assert_int_equal(grpc_message_encode("100% of\n\xc3\xa9", out, sizeof(out)), 18);
    assert_string_equal(out, "100%25 of%0A%C3%A9");
    assert_int_equal(grpc_message_encode("abc", out, 3), 2);
    assert_string_equal(out, "ab");
    assert_int_equal(grpc_message_encode("a\n", out, 4), 1);
    assert_string_equal(out, "a");
}

static void test_content_types(void **state)
{
    (void)state;
    assert_true(grpc_content_type_is_ours("application/grpc", 16));
    assert_true(grpc_content_type_is_ours("application/grpc+proto", 22));
    assert_true(grpc_content_type_is_ours("application/grpc;x=y", 20));
    assert_false(grpc_content_type_is_ours("application/grpc-web", 20));
    assert_false(grpc_content_type_is_ours("application/grp", 15));
    assert_false(grpc_content_type_is_ours("text/plain", 10));
}

static void test_names_of_codes(void **state)
{
    (void)state;
    assert_string_equal(grpc_code_name(GRPC_OK), "OK");
    assert_string_equal(grpc_code_name(GRPC_OUT_OF_RANGE), "OUT_OF_RANGE");
    assert_string_equal(grpc_code_name(GRPC_UNAUTHENTICATED), "UNAUTHENTICATED");
    assert_int_equal(GRPC_UNAUTHENTICATED, 16);
}

/* ---- protobuf's wire format ---- */

static void test_numbers(void **state)
{
    static const uint64_t numbers[] = {0, 1, 127, 128, 300, UINT32_MAX, INT64_MAX, UINT64_MAX};
    uint8_t bytes[WIRE_VARINT_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        uint8_t message[1 + WIRE_VARINT_MAX] = {0x08};
        struct wire_field field;
        size_t size = wire_put_varint(bytes, numbers[i]);
        assert_int_equal(size, wire_varint_size(numbers[i]));
        memcpy(message + 1, bytes, size);
        struct wire_reader reader = wire_reader_over(message, size + 1);
        assert_true(wire_next(&reader, &field));
        assert_int_equal(field.number, 1);
        assert_true(field.value == numbers[i]);
        assert_false(wire_next(&reader, &field));
        assert_false(reader.failed);
    }
    assert_int_equal(wire_put_tag(bytes, 16, WIRE_BYTES), 2);
    assert_memory_equal(bytes, "\x82\x01", 2);
}

static void test_what_is_no_message(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } wrong[] = {
        {"\x08", 1},         /* no value */
        {"\x08\x80", 2},     /* half a number */
        {"\x0a\x02x", 3},    /* fewer bytes than promised */
        {"\x00\x00", 2},     /* field 0 */
        {"\x0b", 1},         /* a group */
        {"\x0d\1\2\3", 4},   /* three of four bytes */
        {"\x09\1\2\3\4", 5}, /* four of eight bytes */
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct wire_reader reader = wire_reader_over(wrong[i].bytes, wrong[i].size);
        struct wire_field field;
        while (wire_next(&reader, &field))
            ;
        assert_true(reader.failed);
        assert_false(wire_next(&reader, &field));
    }
}

static bool is(const struct wire_text *text, const char *expected)
{
    return text->size == strlen(expected) && memcmp(text->data, expected, text->size) == 0;
}

/* The outline looks at fields by their numbers: they are the schema's. */
static void test_the_outline_of_an_event(void **state)
{
    Cenc__V1__Event event = CENC__V1__EVENT__INIT;
    Cenc__V1__Device device = CENC__V1__DEVICE__INIT;
    Cenc__V1__DeviceAdded body = CENC__V1__DEVICE_ADDED__INIT;
    struct event_outline outline;
    uint8_t data[256];
    size_t size;

    (void)state;
    event.project = proto_string("north");
    event.node = proto_string("n");
    event.received_unix_ms = 5;
    event.device = &device;
    device.scope = proto_string("irz");
    device.serial = proto_string("867\\x00");
    device.model = proto_string("m");
    event.body_case = CENC__V1__EVENT__BODY_DEVICE_ADDED;
    event.device_added = &body;
    assert_int_equal(event_pack(&event, data, sizeof(data), &size), CODEC_OK);
    assert_true(event_outline(data, size, &outline));
    assert_true(is(&outline.project, "north"));
    assert_true(is(&outline.scope, "irz"));
    assert_true(is(&outline.serial, "867\\x00"));
    assert_true(outline.has_device);
    assert_int_equal(outline.body, CENC__V1__EVENT__BODY_DEVICE_ADDED);
    assert_true(is(&outline.former_project, ""));
    for (size_t cut = 0; cut < size; cut++)
        (void)event_outline(data, cut, &outline);
    Cenc__V1__DeviceMoved moved = CENC__V1__DEVICE_MOVED__INIT;
    moved.former_project = proto_string("south");
    event.body_case = CENC__V1__EVENT__BODY_DEVICE_MOVED;
    event.device_moved = &moved;
    assert_int_equal(event_pack(&event, data, sizeof(data), &size), CODEC_OK);
    assert_true(event_outline(data, size, &outline));
    assert_true(is(&outline.project, "north"));
    assert_true(is(&outline.former_project, "south"));
    for (size_t cut = 0; cut < size; cut++)
        (void)event_outline(data, cut, &outline);
    assert_true(event_outline(data, 0, &outline));
    assert_false(outline.has_device);
    assert_int_equal(outline.body, 0);
}

/* What the northbound does to a record: the sequence stands behind what the journal has. */
static void test_a_sequence_behind_an_event(void **state)
{
    Cenc__V1__Event event = CENC__V1__EVENT__INIT;
    Cenc__V1__Event *read;
    uint8_t data[128];
    size_t size;

    (void)state;
    event.node = proto_string("n");
    assert_int_equal(event_pack(&event, data, sizeof(data), &size), CODEC_OK);
    size += wire_put_tag(data + size, 1, WIRE_VARINT);
    size += wire_put_varint(data + size, 123456789);
    read = cenc__v1__event__unpack(NULL, size, data);
    assert_non_null(read);
    assert_int_equal(read->sequence, 123456789);
    assert_string_equal(read->node, "n");
    cenc__v1__event__free_unpacked(read, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_however_they_are_cut),
        cmocka_unit_test(test_a_message_that_is_not_complete),
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_timeouts),
        cmocka_unit_test(test_messages_of_statuses),
        cmocka_unit_test(test_content_types),
        cmocka_unit_test(test_names_of_codes),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_what_is_no_message),
        cmocka_unit_test(test_the_outline_of_an_event),
        cmocka_unit_test(test_a_sequence_behind_an_event),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
