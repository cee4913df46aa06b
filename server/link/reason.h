/* Why something was closed: layer and cause. Every close of a link or of an agent's connection
 * names one; it is logged once, counted, and later put into the event. */
#ifndef CENCD_LINK_REASON_H
#define CENCD_LINK_REASON_H

/* X(constant, layer, cause, what it means, for docs and help) */
#define CLOSE_REASONS(X)                                                                           \
    X(PEER_CLOSED, "peer", "closed", "the device closed the connection")                           \
    X(PEER_RESET, "peer", "reset", "the device's side reset the connection")                       \
    X(PEER_TIMEOUT, "peer", "timeout", "keepalive or user timeout: the device doesn't answer")     \
    X(PEER_ERROR, "peer", "error", "the network reported another error")                           \
    X(GREETING_CLOSED, "greeting", "closed", "closed by the peer before it was identified")        \
    X(GREETING_TIMEOUT, "greeting", "timeout", "not identified within greeting_timeout_s")         \
    X(GREETING_TOO_LONG, "greeting", "too_long", "not identified within greeting_max_bytes")       \
    X(GREETING_UNKNOWN, "greeting", "unknown", "no plugin of the listener knows these bytes")      \
    X(PUSH_DONE, "push", "done", "the device pushed what it had to say, and no more")              \
    X(LINK_IDLE, "link", "idle_timeout", "no byte within idle_timeout_s")                          \
    X(LINK_REPLACED, "link", "replaced", "the same device dialled in anew")                        \
    X(LINK_OLDER_ALIVE, "link", "older_alive", "the device's older link proved alive")             \
    X(LINK_OVERTAKEN, "link", "overtaken", "while it was held, a still newer link came")           \
    X(LINK_HOLD_TIMEOUT, "link", "hold_timeout", "waited too long for the older link's end")       \
    X(LIMIT_LINKS, "limit", "links", "limits.links reached")                                       \
    X(LIMIT_LISTENER, "limit", "listener", "the listener's max_links reached")                     \
    X(LIMIT_UNIDENTIFIED, "limit", "unidentified", "limits.unidentified reached")                  \
    X(LIMIT_SOURCE, "limit", "source", "limits.unidentified_per_source reached")                   \
    X(LIMIT_DEVICES, "limit", "devices", "limits.devices reached")                                 \
    X(LIMIT_SESSIONS, "limit", "sessions", "limits.sessions reached")                              \
    X(LIMIT_VISITORS, "limit", "visitors", "agents.connections reached")                           \
    X(LIMIT_VISITOR_SOURCE, "limit", "visitor_source",                                             \
      "agents.unauthenticated_per_source reached")                                                 \
    X(LIMIT_MEMORY, "limit", "memory", "out of memory")                                            \
    X(AGENT_CLOSED, "agent", "closed", "the agent closed the connection")                          \
    X(AGENT_RESET, "agent", "reset", "the agent's side reset the connection")                      \
    X(AGENT_TIMEOUT, "agent", "timeout", "the agent's side doesn't answer")                        \
    X(AGENT_ERROR, "agent", "error", "the network reported another error")                         \
    X(AGENT_MALFORMED, "agent", "malformed", "what came is not the listener's protocol")           \
    X(AGENT_TOO_LONG, "agent", "too_long", "no request within agents.greeting_max_bytes")          \
    X(AGENT_SILENT, "agent", "silent", "no request within agents.greeting_timeout_s")              \
    X(AGENT_LOGIN, "agent", "login", "wrong name or password, or an account that can't be used")   \
    X(AGENT_NO_ACCOUNT, "agent", "no_account", "no account for the address, and none may pass")    \
    X(AGENT_SESSIONS, "agent", "sessions", "the account has its limit of sessions")                \
    X(AGENT_HUNG_UP, "agent", "hung_up", "the agent's software hung up its virtual modem")         \
    X(SESSION_IDLE, "session", "idle_timeout",                                                     \
      "no byte either way within sessions.idle_timeout_s")                                         \
    X(SESSION_BUSY, "session", "busy", "another session holds the device, or its channel")         \
    X(SESSION_OFFLINE, "session", "offline", "the device is not connected")                        \
    X(SESSION_REFUSED, "session", "refused", "the agent's address is not allowed")                 \
    X(SESSION_NOT_GRANTED, "session", "not_granted", "the agent may not reach this device")        \
    X(SESSION_NOT_APPROVED, "session", "not_approved", "no operator has approved this device yet") \
    X(SESSION_UNKNOWN, "session", "unknown", "no device of this serial, or one in several scopes") \
    X(SESSION_NO_SERIAL, "session", "no_serial", "an IP address or no serial was asked for")       \
    X(SESSION_WAIT_TIMEOUT, "session", "wait_timeout", "waited as long as it may for the device")  \
    X(SESSION_QUEUE_FULL, "session", "queue_full", "sessions.max_waiting wait for it already")     \
    X(SESSION_STILL, "session", "still", "moved no byte for yield_after_s, and another waits")     \
    X(SESSION_TOO_LONG, "session", "max_length", "sessions.max_length_s reached")                  \
    X(SESSION_KILLED, "session", "killed", "ended by an operator")                                 \
    X(SESSION_DEVICE_GONE, "session", "device_gone", "the device's link ended")                    \
    X(SESSION_YIELDED, "session", "yielded", "half-closed, and another agent came")                \
    X(SESSION_UNRECORDED, "session", "unrecorded", "the disk takes no events (sessions_need_it)")  \
    X(LIMIT_CONSUMERS, "limit", "consumers", "northbound.max_connections reached")                 \
    X(CONSUMER_CLOSED, "consumer", "closed", "the consumer closed the connection")                 \
    X(CONSUMER_RESET, "consumer", "reset", "the consumer's side reset the connection")             \
    X(CONSUMER_TIMEOUT, "consumer", "timeout", "the consumer's side doesn't answer")               \
    X(CONSUMER_ERROR, "consumer", "error", "the network reported another error")                   \
    X(CONSUMER_TLS, "consumer", "tls", "the TLS handshake failed, or TLS broke")                   \
    X(CONSUMER_PROTOCOL, "consumer", "protocol", "it doesn't speak HTTP/2")                        \
    X(CONSUMER_PINGS, "consumer", "pings", "it asked too often whether the server is there")       \
    X(CONSUMER_IDLE, "consumer", "idle", "it had no call for five minutes")                        \
    X(LISTENER_STOPPED, "listener", "stopped", "an operator stopped the listener and its links")   \
    X(LIMIT_ADMIN, "limit", "admin", "admin.max_connections reached")                              \
    X(LIMIT_ADMIN_SOURCE, "limit", "admin_source", "admin.max_connections_per_source reached")     \
    X(ADMIN_CLOSED, "admin", "closed", "the operator's side closed the connection")                \
    X(ADMIN_RESET, "admin", "reset", "the operator's side reset the connection")                   \
    X(ADMIN_TIMEOUT, "admin", "timeout", "the operator's side doesn't answer")                     \
    X(ADMIN_ERROR, "admin", "error", "the network reported another error")                         \
    X(ADMIN_TLS, "admin", "tls", "the TLS handshake failed, or TLS broke")                         \
    X(ADMIN_HANDSHAKE, "admin", "handshake", "no TLS within admin.handshake_timeout_s")            \
    X(ADMIN_SLOW, "admin", "slow", "a request with its answer took longer than it may")            \
    X(ADMIN_IDLE, "admin", "idle", "no request within admin.idle_timeout_s")                       \
    X(ADMIN_DONE, "admin", "done", "the last answer was sent")                                     \
    X(SERVER_STOPPING, "server", "stopping", "the server stops")                                   \
    X(SERVER_JOURNAL, "server", "journal", "a new device could not be recorded")                   \
    X(SERVER_ERROR, "server", "error", "an operation of the server failed")

enum close_reason {
#define X(constant, layer, cause, meaning) CLOSE_##constant,
    CLOSE_REASONS(X)
#undef X
        CLOSE_REASON_COUNT
};

const char *close_layer(enum close_reason reason);
const char *close_cause(enum close_reason reason);
const char *close_meaning(enum close_reason reason);

/* For a failed receive or send on a device's (agent's) connection: error 0 or a negative errno. */
enum close_reason close_reason_of_device(int error);
enum close_reason close_reason_of_agent(int error);

#endif
