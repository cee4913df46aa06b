/* Connections of the admin API by HTTPS: TLS ends here, and what comes out of it goes through a
 * pair of sockets to the HTTP server, which has a thread for each connection that asks something.
 *
 *   accepted -> TLS -> the first byte of a request -> joined to HTTP -> ... -> closed, with a
 * reason
 *
 * Bounded: connections in all and of one address, the time that TLS, a request with its answer, and
 * silence may take, the bytes that wait on either side. When all places are taken, the oldest
 * connection that has shown no good token makes room. All in the reactor's thread. */
#ifndef CENCD_OPS_ADMIN_BRIDGE_H
#define CENCD_OPS_ADMIN_BRIDGE_H

#include "config/config.h"
#include "server/link/reason.h"
#include "server/link/sources.h"
#include "server/ops/admin_trust.h"
#include "server/reactor/tls.h"

/* A connection that is being closed may still be there when another one has its place. */
#define ADMIN_BRIDGE_PLACES(max_connections) (2 * (max_connections))

/* Read by anyone. */
struct admin_bridge_counters {
    _Atomic uint64_t accepted;
    _Atomic uint64_t connections; /* now */
    _Atomic uint64_t closed[CLOSE_REASON_COUNT];
};

struct admin_bridge {
    const struct config *config;
    struct reactor *reactor;
    struct tls_context *tls;
    /* Takes the other end of a connection's pair of sockets, which it closes. False: it can't. */
    bool (*join)(void *context, int socket_fd, const struct address *peer);
    void *context;
    struct admin_trust *trust;

    struct sources *sources; /* the bridge's own, like the rest */
    struct list connections; /* the oldest first */
    uint32_t held;           /* of these, without those that are being closed */
    struct timer tick;
    bool stopping;
    struct admin_bridge_counters counters;
};

/* The fields above are filled. STATUS_NO_MEMORY. */
enum status admin_bridge_start(struct admin_bridge *bridge) MUST_CHECK;
void admin_bridge_accept(struct admin_bridge *bridge, uint32_t slot, const struct address *peer);
/* Closes all; what comes later is closed, too. */
void admin_bridge_stop(struct admin_bridge *bridge);
bool admin_bridge_quiet(const struct admin_bridge *bridge);
void admin_bridge_free(struct admin_bridge *bridge); /* when it is quiet */

#endif
