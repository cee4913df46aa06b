/* The life of a link from accept to gone; idle links are served here. */
#include "server/link/link.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/bridge/channel_line.h"
#include "server/link/admission.h"
#include "server/link/events.h"
#include "server/link/greeting.h"
#include "server/link/push.h"

#define TELL_BYTES_MS      1000u /* how far the directory is behind while a session moves bytes */
#define MAX_UNREAD_REPLIES 4096u /* bytes that wait for the device; then it is not answered */

/* ---- small things ---- */

const struct config_listener *link_listener(const struct link *link)
{
    return &link_shard(link)->server->config->listeners[link->listener];
}

const struct config_plugin *link_plugin(const struct link *link)
{
    return &link_listener(link)->plugins[link->plugin];
}

struct listener_counters *link_counters(const struct link *link)
{
    return &link_shard(link)->counters.listeners[link->listener];
}

struct link_ref link_ref(const struct link *link)
{
    struct link_ref ref = {
        .id = link->id,
        .index = link->index,
        .shard = (uint16_t)link_shard(link)->index,
    };
    return ref;
}

struct link *link_find(struct shard *shard, const struct link_ref *ref)
{
    CHECK(ref->shard == shard->index);
    struct link *link = link_pool_at(&shard->links, ref->index);
    if (link == NULL || link->id != ref->id || link->state == LINK_FREE || link->state == LINK_GONE)
        return NULL;
    return link;
}

void link_log(const struct link *link, enum log_level level, const char *message,
              const char *fields, ...)
{
    if (!log_enabled(level))
        return;
    struct log_context context = {
        .module = "link",
        .link = link->id,
        .serial = link->device != NULL ? device_serial(link->device) : NULL,
    };
    char text[512];
    va_list arguments;
    va_start(arguments, fields);
    (void)vsnprintf(text, sizeof text, fields, arguments);
    va_end(arguments);
    log_line(level, &context, message, "%s", text);
}

uint64_t link_quiet_ms(const struct link *link)
{
    return (uint32_t)reactor_now_ms(link->stream.reactor) - link->received_at_ms;
}

void link_touch(struct link *link)
{
    link->received_at_ms = (uint32_t)reactor_now_ms(link->stream.reactor);
}

void link_tell_bytes(struct link *link)
{
    struct link_ref ref = link_ref(link);
    directory_set_bytes(link_shard(link)->server->directory, link->device, &ref,
                        &(struct link_bytes){link->bytes_received, link->bytes_sent});
}

static void add_bytes(struct link *link, uint32_t *bytes, uint32_t more)
{
    *bytes = more < UINT32_MAX - *bytes ? *bytes + more : UINT32_MAX;
    if (link->state == LINK_IDLE)
        link_tell_bytes(link);
    else if (link->state == LINK_IN_SESSION && !timer_running(&link->session->tell))
        timer_start(link->stream.reactor, &link->session->tell, TELL_BYTES_MS);
}

void link_count_received(struct link *link, uint32_t size)
{
    count_up(&link_counters(link)->bytes_received, size);
    add_bytes(link, &link->bytes_received, size);
}

void link_count_sent(struct link *link, uint32_t size)
{
    add_bytes(link, &link->bytes_sent, size);
}

static _Atomic uint64_t *state_gauge(const struct link *link)
{
    struct listener_counters *counters = link_counters(link);
    switch (link->state) {
    case LINK_GREETING:
    case LINK_HELD:
        return &counters->greeting;
    case LINK_IDLE:
        return &counters->idle;
    default:
        return &counters->in_session;
    }
}

static void set_state(struct link *link, enum link_state state)
{
    count_down(state_gauge(link));
    link->state = (uint8_t)state;
    if (state != LINK_GONE)
        count_up(state_gauge(link), 1);
}

/* ---- accept ---- */

void link_accept(struct device_listener *listener, uint32_t slot, const struct address *peer)
{
    struct shard *shard = listener->shard;
    struct server *server = shard->server;
    count_up(&shard->counters.listeners[listener->index].accepted, 1);
    struct link *link = link_pool_take(&shard->links);
    if (link == NULL) {
        count_up(&shard->counters.closed[CLOSE_LIMIT_MEMORY], 1);
        reactor_discard(shard->reactor, slot);
        return;
    }
    link->id = atomic_fetch_add(&server->next_link_id, 1) + 1;
    link->listener = (uint16_t)listener->index;
    link->peer = *peer;
    link->state = LINK_GREETING;
    timer_init(&link->timer, NULL);
    stream_init(&link->stream, shard->reactor, slot, &link_ops);
    link_touch(link);
    link->connected_at_ms = link->received_at_ms;
    count_up(state_gauge(link), 1);
    enum close_reason reason;
    if (!admission_enter(link, &reason))
        link_close(link, reason);
    else
        greeting_begin(link);
    admission_review(listener);
}

void link_identified(struct link *link)
{
    admission_identified(link);
}

/* ---- idle ---- */

