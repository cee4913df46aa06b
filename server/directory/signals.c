#include "server/directory/signals.h"

#include <stdlib.h>

#include "server/base/check.h"
#include "server/directory/internal.h"

#define CAPACITY_FIRST 64u

void signals_init(struct signals *signals)
{
    CHECK(pthread_mutex_init(&signals->lock, NULL) == 0);
}

void signals_destroy(struct signals *signals)
{
    free((void *)signals->devices);
    CHECK(pthread_mutex_destroy(&signals->lock) == 0);
}

/* ---- noting ---- */

static bool make_room(struct signals *signals)
{
    size_t capacity = signals->capacity > 0 ? signals->capacity * 2 : CAPACITY_FIRST;

    if (signals->count < signals->capacity)
        return true;
    if (capacity > SIGNALS_MAX)
        return false;
    void *devices = realloc((void *)signals->devices, capacity * sizeof(*signals->devices));
    if (devices == NULL)
        return false;
    signals->devices = devices;
    signals->capacity = capacity;
    return true;
}

bool signals_note(struct signals *signals, struct device *device)
{
    if (!atomic_load_explicit(&signals->followed, memory_order_relaxed))
        return false;
    CHECK(pthread_mutex_lock(&signals->lock) == 0);
    bool noted = make_room(signals);
    if (noted)
        signals->devices[signals->count++] = device;
    else
        signals->lost = true;
    CHECK(pthread_mutex_unlock(&signals->lock) == 0);
    return noted;
}

/* ---- following ---- */

static struct device *take(struct signals *signals)
{
    CHECK(pthread_mutex_lock(&signals->lock) == 0);
    struct device *device = signals->count > 0 ? signals->devices[--signals->count] : NULL;
    CHECK(pthread_mutex_unlock(&signals->lock) == 0);
    return device;
}

/* The stripe's lock comes first when one is noted: here never both. */
const struct device *directory_signals_take(struct directory *directory)
{
    struct device *device;

    while ((device = take(&directory->signals)) != NULL) {
        struct stripe *stripe = lock_stripe(directory, device->hash);
        bool shown = !device->removed && !device->entered;
        device->signal_noted = false;
        unlock_stripe(stripe);
        if (shown)
            return device;
    }
    return NULL;
}

bool directory_signals_lost(struct directory *directory)
{
    struct signals *signals = &directory->signals;

    CHECK(pthread_mutex_lock(&signals->lock) == 0);
    bool lost = signals->lost;
    signals->lost = false;
    CHECK(pthread_mutex_unlock(&signals->lock) == 0);
    return lost;
}

void directory_signals_follow(struct directory *directory, bool follow)
{
    atomic_store(&directory->signals.followed, follow);
    if (follow)
        return;
    while (directory_signals_take(directory) != NULL)
        continue;
    (void)directory_signals_lost(directory);
}
