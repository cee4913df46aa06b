/* Names of segment files. A file is named after its first sequence and the attempt to make it:
 * <20 digits>-<at least 4 digits>.seg. That a file is there tells that everything before its first
 * sequence was committed, and that of attempts for the same sequence only the highest counts:
 * nothing of the others was committed. */
#ifndef CENCD_JOURNAL_NAME_H
#define CENCD_JOURNAL_NAME_H

#include <stdbool.h>
#include <stdint.h>

#define PATH_SIZE 512u

struct segment {
    uint64_t first;   /* sequence */
    uint32_t attempt; /* files of one first sequence: the highest counts */
    uint64_t bytes;   /* on the disk */
    uint64_t created_utc_ms;
};

void segment_file_path(const char *folder, const struct segment *segment,
                       char path[static PATH_SIZE]);
bool segment_name_parse(const char *name, struct segment *segment);

#endif
