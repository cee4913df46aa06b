/* The segment files of a folder. A file is named after its first sequence and the attempt to make
 * it: <20 digits>-<at least 4 digits>.seg. That a file is there tells that everything before its
 * first sequence was committed, and that of attempts for the same sequence only the highest counts:
 * nothing of the others was. */
#ifndef CENCD_JOURNAL_CATALOG_H
#define CENCD_JOURNAL_CATALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/status.h"

#define PATH_SIZE 512u

struct segment {
    uint64_t first;   /* sequence */
    uint32_t attempt; /* files of one first sequence: the highest counts */
    uint64_t bytes;   /* on the disk */
    uint64_t created_utc_ms;
};

struct catalog {
    struct segment *segments; /* in order; created_utc_ms is not filled */
    size_t count;
    size_t capacity;
    bool no_memory; /* while it was read */
};

/* Returns 0 or a negative errno. Files with other names are not looked at. The catalog is to be
 * freed in any case. */
int catalog_read(const char *folder, struct catalog *catalog);
void catalog_free(struct catalog *catalog);

/* A later attempt took the place of this one. */
bool catalog_outdone(const struct catalog *catalog, size_t index);

/* The first sequence that isn't this segment's any more; UINT64_MAX: it is the last. */
uint64_t catalog_end(const struct catalog *catalog, size_t index);

void segment_file_path(const char *folder, const struct segment *segment,
                       char path[static PATH_SIZE]);
bool segment_name_parse(const char *name, struct segment *segment);

#endif
