#include "server/ops/ops.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/base/check.h"
#include "server/base/log.h"
#include "server/base/monotonic.h"
#include "server/ops/http.h"

struct ops {
    struct health *health;
    struct http *http;
    pthread_t watcher;
    pthread_mutex_t lock;
    pthread_cond_t stop_asked;
    bool stopping;
};

/* Looks at the shards once a second. */
static void *watch(void *argument)
{
    struct ops *ops = argument;
    struct timespec due = monotonic_in_seconds(1);

    CHECK(pthread_mutex_lock(&ops->lock) == 0);
    while (!ops->stopping) {
        if (pthread_cond_timedwait(&ops->stop_asked, &ops->lock, &due) == ETIMEDOUT) {
            health_sample(ops->health);
            due = monotonic_in_seconds(1);
        }
    }
    CHECK(pthread_mutex_unlock(&ops->lock) == 0);
    return NULL;
}

/* Signals are for the main thread: what is started here, libmicrohttpd's thread too, blocks all. */
static enum status start_threads(struct ops *ops, const struct server *server,
                                 struct kernel_error *error)
{
    sigset_t all;
    sigset_t before;

    (void)sigfillset(&all);
    CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    enum status status = http_start(server, ops->health, &ops->http, error);
    if (status == STATUS_OK && pthread_create(&ops->watcher, NULL, watch, ops) != 0) {
        http_stop(ops->http);
        (void)snprintf(error->text, sizeof(error->text), "can't start a thread for ops");
        error->error = EAGAIN;
        status = STATUS_SYSTEM;
    }
    CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    return status;
}

static void init_lock(struct ops *ops)
{
    monotonic_condition_init(&ops->stop_asked);
    CHECK(pthread_mutex_init(&ops->lock, NULL) == 0);
}

static void destroy(struct ops *ops)
{
    (void)pthread_cond_destroy(&ops->stop_asked);
    (void)pthread_mutex_destroy(&ops->lock);
    health_free(ops->health);
    free(ops);
}

enum status ops_start(struct server *server, struct ops **ops, struct kernel_error *error)
{
    struct log_context context = {.module = "ops"};
    char address[ADDRESS_TEXT_SIZE];
    struct ops *made = calloc(1, sizeof(*made));

    if (made == NULL || health_create(server, &made->health) != STATUS_OK) {
        free(made);
        error->error = ENOMEM;
        (void)snprintf(error->text, sizeof(error->text), "no memory for ops");
        return STATUS_NO_MEMORY;
    }
    init_lock(made);
    enum status status = start_threads(made, server, error);
    if (status != STATUS_OK) {
        destroy(made);
        return status;
    }
    struct address where = server->config->ops.address;
    where.port = http_port(made->http);
    log_line(LOG_INFO, &context, "serving /metrics, /stats, /healthz and /readyz", "address=%s",
             address_format(&where, address));
    *ops = made;
    return STATUS_OK;
}

void ops_stop(struct ops *ops)
{
    http_stop(ops->http);
    CHECK(pthread_mutex_lock(&ops->lock) == 0);
    ops->stopping = true;
    CHECK(pthread_cond_signal(&ops->stop_asked) == 0);
    CHECK(pthread_mutex_unlock(&ops->lock) == 0);
    CHECK(pthread_join(ops->watcher, NULL) == 0);
    destroy(ops);
}

uint16_t ops_port(const struct ops *ops)
{
    return http_port(ops->http);
}
