/* How an agent's connection finds its device's link, in whatever shard, and is joined to it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/bridge/bridge.h"
#include "server/bridge/channel_line.h"
#include "server/bridge/line.h"
#include "server/directory/channels.h"
#include "server/link/events.h"

#define ROUTE_ATTEMPTS 3u
#define SOON_MS        1u

/* ---- joining ---- */

static void no_memory(struct timer *timer)
{
    session_end(container_of(timer, struct session, timer), CLOSE_LIMIT_MEMORY);
}

void session_end_later(struct session *session)
{
    session->timer.fire = no_memory;
    timer_start_fine(session->shard->reactor, &session->timer, SOON_MS);
}

void session_join(struct session *session, struct link *link)
{
    struct shard *shard = session->shard;
    session->state = SESSION_JOINED;
    session->link = link;
    session->started_ms = reactor_now_ms(shard->reactor);
    session->moved_ms = session->started_ms;
    session_start_limits(session);
    count_up(&shard->counters.sessions_started, 1);
    link_enter_session(link, session);
    channel_line_joined(session);
    session_registry_update(session);
    session_log(session, "session started", "");
    events_access_started(session);
    if (session->way->joined != NULL)
        session->way->joined(session);
    if (!bridge_join(session))
        session_end_later(session);
}

/* In the link's shard; the line is taken if the link is in session. */
static void claim(struct session *session, struct link *link)
{
    if (link->state == LINK_IN_SESSION && !line_claim(link->session->line, session))
        return;
    CHECK(link->state == LINK_IDLE);
    if (line_take(session))
        session_join(session, link);
    else
        session_turn_away(session, CLOSE_LIMIT_MEMORY);
}

// NOLINTBEGIN(misc-no-recursion): at most ROUTE_ATTEMPTS times

/* In the shard of the link, as far as is known. */
static void arrive(struct session *session)
{
    struct shard *shard = session->shard;
    struct link *link = link_find(shard, &session->target);
    if (shard->stopping)
        session_turn_away(session, CLOSE_SERVER_STOPPING);
    else if (atomic_load(&session->entry.kill))
        session_turn_away(session, CLOSE_SESSION_KILLED);
    else if (stream_failed(&session->agent))
        session_turn_away(session, CLOSE_AGENT_RESET);
    else if (!events_sessions_allowed(shard->server))
        session_turn_away(session, CLOSE_SESSION_UNRECORDED);
    else if (link == NULL || (link->state != LINK_IDLE && link->state != LINK_IN_SESSION))
        session_route(session); /* the device changed links meanwhile */
    else
        claim(session, link);
}

/* ---- on the way ---- */

static void arrive_by_move(struct stream_move *move, struct reactor *reactor)
{
    struct session *session = container_of(move, struct session, move);
    session->moving = false;
    session_enter_shard(session, shard_of(reactor));
    session_registry_update(session);
    if (session->way->is_stopped != NULL && session->way->is_stopped(session))
        session_drop(session, CLOSE_LISTENER_STOPPED);
    else
        arrive(session);
}

void session_route(struct session *session)
{
    struct shard *shard = session->shard;
    struct device_info info;
    directory_get(shard->server->directory, session->device, &info);
    if (info.link.id == 0 || session->attempts == ROUTE_ATTEMPTS) {
        session_turn_away(session, CLOSE_SESSION_OFFLINE);
        return;
    }
    uint32_t channel =
        channel_is_exclusive(shard->server->directory, info.channel_id) ? info.channel_id : 0;
    if (!channel_line_enter(session, channel))
        return;
    session->attempts++;
    session->target = info.link;
    if (info.link.shard == shard->index) {
        arrive(session);
        return;
    }
    if (session->way->leaving != NULL)
        session->way->leaving(session);
    session_leave_shard(session);
    session->moving = true;
    session->move.arrived = arrive_by_move;
    stream_move(&session->agent, shard->server->shards[info.link.shard]->reactor, &session->move);
}

// NOLINTEND(misc-no-recursion)

static void on_move_failed(struct stream *stream, int error)
{
    struct session *session = container_of(stream, struct session, agent);
    session->moving = false;
    session_enter_shard(session, session->shard);
    session_turn_away(session, error == -ENOMEM ? CLOSE_LIMIT_MEMORY : CLOSE_LIMIT_SESSIONS);
}

static void route_again(struct timer *timer)
{
    session_route(container_of(timer, struct session, timer));
}

void session_route_later(struct session *session)
{
    session->state = SESSION_ROUTING;
    session->attempts = 0;
    session->timer.fire = route_again;
    timer_start_fine(session->shard->reactor, &session->timer, SOON_MS);
}

/* ---- waiting ---- */

