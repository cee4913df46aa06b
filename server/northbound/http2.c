/* Connections: their life, and bytes in and out. */
#include "server/northbound/http2.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/base/log.h"

#define STAGING_BYTES     (64u * 1024)
#define FRAME_MAX         (16u * 1024 + 9) /* as nghttp2 makes them */
#define STREAM_WINDOW     (256u * 1024)
#define CONNECTION_WINDOW (1024u * 1024)
#define QUEUED_MAX        (512u * 1024) /* given to the reactor and not yet taken by the peer */
#define LEAVING_MAX       8u            /* connections beyond the limit, while others are closing */

static const struct log_context module = {.module = "northbound"};

static struct http2_connection *connection_of(struct stream *stream)
{
    return container_of(stream, struct http2_connection, stream);
}

static uint64_t now_ms(const struct http2_service *service)
{
    return reactor_now_ms(service->reactor);
}

/* ---- sending ---- */

static void deliver_flush(struct message *message, struct reactor *reactor);

void http2_touch(struct http2_connection *connection)
{
    struct http2_service *service = connection->service;

    if (connection->in_session || connection->closing || !list_empty(&connection->dirty))
        return;
    list_append(&service->dirty, &connection->dirty);
    if (service->flush_posted)
        return;
    service->flush_posted = true;
    service->flush.deliver = deliver_flush;
    reactor_post(service->reactor, service->reactor, &service->flush);
}

/* One piece of at most STAGING_BYTES, made of whole frames. 0: nothing to send. */
static size_t stage(struct http2_connection *connection)
{
    struct http2_service *service = connection->service;
    size_t size = 0;

    connection->in_session = true;
    while (size + FRAME_MAX <= STAGING_BYTES) {
        const uint8_t *data;
        ssize_t got = nghttp2_session_mem_send(connection->session, &data);
        if (got <= 0)
            break;
        CHECK((size_t)got <= FRAME_MAX);
        memcpy(service->staging + size, data, (size_t)got);
        size += (size_t)got;
    }
    connection->in_session = false;
    return size;
}

static bool send_out(struct http2_connection *connection)
{
    bool any = false;

    while (!connection->closing && connection->stream.queued_bytes < QUEUED_MAX) {
        size_t size = stage(connection);
        if (size == 0)
            break;
        any = true;
        http2_count(&connection->service->counters.bytes_sent, size);
        if (stream_send_copy(&connection->stream, connection->service->staging, (uint32_t)size) !=
            STATUS_OK) {
            http2_close(connection, CLOSE_LIMIT_MEMORY);
            return false;
        }
    }
    return any;
}

/* Lets those write that stopped for want of room. */
static bool give_room(struct http2_connection *connection)
{
    bool any = false;
    struct list ready;

    list_init(&ready);
    list_splice(&ready, &connection->hungry);
    while (!list_empty(&ready)) {
        struct http2_stream *stream = container_of(ready.next, struct http2_stream, hungry);
        list_remove(&stream->hungry);
        connection->service->ops->room(stream);
        any = true;
    }
    return any;
}

static void pump(struct http2_connection *connection)
{
    bool more = true;

    list_remove(&connection->dirty);
    connection->in_session = true; /* what is written below is sent here */
    while (more && !connection->closing) {
        more = give_room(connection);
        more = send_out(connection) || more;
        connection->in_session = true;
        more = more && connection->stream.queued_bytes < QUEUED_MAX;
    }
    connection->in_session = false;
    if (connection->closing)
        return;
    bool done = !nghttp2_session_want_read(connection->session) &&
                !nghttp2_session_want_write(connection->session);
    if ((done || (connection->last_words && !nghttp2_session_want_write(connection->session))) &&
        connection->stream.queued_bytes == 0)
        http2_close(connection, connection->last_words ? connection->reason
                                : connection->broken   ? CLOSE_CONSUMER_PROTOCOL
                                                       : CLOSE_CONSUMER_CLOSED);
}

static void deliver_flush(struct message *message, struct reactor *reactor)
{
    struct http2_service *service = container_of(message, struct http2_service, flush);
    struct list dirty;

    (void)reactor;
    service->flush_posted = false;
    list_init(&dirty);
    list_splice(&dirty, &service->dirty);
    while (!list_empty(&dirty))
        pump(container_of(dirty.next, struct http2_connection, dirty));
}

/* ---- the reactor's stream ---- */

