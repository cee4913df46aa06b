/* Sessions: an agent's connection finds its device's link, in whatever shard, and is joined to it.
 */
#include "server/bridge/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/bridge/bridge.h"
#include "server/link/events.h"

#define ROUTE_ATTEMPTS 3u

/* A closing agent's connection is dropped when it took nothing for so long, or, once all was taken,
 * when its own FIN doesn't come. Progress shows only when a whole chunk was taken. */
#define DRAIN_MS 120000u
#define FIN_MS   10000u

static void route(struct session *session);

/* ---- in which shard it is ---- */

static void enter_shard(struct session *session, struct shard *shard)
{
    session->shard = shard;
    list_append(&shard->sessions, &session->node);
    count_up(&shard->counters.sessions, 1);
}

static void leave_shard(struct session *session)
{
    list_remove(&session->node);
    count_down(&session->shard->counters.sessions);
}

/* ---- log and end ---- */

static void session_log(const struct session *session, const char *message, const char *extra)
{
    struct log_context context = {
        .module = "session",
        .link = session->link != NULL ? session->link->id : session->target.id,
        .serial = device_serial(session->device),
    };
    char peer[ADDRESS_TEXT_SIZE];
    log_line(LOG_INFO, &context, message, "session=%llu agent=%s%s",
             (unsigned long long)session->id, address_format(&session->peer, peer), extra);
}

static void count_close(const struct session *session, enum close_reason reason)
{
    count_up(&session->shard->counters.closed[reason], 1);
}

static void close_agent(struct session *session)
{
    timer_stop(&session->timer);
    session->state = SESSION_CLOSED;
    stream_close(&session->agent);
}

/* An agent that found no session. */
static void refuse(struct session *session, enum close_reason reason)
{
    char extra[96];
    (void)snprintf(extra, sizeof extra, " layer=%s cause=%s", close_layer(reason),
                   close_cause(reason));
    session_log(session, "agent refused", extra);
    count_close(session, reason);
    close_agent(session);
}

static void drained(struct session *session)
{
    if (session->agent_finished && session->agent.queued_bytes == 0)
        close_agent(session);
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
        close_agent(session);
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
        close_agent(session);
    } else if (session->agent_finished) {
        drained(session);
    } else {
        stream_shutdown(&session->agent);
        stream_receive(&session->agent, RECEIVE_STREAM); /* to nowhere, until its FIN */
    }
}

static void finish(struct session *session, enum close_reason reason)
{
    char extra[200];
    if (timer_running(&session->release))
        bridge_release(&session->release); /* to the last byte */
    uint64_t duration_ms = reactor_now_ms(session->shard->reactor) - session->started_ms;
    (void)snprintf(
        extra, sizeof extra, " layer=%s cause=%s to_agent=%llu to_device=%llu duration_ms=%llu",
        close_layer(reason), close_cause(reason), (unsigned long long)session->bytes_to_agent,
        (unsigned long long)session->bytes_to_device, (unsigned long long)duration_ms);
    session_log(session, "session finished", extra);
    count_close(session, reason);
    events_access_finished(session, reason, duration_ms);
    if (session->bytes_to_agent > 0)
        events_power_restored(session->shard, session->device,
                              reactor_utc_ms(session->shard->reactor) - duration_ms,
                              RESTORED_BY_SESSION);
    session->link = NULL;
    session->agent.ops = &session_agent_ops;
    drain(session);
}

void session_device_gone(struct session *session)
{
    CHECK(session->state == SESSION_JOINED);
    finish(session, CLOSE_SESSION_DEVICE_GONE);
}

void session_end(struct session *session, enum close_reason reason)
{
    CHECK(session->state == SESSION_JOINED);
    struct link *link = session->link;
    finish(session, reason);
    link_enter_idle(link);
}

void sessions_stop(struct shard *shard)
{
    struct list *node = shard->sessions.next;
    while (node != &shard->sessions) {
        struct session *session = container_of(node, struct session, node);
        node = node->next;
        if (session->state == SESSION_JOINED)
            session_end(session, CLOSE_SERVER_STOPPING);
    }
}

void sessions_drop(struct shard *shard)
{
    struct list *node = shard->sessions.next;
    while (node != &shard->sessions) {
        struct session *session = container_of(node, struct session, node);
        node = node->next;
        if (session->state == SESSION_DRAINING)
            close_agent(session);
    }
}

/* ---- joining ---- */

/* How long the session may go on without a byte; 0: for ever. */
static uint64_t still_limit_ms(const struct session *session)
{
    const struct config *config = session->shard->server->config;
    uint32_t limit_s =
        session->agent_finished ? config->sessions.half_close_s : config->sessions.idle_timeout_s;
    return limit_s * 1000ull;
}

static void session_timer(struct timer *timer)
{
    struct session *session = container_of(timer, struct session, timer);
    uint64_t limit_ms = still_limit_ms(session);
    uint64_t still_ms = reactor_now_ms(session->shard->reactor) - session->moved_ms;
    if (still_ms >= limit_ms)
        session_end(session, session->agent_finished ? CLOSE_AGENT_CLOSED : CLOSE_SESSION_IDLE);
    else
        timer_start(session->shard->reactor, timer, limit_ms - still_ms);
}

