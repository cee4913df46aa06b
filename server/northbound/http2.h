/* HTTP/2 for servers (RFC 9113, by nghttp2) over streams of the reactor: connections, their
 * requests and what is answered. It knows nothing of gRPC but that answers end with trailers.
 *
 * All in the reactor's thread. A service is what its connections share. Connections belong to the
 * service, requests to their connection; whoever serves a request hangs his own object on it
 * (owner) and forgets it in ops->gone, which comes exactly once for each that was opened.
 *
 * ops are called from the reactor's callbacks only, never from inside a call below. So nothing of a
 * connection goes away while its user iterates over his own things. */
#ifndef CENCD_NORTHBOUND_HTTP2_H
#define CENCD_NORTHBOUND_HTTP2_H

#include <nghttp2/nghttp2.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "server/link/reason.h"
#include "server/reactor/tls.h"

#define HTTP2_HEADER_BYTES                                                                         \
    (16u * 1024)                         /* of one request, as RFC 9113 counts: 32 for each field  \
                                          */
#define HTTP2_OUT_HIGH     (256u * 1024) /* bytes of an answer that wait: writers pause beyond */
#define HTTP2_OUT_LOW      (64u * 1024)  /* ... and are told when so few are left */
#define HTTP2_TRAILERS_MAX 8u

/* Headers of a request that are kept. */
enum http2_header {
    HTTP2_METHOD,
    HTTP2_PATH,
    HTTP2_CONTENT_TYPE,
    HTTP2_AUTHORIZATION,
    HTTP2_TIMEOUT,  /* grpc-timeout */
    HTTP2_ENCODING, /* grpc-encoding */
    HTTP2_AGENT,    /* user-agent */
    HTTP2_HEADERS
};

struct http2_connection;
struct http2_service;

struct http2_stream {
    struct list node; /* of its connection */
    struct list hungry;
    struct http2_connection *connection;
    void *owner;
    int32_t id;
    bool opened;    /* ops->opened was called */
    bool answered;  /* headers of the answer are submitted */
    bool deferred;  /* nghttp2 waits for http2_write */
    bool finishing; /* trailers follow what waits */
    bool finished;  /* nothing more to write */
    bool remote_done;
    bool wants_room;
    bool too_large; /* its headers */
    uint32_t header_bytes;
    char *headers[HTTP2_HEADERS]; /* NULL: not there; of the authorization erased by http2_forget */
    uint8_t *out;                 /* bytes that wait */
    size_t out_at;
    size_t out_size;
    size_t out_capacity;
    char *trailers; /* names and values, each with NUL */
    size_t trailer_count;
};

struct http2_ops {
    /* All headers of a request came. */
    void (*opened)(struct http2_stream *stream);
    /* Bytes of its body, to be given back by http2_consumed once they are dealt with. */
    void (*data)(struct http2_stream *stream, const uint8_t *data, size_t size);
    /* Its body is complete. */
    void (*ended)(struct http2_stream *stream);
    /* At most HTTP2_OUT_LOW bytes wait; after http2_want_room. */
    void (*room)(struct http2_stream *stream);
    /* The request is over: answered, reset or cut off (finished says which). */
    void (*gone)(struct http2_stream *stream);
    /* A connection of the service is gone; maybe it was the last. */
    void (*closed)(struct http2_service *service);
};

/* Read by anyone. */
struct http2_counters {
    _Atomic uint64_t connections; /* now */
    _Atomic uint64_t streams;     /* now */
    _Atomic uint64_t accepted;
    _Atomic uint64_t opened; /* streams */
    _Atomic uint64_t reset;  /* streams that the client cancelled or lost */
    _Atomic uint64_t bytes_received;
    _Atomic uint64_t bytes_sent;
    _Atomic uint64_t closed[CLOSE_REASON_COUNT];
};

struct http2_limits {
    uint32_t connections;
    uint32_t streams;         /* of one connection */
    uint32_t silence_s;       /* then the peer is asked whether it is there, by PING */
    uint32_t answer_s;        /* for the answer, and for a new connection's first frames */
    uint32_t idle_s;          /* a connection without a request is closed; a stranger's after
                                 answer_s, also if it only doesn't come to the end of one */
    uint32_t ping_interval_s; /* a client that asks more often thrice is sent away */
};

