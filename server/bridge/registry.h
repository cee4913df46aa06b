/* All sessions of the server, in whatever shard: to list them, and to end one by its number. A
 * session is in it from the moment in which it asked for a device until it is refused or over.
 * Thread-safe; its lock is held for moments only. */
#ifndef CENCD_BRIDGE_REGISTRY_H
#define CENCD_BRIDGE_REGISTRY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/address.h"
#include "server/base/list.h"
#include "server/base/status.h"

struct device;
struct server;
struct session;
struct session_registry;

#define SESSION_NAME_SIZE 96 /* of agents, with NUL: as in the directory */

/* Whom a line is given to first. */
enum session_priority { SESSION_PERSON, SESSION_COLLECTION, SESSION_PRIORITIES };

/* A session as others see it. */
struct session_facts {
    uint64_t id;
    const struct device *device;
    struct address peer;
    char agent_name[SESSION_NAME_SIZE]; /* "": none */
    uint8_t path;                       /* enum session_path */
    uint8_t priority;                   /* enum session_priority */
    uint8_t state;                      /* enum session_state: routing, waiting or joined */
    uint64_t asked_utc_ms;
    uint64_t started_utc_ms; /* joined; 0: not yet */
    uint64_t moved_utc_ms;   /* the last byte, either way */
    uint64_t bytes_to_agent;
    uint64_t bytes_to_device;
};

/* Inside a session. */
struct session_entry {
    struct list node; /* the registry's, as all of this but the counters */
    struct session_facts facts;
    uint64_t asked_ms; /* of the reactor's clock */
    uint32_t shard;
    _Atomic bool kill;
    /* written by the session's shard */
    _Atomic uint64_t bytes_to_agent;
    _Atomic uint64_t bytes_to_device;
    _Atomic uint64_t moved_ms; /* of the reactor's clock */
};

enum status session_registry_create(struct session_registry **registry) MUST_CHECK;
void session_registry_free(struct session_registry *registry);

/* In the session's shard. */
void session_registry_add(struct session *session);
void session_registry_update(struct session *session); /* shard or state are other ones */
void session_registry_remove(struct session *session); /* harmless if it isn't in */

/* Any thread. Copies up to capacity sessions with numbers greater than `after`, in order; returns
 * how many. */
size_t sessions_list(struct server *server, uint64_t after, struct session_facts *facts,
                     size_t capacity);

/* Any thread: ends the session, or refuses it if it still waits. STATUS_NOT_FOUND: there is none;
 * STATUS_NO_MEMORY; otherwise it ends soon. */
enum status session_kill(struct server *server, uint64_t id) MUST_CHECK;

#endif
