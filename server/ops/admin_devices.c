/* Devices, and what is looked at only: consumers, links, sessions. */
#include <stdlib.h>
#include <string.h>

#include "codec/proto/text.h"
#include "server/bridge/session.h"
#include "server/exchange/model.h"
#include "server/ops/admin_request.h"
#include "server/ops/northbound_numbers.h"
#include "server/ops/stats_rows.h"

#define FAILED_MAX 1000u

/* ---- devices ---- */

static json_t *show_device(struct admin_request *request, const struct device_info *info)
{
    json_t *shown = stats_device(request->server, info);

    if (shown == NULL)
        return NULL;
    (void)json_object_set_new(shown, "project",
                              info->project_id != 0 ? json_string(info->project) : json_null());
    (void)json_object_set_new(shown, "group",
                              info->group_id != 0 ? json_string(info->group) : json_null());
    (void)json_object_set_new(shown, "channel",
                              info->channel_id != 0 ? json_string(info->channel) : json_null());
    (void)json_object_set_new(shown, "approved", json_boolean(!info->unapproved));
    if (info->last_seen_utc_ms == 0)
        (void)json_object_set_new(shown, "last_seen", json_null());
    (void)json_object_set_new(shown, "revision",
                              json_integer((json_int_t)edit_device_revision(
                                  info->project_id, info->group_id, info->channel_id)));
    return shown;
}

struct device_filter {
    struct admin_request *request;
    json_t *items;
    uint64_t limit;
    bool full;
    const char *serial; /* its beginning; NULL: any, as of the following */
    const char *scope;
    const char *kind;
    const char *listener;
    bool by_project;
    uint32_t project; /* 0: none */
    bool by_group;
    uint32_t group;
    bool by_channel;
    uint32_t channel;
    int state;  /* enum device_state; -1: any */
    int online; /* -1: either */
    int approved;
};

static bool listener_matches(const struct device_filter *filter, uint32_t listener)
{
    const struct config *config = filter->request->server->config;

    return filter->listener == NULL ||
           (listener < config->listener_count &&
            strcmp(config->listeners[listener].name, filter->listener) == 0);
}

static bool matches(const struct device_filter *filter, const struct device_info *info)
{
    return (filter->serial == NULL ||
            strncmp(info->serial, filter->serial, strlen(filter->serial)) == 0) &&
           (filter->scope == NULL || strcmp(info->scope, filter->scope) == 0) &&
           (filter->kind == NULL || strcmp(info->kind, filter->kind) == 0) &&
           (!filter->by_project || info->project_id == filter->project) &&
           (!filter->by_group || info->group_id == filter->group) &&
           (!filter->by_channel || info->channel_id == filter->channel) &&
           (filter->state < 0 || (int)info->state == filter->state) &&
           (filter->online < 0 || (info->state != DEVICE_OFFLINE) == (filter->online != 0)) &&
           (filter->approved < 0 || info->unapproved != (filter->approved != 0)) &&
           listener_matches(filter, info->listener);
}

static bool take_device(const struct device_info *info, void *context)
{
    struct device_filter *filter = context;

    if (!matches(filter, info))
        return true;
    (void)json_array_append_new(filter->items, show_device(filter->request, info));
    filter->full = json_array_size(filter->items) >= filter->limit;
    return !filter->full;
}

static bool read_state(struct device_filter *filter)
{
    const char *state = admin_query(filter->request, "state");
    const char *online = admin_query(filter->request, "online");
    const char *approved = admin_query(filter->request, "approved");

    filter->state = -1;
    filter->online = -1;
    filter->approved = approved != NULL ? strcmp(approved, "true") == 0 : -1;
    if (online != NULL)
        filter->online = strcmp(online, "true") == 0;
    if (state == NULL)
        return true;
    for (int i = DEVICE_OFFLINE; i <= DEVICE_IN_SESSION; i++)
        if (strcmp(state, device_state_name((enum device_state)i)) == 0)
            filter->state = i;
    if (filter->state >= 0)
        return true;
    admin_refuse(filter->request, MHD_HTTP_BAD_REQUEST, "invalid",
                 "state is none of: offline, idle, in session");
    return false;
}

