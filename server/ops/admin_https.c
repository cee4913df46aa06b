#include "server/ops/admin_https.h"

#include <stdio.h>
#include <stdlib.h>

#include "server/base/log.h"
#include "server/link/door.h"
#include "server/ops/admin_http.h"
#include "server/ops/admin_token.h"
#include "server/ops/admin_trust.h"
#include "server/reactor/thread.h"

#define BACKLOG       256
#define DEPTH         4u /* accepts kept armed */
#define SPARE_SLOTS   16u
#define BACKSTOP_S    120u /* of HTTP; the bridge is faster */
#define SMALL_BUFFERS 256u
#define LARGE_BUFFERS 16u

static const struct log_context module = {.module = "admin"};

struct admin_https {
    struct admin_tokens tokens;
    struct admin_trust trust;
    struct server *server;
    struct MHD_Daemon *daemon;
    struct tls_context *tls;
    int socket;
    struct reactor_thread thread;
    struct admin_bridge bridge;
    struct admin_numbers numbers;
    struct listener listener;
    struct accept_operation accepts[LISTENER_MAX_DEPTH];
    bool listener_closed;
};

/* ---- in the thread ---- */

static struct admin_https *of(const struct reactor_thread *thread)
{
    return container_of(thread, struct admin_https, thread);
}

static bool join(void *context, int socket_fd, const struct address *peer)
{
    return admin_http_add(((struct admin_https *)context)->daemon, socket_fd, peer);
}

static void accepted(struct listener *listener, uint32_t slot, const struct address *peer)
{
    admin_bridge_accept(&container_of(listener, struct admin_https, listener)->bridge, slot, peer);
}

static void listener_closed(struct listener *listener)
{
    container_of(listener, struct admin_https, listener)->listener_closed = true;
}

static const struct listener_ops listener_ops = {.accepted = accepted, .closed = listener_closed};

static enum status begin(struct reactor_thread *thread, struct kernel_error *error)
{
    struct admin_https *https = of(thread);

    https->bridge.config = https->server->config;
    https->bridge.reactor = thread->reactor;
    https->bridge.tls = https->tls;
    https->bridge.join = join;
    https->bridge.context = https;
    https->bridge.trust = &https->trust;
    https->listener.ops = &listener_ops;
    https->listener.accepts = https->accepts;
    https->listener.depth = DEPTH;
    https->listener.socket = https->socket;
    enum status status = admin_bridge_start(&https->bridge);
    if (status == STATUS_OK)
        status = listener_open(&https->listener, thread->reactor);
    if (status != STATUS_OK)
        (void)snprintf(error->text, sizeof(error->text), "not enough memory for the admin API");
    return status;
}

static void stop(struct reactor_thread *thread)
{
    listener_close(&of(thread)->listener);
    admin_bridge_stop(&of(thread)->bridge);
}

static bool quiet(const struct reactor_thread *thread)
{
    return of(thread)->listener_closed && admin_bridge_quiet(&of(thread)->bridge);
}

static const struct reactor_thread_ops thread_ops = {.begin = begin, .stop = stop, .quiet = quiet};

static enum status start_thread(struct admin_https *https, struct kernel_error *error)
{
    uint32_t connections = ADMIN_BRIDGE_PLACES(https->server->config->admin.max_connections);
    const struct reactor_config config = {
        .limits = {.slots = 2 * connections + SPARE_SLOTS,
                   .reserved_slots = connections,
                   .buffer_count = {SMALL_BUFFERS, LARGE_BUFFERS},
                   .buffer_size = {4096, 65536}},
        .owner = https,
    };

    return reactor_thread_start(&https->thread, &thread_ops, &config, error);
}

/* ---- in the caller's ---- */

static enum status open_tls(struct admin_https *https, struct kernel_error *error)
{
    static const struct tls_options options = {
        .verify = TLS_VERIFY_REQUIRED,
        .alpn = "http/1.1",
        .allow_truncation = true, /* HTTP says itself where a request ends */
    };

    return door_tls(&https->server->config->admin.tls, options, "admin.tls",
                    &https->server->certificates, &https->tls, error);
}

static enum status open_socket(struct admin_https *https, struct kernel_error *error)
{
    https->socket =
        door_listen(&https->server->config->admin.address, BACKLOG, "admin.address", error);
    return https->socket >= 0 ? STATUS_OK : STATUS_REFUSED;
}

static enum status open_http(struct admin_https *https, struct kernel_error *error)
{
    const struct admin_limits limits = {
        ADMIN_BRIDGE_PLACES(https->server->config->admin.max_connections), BACKSTOP_S};

    if (admin_tokens_init(&https->tokens, https->server, &https->trust) == STATUS_OK)
        https->daemon = admin_http_start(&https->tokens.door, -1, &limits);
    if (https->daemon != NULL)
        return STATUS_OK;
    (void)snprintf(error->text, sizeof(error->text),
                   "not enough memory, or threads, for the admin API");
    return STATUS_NO_MEMORY;
}

/* Without the thread. */
static void release(struct admin_https *https)
{
    if (https->daemon != NULL)
        admin_http_stop(https->daemon);
    if (https->socket >= 0)
        kernel_listen_close(https->socket);
    tls_context_release(https->tls);
    admin_tokens_destroy(&https->tokens);
    admin_trust_destroy(&https->trust);
    free(https);
}

/* What the thread has made isn't undone if it fails: whoever can't start ends the process. */
enum status admin_https_start(struct server *server, struct admin_https **started,
                              struct kernel_error *error)
{
    struct admin_https *https = calloc(1, sizeof(*https));
    char text[ADDRESS_TEXT_SIZE];

    if (https == NULL) {
        (void)snprintf(error->text, sizeof(error->text), "not enough memory for the admin API");
        return STATUS_NO_MEMORY;
    }
    https->server = server;
    https->socket = -1;
    admin_trust_init(&https->trust);
    https->numbers = (struct admin_numbers){&https->bridge.counters, &https->tokens.counters};
    enum status status = open_tls(https, error);
    if (status == STATUS_OK)
        status = open_socket(https, error);
    if (status == STATUS_OK)
        status = open_http(https, error);
    if (status != STATUS_OK) {
        release(https);
        return status;
    }
    status = start_thread(https, error);
    if (status != STATUS_OK)
        return status;
    log_line(LOG_INFO, &module, "serving the admin API by HTTPS", "address=%s",
             address_format(&server->config->admin.address, text));
    *started = https;
    return STATUS_OK;
}

void admin_https_stop(struct admin_https *https)
{
    reactor_thread_stop(&https->thread);
    reactor_thread_free(&https->thread);
    admin_bridge_free(&https->bridge);
    release(https);
}

const struct admin_numbers *admin_https_numbers(const struct admin_https *https)
{
    return &https->numbers;
}
