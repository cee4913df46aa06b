#include "server/northbound/northbound.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/base/log.h"
#include "server/northbound/internal.h"

#define TICK_MS         1000u
#define DEPTH           4u   /* accepts kept armed */
#define MAX_STREAMS     100u /* of one connection */
#define SILENCE_S       30u  /* then a client is asked whether it is there */
#define ANSWER_S        20u  /* for its answer */
#define IDLE_S          300u /* a connection without a call */
#define PING_INTERVAL_S 5u   /* at which a client may ask */
#define STOP_TICK_MS    50u
#define STOP_DRAIN_MS   3000u /* for calls under way, and for plugins that are being told */

static const struct grpc_method *const methods[] = {
    &method_events,
    &method_list_devices,
    &method_get_device,
    &method_list_links,
    &method_watch_devices,
    &method_watch_registrations,
    &method_report_registration,
    &method_health_check,
    &method_health_watch,
    &method_reflection_v1,
    &method_reflection_v1alpha,
};

const struct grpc_method *northbound_method(const char *path)
{
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (strcmp(methods[i]->path, path) == 0)
            return methods[i];
    return NULL;
}

/* ---- connections ---- */

static void accepted(struct listener *listener, uint32_t slot, const struct address *peer)
{
    struct northbound *northbound = container_of(listener, struct northbound, listener);

    http2_accept(&northbound->http2, slot, peer);
}

static void listener_closed(struct listener *listener)
{
    container_of(listener, struct northbound, listener)->listener_closed = true;
}

static const struct listener_ops listener_ops = {.accepted = accepted, .closed = listener_closed};

void northbound_connection_closed(struct northbound *northbound)
{
    (void)northbound; /* the stop looks by itself */
}

/* ---- stopping, in steps ---- */

static void feed_stopped(void *context)
{
    struct northbound *northbound = context;
    void (*stopped)(void *context) = northbound->stopped;
    void *stopped_context = northbound->stopped_context;

    registry_free(northbound);
    plugin_host_free(northbound);
    positions_free(northbound);
    ledger_close(northbound->ledger);
    http2_service_stop(&northbound->http2);
    consumers_free(&northbound->consumers);
    free(northbound->arena.memory);
    free(northbound);
    stopped(stopped_context);
}

/* Streams that would go on for ever end; what is under way has a moment. */
static void end_streams(struct northbound *northbound)
{
    for (struct list *node = northbound->http2.connections.next;
         node != &northbound->http2.connections; node = node->next) {
        struct http2_connection *connection = container_of(node, struct http2_connection, node);
        for (struct list *at = connection->streams.next; at != &connection->streams;
             at = at->next) {
            struct grpc_call *call = container_of(at, struct http2_stream, node)->owner;
            if (call != NULL && call->method->endless)
                grpc_finish(call, GRPC_UNAVAILABLE, "the server stops");
        }
    }
}

static bool is_quiet(struct northbound *northbound)
{
    return northbound->listener_closed && list_empty(&northbound->http2.connections) &&
           northbound->jobs == 0 && !northbound->http2.flush_posted;
}

static void stop_tick(struct timer *timer)
{
    struct northbound *northbound = container_of(timer, struct northbound, tick);
    uint32_t waited_ms = ++northbound->stop_ticks * STOP_TICK_MS;
    bool drained =
        atomic_load(&northbound->http2.counters.streams) == 0 || waited_ms >= STOP_DRAIN_MS;

    bool late = waited_ms >= 2 * STOP_DRAIN_MS;
    bool told = plugin_host_stopped(northbound, waited_ms >= STOP_DRAIN_MS);
    bool saved = positions_flush(northbound) || late;
    if (drained)
        http2_end_all(&northbound->http2, CLOSE_SERVER_STOPPING);
    if (late)
        http2_close_all(&northbound->http2, CLOSE_SERVER_STOPPING);
    if (!told || !saved || !is_quiet(northbound)) {
        timer_start_fine(northbound->reactor, timer, STOP_TICK_MS);
        return;
    }
    timer_stop(&northbound->positions.timer);
    feed_stop(northbound->feed, feed_stopped, northbound);
}

void northbound_stop(struct northbound *northbound, void (*stopped)(void *context), void *context)
{
    CHECK(!northbound->stopping);
    northbound->stopping = true;
    northbound->stopped = stopped;
    northbound->stopped_context = context;
    health_tick(northbound);
    listener_close(&northbound->listener);
    http2_drain(&northbound->http2);
    end_streams(northbound);
    registry_stop(northbound);
    plugin_host_stop(northbound);
    timer_stop(&northbound->tick);
    timer_init(&northbound->tick, stop_tick);
    timer_start_fine(northbound->reactor, &northbound->tick, STOP_TICK_MS);
}

