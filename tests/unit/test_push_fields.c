/* The values of a push, as its event tells them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "codec/proto/push_fields.h"
#include "tests/hex.h"

static uint8_t raw[4096];
static struct push_fields fields;

/* A DataNotification of this body, in its wrapper. */
static size_t read_body(const char *body)
{
    size_t size = 6 + hex_bytes(body, raw + 14, sizeof raw - 14);
    (void)hex_bytes("000100670066 0000 0F 00000001 00", raw, sizeof raw);
    raw[6] = (uint8_t)(size >> 8);
    raw[7] = (uint8_t)size;
    return push_fields_read("dlms", raw, size + 8, &fields);
}

static void each_kind_of_value(void **state)
{
    (void)state;
    assert_int_equal(read_body("02 0B 00 0301 05FFFFFFFE 15FFFFFFFFFFFFFFFF 17 3FC00000"
                               "0405A8 0902ABCD 0A03 615C62 19 07E70706040A362600FF8880"
                               "1B 0A362600 1607"),
                     11);
    assert_int_equal(fields.values[0].kind_case, CENC__V1__VALUE__KIND_NULL);
    assert_true(fields.values[1].boolean);
    assert_int_equal(fields.values[2].integer, -2);
    assert_int_equal(fields.values[3].kind_case, CENC__V1__VALUE__KIND_BIG_INTEGER);
    assert_true(fields.values[3].big_integer == UINT64_MAX);
    assert_true(fields.values[4].floating == 1.5);
    assert_int_equal(fields.values[5].bits.len, 1);
    assert_memory_equal(fields.values[6].octets.data, "\xab\xcd", 2);
    assert_string_equal(fields.values[7].text, "a\\x5Cb");
    assert_int_equal(fields.values[8].kind_case, CENC__V1__VALUE__KIND_TIME);
    assert_int_equal(fields.values[8].time->clock, CENC__V1__TIME_BASE__TIME_BASE_UTC);
    assert_int_equal(fields.values[9].octets.len, 4);
    assert_int_equal(fields.values[10].integer, 7);
    assert_string_equal(fields.list[10]->name, "11");
}

static void places_are_names(void **state)
{
    (void)state;
    assert_int_equal(read_body("02 02 1105 01 02 0203 1101 1102 1103 0201 1104"), 5);
    assert_string_equal(fields.list[0]->name, "1");
    assert_string_equal(fields.list[3]->name, "2.1.3");
    assert_string_equal(fields.list[4]->name, "2.2.1");
    assert_int_equal(read_body("1105"), 1);
    assert_string_equal(fields.list[0]->name, "");
}

static void the_first_ones_of_very_many(void **state)
{
    char body[2 * 2 * 200 + 8] = "01C8";
    (void)state;
    body[2] = '8', body[3] = '1', body[4] = 'C', body[5] = '8';
    for (int i = 0; i < 200; i++)
        memcpy(body + 6 + (size_t)i * 4, "1107", 4);
    body[6 + 800 - 1] = '\0';
    body[6 + 796] = '\0';
    (void)read_body(body); /* one fewer than it says: no push at all */
    assert_int_equal(fields.count, 0);
    body[3] = '1', body[4] = 'C', body[5] = '7';
    assert_int_equal(read_body(body), PUSH_FIELDS_MAX);
}

static void text_without_room_is_bytes(void **state)
{
    char body[2 * 1200 + 16] = "0A 82 0258";
    (void)state;
    memset(body + 10, '6', 1200);
    assert_int_equal(read_body(body), 1);
    assert_int_equal(fields.values[0].kind_case, CENC__V1__VALUE__KIND_OCTETS);
    assert_int_equal(fields.values[0].octets.len, 600);
}

static void what_is_too_long_has_no_value(void **state)
{
    static char body[2 * 3001 + 24] = "02 02 09 82 0BB9 ";
    (void)state;
    memset(body + 17, '6', 2 * 3001);
    memcpy(body + 17 + 2 * 3001, "1107", 5);
    assert_int_equal(read_body(body), 2);
    assert_null(fields.list[0]->value);
    assert_int_equal(fields.values[1].integer, 7);
}

static void others_have_what_is_added(void **state)
{
    (void)state;
    assert_int_equal(push_fields_read("text", raw, 8, &fields), 0);
    for (unsigned i = 0; i <= PUSH_FIELDS_MAX; i++)
        push_fields_add(&fields, "alarm_bits", 5);
    assert_int_equal(fields.count, PUSH_FIELDS_MAX);
    assert_string_equal(fields.list[0]->name, "alarm_bits");
    assert_int_equal(fields.values[0].integer, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_value),
        cmocka_unit_test(places_are_names),
        cmocka_unit_test(the_first_ones_of_very_many),
        cmocka_unit_test(text_without_room_is_bytes),
        cmocka_unit_test(what_is_too_long_has_no_value),
        cmocka_unit_test(others_have_what_is_added),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
