/* disk.h over the virtual disk. Short reads and the other faults of the simulation happen here
 * too; nothing of it is an event, since these calls come before anything runs, or from work. */
#include "server/reactor/disk.h"

#include <fcntl.h>

#include "server/reactor/sim/world.h"

int disk_list(const char *folder, void (*visit)(const char *name, uint64_t size, void *context),
              void *context)
{
    sim_disk_list(sim_current(), folder, visit, context);
    return 0;
}

int disk_make_folder(const char *folder)
{
    (void)folder; /* folders exist by themselves */
    return 0;
}

int64_t disk_read(const char *path, uint64_t offset, uint8_t *data, size_t size)
{
    struct sim *sim = sim_current();
    int file = sim_disk_open(sim, path, O_RDONLY);
    if (file < 0)
        return file;
    size_t done = 0;
    int32_t got = 1;
    while (done < size && got > 0) {
        size_t left = size - done;
        uint32_t step = left > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)left;
        got = sim_disk_read(sim, file, data + done, step, offset + done);
        if (got > 0)
            done += (size_t)got;
    }
    (void)sim_disk_close(sim, file);
    return got < 0 ? got : (int64_t)done;
}

int disk_write(const char *path, uint64_t offset, const uint8_t *data, size_t size)
{
    struct sim *sim = sim_current();
    int file = sim_disk_open(sim, path, O_WRONLY);
    if (file < 0)
        return file;
    size_t done = 0;
    int32_t put = 1;
    while (done < size && put > 0) {
        size_t left = size - done;
        uint32_t step = left > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)left;
        put = sim_disk_write(sim, file, data + done, step, offset + done);
        if (put > 0)
            done += (size_t)put;
    }
    (void)sim_disk_close(sim, file);
    return put < 0 ? put : 0;
}

int disk_truncate(const char *path, uint64_t size)
{
    struct sim *sim = sim_current();
    int file = sim_disk_open(sim, path, O_WRONLY);
    if (file < 0)
        return file;
    int32_t result = sim_disk_truncate(sim, file, size);
    if (result == 0)
        result = sim_disk_sync(sim, file);
    (void)sim_disk_close(sim, file);
    return result;
}

int disk_remove(const char *path)
{
    return sim_disk_remove(sim_current(), path);
}

int disk_rename(const char *path, const char *to)
{
    return sim_disk_rename(sim_current(), path, to);
}

int disk_lock(const char *path, long *holder)
{
    (void)path;
    *holder = 0;
    return 0;
}

void disk_unlock(int handle)
{
    (void)handle;
}

int disk_sync_folder(const char *folder)
{
    struct sim *sim = sim_current();
    int file = sim_disk_open(sim, folder, O_RDONLY | O_DIRECTORY);
    if (file < 0)
        return file;
    int32_t result = sim_disk_sync(sim, file);
    (void)sim_disk_close(sim, file);
    return result;
}
