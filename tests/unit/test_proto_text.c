/* Device text for `string` fields: what passes, what is rewritten, where it is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/proto/text.h"

static void text_is_checked(void **state)
{
    static const struct {
        const char *in;
        const char *out; /* NULL: as it is */
    } cases[] = {
        {"", NULL},
        {"868020012345678", NULL},
        {"Энергомера", NULL},
        {"\xf0\x9f\x94\x8c plug", NULL},
        {"a\nb", "a\\x0Ab"},
        {"\x7f", "\\x7F"},
        {"a\\b", "a\\x5Cb"},
        {"\\x41", "\\x5Cx41"},
        {"868\xff", "868\\xFF"},
        {"\xc0\x80", "\\xC0\\x80"},                   /* an overlong NUL */
        {"\xe0\x9f\xbf", "\\xE0\\x9F\\xBF"},          /* overlong */
        {"\xed\xa0\x80", "\\xED\\xA0\\x80"},          /* a surrogate */
        {"\xf4\x90\x80\x80", "\\xF4\\x90\\x80\\x80"}, /* beyond U+10FFFF */
        {"\xd0", "\\xD0"},                            /* cut */
        {"\xd0z", "\\xD0z"},
        {"\xc2\x85", "\\xC2\\x85"},          /* a control character of C1 */
        {"\xe2\x80\xae", "\\xE2\\x80\\xAE"}, /* turns the direction of writing */
        {"\xef\xbb\xbf", "\\xEF\\xBB\\xBF"}, /* a mark of byte order */
        {"\xef\xbf\xbd", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[64];
        bool same = proto_text(cases[i].in, strlen(cases[i].in), out, sizeof(out));

        assert_string_equal(out, cases[i].out == NULL ? cases[i].in : cases[i].out);
        assert_int_equal(same, cases[i].out == NULL);
        assert_true(proto_utf8_valid(out, strlen(out)));
    }
}

static void nul_is_text_too(void **state)
{
    char out[16];

    (void)state;
    assert_false(proto_text("a\0b", 3, out, sizeof(out)));
    assert_string_equal(out, "a\\x00b");
}

static void cut_between_characters(void **state)
{
    static const char *const expected[] = {"",   "a",  "a",       "aЖ",      "aЖ",
                                           "aЖ", "aЖ", "aЖ\\x0A", "aЖ\\x0Az"};

    (void)state;
    for (size_t room = 0; room < sizeof(expected) / sizeof(expected[0]); room++) {
        char *out = malloc(room + 1); /* for the address sanitizer */

        assert_non_null(out);
        assert_false(proto_text("aЖ\nz", 5, out, room + 1));
        assert_string_equal(out, expected[room]);
        free(out);
    }
    for (size_t room = 1; room < 4; room++) {
        char out[4];

        assert_int_equal(proto_text("abc", 3, out, room), false);
        assert_int_equal(strlen(out), room - 1);
    }
}

/* Whatever bytes: the result is UTF-8, fits where it is promised to, and two texts are never
 * written alike. */
static void any_bytes_become_text(void **state)
{
    uint32_t random = 7;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        char out[PROTO_TEXT_SIZE(6)];
        uint8_t bytes[6];
        uint8_t back[6];
        size_t size;
        size_t taken;

        for (size_t k = 0; k < sizeof(bytes); k++) {
            random = random * 1103515245u + 12345u;
            bytes[k] = (uint8_t)(random >> 16);
        }
        size = (random >> 24) % 7;
        (void)proto_text(bytes, size, out, sizeof(out));
        assert_true(proto_utf8_valid(out, strlen(out)));
        taken = proto_text_undo(out, back, sizeof(back));
        assert_int_equal(taken, size);
        assert_memory_equal(back, bytes, size);
    }
}

/* Text that nobody wrote with proto_text stays what it is. */
static void what_is_no_escape_stays(void **state)
{
    static const char *const texts[] = {"", "868", "\\", "\\x", "\\x4", "\\x4g", "\\xff", "\\n"};
    uint8_t back[8];

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(proto_text_undo(texts[i], back, sizeof(back)), strlen(texts[i]));
        assert_memory_equal(back, texts[i], strlen(texts[i]));
    }
    assert_int_equal(proto_text_undo("a\\x00b", back, 2), 3);
    assert_memory_equal(back, "a", 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_checked),         cmocka_unit_test(nul_is_text_too),
        cmocka_unit_test(cut_between_characters),  cmocka_unit_test(any_bytes_become_text),
        cmocka_unit_test(what_is_no_escape_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
