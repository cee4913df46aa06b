/* Waiting on a condition until a time, whatever happens to the clock of the day. */
#ifndef CENCD_BASE_MONOTONIC_H
#define CENCD_BASE_MONOTONIC_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

/* pthread_cond_timedwait takes times of the next function for it. */
void monotonic_condition_init(pthread_cond_t *condition);
struct timespec monotonic_in_seconds(uint32_t seconds);

#endif
