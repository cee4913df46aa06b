/* Projects, groups and bindings. */
#include <stdlib.h>
#include <string.h>

#include "server/ops/admin_request.h"

/* ---- projects ---- */

static json_t *show_project(const struct project_info *info)
{
    return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I}", "name", info->name, "note", info->note,
                     "devices", (json_int_t)info->devices, "groups", (json_int_t)info->groups, "id",
                     (json_int_t)info->id, "revision", (json_int_t)info->revision);
}

static void list_projects(struct admin_request *request)
{
    static const char *const known[] = {"limit", "after", NULL};
    struct project_info info = {0};
    uint64_t limit = 0;
    uint64_t after = 0;

    if (!admin_query_page(request, known, UINT32_MAX, &limit, &after))
        return;
    json_t *items = json_array();
    info.id = (uint32_t)after;
    while (json_array_size(items) < limit &&
           projects_list(request->server->directory, info.id, &info, 1) == 1)
        (void)json_array_append_new(items, show_project(&info));
    uint64_t last = info.id;
    bool more = projects_list(request->server->directory, info.id, &info, 1) == 1;
    admin_answer_list(request, items, more ? last : 0);
}

static void answer_project(struct admin_request *request, uint32_t id)
{
    struct project_info info;

    if (!project_get(request->server->directory, id, &info)) {
        admin_refuse(request, MHD_HTTP_NOT_FOUND, "not_found", "it was removed meanwhile");
        return;
    }
    request->id = info.id;
    request->revision = info.revision;
    admin_answer(request, show_project(&info));
}

static bool read_project(struct admin_request *request, struct edit *edit)
{
    static const char *const known[] = {"name", "note", NULL};

    return admin_body_known(request, known) && admin_body_named(request, edit);
}

static bool find_project(struct admin_request *request, uint32_t *id)
{
    return admin_project_called(request, request->parts[1], id);
}

void admin_projects(struct admin_request *request)
{
    static const struct admin_resource resource = {
        .parts = 2,
        .find = find_project,
        .list = list_projects,
        .show = answer_project,
        .read = read_project,
        .add = EDIT_PROJECT_ADD,
        .change = EDIT_PROJECT_CHANGE,
        .remove = EDIT_PROJECT_REMOVE,
    };

    admin_serve(request, &resource);
}

/* ---- groups ---- */

static json_t *show_group(const struct group_info *info)
{
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I}", "project", info->project_name, "name",
                     info->name, "note", info->note, "devices", (json_int_t)info->devices, "id",
                     (json_int_t)info->id, "revision", (json_int_t)info->revision);
}

static void list_groups(struct admin_request *request)
{
    static const char *const known[] = {"limit", "after", "project", NULL};
    struct group_info info = {0};
    uint64_t limit = 0;
    uint64_t after = 0;
    uint32_t project = 0;
    uint64_t last = 0;
    bool more = false;

    if (!admin_query_page(request, known, UINT32_MAX, &limit, &after))
        return;
    const char *name = admin_query(request, "project");
    if (name != NULL && !admin_project_called(request, name, &project))
        return;
    json_t *items = json_array();
    info.id = (uint32_t)after;
    while (groups_list(request->server->directory, info.id, &info, 1) == 1) {
        if (project != 0 && info.project != project)
            continue;
        more = json_array_size(items) >= limit;
        if (more)
            break;
        (void)json_array_append_new(items, show_group(&info));
        last = info.id;
    }
    admin_answer_list(request, items, more ? last : 0);
}

static void answer_group(struct admin_request *request, uint32_t id)
{
    struct group_info info;

    if (!group_get(request->server->directory, id, &info)) {
        admin_refuse(request, MHD_HTTP_NOT_FOUND, "not_found", "it was removed meanwhile");
        return;
    }
    request->id = info.id;
    request->revision = info.revision;
    admin_answer(request, show_group(&info));
}

static bool read_group(struct admin_request *request, struct edit *edit)
{
    static const char *const known_new[] = {"project", "name", "note", NULL};
    char project[DIRECTORY_NAME_SIZE];
    bool given;

    if (!admin_body_known(request, edit->kind == EDIT_GROUP_ADD ? known_new : known_new + 1) ||
        !admin_body_named(request, edit))
        return false;
    if (edit->kind != EDIT_GROUP_ADD)
        return true;
    if (!admin_body_text(request, "project", project, sizeof(project), &given))
        return false;
    return admin_project_called(request, project, &edit->project);
}

static bool find_group(struct admin_request *request, uint32_t *id)
{
    uint32_t project = 0;

    return admin_project_called(request, request->parts[1], &project) &&
           admin_group_called(request, project, request->parts[2], id);
}

