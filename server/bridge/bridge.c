/* Bytes between a device and an agent. One operation per direction, buffers passed by reference.
 *
 * Flow control: what one side can't take waits in its send queue; at session_buffer_bytes the other
 * side's receive is stopped, at half of it it goes on. */
#include "server/bridge/bridge.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"

#define WRAP_CAPACITY 2048u

static uint32_t high_water(const struct session *session)
{
    return session->shard->server->config->limits.session_buffer_bytes;
}

static void moved(struct session *session)
{
    session->moved_ms = reactor_now_ms(session->shard->reactor);
    atomic_store_explicit(&session->entry.moved_ms, session->moved_ms, memory_order_relaxed);
}

void bridge_tell(struct timer *timer)
{
    link_tell_bytes(container_of(timer, struct session, tell)->link);
}

/* ---- device to agent ---- */

static void to_agent(struct session *session, struct chunk *chunk)
{
    uint32_t size = chunk->size;
    count_up(&session->entry.bytes_to_agent, size);
    count_up(&session->shard->counters.bytes_to_agents, size);
    stream_send(&session->agent, chunk);
    if (session->agent.queued_bytes >= high_water(session) && !session->device_stopped) {
        session->device_stopped = true;
        stream_receive_stop(&session->link->stream);
    }
}

static void filter(struct session *session, struct chunk *chunk)
{
    struct plugin_received received = {.data = chunk->data, .size = chunk->size};
    link_filter(session->link, &received);
    chunk->data = received.data;
    chunk->size = (uint32_t)received.size;
    timer_stop(&session->release);
    if (received.wake_in_ms > 0)
        timer_start_fine(session->shard->reactor, &session->release, received.wake_in_ms);
}

static void on_device_received(struct stream *stream, struct chunk *chunk)
{
    struct link *link = container_of(stream, struct link, stream);
    struct session *session = link->session;
    link_count_received(link, chunk->size);
    if (link->link_flags & PLUGIN_LINK_RECEIVE)
        filter(session, chunk);
    link_touch(link);
    if (chunk->size > 0)
        moved(session);
    to_agent(session, chunk);
    link_proves_alive(link);
}

void bridge_release(struct timer *timer)
{
    struct session *session = container_of(timer, struct session, release);
    struct chunk *chunk = chunk_allocate(session->shard->reactor, PLUGIN_HEADROOM);
    if (chunk == NULL) {
        timer_start_fine(session->shard->reactor, timer, 100);
        return;
    }
    filter(session, chunk);
    to_agent(session, chunk);
}

static void on_device_ready(struct stream *stream)
{
    const struct link *link = container_of(stream, struct link, stream);
    if (!link->session->device_stopped)
        stream_receive(stream, RECEIVE_STREAM);
}

static void on_device_ended(struct stream *stream, int error)
{
    link_close(container_of(stream, struct link, stream), close_reason_of_device(error));
}

static void on_device_sent(struct stream *stream)
{
    const struct link *link = container_of(stream, struct link, stream);
    struct session *session = link->session;
    if (session->agent_stopped && stream->queued_bytes <= high_water(session) / 2) {
        session->agent_stopped = false;
        if (!session->held)
            stream_receive(&session->agent, RECEIVE_STREAM);
    }
}

static void on_device_closed(struct stream *stream)
{
    (void)stream;
    check_failed("a link is closed by link_close, which takes its stream back", __FILE__, __LINE__);
}

static const struct stream_ops device_ops = {
    .ready = on_device_ready,
    .received = on_device_received,
    .ended = on_device_ended,
    .sent = on_device_sent,
    .failed = on_device_ended,
    .closed = on_device_closed,
};

/* ---- agent to device ---- */

/* The device's framing around each piece; what there is no memory for ends the session. */
static bool wrap(struct session *session, const struct chunk *chunk)
{
    struct link *link = session->link;
    const struct config_plugin *plugin = link_plugin(link);
    const uint8_t *data = chunk->data;
    size_t size = chunk->size;
    while (size > 0) {
        struct chunk *out = chunk_allocate(session->shard->reactor, WRAP_CAPACITY);
        if (out == NULL)
            return false;
        struct plugin_sent sent = {
            .data = data, .size = size, .out = out->data, .out_capacity = WRAP_CAPACITY};
        plugin->plugin->send(plugin->instance, link->plugin_state, &sent);
        CHECK(sent.consumed > 0 && sent.consumed <= size && sent.out_size <= WRAP_CAPACITY);
        out->size = (uint32_t)sent.out_size;
        link_count_sent(link, out->size);
        stream_send(&link->stream, out);
        data += sent.consumed;
        size -= sent.consumed;
    }
    return true;
}

