/* The virtual disk: results as the system calls', and what a crash leaves of the files. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "server/reactor/disk.h"
#include "tests/sim/bench_kernel.h"
#include "tests/sim/seeds.h"

#define PAGE 1024u

static int32_t open_file(struct bench *bench, const char *path, int flags)
{
    kernel_file_open(bench->kernels[0], path, flags, 0600, 1);
    return bench_result(bench, 1);
}

static int32_t write_file(struct bench *bench, int file, const void *data, uint32_t size,
                          uint64_t offset)
{
    kernel_file_write(bench->kernels[0], file, data, size, offset, 2);
    return bench_result(bench, 2);
}

static int32_t read_file(struct bench *bench, int file, void *data, uint32_t size, uint64_t offset)
{
    kernel_file_read(bench->kernels[0], file, data, size, offset, 3);
    return bench_result(bench, 3);
}

static int32_t sync_file(struct bench *bench, int file)
{
    kernel_file_sync(bench->kernels[0], file, 4);
    return bench_result(bench, 4);
}

static int32_t close_file(struct bench *bench, int file)
{
    kernel_file_close(bench->kernels[0], file, 5);
    return bench_result(bench, 5);
}

static void files_are_read_as_they_were_written(void **state)
{
    (void)state;
    struct bench bench;
    char data[32];
    size_t size;
    bench_open(&bench, NULL);
    assert_int_equal(open_file(&bench, "/state/a", O_RDWR), -ENOENT);
    int file = open_file(&bench, "/state/a", O_RDWR | O_CREAT | O_EXCL);
    assert_true(file >= 0);
    assert_int_equal(open_file(&bench, "/state/a", O_RDWR | O_CREAT | O_EXCL), -EEXIST);
    assert_int_equal(write_file(&bench, file, "hello", 5, 0), 5);
    assert_int_equal(write_file(&bench, file, "world", 5, 7), 5);
    assert_int_equal(read_file(&bench, file, data, sizeof data, 0), 12);
    assert_memory_equal(data, "hello\0\0world", 12);
    assert_int_equal(read_file(&bench, file, data, sizeof data, 12), 0);
    assert_int_equal(close_file(&bench, file), 0);
    file = open_file(&bench, "/state/a", O_RDONLY);
    assert_int_equal(write_file(&bench, file, "x", 1, 0), -EBADF);
    assert_int_equal(close_file(&bench, file), 0);
    assert_memory_equal(sim_file_content(bench.sim, "/state/a", &size), "hello\0\0world", 12);
    assert_int_equal(size, 12);
    file = open_file(&bench, "/state/a", O_RDWR | O_TRUNC);
    assert_int_equal(read_file(&bench, file, data, sizeof data, 0), 0);
    assert_int_equal(close_file(&bench, file), 0);
    bench_close(&bench);
}

static void a_full_disk_takes_no_more(void **state)
{
    (void)state;
    struct bench bench;
    struct sim_options options;
    static const uint8_t page[PAGE];
    sim_options_calm(&options, 1);
    options.disk_bytes = 3 * PAGE;
    bench_open(&bench, &options);
    int file = open_file(&bench, "a", O_WRONLY | O_CREAT);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(write_file(&bench, file, page, PAGE, i * PAGE), PAGE);
    assert_int_equal(write_file(&bench, file, page, 1, 3 * PAGE), -ENOSPC);
    assert_int_equal(write_file(&bench, file, page, PAGE, 0), PAGE);
    assert_int_equal(close_file(&bench, file), 0);
    bench_close(&bench);
}

/* ---- a crash ---- */

struct outcome {
    bool kept;
    bool lost;
    bool torn;
    bool gone; /* the new file, whose folder was not synced */
};

static struct outcome seen;

static void crash(struct bench *bench)
{
    kernel_listen_close(bench->listening);
    kernel_destroy(bench->kernels[0]);
    kernel_destroy(bench->kernels[1]);
    sim_crash_disk(bench->sim);
}

static void sync_folder(struct bench *bench)
{
    int folder = open_file(bench, "/state", O_RDONLY | O_DIRECTORY);
    SEEDS_REQUIRE(sync_file(bench, folder) == 0 && close_file(bench, folder) == 0);
}

static void judge(struct bench *bench)
{
    size_t size;
    uint8_t synced[PAGE];
    memset(synced, 1, sizeof synced);
    const uint8_t *content = sim_file_content(bench->sim, "/state/known", &size);
    SEEDS_REQUIRE(content && size >= PAGE && memcmp(content, synced, PAGE) == 0);
    unsigned twos = 0;
    for (size_t i = PAGE; i < size; i++)
        twos += content[i] == 2;
    seen.kept = seen.kept || twos == PAGE;
    seen.lost = seen.lost || twos == 0;
    seen.torn = seen.torn || (twos > 0 && twos < PAGE);
    seen.gone = seen.gone || !sim_file_content(bench->sim, "/state/new", &size);
}

static void crash_once(uint64_t seed)
{
    struct bench bench;
    struct sim_options options;
    uint8_t page[PAGE];
    sim_options_calm(&options, seed);
    bench_open(&bench, &options);
    int file = open_file(&bench, "/state/known", O_RDWR | O_CREAT);
    memset(page, 1, sizeof page);
    if (seed % 2 == 0) {
        SEEDS_REQUIRE(write_file(&bench, file, page, PAGE, 0) == PAGE);
        SEEDS_REQUIRE(sync_file(&bench, file) == 0);
    } else {
        kernel_file_write_through(bench.kernels[0], file, page, PAGE, 0, 6);
        SEEDS_REQUIRE(bench_result(&bench, 6) == PAGE);
    }
    sync_folder(&bench);
    memset(page, 2, sizeof page);
    SEEDS_REQUIRE(write_file(&bench, file, page, PAGE, PAGE) == PAGE);
    int fresh = open_file(&bench, "/state/new", O_RDWR | O_CREAT);
    SEEDS_REQUIRE(write_file(&bench, fresh, page, PAGE, 0) == PAGE);
    SEEDS_REQUIRE(sync_file(&bench, fresh) == 0);
    crash(&bench);
    judge(&bench);
    sim_destroy(bench.sim);
}