struct http2_service {
    const struct http2_ops *ops; /* the owner fills in these five */
    struct reactor *reactor;
    struct http2_limits limits;
    struct tls_context *tls; /* NULL: clear text */
    void *owner;
    nghttp2_session_callbacks *callbacks; /* the rest is the service's own */
    nghttp2_option *options;
    struct list connections;
    struct list dirty; /* connections with something to send */
    struct message flush;
    bool flush_posted;
    bool draining;
    struct timer tick;
    uint8_t *staging;
    struct http2_counters counters;
};

struct http2_connection {
    struct stream stream;
    struct http2_service *service;
    struct list node;
    struct list dirty;
    struct list streams;
    struct list hungry; /* streams that wait for room and have it */
    nghttp2_session *session;
    struct address peer;
    char *subject;     /* of the client's certificate; NULL: it has shown none */
    const char *known; /* who logged in last, set by the owner; NULL: nobody. Strangers are soon
                          sent away */
    uint32_t stream_count;
    uint8_t ping_strikes;
    bool in_session; /* inside of nghttp2: nothing may be sent now */
    bool greeted;    /* the client's SETTINGS came */
    bool ping_sent;
    bool draining;
    bool goaway_sent;
    bool broken;     /* nghttp2 sent it away for breaking HTTP/2 */
    bool last_words; /* closes when all is sent, as `reason` */
    bool closing;
    enum close_reason reason;
    uint64_t heard_ms;
    uint64_t pinged_ms;     /* by the client */
    uint64_t idle_since_ms; /* no stream since */
    uint64_t answered_ms;   /* a request was answered to its end, or the connection came */
    uint64_t last_words_ms;
};

/* STATUS_NO_MEMORY. */
enum status http2_service_start(struct http2_service *service) MUST_CHECK;
/* All connections are gone. */
void http2_service_stop(struct http2_service *service);

/* Takes an accepted slot. Beyond limits.connections the stranger who is there longest gives way to
 * it; if all are known, or without memory, it is closed at once. */
void http2_accept(struct http2_service *service, uint32_t slot, const struct address *peer);

/* Tells all clients to go elsewhere (GOAWAY); connections end when their requests have. */
void http2_drain(struct http2_service *service);
/* Connections close as soon as all is sent. */
void http2_end_all(struct http2_service *service, enum close_reason reason);
/* Closes what is left. */
void http2_close_all(struct http2_service *service, enum close_reason reason);

/* NULL: the request has no such header. */
const char *http2_header(const struct http2_stream *stream, enum http2_header header);
/* Erases it from memory. */
void http2_forget(struct http2_stream *stream, enum http2_header header);

/* Bytes of ops->data may come anew: the client's window is opened again. */
void http2_consumed(struct http2_stream *stream, size_t size);

/* Bytes that wait to be sent. */
static inline size_t http2_waiting(const struct http2_stream *stream)
{
    return stream->out_size - stream->out_at;
}
/* Whoever stopped at HTTP2_OUT_HIGH wants ops->room. */
void http2_want_room(struct http2_stream *stream);

/* Room for size bytes at the end of what waits, to be filled and then told by http2_wrote; NULL: no
 * memory. The answer's headers are sent with the first ones. */
uint8_t *http2_reserve(struct http2_stream *stream, size_t size);
void http2_wrote(struct http2_stream *stream, size_t size);

struct http2_trailer {
    const char *name;
    const char *value;
};
/* The end of the answer: trailers after all that waits; without any body headers and trailers are
 * one frame. http_status is 200 for gRPC, or an error in answer to what isn't gRPC. */
void http2_finish(struct http2_stream *stream, const char *http_status,
                  const struct http2_trailer *trailers, size_t count);
/* Cuts it off instead (nghttp2 error code). */
void http2_reset(struct http2_stream *stream, uint32_t code);

/* ---- between the files of it ---- */

void http2_set_callbacks(nghttp2_session_callbacks *callbacks);
void http2_stream_free(struct http2_stream *stream);
/* Looks at all connections every second, until the service stops. */
void http2_watch_time(struct http2_service *service);
/* Something is to be sent: soon. */
void http2_touch(struct http2_connection *connection);
/* Ends the connection when all that is queued is sent, at most in a second. */
void http2_end(struct http2_connection *connection, enum close_reason reason);
void http2_close(struct http2_connection *connection, enum close_reason reason);
/* The client asked by PING whether the server is there. */
void http2_pinged(struct http2_connection *connection);

static inline void http2_count(_Atomic uint64_t *counter, uint64_t by)
{
    atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

#endif