/* In no line yet: it waits for that of the channel. */
static void session_log_waiting(const struct session *session)
{
    struct device_info info;
    char name[DIRECTORY_NAME_SIZE * 4];
    char extra[sizeof name + 16];
    directory_get(session->shard->server->directory, session->device, &info);
    (void)snprintf(extra, sizeof extra, " channel=%s", log_quote(info.channel, name, sizeof name));
    session_log(session, "agent waits", session->line == NULL ? extra : "");
}

void session_begin_waiting(struct session *session, void (*over)(struct timer *timer))
{
    struct reactor *reactor = session->shard->reactor;
    uint64_t now_ms = reactor_now_ms(reactor);
    if (session->wait_end_ms == 0)
        session->wait_end_ms = now_ms + session->wait_ms;
    session->state = SESSION_WAITING;
    session->timer.fire = over;
    timer_start(reactor, &session->timer,
                session->wait_end_ms > now_ms ? session->wait_end_ms - now_ms : SOON_MS);
    count_up(&session->shard->counters.waited, 1);
    session_registry_update(session);
    session_log_waiting(session);
    stream_watch(&session->agent); /* it may go away */
}

void session_note_holder(struct session *session, const struct session *holder)
{
    memcpy(session->holder, holder->agent_name, sizeof session->holder);
    session->holder_ms = reactor_now_ms(holder->shard->reactor) - holder->started_ms;
}

void session_killed(struct session *session)
{
    if (session->state == SESSION_JOINED)
        session_end(session, CLOSE_SESSION_KILLED);
    else if (session->state == SESSION_WAITING || session->state == SESSION_ROUTING)
        session_turn_away(session, CLOSE_SESSION_KILLED);
}

/* ---- the agent's connection outside a session ---- */

static void on_ready(struct stream *stream)
{
    const struct session *session = container_of(stream, struct session, agent);
    if (session->state == SESSION_WAITING && session->ahead_size < SESSION_AHEAD_MAX / 2)
        stream_receive(stream, RECEIVE_ONCE);
}

static void on_received(struct stream *stream, struct chunk *chunk)
{
    struct session *session = container_of(stream, struct session, agent);
    enum status status = STATUS_OK;
    if (session->state == SESSION_WAITING || session->state == SESSION_ROUTING)
        status = session_read_ahead(session, chunk->data, chunk->size);
    chunk_free(stream->reactor, chunk);
    if (status != STATUS_OK)
        session_turn_away(session,
                          status == STATUS_FULL ? CLOSE_AGENT_TOO_LONG : CLOSE_LIMIT_MEMORY);
    else if (session->state == SESSION_WAITING && session->ahead_size < SESSION_AHEAD_MAX / 2)
        stream_watch(stream);
}

static void on_sent(struct stream *stream)
{
    struct session *session = container_of(stream, struct session, agent);
    if (session->state == SESSION_DRAINING)
        session_drained(session);
}

/* It has said all that it has to say, and waits for the answer as it would in a session. Who
 * finished without a word has had enough. */
static bool waits_on(const struct session *session, int error)
{
    return error == 0 && session->ahead_size > 0 &&
           session->shard->server->config->sessions.half_close_s > 0;
}

static void on_ended(struct stream *stream, int error)
{
    struct session *session = container_of(stream, struct session, agent);
    bool waits = session->state == SESSION_WAITING || session->state == SESSION_ROUTING;
    session->agent_finished = true;
    if (waits && waits_on(session, error))
        return;
    if (waits)
        session_turn_away(session, close_reason_of_agent(error));
    else if (error != 0)
        session_close_agent(session);
    else
        session_drained(session);
}

static void on_failed(struct stream *stream, int error)
{
    struct session *session = container_of(stream, struct session, agent);
    if (session->moving)
        return; /* its arrival sees it */
    if (session->state == SESSION_WAITING || session->state == SESSION_ROUTING)
        session_turn_away(session, close_reason_of_agent(error));
    else
        session_close_agent(session);
}

static void on_closed(struct stream *stream)
{
    struct session *session = container_of(stream, struct session, agent);
    struct server *server = session->shard->server;
    CHECK(session->state == SESSION_CLOSED && session->ticket == NULL);
    session_leave_shard(session);
    timer_stop(&session->timer);
    timer_stop(&session->release);
    if (session->way->closed != NULL)
        session->way->closed(session);
    atomic_fetch_sub(session->is_session ? &server->sessions : &server->visitors, 1);
    free(session->ahead);
    free(session);
}

const struct stream_ops session_agent_ops = {
    .ready = on_ready,
    .received = on_received,
    .ended = on_ended,
    .sent = on_sent,
    .failed = on_failed,
    .closed = on_closed,
    .move_failed = on_move_failed,
};
