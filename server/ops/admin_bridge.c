#include "server/ops/admin_bridge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/check.h"
#include "server/base/log.h"

#define TICK_MS      1000u
#define BYTES_PER_MS 16u         /* what comes as fast, an import, has more time */
#define LINGER_MS    2000u       /* for the client to take the last answer and go */
#define QUEUED_MAX   (64u << 10) /* that wait on one side, beyond what one receive brings */
#define QUEUED_AGAIN (16u << 10)

static const struct log_context module = {.module = "admin"};

struct connection {
    struct list node;
    struct admin_bridge *bridge;
    struct stream client;
    struct stream http;       /* the near end of the pair; if joined */
    struct admin_visit visit; /* if joined: of HTTP's end */
    struct address peer;
    uint64_t accepted_ms;
    uint64_t asked_ms; /* the first byte since the last one of an answer; 0: nothing is asked */
    uint64_t asked_bytes;
    uint64_t quiet_ms;   /* since when nothing is asked */
    uint64_t leaving_ms; /* the last answer was sent; 0: not yet */
    bool secured;
    bool joined;
    bool closing;
    uint8_t open; /* streams that are not closed */
};

static void count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static uint64_t now_ms(const struct connection *connection)
{
    return reactor_now_ms(connection->bridge->reactor);
}

/* ---- the end ---- */

static void close_connection(struct connection *connection, enum close_reason reason)
{
    char peer[ADDRESS_TEXT_SIZE];
    char tls[TLS_ERROR_SIZE] = "";
    char quoted[2 * TLS_ERROR_SIZE];

    if (connection->closing)
        return;
    connection->closing = true;
    connection->bridge->held--;
    if (stream_is_tls(&connection->client))
        (void)stream_tls_error(&connection->client, tls);
    count(&connection->bridge->counters.closed[reason]);
    log_line(LOG_INFO, &module, "an operator's connection is closed",
             "peer=%s layer=%s cause=%s tls=%s", address_format(&connection->peer, peer),
             close_layer(reason), close_cause(reason), log_quote(tls, quoted, sizeof(quoted)));
    stream_close(&connection->client);
    if (connection->joined)
        stream_close(&connection->http);
}

static enum close_reason reason_of(int error)
{
    switch (error) {
    case 0:
        return CLOSE_ADMIN_CLOSED;
    case -EPROTO:
        return CLOSE_ADMIN_TLS;
    case -ECONNRESET:
    case -EPIPE:
        return CLOSE_ADMIN_RESET;
    case -ETIMEDOUT:
        return CLOSE_ADMIN_TIMEOUT;
    default:
        return CLOSE_ADMIN_ERROR;
    }
}

static void one_closed(struct connection *connection)
{
    struct admin_bridge *bridge = connection->bridge;

    if (--connection->open > 0)
        return;
    list_remove(&connection->node);
    admin_trust_leave(bridge->trust, &connection->visit);
    sources_leave(bridge->sources, &connection->peer);
    atomic_fetch_sub_explicit(&bridge->counters.connections, 1, memory_order_relaxed);
    free(connection);
}

/* ---- the side of HTTP ---- */

static struct connection *of_http(struct stream *stream)
{
    return container_of(stream, struct connection, http);
}

static void http_received(struct stream *stream, struct chunk *chunk)
{
    struct connection *connection = of_http(stream);

    if (connection->closing) {
        chunk_free(stream->reactor, chunk);
        return;
    }
    connection->asked_ms = 0;
    connection->quiet_ms = now_ms(connection);
    stream_send(&connection->client, chunk);
    if (connection->client.queued_bytes > QUEUED_MAX)
        stream_receive_stop(stream);
}

static void close_when_sent(struct connection *connection)
{
    if (connection->leaving_ms != 0 && stream_receive_ended(&connection->client) &&
        connection->client.queued_bytes == 0)
        close_connection(connection, CLOSE_ADMIN_DONE);
}

/* An error is no other end: HTTP didn't read all that was said. The client has a moment to take the
 * answer: a close with bytes unread would be a reset. */
static void http_ended(struct stream *stream, int error)
{
    struct connection *connection = of_http(stream);

    (void)error;
    if (connection->closing)
        return;
    connection->leaving_ms = now_ms(connection);
    stream_shutdown(&connection->client);
    if (!stream_receive_ended(&connection->client))
        stream_receive(&connection->client, RECEIVE_STREAM); /* it may have been stopped */
    close_when_sent(connection);
}

