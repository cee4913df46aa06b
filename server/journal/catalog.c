#include "server/journal/catalog.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/reactor/disk.h"

#define FIRST_DIGITS   20
#define ATTEMPT_DIGITS 4 /* at least */

void segment_file_path(const char *folder, const struct segment *segment,
                       char path[static PATH_SIZE])
{
    (void)snprintf(path, PATH_SIZE, "%s/%0*" PRIu64 "-%0*" PRIu32 ".seg", folder, FIRST_DIGITS,
                   segment->first, ATTEMPT_DIGITS, segment->attempt);
}

/* The number of min..max digits at *text, which is moved behind them. */
static bool take_number(const char **text, int min, int max, uint64_t *value)
{
    int digits = 0;
    *value = 0;
    while (digits < max && **text >= '0' && **text <= '9') {
        uint64_t digit = (uint64_t)(**text - '0');
        if (*value > (UINT64_MAX - digit) / 10)
            return false;
        *value = *value * 10 + digit;
        digits++;
        (*text)++;
    }
    return digits >= min;
}

bool segment_name_parse(const char *name, struct segment *segment)
{
    uint64_t attempt = 0;
    memset(segment, 0, sizeof *segment);
    if (!take_number(&name, FIRST_DIGITS, FIRST_DIGITS, &segment->first) || *name++ != '-' ||
        !take_number(&name, ATTEMPT_DIGITS, 10, &attempt) || strcmp(name, ".seg") != 0)
        return false;
    segment->attempt = (uint32_t)attempt;
    return segment->first > 0 && attempt < UINT32_MAX;
}

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
