#include "server/northbound/grpc.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/base/log.h"
#include "server/northbound/internal.h"

#define FINE_MS    1000u /* timers below are fine ones */
#define LOG_GAP_MS 1000u /* between lines about strangers' calls */

static const struct log_context module = {.module = "northbound"};

static struct northbound *northbound_of(const struct http2_stream *stream)
{
    return stream->connection->service->owner;
}

/* ---- the end ---- */

static void trailers_of(enum grpc_code code, const char *text, struct http2_trailer trailers[2],
                        char number[static 4], char *message, size_t size)
{
    (void)snprintf(number, 4, "%d", (int)code);
    (void)grpc_message_encode(text, message, size);
    trailers[0] = (struct http2_trailer){"grpc-status", number};
    trailers[1] = (struct http2_trailer){"grpc-message", message};
}

/* A request that never became a call. */
static void refuse(struct http2_stream *stream, const char *http_status, enum grpc_code code,
                   const char *text)
{
    struct http2_trailer trailers[2];
    char message[3 * GRPC_STATUS_MAX];
    char number[4];

    trailers_of(code, text, trailers, number, message, sizeof(message));
    http2_count(&northbound_of(stream)->counters.codes[code], 1);
    http2_finish(stream, http_status, trailers, 2);
}

void grpc_finish_with(struct grpc_call *call, enum grpc_code code, const char *text,
                      const struct http2_trailer *more, size_t count)
{
    struct http2_trailer trailers[6];
    char message[3 * GRPC_STATUS_MAX];
    char number[4];

    if (call->finished)
        return;
    CHECK(count <= 4);
    call->finished = true;
    call->code = code;
    timer_stop(&call->deadline);
    trailers_of(code, text, trailers, number, message, sizeof(message));
    if (count > 0)
        memcpy(&trailers[2], more, count * sizeof(*more));
    http2_count(&call->northbound->counters.codes[code], 1);
    /* OK has no message */
    if (text[0] == '\0') {
        trailers[1] = trailers[0];
        http2_finish(call->stream, "200", &trailers[1], 1 + count);
    } else {
        http2_finish(call->stream, "200", trailers, 2 + count);
    }
}

void grpc_finish(struct grpc_call *call, enum grpc_code code, const char *format, ...)
{
    char text[GRPC_STATUS_MAX];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    grpc_finish_with(call, code, text, NULL, 0);
}

static void deadline_passed(struct timer *timer)
{
    struct grpc_call *call = container_of(timer, struct grpc_call, deadline);

    grpc_finish(call, GRPC_DEADLINE_EXCEEDED, "the client's deadline has passed");
}

/* ---- messages out ---- */

uint8_t *grpc_reserve(struct grpc_call *call, size_t size)
{
    uint8_t *memory;

    if (!call->finished && call->stream->finished) /* reset, for want of memory */
        grpc_finish(call, GRPC_RESOURCE_EXHAUSTED, "the server has not enough memory");
    if (call->finished)
        return NULL;
    memory = http2_reserve(call->stream, GRPC_PREFIX_SIZE + size);
    if (memory == NULL) {
        grpc_finish(call, GRPC_RESOURCE_EXHAUSTED, "the server has not enough memory");
        return NULL;
    }
    return memory + GRPC_PREFIX_SIZE;
}

void grpc_wrote(struct grpc_call *call, size_t size)
{
    uint8_t *memory = http2_reserve(call->stream, GRPC_PREFIX_SIZE + size);

    CHECK(memory != NULL); /* reserved before */
    grpc_prefix_write(memory, (uint32_t)size);
    http2_wrote(call->stream, GRPC_PREFIX_SIZE + size);
}

bool grpc_send(struct grpc_call *call, const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *memory = grpc_reserve(call, size);

    if (memory == NULL)
        return false;
    if (proto_pack(message, memory, size, &size) != CODEC_OK) {
        grpc_finish(call, GRPC_INTERNAL, "an answer that can't be sent");
        return false;
    }
    grpc_wrote(call, size);
    return true;
}

void grpc_answer(struct grpc_call *call, const ProtobufCMessage *message)
{
    if (grpc_send(call, message))
        grpc_finish_with(call, GRPC_OK, "", NULL, 0);
}

void grpc_want_room(struct grpc_call *call)
{
    if (!call->finished)
        http2_want_room(call->stream);
}

/* ---- messages in ---- */

const ProtobufCMessage *grpc_unpack(struct grpc_call *call,
                                    const ProtobufCMessageDescriptor *descriptor,
                                    const uint8_t *data, size_t size)
{
    struct proto_arena *arena = &call->northbound->arena;
    ProtobufCMessage *message = NULL;

    arena->used = 0;
    switch (proto_unpack(descriptor, data, size, arena, &message)) {
    case CODEC_OK:
        return message;
    case CODEC_FULL:
        grpc_finish(call, GRPC_RESOURCE_EXHAUSTED, "the request has too many parts");
        return NULL;
    default:
        grpc_finish(call, GRPC_INVALID_ARGUMENT, "the request is no %s", descriptor->name);
        return NULL;
    }
}

