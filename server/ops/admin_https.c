#include "server/ops/admin_https.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/base/log.h"
#include "server/ops/admin_http.h"
#include "server/ops/admin_token.h"
#include "server/ops/admin_trust.h"

#define BACKLOG       256
#define DEPTH         4u /* accepts kept armed */
#define SPARE_SLOTS   16u
#define STOP_TURN_MS  20
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
    pthread_t thread;
    pthread_barrier_t barrier; /* with the caller: made; quiet */
    struct reactor *reactor;
    struct admin_bridge bridge;
    struct admin_numbers numbers;
    struct listener listener;
    struct accept_operation accepts[LISTENER_MAX_DEPTH];
    struct kernel_error *error;
    enum status status;
    bool listener_closed;
    _Atomic bool stop;
};

/* ---- in the thread ---- */

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

static enum status begin(struct admin_https *https)
{
    uint32_t connections = ADMIN_BRIDGE_PLACES(https->server->config->admin.max_connections);
    struct reactor_config config = {
        .limits = {.slots = 2 * connections + SPARE_SLOTS,
                   .reserved_slots = connections,
                   .buffer_count = {SMALL_BUFFERS, LARGE_BUFFERS},
                   .buffer_size = {4096, 65536}},
        .owner = https,
    };
    enum status status = reactor_create(&config, &https->reactor, https->error);

    if (status != STATUS_OK)
        return status;
    https->bridge.config = https->server->config;
    https->bridge.reactor = https->reactor;
    https->bridge.tls = https->tls;
    https->bridge.join = join;
    https->bridge.context = https;
    https->bridge.trust = &https->trust;
    https->listener.ops = &listener_ops;
    https->listener.accepts = https->accepts;
    https->listener.depth = DEPTH;
    https->listener.socket = https->socket;
    status = admin_bridge_start(&https->bridge);
    if (status == STATUS_OK)
        status = listener_open(&https->listener, https->reactor);
    if (status != STATUS_OK)
        (void)snprintf(https->error->text, sizeof(https->error->text),
                       "not enough memory for the admin API");
    return status;
}

static bool is_quiet(const struct admin_https *https)
{
    return https->listener_closed && admin_bridge_quiet(&https->bridge) &&
           reactor_idle(https->reactor);
}

static void *thread_main(void *argument)
{
    struct admin_https *https = argument;
    bool stopping = false;

    https->status = begin(https);
    pthread_barrier_wait(&https->barrier);
    if (https->status != STATUS_OK)
        return NULL; /* the process ends */
    while (!stopping || !is_quiet(https)) {
        if (!stopping && atomic_load_explicit(&https->stop, memory_order_relaxed)) {
            stopping = true;
            listener_close(&https->listener);
            admin_bridge_stop(&https->bridge);
        }
        (void)reactor_turn(https->reactor, stopping ? STOP_TURN_MS : -1);
    }
    pthread_barrier_wait(&https->barrier);
    admin_bridge_free(&https->bridge);
    reactor_destroy(https->reactor);
    return NULL;
}

/* ---- in the caller's ---- */

static enum status open_tls(struct admin_https *https)
{
    const struct config_tls *config = &https->server->config->admin.tls;
    const struct tls_options options = {
        .role = TLS_SERVER,
        .verify = config->client_ca[0] != '\0' ? TLS_VERIFY_REQUIRED : TLS_VERIFY_NONE,
        .certificate = config->certificate,
        .key = config->key,
        .ca = config->client_ca,
        .alpn = "http/1.1",
        .allow_truncation = true, /* HTTP says itself where a request ends */
    };
    struct tls_error error;
    enum status status = tls_context_create(&options, &https->tls, &error);

    if (status != STATUS_OK)
        (void)snprintf(https->error->text, sizeof(https->error->text), "admin.tls: %.220s",
                       error.text);
    return status == STATUS_OK ? STATUS_OK : STATUS_INVALID;
}

static enum status open_socket(struct admin_https *https)
{
    static const struct listen_options options = {
        .backlog = BACKLOG,
        .nodelay = true,
        .keepalive_idle_s = 60,
        .keepalive_interval_s = 15,
        .keepalive_count = 4,
    };
    struct address address = https->server->config->admin.address;
    char text[ADDRESS_TEXT_SIZE];

    https->socket = kernel_listen(&address, &options);
    if (https->socket >= 0)
        return STATUS_OK;
    (void)snprintf(https->error->text, sizeof(https->error->text),
                   "admin.address: can't listen on %s: %s", address_format(&address, text),
                   strerrordesc_np(-https->socket));
    return STATUS_REFUSED;
}

static enum status open_http(struct admin_https *https)
{
    const struct admin_limits limits = {
        ADMIN_BRIDGE_PLACES(https->server->config->admin.max_connections), BACKSTOP_S};

    if (admin_tokens_init(&https->tokens, https->server, &https->trust) == STATUS_OK)
        https->daemon = admin_http_start(&https->tokens.door, -1, &limits);
    if (https->daemon != NULL)
        return STATUS_OK;
    (void)snprintf(https->error->text, sizeof(https->error->text),
                   "not enough memory, or threads, for the admin API");
    return STATUS_NO_MEMORY;
}

/* Signals are for the main thread. */
static void start_thread(struct admin_https *https)
{
    sigset_t all;
    sigset_t before;

    (void)sigfillset(&all);
    CHECK(pthread_barrier_init(&https->barrier, NULL, 2) == 0);
    CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    CHECK(pthread_create(&https->thread, NULL, thread_main, https) == 0);
    CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    pthread_barrier_wait(&https->barrier);
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
    https->error = error;
    https->socket = -1;
    admin_trust_init(&https->trust);
    https->numbers = (struct admin_numbers){&https->bridge.counters, &https->tokens.counters};
    enum status status = open_tls(https);
    if (status == STATUS_OK)
        status = open_socket(https);
    if (status == STATUS_OK)
        status = open_http(https);
    if (status != STATUS_OK) {
        release(https);
        return status;
    }
    start_thread(https);
    if (https->status != STATUS_OK)
        return https->status;
    log_line(LOG_INFO, &module, "serving the admin API by HTTPS", "address=%s",
             address_format(&server->config->admin.address, text));
    *started = https;
    return STATUS_OK;
}

void admin_https_stop(struct admin_https *https)
{
    atomic_store(&https->stop, true);
    kernel_wake(NULL, reactor_kernel(https->reactor));
    pthread_barrier_wait(&https->barrier);
    pthread_join(https->thread, NULL);
    pthread_barrier_destroy(&https->barrier);
    release(https);
}

const struct admin_numbers *admin_https_numbers(const struct admin_https *https)
{
    return &https->numbers;
}
