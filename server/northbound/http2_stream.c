/* Requests and answers, and what nghttp2 calls. */
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/northbound/http2.h"

#define OUT_FIRST   4096u
#define MAX_STRIKES 2u

static const char *const kept[HTTP2_HEADERS] = {
    ":method",      ":path",         "content-type", "authorization",
    "grpc-timeout", "grpc-encoding", "user-agent",
};

/* ---- requests ---- */

const char *http2_header(const struct http2_stream *stream, enum http2_header header)
{
    return stream->headers[header];
}

void http2_forget(struct http2_stream *stream, enum http2_header header)
{
    char *text = stream->headers[header];

    if (text == NULL)
        return;
    explicit_bzero(text, strlen(text));
    free(text);
    stream->headers[header] = NULL;
}

void http2_stream_free(struct http2_stream *stream)
{
    struct http2_connection *connection = stream->connection;

    list_remove(&stream->node);
    list_remove(&stream->hungry);
    connection->stream_count--;
    atomic_fetch_sub_explicit(&connection->service->counters.streams, 1, memory_order_relaxed);
    if (connection->stream_count == 0)
        connection->idle_since_ms = reactor_now_ms(connection->service->reactor);
    if (stream->finished)
        connection->answered_ms = reactor_now_ms(connection->service->reactor);
    if (stream->opened)
        connection->service->ops->gone(stream);
    for (int i = 0; i < HTTP2_HEADERS; i++)
        http2_forget(stream, (enum http2_header)i);
    free(stream->out);
    free(stream->trailers);
    free(stream);
}

void http2_consumed(struct http2_stream *stream, size_t size)
{
    if (nghttp2_session_consume(stream->connection->session, stream->id, size) == 0)
        http2_touch(stream->connection);
}

static struct http2_connection *connection_of(void *user_data)
{
    return user_data;
}

static struct http2_stream *stream_of(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

static int begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    struct http2_connection *connection = connection_of(user_data);
    struct http2_stream *stream;

    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    stream = calloc(1, sizeof(*stream));
    if (stream == NULL)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* the stream is reset */
    stream->connection = connection;
    stream->id = frame->hd.stream_id;
    list_init(&stream->hungry);
    list_append(&connection->streams, &stream->node);
    connection->stream_count++;
    http2_count(&connection->service->counters.streams, 1);
    http2_count(&connection->service->counters.opened, 1);
    CHECK(nghttp2_session_set_stream_user_data(session, stream->id, stream) == 0);
    return 0;
}

static int keep_header(struct http2_stream *stream, const uint8_t *name, size_t name_size,
                       const uint8_t *value, size_t value_size)
{
    for (int i = 0; i < HTTP2_HEADERS; i++) {
        if (strlen(kept[i]) != name_size || memcmp(kept[i], name, name_size) != 0)
            continue;
        http2_forget(stream, (enum http2_header)i);
        stream->headers[i] = strndup((const char *)value, value_size);
        return stream->headers[i] != NULL ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    return 0;
}

static int header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                  size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                  void *user_data)
{
    struct http2_stream *stream = stream_of(session, frame->hd.stream_id);

    (void)flags;
    (void)user_data;
    if (stream == NULL || stream->opened) /* trailers of a request mean nothing here */
        return 0;
    size_t size = name_size + value_size + 32;
    if (stream->too_large || size > HTTP2_HEADER_BYTES - stream->header_bytes) {
        stream->too_large = true; /* the rest is decompressed and dropped */
        return 0;
    }
    stream->header_bytes += (uint32_t)size;
    return keep_header(stream, name, name_size, value, value_size);
}

static int data_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                      size_t size, void *user_data)
{
    struct http2_stream *stream = stream_of(session, id);

    (void)flags;
    if (stream != NULL && stream->opened) {
        connection_of(user_data)->service->ops->data(stream, data, size);
        return 0;
    }
    return nghttp2_session_consume(session, id, size) == 0 ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static void end_of_request(struct http2_stream *stream)
{
    if (stream->remote_done)
        return;
    stream->remote_done = true;
    if (stream->opened)
        stream->connection->service->ops->ended(stream);
}

static int frame_received(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    struct http2_connection *connection = connection_of(user_data);
    struct http2_stream *stream = NULL;

    if (frame->hd.type == NGHTTP2_SETTINGS)
        connection->greeted = true;
    if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0)
        http2_pinged(connection);
    if (frame->hd.stream_id > 0)
        stream = stream_of(session, frame->hd.stream_id);
    if (stream == NULL || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && !stream->opened) {
        stream->opened = true;
        connection->service->ops->opened(stream);
    }
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
        end_of_request(stream);
    return 0;
}

