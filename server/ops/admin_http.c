#include "server/ops/admin_http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "server/base/check.h"
#include "server/base/log.h"
#include "server/ops/admin_security.h"
#include "server/ops/admin_upload.h"

#define CONNECTION_MEMORY 16384u
#define BODY_MAX          65536u

/* What is kept between the calls for one request. */
struct incoming {
    struct edit_actor actor;
    enum role role;
    char *body;
    size_t size;
    bool too_large;
    bool is_import;              /* its body is another matter */
    struct admin_upload *upload; /* NULL: there is another one, the body is thrown away */
};

static const struct {
    const char *name;
    void (*handle)(struct admin_request *request);
} resources[] = {
    {"projects", admin_projects},   {"groups", admin_groups},     {"agents", admin_agents},
    {"channels", admin_channels},   {"bindings", admin_bindings}, {"devices", admin_devices},
    {"listeners", admin_listeners}, {"links", admin_links},       {"sessions", admin_sessions},
    {"consumers", admin_consumers}, {"tokens", admin_tokens},     {"import", admin_import},
    {"export", admin_export},
};

/* ---- the request ---- */

static bool read_method(const char *method, enum admin_method *which)
{
    for (int i = ADMIN_GET; i < ADMIN_METHODS; i++) {
        if (strcmp(method, admin_method_name((enum admin_method)i)) == 0) {
            *which = (enum admin_method)i;
            return true;
        }
    }
    return false;
}

