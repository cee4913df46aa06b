/* Synchronous disk calls through the seam: for the start of the server, before anything runs, and
 * for helper threads (reactor_work). The simulation has its own, over its virtual disk. Results are
 * 0 or more, or a negative errno. Thread-safe. */
#ifndef CENCD_REACTOR_DISK_H
#define CENCD_REACTOR_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Calls visit for each regular file of the folder, in no order. */
int disk_list(const char *folder, void (*visit)(const char *name, uint64_t size, void *context),
              void *context);

/* Makes the folder if it isn't there (mode 0750; parents must exist). */
int disk_make_folder(const char *folder);

/* Reads up to size bytes at offset. Returns their number, 0 at the end of the file. */
int64_t disk_read(const char *path, uint64_t offset, uint8_t *data, size_t size);

/* Writes all of it into a file that is there; not synced. 0 or a negative errno. */
int disk_write(const char *path, uint64_t offset, const uint8_t *data, size_t size);

/* Cuts the file and syncs it. */
int disk_truncate(const char *path, uint64_t size);
int disk_remove(const char *path);

/* Gives the file another name in the same folder, which no file has. Which of the two a crash
 * leaves is open until the folder is synced; never both, never none. */
int disk_rename(const char *path, const char *to);

/* Makes path the lock file of this process until disk_unlock or the process's end, however that
 * comes. Returns a handle, or -EWOULDBLOCK if another process has it, whose id *holder is then (0:
 * not known). In the simulation it is always free. */
int disk_lock(const char *path, long *holder);
void disk_unlock(int handle);

/* Makes the folder's entries durable. */
int disk_sync_folder(const char *folder);

#endif