static int stream_closed(nghttp2_session *session, int32_t id, uint32_t code, void *user_data)
{
    struct http2_connection *connection = connection_of(user_data);
    struct http2_stream *stream = stream_of(session, id);

    (void)code;
    if (stream == NULL)
        return 0;
    if (!stream->finished)
        http2_count(&connection->service->counters.reset, 1);
    http2_stream_free(stream);
    return 0;
}

/* What was answered before the request was complete need not be completed. */
static int frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    struct http2_connection *connection = connection_of(user_data);

    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR)
        connection->broken = true;
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    connection->ping_strikes = 0;
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
        return 0;
    struct http2_stream *stream = stream_of(session, frame->hd.stream_id);
    if (stream != NULL && !stream->remote_done)
        (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_NO_ERROR);
    return 0;
}

void http2_set_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, data_chunk);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, frame_received);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, stream_closed);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, frame_sent);
}

/* Asking too often makes a server work for nothing, which is why gRPC has a word for it. */
void http2_pinged(struct http2_connection *connection)
{
    static const char debug[] = "too_many_pings";
    uint64_t now = reactor_now_ms(connection->service->reactor);
    uint64_t since = now - connection->pinged_ms;

    connection->pinged_ms = now;
    if (since >= connection->service->limits.ping_interval_s * 1000ull) {
        connection->ping_strikes = 0;
        return;
    }
    if (++connection->ping_strikes <= MAX_STRIKES || connection->last_words)
        return;
    (void)nghttp2_submit_goaway(connection->session, NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(connection->session),
                                NGHTTP2_ENHANCE_YOUR_CALM, (const uint8_t *)debug,
                                sizeof(debug) - 1);
    http2_end(connection, CLOSE_CONSUMER_PINGS);
}

/* ---- answers ---- */

static nghttp2_nv field(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        strlen(value), NGHTTP2_NV_FLAG_NONE};
}

static size_t fill_trailers(const struct http2_stream *stream, nghttp2_nv *fields)
{
    const char *at = stream->trailers;

    for (size_t i = 0; i < stream->trailer_count; i++) {
        const char *name = at;
        const char *value = name + strlen(name) + 1;
        fields[i] = field(name, value);
        at = value + strlen(value) + 1;
    }
    return stream->trailer_count;
}

static void end_with_trailers(struct http2_stream *stream, uint32_t *flags)
{
    nghttp2_nv fields[HTTP2_TRAILERS_MAX];
    size_t count = fill_trailers(stream, fields);

    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    stream->finished = true;
    (void)nghttp2_submit_trailer(stream->connection->session, stream->id, fields, count);
}

static void take_out(struct http2_stream *stream, uint8_t *data, size_t size)
{
    memcpy(data, stream->out + stream->out_at, size);
    stream->out_at += size;
    if (stream->out_at == stream->out_size) {
        stream->out_at = 0;
        stream->out_size = 0;
        if (stream->out_capacity > OUT_FIRST) {
            free(stream->out);
            stream->out = NULL;
            stream->out_capacity = 0;
        }
    }
    if (stream->wants_room && http2_waiting(stream) <= HTTP2_OUT_LOW) {
        stream->wants_room = false;
        list_remove(&stream->hungry);
        list_append(&stream->connection->hungry, &stream->hungry);
    }
}

