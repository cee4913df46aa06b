/* The log: lines are whole and quoted, and no descriptor, however slow or broken, stops a caller.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "server/base/log.h"

static const struct log_context context = {.module = "test"};

/* ---- a reader that counts what it gets ---- */

struct reader {
    int fd;
    pthread_t thread;
    char *text;
    size_t size;
};

static void *reader_main(void *argument)
{
    struct reader *reader = argument;
    FILE *copy = open_memstream(&reader->text, &reader->size);
    char buffer[65536];
    ssize_t size;

    while ((size = read(reader->fd, buffer, sizeof(buffer))) > 0)
        (void)fwrite(buffer, 1, (size_t)size, copy);
    (void)fclose(copy);
    (void)close(reader->fd);
    return NULL;
}

static void reader_start(struct reader *reader, int fd)
{
    reader->fd = fd;
    assert_int_equal(pthread_create(&reader->thread, NULL, reader_main, reader), 0);
}

/* Ends when the writing side is closed. */
static void reader_join(struct reader *reader)
{
    assert_int_equal(pthread_join(reader->thread, NULL), 0);
}

static size_t count_lines(const char *text, const char *with)
{
    size_t size = strlen(with);
    size_t count = 0;

    /* not strstr: under a sanitizer it measures the whole text each time */
    for (; *text != '\0'; text++)
        count += *text == *with && strncmp(text, with, size) == 0;
    return count;
}

/* Writes one line through a pipe and returns the text that came out. */
static char *one_line(enum log_level level, const struct log_context *about, const char *message,
                      const char *fields)
{
    struct reader reader;
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(log_start(ends[1], LOG_DEBUG), STATUS_OK);
    reader_start(&reader, ends[0]);
    log_line(level, about, message, "%s", fields);
    log_stop();
    (void)close(ends[1]);
    reader_join(&reader);
    return reader.text;
}

/* ---- lines ---- */

static void test_line_has_its_fields(void **state)
{
    struct log_context about = {.module = "link", .link = 17, .serial = "868441"};
    char *text = one_line(LOG_WARN, &about, "two words", "reason=idle");
    static const char shape[] = "time=dddd-dd-ddTdd:dd:dd.dddZ ";
    size_t i = 5;

    (void)state;
    for (; shape[i] != '\0'; i++) {
        if (shape[i] == 'd')
            assert_in_range(text[i], '0', '9');
        else
            assert_int_equal(text[i], shape[i]);
    }
    assert_string_equal(
        text + i, "level=warn module=link link=17 serial=868441 msg=\"two words\" reason=idle\n");
    free(text);
}

static void test_absent_fields_are_left_out(void **state)
{
    struct log_context about = {.module = "link", .serial = ""};
    char *text = one_line(LOG_INFO, &about, "x", "a=1");

    (void)state;
    assert_string_equal(strchr(text, ' '), " level=info module=link msg=\"x\" a=1\n");
    free(text);
}

static void test_device_text_stays_in_its_field(void **state)
{
    struct log_context about = {.module = "link", .serial = "1\" level=error\n"};
    char *text = one_line(LOG_INFO, &about, "a\"b\\\x01", "x=1\ny=\x7f");

    (void)state;
    assert_string_equal(strchr(text, ' '),
                        " level=info module=link serial=\"1\\\" level=error\\x0a\""
                        " msg=\"a\\\"b\\\\\\x01\" x=1?y=?\n");
    free(text);
}

/* Cut at every alignment: the line ends, says so, and its quotes are closed. */
static void test_long_line_is_cut(void **state)
{
    static const char *const fills[] = {"a", "\\\"", "\xd0\x96"};
    char fields[4096];

    (void)state;
    for (size_t round = 0; round < 12; round++) {
        const char *fill = fills[round % 3];
        size_t size = (size_t)snprintf(fields, sizeof(fields), "x=\"%.*s", (int)(round / 3), "bbb");
        bool open = false;

        while (size + strlen(fill) < sizeof(fields)) {
            memcpy(fields + size, fill, strlen(fill) + 1);
            size += strlen(fill);
        }
        char *text = one_line(LOG_INFO, &context, "x", fields);
        assert_true(strlen(text) <= 2048);
        assert_string_equal(text + strlen(text) - strlen("\" cut=true\n"), "\" cut=true\n");
        for (const char *at = text; *at != '\0'; at++) {
            if (*at == '\\' && open)
                at++;
            else if (*at == '"')
                open = !open;
        }
        assert_false(open);
        free(text);
    }
}

