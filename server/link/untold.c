#include "server/link/untold.h"

#include <stdlib.h>
#include <string.h>

#include "server/link/events_internal.h"

#define LOOK_MS        100u
#define FIRST_CAPACITY 64u
#define MAX_AT_ONCE    5000u /* of one look: links want their turn */

/* ---- what is remembered ---- */

static int compare(const void *a, const void *b)
{
    uintptr_t left = (uintptr_t) * (struct device *const *)a;
    uintptr_t right = (uintptr_t) * (struct device *const *)b;
    return (left > right) - (left < right);
}

static void drop_repeats(struct untold *untold)
{
    size_t kept = 0;
    if (untold->count > 1)
        qsort((void *)untold->devices, untold->count, sizeof(struct device *), compare);
    for (size_t i = 0; i < untold->count; i++)
        if (kept == 0 || untold->devices[kept - 1] != untold->devices[i])
            untold->devices[kept++] = untold->devices[i];
    untold->count = kept;
}

/* Grows only if half of it are devices of their own. */
static bool make_room(struct untold *untold)
{
    if (untold->count < untold->capacity)
        return true;
    drop_repeats(untold);
    if (untold->capacity > 0 && untold->count < untold->capacity / 2)
        return true;
    size_t capacity = untold->capacity > 0 ? untold->capacity * 2 : FIRST_CAPACITY;
    struct device **devices =
        (struct device **)realloc((void *)untold->devices, capacity * sizeof(struct device *));
    if (devices == NULL)
        return untold->count < untold->capacity;
    untold->devices = devices;
    untold->capacity = capacity;
    return true;
}

void untold_note(struct shard *shard, struct device *device)
{
    struct untold *untold = &shard->untold;
    if (!make_room(untold)) {
        count_up(&shard->counters.events_lost, 1);
        return;
    }
    if (untold->count == 0)
        atomic_fetch_add(&shard->server->messages, 1); /* a stop waits for it */
    untold->devices[untold->count++] = device;
    if (!timer_running(&untold->look))
        timer_start_fine(shard->reactor, &untold->look, LOOK_MS);
}

/* ---- telling ---- */

static const struct pending_event again = {.entry.kept = true};

/* Its reason and the like are known to nobody any more. */
static enum status tell_gone(struct shard *shard, const struct device *device)
{
    struct event_texts texts;
    Cenc__V1__Event event;
    Cenc__V1__Disconnected body;
    event_begin(shard, device, &texts, &event);
    cenc__v1__disconnected__init(&body);
    event.body_case = CENC__V1__EVENT__BODY_DISCONNECTED;
    event.disconnected = &body;
    event_set_type(&event);
    return event_append(shard, &event, &again);
}

static enum status tell_changed(struct shard *shard, const struct device *device)
{
    struct event_texts texts;
    Cenc__V1__Event event;
    Cenc__V1__DeviceChanged body;
    Cenc__V1__DeviceState state;
    event_begin(shard, device, &texts, &event);
    event_state(event.listener, &texts, &state);
    cenc__v1__device_changed__init(&body);
    body.state = &state;
    event.body_case = CENC__V1__EVENT__BODY_DEVICE_CHANGED;
    event.device_changed = &body;
    event_set_type(&event);
    return event_append(shard, &event, &again);
}

/* A link that isn't registered yet will tell of itself. */
static enum status tell(struct shard *shard, const struct device *device)
{
    struct device_info info;
    directory_get(shard->server->directory, device, &info);
    if (info.link.id == 0) {
        enum status status = tell_gone(shard, device);
        return status == STATUS_OK ? tell_changed(shard, device) : status;
    }
    if (info.link.shard != shard->index)
        return STATUS_OK; /* that one tells */
    struct link *link = link_find(shard, &info.link);
    if (link == NULL || (link->state != LINK_IDLE && link->state != LINK_IN_SESSION))
        return STATUS_OK;
    return events_connected_again(link);
}

static void look(struct timer *timer)
{
    struct shard *shard = container_of(timer, struct shard, untold.look);
    struct untold *untold = &shard->untold;
    enum status status = STATUS_OK;
    if (journal_has_room(shard->server->journal, JOURNAL_LATER))
        drop_repeats(untold);
    for (unsigned i = 0; i < MAX_AT_ONCE && untold->count > 0; i++) {
        status = tell(shard, untold->devices[untold->count - 1]);
        if (status == STATUS_FULL || status == STATUS_NO_MEMORY)
            break;
        untold->count--; /* told, or the journal has ended */
    }
    if (untold->count > 0)
        timer_start_fine(shard->reactor, timer, LOOK_MS);
    else
        atomic_fetch_sub(&shard->server->messages, 1);
}

void untold_init(struct shard *shard)
{
    timer_init(&shard->untold.look, look);
}

void untold_free(struct shard *shard)
{
    free((void *)shard->untold.devices);
}
