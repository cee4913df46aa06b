/* Agents. */
#include <stdio.h>
#include <string.h>

#include "server/ops/admin_request.h"
#include "server/ops/stats_rows.h"

/* ---- showing ---- */

static json_t *show_groups(struct directory *directory, const struct agent_info *info)
{
    json_t *groups = json_array();

    for (uint32_t i = 0; i < info->group_count; i++) {
        struct group_info group;
        if (group_get(directory, info->groups[i], &group))
            (void)json_array_append_new(
                groups, json_pack("{s:s, s:s}", "project", group.project_name, "name", group.name));
    }
    return groups;
}

static json_t *show_projects(struct directory *directory, const struct agent_info *info)
{
    json_t *projects = json_array();

    for (uint32_t i = 0; i < info->project_count; i++) {
        struct project_info project;
        if (project_get(directory, info->projects[i], &project))
            (void)json_array_append_new(projects, json_string(project.name));
    }
    return projects;
}

static const char *const priorities[] = {
    [AGENT_PERSON] = "person", [AGENT_COLLECTION] = "collection"};

static json_t *show_agent(struct directory *directory, const struct agent_info *info)
{
    return json_pack(
        "{s:s, s:s, s:b, s:b, s:b, s:o, s:o, s:o, s:o, s:I, s:I, s:o, s:I, s:I}", "name",
        info->name, "note", info->note, "enabled", info->enabled, "extended", info->extended,
        "has_password", info->has_password, "groups", show_groups(directory, info), "projects",
        show_projects(directory, info), "sources",
        admin_networks(info->sources, info->source_count), "expires",
        info->expires_utc_ms != 0 ? stats_time(info->expires_utc_ms) : json_null(), "max_sessions",
        (json_int_t)info->max_sessions, "sessions", (json_int_t)info->sessions, "priority",
        info->priority != AGENT_BY_WAY ? json_string(priorities[info->priority]) : json_null(),
        "id", (json_int_t)info->id, "revision", (json_int_t)info->revision);
}

static void list_agents(struct admin_request *request)
{
    static const char *const known[] = {"limit", "after", NULL};
    struct directory *directory = request->server->directory;
    struct agent_info info = {0};
    uint64_t limit = 0;
    uint64_t after = 0;

    if (!admin_query_page(request, known, UINT32_MAX, &limit, &after))
        return;
    json_t *items = json_array();
    info.id = (uint32_t)after;
    while (json_array_size(items) < limit && agents_list(directory, info.id, &info, 1) == 1)
        (void)json_array_append_new(items, show_agent(directory, &info));
    uint64_t last = info.id;
    bool more = agents_list(directory, info.id, &info, 1) == 1;
    admin_answer_list(request, items, more ? last : 0);
}

static void answer_agent(struct admin_request *request, uint32_t id)
{
    struct agent_info info;

    if (!agent_get(request->server->directory, (struct agent_ref){id}, &info)) {
        admin_refuse(request, MHD_HTTP_NOT_FOUND, "not_found", "it was removed meanwhile");
        return;
    }
    request->id = info.id;
    request->revision = info.revision;
    admin_answer(request, show_agent(request->server->directory, &info));
}

/* ---- reading ---- */

static bool wrong(struct admin_request *request, const char *field, const char *what)
{
    admin_refuse(request, MHD_HTTP_BAD_REQUEST, "invalid", "%s is no %s", field, what);
    return false;
}

static bool read_groups(struct admin_request *request, struct edit *edit)
{
    const json_t *list;
    size_t i;
    const json_t *entry;

    if (!admin_body_list(request, "groups", AGENT_MAX_GROUPS, &list))
        return false;
    edit->fields |= list != NULL ? EDIT_GROUPS : 0;
    json_array_foreach((json_t *)list, i, entry)
    {
        const char *project = json_string_value(json_object_get(entry, "project"));
        const char *name = json_string_value(json_object_get(entry, "name"));
        uint32_t id;
        if (project == NULL || name == NULL || name[0] == '\0' || json_object_size(entry) != 2)
            return wrong(request, "groups", "list of {\"project\", \"name\"}");
        if (!admin_project_called(request, project, &id) ||
            !admin_group_called(request, id, name, &edit->agent.groups[i]))
            return false;
        edit->agent.group_count++;
    }
    return true;
}

