/* The pattern language of simple modems: what it reads, what it refuses, what it matches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "codec/modem/pattern.h"

static struct pattern pattern;
static char error[160];

static void accept(const char *text)
{
    error[0] = '\0';
    if (!pattern_parse(text, &pattern, error, sizeof(error)))
        fail_msg("%s: %s", text, error);
}

static void refuse(const char *text, const char *complaint)
{
    error[0] = '\0';
    if (pattern_parse(text, &pattern, error, sizeof(error)))
        fail_msg("%s was accepted", text);
    if (strstr(error, complaint) == NULL)
        fail_msg("%s: \"%s\" expected, not \"%s\"", text, complaint, error);
}

/* id "": none is captured; size: bytes that match, for MAYBE and YES. */
static void match(const char *text, const char *input, enum pattern_result expected, size_t size,
                  const char *id)
{
    struct pattern_match found;

    accept(text);
    enum pattern_result result =
        pattern_match(&pattern, (const uint8_t *)input, strlen(input), &found);
    if (result != expected)
        fail_msg("%s against %s: %d", text, input, (int)result);
    if (result != PATTERN_MAYBE && result != PATTERN_YES)
        return;
    assert_int_equal(found.size, size);
    assert_int_equal(found.id_size, strlen(id));
    if (found.id_size > 0)
        assert_memory_equal(found.id, id, found.id_size);
}

static void what_matches(void **state)
{
    (void)state;
    match("LOGIN:(id)", "", PATTERN_MORE, 0, "");
    match("LOGIN:(id)", "LOG", PATTERN_MORE, 0, "");
    match("LOGIN:(id)", "LOGIN:", PATTERN_MORE, 0, "");
    match("LOGIN:(id)", "LOGOUT", PATTERN_NO, 0, "");
    match("LOGIN:(id)", "LOGIN:-", PATTERN_NO, 0, "");
    match("LOGIN:(id)", "LOGIN:1001", PATTERN_MAYBE, 10, "1001");
    match("LOGIN:(id)", "LOGIN:1001\r", PATTERN_YES, 10, "1001");
    match("LOGIN:(id)\\r\\n", "LOGIN:1001\r", PATTERN_MORE, 0, "");
    match("LOGIN:(id)\\r\\n", "LOGIN:1001\r\nmore", PATTERN_YES, 12, "1001");
    match("(id:15 digit)", "868441036757234", PATTERN_YES, 15, "868441036757234");
    match("(id:15 digit)", "86844103675723", PATTERN_MORE, 0, "");
    match("(id:15 digit)", "86844103675723x", PATTERN_NO, 0, "");
    match("(id:2..3 hex)", "aF3b", PATTERN_YES, 3, "aF3");
    match("(id:2..3 hex)", "aFg", PATTERN_YES, 2, "aF");
    match("(id:1..31 print)", "a-b c", PATTERN_YES, 3, "a-b");
    match("A(skip:2 any)(id:2)", "A()77", PATTERN_YES, 5, "77");
    match("A(skip:1..9 digit)B", "A123B", PATTERN_YES, 5, "");
    match("\\x41\\(\\)\\\\\\t", "A()\\\t", PATTERN_YES, 5, "");
    match("", "anything", PATTERN_NO, 0, "");
}

static void what_is_refused(void **state)
{
    static char longest[PATTERN_MAX_ITEMS + 2];

    (void)state;
    refuse("(id", "\")\"");
    refuse("(id:)", "count");
    refuse("(id:0)", "1 to 31");
    refuse("(id:32)", "1 to 31");
    refuse("(id:5..4)", "1 to 31");
    refuse("(skip:256 any)", "1 to 255");
    refuse("(skip:1..)", "number");
    refuse("(id:4 any)", "class any");
    refuse("(id:4 number)", "classes");
    refuse("(id:4 )", "classes");
    refuse("(name)", "(id ...)");
    refuse("(id:1)(id:1)", "second");
    refuse(")", "\\)");
    refuse("a\\", "escape");
    refuse("\\q", "escape");
    refuse("\\x4", "hexadecimal");
    refuse("\\x", "hexadecimal");
    refuse("(id)A", "can't belong");
    refuse("(id)(skip:1 any)", "can't belong");
    memset(longest, 'a', PATTERN_MAX_ITEMS + 1);
    refuse(longest, "more than 64");
    longest[PATTERN_MAX_ITEMS] = '\0';
    accept(longest);
    accept("(id:4)A");
}

static void fixed_bytes(void **state)
{
    uint8_t bytes[4];
    size_t size = 9;

    (void)state;
    accept("\\x00\\xfFa");
    assert_true(pattern_bytes(&pattern, bytes, sizeof(bytes), &size));
    assert_int_equal(size, 3);
    assert_memory_equal(bytes,
                        "\x00\xff"
                        "a",
                        3);
    assert_false(pattern_bytes(&pattern, bytes, 2, &size));
    accept("a(skip:1)");
    assert_false(pattern_bytes(&pattern, bytes, sizeof(bytes), &size));
    accept("");
    assert_true(pattern_bytes(&pattern, bytes, 0, &size));
    assert_int_equal(size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_matches),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(fixed_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
