/* Devices whose signal changed, for one who looks now and then: no event tells of it. A device is
 * noted once until it is looked at, so that one which changes all the time costs a place and no
 * more; beyond SIGNALS_MAX it is only known that some were lost. Any thread notes, one follows. */
#ifndef CENCD_DIRECTORY_SIGNALS_H
#define CENCD_DIRECTORY_SIGNALS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define SIGNALS_MAX 32768u

struct device;
struct directory;

struct signals {
    pthread_mutex_t lock; /* inside a stripe's */
    _Atomic bool followed;
    bool lost;
    struct device **devices;
    size_t count;
    size_t capacity;
};

void signals_init(struct signals *signals);
void signals_destroy(struct signals *signals);

/* Under the lock of the device's stripe; it isn't noted yet. False: nobody follows, or there is no
 * place for it. */
bool signals_note(struct signals *signals, struct device *device);

/* From now on changes are noted, or no more. Before: nothing is noted. */
void directory_signals_follow(struct directory *directory, bool follow);

/* One of those that are noted, which isn't any more; NULL: there is none. What it is now is what
 * it has come to since. */
const struct device *directory_signals_take(struct directory *directory);

/* Since the last call there were some for which there was no place. */
bool directory_signals_lost(struct directory *directory);

#endif
