#include "server/bridge/line.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/bridge/bridge.h"

static void look_at_holder(struct timer *timer);

bool line_take(struct session *session)
{
    struct line *line = calloc(1, sizeof *line);
    if (line == NULL)
        return false;
    queue_init(&line->queue);
    timer_init(&line->timer, look_at_holder);
    line->holder = session;
    session->line = line;
    return true;
}

static void line_free(struct line *line)
{
    CHECK(line->queue.size == 0);
    timer_stop(&line->timer);
    free(line);
}

/* NULL: nobody waits. */
static struct session *first_of(const struct line *line)
{
    struct list *node = queue_first(&line->queue);
    return node != NULL ? container_of(node, struct session, queued) : NULL;
}

/* ---- the holder ---- */

static uint64_t now_ms(const struct session *session)
{
    return reactor_now_ms(session->shard->reactor);
}

/* How long the holder may be still; 0: for ever. */
static uint64_t still_limit_ms(const struct session *session)
{
    return session->shard->server->config->sessions.yield_after_s * 1000ull;
}

bool line_holder_is_still(const struct session *holder)
{
    uint64_t limit_ms = still_limit_ms(holder);
    return limit_ms > 0 && now_ms(holder) - holder->moved_ms >= limit_ms;
}

uint64_t line_still_after_ms(const struct session *holder)
{
    uint64_t limit_ms = still_limit_ms(holder);
    uint64_t still_ms = now_ms(holder) - holder->moved_ms;
    if (limit_ms == 0)
        return 0;
    return still_ms < limit_ms ? limit_ms - still_ms : 1;
}

static void watch_holder(struct line *line)
{
    uint64_t after_ms = line_still_after_ms(line->holder);
    if (after_ms > 0)
        timer_start(line->holder->shard->reactor, &line->timer, after_ms);
}

static void look_at_holder(struct timer *timer)
{
    struct line *line = container_of(timer, struct line, timer);
    if (line->queue.size == 0)
        return;
    if (line_holder_is_still(line->holder))
        session_end(line->holder, CLOSE_SESSION_STILL);
    else
        watch_holder(line);
}

/* ---- waiting ---- */

void line_leave(struct session *session)
{
    CHECK(session->state == SESSION_WAITING);
    queue_remove(&session->line->queue, &session->queued);
    session->line = NULL;
    timer_stop(&session->timer);
}

static void wait_over(struct timer *timer)
{
    struct session *session = container_of(timer, struct session, timer);
    session_note_holder(session, session->line->holder);
    session_turn_away(session, CLOSE_SESSION_WAIT_TIMEOUT);
}

static bool has_room(struct line *line, const struct session *session)
{
    struct list *node = NULL;
    if (!queue_has_room(&line->queue, session, &node))
        return false;
    if (node == NULL)
        return true;
    struct session *loser = container_of(node, struct session, queued);
    session_note_holder(loser, line->holder);
    session_turn_away(loser, CLOSE_SESSION_QUEUE_FULL);
    return true;
}

static void enqueue(struct line *line, struct session *session)
{
    queue_append(&line->queue, session, &session->queued);
    session->line = line;
    session_begin_waiting(session, wait_over);
    if (!timer_running(&line->timer))
        watch_holder(line);
}

bool line_claim(struct line *line, struct session *session)
{
    struct session *holder = line->holder;
    bool yields = line->queue.size == 0 && (holder->agent_finished || line_holder_is_still(holder));
    if (yields) {
        session_end(holder, holder->agent_finished ? CLOSE_SESSION_YIELDED : CLOSE_SESSION_STILL);
        return true; /* the line is gone with it */
    }
    session_note_holder(session, holder);
    if (session->wait_ms == 0)
        session_turn_away(session, CLOSE_SESSION_BUSY);
    else if (!has_room(line, session))
        session_turn_away(session, CLOSE_SESSION_QUEUE_FULL);
    else
        enqueue(line, session);
    return false;
}

void line_next(struct line *line, struct link *link)
{
    struct session *next;
    timer_stop(&line->timer);
    while ((next = first_of(line)) != NULL && next->shard->stopping)
        session_turn_away(next, CLOSE_SERVER_STOPPING);
    if (next == NULL) {
        line_free(line);
        return;
    }
    line_leave(next);
    line->holder = next;
    next->line = line;
    session_join(next, link);
    if (line->queue.size > 0)
        watch_holder(line);
}

void line_break(struct line *line)
{
    struct session *session;
    while ((session = first_of(line)) != NULL) {
        line_leave(session);
        session_route_later(session);
    }
    line_free(line);
}
