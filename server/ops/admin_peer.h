/* Who is at the admin API's Unix socket, by the kernel's word: root and the server's own user are
 * admins, others have the role that the configuration gives to them or to a group of theirs. What
 * groups somebody is in is what they were when his process began. Any thread. */
#ifndef CENCD_OPS_ADMIN_PEER_H
#define CENCD_OPS_ADMIN_PEER_H

#include "config/config.h"
#include "server/base/status.h"
#include "server/directory/edit.h"
#include "server/directory/role.h"

struct admin_peers;

/* Names become numbers now. STATUS_NOT_FOUND: there is no such user or group, *unknown says which;
 * STATUS_NO_MEMORY. */
enum status admin_peers_create(const struct config *config, struct admin_peers **peers,
                               const char **unknown) MUST_CHECK;
void admin_peers_free(struct admin_peers *peers); /* NULL: nothing */

/* The role of whoever is connected to the socket, and who it is, for the events. */
enum role admin_peer_role(const struct admin_peers *peers, int socket_fd, struct edit_actor *actor);

#endif
