/* EventNotification and DataNotification taken apart, the time in them, and the rules that say what
 * a push means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/cosem/push.h"
#include "codec/cosem/push_rules.h"
#include "tests/hex.h"

/* The APDU of a captured last gasp. */
#define MX382 "C2090C07E70706040A362600FF888000018080808080000209104B413650303035303339303231313130"
#define SMR55 "0F000000010002030911455858585830303430303132333435313709060003190900FF0600000001"

static uint8_t apdu[4096];

static enum codec_result get(const char *hex, struct cosem_push *push)
{
    size_t size = hex_bytes(hex, apdu, sizeof(apdu));
    /* in memory of its exact size, so that a sanitizer sees every step outside */
    static uint8_t *exact;

    free(exact);
    exact = malloc(size + (size == 0));
    assert_non_null(exact);
    memcpy(exact, apdu, size);
    return cosem_get_push(exact, size, push);
}

/* ---- APDUs ---- */

static void a_captured_event(void **state)
{
    struct cosem_push push;
    int64_t utc_ms;
    bool known;

    (void)state;
    assert_int_equal(get(MX382, &push), CODEC_OK);
    assert_true(push.is_event && push.has_time && push.has_logical_name);
    assert_int_equal(push.class_id, 1);
    assert_int_equal(push.attribute, 2);
    assert_memory_equal(push.logical_name, "\x80\x80\x80\x80\x80\x00", 6);
    assert_int_equal(push.identifier_size, 16);
    assert_memory_equal(push.identifier, "KA6P005039021110", 16);
    assert_int_equal(push.number_count, 0);
    assert_true(cosem_date_time_to_utc(&push.time, &utc_ms, &known));
    assert_true(known);
    assert_int_equal(utc_ms, INT64_C(1688633678000)); /* 2023-07-06T08:54:38Z */
}

static void an_alarm(void **state)
{
    struct cosem_push push;

    (void)state;
    assert_int_equal(get(SMR55, &push), CODEC_OK);
    assert_false(push.is_event || push.has_time);
    assert_memory_equal(push.logical_name, "\x00\x03\x19\x09\x00\xFF", 6);
    assert_int_equal(push.identifier_size, 17);
    assert_memory_equal(push.identifier, "EXXXX004001234517", 17);
    assert_int_equal(push.number_count, 1);
    assert_int_equal(push.numbers[0], 1);
    assert_true(push.only_numbers);
}

static void what_is_cut_is_refused(void **state)
{
    struct cosem_push push;
    char hex[sizeof(MX382)];

    (void)state;
    for (size_t size = 0; size + 2 < sizeof(MX382); size += 2) {
        (void)snprintf(hex, sizeof(hex), "%.*s", (int)size, MX382);
        assert_int_equal(get(hex, &push), CODEC_INVALID);
    }
    for (size_t size = 0; size + 2 < sizeof(SMR55); size += 2) {
        (void)snprintf(hex, sizeof(hex), "%.*s", (int)size, SMR55);
        assert_int_equal(get(hex, &push), CODEC_INVALID);
    }
}

static void other_apdus_are_refused(void **state)
{
    struct cosem_push push;

    (void)state;
    assert_int_equal(get("C4018100", &push), CODEC_INVALID);
    assert_int_equal(get("C2020001808080808000020600000001", &push), CODEC_INVALID);
    /* nested deeper than anybody does */
    assert_int_equal(get("0F000000010001010101010101010101010101010101010100", &push),
                     CODEC_INVALID);
    /* an array of more values than there are bytes */
    assert_int_equal(get("0F00000001000184FFFFFFFF00", &push), CODEC_INVALID);
}

static void identifiers(void **state)
{
    struct cosem_push push;

    (void)state;
    /* too short, not printable, then one padded with blanks */
    assert_int_equal(
        get("0F0000000100 0203 0903414243 090641424344FF45 0A0841424344453120 00", &push),
        CODEC_OK);
    assert_int_equal(push.identifier_size, 6);
    assert_memory_equal(push.identifier, "ABCDE1", 6);
    /* too long for a serial */
    assert_int_equal(
        get("0F0000000100 0920 4141414141414141414141414141414141414141414141414141414141"
            "414141",
            &push),
        CODEC_OK);
    assert_null(push.identifier);
    assert_int_equal(
        get("0F0000000100 091F 4141414141414141414141414141414141414141414141414141414141"
            "4141",
            &push),
        CODEC_OK);
    assert_int_equal(push.identifier_size, 31);
}

static void numbers_among_readings(void **state)
{
    struct cosem_push push;

    (void)state;
    assert_int_equal(get("0F0000000100 0206 0600000001 0600000002 0600000003 0600000004 0600000005 "
                         "120001",
                         &push),
                     CODEC_OK);
    assert_int_equal(push.number_count, COSEM_PUSH_MAX_NUMBERS);
    assert_int_equal(push.numbers[3], 4);
    assert_false(push.only_numbers);
}

/* ---- time ---- */

