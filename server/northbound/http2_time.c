/* Time: who is silent, who doesn't begin, who has nothing to ask, and how a connection is drained.
 */
#include "server/northbound/http2.h"

#define TICK_MS       1000u
#define LAST_WORDS_MS 1000u

static uint64_t now_ms(const struct http2_service *service)
{
    return reactor_now_ms(service->reactor);
}

static void drain(struct http2_connection *connection)
{
    connection->draining = true;
    (void)nghttp2_submit_shutdown_notice(connection->session);
    http2_touch(connection);
}

/* The client has had a second to learn of it: the last request is known now. */
static void finish_drain(struct http2_connection *connection)
{
    if (!connection->goaway_sent)
        (void)nghttp2_submit_goaway(connection->session, NGHTTP2_FLAG_NONE,
                                    nghttp2_session_get_last_proc_stream_id(connection->session),
                                    NGHTTP2_NO_ERROR, NULL, 0);
    connection->goaway_sent = true;
    http2_touch(connection);
    if (connection->stream_count == 0)
        http2_end(connection,
                  connection->service->draining ? CLOSE_SERVER_STOPPING : CLOSE_CONSUMER_IDLE);
}

/* It doesn't begin, however slowly it goes about it; or it doesn't answer. A stranger's request
 * that doesn't come to its end is none, either. */
static bool is_dead(const struct http2_connection *connection, uint64_t silent_ms,
                    uint64_t unanswered_ms)
{
    const struct http2_limits *limits = &connection->service->limits;

    if (!connection->greeted || (!connection->known && connection->stream_count > 0))
        return unanswered_ms >= limits->answer_s * 1000ull;
    return connection->ping_sent && silent_ms >= (limits->silence_s + limits->answer_s) * 1000ull;
}

static void check_connection(struct http2_connection *connection)
{
    const struct http2_limits *limits = &connection->service->limits;
    uint64_t now = now_ms(connection->service);
    uint64_t silent_ms = now - connection->heard_ms;
    uint64_t idle_ms = now - connection->idle_since_ms;

    if (connection->last_words) {
        if (now - connection->last_words_ms >= LAST_WORDS_MS)
            http2_close(connection, connection->reason);
    } else if (is_dead(connection, silent_ms, now - connection->answered_ms)) {
        http2_close(connection, CLOSE_CONSUMER_TIMEOUT);
    } else if (connection->draining) {
        finish_drain(connection);
    } else if (connection->stream_count == 0 &&
               idle_ms >= (connection->known ? limits->idle_s : limits->answer_s) * 1000ull) {
        drain(connection);
    } else if (silent_ms >= limits->silence_s * 1000ull && !connection->ping_sent) {
        connection->ping_sent = true;
        (void)nghttp2_submit_ping(connection->session, NGHTTP2_FLAG_NONE, NULL);
        http2_touch(connection);
    }
}

static void tick(struct timer *timer)
{
    struct http2_service *service = container_of(timer, struct http2_service, tick);
    struct list *next;

    /* none is freed from in here: that takes a completion */
    for (struct list *node = service->connections.next; node != &service->connections;
         node = next) {
        struct http2_connection *connection = container_of(node, struct http2_connection, node);
        next = node->next;
        if (!connection->closing)
            check_connection(connection);
    }
    timer_repeat(service->reactor, &service->tick, TICK_MS);
}

void http2_watch_time(struct http2_service *service)
{
    timer_init(&service->tick, tick);
    timer_start(service->reactor, &service->tick, TICK_MS);
}

void http2_drain(struct http2_service *service)
{
    service->draining = true;
    for (struct list *node = service->connections.next; node != &service->connections;
         node = node->next) {
        struct http2_connection *connection = container_of(node, struct http2_connection, node);
        if (!connection->closing && !connection->draining)
            drain(connection);
    }
}