/* ---- what the directory has ---- */

uint64_t northbound_told(struct northbound *northbound)
{
    struct journal_point now;

    journal_point_take(northbound->journal, &now);
    if (journal_point_told(northbound->journal, &now)) {
        northbound->told = now.sequence;
        northbound->point_taken = false;
        return northbound->told;
    }
    if (northbound->point_taken && journal_point_told(northbound->journal, &northbound->point)) {
        northbound->told = northbound->point.sequence;
        northbound->point_taken = false;
    }
    if (!northbound->point_taken)
        northbound->point = now;
    northbound->point_taken = true;
    return northbound->told;
}

/* ---- starting ---- */

static void tick(struct timer *timer)
{
    struct northbound *northbound = container_of(timer, struct northbound, tick);

    health_tick(northbound);
    (void)northbound_told(northbound);
    missing_projects_tick(northbound);
    positions_tick(northbound);
    status_tick(northbound);
    timer_repeat(northbound->reactor, timer, TICK_MS);
}

static enum status start_http2(struct northbound *northbound,
                               const struct northbound_settings *settings)
{
    struct http2_service *http2 = &northbound->http2;

    http2->ops = &grpc_http2_ops;
    http2->reactor = settings->reactor;
    http2->owner = northbound;
    http2->tls = settings->tls;
    http2->limits = (struct http2_limits){
        .connections = settings->config->northbound.max_connections,
        .streams = MAX_STREAMS,
        .silence_s = SILENCE_S,
        .answer_s = ANSWER_S,
        .idle_s = IDLE_S,
        .ping_interval_s = PING_INTERVAL_S,
    };
    return http2_service_start(http2);
}

static enum status start_listener(struct northbound *northbound, int socket)
{
    struct listener *listener = &northbound->listener;

    listener->ops = &listener_ops;
    listener->accepts = northbound->accepts;
    listener->depth = DEPTH;
    listener->socket = socket;
    return listener_open(listener, northbound->reactor);
}

static enum status no_memory(struct kernel_error *error)
{
    (void)snprintf(error->text, sizeof(error->text), "not enough memory for the northbound");
    return STATUS_NO_MEMORY;
}

static enum status open_ledger(struct northbound *northbound, const char *path,
                               struct kernel_error *error)
{
    struct ledger_error ledger_error;
    bool fresh = false;
    enum status status = ledger_open(path, &northbound->ledger, &fresh, &ledger_error);

    if (status == STATUS_OK)
        status = positions_load(northbound, &ledger_error);
    if (status == STATUS_OK)
        status = registry_start(northbound, fresh, &ledger_error);
    if (status != STATUS_OK)
        (void)snprintf(error->text, sizeof(error->text), "%.1000s", ledger_error.text);
    return status;
}

static enum status start(struct northbound *northbound, const struct northbound_settings *settings,
                         struct kernel_error *error)
{
    enum status status = consumers_create(settings->config, &northbound->consumers, error);

    if (status != STATUS_OK)
        return status;
    northbound->arena.size = PROTO_ARENA_SIZE;
    northbound->arena.memory = malloc(PROTO_ARENA_SIZE);
    if (northbound->arena.memory == NULL || start_http2(northbound, settings) != STATUS_OK ||
        feed_create(settings->journal, settings->reactor, &northbound->feed) != STATUS_OK)
        return no_memory(error);
    status = open_ledger(northbound, settings->ledger_path, error);
    if (status != STATUS_OK)
        return status;
    if (plugin_host_start(northbound) != STATUS_OK)
        return no_memory(error);
    (void)positions_flush(northbound);
    missing_projects_look(northbound);
    return start_listener(northbound, settings->socket) == STATUS_OK ? STATUS_OK : no_memory(error);
}

/* Not undone: whoever can't start ends the process. */
enum status northbound_create(const struct northbound_settings *settings,
                              struct northbound **created, struct kernel_error *error)
{
    struct northbound *northbound = calloc(1, sizeof(*northbound));

    if (northbound == NULL)
        return no_memory(error);
    northbound->config = settings->config;
    northbound->journal = settings->journal;
    northbound->directory = settings->directory;
    northbound->reactor = settings->reactor;
    northbound->serving = true;
    northbound->run = reactor_utc_ms(settings->reactor);
    uint64_t oldest = journal_oldest(northbound->journal);
    northbound->told = oldest > 0 ? oldest - 1 : 0;
    list_init(&northbound->health_watchers);
    list_init(&northbound->status_watchers);
    timer_init(&northbound->tick, tick);
    enum status status = start(northbound, settings, error);
    if (status != STATUS_OK)
        return status;
    timer_start(northbound->reactor, &northbound->tick, TICK_MS);
    *created = northbound;
    return STATUS_OK;
}
