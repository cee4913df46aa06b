/* Channels. */
#include <string.h>

#include "server/ops/admin_request.h"

static json_t *show_channel(const struct channel_info *info)
{
    return json_pack("{s:s, s:o, s:s, s:I, s:b, s:b, s:s, s:I, s:I, s:I}", "name", info->name,
                     "project", info->project != 0 ? json_string(info->project_name) : json_null(),
                     "host", info->settings.host, "port", (json_int_t)info->settings.port,
                     "exclusive", info->settings.exclusive, "enabled", info->settings.enabled,
                     "note", info->note, "devices", (json_int_t)info->devices, "id",
                     (json_int_t)info->id, "revision", (json_int_t)info->revision);
}

/* ---- list ---- */

struct channel_filter {
    bool by_project;
    uint32_t project; /* 0: none */
    const char *host; /* NULL: any */
    int exclusive;    /* -1: either */
    int enabled;
};

static bool read_choice(struct admin_request *request, const char *name, int *choice)
{
    const char *text = admin_query(request, name);

    *choice = text == NULL ? -1 : strcmp(text, "true") == 0;
    if (text == NULL || *choice == 1 || strcmp(text, "false") == 0)
        return true;
    admin_refuse(request, MHD_HTTP_BAD_REQUEST, "invalid", "%s is neither true nor false", name);
    return false;
}

static bool read_filter(struct admin_request *request, struct channel_filter *filter)
{
    const char *project = admin_query(request, "project");

    filter->by_project = project != NULL;
    filter->host = admin_query(request, "host");
    return (project == NULL || admin_project_called(request, project, &filter->project)) &&
           read_choice(request, "exclusive", &filter->exclusive) &&
           read_choice(request, "enabled", &filter->enabled);
}

static bool matches(const struct channel_filter *filter, const struct channel_info *info)
{
    const struct channel_settings *settings = &info->settings;

    return (!filter->by_project || info->project == filter->project) &&
           (filter->host == NULL || strcmp(settings->host, filter->host) == 0) &&
           (filter->exclusive < 0 || settings->exclusive == (filter->exclusive != 0)) &&
           (filter->enabled < 0 || settings->enabled == (filter->enabled != 0));
}

static void list_channels(struct admin_request *request)
{
    static const char *const known[] = {"limit",     "after",   "project", "host",
                                        "exclusive", "enabled", NULL};
    struct channel_filter filter = {0};
    struct channel_info info = {0};
    uint64_t limit = 0;
    uint64_t after = 0;
    uint64_t last = 0;
    bool more = false;

    if (!admin_query_page(request, known, UINT32_MAX, &limit, &after) ||
        !read_filter(request, &filter))
        return;
    json_t *items = json_array();
    info.id = (uint32_t)after;
    while (!more && channels_list(request->server->directory, info.id, &info, 1) == 1) {
        if (!matches(&filter, &info))
            continue;
        more = json_array_size(items) >= limit;
        if (more)
            break;
        (void)json_array_append_new(items, show_channel(&info));
        last = info.id;
    }
    admin_answer_list(request, items, more ? last : 0);
}

/* ---- one ---- */

static void answer_channel(struct admin_request *request, uint32_t id)
{
    struct channel_info info;

    if (!channel_get(request->server->directory, id, &info)) {
        admin_refuse(request, MHD_HTTP_NOT_FOUND, "not_found", "it was removed meanwhile");
        return;
    }
    request->id = info.id;
    request->revision = info.revision;
    admin_answer(request, show_channel(&info));
}

static bool read_address(struct admin_request *request, struct edit *edit)
{
    const json_t *port = json_object_get(request->body, "port");
    json_int_t number = json_integer_value(port);
    bool given;

    if (!admin_body_text(request, "host", edit->settings.host, sizeof(edit->settings.host), &given))
        return false;
    edit->fields |= given ? EDIT_HOST : 0;
    if (port == NULL)
        return true;
    if (!json_is_integer(port) || number < 1 || number > UINT16_MAX) {
        admin_refuse(request, MHD_HTTP_BAD_REQUEST, "invalid", "port is no number from 1 to 65535");
        return false;
    }
    edit->fields |= EDIT_PORT;
    edit->settings.port = (uint16_t)number;
    return true;
}

static bool read_flags(struct admin_request *request, struct edit *edit)
{
    bool given;

    if (!admin_body_bool(request, "exclusive", &edit->settings.exclusive, &given))
        return false;
    edit->fields |= given ? EDIT_EXCLUSIVE : 0;
    edit->settings.enabled = true; /* of a new one, unless it is said */
    if (!admin_body_bool(request, "enabled", &edit->settings.enabled, &given))
        return false;
    edit->fields |= given ? EDIT_ENABLED : 0;
    return true;
}

static bool read_channel(struct admin_request *request, struct edit *edit)
{
    static const char *const known[] = {"name", "note",      "project", "host",
                                        "port", "exclusive", "enabled", NULL};
    char project[DIRECTORY_NAME_SIZE];
    bool given;

    if (!admin_body_known(request, known) || !admin_body_named(request, edit) ||
        !admin_body_text(request, "project", project, sizeof(project), &given))
        return false;
    edit->fields |= given ? EDIT_PROJECT : 0;
    return admin_project_called(request, project, &edit->project) && read_address(request, edit) &&
           read_flags(request, edit);
}

bool admin_channel_called(struct admin_request *request, const char *name, uint32_t *id)
{
    struct channel_info info = {0};

    *id = 0;
    if (name[0] == '\0')
        return true;
    if (!channel_find(request->server->directory, name, &info)) {
        admin_refuse(request, MHD_HTTP_NOT_FOUND, "not_found", "there is no channel %.95s", name);
        return false;
    }
    *id = info.id;
    return true;
}

static bool find_channel(struct admin_request *request, uint32_t *id)
{
    return admin_channel_called(request, request->parts[1], id);
}

void admin_channels(struct admin_request *request)
{
    static const struct admin_resource resource = {
        .parts = 2,
        .find = find_channel,
        .list = list_channels,
        .show = answer_channel,
        .read = read_channel,
        .add = EDIT_CHANNEL_ADD,
        .change = EDIT_CHANNEL_CHANGE,
        .remove = EDIT_CHANNEL_REMOVE,
    };

    admin_serve(request, &resource);
}
