/* The virtual disk: files by path, all in memory. A write is visible at once and durable after a
 * sync of the file; a new file's name is durable after a sync of its folder (an open of the path
 * with O_DIRECTORY; folders exist by themselves). It outlives the kernels. */
#ifndef CENCD_REACTOR_SIM_DISK_H
#define CENCD_REACTOR_SIM_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/list.h"

struct sim;
struct kernel;

/* A change that is not durable yet. */
struct sim_write {
    struct sim_write *next;
    uint64_t offset;
    uint32_t size;
    bool truncate; /* to size offset */
    uint8_t data[];
};

struct sim_content {
    uint8_t *data;
    size_t size;
};

struct sim_file {
    struct list node;
    char *path;
    struct sim_content now;     /* as a process reads it */
    struct sim_content durable; /* what surely survives */
    struct sim_write *unsynced; /* oldest first */
    struct sim_write **unsynced_end;
    char *former_path; /* before it was renamed, until the folder is synced; NULL: none */
    bool name_durable;
    bool is_folder;
    bool removed;         /* no path leads here any more; open descriptors still do */
    bool removal_durable; /* the folder was synced since */
    bool sync_failed;     /* since it was made, or the last crash; not of folders */
};

struct sim_descriptor {
    struct sim_file *file; /* NULL: not open */
    int flags;
    uint32_t in_flight;
    bool closing;
};

struct sim_disk {
    struct list files;
    struct sim_descriptor *descriptors;
    uint32_t descriptor_count;
    size_t used_bytes;
    uint64_t syncs_after_failure; /* of files whose sync had failed: they tell nothing */
};

void sim_disk_init(struct sim_disk *disk);
void sim_disk_free(struct sim_disk *disk);

/* Results as the system calls'. */
int sim_disk_open(struct sim *sim, const char *path, int flags);
int32_t sim_disk_read(struct sim *sim, int file, uint8_t *data, uint32_t size, uint64_t offset);
int32_t sim_disk_write(struct sim *sim, int file, const uint8_t *data, uint32_t size,
                       uint64_t offset);
int32_t sim_disk_sync(struct sim *sim, int file);
int32_t sim_disk_close(struct sim *sim, int file);
int32_t sim_disk_truncate(struct sim *sim, int file, uint64_t size);
int sim_disk_remove(struct sim *sim, const char *path);
int sim_disk_rename(struct sim *sim, const char *path, const char *to);
void sim_disk_list(struct sim *sim, const char *folder,
                   void (*visit)(const char *name, uint64_t size, void *context), void *context);
struct sim_descriptor *sim_disk_descriptor(struct sim *sim, int file); /* NULL: not open */

#endif
