/* Bytes of any kind as valid UTF-8. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "server/ops/plain_text.h"

static void assert_plain(const char *bytes, size_t size, const char *expected)
{
    char out[PLAIN_TEXT_SIZE(64)];

    assert_true(size <= 64);
    assert_string_equal(plain_text((const uint8_t *)bytes, size, out), expected);
}

static void test_valid_text_stays(void **state)
{
    (void)state;
    assert_plain("", 0, "");
    assert_plain("ATM21 \"x\" /", 11, "ATM21 \"x\" /");
    assert_plain("\xc3\xa4\xe2\x82\xac\xf0\x9f\x93\xa1", 9, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x93\xa1");
    assert_plain("\xc2\xa0\xf4\x8f\xbf\xbf", 6, "\xc2\xa0\xf4\x8f\xbf\xbf");
}

static void test_other_bytes_are_escaped(void **state)
{
    (void)state;
    assert_plain("a\0b\n\x7f", 5, "a\\x00b\\x0a\\x7f");
    assert_plain("\\x41", 4, "\\x5cx41");                        /* told from an escape */
    assert_plain("\x80\xff", 2, "\\x80\\xff");                   /* no first byte */
    assert_plain("\xc0\xaf", 2, "\\xc0\\xaf");                   /* longer than need be */
    assert_plain("\xe0\x80\xaf", 3, "\\xe0\\x80\\xaf");          /* the same */
    assert_plain("\xed\xa0\x80", 3, "\\xed\\xa0\\x80");          /* half a surrogate pair */
    assert_plain("\xf4\x90\x80\x80", 4, "\\xf4\\x90\\x80\\x80"); /* beyond U+10FFFF */
    assert_plain("\xf8\x88\x80\x80\x80", 5, "\\xf8\\x88\\x80\\x80\\x80");
    assert_plain("\xe2\x82", 2, "\\xe2\\x82"); /* cut off */
    assert_plain("\xe2(\xa1", 3, "\\xe2(\\xa1");
    assert_plain("\xc2\x85", 2, "\\xc2\\x85"); /* a control character */
}

/* Whatever two or three bytes there are, JSON takes them. */
static void test_json_takes_everything(void **state)
{
    char out[PLAIN_TEXT_SIZE(3)];

    (void)state;
    for (uint32_t value = 0; value < 0x1000000; value += value < 0x20000 ? 1 : 251) {
        uint8_t bytes[3] = {(uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value};
        json_t *text = json_string(plain_text(bytes, sizeof(bytes), out));
        assert_non_null(text);
        json_decref(text);
    }
}

static void test_hex(void **state)
{
    char out[HEX_TEXT_SIZE(4)];

    (void)state;
    assert_string_equal(hex_text((const uint8_t *)"\x00\x7f\xab\xff", 4, out), "007fabff");
    assert_string_equal(hex_text((const uint8_t *)"", 0, out), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid_text_stays),
        cmocka_unit_test(test_other_bytes_are_escaped),
        cmocka_unit_test(test_json_takes_everything),
        cmocka_unit_test(test_hex),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
