/* A session: an agent's connection joined to a device's link, byte for byte. Both ends live in the
 * link's shard. Received buffers move by reference from one stream's receive to the other's send; a
 * peer that doesn't read stops the other's receive, so that a session holds a bounded number of
 * bytes. A plugin's filters, where the link has them, see the bytes on the way.
 *
 * A struct session is an agent's connection from accept to close:
 *
 *   greeting   its way in (agents/) talks to it: who is it, and what does it want
 *   routing    it asked for a device; on its way to the shard of the device's link
 *   waiting    another session holds the line (server/bridge/line.h), or that of the device's
 *              channel (server/bridge/channel_line.h)
 *   joined
 *   draining   over; the agent gets what is queued, then FIN
 *
 * When the device's link ends, the agent still gets all that came before, then FIN. When the agent
 * sends FIN, the device's answers go on to it until none came for sessions.half_close_s, or another
 * agent comes. A way in may keep the connection after a session (a virtual modem does): then it is
 * in greeting again.
 *
 * All functions run in the thread of the shard where the session is, except session_kill and
 * sessions_list (registry.h). */
#ifndef CENCD_BRIDGE_SESSION_H
#define CENCD_BRIDGE_SESSION_H

#include "server/bridge/registry.h"
#include "server/link/link.h"

enum session_state {
    SESSION_GREETING,
    SESSION_ROUTING,
    SESSION_WAITING,
    SESSION_JOINED,
    SESSION_DRAINING,
    SESSION_CLOSED
};

/* The numbers of Cenc__V1__AccessPath. */
enum session_path {
    SESSION_DIRECT_PORT = 1,
    SESSION_SOCKS5 = 2,
    SESSION_HTTP_CONNECT = 3,
    SESSION_VIRTUAL_MODEM = 4,
};
const char *session_path_name(enum session_path path); /* "direct_port", "socks5", ... */

struct session;
struct line;
struct channel_ticket;

/* What a way in does with its connections. Functions may be NULL: nothing. */
struct session_way {
    enum session_path path;
    /* The session is joined: the success reply goes out before the device's first byte. */
    void (*joined)(struct session *session);
    /* It was refused (was_joined false), or is over. Called once after each session_ask, and after
     * session_refuse. True: the way keeps the connection, if that still can be: session_kept. */
    bool (*ended)(struct session *session, enum close_reason reason, bool was_joined);
    /* The way has the connection again, in greeting. */
    void (*kept)(struct session *session);
    /* Bytes from the agent in a session; it may take some away from the front. */
    void (*look)(struct session *session, struct chunk *chunk);
    /* In another shard than it came to: its listener was stopped meanwhile with all that had come
     * by it, and here that may be over already. */
    bool (*is_stopped)(const struct session *session);
    /* The connection leaves its shard, or is closed: timers are to be stopped. */
    void (*leaving)(struct session *session);
    /* The connection is gone; the visitor's memory may be released. */
    void (*closed)(struct session *session);
};

#define SESSION_AHEAD_MAX 16384u /* bytes that an agent may have sent before it was joined */

struct session {
    struct stream agent;
    struct list node;              /* in shard->sessions */
    struct list queued;            /* in its line: waiting only */
    struct shard *shard;           /* where it is now */
    struct link *link;             /* joined only */
    struct line *line;             /* joined, waiting for it */
    struct channel_ticket *ticket; /* of an exclusive channel: has its line, or waits for it */
    struct device *device;         /* from session_ask on */
    const struct session_way *way;
    void *visitor;          /* the way's own */
    struct link_ref target; /* the link it is on its way to */
    struct stream_move move;
    struct timer timer; /* waiting: its end; joined: idle, length, half-close; draining: its end */
    struct timer release; /* bytes that a plugin holds back */
    struct timer tell;    /* joined: bytes moved, and the directory doesn't know it yet */
    struct address peer;
    struct session_entry entry; /* in the registry from session_ask on */
    uint64_t id;
    uint64_t started_ms;  /* joined */
    uint64_t moved_ms;    /* the last byte, either way */
    uint64_t wait_end_ms; /* waiting */
    uint8_t *ahead;       /* what the agent sent for the device before it was joined */
    uint32_t ahead_size;
    uint32_t wait_ms;    /* 0: if the line is taken it is told at once */
    uint32_t drain_left; /* draining: queued bytes when last looked at */
    uint8_t state;
    uint8_t priority;    /* enum session_priority */
    uint8_t attempts;    /* times it was routed */
    bool is_session;     /* counted in server->sessions, otherwise in server->visitors */
    bool agent_finished; /* its FIN came */
    bool device_stopped; /* its receive waits for the agent to read */
    bool agent_stopped;  /* its receive waits for the device to read */
    bool held;           /* joined, but the way talks to the agent: session_hold */
    bool moving;         /* between two shards */
    bool dropped;        /* its end is its connection's: no way keeps it */
    /* Who it is and what it wanted, for logs and events. */
    char agent_name[SESSION_NAME_SIZE]; /* of its account; "": none */
    char wanted[PLUGIN_SERIAL_SIZE];    /* as asked; "": a direct port's device */
    /* Refused because the line is taken: by whom, and for how long already. */
    char holder[SESSION_NAME_SIZE]; /* "": an agent without an account */
    uint64_t holder_ms;
};

/* An agent's connection was accepted; it is the way's, in greeting: the way sets agent.ops. NULL:
 * out of memory; logged, counted and closed. */
struct session *session_accept(struct shard *shard, uint32_t slot, const struct address *peer,
                               const struct session_way *way, void *visitor);

/* The agent may have the device: finds its link, in whatever shard, and joins it, or refuses it.
 * The caller has set wait_ms, priority, agent_name, wanted. */
void session_ask(struct session *session, struct device *device);

/* Bytes that came after the request: the device gets them first. Before session_ask. */
enum status session_read_ahead(struct session *session, const uint8_t *data,
                               size_t size) MUST_CHECK;

/* In greeting: it gets no device. session->device may be set, for log and event. */
void session_refuse(struct session *session, enum close_reason reason);

/* Joined: the way talks to the agent while the device waits: its receive is stopped, agent.ops is
 * the way's. session_resume gives the agent back to the device. */
void session_hold(struct session *session, const struct stream_ops *ops);
void session_resume(struct session *session);

/* The link is about to close: the agent gets what is left, then FIN. */
void session_device_gone(struct session *session);

/* Ends a joined session, the link goes on, with the next agent that waits. */
void session_end(struct session *session, enum close_reason reason);

/* An agent's connection that never became a session was closed: logged once, counted. device may be
 * NULL. */
void agent_refused(struct shard *shard, const struct address *peer, const struct device *device,
                   enum close_reason reason);
/* The same, and closes it. */
void agent_refuse(struct shard *shard, uint32_t slot, const struct address *peer,
                  const struct device *device, enum close_reason reason);

/* Ends it, in whatever state it is: also a connection that its way would keep. */
void session_drop(struct session *session, enum close_reason reason);
/* Ends all sessions of the shard, for the stop of the server. */
void sessions_stop(struct shard *shard);
/* Drops the connections of agents that still drain. */
void sessions_drop(struct shard *shard);

#endif
