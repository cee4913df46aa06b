/* Inside the events' files: an event on its way into the journal. */
#ifndef CENCD_LINK_EVENTS_INTERNAL_H
#define CENCD_LINK_EVENTS_INTERNAL_H

#include "codec/proto/event.h"
#include "server/link/events.h"

/* The fields that events of one device share; texts live here. */
struct event_texts {
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
    struct link_ref link;
    /* of whoever asked */
    void (*added)(struct shard *shard, struct device *device, struct link *link,
                  enum status status);
    void (*pushed)(struct shard *shard, void *context, uint64_t sequence, enum status status);
    void *context;
    uint8_t bytes[];
};

/* Fills node, time and event type, and the device if there is one. */
void event_begin(struct shard *shard, const struct device *device, struct event_texts *texts,
                 Cenc__V1__Event *event);
void event_endpoint(const struct address *address, Cenc__V1__Endpoint *endpoint,
                    char text[static ADDRESS_TEXT_SIZE]);

/* Packs and appends. On any status but STATUS_OK nothing will be called. template may be NULL;
 * otherwise done, device, link and what belongs to the asker are taken from it. */
enum status event_append(struct shard *shard, const Cenc__V1__Event *event,
                         const struct pending_event *template) MUST_CHECK;

#endif
