#include "server/reactor/sim/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/reactor/sim/world.h"

#define FIRST_DESCRIPTOR 100000
#define SECTOR_BYTES     512u

/* ---- contents ---- */

static void content_resize(struct sim_content *content, size_t size)
{
    if (size == content->size)
        return;
    uint8_t *data = realloc(content->data, size ? size : 1);
    CHECK(data);
    if (size > content->size)
        memset(data + content->size, 0, size - content->size);
    content->data = data;
    content->size = size;
}

static void content_write(struct sim_content *content, uint64_t offset, const uint8_t *data,
                          size_t size)
{
    if (size == 0)
        return;
    if (offset + size > content->size)
        content_resize(content, (size_t)offset + size);
    memcpy(content->data + offset, data, size);
}

static void content_copy(struct sim_content *to, const struct sim_content *from)
{
    content_resize(to, from->size);
    if (from->size > 0)
        memcpy(to->data, from->data, from->size);
}

/* ---- files ---- */

static struct sim_file *file_find(struct sim *sim, const char *path)
{
    for (struct list *node = sim->disk.files.next; node != &sim->disk.files; node = node->next) {
        struct sim_file *file = container_of(node, struct sim_file, node);
        if (!file->removed && strcmp(file->path, path) == 0)
            return file;
    }
    return NULL;
}

static struct sim_file *file_make(struct sim *sim, const char *path)
{
    struct sim_file *file = sim_allocate(sizeof *file);
    file->path = strdup(path);
    CHECK(file->path);
    file->unsynced_end = &file->unsynced;
    list_append(&sim->disk.files, &file->node);
    return file;
}

static void forget_unsynced(struct sim_file *file)
{
    while (file->unsynced) {
        struct sim_write *write = file->unsynced;
        file->unsynced = write->next;
        free(write);
    }
    file->unsynced_end = &file->unsynced;
}

static void file_free(struct sim_file *file)
{
    forget_unsynced(file);
    list_remove(&file->node);
    free(file->now.data);
    free(file->durable.data);
    free(file->former_path);
    free(file->path);
    free(file);
}

static void note_unsynced(struct sim_file *file, uint64_t offset, const uint8_t *data,
                          uint32_t size, bool truncate)
{
    struct sim_write *write = sim_allocate(sizeof *write + size);
    write->offset = offset;
    write->size = size;
    write->truncate = truncate;
    if (size > 0)
        memcpy(write->data, data, size);
    *file->unsynced_end = write;
    file->unsynced_end = &write->next;
}

void sim_disk_init(struct sim_disk *disk)
{
    *disk = (struct sim_disk){0};
    list_init(&disk->files);
}

void sim_disk_free(struct sim_disk *disk)
{
    for (struct list *node = disk->files.next; node != &disk->files;) {
        struct sim_file *file = container_of(node, struct sim_file, node);
        node = node->next;
        file_free(file);
    }
    free(disk->descriptors);
}

/* ---- descriptors ---- */

struct sim_descriptor *sim_disk_descriptor(struct sim *sim, int file)
{
    int64_t index = (int64_t)file - FIRST_DESCRIPTOR;
    if (index < 0 || index >= sim->disk.descriptor_count || !sim->disk.descriptors[index].file)
        return NULL;
    return &sim->disk.descriptors[index];
}

static int descriptor_make(struct sim_disk *disk, struct sim_file *file, int flags)
{
    uint32_t index = 0;
    while (index < disk->descriptor_count && disk->descriptors[index].file)
        index++;
    if (index == disk->descriptor_count) {
        size_t bytes = (index + 1) * sizeof *disk->descriptors;
        disk->descriptors = realloc(disk->descriptors, bytes);
        CHECK(disk->descriptors);
        disk->descriptor_count++;
    }
    disk->descriptors[index] = (struct sim_descriptor){.file = file, .flags = flags};
    return FIRST_DESCRIPTOR + (int)index;
}

int sim_disk_open(struct sim *sim, const char *path, int flags)
{
    struct sim_file *file = file_find(sim, path);
    bool wants_folder = (flags & O_DIRECTORY) != 0;
    if (file && (flags & O_CREAT) && (flags & O_EXCL))
        return -EEXIST;
    if (file && file->is_folder != wants_folder)
        return wants_folder ? -ENOTDIR : -EISDIR;
    if (!file) {
        if (!wants_folder && !(flags & O_CREAT))
            return -ENOENT;
        file = file_make(sim, path);
        file->is_folder = wants_folder;
        file->name_durable = wants_folder;
    }
    if ((flags & O_TRUNC) && file->now.size > 0) {
        sim->disk.used_bytes -= file->now.size;
        content_resize(&file->now, 0);
        note_unsynced(file, 0, NULL, 0, true);
    }
    return descriptor_make(&sim->disk, file, flags);
}

