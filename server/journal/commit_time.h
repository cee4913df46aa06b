/* The buckets in which commits are counted by the time that they took. */
#ifndef CENCD_JOURNAL_COMMIT_TIME_H
#define CENCD_JOURNAL_COMMIT_TIME_H

#include <stdint.h>

#define COMMIT_BUCKETS 25u

/* A bucket holds what took less than so many milliseconds, and not less than the one before; the
 * last bucket, which has no entry here, all that took longer. */
extern const uint16_t commit_bucket_ms[COMMIT_BUCKETS - 1];

unsigned commit_bucket(uint64_t took_ms);

#endif
