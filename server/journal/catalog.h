/* The segment files of a folder, in order, as their names tell. */
#ifndef CENCD_JOURNAL_CATALOG_H
#define CENCD_JOURNAL_CATALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/journal/name.h"

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

#endif
