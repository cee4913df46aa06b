/* Events and private records as bytes: each kind there and back, bounds, what is refused. With the
 * argument --samples it prints messages instead, for tests/proto/python.py: the type, the bytes in
 * hex, and what proto_json says, one message a line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <cenc/private/v1/records.pb-c.h>
#include <jansson.h>

#include "codec/proto/backward.h"
#include "codec/proto/event.h"
#include "codec/proto/json.h"
#include "codec/proto/walk.h"
#include "tests/hex.h"
#include "tests/unit/proto_fill.h"

#define SEEDS     40u
#define JSON_SIZE (1u << 20)

static const ProtobufCMessageDescriptor *const schemas[] = {&cenc__v1__event__descriptor,
                                                            &cenc__private__v1__record__descriptor};

static uint8_t packed[PROTO_PACKED_MAX];
static char json[JSON_SIZE];
static char json_again[JSON_SIZE];
static struct proto_arena arena;

/* Calls for each kind of event and of private record, and some seeds. */
static void for_each_kind(void (*call)(ProtobufCMessage *message, uint32_t kind))
{
    for (size_t s = 0; s < sizeof(schemas) / sizeof(schemas[0]); s++) {
        for (unsigned i = 0; i < schemas[s]->n_fields; i++) {
            const ProtobufCFieldDescriptor *field = &schemas[s]->fields[i];

            if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0)
                continue;
            for (uint32_t seed = 0; seed < SEEDS; seed++) {
                ProtobufCMessage *message = proto_fill(schemas[s], field->id, seed);

                call(message, field->id);
                protobuf_c_message_free_unpacked(message, NULL);
            }
        }
    }
}

static ProtobufCMessage *unpack(const ProtobufCMessageDescriptor *descriptor, size_t size)
{
    ProtobufCMessage *message = NULL;

    arena.used = 0;
    assert_int_equal(proto_unpack(descriptor, packed, size, &arena, &message), CODEC_OK);
    assert_ptr_equal(message->descriptor, descriptor);
    return message;
}

