#include "server/base/monotonic.h"

#include "server/base/check.h"

void monotonic_condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t monotonic;

    CHECK(pthread_condattr_init(&monotonic) == 0);
    CHECK(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(condition, &monotonic) == 0);
    (void)pthread_condattr_destroy(&monotonic);
}

struct timespec monotonic_in_seconds(uint32_t seconds)
{
    struct timespec time;

    CHECK(clock_gettime(CLOCK_MONOTONIC, &time) == 0);
    time.tv_sec += seconds;
    return time;
}
