/* Edits of projects, groups and bindings, made into records. */
#include <stdio.h>
#include <string.h>

#include "server/directory/edit_internal.h"
#include "server/directory/edit_pending.h"
#include "server/directory/internal.h"
#include "server/directory/names.h"

/* ---- what uses it ---- */

static bool has(const uint32_t *ids, uint32_t count, uint32_t id)
{
    for (uint32_t i = 0; i < count; i++)
        if (ids[i] == id)
            return true;
    return false;
}

/* The name of an agent to which it is granted; "" if there is none. */
static const char *granted_to(struct accounts *accounts, uint32_t project, uint32_t group)
{
    for (size_t i = 0; i < accounts->agents.count; i++) {
        const struct agent *agent = agent_of(accounts->agents.entries[i]);
        const struct agent_rights *rights = &agent->rights;
        if ((group != 0 && has(rights->groups, rights->group_count, group)) ||
            (project != 0 && has(rights->projects, rights->project_count, project)))
            return agent->named.name;
    }
    return "";
}

static const char *bound_to(const struct accounts *accounts, uint32_t project)
{
    for (size_t i = 0; i < accounts->binding_count; i++) {
        const struct binding *binding = &accounts->bindings[i];
        if (binding->project == project ||
            (binding->sweep == SWEEP_MOVING && binding->sweep_from == project))
            return binding->listener;
    }
    return "";
}

static const char *channel_in(const struct accounts *accounts, uint32_t project)
{
    for (size_t i = 0; i < accounts->channels.count; i++)
        if (channel_of(accounts->channels.entries[i])->project == project)
            return accounts->channels.entries[i]->name;
    return "";
}

static enum edit_result check_use(const struct edit_scene *scene, struct edit *edit,
                                  uint32_t project, uint32_t group, uint64_t devices)
{
    enum edit_result result = EDIT_DONE;

    if (devices > 0)
        return edit_refuse(edit, EDIT_IN_USE, "it has %llu devices", (unsigned long long)devices);
    struct accounts *accounts = accounts_read(scene->directory);
    const char *agent = granted_to(accounts, project, group);
    const char *listener = project != 0 ? bound_to(accounts, project) : "";
    const char *channel = project != 0 ? channel_in(accounts, project) : "";
    if (agent[0] != '\0')
        result = edit_refuse(edit, EDIT_IN_USE, "it is granted to the agent %s", agent);
    else if (listener[0] != '\0')
        result = edit_refuse(edit, EDIT_IN_USE, "the listener %s is bound to it", listener);
    else if (channel[0] != '\0')
        result = edit_refuse(edit, EDIT_IN_USE, "the channel %s belongs to it", channel);
    accounts_unlock(accounts);
    return result;
}

/* ---- projects ---- */

static enum edit_result pack_project(const struct edit_scene *scene, struct edit *edit,
                                     const struct project_info *former, struct project_info *info,
                                     struct edit_records *records)
{
    struct item_event made;
    Cenc__V1__Project item;
    Cenc__V1__Project before;

    project_message(info, &item);
    project_message(former, &before);
    edit_make_event(edit, EDIT_PROJECT_ADD, CENC__V1__EVENT__BODY_PROJECT_ADDED, &item.base,
                    &before.base, &made);
    edit->id = info->id;
    edit->revision = info->revision;
    return edit_pack(scene, edit, &made.event, records);
}

enum edit_result edit_prepare_project(const struct edit_scene *scene, struct edit *edit,
                                      struct edit_records *records)
{
    struct accounts *accounts = scene->directory->accounts;
    struct project_info former = {0};
    bool adds = edit->kind == EDIT_PROJECT_ADD;
    enum edit_result result = EDIT_DONE;

    if (adds) {
        edit->id = 0;
        result = edit_check_room(edit, &accounts->projects,
                                 edit_last_ids(scene, edit)->last_project, EDIT_MAX_PROJECTS);
    } else if (!project_get(scene->directory, edit->id, &former)) {
        result = edit_refuse(edit, EDIT_NOT_FOUND, "there is no such project");
    } else {
        result = edit_check_revision(edit, former.revision);
    }
    if (result != EDIT_DONE)
        return result;
    struct project_info info = former;
    info.revision++;
    if (adds)
        info.id = edit_last_ids(scene, edit)->last_project + 1;
    if (edit->kind == EDIT_PROJECT_REMOVE) {
        if (former.groups > 0)
            return edit_refuse(edit, EDIT_IN_USE, "it has %u groups", former.groups);
        places_settle(scene->directory); /* whoever joins it right now is counted */
        (void)project_get(scene->directory, edit->id, &former);
        result = check_use(scene, edit, former.id, 0, former.devices);
    } else {
        result = edit_take_texts(edit, accounts, &accounts->projects, 0, info.name, info.note);
    }
    return result == EDIT_DONE ? pack_project(scene, edit, &former, &info, records) : result;
}

