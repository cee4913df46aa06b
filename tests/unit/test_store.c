/* The directory's store: what a commit promises, and what happens to files that are not ours. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "tests/history/history.h"

struct bench {
    char folder[64];
    char path[80];
    struct history history;
};

static int open_bench(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    assert_non_null(bench);
    history_make_folder(bench->folder);
    (void)snprintf(bench->path, sizeof(bench->path), "%s/store", bench->folder);
    history_init(&bench->history);
    *state = bench;
    return 0;
}

static int close_bench(void **state)
{
    struct bench *bench = *state;

    history_remove_folder(bench->folder);
    history_free(&bench->history);
    free(bench);
    return 0;
}

static struct store *open_store(const struct bench *bench)
{
    struct store *store = NULL;
    struct store_error error;

    if (store_open(bench->path, &store, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    return store;
}

static void tell_connected(struct bench *bench, const char *serial, uint32_t epoch)
{
    struct told told = {
        .scope = "default", .serial = serial, .epoch = epoch, .port = 20001, .csq = 17};

    (void)history_tell(&bench->history, CENC__V1__EVENT__BODY_CONNECTED, &told, 1000 + epoch);
}

struct found {
    unsigned count;
    struct device_facts facts; /* of the last one; its texts are gone */
    char serial[FACTS_SERIAL_SIZE];
};

static void note(const struct device_facts *facts, void *context)
{
    struct found *found = context;

    found->count++;
    found->facts = *facts;
    (void)snprintf(found->serial, sizeof(found->serial), "%s", facts->serial);
}

static struct found look(struct store *store)
{
    struct found found = {0};
    struct store_error error;

    assert_int_equal(store_load(store, note, &found, &error), STATUS_OK);
    return found;
}

/* ---- what it keeps ---- */

static void test_a_new_file(void **state)
{
    struct bench *bench = *state;
    struct store *store = open_store(bench);
    struct stat status;

    assert_int_equal(store_sequence(store), 0);
    assert_int_equal(look(store).count, 0);
    assert_int_equal(stat(bench->path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    store_close(store);
    store = open_store(bench);
    assert_int_equal(store_sequence(store), 0);
    store_close(store);
}

static void test_devices_and_sequence_come_back(void **state)
{
    struct bench *bench = *state;
    struct store *store = open_store(bench);
    struct told gasp = {.scope = "default", .serial = "\xff\\x41", .epoch = 3};

    tell_connected(bench, "\xff\\x41", 3);
    (void)history_tell(&bench->history, CENC__V1__EVENT__BODY_LAST_GASP, &gasp, 5000);
    history_to_store(&bench->history, store, 1, 1);
    history_to_store(&bench->history, store, 2, 2);
    store_close(store);
    store = open_store(bench);
    struct found found = look(store);
    assert_int_equal(store_sequence(store), 2);
    assert_int_equal(found.count, 1);
    assert_string_equal(found.serial, "\\xFF\\x5Cx41");
    assert_int_equal(found.facts.epoch, 3);
    assert_int_equal(found.facts.direct_port, 20001);
    assert_int_equal(found.facts.signal_csq, 17);
    assert_int_equal(found.facts.first_seen_utc_ms, 1003);
    assert_int_equal(found.facts.gasp.utc_ms, 5000);
    assert_int_equal(found.facts.gasp.sequence, 2);
    store_close(store);
}

static void test_events_of_other_sorts_only_count(void **state)
{
    struct bench *bench = *state;
    struct store *store = open_store(bench);
    struct told told = {.no_device = true};

    (void)history_tell(&bench->history, CENC__V1__EVENT__BODY_SERVER_STARTED, &told, 1);
    (void)history_tell(&bench->history, CENC__V1__EVENT__BODY__NOT_SET, &told, 1);
    history_to_store(&bench->history, store, 1, 2);
    assert_int_equal(store_sequence(store), 2);
    assert_int_equal(look(store).count, 0);
    store_close(store);
}

/* Without an end nothing counts, also if the process ends there. */
static void test_all_or_none(void **state)
{
    struct bench *bench = *state;
    struct store_error error;
    struct store *store = open_store(bench);

    tell_connected(bench, "1", 1);
    tell_connected(bench, "2", 1);
    history_to_store(&bench->history, store, 1, 1);
    assert_int_equal(store_begin(store, &error), STATUS_OK);
    assert_int_equal(store_event(store, history_event(&bench->history, 2), 2, &error), STATUS_OK);
    store_close(store);
    store = open_store(bench);
    assert_int_equal(store_sequence(store), 1);
    assert_int_equal(look(store).count, 1);
    store_close(store);
}

/* ---- the disk refuses ---- */

static void test_a_full_disk_changes_nothing(void **state)
{
    struct bench *bench = *state;
    struct store *store = open_store(bench);
    struct store_error error;
    struct rlimit former;
    struct rlimit tight;
    enum status status = STATUS_OK;

    tell_connected(bench, "1", 1);
    history_to_store(&bench->history, store, 1, 1);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &former), 0);
    tight = former;
    tight.rlim_cur = 32768;
    assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    uint64_t done = 1;
    while (status == STATUS_OK && done < 10000) {
        tell_connected(bench, "2", (uint32_t)done);
        status = store_begin(store, &error);
        if (status == STATUS_OK)
            status = store_event(store, history_event(&bench->history, done + 1), done + 1, &error);
        if (status == STATUS_OK)
            status = store_end(store, done + 1, &error);
        done += status == STATUS_OK;
    }
    assert_int_equal(status, STATUS_SYSTEM);
    assert_non_null(strstr(error.text, bench->path));
    assert_int_equal(store_sequence(store), done);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &former), 0);
    history_to_store(&bench->history, store, done + 1, done + 1);
    assert_int_equal(look(store).facts.epoch, done);
    store_close(store);
}

