/* The plugin jsonl: whole lines, whatever pipe and disk have room for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugins/plugin.h"

extern const struct plugin jsonl_plugin;

struct bed {
    char folder[64];
    char path[80];
    void *instance;
    struct plugin_facts facts;
    char out[1 << 18];
    const char *why;
};

static int set_up(void **state)
{
    struct bed *bed = calloc(1, sizeof(*bed));
    char error[100];

    assert_non_null(bed);
    (void)strcpy(bed->folder, "/tmp/cencd-jsonl-XXXXXX");
    assert_non_null(mkdtemp(bed->folder));
    (void)snprintf(bed->path, sizeof(bed->path), "%s/out", bed->folder);
    struct plugin_value value = {.text = bed->path};
    assert_true(jsonl_plugin.configure(&value, &bed->instance, error, sizeof(error)));
    bed->facts = (struct plugin_facts){
        .size = sizeof(bed->facts),
        .what = PLUGIN_FACT_NEW,
        .sequence = 1,
        .node = "",
        .scope = "",
        .serial = "a\"b\\x00",
        .kind = "",
        .model = "",
        .firmware = "",
        .hardware = "",
        .project = "",
        .listener = "",
        .peer = "",
        .reason = "",
        .signal_csq = PLUGIN_SIGNAL_UNKNOWN,
    };
    *state = bed;
    return 0;
}

static int tear_down(void **state)
{
    struct bed *bed = *state;

    jsonl_plugin.destroy(bed->instance);
    (void)unlink(bed->path);
    (void)rmdir(bed->folder);
    free(bed);
    return 0;
}

static enum plugin_answer tell(struct bed *bed)
{
    return jsonl_plugin.tell(bed->instance, &bed->facts, &bed->why);
}

static size_t read_all(struct bed *bed, int file)
{
    ssize_t size = read(file, bed->out, sizeof(bed->out) - 1);

    bed->out[size > 0 ? size : 0] = '\0';
    return size > 0 ? (size_t)size : 0;
}

static int open_reader(const struct bed *bed)
{
    int file = open(bed->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

    assert_true(file >= 0);
    return file;
}

#define LINE "{\"sequence\":1,\"what\":\"new\",\"unix_ms\":0,\"serial\":\"a\\\"b\\\\x00\"}\n"

static void test_a_line_is_json(void **state)
{
    struct bed *bed = *state;

    assert_int_equal(tell(bed), PLUGIN_DONE);
    int file = open_reader(bed);
    (void)read_all(bed, file);
    assert_string_equal(bed->out, LINE);
    (void)close(file);
}

static void test_an_unknown_fact_is_passed_over(void **state)
{
    struct bed *bed = *state;

    bed->facts.what = 99;
    assert_int_equal(tell(bed), PLUGIN_DONE);
    assert_int_equal(access(bed->path, F_OK), -1);
}

static void test_a_pipe_that_nobody_reads(void **state)
{
    struct bed *bed = *state;

    assert_int_equal(mkfifo(bed->path, 0600), 0);
    assert_int_equal(tell(bed), PLUGIN_LATER);
    assert_string_equal(bed->why, "nobody reads the pipe");
    int file = open_reader(bed);
    assert_int_equal(tell(bed), PLUGIN_DONE);
    (void)read_all(bed, file);
    assert_string_equal(bed->out, LINE);
    (void)close(file);
}

/* Longer than what a pipe takes in one piece. */
static void make_long(struct bed *bed, char *text, size_t size)
{
    memset(text, 'x', size - 1);
    text[size - 1] = '\0';
    bed->facts.model = text;
}

