/* Calls of gRPC over http2.h: which method, who calls, by when, messages in and out, the status at
 * the end. A method is an entry of a table; its file hangs its own state on the call.
 *
 * All in the reactor's thread. A call ends once, by grpc_finish or because the client went away;
 * method->gone tells then, and the call is freed after it returned. grpc_finish may be called from
 * anywhere: gone comes later, from the reactor. */
#ifndef CENCD_NORTHBOUND_GRPC_H
#define CENCD_NORTHBOUND_GRPC_H

#include <protobuf-c/protobuf-c.h>
#include <string.h>

#include "codec/grpc/grpc.h"
#include "codec/proto/pack.h"
#include "codec/proto/text.h"
#include "server/northbound/http2.h"

#define GRPC_REQUEST_MAX      PROTO_PACKED_MAX /* bytes of one message of a client */
#define GRPC_OPEN_REQUEST_MAX 1024u            /* the same of a stranger */
#define GRPC_STATUS_MAX       256u             /* of the text of a status */
#define GRPC_NAME_SHOWN       100u             /* of a name that a client gave, in such a text */

struct northbound;
struct consumer;
struct grpc_call;

struct grpc_method {
    const char *path;   /* "/cenc.v1.Northbound/Events" */
    bool open;          /* for everybody; otherwise call->consumer is there */
    bool endless;       /* goes on until one side ends it */
    bool many_requests; /* the client streams; otherwise exactly one request is given */
    size_t state_size;  /* bytes for call->state, zeroed */
    void (*opened)(struct grpc_call *call); /* NULL: nothing to be done before the first request */
    /* data is the call's until it returns. */
    void (*request)(struct grpc_call *call, const uint8_t *data, size_t size);
    void (*ended)(struct grpc_call *call); /* no more requests; only of many_requests */
    void (*room)(struct grpc_call *call);  /* after grpc_want_room; may be NULL */
    void (*gone)(struct grpc_call *call);  /* may be NULL */
};

struct grpc_call {
    struct http2_stream *stream;
    struct northbound *northbound;
    const struct grpc_method *method;
    struct consumer *consumer;
    struct timer deadline;
    struct grpc_unframe unframe;
    uint8_t *message; /* comes in */
    size_t message_size;
    uint32_t requests;
    bool finished;
    enum grpc_code code; /* once finished; when it is gone, GRPC_CANCELLED if the client left */
    _Alignas(16) uint8_t state[];
};

/* ops for the http2 service, whose owner is the northbound. */
extern const struct http2_ops grpc_http2_ops;

/* Ends the call with a status. format: a sentence for people; no secrets. After the first one calls
 * are ignored. */
void grpc_finish(struct grpc_call *call, enum grpc_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* What a client gave, fit to be shown in such a sentence: printable, cut after a whole character.
 * Returns out. */
static inline const char *grpc_shown(const char *text, char out[static GRPC_NAME_SHOWN])
{
    (void)proto_text(text, strlen(text), out, GRPC_NAME_SHOWN);
    return out;
}
/* The same with metadata beside the status, at most four. */
void grpc_finish_with(struct grpc_call *call, enum grpc_code code, const char *text,
                      const struct http2_trailer *trailers, size_t count);

/* Sends a message. Packed at most 4 MiB. False: the call is finished, or was just now. */
bool grpc_send(struct grpc_call *call, const ProtobufCMessage *message);
/* The one message of a call that has one, and OK. */
void grpc_answer(struct grpc_call *call, const ProtobufCMessage *message);

/* The same in parts, for who has the bytes already: room for a message of at most size bytes behind
 * its prefix, which grpc_wrote fills in. NULL as for grpc_send. */
uint8_t *grpc_reserve(struct grpc_call *call, size_t size);
void grpc_wrote(struct grpc_call *call, size_t size);

/* More than HTTP2_OUT_HIGH bytes wait: whoever can, stops and calls grpc_want_room. */
static inline bool grpc_is_full(const struct grpc_call *call)
{
    return http2_waiting(call->stream) >= HTTP2_OUT_HIGH;
}
void grpc_want_room(struct grpc_call *call);

/* Reads a request; texts are valid UTF-8, and it lives until the next one of the northbound. NULL:
 * the call was finished with INVALID_ARGUMENT or RESOURCE_EXHAUSTED. */
const ProtobufCMessage *grpc_unpack(struct grpc_call *call,
                                    const ProtobufCMessageDescriptor *descriptor,
                                    const uint8_t *data, size_t size);

#endif
