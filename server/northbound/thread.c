#include "server/northbound/thread.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "server/base/check.h"
#include "server/base/log.h"
#include "server/base/unix_socket.h"
#include "server/northbound/northbound.h"

#define BACKLOG      1024
#define SOCKET_MODE  0660
#define OTHER_SLOTS  16u
#define STOP_TURN_MS 20

static const struct log_context module = {.module = "northbound"};

struct northbound_thread {
    struct server *server;
    pthread_t thread;
    pthread_barrier_t barrier; /* with the caller: made; quiet; the journal's threads ended */
    struct reactor *reactor;
    struct northbound *northbound;
    struct tls_context *tls;
    struct kernel_error *error;
    enum status status;
    int socket;
    char ledger_path[CONFIG_PATH_SIZE + 32];
    _Atomic bool stop;
    bool stopped;
};

/* ---- in the thread ---- */

/* As many connections as the process may have descriptors. */
static uint32_t slots(const struct config *config)
{
    struct rlimit limit;
    uint64_t wanted = config->northbound.max_connections + (uint64_t)OTHER_SLOTS;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < wanted)
        wanted = limit.rlim_cur;
    return (uint32_t)wanted;
}

static enum status create(struct northbound_thread *self)
{
    struct server *server = self->server;
    struct reactor_config reactor = {
        .limits = {.slots = slots(server->config),
                   .reserved_slots = 1,
                   .buffer_count = {256, 16},
                   .buffer_size = {4096, 65536}},
        .owner = self,
    };
    struct northbound_settings settings = {
        .config = server->config,
        .journal = server->journal,
        .directory = server->directory,
        .ledger_path = self->ledger_path,
        .socket = self->socket,
        .tls = self->tls,
    };
    enum status status = reactor_create(&reactor, &self->reactor, self->error);

    if (status != STATUS_OK)
        return status;
    settings.reactor = self->reactor;
    return northbound_create(&settings, &self->northbound, self->error);
}

static void stopped(void *context)
{
    ((struct northbound_thread *)context)->stopped = true;
}

static void *thread_main(void *argument)
{
    struct northbound_thread *self = argument;
    bool begun = false;

    self->status = create(self);
    pthread_barrier_wait(&self->barrier);
    if (self->status != STATUS_OK)
        return NULL; /* the process ends */
    while (!self->stopped || !reactor_idle(self->reactor)) {
        bool stop = atomic_load_explicit(&self->stop, memory_order_relaxed);
        if (stop && !begun)
            northbound_stop(self->northbound, stopped, self);
        begun = begun || stop;
        (void)reactor_turn(self->reactor, stop ? STOP_TURN_MS : -1);
    }
    pthread_barrier_wait(&self->barrier);
    pthread_barrier_wait(&self->barrier);
    reactor_destroy(self->reactor);
    return NULL;
}

/* ---- in the caller's ---- */

static enum status open_tls(struct northbound_thread *self)
{
    const struct config_tls *config = &self->server->config->northbound.tls;
    struct tls_options options = {
        .role = TLS_SERVER,
        .verify = config->client_ca[0] != '\0' ? TLS_VERIFY_OPTIONAL : TLS_VERIFY_NONE,
        .certificate = config->certificate,
        .key = config->key,
        .ca = config->client_ca,
        .alpn = "h2",
    };
    struct tls_error error;

    if (!config_tls_enabled(config))
        return STATUS_OK;
    enum status status = tls_context_create(&options, &self->tls, &error);
    if (status != STATUS_OK)
        (void)snprintf(self->error->text, sizeof(self->error->text), "northbound.tls: %.220s",
                       error.text);
    return status == STATUS_OK ? STATUS_OK : STATUS_INVALID;
}

static enum status no_listening(struct northbound_thread *self, const char *where, int error)
{
    (void)snprintf(self->error->text, sizeof(self->error->text),
                   "northbound.address: can't listen on %.150s: %s", where, strerrordesc_np(error));
    return STATUS_REFUSED;
}

static enum status open_unix(struct northbound_thread *self)
{
    const char *path = self->server->config->northbound.socket;

    self->socket = unix_socket_listen(path, SOCKET_MODE, BACKLOG, 0);
    return self->socket >= 0 ? STATUS_OK : no_listening(self, path, -self->socket);
}

static enum status open_socket(struct northbound_thread *self)
{
    static const struct listen_options options = {
        .backlog = BACKLOG,
        .nodelay = true,
        .keepalive_idle_s = 60,
        .keepalive_interval_s = 15,
        .keepalive_count = 4,
    };
    struct address address = self->server->config->northbound.address;
    char text[ADDRESS_TEXT_SIZE];

    if (address.family == 0)
        return open_unix(self);
    self->socket = kernel_listen(&address, &options);
    if (self->socket >= 0)
        return STATUS_OK;
    return no_listening(self, address_format(&address, text), -self->socket);
}

enum status northbound_thread_start(struct server *server, struct northbound_thread **started,
                                    struct kernel_error *error)
{
    struct northbound_thread *self = calloc(1, sizeof(*self));
    char text[ADDRESS_TEXT_SIZE];
    char path[CONFIG_PATH_SIZE * 4];

    if (self == NULL) {
        (void)snprintf(error->text, sizeof(error->text), "not enough memory for the northbound");
        return STATUS_NO_MEMORY;
    }
    self->server = server;
    self->error = error;
    (void)snprintf(self->ledger_path, sizeof(self->ledger_path), "%s/northbound.sqlite",
                   server->config->server.state_dir);
    enum status status = open_tls(self);
    if (status == STATUS_OK)
        status = open_socket(self);
    if (status != STATUS_OK)
        return status;
    CHECK(pthread_barrier_init(&self->barrier, NULL, 2) == 0);
    CHECK(pthread_create(&self->thread, NULL, thread_main, self) == 0);
    pthread_barrier_wait(&self->barrier);
    if (self->status != STATUS_OK)
        return self->status;
    server->northbound = self->northbound;
    log_line(LOG_INFO, &module, "listening", "address=%s tls=%s consumers=%zu",
             server->config->northbound.socket[0] != '\0'
                 ? log_quote(server->config->northbound.socket, path, sizeof(path))
                 : address_format(&server->config->northbound.address, text),
             self->tls != NULL ? "yes" : "no", server->config->northbound.consumer_count);
    *started = self;
    return STATUS_OK;
}

void northbound_thread_stop(struct northbound_thread *self)
{
    self->server->northbound = NULL;
    atomic_store(&self->stop, true);
    kernel_wake(NULL, reactor_kernel(self->reactor));
    pthread_barrier_wait(&self->barrier);
}

void northbound_thread_free(struct northbound_thread *self)
{
    pthread_barrier_wait(&self->barrier);
    pthread_join(self->thread, NULL);
    pthread_barrier_destroy(&self->barrier);
    kernel_listen_close(self->socket);
    if (self->server->config->northbound.socket[0] != '\0')
        (void)unlink(self->server->config->northbound.socket);
    tls_context_release(self->tls);
    free(self);
}
