/* Sessions: an agent's connection from accept to close, and how sessions end. */
#include "server/bridge/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/bridge/bridge.h"
#include "server/bridge/channel_line.h"
#include "server/bridge/line.h"
#include "server/link/events.h"

/* A closing agent's connection is dropped when it took nothing for so long, or, once all was taken,
 * when its own FIN doesn't come. Progress shows only when a whole chunk was taken. */
#define DRAIN_MS 120000u
#define FIN_MS   10000u

const char *session_path_name(enum session_path path)
{
    switch (path) {
    case SESSION_DIRECT_PORT:
        return "direct_port";
    case SESSION_SOCKS5:
        return "socks5";
    case SESSION_HTTP_CONNECT:
        return "connect";
    case SESSION_VIRTUAL_MODEM:
        return "modem";
    }
    return "-";
}

/* ---- in which shard it is, and as what it counts ---- */

void session_enter_shard(struct session *session, struct shard *shard)
{
    session->shard = shard;
    list_append(&shard->sessions, &session->node);
    count_up(&shard->counters.sessions, 1);
}

void session_leave_shard(struct session *session)
{
    list_remove(&session->node);
    count_down(&session->shard->counters.sessions);
}

static bool become_session(struct session *session)
{
    struct server *server = session->shard->server;
    if (atomic_fetch_add(&server->sessions, 1) >= server->config->limits.sessions) {
        atomic_fetch_sub(&server->sessions, 1);
        return false;
    }
    atomic_fetch_sub(&server->visitors, 1);
    session->is_session = true;
    return true;
}

static void become_visitor(struct session *session)
{
    struct server *server = session->shard->server;
    if (!session->is_session)
        return;
    atomic_fetch_add(&server->visitors, 1);
    atomic_fetch_sub(&server->sessions, 1);
    session->is_session = false;
}

/* ---- log ---- */

void session_log(const struct session *session, const char *message, const char *extra)
{
    struct log_context context = {
        .module = "session",
        .link = session->link != NULL ? session->link->id : session->target.id,
        .serial = session->device != NULL ? device_serial(session->device) : NULL,
    };
    char peer[ADDRESS_TEXT_SIZE];
    char name[SESSION_NAME_SIZE * 4];
    char number[40] = "";
    bool named = session->agent_name[0] != '\0';
    if (session->id != 0)
        (void)snprintf(number, sizeof number, "session=%llu ", (unsigned long long)session->id);
    log_line(LOG_INFO, &context, message, "%spath=%s%s%s agent=%s%s", number,
             session_path_name(session->way->path), named ? " account=" : "",
             named ? log_quote(session->agent_name, name, sizeof name) : "",
             address_format(&session->peer, peer), extra);
}

static void count_close(const struct session *session, enum close_reason reason)
{
    count_up(&session->shard->counters.closed[reason], 1);
}

void session_close_agent(struct session *session)
{
    timer_stop(&session->timer);
    session->state = SESSION_CLOSED;
    session->agent.ops = &session_agent_ops;
    if (session->way->leaving != NULL)
        session->way->leaving(session);
    stream_close(&session->agent);
}

/* ---- draining ---- */

void session_drained(struct session *session)
{
    if (session->agent_finished && session->agent.queued_bytes == 0)
        session_close_agent(session);
}

static void wait_for_agent(struct session *session)
{
    session->drain_left = session->agent.queued_bytes;
    timer_start(session->shard->reactor, &session->timer,
                session->drain_left > 0 ? DRAIN_MS : FIN_MS);
}

static void drain_timeout(struct timer *timer)
{
    struct session *session = container_of(timer, struct session, timer);
    if (session->agent.queued_bytes < session->drain_left)
        wait_for_agent(session); /* it still reads */
    else
        session_close_agent(session);
}

/* The agent gets what is queued, then FIN; its connection is closed when it has finished, too. (The
 * close of a connection that its agent has finished sends the FIN: a shutdown would be one more
 * operation, and one that the ring hands to a thread.) */
static void drain(struct session *session)
{
    session->state = SESSION_DRAINING;
    timer_stop(&session->release);
    session->timer.fire = drain_timeout;
    wait_for_agent(session);
    bool was_reset = stream_receive_ended(&session->agent) && !session->agent_finished;
    if (stream_failed(&session->agent) || was_reset) {
        session_close_agent(session);
    } else if (session->agent_finished) {
        session_drained(session);
    } else {
        stream_shutdown(&session->agent);
        stream_receive(&session->agent, RECEIVE_STREAM); /* to nowhere, until its FIN */
    }
}

/* ---- the end ---- */

static bool agent_is_there(const struct session *session)
{
    return !session->agent_finished && !stream_receive_ended(&session->agent) &&
           !stream_failed(&session->agent) && !session->shard->stopping && !session->dropped;
}

