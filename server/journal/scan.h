/* Reads one segment file from its beginning, with blocking calls: for recovery, `verify` and
 * `dump`. */
#ifndef CENCD_JOURNAL_SCAN_H
#define CENCD_JOURNAL_SCAN_H

#include "server/base/status.h"
#include "server/journal/record.h"

struct segment_scan {
    struct segment_header header;
    bool header_good;
    uint64_t records;       /* good ones, in sequence from the first */
    uint64_t last_sequence; /* 0: none */
    uint64_t end_offset;    /* after the last good record, and its seal */
    bool sealed;            /* it was closed in order */
    uint64_t doubt_offset;  /* of the last record that says that all before it were committed */
    uint64_t file_bytes;
    int error; /* STATUS_SYSTEM: negative errno */
};

/* Records must be numbered from first on without a gap; those from `before` on are not looked at
 * (they belong to the next segment). visit may be NULL; it is called for each good record.
 * STATUS_OK: whole, or with a torn end (end_offset < file_bytes). STATUS_INVALID: damage at
 * end_offset: a record that had been committed is bad or missing. STATUS_SYSTEM, STATUS_NO_MEMORY.
 */
enum status segment_scan(const char *path, uint64_t first, uint64_t before,
                         void (*visit)(const struct record *record, void *context), void *context,
                         struct segment_scan *scan) MUST_CHECK;

#endif