static void received(struct stream *stream, struct chunk *chunk)
{
    struct http2_connection *connection = connection_of(stream);
    ssize_t result = 0;

    if (!connection->closing) {
        connection->heard_ms = now_ms(connection->service);
        connection->ping_sent = false;
        http2_count(&connection->service->counters.bytes_received, chunk->size);
        connection->in_session = true;
        result = nghttp2_session_mem_recv(connection->session, chunk->data, chunk->size);
        connection->in_session = false;
    }
    chunk_free(stream->reactor, chunk);
    if (connection->closing)
        return;
    if (result < 0)
        http2_end(connection, CLOSE_CONSUMER_PROTOCOL);
    pump(connection);
}

static enum close_reason reason_of(int error)
{
    switch (error) {
    case 0:
        return CLOSE_CONSUMER_CLOSED;
    case -ECONNRESET:
    case -EPIPE:
        return CLOSE_CONSUMER_RESET;
    case -ETIMEDOUT:
        return CLOSE_CONSUMER_TIMEOUT;
    default:
        return CLOSE_CONSUMER_ERROR;
    }
}

static void ended(struct stream *stream, int error)
{
    struct http2_connection *connection = connection_of(stream);

    http2_close(connection, connection->last_words ? connection->reason
                            : connection->broken   ? CLOSE_CONSUMER_PROTOCOL
                                                   : reason_of(error));
}

static void failed(struct stream *stream, int error)
{
    http2_close(connection_of(stream), reason_of(error));
}

static void sent(struct stream *stream)
{
    struct http2_connection *connection = connection_of(stream);

    if (!connection->closing && stream->queued_bytes < QUEUED_MAX / 2)
        pump(connection);
}

/* Who the client is, before it asks for anything. */
static void secured(struct stream *stream, int error)
{
    struct http2_connection *connection = connection_of(stream);
    uint8_t fingerprint[TLS_FINGERPRINT_SIZE];
    char subject[TLS_SUBJECT_SIZE];
    char alpn[TLS_ALPN_SIZE];

    if (error < 0 || strcmp(stream_tls_alpn(stream, alpn), "h2") != 0) {
        http2_close(connection, CLOSE_CONSUMER_TLS);
        return;
    }
    if (stream_tls_peer(stream, subject, fingerprint))
        connection->subject = strdup(subject);
}

static void closed(struct stream *stream)
{
    struct http2_connection *connection = connection_of(stream);
    struct http2_service *service = connection->service;

    while (!list_empty(&connection->streams))
        http2_stream_free(container_of(connection->streams.next, struct http2_stream, node));
    nghttp2_session_del(connection->session);
    list_remove(&connection->node);
    free(connection->subject);
    atomic_fetch_sub_explicit(&service->counters.connections, 1, memory_order_relaxed);
    free(connection);
    if (service->ops->closed != NULL)
        service->ops->closed(service);
}

static const struct stream_ops stream_ops = {
    .received = received,
    .ended = ended,
    .failed = failed,
    .sent = sent,
    .secured = secured,
    .closed = closed,
};

/* ---- life of a connection ---- */

void http2_close(struct http2_connection *connection, enum close_reason reason)
{
    char peer[ADDRESS_TEXT_SIZE];
    char tls[TLS_ERROR_SIZE] = "";
    char quoted[2 * TLS_ERROR_SIZE];

    if (connection->closing)
        return;
    if (stream_is_tls(&connection->stream))
        (void)stream_tls_error(&connection->stream, tls);
    connection->closing = true;
    list_remove(&connection->dirty);
    http2_count(&connection->service->counters.closed[reason], 1);
    log_line(LOG_INFO, &module, "a consumer's connection is closed",
             "consumer=%s peer=%s layer=%s cause=%s streams=%u tls=%s",
             connection->known != NULL ? connection->known : "\"\"",
             address_format(&connection->peer, peer), close_layer(reason), close_cause(reason),
             connection->stream_count, log_quote(tls, quoted, sizeof(quoted)));
    stream_close(&connection->stream); /* the requests go in `closed` */
}

void http2_end(struct http2_connection *connection, enum close_reason reason)
{
    if (connection->last_words || connection->closing)
        return;
    connection->last_words = true;
    connection->reason = reason;
    connection->last_words_ms = now_ms(connection->service);
    http2_touch(connection);
}