static void times(void **state)
{
    struct cosem_date_time time = {.year = 1970, .month = 1, .day = 1, .deviation_minutes = 0};
    int64_t utc_ms;
    bool known;

    (void)state;
    assert_true(cosem_date_time_to_utc(&time, &utc_ms, &known));
    assert_true(known);
    assert_int_equal(utc_ms, 0);
    time = (struct cosem_date_time){2000, 2, 29, 2, 23, 59, 59, 99, 180, 0};
    assert_true(cosem_date_time_to_utc(&time, &utc_ms, &known));
    assert_int_equal(utc_ms, INT64_C(951868799990) + INT64_C(180) * 60000);
    time.deviation_minutes = COSEM_DEVIATION_UNKNOWN;
    time.second = COSEM_NOT_SPECIFIED;
    time.hundredths = COSEM_NOT_SPECIFIED;
    assert_true(cosem_date_time_to_utc(&time, &utc_ms, &known));
    assert_false(known);
    assert_int_equal(utc_ms, INT64_C(951868740000));
    time.year = 1900; /* no leap year */
    assert_false(cosem_date_time_to_utc(&time, &utc_ms, &known));
    time = (struct cosem_date_time){2024, 2, 30, 1, 0, 0, 0, 0, 0, 0};
    assert_false(cosem_date_time_to_utc(&time, &utc_ms, &known));
    time.day = 0xFE;
    assert_false(cosem_date_time_to_utc(&time, &utc_ms, &known));
    time.day = 1;
    time.hour = COSEM_NOT_SPECIFIED;
    assert_false(cosem_date_time_to_utc(&time, &utc_ms, &known));
    time.hour = 0;
    time.year = 0xFFFF;
    assert_false(cosem_date_time_to_utc(&time, &utc_ms, &known));
}

/* ---- rules ---- */

static struct push_rules rules;
static char error[160];

static void accept(const char *text)
{
    error[0] = '\0';
    if (!push_rules_parse(text, &rules, error, sizeof(error)))
        fail_msg("%s: %s", text, error);
}

static void refuse(const char *text, const char *complaint)
{
    error[0] = '\0';
    if (push_rules_parse(text, &rules, error, sizeof(error)))
        fail_msg("%s was accepted", text);
    if (strstr(error, complaint) == NULL)
        fail_msg("%s: \"%s\" expected, not \"%s\"", text, complaint, error);
}

/* The name of the rule that decides, or "". */
static const char *decided(const char *text, const char *hex)
{
    struct cosem_push push;
    const struct push_rule *rule;

    accept(text);
    assert_int_equal(get(hex, &push), CODEC_OK);
    rule = push_rules_find(&rules, &push);
    return rule == NULL ? "" : rule->name;
}

static void shipped_rules(void **state)
{
    (void)state;
    assert_string_equal(decided(PUSH_RULES_DEFAULT, MX382), "iskraemeco");
    assert_string_equal(decided("default", MX382), "iskraemeco");
    assert_string_equal(decided("default", SMR55), "smr5.5");
    assert_int_equal(rules.count, 3);
    assert_int_equal(rules.rules[0].meaning, PUSH_MEANS_LAST_GASP);
    assert_int_equal(rules.rules[2].meaning, PUSH_MEANS_TEST);
    assert_string_equal(decided("none", MX382), "");
}

static void conditions(void **state)
{
    (void)state;
    assert_string_equal(decided("e: event 128.128.128.128.128.1", MX382), "");
    assert_string_equal(decided("e:event 128.128.*.128.128.0", MX382), "e");
    assert_string_equal(decided("e : event *", MX382), "e");
    assert_string_equal(decided("push *", MX382), "");
    assert_string_equal(decided("push *", SMR55), "rule-1");
    assert_string_equal(decided("push 0.3.25.9.0.255", SMR55), "rule-1");
    assert_string_equal(decided("event 0.3.25.9.0.255", SMR55), "");
    assert_string_equal(decided("alarm 0.3.25.9.0.255 bit 1", SMR55), "");
    assert_string_equal(decided("alarm 0.3.25.9.0.255 register 2 bit 0", SMR55), "");
    assert_string_equal(decided("alarm * register 1 bit 0", SMR55), "rule-1");
    assert_string_equal(decided("push *; alarm * bit 0", SMR55), "rule-1");
    assert_string_equal(decided("a: push 1.2.3.4.5.6 ;  b: alarm * bit 0 -> data", SMR55), "b");
    assert_int_equal(rules.rules[1].meaning, PUSH_MEANS_DATA);
}

static void broken_rules(void **state)
{
    static char many[4096];

    (void)state;
    refuse("", "\"event\", \"push\" or \"alarm\"");
    refuse("event", "logical name");
    refuse("event 1.2.3.4.5", "logical name");
    refuse("event 1.2.3.4.5.256", "logical name");
    refuse("event 1.2.3.4.5.6.7", "six numbers");
    refuse("event 1.2.3.4.5.6 bit 1", "\";\"");
    refuse("alarm 1.2.3.4.5.6", "bit");
    refuse("alarm * bit 32", "0 to 31");
    refuse("alarm * bit", "0 to 31");
    refuse("alarm * register 5 bit 0", "1 to 4");
    refuse("alarm * bit 0 -> gasp", "last-gasp");
    refuse("push *;", "\"event\"");
    refuse("x: push *; x: event *", "two rules are named x");
    refuse("smr5.5: push *; default", "two rules are named smr5.5");
    refuse(" : push *", "a name");
    refuse("a-name-that-is-much-too-long-to-keep: push *", "a name");
    refuse("none; push *", "nothing after");
    for (int i = 0; i <= PUSH_RULES_MAX; i++)
        strcat(many, i == 0 ? "push *" : "; push *"); // NOLINT: room for all
    refuse(many, "more than 32");
}

static int free_all(void **state)
{
    struct cosem_push push;

    (void)state;
    (void)get("", &push);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_captured_event),
        cmocka_unit_test(an_alarm),
        cmocka_unit_test(what_is_cut_is_refused),
        cmocka_unit_test(other_apdus_are_refused),
        cmocka_unit_test(identifiers),
        cmocka_unit_test(numbers_among_readings),
        cmocka_unit_test(times),
        cmocka_unit_test(shipped_rules),
        cmocka_unit_test(conditions),
        cmocka_unit_test(broken_rules),
    };

    return cmocka_run_group_tests(tests, NULL, free_all);
}