/* The session is over, or was refused: the way gets the connection back, or it is closed. */
static void part(struct session *session, enum close_reason reason, bool was_joined)
{
    channel_line_leave(session);
    bool keeps = session->way->ended != NULL && session->way->ended(session, reason, was_joined);
    timer_stop(&session->timer);
    session_registry_remove(session);
    free(session->ahead);
    session->ahead = NULL;
    session->ahead_size = 0;
    session->agent.ops = &session_agent_ops;
    if (keeps && agent_is_there(session)) {
        session->state = SESSION_GREETING;
        session->device = NULL;
        session->wanted[0] = '\0';
        session->id = 0;
        session->held = false;
        become_visitor(session);
        count_up(&session->shard->counters.kept, 1);
        session->way->kept(session);
        return;
    }
    if (was_joined || session->agent.queued_bytes > 0)
        drain(session);
    else
        session_close_agent(session);
}

static void refuse(struct session *session, enum close_reason reason)
{
    char extra[96 + SESSION_NAME_SIZE * 4 + PLUGIN_SERIAL_SIZE * 4];
    char name[SESSION_NAME_SIZE * 4];
    char wanted[PLUGIN_SERIAL_SIZE * 4];
    int size = snprintf(extra, sizeof extra, " layer=%s cause=%s", close_layer(reason),
                        close_cause(reason));
    if (session->wanted[0] != '\0' && session->device == NULL)
        size += snprintf(extra + size, sizeof extra - (size_t)size, " wanted=%s",
                         log_quote(session->wanted, wanted, sizeof wanted));
    if (session->holder_ms > 0)
        (void)snprintf(extra + size, sizeof extra - (size_t)size, " holder=%s held_ms=%llu",
                       session->holder[0] != '\0' ? log_quote(session->holder, name, sizeof name)
                                                  : "-",
                       (unsigned long long)session->holder_ms);
    bool left = session->device == NULL && session->wanted[0] == '\0' &&
                (reason == CLOSE_AGENT_CLOSED || reason == CLOSE_AGENT_RESET);
    session_log(session, left ? "agent left" : "agent refused", extra);
    count_close(session, reason);
    if (session->device != NULL || session->wanted[0] != '\0')
        events_access_refused(session, reason);
    part(session, reason, false);
}

void session_turn_away(struct session *session, enum close_reason reason)
{
    CHECK(session->state == SESSION_ROUTING || session->state == SESSION_WAITING);
    if (session->line != NULL)
        line_leave(session);
    refuse(session, reason);
}

void session_refuse(struct session *session, enum close_reason reason)
{
    CHECK(session->state == SESSION_GREETING);
    refuse(session, reason);
}

static void finish(struct session *session, enum close_reason reason)
{
    char extra[200];
    if (timer_running(&session->release))
        bridge_release(&session->release); /* to the last byte */
    timer_stop(&session->release);
    timer_stop(&session->tell);
    const struct session_entry *entry = &session->entry;
    uint64_t to_agent = atomic_load_explicit(&entry->bytes_to_agent, memory_order_relaxed);
    uint64_t to_device = atomic_load_explicit(&entry->bytes_to_device, memory_order_relaxed);
    uint64_t duration_ms = reactor_now_ms(session->shard->reactor) - session->started_ms;
    (void)snprintf(extra, sizeof extra,
                   " layer=%s cause=%s to_agent=%llu to_device=%llu duration_ms=%llu",
                   close_layer(reason), close_cause(reason), (unsigned long long)to_agent,
                   (unsigned long long)to_device, (unsigned long long)duration_ms);
    session_log(session, "session finished", extra);
    count_close(session, reason);
    events_access_finished(session, reason, duration_ms);
    if (to_agent > 0)
        events_power_restored(session->shard, session->device,
                              reactor_utc_ms(session->shard->reactor) - duration_ms,
                              RESTORED_BY_SESSION);
    session->link = NULL;
    session->line = NULL;
    part(session, reason, true);
}

void session_device_gone(struct session *session)
{
    CHECK(session->state == SESSION_JOINED);
    struct line *line = session->line;
    finish(session, CLOSE_SESSION_DEVICE_GONE);
    line_break(line);
}

// NOLINTBEGIN(misc-no-recursion): the next session is joined, and none of that ends a session

void session_end(struct session *session, enum close_reason reason)
{
    CHECK(session->state == SESSION_JOINED);
    struct link *link = session->link;
    struct line *line = session->line;
    finish(session, reason);
    link_enter_idle(link);
    line_next(line, link);
}

// NOLINTEND(misc-no-recursion)

/* ---- limits of time ---- */

static const struct config *config_of(const struct session *session)
{
    return session->shard->server->config;
}

/* How long the session may go on without a byte; 0: for ever. */
static uint64_t still_limit_ms(const struct session *session)
{
    uint32_t limit_s = session->agent_finished ? config_of(session)->sessions.half_close_s
                                               : config_of(session)->sessions.idle_timeout_s;
    return limit_s * 1000ull;
}

static void session_timer(struct timer *timer)
{
    struct session *session = container_of(timer, struct session, timer);
    uint64_t still_limit = still_limit_ms(session);
    uint64_t length_limit = config_of(session)->sessions.max_length_s * 1000ull;
    uint64_t now_ms = reactor_now_ms(session->shard->reactor);
    if (length_limit > 0 && now_ms - session->started_ms >= length_limit)
        session_end(session, CLOSE_SESSION_TOO_LONG);
    else if (still_limit > 0 && now_ms - session->moved_ms >= still_limit)
        session_end(session, session->agent_finished ? CLOSE_AGENT_CLOSED : CLOSE_SESSION_IDLE);
    else
        session_start_limits(session);
}