static bool read_place(struct device_filter *filter)
{
    const char *project = admin_query(filter->request, "project");
    const char *group = admin_query(filter->request, "group");

    const char *channel = admin_query(filter->request, "channel");

    filter->by_channel = channel != NULL;
    if (channel != NULL && !admin_channel_called(filter->request, channel, &filter->channel))
        return false;
    filter->by_project = project != NULL;
    filter->by_group = group != NULL;
    if (project != NULL && !admin_project_called(filter->request, project, &filter->project))
        return false;
    if (group != NULL && group[0] != '\0' && filter->project == 0) {
        admin_refuse(filter->request, MHD_HTTP_BAD_REQUEST, "invalid",
                     "a group is looked for in its project, which is missing");
        return false;
    }
    return group == NULL ||
           admin_group_called(filter->request, filter->project, group, &filter->group);
}

static void list_matching(struct admin_request *request, const char *const *known, bool links)
{
    struct device_filter filter = {.request = request};
    uint64_t after = 0;

    if (!admin_query_page(request, known, UINT32_MAX, &filter.limit, &after) ||
        !read_state(&filter) || !read_place(&filter))
        return;
    if (links)
        filter.online = 1;
    filter.serial = admin_query(request, "serial");
    filter.scope = admin_query(request, "scope");
    filter.kind = admin_query(request, "kind");
    filter.listener = admin_query(request, "listener");
    filter.items = json_array();
    uint64_t next = after;
    if (filter.limit > 0)
        next = directory_walk(request->server->directory, after, take_device, &filter);
    admin_answer_list(request, filter.items, filter.full ? next : 0);
}

static void list_devices(struct admin_request *request)
{
    static const char *const known[] = {"limit",    "after",    "serial", "scope",   "kind",
                                        "listener", "project",  "group",  "channel", "state",
                                        "online",   "approved", NULL};

    list_matching(request, known, false);
}

/* A link is shown as the device that has it. */
static void list_links(struct admin_request *request)
{
    static const char *const known[] = {"limit",   "after",    "serial",   "scope",
                                        "kind",    "listener", "project",  "group",
                                        "channel", "state",    "approved", NULL};

    list_matching(request, known, true);
}

/* The device that scope and serial of the path, or of the body, name. */
static struct device *find_device(struct admin_request *request)
{
    char serial[PLUGIN_SERIAL_SIZE] = {0};
    size_t size = proto_text_undo(request->parts[2], (uint8_t *)serial, sizeof(serial) - 1);
    struct device *device = size < sizeof(serial) ? directory_find(request->server->directory,
                                                                   request->parts[1], serial)
                                                  : NULL;

    if (device == NULL)
        admin_refuse(request, MHD_HTTP_NOT_FOUND, "not_found", "there is no such device");
    return device;
}

static void answer_device(struct admin_request *request, const struct device *device)
{
    struct device_info info;

    directory_get(request->server->directory, device, &info);
    request->revision = edit_device_revision(info.project_id, info.group_id, info.channel_id);
    admin_answer(request, show_device(request, &info));
}

/* A project that is given without a group is one without a group; without either the device stays
 * where it is. */
static bool read_device_place(struct admin_request *request, struct edit *edit)
{
    char project[DIRECTORY_NAME_SIZE];
    char group[DIRECTORY_NAME_SIZE];
    char channel[DIRECTORY_NAME_SIZE];
    bool given_project;
    bool given_group;
    bool given_channel;

    if (!admin_body_text(request, "project", project, sizeof(project), &given_project) ||
        !admin_body_text(request, "group", group, sizeof(group), &given_group) ||
        !admin_body_text(request, "channel", channel, sizeof(channel), &given_channel))
        return false;
    if (edit->kind == EDIT_DEVICE_MOVE && given_channel && !given_project && !given_group)
        edit->kind = EDIT_DEVICE_CHANNEL;
    edit->fields |= given_channel ? EDIT_CHANNEL : 0;
    if (!admin_channel_called(request, channel, &edit->channel))
        return false;
    if (given_project && !admin_project_called(request, project, &edit->project))
        return false;
    return !given_group || admin_group_called(request, edit->project, group, &edit->group);
}

