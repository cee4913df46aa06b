/* Events of power that is back, and of datagrams that were lost before anybody read them. */
#include "server/link/events_internal.h"

void event_restored(const struct gasp *gasp, enum events_restored by, Cenc__V1__PowerRestored *body,
                    Cenc__V1__Event *event)
{
    cenc__v1__power_restored__init(body);
    body->by = (Cenc__V1__PowerRestoredBy)by;
    body->last_gasp_unix_ms = (int64_t)gasp->utc_ms;
    body->last_gasp_sequence = gasp->sequence;
    event->body_case = CENC__V1__EVENT__BODY_POWER_RESTORED;
    event->power_restored = body;
    event_set_type(event);
}

void events_power_restored(struct shard *shard, struct device *device, uint64_t began_utc_ms,
                           enum events_restored by)
{
    struct heard heard = {.began_utc_ms = began_utc_ms, .by = (uint8_t)by};
    struct event_texts texts;
    struct gasp gasp;
    Cenc__V1__Event event;
    Cenc__V1__PowerRestored body;
    if (!directory_clear_gasp(shard->server->directory, device, &heard, &gasp) ||
        shard->server->journal == NULL)
        return;
    event_begin(shard, device, &texts, &event);
    event_restored(&gasp, by, &body, &event);
    enum status status = event_append(shard, &event, NULL);
    if (status != STATUS_OK)
        event_gasp_stays(shard, device, &gasp);
    if (status == STATUS_NO_MEMORY)
        count_up(&shard->counters.events_lost, 1);
}

void event_gasp_stays(struct shard *shard, struct device *device, const struct gasp *gasp)
{
    struct heard heard;
    /* one that isn't recorded has no gasp; a later one than this stays */
    (void)!directory_gasp(shard->server->directory, device, gasp, &heard);
}

enum status events_datagrams_lost(struct shard *shard, uint32_t listener, uint64_t count,
                                  uint64_t since_utc_ms)
{
    struct event_texts texts;
    Cenc__V1__Event event;
    Cenc__V1__DatagramsLost body;
    if (shard->server->journal == NULL)
        return STATUS_OK;
    const struct pending_event template = {.entry.kept = true}; /* the listener counts on */
    event_begin(shard, NULL, &texts, &event);
    event.listener = proto_string(shard->server->config->listeners[listener].name);
    cenc__v1__datagrams_lost__init(&body);
    body.count = count;
    body.since_unix_ms = (int64_t)since_utc_ms;
    body.until_unix_ms = event.received_unix_ms;
    event.body_case = CENC__V1__EVENT__BODY_DATAGRAMS_LOST;
    event.datagrams_lost = &body;
    return event_append(shard, &event, &template);
}
