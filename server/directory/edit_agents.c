/* Edits of agents, made into records. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/directory/edit_internal.h"
#include "server/directory/internal.h"
#include "server/directory/names.h"

/* ---- values ---- */

static int by_number(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;

    return (a > b) - (a < b);
}

/* Sorted, each once. */
static uint32_t sort_ids(uint32_t *ids, uint32_t count)
{
    uint32_t kept = 0;

    qsort(ids, count, sizeof(*ids), by_number);
    for (uint32_t i = 0; i < count; i++)
        if (kept == 0 || ids[kept - 1] != ids[i])
            ids[kept++] = ids[i];
    return kept;
}

static enum edit_result take_grants(const struct edit_scene *scene, struct edit *edit,
                                    struct agent_info *info)
{
    const struct agent_info *wanted = &edit->agent;

    if (wanted->group_count > AGENT_MAX_GROUPS || wanted->project_count > AGENT_MAX_PROJECTS ||
        wanted->source_count > AGENT_MAX_SOURCES)
        return edit_refuse(edit, EDIT_INVALID,
                           "an agent has at most %u groups, %u projects and %u networks",
                           AGENT_MAX_GROUPS, AGENT_MAX_PROJECTS, AGENT_MAX_SOURCES);
    if (edit_takes(edit, EDIT_GROUPS)) {
        memcpy(info->groups, wanted->groups, sizeof(info->groups));
        info->group_count = sort_ids(info->groups, wanted->group_count);
    }
    if (edit_takes(edit, EDIT_PROJECTS)) {
        memcpy(info->projects, wanted->projects, sizeof(info->projects));
        info->project_count = sort_ids(info->projects, wanted->project_count);
    }
    if (edit_takes(edit, EDIT_SOURCES)) {
        memcpy(info->sources, wanted->sources, sizeof(info->sources));
        info->source_count = wanted->source_count;
    }
    for (uint32_t i = 0; i < info->group_count; i++)
        if (!group_get(scene->directory, info->groups[i], NULL))
            return edit_refuse(edit, EDIT_NOT_FOUND, "there is no such group");
    for (uint32_t i = 0; i < info->project_count; i++)
        if (!project_get(scene->directory, info->projects[i], NULL))
            return edit_refuse(edit, EDIT_NOT_FOUND, "there is no such project");
    return EDIT_DONE;
}

static enum edit_result take_values(const struct edit_scene *scene, struct edit *edit,
                                    struct agent_info *info)
{
    struct accounts *accounts = scene->directory->accounts;
    enum edit_result result =
        edit_take_texts(edit, accounts, &accounts->agents, 0, info->name, info->note);

    if (result != EDIT_DONE)
        return result;
    if (edit_takes(edit, EDIT_ENABLED))
        info->enabled = edit->agent.enabled;
    if (edit_takes(edit, EDIT_EXTENDED))
        info->extended = edit->agent.extended;
    if (edit_takes(edit, EDIT_EXPIRES))
        info->expires_utc_ms = edit->agent.expires_utc_ms;
    if (edit_takes(edit, EDIT_MAX_SESSIONS))
        info->max_sessions = edit->agent.max_sessions;
    if (edit_takes(edit, EDIT_PRIORITY))
        info->priority = edit->agent.priority;
    if (edit->password.log2_n != 0)
        info->has_password = true;
    if (info->expires_utc_ms > INT64_MAX)
        return edit_refuse(edit, EDIT_INVALID, "the time of expiry is too late");
    return take_grants(scene, edit, info);
}

/* ---- records ---- */

static void pack_secret(const struct edit_scene *scene, const struct edit *edit,
                        const struct agent_info *info, struct edit_records *records)
{
    Cenc__Private__V1__Record record = CENC__PRIVATE__V1__RECORD__INIT;
    Cenc__Private__V1__AgentSecret secret;

    if (edit->password.log2_n == 0 || edit->kind == EDIT_AGENT_REMOVE)
        return;
    secret_message(info->id, info->revision, &edit->password, &secret);
    secret.name = proto_string(info->name);
    record.recorded_unix_ms = (int64_t)scene->utc_ms;
    record.body_case = CENC__PRIVATE__V1__RECORD__BODY_AGENT_SECRET;
    record.agent_secret = &secret;
    CHECK(proto_pack(&record.base, records->private, sizeof(records->private),
                     &records->private_size) == CODEC_OK);
}

static enum edit_result pack_agent(const struct edit_scene *scene, struct edit *edit,
                                   const struct agent_info *former, const struct agent_info *info,
                                   struct edit_records *records)
{
    struct item_event made;
    struct agent_message item;
    struct agent_message before;

    agent_message(scene->directory, info, &item);
    agent_message(scene->directory, former, &before);
    edit_make_event(edit, EDIT_AGENT_ADD, CENC__V1__EVENT__BODY_AGENT_ADDED, &item.agent.base,
                    &before.agent.base, &made);
    if (edit->kind == EDIT_AGENT_CHANGE)
        made.body.agent_changed.password_changed = edit->password.log2_n != 0;
    edit->id = info->id;
    edit->revision = info->revision;
    pack_secret(scene, edit, info, records);
    return edit_pack(scene, edit, &made.event, records);
}

enum edit_result edit_prepare_agent(const struct edit_scene *scene, struct edit *edit,
                                    struct edit_records *records)
{
    struct accounts *accounts = scene->directory->accounts;
    struct agent_info former = {0};
    enum edit_result result = EDIT_DONE;

    if (edit->kind == EDIT_AGENT_ADD) {
        edit->id = 0;
        if (accounts->agents.count >= EDIT_MAX_AGENTS || accounts->last_agent >= ID_MAX)
            return edit_refuse(edit, EDIT_FULL, "there is no room for another agent");
    } else if (!agent_get(scene->directory, (struct agent_ref){edit->id}, &former)) {
        return edit_refuse(edit, EDIT_NOT_FOUND, "there is no such agent");
    } else {
        result = edit_check_revision(edit, former.revision);
    }
    if (result != EDIT_DONE)
        return result;
    struct agent_info info = former;
    info.revision++;
    if (edit->kind == EDIT_AGENT_ADD)
        info.id = accounts->last_agent + 1;
    if (edit->kind != EDIT_AGENT_REMOVE)
        result = take_values(scene, edit, &info);
    return result == EDIT_DONE ? pack_agent(scene, edit, &former, &info, records) : result;
}