static void check_round_trip(ProtobufCMessage *message, uint32_t kind)
{
    static uint8_t packed_again[PROTO_PACKED_MAX];
    ProtobufCMessage *back;
    size_t size = 0;
    size_t size_again = 0;
    size_t json_size = 0;
    json_t *parsed;

    (void)kind;
    assert_int_equal(proto_pack(message, packed, sizeof(packed), &size), CODEC_OK);
    back = unpack(message->descriptor, size);
    assert_int_equal(proto_pack(back, packed_again, sizeof(packed_again), &size_again), CODEC_OK);
    assert_int_equal(size, size_again);
    assert_memory_equal(packed, packed_again, size);
    assert_int_equal(proto_json(message, PROTO_JSON_ALL, json, JSON_SIZE, &json_size), CODEC_OK);
    assert_int_equal(json_size, strlen(json));
    assert_int_equal(proto_json(back, PROTO_JSON_ALL, json_again, JSON_SIZE, &json_size), CODEC_OK);
    assert_string_equal(json, json_again);
    parsed = json_loads(json, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(parsed);
    json_decref(parsed);
}

static void each_kind_comes_back_as_it_was(void **state)
{
    (void)state;
    for_each_kind(check_round_trip);
}

static void check_kind(ProtobufCMessage *message, uint32_t kind)
{
    const Cenc__V1__Event *event = (const Cenc__V1__Event *)message;
    const ProtobufCFieldDescriptor *field;

    if (message->descriptor != &cenc__v1__event__descriptor)
        return;
    field = protobuf_c_message_descriptor_get_field(message->descriptor, kind);
    assert_int_equal(event->body_case, kind);
    assert_string_equal(event_kind(event), field->name);
    assert_non_null(event_class_name(event_class(event)));
}

static void kinds_have_names_and_classes(void **state)
{
    Cenc__V1__Event event = CENC__V1__EVENT__INIT;

    (void)state;
    for_each_kind(check_kind);
    assert_string_equal(event_kind(&event), "unknown");
    assert_int_equal(event_class(&event), EVENT_NORMAL);
    event.body_case = CENC__V1__EVENT__BODY_LAST_GASP;
    assert_string_equal(event_kind(&event), "last_gasp");
    assert_int_equal(event_class(&event), EVENT_FIRST);
    event.body_case = CENC__V1__EVENT__BODY_ACCESS_FINISHED;
    assert_int_equal(event_class(&event), EVENT_NORMAL);
    event.body_case = CENC__V1__EVENT__BODY_CONNECTED;
    assert_int_equal(event_class(&event), EVENT_LATER);
    assert_string_equal(event_class_name(EVENT_FIRST), "first");
    assert_string_equal(event_class_name(EVENT_LATER), "later");
}

/* Every string of the message in turn holds what is no UTF-8. */
static void check_strings(ProtobufCMessage *message, uint32_t kind)
{
    static char bad[] = "868\xff";
    struct proto_walk walk;
    enum proto_step step;
    size_t size = 0;

    (void)kind;
    proto_walk_start(&walk, message);
    while ((step = proto_walk_next(&walk)) != PROTO_END) {
        /* the message is this test's own, so it may write where the walk only reads */
        char **text = (char **)(uintptr_t)walk.value;
        char *good;

        if (step != PROTO_VALUE || walk.field->type != PROTOBUF_C_TYPE_STRING)
            continue;
        good = *text;
        *text = bad;
        assert_int_equal(proto_pack(message, packed, sizeof(packed), &size), CODEC_INVALID);
        *text = good;
    }
    assert_int_equal(proto_pack(message, packed, sizeof(packed), &size), CODEC_OK);
}

/* The quick way writes what protobuf-c would. */
static void check_quick_way(ProtobufCMessage *message, uint32_t kind)
{
    static uint8_t usual[PROTO_PACKED_MAX];
    static uint8_t quick[PROTO_PACKED_MAX];
    size_t size = protobuf_c_message_get_packed_size(message);
    const uint8_t *begin = proto_backward(message, quick, sizeof(quick));

    (void)kind;
    assert_in_range(size, 1, sizeof(usual));
    assert_int_equal(protobuf_c_message_pack(message, usual), size);
    assert_non_null(begin);
    assert_int_equal(quick + sizeof(quick) - begin, size);
    assert_memory_equal(begin, usual, size);
    /* room that is too small */
    for (size_t room = 0; room < size; room += 1 + size / 64)
        assert_null(proto_backward(message, quick, room));
    assert_ptr_equal(proto_backward(message, quick, size), quick);
}

static void the_quick_way_writes_the_same(void **state)
{
    (void)state;
    for_each_kind(check_quick_way);
}

static void no_string_takes_what_is_not_utf8(void **state)
{
    (void)state;
    for_each_kind(check_strings);
}

static void strings_on_the_wire_are_checked(void **state)
{
    ProtobufCMessage *message = NULL;
    uint8_t bytes[16];
    size_t size;

    (void)state;
    arena.used = 0;
    size = hex_bytes("1203 6162 63", bytes, sizeof(bytes)); /* node: "abc" */
    assert_int_equal(proto_unpack(schemas[0], bytes, size, &arena, &message), CODEC_OK);
    size = hex_bytes("1203 61ff 63", bytes, sizeof(bytes));
    assert_int_equal(proto_unpack(schemas[0], bytes, size, &arena, &message), CODEC_INVALID);
}

static void a_last_gasp_has_these_bytes(void **state)
{
    Cenc__V1__Event event = CENC__V1__EVENT__INIT;
    Cenc__V1__Device device = CENC__V1__DEVICE__INIT;
    Cenc__V1__LastGasp body = CENC__V1__LAST_GASP__INIT;
    Cenc__V1__Event *back = NULL;
    uint8_t raw[] = {0xc2, 0x00};
    uint8_t expected[128];
    size_t size = 0;
    size_t expected_size = hex_bytes("12026e31"                     /* node */
                                     "18 80d8c1a28c34"              /* received_unix_ms */
                                     "320b 12044b413650 1a036d6464" /* device: serial, kind */
                                     "420b 332e32362e3133362e3437"  /* event_type */
                                     "920309 0a0161 1002 2202c200" /* last_gasp */,
                                     expected, sizeof(expected));

    (void)state;
    event.node = proto_string("n1");
    event.received_unix_ms = 1790000000000;
    event.device = &device;
    device.serial = proto_string("KA6P");
    device.kind = proto_string("mdd");
    event.event_type = proto_string("3.26.136.47");
    event.body_case = CENC__V1__EVENT__BODY_LAST_GASP;
    event.last_gasp = &body;
    body.rule = proto_string("a");
    body.transport = CENC__V1__TRANSPORT__TRANSPORT_UDP;
    body.raw.data = raw;
    body.raw.len = sizeof(raw);
    assert_int_equal(event_pack(&event, packed, sizeof(packed), &size), CODEC_OK);
    assert_int_equal(size, expected_size);
    assert_memory_equal(packed, expected, size);
    arena.used = 0;
    assert_int_equal(event_unpack(packed, size, &arena, &back), CODEC_OK);
    assert_string_equal(back->device->serial, "KA6P");
    assert_int_equal(back->received_unix_ms, event.received_unix_ms);
    assert_int_equal(back->body_case, CENC__V1__EVENT__BODY_LAST_GASP);
    assert_int_equal(back->last_gasp->raw.len, 2);
}

static void a_buffer_takes_what_fits(void **state)
{
    ProtobufCMessage *message = proto_fill(schemas[0], CENC__V1__EVENT__BODY_CONNECTED, 5);
    uint8_t *exact;
    size_t size = 0;
    size_t again = 0;

    (void)state;
    assert_int_equal(proto_pack(message, packed, sizeof(packed), &size), CODEC_OK);
    exact = malloc(size);
    assert_non_null(exact);
    assert_int_equal(proto_pack(message, exact, size, &again), CODEC_OK);
    assert_int_equal(size, again);
    assert_int_equal(proto_pack(message, exact, size - 1, &again), CODEC_FULL);
    free(exact);
    protobuf_c_message_free_unpacked(message, NULL);
}

static void a_message_has_a_largest_size(void **state)
{
    static uint8_t raw[PROTO_PACKED_MAX];
    static uint8_t out[PROTO_PACKED_MAX * 2];
    Cenc__V1__Event event = CENC__V1__EVENT__INIT;
    Cenc__V1__UnparsedBytes body = CENC__V1__UNPARSED_BYTES__INIT;
    ProtobufCMessage *message = NULL;
    size_t size = 0;

    (void)state;
    event.body_case = CENC__V1__EVENT__BODY_UNPARSED_BYTES;
    event.unparsed_bytes = &body;
    body.data.data = raw;
    body.data.len = sizeof(raw) - 9; /* 1 + 3 for data, 2 + 3 for the body */
    assert_int_equal(event_pack(&event, out, sizeof(out), &size), CODEC_OK);
    assert_int_equal(size, PROTO_PACKED_MAX);
    arena.used = 0;
    assert_int_equal(proto_unpack(schemas[0], out, size, &arena, &message), CODEC_OK);
    body.data.len++;
    assert_int_equal(event_pack(&event, out, sizeof(out), &size), CODEC_FULL);
    /* one byte more, of a field that is skipped */
    assert_int_equal(proto_unpack(schemas[0], out, PROTO_PACKED_MAX + 1, &arena, &message),
                     CODEC_INVALID);
}

/* The most parts that a message may have fit into the arena, whatever they are. */
static void the_arena_is_large_enough(void **state)
{
    enum { FIELDS = PROTO_PARTS_MAX / 2 };
    static Cenc__V1__PushField fields[FIELDS];
    static Cenc__V1__PushField *pointers[FIELDS];
    static Cenc__V1__Value value = CENC__V1__VALUE__INIT;
    Cenc__V1__Event event = CENC__V1__EVENT__INIT;
    Cenc__V1__PushReceived body = CENC__V1__PUSH_RECEIVED__INIT;
    Cenc__V1__Event *back = NULL;
    size_t size = 0;

    (void)state;
    value.kind_case = CENC__V1__VALUE__KIND_TEXT;
    value.text = proto_string("a value of 20 bytes.");
    for (size_t i = 0; i < FIELDS; i++) {
        cenc__v1__push_field__init(&fields[i]);
        fields[i].value = &value;
        fields[i].name = proto_string("1");
        pointers[i] = &fields[i];
    }
    event.body_case = CENC__V1__EVENT__BODY_PUSH_RECEIVED;
    event.push_received = &body;
    body.fields = pointers;
    body.n_fields = FIELDS;
    /* the body is a part, and each field is two: as a message and as an element */
    assert_int_equal(event_pack(&event, packed, sizeof(packed), &size), CODEC_FULL);
    body.n_fields = FIELDS - 1;
    assert_int_equal(event_pack(&event, packed, sizeof(packed), &size), CODEC_OK);
    arena.used = 0;
    assert_int_equal(event_unpack(packed, size, &arena, &back), CODEC_OK);
    assert_int_equal(back->push_received->n_fields, FIELDS - 1);
}

static void a_small_arena_is_full(void **state)
{
    ProtobufCMessage *message = proto_fill(schemas[0], CENC__V1__EVENT__BODY_PUSH_RECEIVED, 3);
    ProtobufCMessage *back = NULL;
    size_t needed;
    size_t size = 0;

    (void)state;
    assert_int_equal(proto_pack(message, packed, sizeof(packed), &size), CODEC_OK);
    (void)unpack(schemas[0], size);
    needed = arena.used;
    for (size_t room = 0; room <= needed; room++) {
        struct proto_arena small = {.memory = malloc(room + 1), .size = room};

        assert_non_null(small.memory);
        assert_int_equal(proto_unpack(schemas[0], packed, size, &small, &back),
                         room < needed ? CODEC_FULL : CODEC_OK);
        free(small.memory);
    }
    protobuf_c_message_free_unpacked(message, NULL);
}

static void an_unknown_body_is_no_error(void **state)
{
    Cenc__V1__Event *event = NULL;
    uint8_t bytes[32];
    size_t size = hex_bytes("0807 b20903 010203", bytes, sizeof(bytes)); /* sequence; field 150 */

    (void)state;
    arena.used = 0;
    assert_int_equal(event_unpack(bytes, size, &arena, &event), CODEC_OK);
    assert_int_equal(event->sequence, 7);
    assert_int_equal(event->body_case, CENC__V1__EVENT__BODY__NOT_SET);
    assert_string_equal(event_kind(event), "unknown");
}

/* protobuf-c refuses a field with the number 0 unless its key is written longer than need be. It
 * kept that field, and what it wrote then couldn't be read any more. */
static void a_field_has_a_number(void **state)
{
    static const char *const messages[] = {"00 05", "8000 05", "3203 8000 05"};
    Cenc__V1__Event *event = NULL;
    uint8_t bytes[32];

    (void)state;
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        size_t size = hex_bytes(messages[i], bytes, sizeof(bytes));

        arena.used = 0;
        assert_int_equal(event_unpack(bytes, size, &arena, &event), CODEC_INVALID);
    }
}