static ssize_t read_out(nghttp2_session *session, int32_t id, uint8_t *data, size_t capacity,
                        uint32_t *flags, nghttp2_data_source *source, void *user_data)
{
    struct http2_stream *stream = source->ptr;
    size_t size = http2_waiting(stream);

    (void)session;
    (void)id;
    (void)user_data;
    if (size > capacity)
        size = capacity;
    if (size > 0)
        take_out(stream, data, size);
    if (http2_waiting(stream) == 0 && stream->finishing)
        end_with_trailers(stream, flags);
    else if (size == 0) {
        stream->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    return (ssize_t)size;
}

static void answer(struct http2_stream *stream)
{
    const nghttp2_nv fields[] = {
        field(":status", "200"),
        field("content-type", "application/grpc"),
    };
    const nghttp2_data_provider provider = {.source.ptr = stream, .read_callback = read_out};

    stream->answered = true;
    if (nghttp2_submit_response(stream->connection->session, stream->id, fields, 2, &provider) != 0)
        http2_reset(stream, NGHTTP2_INTERNAL_ERROR);
}

static void resume(struct http2_stream *stream)
{
    if (!stream->answered)
        answer(stream);
    else if (stream->deferred) {
        stream->deferred = false;
        (void)nghttp2_session_resume_data(stream->connection->session, stream->id);
    }
    http2_touch(stream->connection);
}

void http2_want_room(struct http2_stream *stream)
{
    stream->wants_room = http2_waiting(stream) > HTTP2_OUT_LOW;
    if (stream->wants_room)
        return;
    list_remove(&stream->hungry);
    list_append(&stream->connection->hungry, &stream->hungry);
    http2_touch(stream->connection);
}

uint8_t *http2_reserve(struct http2_stream *stream, size_t size)
{
    CHECK(!stream->finishing && !stream->finished);
    if (stream->out_at > 0 && stream->out_capacity - stream->out_size < size) {
        memmove(stream->out, stream->out + stream->out_at, http2_waiting(stream));
        stream->out_size -= stream->out_at;
        stream->out_at = 0;
    }
    if (stream->out_capacity - stream->out_size < size) {
        size_t capacity = stream->out_capacity == 0 ? OUT_FIRST : stream->out_capacity;
        while (capacity - stream->out_size < size)
            capacity *= 2;
        uint8_t *grown = realloc(stream->out, capacity);
        if (grown == NULL)
            return NULL;
        stream->out = grown;
        stream->out_capacity = capacity;
    }
    return stream->out + stream->out_size;
}

void http2_wrote(struct http2_stream *stream, size_t size)
{
    stream->out_size += size;
    CHECK(stream->out_size <= stream->out_capacity);
    if (size > 0)
        resume(stream);
}

/* ---- the end of an answer ---- */

static void keep_trailers(struct http2_stream *stream, const struct http2_trailer *trailers,
                          size_t count)
{
    size_t size = 0;
    char *at;

    CHECK(count <= HTTP2_TRAILERS_MAX);
    for (size_t i = 0; i < count; i++)
        size += strlen(trailers[i].name) + strlen(trailers[i].value) + 2;
    stream->trailers = at = malloc(size + 1);
    if (at == NULL)
        return;
    for (size_t i = 0; i < count; i++) {
        at = stpcpy(at, trailers[i].name) + 1;
        at = stpcpy(at, trailers[i].value) + 1;
    }
    stream->trailer_count = count;
}

static void answer_without_body(struct http2_stream *stream, const char *http_status,
                                const struct http2_trailer *trailers, size_t count)
{
    nghttp2_nv fields[HTTP2_TRAILERS_MAX + 2];

    stream->answered = true;
    stream->finished = true;
    fields[0] = field(":status", http_status);
    fields[1] = field("content-type", "application/grpc");
    for (size_t i = 0; i < count; i++)
        fields[i + 2] = field(trailers[i].name, trailers[i].value);
    if (nghttp2_submit_headers(stream->connection->session, NGHTTP2_FLAG_END_STREAM, stream->id,
                               NULL, fields, count + 2, NULL) != 0)
        http2_reset(stream, NGHTTP2_INTERNAL_ERROR);
    http2_touch(stream->connection);
}

void http2_finish(struct http2_stream *stream, const char *http_status,
                  const struct http2_trailer *trailers, size_t count)
{
    if (stream->finishing || stream->finished)
        return;
    if (!stream->answered) {
        answer_without_body(stream, http_status, trailers, count);
        return;
    }
    keep_trailers(stream, trailers, count);
    if (stream->trailers == NULL) {
        http2_reset(stream, NGHTTP2_INTERNAL_ERROR);
        return;
    }
    stream->finishing = true;
    resume(stream);
}

void http2_reset(struct http2_stream *stream, uint32_t code)
{
    stream->finished = true;
    (void)nghttp2_submit_rst_stream(stream->connection->session, NGHTTP2_FLAG_NONE, stream->id,
                                    code);
    http2_touch(stream->connection);
}
