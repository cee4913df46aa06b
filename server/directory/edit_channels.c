/* Edits of channels, made into records. */
#include <stdio.h>
#include <string.h>

#include "server/directory/edit_internal.h"
#include "server/directory/edit_pending.h"
#include "server/directory/internal.h"

static enum edit_result pack_channel(const struct edit_scene *scene, struct edit *edit,
                                     const struct channel_info *former, struct channel_info *info,
                                     struct edit_records *records)
{
    struct item_event made;
    Cenc__V1__Channel item;
    Cenc__V1__Channel before;

    channel_message(info, &item);
    channel_message(former, &before);
    edit_make_event(edit, EDIT_CHANNEL_ADD, CENC__V1__EVENT__BODY_CHANNEL_ADDED, &item.base,
                    &before.base, &made);
    made.event.project = item.project;
    edit->id = info->id;
    edit->revision = info->revision;
    return edit_pack(scene, edit, &made.event, records);
}

static enum edit_result take_project(const struct edit_scene *scene, struct edit *edit,
                                     struct channel_info *info)
{
    struct project_info project = {0};

    if (!edit_takes(edit, EDIT_PROJECT))
        return EDIT_DONE;
    if (edit->project != 0 && !edit_finds_project(scene, edit, edit->project, &project))
        return edit_refuse(edit, EDIT_NOT_FOUND, "there is no such project");
    info->project = project.id;
    edit_copy(info->project_name, project.name, sizeof(info->project_name));
    return EDIT_DONE;
}

static enum edit_result take_settings(struct edit *edit, struct channel_settings *settings)
{
    if (edit_takes(edit, EDIT_HOST)) {
        if (memchr(edit->settings.host, '\0', HOST_SIZE) == NULL ||
            !host_is_valid(edit->settings.host))
            return edit_refuse(edit, EDIT_INVALID, "the host is neither a name nor an IP address");
        edit_copy(settings->host, edit->settings.host, sizeof(settings->host));
    }
    if (edit_takes(edit, EDIT_PORT)) {
        if (edit->settings.port == 0)
            return edit_refuse(edit, EDIT_INVALID, "the port is no number from 1 to 65535");
        settings->port = edit->settings.port;
    }
    if (edit_takes(edit, EDIT_EXCLUSIVE))
        settings->exclusive = edit->settings.exclusive;
    if (edit_takes(edit, EDIT_ENABLED))
        settings->enabled = edit->settings.enabled;
    return EDIT_DONE;
}

/* In a batch nobody else changes it. */
static bool claim_channel(struct edit *edit)
{
    char id[16];

    if (edit->pending == NULL)
        return true;
    (void)snprintf(id, sizeof(id), "%u", edit->id);
    return edit_pending_claim(edit->pending, "/channel", id) == STATUS_OK;
}

static enum edit_result take(const struct edit_scene *scene, struct edit *edit,
                             struct channel_info *info)
{
    struct accounts *accounts = scene->directory->accounts;
    enum edit_result result =
        edit_take_texts(edit, accounts, &accounts->channels, 0, info->name, info->note);

    if (result == EDIT_DONE)
        result = take_project(scene, edit, info);
    return result == EDIT_DONE ? take_settings(edit, &info->settings) : result;
}

enum edit_result edit_prepare_channel(const struct edit_scene *scene, struct edit *edit,
                                      struct edit_records *records)
{
    struct accounts *accounts = scene->directory->accounts;
    struct channel_info former = {0};
    bool adds = edit->kind == EDIT_CHANNEL_ADD;
    enum edit_result result = EDIT_DONE;

    if (adds) {
        edit->id = 0;
        result = edit_check_room(edit, &accounts->channels,
                                 edit_last_ids(scene, edit)->last_channel, EDIT_MAX_CHANNELS);
    } else if (!channel_get(scene->directory, edit->id, &former)) {
        result = edit_refuse(edit, EDIT_NOT_FOUND, "there is no such channel");
    } else if (!claim_channel(edit)) {
        result = edit_refuse(edit, EDIT_EXISTS, "an item before changes this channel");
    } else {
        result = edit_check_revision(edit, former.revision);
    }
    if (result != EDIT_DONE)
        return result;
    struct channel_info info = former;
    info.revision++;
    if (adds)
        info.id = edit_last_ids(scene, edit)->last_channel + 1;
    if (edit->kind != EDIT_CHANNEL_REMOVE)
        result = take(scene, edit, &info);
    else if (former.devices > 0)
        result = edit_refuse(edit, EDIT_IN_USE, "it has %llu devices",
                             (unsigned long long)former.devices);
    return result == EDIT_DONE ? pack_channel(scene, edit, &former, &info, records) : result;
}