static bool check_role(struct admin_request *request)
{
    bool listed;
    enum role needed =
        admin_role_needed(request->method, request->parts, request->part_count, &listed);

    if (request->role >= needed)
        return true;
    admin_refuse(request, MHD_HTTP_FORBIDDEN, "forbidden", "this takes the role %s, yours is %s",
                 role_name(needed), role_name(request->role));
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
    if (*parsed == NULL) {
        /* without what it is near to: that may be a password */
        char *near = strstr(error.text, " near ");
        if (near != NULL)
            *near = '\0';
        admin_refuse(request, MHD_HTTP_BAD_REQUEST, "invalid",
                     "the body is no JSON object: line %d, column %d: %s", error.line, error.column,
                     error.text);
        return false;
    }
    if (!json_is_object(*parsed)) {
        admin_refuse(request, MHD_HTTP_BAD_REQUEST, "invalid", "the body is no JSON object");
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

    if (!read_path(path, request))
        admin_refuse(request, MHD_HTTP_NOT_FOUND, "not_found", "there is no such resource");
    else if (!read_method(method, &request->method))
        admin_refuse(request, MHD_HTTP_METHOD_NOT_ALLOWED, "method", "there is no such method");
    else if (!check_role(request))
        return;
    else if (!read_revision(request))
        admin_refuse(request, MHD_HTTP_BAD_REQUEST, "invalid",
                     "If-Match is no ETag that was given");
    else if (read_body(request, incoming, &body))
        find_resource(request);
    json_decref(body);
}

/* ---- who asks for more than he may ---- */

static const char *resource_of(const char *path)
{
    size_t size = strncmp(path, "/v1/", 4) == 0 ? strcspn(path + 4, "/") : 0;

    for (size_t i = 0; i < sizeof(resources) / sizeof(resources[0]); i++)
        if (strlen(resources[i].name) == size && memcmp(path + 4, resources[i].name, size) == 0)
            return resources[i].name;
    return "something else";
}

static const char *method_called(const char *name)
{
    enum admin_method method;

    return read_method(name, &method) ? admin_method_name(method) : "another method";
}

/* Nothing of what was asked is told but its kind: what is in a path may be a secret. */
static void tell_refused(struct admin_door *door, const struct admin_request *request,
                         const char *path, const char *method)
{
    static const struct log_context module = {.module = "admin"};
    struct admin_security security = {.kind = CENC__V1__SECURITY_KIND__SECURITY_KIND_ACTION_REFUSED,
                                      .actor = &request->actor};
    struct timespec now;
    char text[128];

    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    security.count = admin_refusals_count(
        &door->refusals, request->actor.name, method_called(method), resource_of(path),
        (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
    if (security.count == 0)
        return;
    (void)snprintf(text, sizeof(text), "%s %s with the role %s", method_called(method),
                   resource_of(path), role_name(request->role));
    security.text = text;
    log_line(LOG_WARN, &module, "an action was refused",
             "by=%s via=%s method=\"%s\" resource=\"%s\" role=%s count=%llu", request->actor.name,
             request->actor.via, method_called(method), resource_of(path), role_name(request->role),
             (unsigned long long)security.count);
    admin_security_tell(door->server, &security);
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
    struct MHD_Response *response = request->response;
    if (response == NULL)
        response = MHD_create_response_from_buffer(text != NULL ? strlen(text) : 0, text,
                                                   MHD_RESPMEM_MUST_FREE);
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
    if (request->status == MHD_HTTP_UNAUTHORIZED)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
                                      "Bearer realm=\"cencd\"");
    if (request->retry_after_s != 0) {
        (void)snprintf(etag, sizeof(etag), "%u", request->retry_after_s);
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, etag);
    }
    enum MHD_Result good = MHD_queue_response(request->connection, request->status, response);
    MHD_destroy_response(response);
    return good;
}

static bool keep_body(struct incoming *incoming, const char *data, size_t size)
{
    if (incoming->is_import) {
        if (incoming->upload != NULL)
            admin_upload_keep(incoming->upload, data, size);
        return true;
    }
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

/* Who may not ask isn't listened to: an answer to the head closes the connection, and the body
 * isn't read. */
static enum MHD_Result take_head(struct admin_door *door, struct MHD_Connection *connection,
                                 const char *path, const char *method, void **kept)
{
    struct admin_request request = {
        .server = door->server, .connection = connection, .status = MHD_HTTP_OK};
    struct incoming *incoming = calloc(1, sizeof(*incoming));

    *kept = incoming;
    if (incoming == NULL)
        return MHD_NO;
    if (!door->who(door, &request)) {
        if (request.status == MHD_HTTP_FORBIDDEN)
            tell_refused(door, &request, path, method);
        return send_answer(&request);
    }
    incoming->is_import = strcmp(path, "/v1/import") == 0;
    if (incoming->is_import && request.role < ROLE_ADMIN) {
        admin_refuse(&request, MHD_HTTP_FORBIDDEN, "forbidden",
                     "this takes the role admin, yours is %s", role_name(request.role));
        tell_refused(door, &request, path, method);
        return send_answer(&request);
    }
    if (incoming->is_import)
        incoming->upload = admin_upload_begin();
    incoming->actor = request.actor;
    incoming->role = request.role;
    return MHD_YES;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection,
                                  const char *path, const char *method, const char *version,
                                  const char *data, size_t *size, void **kept)
{
    struct admin_door *door = context;
    struct incoming *incoming = *kept;

    (void)version;
    if (incoming == NULL)
        return take_head(door, connection, path, method, kept);
    if (*size > 0) {
        bool good = keep_body(incoming, data, *size);
        *size = 0;
        return good ? MHD_YES : MHD_NO;
    }
    struct admin_request request = {
        .server = door->server,
        .connection = connection,
        .actor = incoming->actor,
        .role = incoming->role,
        .upload = incoming->upload,
        .status = MHD_HTTP_OK,
    };
    handle(&request, path, method, incoming);
    if (request.status == MHD_HTTP_FORBIDDEN)
        tell_refused(door, &request, path, method);
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
    admin_upload_end(incoming->upload);
    free(incoming);
    *kept = NULL;
}

static void on_connection(void *context, struct MHD_Connection *connection, void **kept,
                          enum MHD_ConnectionNotificationCode code)
{
    struct admin_door *door = context;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

    if (door->comes == NULL)
        return;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED)
        door->gone(door, *kept);
    else if (info != NULL && !door->comes(door, info->connect_fd, kept))
        (void)shutdown(info->connect_fd, SHUT_RDWR); /* closed when that is seen */
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

struct MHD_Daemon *admin_http_start(struct admin_door *door, int listening,
                                    const struct admin_limits *limits)
{
    const struct MHD_OptionItem options[] = {
        {MHD_OPTION_CONNECTION_LIMIT, (intptr_t)limits->connections, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, (intptr_t)limits->idle_timeout_s, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, NULL},
        {listening >= 0 ? MHD_OPTION_LISTEN_SOCKET : MHD_OPTION_END, listening, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    unsigned flags = MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_THREAD_PER_CONNECTION;

    if (listening < 0)
        flags |= MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC;
    return MHD_start_daemon(flags, 0, NULL, NULL, on_request, door, MHD_OPTION_NOTIFY_COMPLETED,
                            on_end, NULL, MHD_OPTION_NOTIFY_CONNECTION, on_connection, door,
                            MHD_OPTION_UNESCAPE_CALLBACK, leave_as_it_is, NULL, MHD_OPTION_ARRAY,
                            options, MHD_OPTION_END);
}

void admin_http_stop(struct MHD_Daemon *daemon)
{
    MHD_stop_daemon(daemon); /* closes the socket */
}

bool admin_http_add(struct MHD_Daemon *daemon, int socket_fd, const struct address *peer)
{
    union socket_address name;
    socklen_t size = address_to_socket(peer, &name);

    return MHD_add_connection(daemon, socket_fd, &name.any, size) == MHD_YES;
}

struct address admin_http_peer(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    struct address peer = {0};

    if (info != NULL && info->client_addr != NULL) {
        union socket_address name;
        memset(&name, 0, sizeof(name));
        memcpy(&name, info->client_addr,
               info->client_addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                        : sizeof(struct sockaddr_in));
        address_from_socket(&name, &peer);
    }
    return peer;
}