static enum status greet(struct http2_connection *connection)
{
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, connection->service->limits.streams},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HTTP2_HEADER_BYTES},
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
    };
    nghttp2_session *session = connection->session;

    if (nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, 4) != 0 ||
        nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW) !=
            0)
        return STATUS_NO_MEMORY;
    return STATUS_OK;
}

static struct http2_connection *connection_make(struct http2_service *service,
                                                const struct address *peer)
{
    struct http2_connection *connection = calloc(1, sizeof(*connection));

    if (connection == NULL)
        return NULL;
    connection->service = service;
    connection->peer = *peer;
    connection->heard_ms = now_ms(service);
    connection->idle_since_ms = connection->heard_ms;
    connection->answered_ms = connection->heard_ms;
    list_init(&connection->node);
    list_init(&connection->dirty);
    list_init(&connection->streams);
    list_init(&connection->hungry);
    if (nghttp2_session_server_new2(&connection->session, service->callbacks, connection,
                                    service->options) != 0) {
        free(connection);
        return NULL;
    }
    if (greet(connection) != STATUS_OK) {
        nghttp2_session_del(connection->session);
        free(connection);
        return NULL;
    }
    return connection;
}

/* Whoever knows nobody's token could hold all places otherwise, by coming again and again. */
static bool send_stranger_away(struct http2_service *service)
{
    for (struct list *node = service->connections.next; node != &service->connections;
         node = node->next) {
        struct http2_connection *connection = container_of(node, struct http2_connection, node);
        if (connection->known || connection->closing)
            continue;
        http2_close(connection, CLOSE_LIMIT_CONSUMERS);
        return true;
    }
    return false;
}

static bool is_full(struct http2_service *service)
{
    uint64_t count = atomic_load(&service->counters.connections);

    if (count < service->limits.connections)
        return false;
    return count >= service->limits.connections + LEAVING_MAX || !send_stranger_away(service);
}

void http2_accept(struct http2_service *service, uint32_t slot, const struct address *peer)
{
    struct http2_connection *connection = NULL;
    bool full = is_full(service);

    http2_count(&service->counters.accepted, 1);
    if (!full && !service->draining)
        connection = connection_make(service, peer);
    if (connection == NULL) {
        enum close_reason reason = full                ? CLOSE_LIMIT_CONSUMERS
                                   : service->draining ? CLOSE_SERVER_STOPPING
                                                       : CLOSE_LIMIT_MEMORY;
        http2_count(&service->counters.closed[reason], 1);
        reactor_discard(service->reactor, slot);
        return;
    }
    http2_count(&service->counters.connections, 1);
    list_append(&service->connections, &connection->node);
    stream_init(&connection->stream, service->reactor, slot, &stream_ops);
    if (service->tls != NULL &&
        stream_tls_start(&connection->stream, service->tls, NULL) != STATUS_OK) {
        http2_close(connection, CLOSE_LIMIT_MEMORY);
        return;
    }
    stream_receive(&connection->stream, RECEIVE_STREAM);
    http2_touch(connection);
}

/* ---- the service ---- */

enum status http2_service_start(struct http2_service *service)
{
    list_init(&service->connections);
    list_init(&service->dirty);
    service->staging = malloc(STAGING_BYTES);
    if (service->staging == NULL || nghttp2_session_callbacks_new(&service->callbacks) != 0 ||
        nghttp2_option_new(&service->options) != 0) {
        http2_service_stop(service);
        return STATUS_NO_MEMORY;
    }
    http2_set_callbacks(service->callbacks);
    nghttp2_option_set_no_auto_window_update(service->options, 1);
    nghttp2_option_set_max_send_header_block_length(service->options, HTTP2_HEADER_BYTES);
    http2_watch_time(service);
    return STATUS_OK;
}

void http2_service_stop(struct http2_service *service)
{
    timer_stop(&service->tick);
    nghttp2_session_callbacks_del(service->callbacks);
    nghttp2_option_del(service->options);
    free(service->staging);
    service->callbacks = NULL;
    service->options = NULL;
    service->staging = NULL;
}

void http2_end_all(struct http2_service *service, enum close_reason reason)
{
    for (struct list *node = service->connections.next; node != &service->connections;
         node = node->next)
        http2_end(container_of(node, struct http2_connection, node), reason);
}

void http2_close_all(struct http2_service *service, enum close_reason reason)
{
    for (struct list *node = service->connections.next; node != &service->connections;
         node = node->next)
        http2_close(container_of(node, struct http2_connection, node), reason);
}
