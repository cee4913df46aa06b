/* The journal between threads: two of no reactor and one of a reactor append, another reads what is
 * committed, while segments are made and let go. For ThreadSanitizer, and for the order that holds
 * all the same: each thread's entries are committed in the order of their append. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "server/journal/journal.h"
#include "server/journal/reader.h"
#include "server/reactor/thread.h"

#define STRANGERS 2u
#define APPENDERS (STRANGERS + 1)
#define EACH      2000u

struct item {
    struct journal_entry entry;
    uint32_t data[2]; /* appender, number */
};

static struct {
    char folder[64];
    struct journal *journal;
    struct reactor *user;
    struct journal_reader *reader;
    struct journal_watch watch;
    struct item items[APPENDERS][EACH];
    _Atomic uint32_t done[APPENDERS];
    uint64_t next;            /* sequence to be read */
    uint32_t seen[APPENDERS]; /* numbers read */
    uint32_t appended;        /* by the user's thread */
    bool reading;
    bool freed;
    bool watch_removed;
    bool stopped;
} world;

static const struct reactor_config reactor_config = {
    .limits = {
        .slots = 16, .reserved_slots = 1, .buffer_count = {4, 1}, .buffer_size = {4096, 65536}}};

/* ---- the writer ---- */

static void stopped(void *context)
{
    (void)context;
    world.stopped = true;
}

static enum status begin_writing(struct reactor_thread *thread, struct kernel_error *error)
{
    (void)error;
    journal_start(world.journal, thread->reactor);
    return STATUS_OK;
}

static void stop_writing(struct reactor_thread *thread)
{
    (void)thread;
    journal_stop(world.journal, stopped, NULL);
}

static bool has_written(const struct reactor_thread *thread)
{
    (void)thread;
    return world.stopped;
}

static const struct reactor_thread_ops writer_ops = {
    .begin = begin_writing, .stop = stop_writing, .quiet = has_written};

/* ---- appending ---- */

static void done(struct journal_entry *entry, enum status status)
{
    const struct item *item = container_of(entry, struct item, entry);
    assert_int_equal(status, STATUS_OK);
    assert_true(entry->sequence <= journal_committed(world.journal));
    /* in the order of the append */
    assert_int_equal(atomic_fetch_add(&world.done[item->data[0]], 1), item->data[1]);
}

static bool append(uint32_t appender, uint32_t number)
{
    struct item *item = &world.items[appender][number];
    item->data[0] = appender;
    item->data[1] = number;
    item->entry = (struct journal_entry){.data = (const uint8_t *)item->data,
                                         .size = sizeof item->data,
                                         .kind = JOURNAL_EVENT,
                                         .class = JOURNAL_FIRST,
                                         .from = appender < STRANGERS ? NULL : world.user,
                                         .done = done};
    enum status status = journal_append(world.journal, &item->entry);
    assert_true(status == STATUS_OK || status == STATUS_FULL);
    return status == STATUS_OK;
}

static void *append_all(void *argument)
{
    uint32_t appender = (uint32_t)(uintptr_t)argument;
    for (uint32_t number = 0; number < EACH;) {
        if (append(appender, number))
            number++;
        else
            (void)sched_yield();
    }
    return NULL;
}

/* ---- reading ---- */

static void got(void *context, enum journal_read what, const struct journal_record *records,
                size_t count)
{
    (void)context;
    world.reading = false;
    assert_true(what == JOURNAL_READ_RECORDS || what == JOURNAL_READ_END);
    for (size_t i = 0; what == JOURNAL_READ_RECORDS && i < count; i++) {
        uint32_t data[2];
        assert_int_equal(records[i].sequence, world.next++);
        assert_int_equal(records[i].size, sizeof data);
        memcpy(data, records[i].data, sizeof data);
        assert_true(data[0] < APPENDERS);
        assert_int_equal(data[1], world.seen[data[0]]++);
    }
}

static void read_on(void)
{
    if (world.reading || world.next == APPENDERS * EACH + 1)
        return;
    world.reading = true;
    journal_reader_next(world.reader, got, NULL);
}

static void committed(struct journal_watch *watch)
{
    (void)watch;
    read_on();
}

static void removed(struct journal_watch *watch)
{
    (void)watch;
    world.watch_removed = true;
}

static void freed(void *context)
{
    (void)context;
    world.freed = true;
}

static bool all_done(void)
{
    for (unsigned i = 0; i < APPENDERS; i++)
        if (atomic_load(&world.done[i]) < EACH)
            return false;
    return world.next == APPENDERS * EACH + 1;
}

/* This thread appends, reads and is told. */
static void use_journal(void)
{
    world.next = 1;
    assert_int_equal(journal_reader_create(world.journal, world.user, 1, &world.reader), STATUS_OK);
    world.watch = (struct journal_watch){.reactor = world.user, .committed = committed};
    journal_watch_add(world.journal, &world.watch);
    while (!all_done()) {
        if (world.appended < EACH && append(STRANGERS, world.appended))
            world.appended++;
        read_on();
        reactor_turn(world.user, world.appended < EACH ? 0 : 10);
    }
    journal_watch_remove(world.journal, &world.watch, removed);
    journal_reader_free(world.reader, freed, NULL);
    while (!world.freed || !world.watch_removed || !reactor_idle(world.user))
        reactor_turn(world.user, 10);
}

/* ---- the test ---- */

static void remove_folder(void)
{
    DIR *folder = opendir(world.folder);
    const struct dirent *entry;
    assert_non_null(folder);
    while ((entry = readdir(folder)) != NULL)
        if (entry->d_name[0] != '.')
            assert_int_equal(unlinkat(dirfd(folder), entry->d_name, 0), 0);
    closedir(folder);
    assert_int_equal(rmdir(world.folder), 0);
}

static void open_journal(void)
{
    const char *base = getenv("TMPDIR");
    struct journal_recovery recovery;
    struct journal_error error;
    (void)snprintf(world.folder, sizeof world.folder, "%.40s/cencd-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(world.folder));
    struct journal_config config = {.folder = world.folder,
                                    .node = "threads",
                                    .segment_bytes = 20000,
                                    .queue_bytes = 30000,
                                    .retention_bytes = 1 << 30};
    assert_int_equal(journal_open(&config, &world.journal, &recovery, &error), STATUS_OK);
}

static void threads_append_and_read(void **state)
{
    (void)state;
    struct reactor_thread writer;
    struct kernel_error error;
    pthread_t strangers[STRANGERS];
    open_journal();
    assert_int_equal(reactor_create(&reactor_config, &world.user, &error), STATUS_OK);
    assert_int_equal(reactor_thread_start(&writer, &writer_ops, &reactor_config, &error),
                     STATUS_OK);
    for (uintptr_t i = 0; i < STRANGERS; i++)
        assert_int_equal(pthread_create(&strangers[i], NULL, append_all, (void *)i), 0);
    use_journal();
    for (unsigned i = 0; i < STRANGERS; i++)
        pthread_join(strangers[i], NULL);
    const struct journal_counters *counters = journal_counters(world.journal);
    assert_int_equal(counters->records, APPENDERS * EACH);
    assert_true(counters->segments > 5);
    reactor_thread_stop(&writer);
    reactor_thread_free(&writer);
    reactor_destroy(world.user);
    journal_free(world.journal);
    remove_folder();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_append_and_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
