#include "server/bridge/channel_line.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/bridge/bridge.h"
#include "server/bridge/channel_lines.h"
#include "server/bridge/line.h"

/* A session that doesn't wait gets this long until a holder that gives way has gone. */
#define TAKEOVER_MS 5000u

enum claim { CLAIM_TAKEN, CLAIM_WAITS, CLAIM_BUSY, CLAIM_FULL, CLAIM_NO_MEMORY };

/* ---- the holder ---- */

static uint64_t now_ms(const struct session *session)
{
    return reactor_now_ms(session->shard->reactor);
}

/* From any shard: clocks of two reactors differ by a turn. */
static bool gives_way(const struct channel_ticket *holder, uint64_t at_ms, uint64_t limit_ms)
{
    if (holder->joined_ms == 0)
        return false;
    if (holder->finished)
        return true;
    uint64_t moved_ms =
        atomic_load_explicit(&holder->session->entry.moved_ms, memory_order_relaxed);
    if (moved_ms < holder->joined_ms)
        moved_ms = holder->joined_ms;
    return limit_ms > 0 && at_ms > moved_ms && at_ms - moved_ms >= limit_ms;
}

static void note_holder(struct session *session, const struct channel_ticket *holder)
{
    uint64_t at_ms = now_ms(session);
    memcpy(session->holder, holder->session->agent_name, sizeof session->holder);
    session->holder_ms = at_ms > holder->since_ms ? at_ms - holder->since_ms : 0;
}

/* Of a session that waits for the line: who has it. */
static void note_holder_of(struct session *session)
{
    struct channel_ticket *ticket = session->ticket;
    channel_lines_lock(ticket->lines);
    const struct channel_line *line = channel_lines_find(ticket->lines, ticket->channel);
    if (line != NULL)
        note_holder(session, line->holder);
    channel_lines_unlock(ticket->lines);
}

static void watch_holder(struct session *session)
{
    uint64_t after_ms = line_still_after_ms(session);
    if (after_ms > 0 && !timer_running(&session->ticket->watch))
        timer_start(session->shard->reactor, &session->ticket->watch, after_ms);
}

static void look_at_holder(struct timer *timer)
{
    struct channel_ticket *ticket = container_of(timer, struct channel_ticket, watch);
    struct session *session = ticket->session;
    channel_lines_lock(ticket->lines);
    bool wanted = ticket->line->queue.size > 0;
    channel_lines_unlock(ticket->lines);
    if (!wanted)
        return;
    if (line_holder_is_still(session))
        session_end(session, CLOSE_SESSION_STILL);
    else
        watch_holder(session);
}

/* ---- coming ---- */

static bool has_room(struct channel_line *line, const struct session *session,
                     struct channel_ticket **posts)
{
    struct list *node = NULL;
    if (!queue_has_room(&line->queue, session, &node))
        return false;
    if (node == NULL)
        return true;
    struct channel_ticket *loser = container_of(node, struct channel_ticket, node);
    channel_ticket_leave_queue(loser);
    loser->state = TICKET_DISMISSED;
    channel_ticket_tell(loser, NEWS_DISMISSED, posts);
    return true;
}

/* Under the lock. */
static enum claim claim(struct channel_line *line, struct channel_ticket *ticket,
                        struct channel_ticket **posts)
{
    struct session *session = ticket->session;
    struct channel_ticket *holder = line->holder;
    uint64_t limit_ms = session->shard->server->config->sessions.yield_after_s * 1000ull;
    if (holder == NULL) {
        line->holder = ticket;
        ticket->line = line;
        ticket->state = TICKET_HOLDING;
        ticket->since_ms = now_ms(session);
        return CLAIM_TAKEN;
    }
    bool yields = line->queue.size == 0 && gives_way(holder, now_ms(session), limit_ms);
    note_holder(session, holder);
    if (!yields && session->wait_ms == 0)
        return CLAIM_BUSY;
    if (!yields && !has_room(line, session, posts))
        return CLAIM_FULL;
    channel_ticket_enqueue(ticket, line);
    if (holder->joined_ms != 0)
        channel_ticket_tell(holder, yields ? NEWS_YIELD : NEWS_WANTED, posts);
    return CLAIM_WAITS;
}

static void news_arrive(struct message *message, struct reactor *reactor);

static struct channel_ticket *make_ticket(struct session *session, uint32_t channel)
{
    struct channel_ticket *ticket = calloc(1, sizeof *ticket);
    if (ticket == NULL)
        return NULL;
    ticket->lines = session->shard->server->channel_lines;
    ticket->message.deliver = news_arrive;
    ticket->session = session;
    ticket->channel = channel;
    ticket->shard = session->shard->index;
    list_init(&ticket->node);
    timer_init(&ticket->watch, look_at_holder);
    return ticket;
}

static void wait_over(struct timer *timer)
{
    struct session *session = container_of(timer, struct session, timer);
    struct channel_ticket *ticket = session->ticket;
    channel_lines_lock(ticket->lines);
    bool waits = ticket->state == TICKET_WAITING;
    channel_lines_unlock(ticket->lines);
    if (!waits)
        return; /* the news are on their way */
    note_holder_of(session);
    session_turn_away(session,
                      session->wait_ms == 0 ? CLOSE_SESSION_BUSY : CLOSE_SESSION_WAIT_TIMEOUT);
}

static bool is_offline(const struct session *session)
{
    struct device_info info;
    directory_get(session->shard->server->directory, session->device, &info);
    return info.link.id == 0;
}

