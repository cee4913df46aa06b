#include "server/journal/catalog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/reactor/disk.h"

static void collect(const char *name, uint64_t size, void *context)
{
    struct catalog *catalog = context;
    struct segment segment;
    if (!segment_name_parse(name, &segment))
        return;
    segment.bytes = size;
    if (catalog->count == catalog->capacity) {
        size_t capacity = catalog->capacity * 2 + 64;
        struct segment *grown = realloc(catalog->segments, capacity * sizeof *grown);
        if (grown == NULL) {
            catalog->no_memory = true;
            return;
        }
        catalog->segments = grown;
        catalog->capacity = capacity;
    }
    catalog->segments[catalog->count++] = segment;
}

static int by_order(const void *a, const void *b)
{
    const struct segment *left = a;
    const struct segment *right = b;
    if (left->first != right->first)
        return left->first < right->first ? -1 : 1;
    return left->attempt < right->attempt ? -1 : left->attempt > right->attempt;
}

int catalog_read(const char *folder, struct catalog *catalog)
{
    memset(catalog, 0, sizeof *catalog);
    int result = disk_list(folder, collect, catalog);
    if (result == 0 && catalog->no_memory)
        result = -ENOMEM;
    if (result == 0 && catalog->count > 0)
        qsort(catalog->segments, catalog->count, sizeof *catalog->segments, by_order);
    return result;
}

void catalog_free(struct catalog *catalog)
{
    free(catalog->segments);
    memset(catalog, 0, sizeof *catalog);
}

bool catalog_outdone(const struct catalog *catalog, size_t index)
{
    return index + 1 < catalog->count &&
           catalog->segments[index + 1].first == catalog->segments[index].first;
}

uint64_t catalog_end(const struct catalog *catalog, size_t index)
{
    return index + 1 < catalog->count ? catalog->segments[index + 1].first : UINT64_MAX;
}
