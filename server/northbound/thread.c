#include "server/northbound/thread.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "server/base/log.h"
#include "server/base/unix_socket.h"
#include "server/link/door.h"
#include "server/northbound/northbound.h"
#include "server/reactor/thread.h"

#define BACKLOG     1024
#define SOCKET_MODE 0660
#define OTHER_SLOTS 16u

static const struct log_context module = {.module = "northbound"};

struct northbound_thread {
    struct server *server;
    struct reactor_thread thread;
    struct northbound *northbound;
    struct tls_context *tls;
    int socket;
    char ledger_path[CONFIG_PATH_SIZE + 32];
    bool stopped;
};

/* ---- in the thread ---- */

static struct northbound_thread *of(const struct reactor_thread *thread)
{
    return container_of(thread, struct northbound_thread, thread);
}

static enum status begin(struct reactor_thread *thread, struct kernel_error *error)
{
    struct northbound_thread *self = of(thread);
    const struct northbound_settings settings = {
        .config = self->server->config,
        .journal = self->server->journal,
        .directory = self->server->directory,
        .reactor = thread->reactor,
        .ledger_path = self->ledger_path,
        .socket = self->socket,
        .tls = self->tls,
    };

    return northbound_create(&settings, &self->northbound, error);
}

static void stopped(void *context)
{
    ((struct northbound_thread *)context)->stopped = true;
}

static void stop(struct reactor_thread *thread)
{
    northbound_stop(of(thread)->northbound, stopped, of(thread));
}

static bool quiet(const struct reactor_thread *thread)
{
    return of(thread)->stopped;
}

static const struct reactor_thread_ops thread_ops = {.begin = begin, .stop = stop, .quiet = quiet};

/* As many connections as the process may have descriptors. */
static uint32_t slots(const struct config *config)
{
    struct rlimit limit;
    uint64_t wanted = config->northbound.max_connections + (uint64_t)OTHER_SLOTS;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < wanted)
        wanted = limit.rlim_cur;
    return (uint32_t)wanted;
}

static enum status start_thread(struct northbound_thread *self, struct kernel_error *error)
{
    const struct reactor_config config = {
        .limits = {.slots = slots(self->server->config),
                   .reserved_slots = 1,
                   .buffer_count = {256, 16},
                   .buffer_size = {4096, 65536}},
        .owner = self,
    };

    return reactor_thread_start(&self->thread, &thread_ops, &config, error);
}

/* ---- in the caller's ---- */

static enum status open_tls(struct northbound_thread *self, struct kernel_error *error)
{
    static const struct tls_options options = {.verify = TLS_VERIFY_OPTIONAL, .alpn = "h2"};

    return door_tls(&self->server->config->northbound.tls, options, "northbound.tls",
                    &self->server->certificates, &self->tls, error);
}

static enum status open_socket(struct northbound_thread *self, struct kernel_error *error)
{
    const struct config *config = self->server->config;

    if (config->northbound.address.family != 0) {
        self->socket =
            door_listen(&config->northbound.address, BACKLOG, "northbound.address", error);
    } else {
        self->socket = unix_socket_listen(config->northbound.socket, SOCKET_MODE, BACKLOG, 0);
        if (self->socket < 0)
            door_cannot_listen("northbound.address", config->northbound.socket, -self->socket,
                               error);
    }
    return self->socket >= 0 ? STATUS_OK : STATUS_REFUSED;
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
    (void)snprintf(self->ledger_path, sizeof(self->ledger_path), "%s/northbound.sqlite",
                   server->config->server.state_dir);
    enum status status = open_tls(self, error);
    if (status == STATUS_OK)
        status = open_socket(self, error);
    if (status == STATUS_OK)
        status = start_thread(self, error);
    if (status != STATUS_OK)
        return status;
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
    reactor_thread_stop(&self->thread);
}

void northbound_thread_free(struct northbound_thread *self)
{
    reactor_thread_free(&self->thread);
    kernel_listen_close(self->socket);
    if (self->server->config->northbound.socket[0] != '\0')
        (void)unlink(self->server->config->northbound.socket);
    tls_context_release(self->tls);
    free(self);
}