int32_t sim_disk_close(struct sim *sim, int file)
{
    struct sim_descriptor *descriptor = sim_disk_descriptor(sim, file);
    if (!descriptor)
        return -EBADF;
    descriptor->file = NULL;
    return 0;
}

int32_t sim_disk_read(struct sim *sim, int file, uint8_t *data, uint32_t size, uint64_t offset)
{
    struct sim_descriptor *descriptor = sim_disk_descriptor(sim, file);
    if (!descriptor || (descriptor->flags & O_ACCMODE) == O_WRONLY)
        return -EBADF;
    if (descriptor->file->is_folder)
        return -EISDIR;
    if (size > 0 && sim_chance(sim, sim->options.file_error))
        return -EIO;
    const struct sim_content *content = &descriptor->file->now;
    if (offset >= content->size || size == 0)
        return 0;
    size_t left = content->size - (size_t)offset;
    uint32_t taken = left < size ? (uint32_t)left : size;
    if (sim_chance(sim, sim->options.file_short))
        taken = 1 + (uint32_t)sim_below(sim, taken);
    memcpy(data, content->data + offset, taken);
    return (int32_t)taken;
}

int32_t sim_disk_write(struct sim *sim, int file, const uint8_t *data, uint32_t size,
                       uint64_t offset)
{
    struct sim_descriptor *descriptor = sim_disk_descriptor(sim, file);
    if (!descriptor || (descriptor->flags & O_ACCMODE) == O_RDONLY)
        return -EBADF;
    if (size == 0)
        return 0;
    if (sim_chance(sim, sim->options.file_error))
        return -EIO;
    if (sim_chance(sim, sim->options.file_full))
        return -ENOSPC;
    if (sim_chance(sim, sim->options.file_short))
        size = 1 + (uint32_t)sim_below(sim, size);
    struct sim_file *target = descriptor->file;
    if (descriptor->flags & O_APPEND)
        offset = target->now.size;
    uint64_t end = offset + size;
    uint64_t growth = end > target->now.size ? end - target->now.size : 0;
    if (sim->options.disk_bytes > 0 && sim->disk.used_bytes + growth > sim->options.disk_bytes)
        return -ENOSPC;
    sim->disk.used_bytes += growth;
    content_write(&target->now, offset, data, size);
    note_unsynced(target, offset, data, size, false);
    return (int32_t)size;
}

static void apply(struct sim_content *content, const struct sim_write *write)
{
    if (write->truncate)
        content_resize(content, (size_t)write->offset);
    else
        content_write(content, write->offset, write->data, write->size);
}

/* Whole, not at all, or some of its sectors. */
static void apply_by_luck(struct sim *sim, struct sim_content *content,
                          const struct sim_write *write)
{
    uint64_t luck = sim_below(sim, 3);
    if (luck == 0)
        return;
    if (luck == 1 || write->truncate) {
        apply(content, write);
        return;
    }
    for (uint32_t at = 0; at < write->size;) {
        uint32_t piece = SECTOR_BYTES - (uint32_t)((write->offset + at) % SECTOR_BYTES);
        if (piece > write->size - at)
            piece = write->size - at;
        if (sim_chance(sim, 500))
            content_write(content, write->offset + at, write->data + at, piece);
        at += piece;
    }
}

/* Is the file directly in the folder? */
static bool is_inside(const struct sim_file *file, const char *folder)
{
    size_t length = strlen(folder);
    while (length > 1 && folder[length - 1] == '/')
        length--;
    const char *slash = strrchr(file->path, '/');
    size_t parent = slash ? (size_t)(slash - file->path) : 0;
    return slash ? parent == length && memcmp(file->path, folder, length) == 0
                 : strcmp(folder, ".") == 0;
}

static void sync_names(struct sim *sim, const char *folder)
{
    for (struct list *node = sim->disk.files.next; node != &sim->disk.files; node = node->next) {
        struct sim_file *file = container_of(node, struct sim_file, node);
        if (!is_inside(file, folder))
            continue;
        file->name_durable = true;
        file->removal_durable = file->removed;
        free(file->former_path);
        file->former_path = NULL;
    }
}

int32_t sim_disk_sync(struct sim *sim, int file)
{
    struct sim_descriptor *descriptor = sim_disk_descriptor(sim, file);
    if (!descriptor)
        return -EBADF;
    struct sim_file *target = descriptor->file;
    bool failed = sim_chance(sim, sim->options.file_error);
    if (target->is_folder) {
        if (!failed)
            sync_names(sim, target->path);
        return failed ? -EIO : 0;
    }
    /* After a failure Linux calls the pages clean: a second sync would tell nothing. */
    for (struct sim_write *write = target->unsynced; write; write = write->next) {
        if (failed)
            apply_by_luck(sim, &target->durable, write);
        else
            apply(&target->durable, write);
    }
    forget_unsynced(target);
    sim->disk.syncs_after_failure += target->sync_failed;
    target->sync_failed = target->sync_failed || failed;
    return failed ? -EIO : 0;
}

