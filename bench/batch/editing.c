#include "bench/batch/editing.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/reactor/disk.h"

/* ---- the folder ---- */

bool editing_make_folder(struct editing_folder *folder, const char *parent)
{
    (void)snprintf(folder->path, sizeof(folder->path), "%.200s/editing-XXXXXX", parent);
    if (mkdtemp(folder->path) == NULL)
        return false;
    (void)snprintf(folder->journal, sizeof(folder->journal), "%s/journal", folder->path);
    (void)snprintf(folder->store, sizeof(folder->store), "%s/store", folder->path);
    return true;
}

static void remove_one(const char *name, uint64_t size, void *context)
{
    char path[600];

    (void)size;
    (void)snprintf(path, sizeof(path), "%s/%s", (const char *)context, name);
    (void)unlink(path);
}

bool editing_remove_folder(const struct editing_folder *folder)
{
    (void)disk_list(folder->journal, remove_one, (void *)folder->journal);
    (void)rmdir(folder->journal);
    (void)disk_list(folder->path, remove_one, (void *)folder->path);
    return rmdir(folder->path) == 0;
}

static void set_flag(void *context)
{
    *(bool *)context = true;
}

/* ---- the writer ---- */

static struct editing *of_writer(const struct reactor_thread *thread)
{
    return container_of(thread, struct editing, writer);
}

static enum status begin_writing(struct reactor_thread *thread, struct kernel_error *error)
{
    (void)error;
    journal_start(of_writer(thread)->journal, thread->reactor);
    return STATUS_OK;
}

static void stop_writing(struct reactor_thread *thread)
{
    journal_stop(of_writer(thread)->journal, set_flag, &of_writer(thread)->writer_gone);
}

static bool has_written(const struct reactor_thread *thread)
{
    return of_writer(thread)->writer_gone;
}

static const struct reactor_thread_ops writer_ops = {
    .begin = begin_writing, .stop = stop_writing, .quiet = has_written};

/* ---- the readers ---- */

static struct editing *of_reader(const struct reactor_thread *thread)
{
    return container_of(thread, struct editing, reader);
}

static enum status begin_reading(struct reactor_thread *thread, struct kernel_error *error)
{
    struct editing *editing = of_reader(thread);
    const struct editor_config config = {.directory = editing->directory,
                                         .journal = editing->journal,
                                         .reactor = thread->reactor,
                                         .node = "node1"};
    enum status status = keeper_start(editing->journal, editing->store, editing->directory,
                                      thread->reactor, &keeper_pace, &editing->keeper);

    (void)error;
    return status == STATUS_OK ? editor_start(&config, &editing->editor) : status;
}

static void stop_reading(struct reactor_thread *thread)
{
    struct editing *editing = of_reader(thread);

    editor_stop(editing->editor, set_flag, &editing->editor_gone);
    keeper_stop(editing->keeper, set_flag, &editing->keeper_gone);
}

static bool has_read(const struct reactor_thread *thread)
{
    return of_reader(thread)->editor_gone && of_reader(thread)->keeper_gone;
}

static const struct reactor_thread_ops reader_ops = {
    .begin = begin_reading, .stop = stop_reading, .quiet = has_read};

/* ---- both ---- */

const char *editing_start(struct editing *editing, const struct editing_config *config)
{
    static const struct reactor_config reactor = {.limits = {.slots = 64,
                                                             .reserved_slots = 1,
                                                             .buffer_count = {64, 1},
                                                             .buffer_size = {4096, 65536}}};
    struct journal_config journal = config->journal;
    struct journal_recovery recovery;
    struct journal_error error;
    struct load_report report;
    struct store_error store_error;
    struct kernel_error kernel_error;

    *editing = (struct editing){0};
    journal.folder = config->folder->journal;
    if (journal_open(&journal, &editing->journal, &recovery, &error) != STATUS_OK)
        return "the journal can't be opened";
    if (directory_create(&config->directory, &editing->directory) != STATUS_OK ||
        directory_load(editing->directory, config->folder->store, editing->journal, &editing->store,
                       &report, &store_error) != STATUS_OK)
        return "the directory can't be made";
    if (reactor_thread_start(&editing->writer, &writer_ops, &reactor, &kernel_error) != STATUS_OK ||
        reactor_thread_start(&editing->reader, &reader_ops, &reactor, &kernel_error) != STATUS_OK)
        return "a thread, its ring or memory for it is refused";
    return NULL;
}

void editing_stop(struct editing *editing)
{
    reactor_thread_stop(&editing->reader);
    reactor_thread_stop(&editing->writer);
    reactor_thread_free(&editing->reader);
    reactor_thread_free(&editing->writer);
    store_close(editing->store);
    journal_free(editing->journal);
    directory_free(editing->directory);
}
