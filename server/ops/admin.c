#include "server/ops/admin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/base/log.h"
#include "server/ops/admin_request.h"

#define MAX_CONNECTIONS      16u
#define CONNECTION_TIMEOUT_S 30u
#define CONNECTION_MEMORY    16384u
#define BODY_MAX             65536u

static const struct log_context module = {.module = "admin"};

struct admin {
    struct server *server;
    struct MHD_Daemon *daemon;
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/* What is kept between the calls for one request. */
struct incoming {
    char *body;
    size_t size;
    bool too_large;
};

static const struct {
    const char *name;
    void (*handle)(struct admin_request *request);
} resources[] = {
    {"projects", admin_projects}, {"groups", admin_groups},     {"agents", admin_agents},
    {"bindings", admin_bindings}, {"devices", admin_devices},   {"listeners", admin_listeners},
    {"links", admin_links},       {"sessions", admin_sessions}, {"consumers", admin_consumers},
};

/* ---- who asks ---- */

static bool may(struct MHD_Connection *connection, struct edit_actor *actor)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct ucred peer;
    socklen_t size = sizeof(peer);

    if (info == NULL || getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
        return false;
    (void)snprintf(actor->name, sizeof(actor->name), "uid:%u", peer.uid);
    (void)snprintf(actor->via, sizeof(actor->via), "cli");
    return peer.uid == 0 || peer.uid == geteuid();
}

/* ---- the request ---- */

static bool read_method(const char *method, enum admin_method *which)
{
    static const char *const names[] = {"GET", "POST", "PATCH", "PUT", "DELETE"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(method, names[i]) == 0) {
            *which = (enum admin_method)i;
            return true;
        }
    }
    return false;
}

/* False: there is no such path. */
static bool read_path(const char *path, struct admin_request *request)
{
    if (strncmp(path, "/v1/", 4) != 0)
        return false;
    path += 4;
    while (*path != '\0') {
        size_t size = strcspn(path, "/");
        char *part = request->parts[request->part_count];
        if (request->part_count == ADMIN_PARTS || size >= ADMIN_PART_SIZE)
            return false;
        memcpy(part, path, size);
        part[size] = '\0';
        /* a NUL in the midst would hide what is behind it */
        if (strstr(part, "%00") != NULL)
            return false;
        (void)MHD_http_unescape(part);
        request->part_count++;
        path += size;
        if (*path == '/')
            path++;
    }
    return request->part_count > 0;
}

/* If-Match: "7-12"; a star is any. False: it is neither. */
static bool read_revision(struct admin_request *request)
{
    const char *given =
        MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_IF_MATCH);
    char *end = NULL;

    if (given == NULL || strcmp(given, "*") == 0)
        return true;
    if (given[0] != '"' || given[1] < '0' || given[1] > '9')
        return false;
    errno = 0;
    request->if_id = (uint32_t)strtoul(given + 1, &end, 10);
    if (errno != 0 || end[0] != '-' || end[1] < '0' || end[1] > '9')
        return false;
    request->if_revision = strtoull(end + 1, &end, 10);
    return errno == 0 && strcmp(end, "\"") == 0 && request->if_revision != 0;
}

static bool read_body(struct admin_request *request, const struct incoming *incoming,
                      json_t **parsed)
{
    json_error_t error;

    if (incoming->too_large) {
        admin_refuse(request, MHD_HTTP_CONTENT_TOO_LARGE, "too_large",
                     "a body has at most %u bytes", BODY_MAX);
        return false;
    }
    if (incoming->size == 0)
        return true;
    *parsed = json_loadb(incoming->body, incoming->size, JSON_REJECT_DUPLICATES, &error);
    if (*parsed == NULL || !json_is_object(*parsed)) {
        admin_refuse(request, MHD_HTTP_BAD_REQUEST, "invalid", "the body is no JSON object%s%s",
                     *parsed == NULL ? ": " : "", *parsed == NULL ? error.text : "");
        return false;
    }
    request->body = *parsed;
    return true;
}

static void find_resource(struct admin_request *request)
{
    for (size_t i = 0; i < sizeof(resources) / sizeof(resources[0]); i++) {
        if (strcmp(request->parts[0], resources[i].name) == 0) {
            resources[i].handle(request);
            return;
        }
    }
    admin_refuse(request, MHD_HTTP_NOT_FOUND, "not_found", "there is no such resource");
}

static void handle(struct admin_request *request, const char *path, const char *method,
                   const struct incoming *incoming)
{
    json_t *body = NULL;

    if (!may(request->connection, &request->actor))
        admin_refuse(request, MHD_HTTP_FORBIDDEN, "forbidden",
                     "only root and the server's own user may ask");
    else if (!read_path(path, request))
        admin_refuse(request, MHD_HTTP_NOT_FOUND, "not_found", "there is no such resource");
    else if (!read_method(method, &request->method))
        admin_refuse(request, MHD_HTTP_METHOD_NOT_ALLOWED, "method", "there is no such method");
    else if (!read_revision(request))
        admin_refuse(request, MHD_HTTP_BAD_REQUEST, "invalid",
                     "If-Match is no ETag that was given");
    else if (read_body(request, incoming, &body))
        find_resource(request);
    json_decref(body);
}