/* A server that had stopped in order didn't start on a full disk: SQLite's files, which had gone
 * with the last one who had the store open, needed room. */
static void test_its_files_stay(void **state)
{
    struct bench *bench = *state;
    struct stat found;
    char path[100];

    tell_connected(bench, "1", 1);
    for (unsigned i = 0; i < 2; i++) {
        struct store *store = open_store(bench);
        if (i == 0)
            history_to_store(&bench->history, store, 1, 1);
        store_close(store);
        (void)snprintf(path, sizeof(path), "%s-wal", bench->path);
        assert_int_equal(stat(path, &found), 0);
        assert_int_equal(found.st_size, 0); /* nothing for a file that is put in its place */
        (void)snprintf(path, sizeof(path), "%s-shm", bench->path);
        assert_int_equal(stat(path, &found), 0);
        assert_true(found.st_size >= 32768);
    }
    /* what the database itself has needs none of them */
    sqlite3 *copy;
    (void)snprintf(path, sizeof(path), "file:%s?immutable=1", bench->path);
    assert_int_equal(sqlite3_open_v2(path, &copy, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL),
                     SQLITE_OK);
    sqlite3_stmt *rows;
    assert_int_equal(sqlite3_prepare_v2(copy, "SELECT sequence FROM position", -1, &rows, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(rows), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int64(rows, 0), 1);
    assert_int_equal(sqlite3_finalize(rows), SQLITE_OK);
    assert_int_equal(sqlite3_close(copy), SQLITE_OK);
}

static void test_another_process_holds_it(void **state)
{
    struct bench *bench = *state;
    struct store *store = open_store(bench);
    struct store_error error;
    sqlite3 *other;

    tell_connected(bench, "1", 1);
    assert_int_equal(sqlite3_open(bench->path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(store_begin(store, &error), STATUS_SYSTEM);
    assert_non_null(strstr(error.text, "held by another process"));
    assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    history_to_store(&bench->history, store, 1, 1);
    /* one who only reads doesn't hinder */
    assert_int_equal(sqlite3_exec(other, "BEGIN; SELECT * FROM device", NULL, NULL, NULL),
                     SQLITE_OK);
    tell_connected(bench, "2", 1);
    history_to_store(&bench->history, store, 2, 2);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    store_close(store);
}

/* ---- files that are not ours ---- */

static void put_file(const struct bench *bench, const void *data, size_t size)
{
    int file = open(bench->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(file >= 0);
    assert_int_equal(write(file, data, size), (ssize_t)size);
    assert_int_equal(close(file), 0);
}

static uint8_t *get_file(const struct bench *bench, size_t *size)
{
    struct stat status;
    int file = open(bench->path, O_RDONLY | O_CLOEXEC);

    assert_true(file >= 0);
    assert_int_equal(fstat(file, &status), 0);
    uint8_t *data = malloc((size_t)status.st_size + 1);
    assert_non_null(data);
    assert_int_equal(read(file, data, (size_t)status.st_size), status.st_size);
    assert_int_equal(close(file), 0);
    *size = (size_t)status.st_size;
    return data;
}

/* Opening, and loading if it opens, says what is wrong; and leaves the file as it was. */
static void assert_refused(const struct bench *bench, const char *words)
{
    struct store *store = NULL;
    struct found found = {0};
    struct store_error error;
    size_t size;
    size_t size_after;
    uint8_t *before = get_file(bench, &size);

    enum status status = store_open(bench->path, &store, &error);
    if (status == STATUS_OK) {
        status = store_load(store, note, &found, &error);
        store_close(store);
    }
    assert_int_equal(status, STATUS_INVALID);
    if (strstr(error.text, words) == NULL || strstr(error.text, bench->path) == NULL)
        fail_msg("%s", error.text);
    uint8_t *after = get_file(bench, &size_after);
    assert_int_equal(size, size_after);
    assert_memory_equal(before, after, size);
    free(before);
    free(after);
}

static void test_a_file_of_something_else(void **state)
{
    struct bench *bench = *state;
    char text[2000];

    memset(text, 'x', sizeof(text));
    put_file(bench, text, sizeof(text));
    assert_refused(bench, "is no SQLite file");
}

static void run_sql(const struct bench *bench, const char *sql)
{
    sqlite3 *database;

    assert_int_equal(sqlite3_open(bench->path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

static void test_a_database_of_another_program(void **state)
{
    struct bench *bench = *state;

    run_sql(bench, "CREATE TABLE accounts (name TEXT)");
    assert_refused(bench, "of another program");
}

static void test_a_newer_version(void **state)
{
    struct bench *bench = *state;

    store_close(open_store(bench));
    run_sql(bench, "PRAGMA user_version = 1000");
    assert_refused(bench, "newer version");
}

static void test_a_damaged_file(void **state)
{
    struct bench *bench = *state;
    struct store *store = open_store(bench);
    char serial[16];
    size_t size;

    for (unsigned i = 0; i < 500; i++) {
        (void)snprintf(serial, sizeof(serial), "%u", i);
        tell_connected(bench, serial, 1);
    }
    history_to_store(&bench->history, store, 1, 500);
    store_close(store);
    uint8_t *data = get_file(bench, &size);
    for (size_t page = 4096; page < size; page += 4096)
        memset(data + page, 0x5a, 64);
    put_file(bench, data, size);
    free(data);
    assert_refused(bench, "is damaged");
}

static void test_no_folder(void **state)
{
    struct bench *bench = *state;
    struct store *store;
    struct store_error error;

    (void)state;
    (void)snprintf(bench->path, sizeof(bench->path), "%s/none/store", bench->folder);
    assert_int_equal(store_open(bench->path, &store, &error), STATUS_SYSTEM);
    assert_non_null(strstr(error.text, "No such file"));
}

/* ---- killed ---- */

/* Event i is device i. Tells of each commit. */
static void write_until_killed(const struct bench *bench, struct history *history, int told)
{
    struct store *store = open_store(bench);
    struct store_error error;
    uint64_t sequence = store_sequence(store);

    while (sequence < history->count) {
        uint64_t last = sequence + 1 + sequence % 7;
        if (last > history->count)
            last = history->count;
        if (store_begin(store, &error) != STATUS_OK)
            _exit(1);
        for (uint64_t i = sequence + 1; i <= last; i++)
            if (store_event(store, history_event(history, i), i, &error) != STATUS_OK)
                _exit(1);
        if (store_end(store, last, &error) != STATUS_OK)
            _exit(1);
        sequence = last;
        if (write(told, &sequence, sizeof(sequence)) != sizeof(sequence))
            _exit(1);
    }
    _exit(0);
}

static void test_killed_at_any_moment(void **state)
{
    struct bench *bench = *state;
    struct dice dice = {.state = 4711};
    char serial[16];
    uint64_t sequence = 0;

    for (unsigned i = 0; i < 100000; i++) {
        (void)snprintf(serial, sizeof(serial), "%u", i);
        tell_connected(bench, serial, 1);
    }
    for (unsigned run = 0; run < 25; run++) {
        int told[2];
        int status;
        uint64_t number;
        assert_int_equal(pipe2(told, O_CLOEXEC), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            write_until_killed(bench, &bench->history, told[1]);
        assert_int_equal(close(told[1]), 0);
        /* of two runs one has begun to write before it ends, on however slow a machine */
        if (run % 2 == 1 && read(told[0], &number, sizeof(number)) == sizeof(number))
            sequence = number;
        struct timespec pause = {.tv_nsec = (long)dice_below(&dice, 20000000)};
        (void)nanosleep(&pause, NULL);
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
        while (read(told[0], &number, sizeof(number)) == sizeof(number))
            sequence = number;
        assert_int_equal(close(told[0]), 0);
        struct store *store = open_store(bench);
        assert_true(store_sequence(store) >= sequence);
        sequence = store_sequence(store);
        assert_int_equal(look(store).count, sequence);
        store_close(store);
    }
    assert_true(sequence > 0);
}

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, open_bench, close_bench)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BENCH(test_a_new_file),
        WITH_BENCH(test_devices_and_sequence_come_back),
        WITH_BENCH(test_events_of_other_sorts_only_count),
        WITH_BENCH(test_all_or_none),
        WITH_BENCH(test_a_full_disk_changes_nothing),
        WITH_BENCH(test_its_files_stay),
        WITH_BENCH(test_another_process_holds_it),
        WITH_BENCH(test_a_file_of_something_else),
        WITH_BENCH(test_a_database_of_another_program),
        WITH_BENCH(test_a_newer_version),
        WITH_BENCH(test_a_damaged_file),
        WITH_BENCH(test_no_folder),
        WITH_BENCH(test_killed_at_any_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