/* A device that leaves its answers unread gets no more of them. */
void link_answer(struct link *link, const uint8_t *data, size_t size)
{
    CHECK(size <= PLUGIN_REPLY_SIZE);
    if (size == 0 || link->stream.queued_bytes >= MAX_UNREAD_REPLIES)
        return;
    if (stream_send_copy(&link->stream, data, (uint32_t)size) == STATUS_OK)
        link_count_sent(link, (uint32_t)size);
    else
        link_log(link, LOG_WARN, "no memory to answer", "");
}

static void hand_on_pushes(struct link *link, const struct plugin_received *received)
{
    struct shard *shard = link_shard(link);
    struct push_source source = {
        .shard = shard,
        .listener = link->listener,
        .plugin = link->plugin,
        .link = link_ref(link),
        .device = link->device,
        .peer = link->peer,
        .utc_ms = reactor_utc_ms(shard->reactor),
    };
    CHECK(received->push_count <= PLUGIN_MAX_PUSHES);
    for (size_t i = 0; i < received->push_count; i++) {
        struct plugin_push *push = &received->pushes[i];
        push->serial[PLUGIN_SERIAL_SIZE - 1] = '\0';
        push->rule[PLUGIN_RULE_SIZE - 1] = '\0';
        push_received(&source, push);
    }
}

/* Room for pushes is made only for plugins that have any. */
static void receive_with_pushes(struct link *link, struct plugin_received *received)
{
    const struct config_plugin *plugin = link_plugin(link);
    struct plugin_push pushes[PLUGIN_MAX_PUSHES];
    memset(pushes, 0, sizeof pushes);
    received->pushes = pushes;
    plugin->plugin->receive(plugin->instance, link->plugin_state, received);
    if (received->notices & PLUGIN_NOTICE_PUSH)
        hand_on_pushes(link, received);
    received->pushes = NULL;
}

void link_filter(struct link *link, struct plugin_received *received)
{
    struct shard *shard = link_shard(link);
    const struct config_plugin *plugin = link_plugin(link);
    uint8_t reply[PLUGIN_REPLY_SIZE];
    if (plugin->plugin->receive == NULL)
        return;
    received->now_ms = reactor_now_ms(shard->reactor);
    received->quiet_ms = link_quiet_ms(link);
    received->in_session = link->state == LINK_IN_SESSION;
    received->reply = reply;
    if (plugin->plugin->flags & PLUGIN_PUSHES)
        receive_with_pushes(link, received);
    else
        plugin->plugin->receive(plugin->instance, link->plugin_state, received);
    link_answer(link, received->reply, received->reply_size);
    if (received->notices & PLUGIN_NOTICE_KEEPALIVE)
        count_up(&shard->counters.keepalives, 1);
    if (received->notices & PLUGIN_NOTICE_MALFORMED)
        count_up(&shard->counters.malformed, 1);
    if (received->notices & PLUGIN_NOTICE_SIGNAL) {
        struct link_ref ref = link_ref(link);
        directory_set_signal(shard->server->directory, link->device, &ref, received->signal_csq);
    }
}

void link_take_unread(struct link *link, struct chunk *chunk)
{
    struct shard *shard = link_shard(link);
    struct plugin_received received = {.data = chunk->data, .size = chunk->size};
    count_up(&shard->counters.idle_bytes, chunk->size);
    link_filter(link, &received);
    count_up(&shard->counters.unclaimed_bytes, received.size);
    if (link->state == LINK_IDLE)
        unparsed_received(link, received.data, received.size);
    chunk_free(shard->reactor, chunk);
    link_touch(link);
}

void idle_received(struct link *link, struct chunk *chunk)
{
    link_take_unread(link, chunk);
    link_proves_alive(link);
    if (link->stream.flags & STREAM_WATCHING)
        link->link_flags |= LINK_WATCH_SPENT;
    stream_watch(&link->stream);
}

static void idle_timeout(struct timer *timer)
{
    struct link *link = container_of(timer, struct link, timer);
    uint64_t limit_ms = link_listener(link)->idle_timeout_s * 1000ull;
    uint64_t quiet_ms = link_quiet_ms(link);
    if (quiet_ms >= limit_ms && link->state == LINK_IDLE)
        link_close(link, CLOSE_LINK_IDLE);
    else
        timer_start(link->stream.reactor, timer,
                    quiet_ms < limit_ms ? limit_ms - quiet_ms : limit_ms);
}

void link_start_timer(struct link *link, void (*fire)(struct timer *timer), uint64_t delay_ms)
{
    timer_stop(&link->timer);
    link->timer.fire = fire;
    timer_start(link->stream.reactor, &link->timer, delay_ms);
}

void link_restart_timer(struct link *link)
{
    uint64_t limit_ms = link_listener(link)->idle_timeout_s * 1000ull;
    if (limit_ms > 0)
        link_start_timer(link, idle_timeout, limit_ms);
    else
        timer_stop(&link->timer);
}