static bool to_device(struct session *session, struct chunk *chunk)
{
    struct link *link = session->link;
    bool good = true;
    moved(session);
    if (session->way->look != NULL)
        session->way->look(session, chunk);
    count_up(&session->entry.bytes_to_device, chunk->size);
    count_up(&session->shard->counters.bytes_to_devices, chunk->size);
    if (link->link_flags & PLUGIN_LINK_SEND) {
        good = wrap(session, chunk);
        chunk_free(session->shard->reactor, chunk);
    } else {
        link_count_sent(link, chunk->size);
        stream_send(&link->stream, chunk);
    }
    if (link->stream.queued_bytes >= high_water(session) && !session->agent_stopped) {
        session->agent_stopped = true;
        stream_receive_stop(&session->agent);
    }
    return good;
}

static void on_agent_received(struct stream *stream, struct chunk *chunk)
{
    struct session *session = container_of(stream, struct session, agent);
    if (!to_device(session, chunk))
        session_end(session, CLOSE_LIMIT_MEMORY);
}

static void on_agent_ended(struct stream *stream, int error)
{
    struct session *session = container_of(stream, struct session, agent);
    if (error == 0)
        session_agent_finished(session);
    else
        session_end(session, close_reason_of_agent(error));
}

static void on_agent_failed(struct stream *stream, int error)
{
    session_end(container_of(stream, struct session, agent), close_reason_of_agent(error));
}

static void on_agent_sent(struct stream *stream)
{
    struct session *session = container_of(stream, struct session, agent);
    if (session->device_stopped && !session->held &&
        stream->queued_bytes <= high_water(session) / 2) {
        session->device_stopped = false;
        stream_receive(&session->link->stream, RECEIVE_STREAM);
    }
}

static void on_agent_closed(struct stream *stream)
{
    (void)stream;
    check_failed("an agent is closed by its session, which takes its stream back", __FILE__,
                 __LINE__);
}

static const struct stream_ops agent_ops = {
    .received = on_agent_received,
    .ended = on_agent_ended,
    .sent = on_agent_sent,
    .failed = on_agent_failed,
    .closed = on_agent_closed,
};

/* ---- together ---- */

/* What the agent sent before it was joined. */
static bool send_ahead(struct session *session)
{
    if (session->ahead_size == 0)
        return true;
    struct chunk *chunk = chunk_allocate(session->shard->reactor, session->ahead_size);
    if (chunk == NULL)
        return false;
    memcpy(chunk->data, session->ahead, session->ahead_size);
    chunk->size = session->ahead_size;
    free(session->ahead);
    session->ahead = NULL;
    session->ahead_size = 0;
    return to_device(session, chunk);
}

bool bridge_join(struct session *session)
{
    struct link *link = session->link;
    session->device_stopped = false;
    session->agent_stopped = false;
    session->held = false;
    link->stream.ops = &device_ops;
    session->agent.ops = &agent_ops;
    /* the idle link's poll stays armed; its completion starts the first receive */
    stream_watch(&link->stream);
    if (!send_ahead(session))
        return false;
    if (!session->agent_stopped)
        stream_receive(&session->agent, RECEIVE_STREAM);
    return true;
}

void session_hold(struct session *session, const struct stream_ops *ops)
{
    CHECK(session->state == SESSION_JOINED && !session->held);
    session->held = true;
    session->device_stopped = true;
    session->agent.ops = ops;
    stream_receive_stop(&session->link->stream);
}

void session_resume(struct session *session)
{
    CHECK(session->state == SESSION_JOINED && session->held);
    session->held = false;
    session->agent.ops = &agent_ops;
    if (session->agent.queued_bytes <= high_water(session) / 2) {
        session->device_stopped = false;
        stream_receive(&session->link->stream, RECEIVE_STREAM);
    }
    if (!send_ahead(session))
        session_end_later(session);
    else if (!session->agent_stopped)
        stream_receive(&session->agent, RECEIVE_STREAM);
}
