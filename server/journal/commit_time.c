#include "server/journal/commit_time.h"

const uint16_t commit_bucket_ms[COMMIT_BUCKETS - 1] = {
    1,  2,  3,  4,  5,   6,   8,   10,  12,  15,   20,   25,
    30, 40, 50, 70, 100, 150, 200, 300, 500, 1000, 2000, 5000,
};

unsigned commit_bucket(uint64_t took_ms)
{
    unsigned bucket = 0;
    while (bucket < COMMIT_BUCKETS - 1 && took_ms >= commit_bucket_ms[bucket])
        bucket++;
    return bucket;
}
