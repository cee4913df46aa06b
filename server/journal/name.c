#include "server/journal/name.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

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
