/* Listeners: those of devices, and behind them those of section agents. */
#include <stdlib.h>
#include <string.h>

#include "server/directory/halts.h"
#include "server/link/listening.h"
#include "server/ops/admin_request.h"
#include "server/ops/stats_rows.h"

#define PATIENCE_S 5u /* for the shards to let go of a port */

static json_t *show(struct server *server, uint32_t index)
{
    bool is_way = listening_is_way(server, index);
    uint32_t devices = (uint32_t)server->config->listener_count;
    json_t *shown = is_way ? stats_way(server, index - devices) : stats_listener(server, index);
    uint32_t project = is_way ? 0 : binding_project(server->directory, index);
    struct project_info info;
    struct halt_info halt;

    if (shown == NULL)
        return NULL;
    bool bound = project_get(server->directory, project, &info);
    (void)halt_find(server->directory, listening_name(server, index), &halt);
    (void)json_object_set_new(shown, "serves", json_string(is_way ? "agents" : "devices"));
    (void)json_object_set_new(shown, "project", bound ? json_string(info.name) : json_null());
    (void)json_object_set_new(shown, "revision", json_integer((json_int_t)halt.revision));
    return shown;
}

static void answer(struct admin_request *request, uint32_t index)
{
    struct halt_info halt;

    (void)halt_find(request->server->directory, listening_name(request->server, index), &halt);
    request->revision = halt.revision;
    admin_answer(request, show(request->server, index));
}

static void list(struct admin_request *request)
{
    static const char *const known[] = {NULL};

    if (!admin_query_known(request, known))
        return;
    json_t *items = json_array();
    for (uint32_t i = 0; i < request->server->listening->count; i++)
        (void)json_array_append_new(items, show(request->server, i));
    admin_answer_list(request, items, 0);
}

/* By its name, or its port. */
static bool called(struct admin_request *request, uint32_t *index)
{
    struct server *server = request->server;
    uint16_t port = admin_port_called(request->parts[1]);

    *index = listening_find(server, request->parts[1]);
    for (uint32_t i = 0; *index == UINT32_MAX && port > 0 && i < server->listening->count; i++)
        if (listening_address(server, i)->port == port)
            *index = i;
    if (*index == UINT32_MAX)
        admin_refuse(request, MHD_HTTP_NOT_FOUND, "not_found", "there is no such listener");
    return *index != UINT32_MAX;
}

static void change(struct admin_request *request, uint32_t index)
{
    static const char *const known[] = {"running", "close_links", NULL};
    struct server *server = request->server;
    struct edit edit = {.kind = EDIT_LISTENER_STOP};
    bool running = false;
    bool given = false;
    bool unused;

    if (!admin_body_known(request, known) ||
        !admin_body_bool(request, "close_links", &edit.close_links, &unused) ||
        !admin_body_bool(request, "running", &running, &given))
        return;
    if (!given || (running && edit.close_links)) {
        admin_refuse(request, MHD_HTTP_BAD_REQUEST, "invalid",
                     given ? "close_links goes with running: false" : "running is missing");
        return;
    }
    memcpy(edit.listener, listening_name(server, index), sizeof(edit.listener));
    if (running)
        edit.kind = EDIT_LISTENER_START;
    /* what is so already is done */
    if (listening_running(server, index) != running || edit.close_links) {
        /* a stop may be under way */
        if (running)
            (void)listening_await_closed(server, index, PATIENCE_S);
        if (!admin_edit(request, &edit))
            return;
        if (!running)
            (void)listening_await_closed(server, index, PATIENCE_S);
    }
    answer(request, index);
}

void admin_listeners(struct admin_request *request)
{
    uint32_t index = 0;
    bool one = request->part_count == 2;

    if (request->part_count > 2)
        admin_refuse(request, MHD_HTTP_NOT_FOUND, "not_found", "there is no such resource");
    else if (!one && request->method == ADMIN_GET)
        list(request);
    else if (!one || (request->method != ADMIN_GET && request->method != ADMIN_PATCH))
        admin_refuse_method(request);
    else if (!called(request, &index))
        return;
    else if (request->method == ADMIN_GET)
        answer(request, index);
    else
        change(request, index);
}
