/* Events (cenc/v1/events.proto): to bytes and back, what kind they are, what is refused last.
 *
 * To write one: CENC__V1__EVENT__INIT, set body_case and the body, pack. Every `string` that isn't
 * a constant of the program goes through proto_text. Pointers stay the caller's. */
#ifndef CENCD_CODEC_PROTO_EVENT_H
#define CENCD_CODEC_PROTO_EVENT_H

#include <cenc/v1/events.pb-c.h>

#include "codec/proto/pack.h"
#include "codec/proto/text.h"

/* What is refused last, when not all can be taken, comes first; the same order as the journal's. */
enum event_class {
    EVENT_FIRST,  /* last gasps, changes of the directory, the server itself */
    EVENT_NORMAL, /* sessions, pushes, security */
    EVENT_LATER,  /* connects and disconnects, bytes that nobody knows */
};

static inline enum codec_result event_pack(const Cenc__V1__Event *event, uint8_t *data,
                                           size_t capacity, size_t *size)
{
    return proto_pack(&event->base, data, capacity, size);
}

/* A body that this version doesn't know is no error: body_case is CENC__V1__EVENT__BODY__NOT_SET.
 */
static inline enum codec_result event_unpack(const uint8_t *data, size_t size,
                                             struct proto_arena *arena, Cenc__V1__Event **event)
{
    ProtobufCMessage *message = NULL;
    enum codec_result result =
        proto_unpack(&cenc__v1__event__descriptor, data, size, arena, &message);

    *event = (Cenc__V1__Event *)message;
    return result;
}

/* The name of the body's field, "last_gasp"; "unknown" without one. For logs, metrics and keys. */
const char *event_kind(const Cenc__V1__Event *event);

enum event_class event_class(const Cenc__V1__Event *event);
const char *event_class_name(enum event_class class); /* "first", "normal", "later" */

#endif