static void begin_message(struct grpc_call *call)
{
    uint32_t size = call->unframe.size;
    uint32_t maximum = call->method->open ? GRPC_OPEN_REQUEST_MAX : GRPC_REQUEST_MAX;

    call->message_size = 0;
    if (call->unframe.compressed)
        grpc_finish(call, GRPC_UNIMPLEMENTED,
                    "compressed messages aren't understood: send them as they are");
    else if (size > maximum)
        grpc_finish(call, GRPC_RESOURCE_EXHAUSTED, "a request of %u bytes; at most %u are taken",
                    size, maximum);
    else if (call->requests > 0 && !call->method->many_requests)
        grpc_finish(call, GRPC_INVALID_ARGUMENT, "more than one request");
    if (call->finished)
        return;
    free(call->message);
    call->message = malloc(size + 1);
    if (call->message == NULL)
        grpc_finish(call, GRPC_RESOURCE_EXHAUSTED, "the server has not enough memory");
}

static void end_message(struct grpc_call *call)
{
    call->requests++;
    if (!call->method->many_requests)
        return; /* it waits for the end of the client's side */
    call->method->request(call, call->message, call->message_size);
    free(call->message);
    call->message = NULL;
}

static void data(struct http2_stream *stream, const uint8_t *bytes, size_t size)
{
    struct grpc_call *call = stream->owner;
    const uint8_t *piece;
    size_t piece_size;
    size_t all = size;

    while (call != NULL && !call->finished) {
        enum grpc_piece what =
            grpc_unframe_next(&call->unframe, &bytes, &size, &piece, &piece_size);
        if (what == GRPC_MORE)
            break;
        if (what == GRPC_BEGIN)
            begin_message(call);
        else if (what == GRPC_END)
            end_message(call);
        else {
            memcpy(call->message + call->message_size, piece, piece_size);
            call->message_size += piece_size;
        }
    }
    http2_consumed(stream, all);
}

static void ended(struct http2_stream *stream)
{
    struct grpc_call *call = stream->owner;

    if (call == NULL || call->finished)
        return;
    if (!grpc_unframe_is_between(&call->unframe))
        grpc_finish(call, GRPC_INVALID_ARGUMENT, "the request ends within a message");
    else if (call->method->many_requests)
        call->method->ended(call);
    else if (call->requests == 0)
        grpc_finish(call, GRPC_INVALID_ARGUMENT, "there is no request");
    else
        call->method->request(call, call->message, call->message_size);
}

/* ---- the beginning ---- */

static const char bearer[] = "bearer ";

static struct consumer *who_calls(struct http2_stream *stream)
{
    const char *authorization = http2_header(stream, HTTP2_AUTHORIZATION);
    const struct consumers *consumers = &northbound_of(stream)->consumers;
    struct consumer *consumer = NULL;

    if (authorization == NULL) {
        const char *subject = stream->connection->subject;
        return subject != NULL ? consumers_by_subject(consumers, subject) : NULL;
    }
    if (strncasecmp(authorization, bearer, sizeof(bearer) - 1) == 0)
        consumer = consumers_by_token(consumers, authorization + sizeof(bearer) - 1);
    return consumer;
}

/* Why who_calls knows nobody. The subject is the caller's own. */
static void say_why(const struct http2_stream *stream, char text[static GRPC_STATUS_MAX])
{
    const char *authorization = http2_header(stream, HTTP2_AUTHORIZATION);

    if (authorization == NULL && stream->connection->subject != NULL)
        (void)snprintf(
            text, GRPC_STATUS_MAX,
            "no consumer has the certificate's subject \"%.180s\", and there is no token",
            stream->connection->subject);
    else if (authorization == NULL)
        (void)snprintf(text, GRPC_STATUS_MAX,
                       "there is no token: send the metadata \"authorization: Bearer TOKEN\"");
    else if (strncasecmp(authorization, bearer, sizeof(bearer) - 1) != 0)
        (void)snprintf(text, GRPC_STATUS_MAX, "the authorization isn't \"Bearer TOKEN\"");
    else
        (void)snprintf(text, GRPC_STATUS_MAX, "no consumer has this token");
}

/* Strangers may come as fast as they like; a line a second is enough to find them. */
static void refuse_stranger(struct http2_stream *stream)
{
    struct northbound *northbound = northbound_of(stream);
    uint64_t now = reactor_now_ms(northbound->reactor);
    char text[GRPC_STATUS_MAX];
    char quoted[4 * GRPC_STATUS_MAX];
    char peer[ADDRESS_TEXT_SIZE];

    say_why(stream, text);
    http2_count(&northbound->counters.unauthenticated, 1);
    northbound->strangers++;
    if (northbound->stranger_logged_ms == 0 || now - northbound->stranger_logged_ms >= LOG_GAP_MS) {
        log_line(LOG_WARN, &module, "a call without a login", "peer=%s reason=%s count=%" PRIu64,
                 address_format(&stream->connection->peer, peer),
                 log_quote(text, quoted, sizeof(quoted)), northbound->strangers);
        northbound->strangers = 0;
        northbound->stranger_logged_ms = now;
    }
    refuse(stream, "200", GRPC_UNAUTHENTICATED, text);
}

