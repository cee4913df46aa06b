#include "server/ops/http.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "server/base/log.h"
#include "server/ops/metrics.h"
#include "server/ops/stats.h"

#define CONNECTION_TIMEOUT_S 15u
#define CONNECTION_MEMORY    16384u /* bounds the head of a request */

struct http {
    const struct server *server;
    const struct health *health;
    struct MHD_Daemon *daemon;
    uint16_t port;
};

/* What a page answers: its text is malloc'd and given to the response. */
struct answer {
    unsigned status;
    const char *type;
    struct page page;
};

static const char plain[] = "text/plain; charset=utf-8";

/* ---- pages ---- */

static void answer_sentence(struct answer *answer, unsigned status, const char *sentence)
{
    answer->status = status;
    answer->type = plain;
    page_print(&answer->page, "%s\n", sentence);
}

static void answer_metrics(const struct http *http, struct MHD_Connection *connection,
                           struct answer *answer)
{
    (void)connection;
    answer->type = "text/plain; version=0.0.4; charset=utf-8";
    metrics_write(http->server, &answer->page);
}

static void answer_health(const struct http *http, struct MHD_Connection *connection,
                          struct answer *answer)
{
    (void)connection;
    if (!health_report(http->health, &answer->page))
        answer->status = MHD_HTTP_SERVICE_UNAVAILABLE;
}

static void answer_ready(const struct http *http, struct MHD_Connection *connection,
                         struct answer *answer)
{
    (void)connection;
    if (!health_ready(http->server, &answer->page))
        answer->status = MHD_HTTP_SERVICE_UNAVAILABLE;
}

struct query_reader {
    struct stats_query query;
    char error[96];
    enum status status;
};

static enum MHD_Result read_parameter(void *context, enum MHD_ValueKind kind, const char *name,
                                      const char *value)
{
    struct query_reader *reader = context;

    (void)kind;
    reader->status =
        stats_query_set(&reader->query, name, value, reader->error, sizeof(reader->error));
    return reader->status == STATUS_OK ? MHD_YES : MHD_NO;
}

static uint64_t utc_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void answer_stats(const struct http *http, struct MHD_Connection *connection,
                         struct answer *answer)
{
    struct query_reader reader = {.query = STATS_QUERY_DEFAULT, .status = STATUS_OK};

    (void)MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, read_parameter, &reader);
    if (reader.status != STATUS_OK) {
        answer_sentence(answer, MHD_HTTP_BAD_REQUEST, reader.error);
        return;
    }
    answer->type = "application/json";
    answer->page.text = stats_write(http->server, &reader.query, utc_ms());
    answer->page.failed = answer->page.text == NULL;
    if (!answer->page.failed)
        answer->page.size = strlen(answer->page.text);
}

static const struct {
    const char *path;
    void (*answer)(const struct http *http, struct MHD_Connection *connection,
                   struct answer *answer);
} pages[] = {
    {"/metrics", answer_metrics},
    {"/stats", answer_stats},
    {"/healthz", answer_health},
    {"/readyz", answer_ready},
};

static void answer_page(const struct http *http, struct MHD_Connection *connection,
                        const char *path, struct answer *answer)
{
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        if (strcmp(path, pages[i].path) == 0) {
            pages[i].answer(http, connection, answer);
            return;
        }
    }
    answer_sentence(answer, MHD_HTTP_NOT_FOUND,
                    "no such page; there are /metrics, /stats, /healthz and /readyz");
}

/* ---- requests ---- */

static enum MHD_Result send_answer(struct MHD_Connection *connection, struct answer *answer)
{
    if (answer->page.failed) {
        page_free(&answer->page);
        return MHD_NO; /* out of memory: the connection ends */
    }
    struct MHD_Response *response = MHD_create_response_from_buffer(
        answer->page.size, answer->page.text, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        page_free(&answer->page);
        return MHD_NO;
    }
    enum MHD_Result good =
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->type);
    if (good == MHD_YES)
        good = MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (good == MHD_YES && answer->status == MHD_HTTP_METHOD_NOT_ALLOWED)
        good = MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    if (good == MHD_YES)
        good = MHD_queue_response(connection, answer->status, response);
    MHD_destroy_response(response);
    return good;
}