static void test_level_filters(void **state)
{
    struct reader reader;
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(log_start(ends[1], LOG_WARN), STATUS_OK);
    assert_true(log_enabled(LOG_ERROR));
    assert_true(log_enabled(LOG_WARN));
    assert_false(log_enabled(LOG_INFO));
    reader_start(&reader, ends[0]);
    log_line(LOG_INFO, &context, "no", "");
    log_line(LOG_WARN, &context, "yes", "");
    log_stop();
    (void)close(ends[1]);
    reader_join(&reader);
    assert_int_equal(count_lines(reader.text, "\n"), 1);
    assert_non_null(strstr(reader.text, "msg=\"yes\"\n"));
    free(reader.text);
}

static void test_level_names(void **state)
{
    enum log_level level = LOG_DEBUG;

    (void)state;
    assert_true(log_level_parse("error", &level) && level == LOG_ERROR);
    assert_true(log_level_parse("warn", &level) && level == LOG_WARN);
    assert_true(log_level_parse("info", &level) && level == LOG_INFO);
    assert_true(log_level_parse("debug", &level) && level == LOG_DEBUG);
    assert_false(log_level_parse("", &level));
    assert_false(log_level_parse("INFO", &level));
    assert_false(log_level_parse("information", &level));
}

/* Outside start and stop lines go straight to standard error. */
static void test_lines_before_start_are_written(void **state)
{
    struct reader reader;
    int ends[2];
    int saved = dup(STDERR_FILENO);

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    (void)close(ends[1]);
    log_line(LOG_ERROR, &context, "early", "");
    assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
    (void)close(saved);
    reader_start(&reader, ends[0]);
    reader_join(&reader);
    assert_non_null(strstr(reader.text, " level=error module=test msg=\"early\"\n"));
    free(reader.text);
}

/* ---- quoting ---- */

static void assert_quote(const char *text, const char *expected)
{
    char out[256];

    assert_string_equal(log_quote(text, out, sizeof(out)), expected);
}

static void test_quote(void **state)
{
    (void)state;
    assert_quote("plain-1.2:3/x", "plain-1.2:3/x");
    assert_quote("", "\"\"");
    assert_quote("a b", "\"a b\"");
    assert_quote("a=b", "\"a=b\"");
    assert_quote("a\"b", "\"a\\\"b\"");
    assert_quote("a\\b", "\"a\\\\b\"");
    assert_quote("a\r\n\t", "\"a\\x0d\\x0a\\x09\"");
    assert_quote("\x7f", "\"\\x7f\"");
    assert_quote("\xd0\x96\xe2\x82\xac\xf0\x9f\x98\x80", "\xd0\x96\xe2\x82\xac\xf0\x9f\x98\x80");
}

static void test_quote_of_invalid_utf8(void **state)
{
    (void)state;
    assert_quote("\xff", "\"\\xff\"");
    assert_quote("\x80", "\"\\x80\"");
    assert_quote("a\xd0", "\"a\\xd0\"");                          /* cut short */
    assert_quote("\xc0\xaf", "\"\\xc0\\xaf\"");                   /* overlong */
    assert_quote("\xe0\x80\xaf", "\"\\xe0\\x80\\xaf\"");          /* overlong */
    assert_quote("\xed\xa0\x80", "\"\\xed\\xa0\\x80\"");          /* a surrogate */
    assert_quote("\xf4\x90\x80\x80", "\"\\xf4\\x90\\x80\\x80\""); /* beyond U+10FFFF */
    assert_quote("\xc2\x9b", "\"\\xc2\\x9b\"");                   /* a control character */
}

/* Whatever the room, the value is whole: whole characters, and a quote at both ends or none. */
static void test_quote_in_little_room(void **state)
{
    static const char *const texts[] = {"abcdef", "a b\n\"\xff", "\xd0\x96\xd0\x96\xd0\x96"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        for (size_t room = 0; room < 24; room++) {
            char *out = malloc(room + 1);

            memset(out, '#', room + 1);
            assert_ptr_equal(log_quote(texts[i], out, room), out);
            assert_int_equal(out[room], '#');
            size_t size = room == 0 ? 0 : strlen(out);
            if (size > 0 && out[0] == '"')
                assert_true(size >= 2 && out[size - 1] == '"');
            if (i == 2)
                assert_int_equal(size % 2, 0);
            free(out);
        }
    }
}

/* ---- slow and broken descriptors ---- */