void admin_groups(struct admin_request *request)
{
    static const struct admin_resource resource = {
        .parts = 3,
        .find = find_group,
        .list = list_groups,
        .show = answer_group,
        .read = read_group,
        .add = EDIT_GROUP_ADD,
        .change = EDIT_GROUP_CHANGE,
        .remove = EDIT_GROUP_REMOVE,
    };

    admin_serve(request, &resource);
}

/* ---- bindings ---- */

static json_t *show_binding(struct admin_request *request, const struct binding_info *info)
{
    const struct config *config = request->server->config;
    json_t *port = NULL;

    for (size_t i = 0; i < config->listener_count; i++)
        if (strcmp(config->listeners[i].name, info->listener) == 0)
            port = json_integer(config->listeners[i].address.port);
    return json_pack("{s:s, s:o, s:o, s:b, s:I}", "listener", info->listener, "port",
                     port != NULL ? port : json_null(), "project",
                     info->project != 0 ? json_string(info->project_name) : json_null(), "moving",
                     info->sweeping, "revision", (json_int_t)info->revision);
}

static void list_bindings(struct admin_request *request)
{
    static const char *const known[] = {NULL};
    struct binding_info info;

    if (!admin_query_known(request, known))
        return;
    json_t *items = json_array();
    for (size_t at = 0; bindings_list(request->server->directory, at, &info, 1) == 1; at++)
        if (info.project != 0)
            (void)json_array_append_new(items, show_binding(request, &info));
    admin_answer_list(request, items, 0);
}

static void answer_binding(struct admin_request *request, const char *listener)
{
    struct binding_info info;

    if (!binding_find(request->server->directory, listener, &info) || info.project == 0) {
        admin_refuse(request, MHD_HTTP_NOT_FOUND, "not_found", "the listener is not bound");
        return;
    }
    request->revision = info.revision;
    admin_answer(request, show_binding(request, &info));
}

/* A listener by its name or its port. */
static bool read_listener(struct admin_request *request, char listener[static CONFIG_NAME_SIZE])
{
    const struct config *config = request->server->config;
    const char *given = request->parts[1];
    uint16_t port = admin_port_called(given);

    if (strlen(given) >= CONFIG_NAME_SIZE) {
        admin_refuse(request, MHD_HTTP_NOT_FOUND, "not_found", "there is no such listener");
        return false;
    }
    memcpy(listener, given, strlen(given) + 1);
    for (size_t i = 0; i < config->listener_count; i++)
        if (strcmp(config->listeners[i].name, given) == 0)
            return true;
    for (size_t i = 0; i < config->listener_count; i++)
        if (port > 0 && config->listeners[i].address.port == port)
            memcpy(listener, config->listeners[i].name, CONFIG_NAME_SIZE);
    return true;
}

static void set_binding(struct admin_request *request, struct edit *edit)
{
    static const char *const known[] = {"project", "move", NULL};
    char project[DIRECTORY_NAME_SIZE];
    bool given;

    if (!admin_body_known(request, known) ||
        !admin_body_text(request, "project", project, sizeof(project), &given) ||
        !admin_body_bool(request, "move", &edit->move, &given))
        return;
    if (project[0] == '\0') {
        admin_refuse(request, MHD_HTTP_BAD_REQUEST, "invalid", "project is missing");
        return;
    }
    if (!admin_project_called(request, project, &edit->project))
        return;
    struct binding_info former = {0};
    bool same = binding_find(request->server->directory, edit->listener, &former) &&
                former.project == edit->project;
    if (same || admin_edit(request, edit)) /* what is so already is done */
        answer_binding(request, edit->listener);
}

static void remove_binding(struct admin_request *request, struct edit *edit)
{
    static const char *const known[] = {"move", NULL};

    if (!admin_query_known(request, known))
        return;
    const char *move = admin_query(request, "move");
    edit->move = move != NULL && strcmp(move, "true") == 0;
    if (admin_edit(request, edit))
        admin_answer_removed(request);
}

void admin_bindings(struct admin_request *request)
{
    struct edit edit = {.kind = EDIT_BINDING_SET};

    if (request->part_count == 1 && request->method == ADMIN_GET) {
        list_bindings(request);
        return;
    }
    if (request->part_count != 2) {
        admin_refuse_method(request);
        return;
    }
    if (!read_listener(request, edit.listener))
        return;
    if (request->method == ADMIN_GET)
        answer_binding(request, edit.listener);
    else if (request->method == ADMIN_PUT)
        set_binding(request, &edit);
    else if (request->method == ADMIN_DELETE)
        remove_binding(request, &edit);
    else
        admin_refuse_method(request);
}