static void http_sent(struct stream *stream)
{
    struct connection *connection = of_http(stream);

    if (!connection->closing && stream->queued_bytes < QUEUED_AGAIN)
        stream_receive(&connection->client, RECEIVE_STREAM);
}

/* It takes no more: what is still received from it is the last answer. */
static void http_failed(struct stream *stream, int error)
{
    (void)stream;
    (void)error;
}

static void http_closed(struct stream *stream)
{
    one_closed(of_http(stream));
}

static const struct stream_ops http_ops = {
    .received = http_received,
    .ended = http_ended,
    .sent = http_sent,
    .failed = http_failed,
    .closed = http_closed,
};

static bool join(struct connection *connection)
{
    struct admin_bridge *bridge = connection->bridge;
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return false;
    if (stream_adopt(&connection->http, bridge->reactor, pair[0], &http_ops) != STATUS_OK) {
        (void)close(pair[1]);
        return false;
    }
    connection->joined = true;
    connection->open++;
    stream_receive(&connection->http, RECEIVE_STREAM);
    admin_trust_enter(bridge->trust, &connection->visit, pair[1]);
    return bridge->join(bridge->context, pair[1], &connection->peer);
}

/* ---- the client's side ---- */

static struct connection *of_client(struct stream *stream)
{
    return container_of(stream, struct connection, client);
}

static void client_received(struct stream *stream, struct chunk *chunk)
{
    struct connection *connection = of_client(stream);

    if (connection->closing || connection->leaving_ms != 0) {
        chunk_free(stream->reactor, chunk);
        return;
    }
    if (!connection->joined && !join(connection)) {
        chunk_free(stream->reactor, chunk);
        close_connection(connection, CLOSE_SERVER_ERROR);
        return;
    }
    if (connection->asked_ms == 0) {
        connection->asked_ms = now_ms(connection);
        connection->asked_bytes = 0;
    }
    connection->asked_bytes += chunk->size;
    stream_send(&connection->http, chunk);
    if (connection->http.queued_bytes > QUEUED_MAX)
        stream_receive_stop(stream);
}

static void client_ended(struct stream *stream, int error)
{
    struct connection *connection = of_client(stream);

    if (connection->closing)
        return;
    if (connection->leaving_ms != 0)
        close_when_sent(connection);
    else if (error == 0 && connection->asked_ms != 0)
        stream_shutdown(&connection->http); /* what was asked is answered */
    else
        close_connection(connection, reason_of(error));
}

static void client_sent(struct stream *stream)
{
    struct connection *connection = of_client(stream);

    if (connection->closing)
        return;
    if (connection->joined && stream->queued_bytes < QUEUED_AGAIN)
        stream_receive(&connection->http, RECEIVE_STREAM);
    close_when_sent(connection);
}

static void client_failed(struct stream *stream, int error)
{
    close_connection(of_client(stream), reason_of(error));
}

static void client_secured(struct stream *stream, int error)
{
    struct connection *connection = of_client(stream);

    if (error < 0) {
        close_connection(connection, CLOSE_ADMIN_TLS);
        return;
    }
    connection->secured = true;
    connection->quiet_ms = now_ms(connection);
}

static void client_closed(struct stream *stream)
{
    one_closed(of_client(stream));
}

static const struct stream_ops client_ops = {
    .received = client_received,
    .ended = client_ended,
    .sent = client_sent,
    .failed = client_failed,
    .secured = client_secured,
    .closed = client_closed,
};

/* ---- the beginning ---- */

static void refuse(struct admin_bridge *bridge, uint32_t slot, enum close_reason reason)
{
    count(&bridge->counters.closed[reason]);
    reactor_discard(bridge->reactor, slot);
}

static void begin(struct connection *connection, uint32_t slot)
{
    struct admin_bridge *bridge = connection->bridge;

    connection->open = 1;
    bridge->held++;
    list_init(&connection->visit.node);
    connection->accepted_ms = reactor_now_ms(bridge->reactor);
    list_append(&bridge->connections, &connection->node);
    count(&bridge->counters.connections);
    stream_init(&connection->client, bridge->reactor, slot, &client_ops);
    if (stream_tls_start(&connection->client, bridge->tls, NULL) != STATUS_OK)
        close_connection(connection, CLOSE_LIMIT_MEMORY);
    else
        stream_receive(&connection->client, RECEIVE_STREAM);
}

/* Among as many strangers as there may be, who has a token gets in. False: all have shown one, or
 * too many are being closed. */