static void move_device(struct admin_request *request, struct device *device)
{
    static const char *const known[] = {"project", "group", "channel", NULL};
    struct edit edit = {.kind = EDIT_DEVICE_MOVE, .device = device};
    struct device_info info;

    directory_get(request->server->directory, device, &info);
    edit.project = info.project_id;
    if (admin_body_known(request, known) && read_device_place(request, &edit) &&
        admin_edit(request, &edit))
        answer_device(request, device);
}

/* What is approved already is done. */
static void approve_device(struct admin_request *request, struct device *device)
{
    static const char *const known[] = {"approved", NULL};
    struct edit edit = {.kind = EDIT_DEVICE_APPROVE, .device = device};
    bool approved = false;
    bool given;

    if (!admin_body_known(request, known) ||
        !admin_body_bool(request, "approved", &approved, &given))
        return;
    if (!approved)
        admin_refuse(request, MHD_HTTP_BAD_REQUEST, "invalid",
                     "an approval can't be taken back: approved is true, or not there");
    else if (!device_unapproved(request->server->directory, device) || admin_edit(request, &edit))
        answer_device(request, device);
}

static void add_device(struct admin_request *request)
{
    static const char *const known[] = {"scope", "serial", "project", "group", "channel", NULL};
    struct edit edit = {.kind = EDIT_DEVICE_ADD};
    char serial[PROTO_TEXT_SIZE(PLUGIN_SERIAL_SIZE)];
    bool given;

    if (!admin_body_known(request, known) ||
        !admin_body_text(request, "scope", edit.scope, sizeof(edit.scope), &given))
        return;
    if (!given)
        memcpy(edit.scope, "default", sizeof("default"));
    if (!admin_body_text(request, "serial", serial, sizeof(serial), &given) ||
        !read_device_place(request, &edit))
        return;
    const char *wrong = exchange_serial_fault(serial); /* as in an import */
    if (wrong != NULL) {
        admin_refuse(request, MHD_HTTP_BAD_REQUEST, "invalid", "%s", wrong);
        return;
    }
    (void)proto_text_undo(serial, (uint8_t *)edit.serial, sizeof(edit.serial) - 1);
    if (!admin_edit(request, &edit))
        return;
    answer_device(request, edit.device);
    request->status = MHD_HTTP_CREATED;
}

static void remove_device(struct admin_request *request, struct device *device)
{
    struct edit edit = {.kind = EDIT_DEVICE_REMOVE, .device = device};

    if (admin_edit(request, &edit))
        admin_answer_removed(request);
}

void admin_devices(struct admin_request *request)
{
    if (request->part_count == 1 && request->method == ADMIN_GET) {
        list_devices(request);
        return;
    }
    if (request->part_count == 1 && request->method == ADMIN_POST) {
        add_device(request);
        return;
    }
    if (request->part_count != 3) {
        admin_refuse_method(request);
        return;
    }
    struct device *device = find_device(request);
    if (device == NULL)
        return;
    if (request->method == ADMIN_GET)
        answer_device(request, device);
    else if (request->method == ADMIN_PATCH && json_object_get(request->body, "approved") != NULL)
        approve_device(request, device);
    else if (request->method == ADMIN_PATCH)
        move_device(request, device);
    else if (request->method == ADMIN_DELETE)
        remove_device(request, device);
    else
        admin_refuse_method(request);
}

/* ---- consumers ---- */

void admin_consumers(struct admin_request *request)
{
    static const char *const known[] = {NULL};

    if (request->part_count != 1 || request->method != ADMIN_GET) {
        admin_refuse_method(request);
        return;
    }
    if (!admin_query_known(request, known))
        return;
    json_t *numbers = northbound_stats(request->server);
    json_t *items = json_incref(json_object_get(numbers, "consumers"));
    json_decref(numbers);
    admin_answer_list(request, items != NULL ? items : json_array(), 0);
}

/* ---- links: those of devices are seen at the devices ---- */

