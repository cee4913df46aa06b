/* The table of IEC 61968-9 codes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "codec/proto/event_codes.h"

static void codes_are_as_consumers_know_them(void **state)
{
    (void)state;
    assert_string_equal(event_code_text(EVENT_CODE_NONE), "");
    assert_string_equal(event_code_text(EVENT_CODE_LAST_GASP), "3.26.136.47");
    assert_string_equal(event_code_text(EVENT_CODE_MODULE_POWER_RESTORED), "3.26.136.216");
    assert_string_equal(event_code_text(EVENT_CODE_POWER_DOWN), "3.26.0.47");
    assert_string_equal(event_code_text(EVENT_CODE_POWER_UP), "3.26.0.216");
    assert_string_equal(event_code_text(EVENT_CODE_RELAY_DISCONNECT), "3.31.0.23");
}

static void each_code_is_found_again(void **state)
{
    (void)state;
    for (unsigned i = EVENT_CODE_NONE + 1; i < EVENT_CODE_COUNT; i++) {
        assert_int_equal(event_code_find(event_code_text((enum event_code)i)), i);
        assert_true(strlen(event_code_meaning((enum event_code)i)) > 0);
    }
    assert_int_equal(event_code_find(""), EVENT_CODE_NONE);
    assert_int_equal(event_code_find("3.26.136.4"), EVENT_CODE_NONE);
}

static void bodies_have_codes(void **state)
{
    (void)state;
    assert_int_equal(event_code_of(CENC__V1__EVENT__BODY_LAST_GASP), EVENT_CODE_LAST_GASP);
    assert_int_equal(event_code_of(CENC__V1__EVENT__BODY_POWER_RESTORED),
                     EVENT_CODE_MODULE_POWER_RESTORED);
    assert_int_equal(event_code_of(CENC__V1__EVENT__BODY_CONNECTED), EVENT_CODE_CONNECTED);
    assert_int_equal(event_code_of(CENC__V1__EVENT__BODY_DISCONNECTED), EVENT_CODE_DISCONNECTED);
    assert_int_equal(event_code_of(CENC__V1__EVENT__BODY_AGENT_ADDED), EVENT_CODE_NONE);
    assert_int_equal(event_code_of(CENC__V1__EVENT__BODY__NOT_SET), EVENT_CODE_NONE);
}

static void obis_has_a_reading_type(void **state)
{
    const uint8_t import[6] = {1, 0, 1, 8, 0, 255};
    const uint8_t export[6] = {1, 0, 2, 8, 0, 255};
    const uint8_t reactive[6] = {1, 0, 4, 8, 0, 255};
    const uint8_t other[6] = {1, 0, 1, 8, 1, 255};
    char text[OBIS_TEXT_SIZE];

    (void)state;
    assert_string_equal(reading_type_of_obis(import)->text,
                        "0.0.0.1.1.1.12.0.0.0.0.0.0.0.0.3.72.0");
    assert_string_equal(reading_type_of_obis(import)->unit, "kWh");
    assert_string_equal(reading_type_of_obis(export)->text,
                        "0.0.0.1.19.1.12.0.0.0.0.0.0.0.0.3.72.0");
    assert_string_equal(reading_type_of_obis(reactive)->text,
                        "0.0.0.1.3.1.12.0.0.0.0.0.0.0.0.3.73.0");
    assert_string_equal(reading_type_of_obis(reactive)->unit, "kvarh");
    assert_null(reading_type_of_obis(other));
    assert_string_equal(obis_format(import, text), "1.0.1.8.0.255");
    assert_string_equal(obis_format((const uint8_t[6]){255, 255, 255, 255, 255, 255}, text),
                        "255.255.255.255.255.255");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_are_as_consumers_know_them),
        cmocka_unit_test(each_code_is_found_again),
        cmocka_unit_test(bodies_have_codes),
        cmocka_unit_test(obis_has_a_reading_type),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
