/* Inside the events' files: an event on its way into the journal. */
#ifndef CENCD_LINK_EVENTS_INTERNAL_H
#define CENCD_LINK_EVENTS_INTERNAL_H

#include "codec/proto/event.h"
#include "server/link/events.h"
#include "server/link/push.h"

/* The fields that events of one device share; texts live here. */
struct event_texts {
    struct device_info info; /* of the event's device, if it has one that is known */
    Cenc__V1__Device device;
    Cenc__V1__Endpoint peer;
    Cenc__V1__Endpoint other;
    Cenc__V1__Signal signal;
    Cenc__V1__CloseReason reason;
    char serial[PROTO_TEXT_SIZE(PLUGIN_SERIAL_SIZE)];
    char kind[PROTO_TEXT_SIZE(16)];
    char model[PROTO_TEXT_SIZE(PLUGIN_TEXT_SIZE)];
    char firmware[PROTO_TEXT_SIZE(PLUGIN_TEXT_SIZE)];
    char hardware[PROTO_TEXT_SIZE(PLUGIN_TEXT_SIZE)];
    char peer_text[ADDRESS_TEXT_SIZE];
    char other_text[ADDRESS_TEXT_SIZE];
};

struct pending_event {
    struct journal_entry entry;
    struct shard *shard;
    /* Called once, if the append succeeded; the memory is freed afterwards. NULL: nobody asks. */
    void (*done)(struct pending_event *event, enum status status);
    struct device *device;
    /* of whoever asked */
    struct link_ref link;
    void (*added)(struct shard *shard, struct device *device, struct link *link,
                  enum status status);
    struct push_answer *answer; /* of a push, if one is owed; done frees it */
    struct list waiting;        /* of a push: for room in the journal's queue */
    uint64_t utc_ms;            /* of a push: its receipt */
    uint8_t bytes[];
};

/* Fills node, time of now, and the device with its project, epoch and listener if there is one. */
void event_begin(struct shard *shard, const struct device *device, struct event_texts *texts,
                 Cenc__V1__Event *event);
/* A device that isn't known, by what was said of it. */
void event_stranger(const char *scope, const char *serial, struct event_texts *texts,
                    Cenc__V1__Event *event);
void event_endpoint(const struct address *address, Cenc__V1__Endpoint *endpoint,
                    char text[static ADDRESS_TEXT_SIZE]);
/* A body of power_restored that names the gasp which is over. */
void event_restored(const struct gasp *gasp, enum events_restored by, Cenc__V1__PowerRestored *body,
                    Cenc__V1__Event *event);
/* The journal didn't take that event, so for all who read it the gasp isn't over: nor for the
 * directory. The next sign of life ends it. */
void event_gasp_stays(struct shard *shard, struct device *device, const struct gasp *gasp);
/* The device's state, as event_begin found it. */
void event_state(const char *listener, struct event_texts *texts, Cenc__V1__DeviceState *state);
/* event_type, by the body. */
void event_set_type(Cenc__V1__Event *event);

/* Packs it. NULL: no memory. template may be NULL; otherwise done, device, link and what belongs to
 * the asker are taken from it. */
struct pending_event *event_make(struct shard *shard, const Cenc__V1__Event *event,
                                 const struct pending_event *template);
/* Into the journal. On any status but STATUS_OK nothing will be called, and it is still the
 * caller's: to try again, or for event_drop. */
enum status event_submit(struct pending_event *pending) MUST_CHECK;
void event_drop(struct pending_event *pending);

/* All of it; what isn't taken is dropped. */
enum status event_append(struct shard *shard, const Cenc__V1__Event *event,
                         const struct pending_event *template) MUST_CHECK;
/* The same for an event that nobody waits for: a refusal is counted by the journal. */
enum status event_tell(struct shard *shard, Cenc__V1__Event *event);

/* Of a link that is idle or in session: its first such event was refused, and it is tried again. */
enum status events_connected_again(struct link *link) MUST_CHECK;

#endif
