#include "server/ops/admin_peer.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ENTRY_BYTES 65536u /* of one user or group, with its members */

_Static_assert(CONFIG_VIEWER + ROLE_VIEWER == ROLE_VIEWER &&
                   CONFIG_OPERATOR + ROLE_VIEWER == ROLE_OPERATOR &&
                   CONFIG_ADMIN + ROLE_VIEWER == ROLE_ADMIN,
               "the configuration has the same roles, in the same order");

struct peer_rule {
    bool is_group;
    uint32_t id;
    enum role role;
};

struct admin_peers {
    size_t count;
    struct peer_rule rules[];
};

/* ---- names ---- */

static bool find_user(const char *name, char *buffer, uint32_t *id)
{
    struct passwd entry;
    struct passwd *found = NULL;

    if (getpwnam_r(name, &entry, buffer, ENTRY_BYTES, &found) != 0 || found == NULL)
        return false;
    *id = found->pw_uid;
    return true;
}

static bool find_group(const char *name, char *buffer, uint32_t *id)
{
    struct group entry;
    struct group *found = NULL;

    if (getgrnam_r(name, &entry, buffer, ENTRY_BYTES, &found) != 0 || found == NULL)
        return false;
    *id = found->gr_gid;
    return true;
}

enum status admin_peers_create(const struct config *config, struct admin_peers **created,
                               const char **unknown)
{
    size_t count = config->admin.unix_role_count;
    struct admin_peers *peers = calloc(1, sizeof(*peers) + count * sizeof(peers->rules[0]));
    char *buffer = malloc(ENTRY_BYTES);
    enum status status = peers != NULL && buffer != NULL ? STATUS_OK : STATUS_NO_MEMORY;

    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        const struct config_unix_role *given = &config->admin.unix_roles[i];
        struct peer_rule *rule = &peers->rules[peers->count++];
        rule->role = (enum role)(ROLE_VIEWER + given->role);
        rule->is_group = given->user[0] == '\0';
        *unknown = rule->is_group ? given->group : given->user;
        bool found = rule->is_group ? find_group(given->group, buffer, &rule->id)
                                    : find_user(given->user, buffer, &rule->id);
        status = found ? STATUS_OK : STATUS_NOT_FOUND;
    }
    free(buffer);
    if (status == STATUS_OK)
        *created = peers;
    else
        free(peers);
    return status;
}

void admin_peers_free(struct admin_peers *peers)
{
    free(peers);
}

/* ---- who is there ---- */

/* The groups of the peer besides its first; to be freed. */
static gid_t *groups_of(int socket_fd, size_t *count)
{
    socklen_t size = 0;

    *count = 0;
    if (getsockopt(socket_fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) == 0 || errno != ERANGE)
        return NULL; /* none, or they can't be told */
    gid_t *groups = malloc(size);
    if (groups != NULL && getsockopt(socket_fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) == 0)
        *count = size / sizeof(groups[0]);
    return groups;
}

static bool is_in(const struct ucred *peer, const gid_t *groups, size_t count, uint32_t id)
{
    for (size_t i = 0; i < count; i++)
        if (groups[i] == id)
            return true;
    return peer->gid == id;
}

static enum role role_of(const struct admin_peers *peers, const struct ucred *peer, int socket_fd)
{
    enum role role = ROLE_NONE;
    size_t count = 0;

    if (peer->uid == 0 || peer->uid == geteuid())
        return ROLE_ADMIN;
    gid_t *groups = peers->count > 0 ? groups_of(socket_fd, &count) : NULL;
    for (size_t i = 0; i < peers->count; i++) {
        const struct peer_rule *rule = &peers->rules[i];
        bool fits = rule->is_group ? is_in(peer, groups, count, rule->id) : peer->uid == rule->id;
        if (fits && rule->role > role)
            role = rule->role;
    }
    free(groups);
    return role;
}

enum role admin_peer_role(const struct admin_peers *peers, int socket_fd, struct edit_actor *actor)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);

    (void)snprintf(actor->via, sizeof(actor->via), "cli");
    if (getsockopt(socket_fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
        return ROLE_NONE;
    (void)snprintf(actor->name, sizeof(actor->name), "uid:%u", peer.uid);
    return role_of(peers, &peer, socket_fd);
}