/* ---- groups ---- */

static enum edit_result pack_group(const struct edit_scene *scene, struct edit *edit,
                                   const struct group_info *former, struct group_info *info,
                                   struct edit_records *records)
{
    struct item_event made;
    Cenc__V1__Group item;
    Cenc__V1__Group before;

    group_message(info, &item);
    group_message(former, &before);
    edit_make_event(edit, EDIT_GROUP_ADD, CENC__V1__EVENT__BODY_GROUP_ADDED, &item.base,
                    &before.base, &made);
    made.event.project = item.project;
    edit->id = info->id;
    edit->revision = info->revision;
    return edit_pack(scene, edit, &made.event, records);
}

static enum edit_result begin_group(const struct edit_scene *scene, struct edit *edit,
                                    struct group_info *former)
{
    struct accounts *accounts = scene->directory->accounts;
    struct project_info project;

    if (edit->kind != EDIT_GROUP_ADD) {
        if (!group_get(scene->directory, edit->id, former))
            return edit_refuse(edit, EDIT_NOT_FOUND, "there is no such group");
        return edit_check_revision(edit, former->revision);
    }
    edit->id = 0;
    if (!edit_finds_project(scene, edit, edit->project, &project))
        return edit_refuse(edit, EDIT_NOT_FOUND, "there is no such project");
    former->project = project.id;
    edit_copy(former->project_name, project.name, sizeof(former->project_name));
    return edit_check_room(edit, &accounts->groups, edit_last_ids(scene, edit)->last_group,
                           EDIT_MAX_GROUPS);
}

enum edit_result edit_prepare_group(const struct edit_scene *scene, struct edit *edit,
                                    struct edit_records *records)
{
    struct accounts *accounts = scene->directory->accounts;
    struct group_info former = {0};
    bool adds = edit->kind == EDIT_GROUP_ADD;
    enum edit_result result = begin_group(scene, edit, &former);

    if (result != EDIT_DONE)
        return result;
    struct group_info info = former;
    info.revision++;
    if (adds)
        info.id = edit_last_ids(scene, edit)->last_group + 1;
    if (edit->kind == EDIT_GROUP_REMOVE)
        result = check_use(scene, edit, 0, former.id, former.devices);
    else
        result =
            edit_take_texts(edit, accounts, &accounts->groups, info.project, info.name, info.note);
    return result == EDIT_DONE ? pack_group(scene, edit, &former, &info, records) : result;
}

/* ---- bindings ---- */

static uint16_t port_of(const struct directory *directory, const char *listener, bool *known)
{
    const struct directory_config *config = &directory->config;

    *known = true;
    for (size_t i = 0; config->listeners != NULL && i < config->listener_count; i++)
        if (strcmp(config->listeners[i].name, listener) == 0)
            return config->listeners[i].address.port;
    *known = false;
    return 0;
}

static enum edit_result check_binding(const struct edit_scene *scene, struct edit *edit,
                                      const struct binding_info *former, struct project_info *to,
                                      bool known)
{
    if (!known && (edit->project != 0 || former->revision == 0))
        return edit_refuse(edit, EDIT_NOT_FOUND, "there is no such listener");
    if (edit->project != 0 && !project_get(scene->directory, edit->project, to))
        return edit_refuse(edit, EDIT_NOT_FOUND, "there is no such project");
    if (former->project == edit->project)
        return edit_refuse(edit, edit->project == 0 ? EDIT_NOT_FOUND : EDIT_EXISTS,
                           edit->project == 0 ? "the listener is not bound"
                                              : "the listener is bound to this project already");
    if (former->sweeping)
        return edit_refuse(edit, EDIT_CONFLICT,
                           "devices are still being moved for the binding as it is");
    return edit_check_revision(edit, former->revision);
}

enum edit_result edit_prepare_binding(const struct edit_scene *scene, struct edit *edit,
                                      struct edit_records *records)
{
    Cenc__V1__Event event = CENC__V1__EVENT__INIT;
    Cenc__V1__BindingChanged body = CENC__V1__BINDING_CHANGED__INIT;
    struct binding_info former = {0};
    struct project_info to = {0};
    bool known;
    uint16_t port = port_of(scene->directory, edit->listener, &known);

    (void)binding_find(scene->directory, edit->listener, &former);
    enum edit_result result = check_binding(scene, edit, &former, &to, known);
    if (result != EDIT_DONE)
        return result;
    edit->revision = former.revision + 1;
    body.listener = edit->listener;
    body.port = port;
    body.project = to.name;
    body.former_project = former.project_name;
    body.revision = edit->revision;
    body.project_id = edit->project;
    body.former_project_id = former.project;
    body.move = edit->move;
    event.listener = edit->listener;
    event.project = to.name;
    event.body_case = CENC__V1__EVENT__BODY_BINDING_CHANGED;
    event.binding_changed = &body;
    return edit_pack(scene, edit, &event, records);
}
