/* The bridge proper: what happens to bytes while a session is joined. Inside this room. */
#ifndef CENCD_BRIDGE_BRIDGE_H
#define CENCD_BRIDGE_BRIDGE_H

#include "server/bridge/session.h"

/* Both streams belong to the bridge from now on, until session_end or session_device_gone. */
void bridge_join(struct session *session);

/* The time of bytes that a plugin held back has come. */
void bridge_release(struct timer *timer);

/* The agent sent FIN. */
void session_agent_finished(struct session *session);

extern const struct stream_ops session_agent_ops;

#endif