static void refuse_path(struct http2_stream *stream, const char *path)
{
    char shown[GRPC_NAME_SHOWN];
    char text[GRPC_STATUS_MAX];

    (void)snprintf(text, sizeof(text), "there is no method %s here", grpc_shown(path, shown));
    refuse(stream, "200", GRPC_UNIMPLEMENTED, text);
}

static bool is_http_good(struct http2_stream *stream)
{
    const char *method = http2_header(stream, HTTP2_METHOD);
    const char *type = http2_header(stream, HTTP2_CONTENT_TYPE);
    const char *encoding = http2_header(stream, HTTP2_ENCODING);

    if (stream->too_large)
        refuse(stream, "200", GRPC_RESOURCE_EXHAUSTED, "the headers are too large");
    else if (method == NULL || strcmp(method, "POST") != 0)
        refuse(stream, "405", GRPC_UNIMPLEMENTED, "gRPC is POST");
    else if (type == NULL || !grpc_content_type_is_ours(type, strlen(type)))
        refuse(stream, "415", GRPC_UNKNOWN, "this port is for gRPC: application/grpc");
    else if (encoding != NULL && strcmp(encoding, "identity") != 0)
        refuse(stream, "200", GRPC_UNIMPLEMENTED, "compressed messages aren't understood");
    else
        return true;
    return false;
}

static bool start_deadline(struct grpc_call *call, const char *timeout)
{
    struct reactor *reactor = call->northbound->reactor;
    uint64_t ms;

    if (timeout == NULL)
        return true;
    if (grpc_timeout_parse(timeout, strlen(timeout), &ms) != CODEC_OK)
        return false;
    if (ms < FINE_MS)
        timer_start_fine(reactor, &call->deadline, (uint32_t)ms);
    else
        timer_start(reactor, &call->deadline, ms);
    return true;
}

static void begin_call(struct http2_stream *stream, const struct grpc_method *method,
                       struct consumer *consumer)
{
    struct grpc_call *call = calloc(1, sizeof(*call) + method->state_size);

    if (call == NULL) {
        refuse(stream, "200", GRPC_RESOURCE_EXHAUSTED, "the server has not enough memory");
        return;
    }
    call->stream = stream;
    call->northbound = northbound_of(stream);
    call->method = method;
    call->consumer = consumer;
    timer_init(&call->deadline, deadline_passed);
    stream->owner = call;
    http2_count(&call->northbound->counters.calls, 1);
    if (!start_deadline(call, http2_header(stream, HTTP2_TIMEOUT)))
        grpc_finish(call, GRPC_INVALID_ARGUMENT, "grpc-timeout is no timeout");
    else if (call->northbound->stopping)
        grpc_finish(call, GRPC_UNAVAILABLE, "the server stops");
    else if (method->opened != NULL)
        method->opened(call);
}

static void opened(struct http2_stream *stream)
{
    const char *path = http2_header(stream, HTTP2_PATH);
    const struct grpc_method *method;
    struct consumer *consumer;

    if (!is_http_good(stream))
        return;
    method = northbound_method(path != NULL ? path : "");
    if (method == NULL) {
        refuse_path(stream, path != NULL ? path : "");
        return;
    }
    consumer = who_calls(stream);
    if (consumer == NULL && !method->open)
        refuse_stranger(stream);
    http2_forget(stream, HTTP2_AUTHORIZATION);
    if (consumer == NULL && !method->open)
        return;
    if (consumer != NULL)
        stream->connection->known = consumer->config->name;
    begin_call(stream, method, consumer);
}

static void room(struct http2_stream *stream)
{
    struct grpc_call *call = stream->owner;

    if (call != NULL && !call->finished && call->method->room != NULL)
        call->method->room(call);
}

static void gone(struct http2_stream *stream)
{
    struct grpc_call *call = stream->owner;

    if (call == NULL)
        return;
    timer_stop(&call->deadline);
    if (!call->finished) {
        http2_count(&call->northbound->counters.codes[GRPC_CANCELLED], 1);
        call->code = GRPC_CANCELLED;
    }
    call->finished = true; /* nothing can be written any more */
    if (call->method->gone != NULL)
        call->method->gone(call);
    free(call->message);
    free(call);
}

static void closed(struct http2_service *service)
{
    northbound_connection_closed(service->owner);
}

const struct http2_ops grpc_http2_ops = {
    .opened = opened,
    .data = data,
    .ended = ended,
    .room = room,
    .gone = gone,
    .closed = closed,
};
