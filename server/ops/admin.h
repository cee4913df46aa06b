/* The admin API: JSON over HTTP on a Unix socket, `admin.sock` in the state folder unless the
 * configuration says otherwise. Root and the server's own user (by the peer's credentials) may do
 * all, others what admin.unix_roles gives them, and who has no role is answered 403.
 * docs/openapi.yaml describes it, admin_roles.h says which role each request takes. With
 * admin.https also by HTTPS, for those who have a token (admin_https.h).
 *
 * One thread for each connection, a few at a time: an edit waits for the journal, a new password
 * for its hash. No shard waits for any of it. Without server.state_dir there is no such socket. */
#ifndef CENCD_OPS_ADMIN_H
#define CENCD_OPS_ADMIN_H

#include "server/link/shard.h"

#define ADMIN_SOCKET "admin.sock"

struct admin;

/* The shards must exist, and live until admin_stop; server->editor is there. error: one sentence.
 * STATUS_SYSTEM, STATUS_NOT_FOUND (a user or group that is given a role), and what
 * admin_https_start says. */
enum status admin_start(struct server *server, struct admin **admin,
                        struct kernel_error *error) MUST_CHECK;
void admin_stop(struct admin *admin);

#endif