static bool make_room(struct admin_bridge *bridge)
{
    uint32_t most = bridge->config->admin.max_connections;

    if (atomic_load(&bridge->counters.connections) >= ADMIN_BRIDGE_PLACES(most))
        return false;
    for (struct list *node = bridge->connections.next;
         bridge->held >= most && node != &bridge->connections; node = node->next) {
        struct connection *connection = container_of(node, struct connection, node);
        if (!atomic_load(&connection->visit.trusted))
            close_connection(connection, CLOSE_LIMIT_ADMIN);
    }
    return bridge->held < most;
}

void admin_bridge_accept(struct admin_bridge *bridge, uint32_t slot, const struct address *peer)
{
    count(&bridge->counters.accepted);
    if (bridge->stopping) {
        refuse(bridge, slot, CLOSE_SERVER_STOPPING);
        return;
    }
    if (!sources_enter(bridge->sources, peer)) {
        refuse(bridge, slot, CLOSE_LIMIT_ADMIN_SOURCE);
        return;
    }
    if (!make_room(bridge)) {
        sources_leave(bridge->sources, peer);
        refuse(bridge, slot, CLOSE_LIMIT_ADMIN);
        return;
    }
    struct connection *connection = calloc(1, sizeof(*connection));
    if (connection == NULL) {
        sources_leave(bridge->sources, peer);
        refuse(bridge, slot, CLOSE_LIMIT_MEMORY);
        return;
    }
    connection->bridge = bridge;
    connection->peer = *peer;
    begin(connection, slot);
}

/* ---- time ---- */

static void check_time(struct connection *connection)
{
    const struct config *config = connection->bridge->config;
    uint64_t exchange_ms = config->admin.request_timeout_s * 1000ull;
    uint64_t now = now_ms(connection);

    if (!connection->secured) {
        if (now - connection->accepted_ms >= config->admin.handshake_timeout_s * 1000ull)
            close_connection(connection, CLOSE_ADMIN_HANDSHAKE);
    } else if (connection->leaving_ms != 0) {
        if (now - connection->leaving_ms >= LINGER_MS && connection->client.queued_bytes == 0)
            close_connection(connection, CLOSE_ADMIN_DONE);
        else if (now - connection->leaving_ms >= exchange_ms)
            close_connection(connection, CLOSE_ADMIN_SLOW);
    } else if (connection->asked_ms != 0) {
        if (now - connection->asked_ms >= exchange_ms + connection->asked_bytes / BYTES_PER_MS)
            close_connection(connection, CLOSE_ADMIN_SLOW);
    } else if (connection->client.queued_bytes > 0) {
        if (now - connection->quiet_ms >= exchange_ms)
            close_connection(connection, CLOSE_ADMIN_SLOW); /* it doesn't take the answer */
    } else if (now - connection->quiet_ms >= config->admin.idle_timeout_s * 1000ull) {
        close_connection(connection, CLOSE_ADMIN_IDLE);
    }
}

static void tick(struct timer *timer)
{
    struct admin_bridge *bridge = container_of(timer, struct admin_bridge, tick);

    /* none is freed from in here: that takes a completion */
    for (struct list *node = bridge->connections.next; node != &bridge->connections;
         node = node->next)
        check_time(container_of(node, struct connection, node));
    timer_repeat(bridge->reactor, &bridge->tick, TICK_MS);
}

enum status admin_bridge_start(struct admin_bridge *bridge)
{
    const struct config *config = bridge->config;

    list_init(&bridge->connections);
    timer_init(&bridge->tick, tick);
    enum status status =
        sources_create(config->admin.max_connections_per_source,
                       ADMIN_BRIDGE_PLACES(config->admin.max_connections), &bridge->sources);
    if (status == STATUS_OK)
        timer_start(bridge->reactor, &bridge->tick, TICK_MS);
    return status;
}

void admin_bridge_stop(struct admin_bridge *bridge)
{
    bridge->stopping = true;
    timer_stop(&bridge->tick);
    for (struct list *node = bridge->connections.next; node != &bridge->connections;
         node = node->next)
        close_connection(container_of(node, struct connection, node), CLOSE_SERVER_STOPPING);
}

bool admin_bridge_quiet(const struct admin_bridge *bridge)
{
    return list_empty(&bridge->connections);
}

void admin_bridge_free(struct admin_bridge *bridge)
{
    timer_stop(&bridge->tick);
    sources_free(bridge->sources);
}