static bool announces_body(struct MHD_Connection *connection)
{
    const char *length =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

    return (length != NULL && strcmp(length, "0") != 0) ||
           MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
                                       MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL;
}

/* Called for a request's head, and once more when it is complete. An answer to the head closes the
 * connection, so that a refused body isn't read. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection,
                                  const char *path, const char *method, const char *version,
                                  const char *body, size_t *body_size, void **request)
{
    static int head_seen;
    const struct http *http = context;
    struct answer answer = {.status = MHD_HTTP_OK, .type = plain};

    (void)version;
    (void)body;
    *body_size = 0; /* no body is let in */
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
        answer_sentence(&answer, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD are answered");
    } else if (announces_body(connection)) {
        answer_sentence(&answer, MHD_HTTP_CONTENT_TOO_LARGE, "requests with a body are refused");
    } else if (*request == NULL) {
        *request = &head_seen;
        return MHD_YES;
    } else {
        answer_page(http, connection, path, &answer);
    }
    return send_answer(connection, &answer);
}

/* ---- the daemon ---- */

static void on_log(void *context, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

/* What the library has to say is about requests that break HTTP: of use when looking for a fault
 * only. */
static void on_log(void *context, const char *format, va_list arguments)
{
    struct log_context about = {.module = "ops"};
    char line[256];

    (void)context;
    int size = vsnprintf(line, sizeof(line), format, arguments);
    if (size <= 0)
        return;
    line[strcspn(line, "\n")] = '\0';
    log_line(LOG_DEBUG, &about, line, "%s", "");
}

static enum status explain(struct kernel_error *error, const struct address *address, int number)
{
    char text[ADDRESS_TEXT_SIZE];

    error->error = number;
    (void)snprintf(error->text, sizeof(error->text), "can't serve HTTP on ops.address %s: %s%s",
                   address_format(address, text), strerrordesc_np(number),
                   number == EADDRINUSE ? "; stop what listens there, or choose another port" : "");
    return STATUS_SYSTEM;
}

/* Returns a listening socket, or a negative errno. */
static int open_socket(const struct address *address, uint16_t *port)
{
    union socket_address name;
    socklen_t size = address_to_socket(address, &name);
    struct address bound;
    int on = 1;
    int socket_fd = socket(name.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (socket_fd < 0)
        return -errno;
    if (setsockopt(socket_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(socket_fd, &name.any, size) != 0 || listen(socket_fd, 64) != 0 ||
        getsockname(socket_fd, &name.any, &size) != 0) {
        int error = errno;
        (void)close(socket_fd);
        return -error;
    }
    address_from_socket(&name, &bound);
    *port = bound.port;
    return socket_fd;
}

enum status http_start(const struct server *server, const struct health *health, struct http **http,
                       struct kernel_error *error)
{
    const struct address *address = &server->config->ops.address;
    struct http *made = calloc(1, sizeof(*made));

    if (made == NULL)
        return explain(error, address, ENOMEM);
    made->server = server;
    made->health = health;
    int socket_fd = open_socket(address, &made->port);
    if (socket_fd < 0) {
        free(made);
        return explain(error, address, -socket_fd);
    }
    made->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request, made,
        MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, socket_fd,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)server->config->ops.max_connections,
        MHD_OPTION_CONNECTION_TIMEOUT, CONNECTION_TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_MEMORY, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    if (made->daemon == NULL) {
        (void)close(socket_fd);
        free(made);
        return explain(error, address, ENOMEM);
    }
    *http = made;
    return STATUS_OK;
}

void http_stop(struct http *http)
{
    MHD_stop_daemon(http->daemon); /* closes the socket */
    free(http);
}

uint16_t http_port(const struct http *http)
{
    return http->port;
}
