/* A line: what one agent at a time may have. It belongs to a link; where several devices share one
 * link, they share its line. It exists while a session holds it, and with it the queue of sessions
 * that wait for it: persons before mass collection, in each class first come first served, bounded
 * by sessions.max_waiting. A session waits at most for its wait_ms.
 *
 * A holder that moved no byte for sessions.yield_after_s loses the line when someone waits, or
 * comes. In the link's shard only. */
#ifndef CENCD_BRIDGE_LINE_H
#define CENCD_BRIDGE_LINE_H

#include "server/bridge/queue.h"

struct line {
    struct session *holder;
    struct queue queue; /* struct session, by queued */
    struct timer timer; /* while someone waits: the holder may have become still */
};

/* The session holds the link's line from now on. False: out of memory. */
bool line_take(struct session *session) MUST_CHECK;

/* The line is taken: the session gets it because its holder has nothing more to say (true: the
 * holder's session was ended), or waits, or is refused. */
bool line_claim(struct line *line, struct session *session);

/* A waiting session goes: refused, killed, or its agent has left. */
void line_leave(struct session *session);

/* The holder has left, and the link goes on: the next one is joined; without one, nothing is left
 * of the line. */
void line_next(struct line *line, struct link *link);

/* The link is gone: those who wait look for the device anew. */
void line_break(struct line *line);

/* It moved no byte for so long that it loses the line when someone wants it. */
bool line_holder_is_still(const struct session *holder);
/* When it will be, if it moves none: in so many milliseconds, at least 1; 0: never. */
uint64_t line_still_after_ms(const struct session *holder);

#endif