/* ---- the answer ---- */

static enum MHD_Result send_answer(struct admin_request *request)
{
    char *text = NULL;
    char etag[48];

    if (request->answer != NULL) {
        text = json_dumps(request->answer, JSON_COMPACT);
        json_decref(request->answer);
        if (text == NULL)
            return MHD_NO;
    }
    struct MHD_Response *response = MHD_create_response_from_buffer(text != NULL ? strlen(text) : 0,
                                                                    text, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(text);
        return MHD_NO;
    }
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (text != NULL)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    if (request->revision != 0) {
        (void)snprintf(etag, sizeof(etag), "\"%u-%llu\"", request->id,
                       (unsigned long long)request->revision);
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, etag);
    }
    enum MHD_Result good = MHD_queue_response(request->connection, request->status, response);
    MHD_destroy_response(response);
    return good;
}

static bool keep_body(struct incoming *incoming, const char *data, size_t size)
{
    if (incoming->too_large || incoming->size + size > BODY_MAX) {
        incoming->too_large = true; /* read on, to be able to say so */
        return true;
    }
    char *body = realloc(incoming->body, incoming->size + size);
    if (body == NULL)
        return false;
    memcpy(body + incoming->size, data, size);
    incoming->body = body;
    incoming->size += size;
    return true;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection,
                                  const char *path, const char *method, const char *version,
                                  const char *data, size_t *size, void **kept)
{
    struct admin *admin = context;
    struct incoming *incoming = *kept;

    (void)version;
    if (incoming == NULL) {
        *kept = calloc(1, sizeof(*incoming));
        return *kept != NULL ? MHD_YES : MHD_NO;
    }
    if (*size > 0) {
        bool good = keep_body(incoming, data, *size);
        *size = 0;
        return good ? MHD_YES : MHD_NO;
    }
    struct admin_request request = {
        .server = admin->server, .connection = connection, .status = MHD_HTTP_OK};
    handle(&request, path, method, incoming);
    return send_answer(&request);
}

static void on_end(void *context, struct MHD_Connection *connection, void **kept,
                   enum MHD_RequestTerminationCode code)
{
    struct incoming *incoming = *kept;

    (void)context;
    (void)connection;
    (void)code;
    if (incoming == NULL)
        return;
    if (incoming->body != NULL)
        explicit_bzero(incoming->body, incoming->size); /* a password may be in it */
    free(incoming->body);
    free(incoming);
    *kept = NULL;
}

/* Parts of the path are taken apart before they are decoded; arguments are decoded when looked
 * at. */
static size_t leave_as_it_is(void *context, struct MHD_Connection *connection, char *text)
{
    (void)context;
    (void)connection;
    return strlen(text);
}

/* ---- the daemon ---- */

static enum status explain(struct kernel_error *error, const char *path, int number)
{
    error->error = number;
    (void)snprintf(error->text, sizeof(error->text), "can't serve the admin API on %.120s: %s",
                   path, strerrordesc_np(number));
    return STATUS_SYSTEM;
}

/* The state folder is this server's alone (its lock says so): a socket there is a former one's. */
static int open_socket(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int socket_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (socket_fd < 0)
        return -errno;
    (void)snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
    (void)unlink(path);
    if (bind(socket_fd, (const struct sockaddr *)&name, sizeof(name)) != 0 ||
        chmod(path, 0600) != 0 || listen(socket_fd, (int)MAX_CONNECTIONS) != 0) {
        int number = errno;
        (void)close(socket_fd);
        return -number;
    }
    return socket_fd;
}

enum status admin_start(struct server *server, struct admin **started, struct kernel_error *error)
{
    const char *folder = server->config->server.state_dir;
    struct admin *admin = calloc(1, sizeof(*admin));

    if (admin == NULL)
        return explain(error, folder, ENOMEM);
    admin->server = server;
    int size = snprintf(admin->path, sizeof(admin->path), "%s/" ADMIN_SOCKET, folder);
    int socket_fd = (size_t)size < sizeof(admin->path) ? open_socket(admin->path) : -ENAMETOOLONG;
    if (socket_fd < 0) {
        free(admin);
        return explain(error, folder, -socket_fd);
    }
    admin->daemon = MHD_start_daemon(
        MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_THREAD_PER_CONNECTION, 0, NULL, NULL, on_request,
        admin, MHD_OPTION_LISTEN_SOCKET, socket_fd, MHD_OPTION_CONNECTION_LIMIT, MAX_CONNECTIONS,
        MHD_OPTION_CONNECTION_TIMEOUT, CONNECTION_TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_MEMORY, MHD_OPTION_NOTIFY_COMPLETED, on_end, NULL,
        MHD_OPTION_UNESCAPE_CALLBACK, leave_as_it_is, NULL, MHD_OPTION_END);
    if (admin->daemon == NULL) {
        (void)close(socket_fd);
        free(admin);
        return explain(error, folder, ENOMEM);
    }
    log_line(LOG_INFO, &module, "serving the admin API", "socket=%s", admin->path);
    *started = admin;
    return STATUS_OK;
}

void admin_stop(struct admin *admin)
{
    MHD_stop_daemon(admin->daemon); /* closes the socket */
    (void)unlink(admin->path);
    free(admin);
}
