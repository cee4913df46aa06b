#include "server/reactor/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int disk_list(const char *folder, void (*visit)(const char *name, uint64_t size, void *context),
              void *context)
{
    DIR *directory = opendir(folder);
    if (directory == NULL)
        return -errno;
    const struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) { // NOLINT(concurrency-mt-unsafe): own stream
        struct stat status;
        if (fstatat(dirfd(directory), entry->d_name, &status, 0) == 0 && S_ISREG(status.st_mode))
            visit(entry->d_name, (uint64_t)status.st_size, context);
    }
    closedir(directory);
    return 0;
}

int disk_make_folder(const char *folder)
{
    return mkdir(folder, 0750) == 0 || errno == EEXIST ? 0 : -errno;
}

int64_t disk_read(const char *path, uint64_t offset, uint8_t *data, size_t size)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return -errno;
    size_t done = 0;
    int64_t result = 0;
    while (done < size) {
        ssize_t got = pread(file, data + done, size - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            result = got < 0 ? -errno : 0;
            break;
        }
        done += (size_t)got;
    }
    close(file);
    return result < 0 ? result : (int64_t)done;
}

int disk_write(const char *path, uint64_t offset, const uint8_t *data, size_t size)
{
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0)
        return -errno;
    size_t done = 0;
    int result = 0;
    while (done < size && result == 0) {
        ssize_t put = pwrite(file, data + done, size - done, (off_t)(offset + done));
        if (put > 0)
            done += (size_t)put;
        else if (put == 0 || errno != EINTR)
            result = put == 0 ? -ENOSPC : -errno;
    }
    close(file);
    return result;
}

static int synced(int file)
{
    int result = fdatasync(file) == 0 ? 0 : -errno;
    close(file);
    return result;
}

int disk_truncate(const char *path, uint64_t size)
{
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0)
        return -errno;
    if (ftruncate(file, (off_t)size) < 0) {
        int error = -errno;
        close(file);
        return error;
    }
    return synced(file);
}

int disk_remove(const char *path)
{
    return unlink(path) == 0 ? 0 : -errno;
}

int disk_rename(const char *path, const char *to)
{
    return rename(path, to) == 0 ? 0 : -errno;
}

/* The process id is written into the file for those who find it locked. */
static void sign_lock(int file)
{
    char text[32];
    int size = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(file, 0) == 0)
        (void)!pwrite(file, text, (size_t)size, 0);
}

static long read_holder(int file)
{
    char text[32] = "";
    return pread(file, text, sizeof text - 1, 0) > 0 ? strtol(text, NULL, 10) : 0;
}

int disk_lock(const char *path, long *holder)
{
    *holder = 0;
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (file < 0)
        return -errno;
    if (flock(file, LOCK_EX | LOCK_NB) != 0) {
        int result = -errno;
        *holder = read_holder(file);
        close(file);
        return result;
    }
    sign_lock(file);
    return file;
}

void disk_unlock(int handle)
{
    close(handle);
}

int disk_sync_folder(const char *folder)
{
    int file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return file < 0 ? -errno : synced(file);
}
