/* grpc.health.v1: serving, unless the server stops or its disk takes no events. */
#include <grpc/health/v1/health.pb-c.h>
#include <string.h>

#include "server/northbound/internal.h"

struct health {
    struct list node;
    struct grpc_call *call;
};

static bool is_serving(const struct northbound *northbound)
{
    return !northbound->stopping && atomic_load(&journal_counters(northbound->journal)->durable);
}

static bool is_known(const char *service)
{
    return service[0] == '\0' || strcmp(service, NORTHBOUND_SERVICE) == 0;
}

static void fill(const struct northbound *northbound,
                 Grpc__Health__V1__HealthCheckResponse *response)
{
    grpc__health__v1__health_check_response__init(response);
    response->status = is_serving(northbound)
                           ? GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
                           : GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING;
}

static void check(struct grpc_call *call, const uint8_t *data, size_t size)
{
    const Grpc__Health__V1__HealthCheckRequest *request = (const void *)grpc_unpack(
        call, &grpc__health__v1__health_check_request__descriptor, data, size);
    Grpc__Health__V1__HealthCheckResponse response;

    if (request == NULL)
        return;
    if (!is_known(request->service)) {
        grpc_finish(call, GRPC_NOT_FOUND, "there is no such service here");
        return;
    }
    fill(call->northbound, &response);
    grpc_answer(call, &response.base);
}

const struct grpc_method method_health_check = {
    .path = "/grpc.health.v1.Health/Check",
    .open = true,
    .request = check,
};

/* ---- Watch ---- */

static void watch_opened(struct grpc_call *call)
{
    struct health *health = (struct health *)(void *)call->state;

    health->call = call;
    list_init(&health->node);
}

static void watch(struct grpc_call *call, const uint8_t *data, size_t size)
{
    const Grpc__Health__V1__HealthCheckRequest *request = (const void *)grpc_unpack(
        call, &grpc__health__v1__health_check_request__descriptor, data, size);
    struct health *health = (struct health *)(void *)call->state;
    Grpc__Health__V1__HealthCheckResponse response;

    if (request == NULL)
        return;
    fill(call->northbound, &response);
    if (!is_known(request->service))
        response.status = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN;
    else
        list_append(&call->northbound->health_watchers, &health->node);
    (void)grpc_send(call, &response.base);
}

static void watch_gone(struct grpc_call *call)
{
    struct health *health = (struct health *)(void *)call->state;

    if (health->call != NULL)
        list_remove(&health->node);
}

const struct grpc_method method_health_watch = {
    .path = "/grpc.health.v1.Health/Watch", /* not for strangers: it would stay for ever */
    .endless = true,
    .state_size = sizeof(struct health),
    .opened = watch_opened,
    .request = watch,
    .gone = watch_gone,
};

void health_tick(struct northbound *northbound)
{
    Grpc__Health__V1__HealthCheckResponse response;

    if (is_serving(northbound) == northbound->serving)
        return;
    northbound->serving = !northbound->serving;
    fill(northbound, &response);
    for (struct list *node = northbound->health_watchers.next; node != &northbound->health_watchers;
         node = node->next)
        /* one that doesn't read isn't told, so that it holds no memory */
        if (!grpc_is_full(container_of(node, struct health, node)->call))
            (void)grpc_send(container_of(node, struct health, node)->call, &response.base);
}
