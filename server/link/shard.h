/* What links, sessions and agents of one shard share, and what all shards share. A shard is one
 * thread with one reactor; in the simulation several take turns in one thread. */
#ifndef CENCD_LINK_SHARD_H
#define CENCD_LINK_SHARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "server/directory/directory.h"
#include "server/link/door.h"
#include "server/link/failed.h"
#include "server/link/pool.h"
#include "server/link/reason.h"
#include "server/link/sources.h"
#include "server/link/unparsed.h"
#include "server/link/untold.h"
#include "server/reactor/reactor.h"

struct server;
struct session;
struct session_registry;
struct channel_lines;
struct channel_line_counters;
struct journal;
struct durable;
struct admin_numbers;
struct editor;
struct login_desk;
struct tls_context;
struct ways;
struct journal_counters;
struct keeper_counters;
struct redis_counters;
struct northbound;
struct listening_table;
struct listening_part;

/* Counters of one shard and one listener: written by the shard, read by anyone. */
struct listener_counters {
    _Atomic uint64_t accepted;
    _Atomic uint64_t identified;
    _Atomic uint64_t failed;
    _Atomic uint64_t bytes_received;
    _Atomic uint64_t pushes; /* of all kinds */
    _Atomic uint64_t last_gasps;
    _Atomic uint64_t greeting; /* links in this state, now */
    _Atomic uint64_t idle;
    _Atomic uint64_t in_session;
};

struct shard_counters {
    _Atomic uint64_t closed[CLOSE_REASON_COUNT]; /* links and agents' connections */
    _Atomic uint64_t sessions_started;
    _Atomic uint64_t sessions; /* agents' connections in the shard, now */
    _Atomic uint64_t waited;   /* times that a session had to wait for another's end */
    _Atomic uint64_t kept;     /* times that an agent's connection went on after a session */
    _Atomic uint64_t bytes_to_agents;
    _Atomic uint64_t bytes_to_devices;
    _Atomic uint64_t keepalives;
    _Atomic uint64_t malformed;              /* bytes that break a device's framing: times */
    _Atomic uint64_t unclaimed_bytes;        /* sent by devices while nobody read */
    _Atomic uint64_t unparsed_skipped_bytes; /* of them, in no event for want of time or room */
    _Atomic uint64_t held;                   /* newcomers that waited for an older link */
    _Atomic uint64_t other_network;          /* replacements from another network */
    _Atomic uint64_t idle_bytes;             /* received from devices outside sessions */
    _Atomic uint64_t events_lost;            /* for want of memory */
    _Atomic uint64_t unknown_gasps;   /* last gasps of serials that the directory doesn't know */
    _Atomic uint64_t pushes_refused;  /* not recorded, so never acknowledged */
    _Atomic uint64_t datagram_pauses; /* times the journal was behind, and datagrams had to wait */
    struct listener_counters *listeners;
};

/* One shard's part of a configured listener. */
struct device_listener {
    struct listener listener;
    struct accept_operation accepts[LISTENER_MAX_DEPTH];
    struct shard *shard;
    uint32_t index; /* in the configuration */
};

struct shard {
    struct server *server;
    struct reactor *reactor;
    uint32_t index;
    struct link_pool links;
    struct device_listener *listeners;
    struct listening_part *listening;    /* of all listeners, also those of section agents */
    uint32_t listening_seen;             /* the last change of them */
    uint32_t early_count;                /* of early_pushes */
    struct datagram_listener *datagrams; /* those that this shard serves */
    uint32_t datagram_count;
    bool datagrams_paused;        /* since the journal is behind */
    bool datagrams_pause_told;    /* in the log */
    uint64_t datagrams_paused_ms; /* since when */
    struct timer datagram_review; /* while they are paused */
    struct list waiting_pushes;   /* struct pending_event: taken, without room in the journal */
    struct list early_pushes;     /* early_pushes.h: they wait for their device's own record */
    struct timer early_look;
    size_t early_bytes;
    struct untold untold;     /* untold.h */
    struct unparsed unparsed; /* unparsed.h */
    uint32_t push_lines;      /* logged within push_lines_second */
    uint64_t push_lines_second;
    struct timer tick; /* every second: limits, resumption of accepts */
    struct direct_ports *direct_ports;
    struct ways *ways;         /* listeners for agents */
    struct login_desk *logins; /* who asks for a device by account and password */
    struct list challenges;    /* of newcomers that wait for a link of this shard */
    struct list sessions;      /* all of this shard, also those that drain */
    bool stopping;
    uint64_t stop_at_ms; /* when draining agents are dropped */
    struct shard_counters counters;
};

/* Called up from links to whoever serves agents; set before the shards start. */
struct server_hooks {
    /* The device got a (new) newest link, or lost its last one. epoch orders the two. */
    void (*device_online)(struct shard *shard, struct device *device, uint16_t port,
                          uint32_t epoch);
    void (*device_offline)(struct shard *shard, struct device *device, uint16_t port,
                           uint32_t epoch);
};

struct server {
    const struct config *config;
    struct directory *directory;
    struct durable *durable; /* NULL: nothing outlasts the process */
    struct journal *journal; /* NULL: nothing is recorded */
    struct editor *editor;   /* NULL: nothing of projects and accounts is kept, none are there */
    /* For whoever shows numbers: valid while links are served, NULL if there is no such thing. */
    const struct journal_counters *journal_counters;
    const struct keeper_counters *keeper_counters;
    const struct redis_counters *redis_counters;
    const struct northbound *northbound;
    const struct channel_line_counters *channel_line_counters;
    const struct admin_numbers *admin; /* by HTTPS */
    struct failed_log *failed;
    struct sources *sources; /* unidentified links by source address */
    struct session_registry *registry;
    struct channel_lines *channel_lines; /* of exclusive channels */
    struct server_hooks hooks;
    struct shard **shards; /* shard_count of them; entries are set before any shard runs */
    uint32_t shard_count;
    uint32_t agent_places; /* that each shard keeps for agents, who must be where their device is */
    struct listening_table *listening; /* sockets of all listeners, and which of them run */
    struct tls_context **way_tls;      /* NULL: clear text */
    struct door_certificates certificates;
    struct sources *visitor_sources; /* agents that have not logged in, by source address */
    _Atomic uint64_t next_link_id;
    _Atomic uint64_t next_session_id;
    _Atomic uint64_t links; /* now, all states */
    _Atomic uint64_t unidentified;
    _Atomic uint64_t sessions;
    _Atomic uint64_t visitors; /* agents' connections without a session (yet) */
    _Atomic uint64_t messages; /* between shards, posted and not delivered */
    _Atomic uint64_t *listener_links;
    uint64_t started_utc_ms;
    _Atomic uint32_t shards_stopping; /* that have begun to; from then on they make nothing new */
    _Atomic bool ready;               /* all shards were started */
    _Atomic bool stopping;            /* a stop is under way */
};

static inline void count_up(_Atomic uint64_t *counter, uint64_t by)
{
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + by, memory_order_relaxed);
}

static inline void count_down(_Atomic uint64_t *counter)
{
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value - 1, memory_order_relaxed);
}

static inline struct shard *shard_of(const struct reactor *reactor)
{
    return reactor_owner(reactor);
}

#endif