int32_t sim_disk_truncate(struct sim *sim, int file, uint64_t size)
{
    struct sim_descriptor *descriptor = sim_disk_descriptor(sim, file);
    if (!descriptor || (descriptor->flags & O_ACCMODE) == O_RDONLY)
        return -EBADF;
    if (sim_chance(sim, sim->options.file_error))
        return -EIO;
    struct sim_file *target = descriptor->file;
    sim->disk.used_bytes += (size_t)size - target->now.size;
    content_resize(&target->now, (size_t)size);
    note_unsynced(target, size, NULL, 0, true);
    return 0;
}

int sim_disk_remove(struct sim *sim, const char *path)
{
    struct sim_file *file = file_find(sim, path);
    if (!file)
        return -ENOENT;
    if (file->is_folder)
        return -EISDIR;
    if (sim_chance(sim, sim->options.file_error))
        return -EIO;
    sim->disk.used_bytes -= file->now.size;
    file->removed = true;
    return 0;
}

int sim_disk_rename(struct sim *sim, const char *path, const char *to)
{
    struct sim_file *file = file_find(sim, path);
    if (!file)
        return -ENOENT;
    SIM_RULE(!file->is_folder && !file_find(sim, to), "a file is renamed to a name that is free");
    if (sim_chance(sim, sim->options.file_error))
        return -EIO;
    if (!file->former_path)
        file->former_path = file->path;
    else
        free(file->path);
    file->path = strdup(to);
    CHECK(file->path);
    return 0;
}

void sim_disk_list(struct sim *sim, const char *folder,
                   void (*visit)(const char *name, uint64_t size, void *context), void *context)
{
    for (struct list *node = sim->disk.files.next; node != &sim->disk.files; node = node->next) {
        const struct sim_file *file = container_of(node, struct sim_file, node);
        if (file->removed || file->is_folder || !is_inside(file, folder))
            continue;
        const char *slash = strrchr(file->path, '/');
        visit(slash ? slash + 1 : file->path, file->now.size, context);
    }
}

/* ---- the test's side ---- */

/* After a crash a name may be there again that was removed, and a new one may be missing. */
static bool survives(struct sim *sim, struct sim_file *file)
{
    if (file->removed) {
        bool back = !file->removal_durable && !file_find(sim, file->path) && sim_chance(sim, 500);
        file->removed = !back;
        return back && file->name_durable;
    }
    return file->name_durable || !sim_chance(sim, 500);
}

/* Before the folder was synced a crash may leave the former name, unless another file has it. */
static void settle_name(struct sim *sim, struct sim_file *file)
{
    if (!file->former_path)
        return;
    if (!file_find(sim, file->former_path) && sim_chance(sim, 500)) {
        free(file->path);
        file->path = file->former_path;
    } else {
        free(file->former_path);
    }
    file->former_path = NULL;
}

void sim_crash_disk(struct sim *sim)
{
    SIM_RULE(list_empty(&sim->kernels), "a disk crashes after the kernels were destroyed");
    struct sim_disk *disk = &sim->disk;
    free(disk->descriptors);
    disk->descriptors = NULL;
    disk->descriptor_count = 0;
    disk->used_bytes = 0;
    for (struct list *node = disk->files.next; node != &disk->files;) {
        struct sim_file *file = container_of(node, struct sim_file, node);
        node = node->next;
        if (!survives(sim, file)) {
            file_free(file);
            continue;
        }
        settle_name(sim, file);
        file->name_durable = true;
        file->sync_failed = false;
        for (struct sim_write *write = file->unsynced; write; write = write->next)
            apply_by_luck(sim, &file->durable, write);
        forget_unsynced(file);
        content_copy(&file->now, &file->durable);
        disk->used_bytes += file->now.size;
    }
}

const uint8_t *sim_file_content(struct sim *sim, const char *path, size_t *size)
{
    static const uint8_t empty;
    struct sim_file *file = file_find(sim, path);
    if (!file || file->is_folder)
        return NULL;
    *size = file->now.size;
    return file->now.size > 0 ? file->now.data : &empty;
}

void sim_file_put(struct sim *sim, const char *path, const uint8_t *data, size_t size)
{
    struct sim_file *file = file_find(sim, path);
    if (!file)
        file = file_make(sim, path);
    sim->disk.used_bytes += size - file->now.size;
    forget_unsynced(file);
    content_resize(&file->now, 0);
    content_write(&file->now, 0, data, size);
    content_copy(&file->durable, &file->now);
    file->name_durable = true;
}