#define MANY 40000u /* lines of 100 bytes and more: several times the ring */

static void write_many(unsigned count)
{
    static const char filler[] = "0123456789012345678901234567890123456789";

    for (unsigned i = 0; i < count; i++)
        log_line(LOG_INFO, &context, "line", "number=%u filler=%s", i, filler);
}

/* Nobody reads while lines are written: the calls return, and in the end each line was either read
 * or counted as dropped. */
static void check_full_pipe(int flags)
{
    struct reader reader;
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC | flags), 0);
    assert_int_equal(fcntl(ends[0], F_SETFL, 0), 0);
    assert_int_equal(log_start(ends[1], LOG_INFO), STATUS_OK);
    write_many(MANY);
    assert_true(log_dropped() > 0);
    reader_start(&reader, ends[0]);
    log_stop();
    (void)close(ends[1]);
    reader_join(&reader);
    size_t got = count_lines(reader.text, " msg=\"line\" ");
    assert_int_equal(got + log_dropped(), MANY);
    assert_int_equal(count_lines(reader.text, "\n"), count_lines(reader.text, "time="));
    free(reader.text);
}

static void test_full_pipe_never_blocks_callers(void **state)
{
    (void)state;
    check_full_pipe(0);
}

static void test_full_nonblocking_pipe(void **state)
{
    (void)state;
    check_full_pipe(O_NONBLOCK);
}

/* After a reader has come back the log says how many lines are missing: all of them, in the end. */
static void test_log_tells_of_dropped_lines(void **state)
{
    struct reader reader;
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(log_start(ends[1], LOG_INFO), STATUS_OK);
    write_many(MANY);
    reader_start(&reader, ends[0]);
    log_stop();
    (void)close(ends[1]);
    reader_join(&reader);
    unsigned long long told = 0;
    for (const char *at = reader.text; (at = strstr(at, " module=log ")) != NULL; at++)
        told += strtoull(strstr(at, " dropped=") + strlen(" dropped="), NULL, 10);
    assert_int_equal(told, log_dropped());
    free(reader.text);
}

/* A reader that never comes back can't keep log_stop for ever. */
static void test_stop_gives_up_on_a_stuck_descriptor(void **state)
{
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(log_start(ends[1], LOG_INFO), STATUS_OK);
    write_many(4000);
    log_stop();
    assert_true(log_dropped() > 0);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void test_closed_pipe_is_survived(void **state)
{
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    (void)close(ends[0]);
    assert_int_equal(log_start(ends[1], LOG_INFO), STATUS_OK);
    write_many(1000);
    log_stop();
    assert_int_equal(log_dropped(), 1000);
    (void)close(ends[1]);
}

static void *writer_main(void *argument)
{
    (void)argument;
    write_many(5000);
    return NULL;
}

static void test_lines_of_many_threads_stay_whole(void **state)
{
    struct reader reader;
    pthread_t threads[4];
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(log_start(ends[1], LOG_INFO), STATUS_OK);
    reader_start(&reader, ends[0]);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, writer_main, NULL), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    log_stop();
    (void)close(ends[1]);
    reader_join(&reader);
    size_t notices = count_lines(reader.text, " module=log ");
    assert_int_equal(count_lines(reader.text, "6789\n") + log_dropped(), 20000);
    assert_int_equal(count_lines(reader.text, "\n"), 20000 - log_dropped() + notices);
    assert_int_equal(count_lines(reader.text, "\ntime=") + 1, count_lines(reader.text, "\n"));
    free(reader.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line_has_its_fields),
        cmocka_unit_test(test_absent_fields_are_left_out),
        cmocka_unit_test(test_device_text_stays_in_its_field),
        cmocka_unit_test(test_long_line_is_cut),
        cmocka_unit_test(test_level_filters),
        cmocka_unit_test(test_level_names),
        cmocka_unit_test(test_lines_before_start_are_written),
        cmocka_unit_test(test_quote),
        cmocka_unit_test(test_quote_of_invalid_utf8),
        cmocka_unit_test(test_quote_in_little_room),
        cmocka_unit_test(test_full_pipe_never_blocks_callers),
        cmocka_unit_test(test_full_nonblocking_pipe),
        cmocka_unit_test(test_log_tells_of_dropped_lines),
        cmocka_unit_test(test_stop_gives_up_on_a_stuck_descriptor),
        cmocka_unit_test(test_closed_pipe_is_survived),
        cmocka_unit_test(test_lines_of_many_threads_stay_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
