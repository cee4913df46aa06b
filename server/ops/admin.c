#include "server/ops/admin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/base/check.h"
#include "server/base/list.h"
#include "server/base/log.h"
#include "server/base/unix_socket.h"
#include "server/ops/admin_http.h"
#include "server/ops/admin_https.h"
#include "server/ops/admin_peer.h"
#include "server/ops/admin_places.h"

#define MAX_CONNECTIONS      (2 * ADMIN_PLACES) /* some are being shut */
#define CONNECTION_TIMEOUT_S 30u

static const struct log_context module = {.module = "admin"};

struct admin {
    struct admin_door door;
    struct admin_peers *peers;
    struct admin_places places;
    struct MHD_Daemon *daemon;
    struct admin_https *https; /* NULL: off */
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/* ---- who asks ---- */

static bool who(const struct admin_door *door, struct admin_request *request)
{
    const struct admin *admin = container_of(door, const struct admin, door);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);

    if (info != NULL)
        request->role = admin_peer_role(admin->peers, info->connect_fd, &request->actor);
    if (request->role != ROLE_NONE)
        return true;
    admin_refuse(request, MHD_HTTP_FORBIDDEN, "forbidden",
                 "only root, the server's own user and those of admin.unix_roles may ask");
    return false;
}

/* ---- connections ---- */

/* What a connection keeps: a pointer to its role. */
static const enum role roles[ROLE_COUNT] = {ROLE_NONE, ROLE_VIEWER, ROLE_OPERATOR, ROLE_ADMIN};

static bool comes(struct admin_door *door, int socket_fd, void **kept)
{
    struct admin *admin = container_of(door, struct admin, door);
    struct edit_actor actor = {0};
    enum role role = admin_peer_role(admin->peers, socket_fd, &actor);

    if (!admin_places_take(&admin->places, role))
        return false;
    *kept = (void *)&roles[role];
    return true;
}

static void gone(struct admin_door *door, void *kept)
{
    struct admin *admin = container_of(door, struct admin, door);

    if (kept != NULL)
        admin_places_leave(&admin->places, *(const enum role *)kept);
}

/* ---- the socket ---- */

static enum status explain(struct kernel_error *error, const char *path, int number)
{
    error->error = number;
    (void)snprintf(error->text, sizeof(error->text), "can't serve the admin API on %.120s: %s",
                   path, strerrordesc_np(number));
    return STATUS_SYSTEM;
}

/* ---- start and stop ---- */

static bool set_path(struct admin *admin, const struct config *config)
{
    bool own = config->admin.socket[0] != '\0';
    int size = snprintf(admin->path, sizeof(admin->path), "%s%s",
                        own ? config->admin.socket : config->server.state_dir,
                        own ? "" : "/" ADMIN_SOCKET);

    return (size_t)size < sizeof(admin->path);
}

static enum status open_unix(struct admin *admin, struct kernel_error *error)
{
    const struct config *config = admin->door.server->config;
    const struct admin_limits limits = {MAX_CONNECTIONS, CONNECTION_TIMEOUT_S};
    bool shared = config->admin.unix_role_count > 0;
    const char *unknown = NULL;

    if (!set_path(admin, config))
        return explain(error, admin->path, ENAMETOOLONG);
    enum status status = admin_peers_create(config, &admin->peers, &unknown);
    if (status == STATUS_NOT_FOUND)
        (void)snprintf(error->text, sizeof(error->text),
                       "admin.unix_roles: this machine knows no user or group %s", unknown);
    if (status != STATUS_OK)
        return status == STATUS_NOT_FOUND ? status : explain(error, admin->path, ENOMEM);
    /* where roles are given out everybody may open it: who asks is looked at, not who opens */
    int socket_fd =
        unix_socket_listen(admin->path, shared ? 0666 : 0600, (int)MAX_CONNECTIONS, SOCK_NONBLOCK);
    if (socket_fd < 0)
        return explain(error, admin->path, -socket_fd);
    admin->daemon = admin_http_start(&admin->door, socket_fd, &limits);
    if (admin->daemon != NULL)
        return STATUS_OK;
    (void)close(socket_fd);
    return explain(error, admin->path, ENOMEM);
}

enum status admin_start(struct server *server, struct admin **started, struct kernel_error *error)
{
    struct admin *admin = calloc(1, sizeof(*admin));

    if (admin == NULL)
        return explain(error, server->config->server.state_dir, ENOMEM);
    admin->door.server = server;
    admin->door.who = who;
    admin->door.comes = comes;
    admin->door.gone = gone;
    admin_refusals_init(&admin->door.refusals);
    enum status status = open_unix(admin, error);
    if (status != STATUS_OK) {
        admin_refusals_destroy(&admin->door.refusals);
        admin_peers_free(admin->peers);
        free(admin);
        return status;
    }
    log_line(LOG_INFO, &module, "serving the admin API", "socket=%s", admin->path);
    if (server->config->admin.https)
        status = admin_https_start(server, &admin->https, error);
    if (status != STATUS_OK) {
        admin_stop(admin);
        return status;
    }
    if (admin->https != NULL)
        server->admin = admin_https_numbers(admin->https);
    *started = admin;
    return STATUS_OK;
}

void admin_stop(struct admin *admin)
{
    admin->door.server->admin = NULL;
    if (admin->https != NULL)
        admin_https_stop(admin->https);
    admin_http_stop(admin->daemon);
    (void)unlink(admin->path);
    admin_refusals_destroy(&admin->door.refusals);
    admin_peers_free(admin->peers);
    free(admin);
}