/* The pipe has one page left: the line's beginning goes there, its end when there is room. */
static void test_a_line_in_two_parts(void **state)
{
    struct bed *bed = *state;
    char text[6001];

    assert_int_equal(mkfifo(bed->path, 0600), 0);
    int reader = open_reader(bed);
    int filler = open(bed->path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    size_t filled = 0;
    size_t room = (size_t)fcntl(filler, F_GETPIPE_SZ);
    memset(bed->out, '\n', sizeof(bed->out));
    while (filled + 4096 < room)
        filled += (size_t)write(filler, bed->out, 4096);
    make_long(bed, text, sizeof(text));
    assert_int_equal(tell(bed), PLUGIN_LATER);
    assert_string_equal(bed->why, "the pipe is full");
    assert_int_equal(read_all(bed, reader), room);
    assert_int_equal(bed->out[filled], '{');
    assert_int_equal(tell(bed), PLUGIN_DONE);
    size_t rest = read_all(bed, reader);
    assert_true(rest > 6000 - 4096 && rest < 6000);
    assert_int_equal(bed->out[rest - 1], '\n');
    (void)close(filler);
    (void)close(reader);
}

/* What the former reader had of it is lost with him: the next one gets the line from its start. */
static void test_a_new_reader_gets_whole_lines(void **state)
{
    struct bed *bed = *state;
    char text[6001];

    assert_int_equal(mkfifo(bed->path, 0600), 0);
    int reader = open_reader(bed);
    int filler = open(bed->path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    size_t room = (size_t)fcntl(filler, F_GETPIPE_SZ);
    memset(bed->out, '\n', sizeof(bed->out));
    for (size_t filled = 0; filled + 4096 < room; filled += 4096)
        assert_int_equal(write(filler, bed->out, 4096), 4096);
    make_long(bed, text, sizeof(text));
    assert_int_equal(tell(bed), PLUGIN_LATER);
    (void)close(filler);
    (void)close(reader);
    assert_int_equal(tell(bed), PLUGIN_LATER);
    assert_string_equal(bed->why, "nobody reads the pipe");
    reader = open_reader(bed);
    assert_int_equal(tell(bed), PLUGIN_DONE);
    size_t size = read_all(bed, reader);
    assert_true(size > 6000);
    assert_int_equal(bed->out[0], '{');
    (void)close(reader);
}

/* ---- a file whose disk fails ---- */

/* Room for size bytes more, or for as many as there may be. */
static void limit_file(rlim_t size)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = size;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static size_t write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    size_t size = fwrite(text, 1, strlen(text), file);
    assert_int_equal(fclose(file), 0);
    return size;
}

static void expect_file(struct bed *bed, const char *path, const char *expected)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);

    assert_true(file >= 0);
    (void)read_all(bed, file);
    (void)close(file);
    assert_string_equal(bed->out, expected);
}

#define HALF "{\"sequence\":1,\"wh"

/* The file takes half of it and then nothing for a while. The rest never comes: it must not run
 * into the next line. */
static void test_half_a_line_stays_alone(void **state)
{
    struct bed *bed = *state;

    assert_int_equal(tell(bed), PLUGIN_DONE);
    limit_file(strlen(LINE) + strlen(HALF));
    assert_int_equal(tell(bed), PLUGIN_LATER);
    assert_string_equal(bed->why, "the file is as large as it may be");
    assert_int_equal(tell(bed), PLUGIN_LATER);
    limit_file(RLIM_INFINITY);
    assert_int_equal(tell(bed), PLUGIN_DONE);
    expect_file(bed, bed->path, LINE HALF "\n" LINE);
}

/* Room for the line end alone. */
static void test_half_a_line_is_ended_once(void **state)
{
    struct bed *bed = *state;

    (void)write_file(bed->path, HALF);
    limit_file(strlen(HALF) + 1);
    assert_int_equal(tell(bed), PLUGIN_LATER);
    assert_int_equal(tell(bed), PLUGIN_LATER);
    limit_file(RLIM_INFINITY);
    assert_int_equal(tell(bed), PLUGIN_DONE);
    expect_file(bed, bed->path, HALF "\n" LINE);
}

/* Another process, which was killed, left it. */
static void test_half_a_line_of_another_run(void **state)
{
    struct bed *bed = *state;

    (void)write_file(bed->path, LINE HALF);
    assert_int_equal(tell(bed), PLUGIN_DONE);
    assert_int_equal(tell(bed), PLUGIN_DONE);
    expect_file(bed, bed->path, LINE HALF "\n" LINE LINE);
}

