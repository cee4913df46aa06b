/* A session: an agent's connection joined to a device's link, byte for byte. Both ends live in the
 * link's shard. Received buffers move by reference from one stream's receive to the other's send; a
 * peer that doesn't read stops the other's receive, so that a session holds a bounded number of
 * bytes. A plugin's filters, where the link has them, see the bytes on the way.
 *
 * One session per device. When the device's link ends, the agent still gets all that came before,
 * then FIN. When the agent sends FIN, the device's answers go on to it until none came for
 * sessions.half_close_s, or another agent comes. */
#ifndef CENCD_BRIDGE_SESSION_H
#define CENCD_BRIDGE_SESSION_H

#include "server/link/link.h"

enum session_state { SESSION_ROUTING, SESSION_JOINED, SESSION_DRAINING, SESSION_CLOSED };

struct session {
    struct stream agent;
    struct list node;    /* in shard->sessions */
    struct shard *shard; /* where it is now */
    struct link *link;   /* joined only */
    struct device *device;
    struct link_ref target; /* the link it is on its way to */
    struct stream_move move;
    struct timer timer;   /* joined: idle and half-close; draining: its end */
    struct timer release; /* bytes that a plugin holds back */
    struct address peer;
    uint64_t id;
    uint64_t started_ms;
    uint64_t moved_ms; /* the last byte, either way */
    uint64_t bytes_to_agent;
    uint64_t bytes_to_device;
    uint32_t drain_left; /* draining: queued bytes when last looked at */
    uint8_t state;
    uint8_t attempts;    /* times it was routed */
    bool agent_finished; /* its FIN came */
    bool device_stopped; /* its receive waits for the agent to read */
    bool agent_stopped;  /* its receive waits for the device to read */
};

/* An agent was accepted for a device: takes the slot, checks limits, finds the device's link and
 * joins it, in whatever shard it is. Failures close the connection with their reason. */
void session_begin(struct shard *shard, uint32_t slot, const struct address *peer,
                   struct device *device);

/* The link is about to close: the agent gets what is left, then FIN. */
void session_device_gone(struct session *session);

/* Ends the session, the link goes on. */
void session_end(struct session *session, enum close_reason reason);

/* An agent's connection that never became a session was closed: logged once, counted. */
void agent_refused(struct shard *shard, const struct address *peer, const struct device *device,
                   enum close_reason reason);
/* The same, and closes it. */
void agent_refuse(struct shard *shard, uint32_t slot, const struct address *peer,
                  const struct device *device, enum close_reason reason);

/* Ends all sessions of the shard, for the stop of the server. */
void sessions_stop(struct shard *shard);
/* Drops the connections of agents that still drain. */
void sessions_drop(struct shard *shard);

#endif
