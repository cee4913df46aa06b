/* Tables of cencctl: what is cut when the terminal is narrow, and that no value is a command to
 * it. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agents/cencctl/table.h"

static char *print(const char *const *columns, size_t room, const char *parts[], size_t count)
{
    char *text = NULL;
    size_t size = 0;
    struct table table = {.out = open_memstream(&text, &size), .columns = columns, .room = room};

    assert_non_null(table.out);
    for (size_t i = 0; i < count; i++) {
        json_t *items = json_loads(parts[i], 0, NULL);
        assert_non_null(items);
        table_rows(&table, items);
        json_decref(items);
    }
    assert_int_equal(fclose(table.out), 0);
    return text;
}

static void expect(const char *const *columns, size_t room, const char *items, const char *wanted)
{
    char *text = print(columns, room, &items, 1);

    assert_string_equal(text, wanted);
    free(text);
}

static const char *const three[] = {"=serial", "last_seen", "note", NULL};

static void values_of_every_kind(void **state)
{
    static const char *const columns[] = {"a", "b", "c", "d", "e", "f", NULL};

    (void)state;
    expect(columns, SIZE_MAX,
           "[{\"a\":\"text\",\"b\":7,\"c\":true,\"d\":null,\"e\":[\"x\",\"y\"],"
           "\"f\":[{\"project\":\"p\",\"name\":\"g\"}]}]",
           "A     B  C    D  E    F\n"
           "text  7  yes  -  x,y  p/g\n");
}

static void a_time_has_no_milliseconds(void **state)
{
    (void)state;
    expect(three, SIZE_MAX,
           "[{\"serial\":\"1\",\"last_seen\":\"2026-11-21T02:28:27.991Z\",\"note\":\"n\"}]",
           "SERIAL  LAST SEEN             NOTE\n"
           "1       2026-11-21T02:28:27Z  n\n");
}

static void no_rows_have_a_heading(void **state)
{
    (void)state;
    expect(three, SIZE_MAX, "[]", "SERIAL  LAST SEEN  NOTE\n");
}

/* 6 + 2 + 9 + 2 + 4 places are its heading. */
static void what_is_widest_is_cut_first(void **state)
{
    (void)state;
    expect(three, 29,
           "[{\"serial\":\"868441\",\"last_seen\":\"today\",\"note\":\"a rather long remark\"}]",
           "SERIAL  LAST SEEN  NOTE\n"
           "868441  today      a rather ~\n");
}

static void a_serial_is_never_cut_others_go(void **state)
{
    (void)state;
    expect(three, 20,
           "[{\"serial\":\"868441036757234\",\"last_seen\":\"yesterday\",\"note\":\"remarks\"}]",
           "SERIAL\n"
           "868441036757234\n");
}

static void every_line_fits(void **state)
{
    const char *items = "[{\"serial\":\"123456\",\"last_seen\":\"long long long long\","
                        "\"note\":\"longer longer longer longer\"},"
                        "{\"serial\":\"1\",\"last_seen\":\"s\",\"note\":\"n\"}]";

    (void)state;
    for (size_t room = 6; room < 80; room++) {
        char *text = print(three, room, &items, 1);
        for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1)
            assert_true(strcspn(line, "\n") <= room);
        assert_non_null(strstr(text, "123456"));
        free(text);
    }
}

static void parts_stand_below_each_other(void **state)
{
    const char *parts[] = {"[{\"serial\":\"1234567890\",\"last_seen\":\"a\",\"note\":\"b\"}]",
                           "[{\"serial\":\"1\",\"last_seen\":\"c\",\"note\":\"d\"}]", "[]"};
    char *text = print(three, SIZE_MAX, parts, 3);

    (void)state;
    assert_string_equal(text, "SERIAL      LAST SEEN  NOTE\n"
                              "1234567890  a          b\n"
                              "1           c          d\n");
    free(text);
}

static void nothing_is_a_command_to_the_terminal(void **state)
{
    static const char *const columns[] = {"a", NULL};

    (void)state;
    /* escape, newline, the C1 sequence introducer, a change of direction */
    expect(columns, SIZE_MAX, "[{\"a\":\"x\\u001b[2J\\ny\\u009b\"}]", "A\nx?[2J?y?\n");
}

static void characters_have_places(void **state)
{
    static const char *const columns[] = {"a", "b", NULL};

    (void)state;
    expect(columns, SIZE_MAX, "[{\"a\":\"Север\",\"b\":1},{\"a\":\"計\",\"b\":2}]",
           "A      B\n"
           "Север  1\n"
           "計     2\n");
    /* a wide one isn't halved */
    expect(columns, 15, "[{\"a\":\"計計計計計計計計\",\"b\":1}]",
           "A             B\n"
           "計計計計計~   1\n");
}

static void one_object_has_a_line_for_each_field(void **state)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    json_t *object = json_loads("{\"name\":\"hes\",\"groups\":[],\"extended\":false}", 0, NULL);

    (void)state;
    assert_non_null(out);
    table_one(out, object);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, "name      hes\ngroups    \nextended  no\n");
    free(text);
    json_decref(object);
}

static void columns_says_how_wide(void **state)
{
    (void)state;
    assert_int_equal(setenv("COLUMNS", "77", 1), 0);
    assert_int_equal(table_room(), 77);
    assert_int_equal(setenv("COLUMNS", "many", 1), 0);
    assert_int_not_equal(table_room(), 77);
    assert_int_equal(unsetenv("COLUMNS"), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_every_kind),
        cmocka_unit_test(a_time_has_no_milliseconds),
        cmocka_unit_test(no_rows_have_a_heading),
        cmocka_unit_test(what_is_widest_is_cut_first),
        cmocka_unit_test(a_serial_is_never_cut_others_go),
        cmocka_unit_test(every_line_fits),
        cmocka_unit_test(parts_stand_below_each_other),
        cmocka_unit_test(nothing_is_a_command_to_the_terminal),
        cmocka_unit_test(characters_have_places),
        cmocka_unit_test(one_object_has_a_line_for_each_field),
        cmocka_unit_test(columns_says_how_wide),
    };

    (void)setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