/* A file that was taken away with half a line: the new one has it whole. */
static void test_a_file_taken_away_within_a_line(void **state)
{
    struct bed *bed = *state;
    char away[96];

    (void)snprintf(away, sizeof(away), "%s.1", bed->path);
    limit_file(strlen(HALF));
    assert_int_equal(tell(bed), PLUGIN_LATER);
    limit_file(RLIM_INFINITY);
    assert_int_equal(rename(bed->path, away), 0);
    assert_int_equal(tell(bed), PLUGIN_DONE);
    expect_file(bed, away, HALF);
    expect_file(bed, bed->path, LINE);
    (void)unlink(away);
}

static void restart(struct bed *bed, const char *path)
{
    struct plugin_value value = {.text = path};
    char error[100];

    jsonl_plugin.destroy(bed->instance);
    assert_true(jsonl_plugin.configure(&value, &bed->instance, error, sizeof(error)));
}

static void test_a_device_that_is_always_full(void **state)
{
    struct bed *bed = *state;

    restart(bed, "/dev/full");
    assert_int_equal(tell(bed), PLUGIN_LATER);
    assert_string_equal(bed->why, "the disk is full");
    assert_int_equal(tell(bed), PLUGIN_LATER);
}

/* A disk of two pages; where none may be mounted, the other tests must do. Lines come at places
 * where the disk was full: whatever it took, each line is there once. */
static void test_a_full_disk(void **state)
{
    struct bed *bed = *state;
    char path[96];
    char other[96];
    unsigned lines = 0;

    if (mount("none", bed->folder, "tmpfs", 0, "size=8k") != 0)
        skip();
    (void)snprintf(path, sizeof(path), "%s/out", bed->folder);
    (void)snprintf(other, sizeof(other), "%s/other", bed->folder);
    char page[4096];
    memset(page, 'x', sizeof(page) - 1);
    page[sizeof(page) - 1] = '\0';
    (void)write_file(other, page);
    while (tell(bed) == PLUGIN_DONE)
        lines++;
    assert_string_equal(bed->why, "the disk is full");
    assert_int_equal(tell(bed), PLUGIN_LATER);
    assert_int_equal(unlink(other), 0);
    assert_int_equal(tell(bed), PLUGIN_DONE);
    assert_int_equal(tell(bed), PLUGIN_DONE);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(read_all(bed, file), (lines + 2) * strlen(LINE));
    for (unsigned i = 0; i < lines + 2; i++)
        assert_memory_equal(bed->out + i * strlen(LINE), LINE, strlen(LINE));
    (void)close(file);
    restart(bed, bed->path); /* the file is closed */
    assert_int_equal(umount(bed->folder), 0);
}

static void test_too_long_is_refused(void **state)
{
    struct bed *bed = *state;
    char text[9001];

    make_long(bed, text, sizeof(text));
    assert_int_equal(tell(bed), PLUGIN_REFUSED);
    bed->facts.model = "";
    assert_int_equal(tell(bed), PLUGIN_DONE);
}

#define JSONL_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        JSONL_TEST(test_a_line_is_json),
        JSONL_TEST(test_an_unknown_fact_is_passed_over),
        JSONL_TEST(test_a_pipe_that_nobody_reads),
        JSONL_TEST(test_a_line_in_two_parts),
        JSONL_TEST(test_a_new_reader_gets_whole_lines),
        JSONL_TEST(test_half_a_line_stays_alone),
        JSONL_TEST(test_half_a_line_is_ended_once),
        JSONL_TEST(test_half_a_line_of_another_run),
        JSONL_TEST(test_a_file_taken_away_within_a_line),
        JSONL_TEST(test_a_device_that_is_always_full),
        JSONL_TEST(test_a_full_disk),
        JSONL_TEST(test_too_long_is_refused),
    };

    (void)signal(SIGPIPE, SIG_IGN); /* as in the server */
    (void)signal(SIGXFSZ, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
