/* Inside the admin API: HTTP requests of a door, the Unix socket's or HTTPS', made into the calls
 * of admin_request.h: who asks, may he, path, body, answer. Each connection has a thread of its
 * own. */
#ifndef CENCD_OPS_ADMIN_HTTP_H
#define CENCD_OPS_ADMIN_HTTP_H

#include "server/ops/admin_refusals.h"
#include "server/ops/admin_request.h"

struct admin_door {
    struct server *server;
    /* Who asks: fills the request's actor and role, both outlast the request's head. False: nobody
     * who may, and that has been answered. Called before a body is read. */
    bool (*who)(const struct admin_door *door, struct admin_request *request);
    /* A connection came, and is gone; NULL: nothing. False: it gets no place, and is shut at once.
     * *kept comes back when it is gone; NULL at first. */
    bool (*comes)(struct admin_door *door, int socket_fd, void **kept);
    void (*gone)(struct admin_door *door, void *kept);
    struct admin_refusals refusals; /* of those who came through it */
};

struct admin_limits {
    unsigned connections;
    unsigned idle_timeout_s;
};

/* Requests of the socket are answered from now on; it is closed by admin_http_stop. listening -1:
 * only what admin_http_add brings. The door lives until admin_http_stop. NULL: no memory, or no
 * threads; the socket stays the caller's. */
struct MHD_Daemon *admin_http_start(struct admin_door *door, int listening,
                                    const struct admin_limits *limits);
void admin_http_stop(struct MHD_Daemon *daemon);

/* Another connection: the socket is the daemon's, which closes it. Any thread. False: no memory, or
 * too many; it is closed then, too. */
bool admin_http_add(struct MHD_Daemon *daemon, int socket_fd, const struct address *peer);
/* Whom the connection was added for. */
struct address admin_http_peer(struct MHD_Connection *connection);

#endif