static void a_crash_keeps_what_was_synced_and_may_tear_the_rest(void **state)
{
    (void)state;
    seen = (struct outcome){false, false, false, false};
    seeds_run("disk crash", 400, crash_once);
    if (seeds_all())
        assert_true(seen.kept && seen.lost && seen.torn && seen.gone);
}

/* ---- removal ---- */

static bool came_back;

static void remove_once(uint64_t seed)
{
    struct bench bench;
    struct sim_options options;
    size_t size;
    uint8_t byte = 0;
    sim_options_calm(&options, seed);
    bench_open(&bench, &options);
    sim_file_put(bench.sim, "/state/known", (const uint8_t *)"x", 1);
    sim_file_put(bench.sim, "/state/synced", (const uint8_t *)"y", 1);
    int file = open_file(&bench, "/state/known", O_RDONLY);
    SEEDS_REQUIRE(disk_remove("/state/none") == -ENOENT);
    SEEDS_REQUIRE(disk_remove("/state/synced") == 0 && disk_sync_folder("/state") == 0);
    SEEDS_REQUIRE(disk_remove("/state/known") == 0);
    SEEDS_REQUIRE(!sim_file_content(bench.sim, "/state/known", &size));
    SEEDS_REQUIRE(read_file(&bench, file, &byte, 1, 0) == 1 && byte == 'x');
    SEEDS_REQUIRE(close_file(&bench, file) == 0);
    crash(&bench);
    came_back = came_back || sim_file_content(bench.sim, "/state/known", &size);
    SEEDS_REQUIRE(!sim_file_content(bench.sim, "/state/synced", &size));
    sim_destroy(bench.sim);
}

/* Whoever has the file open still reads it. */
static void a_removed_file_may_come_back_until_its_folder_is_synced(void **state)
{
    (void)state;
    came_back = false;
    seeds_run("removal", 100, remove_once);
    if (seeds_all())
        assert_true(came_back);
}

static void visit_file(const char *name, uint64_t size, void *context)
{
    uint64_t *bytes = context;
    assert_true(strcmp(name, "a") == 0 || strcmp(name, "b") == 0);
    *bytes += size;
}

static void files_of_a_folder_are_listed_read_and_cut(void **state)
{
    (void)state;
    struct bench bench;
    uint64_t bytes = 0;
    uint8_t data[16];
    bench_open(&bench, NULL);
    sim_file_put(bench.sim, "/state/a", (const uint8_t *)"abc", 3);
    sim_file_put(bench.sim, "/state/b", (const uint8_t *)"defgh", 5);
    sim_file_put(bench.sim, "/state/deeper/c", (const uint8_t *)"i", 1);
    sim_file_put(bench.sim, "/other", (const uint8_t *)"j", 1);
    assert_int_equal(disk_list("/state", visit_file, &bytes), 0);
    assert_int_equal(bytes, 8);
    assert_int_equal(disk_read("/state/b", 1, data, sizeof data), 4);
    assert_memory_equal(data, "efgh", 4);
    assert_int_equal(disk_read("/state/c", 0, data, sizeof data), -ENOENT);
    assert_int_equal(disk_truncate("/state/b", 2), 0);
    assert_int_equal(disk_read("/state/b", 0, data, sizeof data), 2);
    bench_close(&bench);
}

/* ---- faults ---- */

static bool failed_sync_lost;

/* After a failed sync a second one succeeds, yet says nothing about what was written before. */
static void sync_fails_once(uint64_t seed)
{
    struct bench bench;
    struct sim_options options;
    uint8_t page[PAGE];
    size_t size;
    memset(page, 3, sizeof page);
    sim_options_calm(&options, seed);
    options.file_error = 300;
    bench_open(&bench, &options);
    int file = open_file(&bench, "/state/known", O_RDWR | O_CREAT);
    bool written = write_file(&bench, file, page, PAGE, 0) == PAGE;
    int32_t first = sync_file(&bench, file);
    int32_t second = sync_file(&bench, file);
    SEEDS_REQUIRE((first == 0 || first == -EIO) && (second == 0 || second == -EIO));
    crash(&bench);
    const uint8_t *content = sim_file_content(bench.sim, "/state/known", &size);
    if (written && first == 0 && content)
        SEEDS_REQUIRE(size == PAGE && memcmp(content, page, PAGE) == 0);
    if (written && first < 0 && second == 0 && content)
        failed_sync_lost = failed_sync_lost || size < PAGE || memcmp(content, page, PAGE) != 0;
    sim_destroy(bench.sim);
}

static void a_failed_sync_may_lose_bytes_for_ever(void **state)
{
    (void)state;
    failed_sync_lost = false;
    seeds_run("failed sync", 400, sync_fails_once);
    if (seeds_all())
        assert_true(failed_sync_lost);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_read_as_they_were_written),
        cmocka_unit_test(a_full_disk_takes_no_more),
        cmocka_unit_test(a_crash_keeps_what_was_synced_and_may_tear_the_rest),
        cmocka_unit_test(a_removed_file_may_come_back_until_its_folder_is_synced),
        cmocka_unit_test(files_of_a_folder_are_listed_read_and_cut),
        cmocka_unit_test(a_failed_sync_may_lose_bytes_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