void link_enter_idle(struct link *link)
{
    struct shard *shard = link_shard(link);
    bool was_in_session = link->state == LINK_IN_SESSION;
    set_state(link, LINK_IDLE);
    link->session = NULL;
    link->stream.ops = &link_ops;
    link_tell_bytes(link);
    if (was_in_session) {
        struct link_ref ref = link_ref(link);
        directory_set_in_session(shard->server->directory, link->device, &ref, false,
                                 reactor_utc_ms(shard->reactor));
    }
    stream_receive_stop(&link->stream);
    if ((link->link_flags & LINK_CHALLENGED) == 0)
        link_restart_timer(link);
    stream_watch(&link->stream);
}

void link_enter_session(struct link *link, struct session *session)
{
    struct shard *shard = link_shard(link);
    struct link_ref ref = link_ref(link);
    CHECK(link->state == LINK_IDLE);
    set_state(link, LINK_IN_SESSION);
    link->session = session;
    directory_set_in_session(shard->server->directory, link->device, &ref, true,
                             reactor_utc_ms(shard->reactor));
}

/* ---- the end ---- */

void link_device_offline(struct shard *shard, struct device *device, uint16_t port, uint32_t epoch)
{
    if (shard->server->hooks.device_offline != NULL)
        shard->server->hooks.device_offline(shard, device, port, epoch);
    channel_lines_device_gone(shard, device);
}

static void tell_end(struct link *link, enum close_reason reason, bool was_registered)
{
    struct shard *shard = link_shard(link);
    struct link_ref ref = link_ref(link);
    if (link->device == NULL)
        return;
    link_tell_bytes(link);
    bool was_newest = directory_release(shard->server->directory, link->device, &ref,
                                        reactor_utc_ms(shard->reactor));
    if (was_registered)
        events_disconnected(link, reason, !was_newest);
    if (was_newest)
        link_device_offline(shard, link->device, link->direct_port, link->epoch);
    registration_link_gone(link);
}

void link_close(struct link *link, enum close_reason reason)
{
    struct shard *shard = link_shard(link);
    enum link_state state = (enum link_state)link->state;
    if (state == LINK_GONE)
        return;
    CHECK(state != LINK_FREE);
    if (state == LINK_GREETING && reason != CLOSE_SERVER_STOPPING && greeting_only_pushed(link))
        reason = CLOSE_PUSH_DONE;
    char peer[ADDRESS_TEXT_SIZE];
    link_log(link, LOG_INFO, "link closed", "layer=%s cause=%s listener=%s peer=%s",
             close_layer(reason), close_cause(reason), link_listener(link)->name,
             address_format(&link->peer, peer));
    count_up(&shard->counters.closed[reason], 1);
    timer_stop(&link->timer);
    if (state == LINK_GREETING && link->device == NULL && reason != CLOSE_PUSH_DONE)
        admission_failed(link, reason);
    if (state == LINK_HELD)
        registration_withdraw(link);
    if (state == LINK_GREETING || state == LINK_HELD)
        greeting_free(link);
    admission_identified(link);
    if (state == LINK_IN_SESSION)
        session_device_gone(link->session);
    link->session = NULL;
    set_state(link, LINK_GONE);
    link->stream.ops = &link_ops;
    tell_end(link, reason, state == LINK_IDLE || state == LINK_IN_SESSION);
    stream_close(&link->stream);
}

/* ---- completions ---- */

/* After a greeting or a session a receive may still be armed beside the poll, and take the bytes
 * that made the poll fire. A receive now would find nothing and stay armed, at three times the
 * price. */
static void on_ready(struct stream *stream)
{
    struct link *link = container_of(stream, struct link, stream);
    if (link->link_flags & LINK_WATCH_SPENT) {
        link->link_flags &= (uint8_t)~LINK_WATCH_SPENT;
        stream_watch(stream);
    } else {
        stream_receive(stream, RECEIVE_ONCE);
    }
}

static void on_received(struct stream *stream, struct chunk *chunk)
{
    struct link *link = container_of(stream, struct link, stream);
    link_count_received(link, chunk->size);
    if (link->state == LINK_IDLE)
        idle_received(link, chunk);
    else
        greeting_received(link, chunk);
}

static void on_ended(struct stream *stream, int error)
{
    struct link *link = container_of(stream, struct link, stream);
    bool greeting = link->state == LINK_GREETING && error == 0;
    if (link->state == LINK_GREETING && link->greeting != NULL) {
        greeting_last_words(link, error == 0);
        if (error == 0 && greeting_owes_answers(link, CLOSE_GREETING_CLOSED))
            return;
    }
    if (link->state == LINK_HELD && error == 0)
        registration_last_words(link);
    link_close(link, greeting ? CLOSE_GREETING_CLOSED : close_reason_of_device(error));
}

static void on_sent(struct stream *stream)
{
    greeting_sent(container_of(stream, struct link, stream));
}

static void on_closed(struct stream *stream)
{
    struct link *link = container_of(stream, struct link, stream);
    struct shard *shard = link_shard(link);
    CHECK(link->state == LINK_GONE);
    admission_leave(link);
    link_pool_give(&shard->links, link);
}

const struct stream_ops link_ops = {
    .ready = on_ready,
    .received = on_received,
    .ended = on_ended,
    .sent = on_sent,
    .failed = on_ended,
    .closed = on_closed,
};
