/* Between the files of this room: what happens to bytes while a session is joined (bridge.c), how a
 * session gets there (route.c) and how it ends (session.c). */
#ifndef CENCD_BRIDGE_BRIDGE_H
#define CENCD_BRIDGE_BRIDGE_H

#include "server/bridge/session.h"

/* bridge.c */

/* Both streams belong to the bridge from now on, until session_end or session_device_gone. False:
 * out of memory; the session is to be ended, but not from inside this call. */
bool bridge_join(struct session *session) MUST_CHECK;

/* The time of bytes that a plugin held back has come. */
void bridge_release(struct timer *timer);
/* Called by session->tell. */
void bridge_tell(struct timer *timer);

/* route.c */

extern const struct stream_ops session_agent_ops; /* of an agent that is not joined */

void session_route(struct session *session);
/* The same, from a timer: the device's link is about to go. */
void session_route_later(struct session *session);
/* The link is idle and the line is the session's. */
void session_join(struct session *session, struct link *link);
/* Out of memory: the session ends, but not from inside this call. */
void session_end_later(struct session *session);
void session_begin_waiting(struct session *session, void (*over)(struct timer *timer));
/* Remembers who has the line, for the answer. */
void session_note_holder(struct session *session, const struct session *holder);
/* An operator ended it. */
void session_killed(struct session *session);

/* session.c */

/* Routing or waiting: it doesn't get the device. */
void session_turn_away(struct session *session, enum close_reason reason);
void session_close_agent(struct session *session);
/* Draining: all was taken and the agent has finished. */
void session_drained(struct session *session);
void session_enter_shard(struct session *session, struct shard *shard);
void session_leave_shard(struct session *session);
/* Starts the session's timer for what comes first: stillness, the longest session. */
void session_start_limits(struct session *session);
/* The agent sent FIN. */
void session_agent_finished(struct session *session);
void session_log(const struct session *session, const char *message, const char *extra);

#endif