void session_start_limits(struct session *session)
{
    uint64_t still_limit = still_limit_ms(session);
    uint64_t length_limit = config_of(session)->sessions.max_length_s * 1000ull;
    uint64_t now_ms = reactor_now_ms(session->shard->reactor);
    uint64_t due_ms = UINT64_MAX;
    if (still_limit > 0)
        due_ms = session->moved_ms + still_limit;
    if (length_limit > 0 && session->started_ms + length_limit < due_ms)
        due_ms = session->started_ms + length_limit;
    session->timer.fire = session_timer;
    if (due_ms == UINT64_MAX)
        timer_stop(&session->timer);
    else
        timer_start(session->shard->reactor, &session->timer,
                    due_ms > now_ms ? due_ms - now_ms : 1);
}

void session_agent_finished(struct session *session)
{
    session->agent_finished = true;
    channel_line_finished(session);
    if (still_limit_ms(session) == 0) {
        session_end(session, CLOSE_AGENT_CLOSED);
        return;
    }
    session->timer.fire = session_timer;
    timer_start(session->shard->reactor, &session->timer, still_limit_ms(session));
}

/* ---- the stop ---- */

void session_drop(struct session *session, enum close_reason reason)
{
    session->dropped = true;
    if (session->state == SESSION_JOINED)
        session_end(session, reason);
    else if (session->state == SESSION_WAITING || session->state == SESSION_ROUTING)
        session_turn_away(session, reason);
    else if (session->state == SESSION_GREETING)
        session_refuse(session, reason);
}

void sessions_stop(struct shard *shard)
{
    struct list *node = shard->sessions.next;
    while (node != &shard->sessions) {
        struct session *session = container_of(node, struct session, node);
        node = node->next;
        session_drop(session, CLOSE_SERVER_STOPPING);
    }
}

void sessions_drop(struct shard *shard)
{
    struct list *node = shard->sessions.next;
    while (node != &shard->sessions) {
        struct session *session = container_of(node, struct session, node);
        node = node->next;
        if (session->state == SESSION_DRAINING)
            session_close_agent(session);
    }
}

/* ---- the beginning ---- */

void agent_refused(struct shard *shard, const struct address *peer, const struct device *device,
                   enum close_reason reason)
{
    struct log_context context = {.module = "session",
                                  .serial = device != NULL ? device_serial(device) : NULL};
    char text[ADDRESS_TEXT_SIZE];
    log_line(LOG_WARN, &context, "agent refused", "agent=%s layer=%s cause=%s",
             address_format(peer, text), close_layer(reason), close_cause(reason));
    count_up(&shard->counters.closed[reason], 1);
}

void agent_refuse(struct shard *shard, uint32_t slot, const struct address *peer,
                  const struct device *device, enum close_reason reason)
{
    agent_refused(shard, peer, device, reason);
    reactor_discard(shard->reactor, slot);
}

struct session *session_accept(struct shard *shard, uint32_t slot, const struct address *peer,
                               const struct session_way *way, void *visitor)
{
    struct session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        agent_refuse(shard, slot, peer, NULL, CLOSE_LIMIT_MEMORY);
        return NULL;
    }
    atomic_fetch_add(&shard->server->visitors, 1);
    session->state = SESSION_GREETING;
    session->peer = *peer;
    session->way = way;
    session->visitor = visitor;
    list_init(&session->queued);
    list_init(&session->entry.node);
    timer_init(&session->timer, NULL);
    timer_init(&session->release, bridge_release);
    timer_init(&session->tell, bridge_tell);
    session_enter_shard(session, shard);
    stream_init(&session->agent, shard->reactor, slot, &session_agent_ops);
    return session;
}

enum status session_read_ahead(struct session *session, const uint8_t *data, size_t size)
{
    if (size == 0)
        return STATUS_OK;
    if (size > SESSION_AHEAD_MAX - session->ahead_size)
        return STATUS_FULL;
    uint8_t *ahead = realloc(session->ahead, session->ahead_size + size);
    if (ahead == NULL)
        return STATUS_NO_MEMORY;
    memcpy(ahead + session->ahead_size, data, size);
    session->ahead = ahead;
    session->ahead_size += (uint32_t)size;
    return STATUS_OK;
}

void session_ask(struct session *session, struct device *device)
{
    CHECK(session->state == SESSION_GREETING);
    session->device = device;
    session->id = atomic_fetch_add(&session->shard->server->next_session_id, 1) + 1;
    session->attempts = 0;
    session->wait_end_ms = 0;
    session->holder_ms = 0;
    session->target = (struct link_ref){0};
    if (!become_session(session)) {
        session_refuse(session, CLOSE_LIMIT_SESSIONS);
        return;
    }
    session->state = SESSION_ROUTING;
    session->agent.ops = &session_agent_ops;
    stream_receive_stop(&session->agent);
    session_registry_add(session);
    session_route(session);
}