static void check_broken(ProtobufCMessage *message, uint32_t kind)
{
    static uint32_t random = 1;
    size_t size = 0;
    uint8_t *bytes;

    (void)kind;
    assert_int_equal(proto_pack(message, packed, sizeof(packed), &size), CODEC_OK);
    for (int i = 0; i < 20 && size > 0; i++) {
        ProtobufCMessage *back = NULL;
        size_t cut;

        random = random * 1103515245u + 12345u;
        cut = 1 + (random >> 8) % size;
        bytes = malloc(cut);
        assert_non_null(bytes);
        memcpy(bytes, packed, cut);
        bytes[(random >> 4) % cut] ^= (uint8_t)(1u << (random >> 29));
        arena.used = 0;
        if (proto_unpack(message->descriptor, bytes, cut, &arena, &back) == CODEC_OK)
            assert_int_not_equal(proto_json(back, PROTO_JSON_ALL, json, JSON_SIZE, &cut),
                                 CODEC_INVALID);
        free(bytes);
    }
}

static void garbage_breaks_nothing(void **state)
{
    (void)state;
    for_each_kind(check_broken);
}

/* The longest way down from a schema, over all of its fields; a schema that holds itself would
 * never end. Messages are few, so each way is walked. */
static unsigned schema_depth(const ProtobufCMessageDescriptor *schema)
{
    const ProtobufCMessageDescriptor *way[PROTO_DEPTH + 1] = {schema};
    unsigned at[PROTO_DEPTH + 1] = {0};
    unsigned depth = 1;
    unsigned deepest = 1;

    while (depth > 0) {
        const ProtobufCMessageDescriptor *here = way[depth - 1];
        const ProtobufCFieldDescriptor *field;

        if (at[depth - 1] == here->n_fields) {
            depth--;
            continue;
        }
        field = &here->fields[at[depth - 1]++];
        /* what the walk relies on: proto3 without `optional` */
        assert_true(field->label == PROTOBUF_C_LABEL_NONE ||
                    field->label == PROTOBUF_C_LABEL_REPEATED);
        if (field->type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        assert_true(depth < PROTO_DEPTH);
        way[depth] = field->descriptor;
        at[depth++] = 0;
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest;
}

static void messages_are_not_deeper_than_the_walk(void **state)
{
    (void)state;
    assert_int_equal(schema_depth(schemas[0]), 5);
    assert_int_equal(schema_depth(schemas[1]), 2);
}

static void print_sample(ProtobufCMessage *message, uint32_t kind)
{
    size_t size = 0;
    size_t json_size = 0;

    (void)kind;
    if (proto_pack(message, packed, sizeof(packed), &size) != CODEC_OK ||
        proto_json(message, PROTO_JSON_ALL, json, JSON_SIZE, &json_size) != CODEC_OK)
        abort();
    (void)printf("%s ", message->descriptor->name);
    for (size_t i = 0; i < size; i++)
        (void)printf("%02x", packed[i]);
    (void)printf(" %s\n", json);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_comes_back_as_it_was),
        cmocka_unit_test(kinds_have_names_and_classes),
        cmocka_unit_test(the_quick_way_writes_the_same),
        cmocka_unit_test(no_string_takes_what_is_not_utf8),
        cmocka_unit_test(strings_on_the_wire_are_checked),
        cmocka_unit_test(a_last_gasp_has_these_bytes),
        cmocka_unit_test(a_buffer_takes_what_fits),
        cmocka_unit_test(a_message_has_a_largest_size),
        cmocka_unit_test(the_arena_is_large_enough),
        cmocka_unit_test(a_small_arena_is_full),
        cmocka_unit_test(an_unknown_body_is_no_error),
        cmocka_unit_test(a_field_has_a_number),
        cmocka_unit_test(garbage_breaks_nothing),
        cmocka_unit_test(messages_are_not_deeper_than_the_walk),
    };
    int failed = 0;

    if (argc == 2 && strcmp(argv[1], "--samples") == 0) {
        for_each_kind(print_sample);
        return 0;
    }
    arena = (struct proto_arena){.memory = malloc(PROTO_ARENA_SIZE), .size = PROTO_ARENA_SIZE};
    if (arena.memory == NULL)
        return 1;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(arena.memory);
    return failed;
}