static void begin_waiting(struct session *session)
{
    session_begin_waiting(session, wait_over);
    if (session->wait_ms == 0)
        timer_start(session->shard->reactor, &session->timer, TAKEOVER_MS);
    /* the news of its end may have come before it was in the queue */
    if (is_offline(session))
        session_turn_away(session, CLOSE_SESSION_OFFLINE);
}

static enum claim claim_channel(struct session *session, uint32_t channel)
{
    struct channel_lines *lines = session->shard->server->channel_lines;
    struct channel_ticket *posts = NULL;
    struct channel_ticket *ticket = make_ticket(session, channel);
    enum claim result = CLAIM_NO_MEMORY;
    if (ticket == NULL)
        return result;
    channel_lines_lock(lines);
    struct channel_line *line = channel_lines_find(lines, channel);
    if (line == NULL)
        line = channel_lines_add(lines, channel);
    if (line != NULL)
        result = claim(line, ticket, &posts);
    channel_lines_unlock(lines);
    channel_tickets_post(session->shard, posts);
    if (result == CLAIM_TAKEN || result == CLAIM_WAITS)
        session->ticket = ticket;
    else
        free(ticket);
    return result;
}

bool channel_line_enter(struct session *session, uint32_t channel)
{
    if (session->ticket != NULL && session->ticket->channel == channel)
        return true;
    channel_line_leave(session);
    if (channel == 0)
        return true;
    switch (claim_channel(session, channel)) {
    case CLAIM_TAKEN:
        return true;
    case CLAIM_WAITS:
        begin_waiting(session);
        break;
    case CLAIM_BUSY:
        session_turn_away(session, CLOSE_SESSION_BUSY);
        break;
    case CLAIM_FULL:
        session_turn_away(session, CLOSE_SESSION_QUEUE_FULL);
        break;
    case CLAIM_NO_MEMORY:
        session_turn_away(session, CLOSE_LIMIT_MEMORY);
        break;
    }
    return false;
}

/* ---- joined ---- */

void channel_line_joined(struct session *session)
{
    struct channel_ticket *ticket = session->ticket;
    if (ticket == NULL)
        return;
    channel_lines_lock(ticket->lines);
    CHECK(ticket->state == TICKET_HOLDING && !ticket->posted);
    ticket->shard = session->shard->index;
    ticket->joined_ms = now_ms(session) + (now_ms(session) == 0);
    bool wanted = ticket->line->queue.size > 0;
    channel_lines_unlock(ticket->lines);
    if (wanted)
        watch_holder(session);
}

void channel_line_finished(struct session *session)
{
    struct channel_ticket *ticket = session->ticket;
    if (ticket == NULL)
        return;
    channel_lines_lock(ticket->lines);
    ticket->finished = true;
    channel_lines_unlock(ticket->lines);
}

/* ---- leaving ---- */

/* The line goes to the next one; without one, nothing is left of it. */
static void pass_on(struct channel_ticket *holder, struct channel_ticket **posts)
{
    struct channel_line *line = holder->line;
    struct list *node = queue_first(&line->queue);
    if (node == NULL) {
        channel_lines_remove(holder->lines, line);
        return;
    }
    struct channel_ticket *next = container_of(node, struct channel_ticket, node);
    channel_ticket_leave_queue(next);
    next->state = TICKET_HOLDING;
    next->since_ms = now_ms(holder->session);
    line->holder = next;
    channel_ticket_tell(next, NEWS_GRANTED, posts);
}

void channel_line_leave(struct session *session)
{
    struct channel_ticket *ticket = session->ticket;
    struct channel_ticket *posts = NULL;
    if (ticket == NULL)
        return;
    session->ticket = NULL;
    timer_stop(&ticket->watch);
    channel_lines_lock(ticket->lines);
    if (ticket->state == TICKET_WAITING)
        channel_ticket_leave_queue(ticket);
    else if (ticket->state == TICKET_HOLDING)
        pass_on(ticket, &posts);
    ticket->state = TICKET_GONE;
    bool unused = !ticket->posted;
    channel_lines_unlock(ticket->lines);
    channel_tickets_post(session->shard, posts);
    if (unused)
        free(ticket);
}

/* ---- in the session's shard ---- */

static void take_turn(struct session *session)
{
    CHECK(session->state == SESSION_WAITING);
    timer_stop(&session->timer);
    session->state = SESSION_ROUTING;
    session->attempts = 0;
    session_registry_update(session);
    session_route(session);
}

static void hear(struct session *session, uint8_t news)
{
    if (news & NEWS_DISMISSED) {
        note_holder_of(session);
        session_turn_away(session, CLOSE_SESSION_QUEUE_FULL);
    } else if (news & NEWS_GRANTED) {
        take_turn(session);
    } else if (news & NEWS_YIELD) {
        session_end(session, session->agent_finished ? CLOSE_SESSION_YIELDED : CLOSE_SESSION_STILL);
    } else if (news & NEWS_WANTED) {
        watch_holder(session);
    } else if (session->state == SESSION_WAITING && is_offline(session)) {
        session_turn_away(session, CLOSE_SESSION_OFFLINE);
    }
}

static void news_arrive(struct message *message, struct reactor *reactor)
{
    struct channel_ticket *ticket = container_of(message, struct channel_ticket, message);
    struct shard *shard = shard_of(reactor);
    channel_lines_lock(ticket->lines);
    uint8_t news = ticket->news;
    bool gone = ticket->state == TICKET_GONE;
    ticket->news = 0;
    ticket->posted = false;
    channel_lines_unlock(ticket->lines);
    if (gone) {
        free(ticket);
    } else {
        CHECK(ticket->session->shard == shard);
        hear(ticket->session, news);
    }
    atomic_fetch_sub(&shard->server->messages, 1);
}
