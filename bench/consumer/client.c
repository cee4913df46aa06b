#include "bench/consumer/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "codec/proto/wire.h"
#include "server/base/address.h"
#include "server/base/check.h"

#define WINDOW        (16 << 20)
#define RECEIVE_BYTES (256u << 10)

#define RESPONSE_EVENTS  1u
#define RESPONSE_THROUGH 2u

/* subscribe { start: START_OLDEST, max_unacknowledged_events: 65536 }; the start may be another. */
static const uint8_t subscribe[] = {0x0a, 0x06, 0x10, 0x02, 0x28, 0x80, 0x80, 0x04};
#define SUBSCRIBE_START 3
#define START_NOW       3

static void put_request(struct client *client, const uint8_t *data, size_t size)
{
    CHECK(client->out_size + size + GRPC_PREFIX_SIZE <= sizeof client->out);
    grpc_prefix_write(client->out + client->out_size, (uint32_t)size);
    memcpy(client->out + client->out_size + GRPC_PREFIX_SIZE, data, size);
    client->out_size += GRPC_PREFIX_SIZE + size;
    (void)nghttp2_session_resume_data(client->session, client->stream);
}

static void take_message(struct client *client)
{
    struct wire_reader reader = wire_reader_over(client->message, client->message_size);
    struct wire_field field;

    while (wire_next(&reader, &field)) {
        if (field.number == RESPONSE_THROUGH)
            client->through = field.value;
        if (field.number != RESPONSE_EVENTS)
            continue;
        client->events++;
        if (client->event != NULL)
            client->event(field.data, field.size);
    }
    client->responses++;
    client->bytes += client->message_size;
}

/* Acknowledge { sequence = through } as request 2. */
static void acknowledge(struct client *client)
{
    uint8_t inner[16] = {0x08};
    uint8_t outer[32] = {0x12};

    if (client->through == client->acknowledged || client->out_size > 0)
        return;
    size_t size = 1 + wire_put_varint(inner + 1, client->through);
    outer[1] = (uint8_t)size;
    memcpy(outer + 2, inner, size);
    client->acknowledged = client->through;
    put_request(client, outer, size + 2);
}

static void begin_message(struct client *client)
{
    if (client->message_capacity < client->unframe.size) {
        client->message_capacity = client->unframe.size;
        client->message = realloc(client->message, client->message_capacity);
        CHECK(client->message != NULL);
    }
    client->message_size = 0;
}

static int data_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                      size_t size, void *user_data)
{
    struct client *client = user_data;
    enum grpc_piece what;
    const uint8_t *piece;
    size_t piece_size;

    (void)session;
    (void)flags;
    (void)id;
    while ((what = grpc_unframe_next(&client->unframe, &data, &size, &piece, &piece_size)) !=
           GRPC_MORE) {
        if (what == GRPC_BEGIN) {
            begin_message(client);
        } else if (what == GRPC_BYTES) {
            memcpy(client->message + client->message_size, piece, piece_size);
            client->message_size += piece_size;
        } else {
            take_message(client);
        }
    }
    return 0;
}

static int stream_closed(nghttp2_session *session, int32_t id, uint32_t code, void *user_data)
{
    struct client *client = user_data;

    (void)session;
    (void)id;
    (void)code;
    client->over = true;
    return 0;
}

/* NOLINTBEGIN(readability-non-const-parameter): nghttp2 says so */
static ssize_t read_out(nghttp2_session *session, int32_t id, uint8_t *data, size_t capacity,
                        uint32_t *flags, nghttp2_data_source *source, void *user_data)
{
    struct client *client = user_data;
    size_t size = client->out_size < capacity ? client->out_size : capacity;

    (void)session;
    (void)id;
    (void)flags;
    (void)source;
    if (size == 0)
        return NGHTTP2_ERR_DEFERRED;
    memcpy(data, client->out, size);
    client->out_size -= size;
    memmove(client->out, client->out + size, client->out_size);
    return (ssize_t)size;
}
/* NOLINTEND(readability-non-const-parameter) */

static void write_out(struct client *client)
{
    const uint8_t *data;
    ssize_t size;

    while ((size = nghttp2_session_mem_send(client->session, &data)) > 0)
        CHECK(send(client->socket, data, (size_t)size, MSG_NOSIGNAL) == size);
}

static nghttp2_nv field_of(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        strlen(value), NGHTTP2_NV_FLAG_NONE};
}

static void begin_session(struct client *client)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_settings_entry settings = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW};

    CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, data_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, stream_closed);
    CHECK(nghttp2_session_client_new(&client->session, callbacks, client) == 0);
    nghttp2_session_callbacks_del(callbacks);
    CHECK(nghttp2_submit_settings(client->session, NGHTTP2_FLAG_NONE, &settings, 1) == 0);
    CHECK(nghttp2_session_set_local_window_size(client->session, NGHTTP2_FLAG_NONE, 0, WINDOW) ==
          0);
}

static void call_events(struct client *client, const char *token)
{
    nghttp2_data_provider provider = {.read_callback = read_out};
    char authorization[300];

    (void)snprintf(authorization, sizeof authorization, "Bearer %s", token);
    const nghttp2_nv fields[] = {
        field_of(":method", "POST"),
        field_of(":scheme", "http"),
        field_of(":path", "/cenc.v1.Northbound/Events"),
        field_of(":authority", "cencd"),
        field_of("content-type", "application/grpc"),
        field_of("te", "trailers"),
        field_of("authorization", authorization),
    };
    client->stream = nghttp2_submit_request(client->session, NULL, fields,
                                            sizeof fields / sizeof *fields, &provider, NULL);
    CHECK(client->stream > 0);
}

static int dial(const char *where)
{
    struct address address;
    union socket_address socket_address;

    CHECK(address_parse(where, &address) == STATUS_OK);
    socklen_t size = address_to_socket(&address, &socket_address);
    int result = socket(socket_address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(result >= 0 && connect(result, &socket_address.any, size) == 0);
    return result;
}

void client_begin(struct client *client, const char *where, const char *token, bool from_now)
{
    uint8_t request[sizeof subscribe];

    client->socket = dial(where);
    begin_session(client);
    call_events(client, token);
    memcpy(request, subscribe, sizeof subscribe);
    if (from_now)
        request[SUBSCRIBE_START] = START_NOW;
    put_request(client, request, sizeof request);
    write_out(client);
}

void client_turn(struct client *client)
{
    static uint8_t bytes[RECEIVE_BYTES];
    ssize_t got = recv(client->socket, bytes, sizeof bytes, 0);

    if (got <= 0) {
        client->over = true;
        return;
    }
    CHECK(nghttp2_session_mem_recv(client->session, bytes, (size_t)got) == got);
    acknowledge(client);
    write_out(client);
}

void client_end(struct client *client)
{
    nghttp2_session_del(client->session);
    free(client->message);
    (void)close(client->socket);
}
