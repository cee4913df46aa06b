#include "server/journal/scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/reactor/disk.h"

#define READ_STEP (1024u * 1024)

/* The whole file: a segment is bounded. */
static enum status load(const char *path, uint8_t **bytes, size_t *size, int *error)
{
    uint8_t *memory = NULL;
    size_t done = 0;
    for (;;) {
        uint8_t *grown = realloc(memory, done + READ_STEP);
        if (grown == NULL) {
            free(memory);
            return STATUS_NO_MEMORY;
        }
        memory = grown;
        int64_t got = disk_read(path, done, memory + done, READ_STEP);
        if (got < 0) {
            *error = (int)got;
            free(memory);
            return STATUS_SYSTEM;
        }
        done += (size_t)got;
        if (got < (int64_t)READ_STEP)
            break;
    }
    *bytes = memory;
    *size = done;
    return STATUS_OK;
}

/* Damage, or the torn end of an interrupted write? A good record further on tells: it was written
 * after the sequence it calls committed was safe, so if that reaches the missing one, that was. */
static bool was_committed(uint32_t seed, const uint8_t *bytes, size_t size, uint64_t missing)
{
    for (size_t offset = 0; offset + RECORD_HEADER_SIZE <= size; offset += RECORD_ALIGNMENT) {
        struct record record;
        size_t taken;
        if (record_decode(seed, bytes + offset, size - offset, &record, &taken) == RECORD_GOOD &&
            record.sequence > missing && record.committed >= missing)
            return true;
    }
    return false;
}

static bool next_record(const struct segment_header *header, const uint8_t *bytes, size_t size,
                        uint64_t wanted, struct record *record, size_t *taken)
{
    if (record_decode(header->seed, bytes, size, record, taken) != RECORD_GOOD ||
        record->sequence != segment_number(header, wanted) || record->kind == RECORD_SEAL)
        return false;
    record->sequence = wanted;
    return true;
}

static bool is_seal(uint32_t seed, const uint8_t *bytes, size_t size, uint64_t wanted)
{
    struct record record;
    size_t taken;
    return record_decode(seed, bytes, size, &record, &taken) == RECORD_GOOD &&
           record.sequence == wanted && record.kind == RECORD_SEAL;
}

static enum status scan_bytes(const uint8_t *bytes, size_t size, uint64_t first, uint64_t before,
                              void (*visit)(const struct record *record, void *context),
                              void *context, struct segment_scan *scan)
{
    size_t offset = SEGMENT_HEADER_SIZE;
    uint64_t wanted = first;
    scan->header_good = size >= SEGMENT_HEADER_SIZE &&
                        segment_header_decode(bytes, &scan->header) &&
                        scan->header.first_sequence == first;
    /* nothing is written behind a header before it is on the disk: without more it was interrupted
       while it was made, with more it was whole */
    if (!scan->header_good) {
        bool damaged = size > SEGMENT_HEADER_SIZE || (before != UINT64_MAX && before > first);
        return damaged ? STATUS_INVALID : STATUS_OK;
    }
    uint32_t seed = scan->header.seed;
    scan->doubt_offset = offset;
    while (wanted < before) {
        struct record record;
        size_t taken;
        if (!next_record(&scan->header, bytes + offset, size - offset, wanted, &record, &taken))
            break;
        if (visit != NULL)
            visit(&record, context);
        if (record.committed + 1 == wanted)
            scan->doubt_offset = offset;
        offset += taken;
        if (wanted - first < scan->header.batch)
            scan->doubt_offset = offset; /* it was on the disk before the segment's name */
        scan->records++;
        scan->last_sequence = wanted++;
    }
    scan->sealed = is_seal(seed, bytes + offset, size - offset, wanted);
    if (scan->sealed)
        offset += record_size(0);
    scan->end_offset = offset;
    if (wanted == before)
        return STATUS_OK;
    if (before != UINT64_MAX || wanted - first < scan->header.batch)
        return STATUS_INVALID; /* the next segment begins later: records are missing */
    return was_committed(seed, bytes + offset, size - offset, wanted) ? STATUS_INVALID : STATUS_OK;
}

enum status segment_scan(const char *path, uint64_t first, uint64_t before,
                         void (*visit)(const struct record *record, void *context), void *context,
                         struct segment_scan *scan)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    memset(scan, 0, sizeof *scan);
    enum status status = load(path, &bytes, &size, &scan->error);
    if (status != STATUS_OK)
        return status;
    scan->file_bytes = size;
    status = scan_bytes(bytes, size, first, before, visit, context, scan);
    free(bytes);
    return status;
}