void session_agent_finished(struct session *session)
{
    session->agent_finished = true;
    uint64_t limit_ms = still_limit_ms(session);
    if (limit_ms == 0)
        session_end(session, CLOSE_AGENT_CLOSED);
    else
        timer_start(session->shard->reactor, &session->timer, limit_ms);
}

static void join(struct session *session, struct link *link)
{
    struct shard *shard = session->shard;
    session->state = SESSION_JOINED;
    session->link = link;
    session->started_ms = reactor_now_ms(shard->reactor);
    session->moved_ms = session->started_ms;
    session->timer.fire = session_timer;
    if (still_limit_ms(session) > 0)
        timer_start(shard->reactor, &session->timer, still_limit_ms(session));
    count_up(&shard->counters.sessions_started, 1);
    link_enter_session(link, session);
    session_log(session, "session started", "");
    events_access_started(session);
    bridge_join(session);
}

/* In the shard of the link, as far as is known. */
static void arrive(struct session *session)
{
    struct shard *shard = session->shard;
    struct link *link = link_find(shard, &session->target);
    if (shard->stopping) {
        refuse(session, CLOSE_SERVER_STOPPING);
        return;
    }
    if (!events_sessions_allowed(shard->server)) {
        refuse(session, CLOSE_SESSION_UNRECORDED);
        return;
    }
    if (link == NULL || (link->state != LINK_IDLE && link->state != LINK_IN_SESSION)) {
        route(session); /* the device changed links meanwhile */
        return;
    }
    if (link->state == LINK_IN_SESSION) {
        if (!link->session->agent_finished) {
            refuse(session, CLOSE_SESSION_BUSY);
            return;
        }
        session_end(link->session, CLOSE_SESSION_YIELDED);
    }
    join(session, link);
}

static void arrive_by_move(struct stream_move *move, struct reactor *reactor)
{
    struct session *session = container_of(move, struct session, move);
    enter_shard(session, shard_of(reactor));
    arrive(session);
}

static void route(struct session *session)
{
    struct shard *shard = session->shard;
    struct device_info info;
    directory_get(shard->server->directory, session->device, &info);
    if (info.link.id == 0 || session->attempts == ROUTE_ATTEMPTS) {
        refuse(session, CLOSE_SESSION_OFFLINE);
        return;
    }
    session->attempts++;
    session->target = info.link;
    if (info.link.shard == shard->index) {
        arrive(session);
        return;
    }
    leave_shard(session);
    session->move.arrived = arrive_by_move;
    stream_move(&session->agent, shard->server->shards[info.link.shard]->reactor, &session->move);
}

/* ---- the agent's connection outside a session ---- */

static void on_received(struct stream *stream, struct chunk *chunk)
{
    chunk_free(stream->reactor, chunk);
}

static void on_sent(struct stream *stream)
{
    struct session *session = container_of(stream, struct session, agent);
    if (session->state == SESSION_DRAINING)
        drained(session);
}

static void on_ended(struct stream *stream, int error)
{
    struct session *session = container_of(stream, struct session, agent);
    session->agent_finished = true;
    if (error != 0)
        close_agent(session);
    else
        drained(session);
}

static void on_failed(struct stream *stream, int error)
{
    (void)error;
    struct session *session = container_of(stream, struct session, agent);
    close_agent(session);
}

static void on_closed(struct stream *stream)
{
    struct session *session = container_of(stream, struct session, agent);
    struct shard *shard = session->shard;
    leave_shard(session);
    timer_stop(&session->timer);
    timer_stop(&session->release);
    atomic_fetch_sub(&shard->server->sessions, 1);
    free(session);
}

static void on_move_failed(struct stream *stream, int error)
{
    struct session *session = container_of(stream, struct session, agent);
    enter_shard(session, session->shard);
    refuse(session, error == -ENOMEM ? CLOSE_LIMIT_MEMORY : CLOSE_LIMIT_SESSIONS);
}

const struct stream_ops session_agent_ops = {
    .received = on_received,
    .ended = on_ended,
    .sent = on_sent,
    .failed = on_failed,
    .closed = on_closed,
    .move_failed = on_move_failed,
};

/* ---- the beginning ---- */

void agent_refused(struct shard *shard, const struct address *peer, const struct device *device,
                   enum close_reason reason)
{
    struct log_context context = {.module = "session", .serial = device_serial(device)};
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

void session_begin(struct shard *shard, uint32_t slot, const struct address *peer,
                   struct device *device)
{
    struct server *server = shard->server;
    if (atomic_fetch_add(&server->sessions, 1) >= server->config->limits.sessions) {
        atomic_fetch_sub(&server->sessions, 1);
        agent_refuse(shard, slot, peer, device, CLOSE_LIMIT_SESSIONS);
        return;
    }
    struct session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        atomic_fetch_sub(&server->sessions, 1);
        agent_refuse(shard, slot, peer, device, CLOSE_LIMIT_MEMORY);
        return;
    }
    session->device = device;
    session->peer = *peer;
    session->id = atomic_fetch_add(&server->next_session_id, 1) + 1;
    timer_init(&session->timer, NULL);
    timer_init(&session->release, bridge_release);
    enter_shard(session, shard);
    stream_init(&session->agent, shard->reactor, slot, &session_agent_ops);
    route(session);
}