static bool read_projects(struct admin_request *request, struct edit *edit)
{
    const json_t *list;
    size_t i;
    const json_t *entry;

    if (!admin_body_list(request, "projects", AGENT_MAX_PROJECTS, &list))
        return false;
    edit->fields |= list != NULL ? EDIT_PROJECTS : 0;
    json_array_foreach((json_t *)list, i, entry)
    {
        const char *name = json_string_value(entry);
        if (name == NULL || name[0] == '\0')
            return wrong(request, "projects", "list of names");
        if (!admin_project_called(request, name, &edit->agent.projects[i]))
            return false;
        edit->agent.project_count++;
    }
    return true;
}

static bool read_sources(struct admin_request *request, struct edit *edit)
{
    bool given;

    if (!admin_body_networks(request, "sources", edit->agent.sources, AGENT_MAX_SOURCES,
                             &edit->agent.source_count, &given))
        return false;
    edit->fields |= given ? EDIT_SOURCES : 0;
    return true;
}

static bool read_expires(struct admin_request *request, struct edit *edit)
{
    bool given;

    if (!admin_body_time(request, "expires", &edit->agent.expires_utc_ms, &given))
        return false;
    edit->fields |= given ? EDIT_EXPIRES : 0;
    return true;
}

static bool read_max_sessions(struct admin_request *request, struct edit *edit)
{
    const json_t *value = json_object_get(request->body, "max_sessions");
    json_int_t number = json_integer_value(value);

    if (value == NULL)
        return true;
    if (!json_is_integer(value) || number < 0 || number > UINT32_MAX)
        return wrong(request, "max_sessions", "number");
    edit->fields |= EDIT_MAX_SESSIONS;
    edit->agent.max_sessions = (uint32_t)number;
    return true;
}

/* null: as the way in says. */
static bool read_priority(struct admin_request *request, struct edit *edit)
{
    char text[16];
    bool given;

    if (!admin_body_text(request, "priority", text, sizeof(text), &given))
        return false;
    edit->fields |= given ? EDIT_PRIORITY : 0;
    if (text[0] == '\0')
        return true;
    for (int i = AGENT_PERSON; i <= AGENT_COLLECTION; i++)
        if (strcmp(text, priorities[i]) == 0)
            edit->agent.priority = (enum agent_priority)i;
    return edit->agent.priority != AGENT_BY_WAY ||
           wrong(request, "priority", "person, and no collection");
}

/* An empty one changes nothing. */
static bool read_password(struct admin_request *request, struct edit *edit)
{
    const json_t *value = json_object_get(request->body, "password");
    size_t size = json_string_length(value);

    if (value == NULL || json_is_null(value) || (json_is_string(value) && size == 0))
        return true;
    if (!json_is_string(value) || size > AGENT_PASSWORD_MAX)
        return wrong(request, "password", "text of at most 255 bytes");
    if (password_hash_make((const uint8_t *)json_string_value(value), size, &edit->password) ==
        STATUS_OK)
        return true;
    admin_refuse(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "memory", "out of memory");
    return false;
}

static bool read_flags(struct admin_request *request, struct edit *edit)
{
    bool given;

    edit->agent.enabled = true;
    if (!admin_body_bool(request, "enabled", &edit->agent.enabled, &given))
        return false;
    edit->fields |= given ? EDIT_ENABLED : 0;
    if (!admin_body_bool(request, "extended", &edit->agent.extended, &given))
        return false;
    edit->fields |= given ? EDIT_EXTENDED : 0;
    return true;
}

static bool read_agent(struct admin_request *request, struct edit *edit)
{
    static const char *const known[] = {"name",     "note",         "password", "enabled",
                                        "extended", "groups",       "projects", "sources",
                                        "expires",  "max_sessions", "priority", NULL};

    return admin_body_known(request, known) && admin_body_named(request, edit) &&
           read_flags(request, edit) && read_groups(request, edit) &&
           read_projects(request, edit) && read_sources(request, edit) &&
           read_expires(request, edit) && read_max_sessions(request, edit) &&
           read_priority(request, edit) && read_password(request, edit);
}

static bool find_agent(struct admin_request *request, uint32_t *id)
{
    struct agent_info info = {0};

    if (!agent_find(request->server->directory, request->parts[1], &info)) {
        admin_refuse(request, MHD_HTTP_NOT_FOUND, "not_found", "there is no agent %.95s",
                     request->parts[1]);
        return false;
    }
    *id = info.id;
    return true;
}

void admin_agents(struct admin_request *request)
{
    static const struct admin_resource resource = {
        .parts = 2,
        .find = find_agent,
        .list = list_agents,
        .show = answer_agent,
        .read = read_agent,
        .add = EDIT_AGENT_ADD,
        .change = EDIT_AGENT_CHANGE,
        .remove = EDIT_AGENT_REMOVE,
    };

    admin_serve(request, &resource);
}