static void list_failed(struct admin_request *request)
{
    static const char *const known[] = {"limit", NULL};
    uint64_t limit = 0;

    if (!admin_query_known(request, known) ||
        !admin_query_number(request, "limit", FAILED_MAX, ADMIN_PAGE, &limit))
        return;
    struct failed_identification *failed = calloc(limit + 1, sizeof(*failed));
    json_t *items = json_array();
    size_t count = failed != NULL ? failed_log_read(request->server->failed, failed, limit) : 0;
    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(items, stats_failed(request->server, &failed[i]));
    free(failed);
    admin_answer_list(request, items, 0);
}

void admin_links(struct admin_request *request)
{
    if (request->method == ADMIN_GET && request->part_count == 1)
        list_links(request);
    else if (request->method == ADMIN_GET && request->part_count == 2 &&
             strcmp(request->parts[1], "failed") == 0)
        list_failed(request);
    else
        admin_refuse_method(request);
}

/* ---- sessions ---- */

static const char *state_name(uint8_t state)
{
    switch (state) {
    case SESSION_ROUTING:
        return "routing";
    case SESSION_WAITING:
        return "waiting";
    case SESSION_JOINED:
        return "joined";
    default:
        return "ending";
    }
}

static json_t *show_session(struct admin_request *request, const struct session_facts *facts)
{
    char peer[ADDRESS_TEXT_SIZE];
    struct device_info info = {.scope = "", .serial = "", .channel = ""};
    char serial[PROTO_TEXT_SIZE(PLUGIN_SERIAL_SIZE)];

    if (facts->device != NULL)
        directory_get(request->server->directory, facts->device, &info);
    (void)proto_text(info.serial, strlen(info.serial), serial, sizeof(serial));
    return json_pack(
        "{s:I, s:s, s:s, s:o, s:o, s:s, s:s, s:s, s:o, s:o, s:o, s:I, s:I}", "id",
        (json_int_t)facts->id, "scope", info.scope, "serial", serial, "channel",
        info.channel[0] != '\0' ? json_string(info.channel) : json_null(), "agent",
        facts->agent_name[0] != '\0' ? json_string(facts->agent_name) : json_null(), "peer",
        address_format(&facts->peer, peer), "path",
        session_path_name((enum session_path)facts->path), "state", state_name(facts->state),
        "asked", stats_time(facts->asked_utc_ms), "started",
        facts->started_utc_ms != 0 ? stats_time(facts->started_utc_ms) : json_null(), "moved",
        facts->moved_utc_ms != 0 ? stats_time(facts->moved_utc_ms) : json_null(), "bytes_to_agent",
        (json_int_t)facts->bytes_to_agent, "bytes_to_device", (json_int_t)facts->bytes_to_device);
}

static void list_sessions(struct admin_request *request)
{
    static const char *const known[] = {"limit", "after", "agent", NULL};
    uint64_t limit = 0;
    uint64_t after = 0;
    bool more = false;
    struct session_facts facts = {0};

    if (!admin_query_page(request, known, INT64_MAX, &limit, &after))
        return;
    const char *agent = admin_query(request, "agent");
    json_t *items = json_array();
    facts.id = after;
    while (sessions_list(request->server, facts.id, &facts, 1) == 1) {
        if (agent != NULL && strcmp(agent, facts.agent_name) != 0)
            continue;
        more = json_array_size(items) >= limit;
        if (more)
            break;
        (void)json_array_append_new(items, show_session(request, &facts));
        after = facts.id;
    }
    admin_answer_list(request, items, more ? after : 0);
}

static void kill_session(struct admin_request *request)
{
    char *end = NULL;
    uint64_t id = strtoull(request->parts[1], &end, 10);
    enum status status = *end == '\0' ? session_kill(request->server, id) : STATUS_NOT_FOUND;

    if (status == STATUS_OK)
        request->status = MHD_HTTP_NO_CONTENT;
    else if (status == STATUS_NOT_FOUND)
        admin_refuse(request, MHD_HTTP_NOT_FOUND, "not_found", "there is no such session");
    else
        admin_refuse(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "memory", "out of memory");
}

void admin_sessions(struct admin_request *request)
{
    if (request->part_count == 1 && request->method == ADMIN_GET)
        list_sessions(request);
    else if (request->part_count == 2 && request->method == ADMIN_DELETE)
        kill_session(request);
    else
        admin_refuse_method(request);
}
