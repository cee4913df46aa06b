/* The admin API: JSON over HTTP on a Unix socket, `admin.sock` in the state folder. Whoever may
 * open the socket and is root or the server's own user (by the peer's credentials) may do all;
 * others are answered 403. docs/openapi.yaml describes it.
 *
 * One thread for each connection, a few at a time: an edit waits for the journal, a new password
 * for its hash. No shard waits for any of it. Without server.state_dir there is no such socket. */
#ifndef CENCD_OPS_ADMIN_H
#define CENCD_OPS_ADMIN_H

#include "server/link/shard.h"

#define ADMIN_SOCKET "admin.sock"

struct admin;

/* The shards must exist, and live until admin_stop; server->editor is there. error: one sentence.
 * STATUS_SYSTEM, STATUS_NO_MEMORY. */
enum status admin_start(struct server *server, struct admin **admin,
                        struct kernel_error *error) MUST_CHECK;
void admin_stop(struct admin *admin);

#endif
