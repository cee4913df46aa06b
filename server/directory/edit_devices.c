/* Edits of devices, made into records. */
#include <string.h>

#include "config/value.h"
#include "server/base/check.h"
#include "server/directory/edit_internal.h"
#include "server/directory/edit_pending.h"
#include "server/directory/internal.h"
#include "server/directory/restore.h"

struct device_texts {
    Cenc__V1__Device device;
    Cenc__V1__DeviceState state;
    struct facts_texts texts;
};

/* In the project that the facts say. */
static void describe(const struct edit_scene *scene, const struct edit *edit,
                     const struct device_facts *facts, struct device_texts *texts,
                     Cenc__V1__Event *event)
{
    cenc__v1__device__init(&texts->device);
    texts->device.scope = proto_string(facts->scope);
    texts->device.serial = proto_string(facts->serial);
    texts->device.kind = proto_string(facts->kind);
    texts->device.model = proto_string(facts->model);
    texts->device.firmware = proto_string(facts->firmware);
    texts->device.hardware = proto_string(facts->hardware);
    event->device = &texts->device;
    event->project = proto_string(edit_project_name(scene, edit, facts->project_id));
    event->link_epoch = facts->epoch;
    event->listener = proto_string(facts->listener);
    cenc__v1__device_state__init(&texts->state);
    texts->state.first_seen_unix_ms = (int64_t)facts->first_seen_utc_ms;
    texts->state.last_seen_unix_ms = (int64_t)facts->last_seen_utc_ms;
    texts->state.listener = proto_string(facts->listener);
    texts->state.direct_port = facts->direct_port;
    texts->state.link_epoch = facts->epoch;
    texts->state.project_id = facts->project_id;
    texts->state.group_id = facts->group_id;
    texts->state.channel = proto_string(edit_channel_name(scene, edit, facts->channel_id));
    texts->state.channel_id = facts->channel_id;
    texts->state.unapproved = facts->unapproved;
}

size_t edit_pack_move(const struct edit_scene *scene, const struct edit *edit,
                      const struct device *device, const struct place *place, uint8_t *out,
                      size_t capacity)
{
    Cenc__V1__Event event = CENC__V1__EVENT__INIT;
    Cenc__V1__DeviceMoved body = CENC__V1__DEVICE_MOVED__INIT;
    struct device_texts texts;
    struct device_facts facts;
    size_t size = 0;

    (void)directory_facts(scene->directory, device, &facts, &texts.texts);
    describe(scene, edit, &facts, &texts, &event);
    char *former = proto_string(edit_group_name(scene, edit, facts.group_id));
    char *group = proto_string(edit_group_name(scene, edit, place->group));
    event.project = proto_string(edit_project_name(scene, edit, place->project));
    body.former_project = proto_string(edit_project_name(scene, edit, facts.project_id));
    body.n_former_groups = facts.group_id != 0;
    body.former_groups = &former;
    body.n_groups = place->group != 0;
    body.groups = &group;
    body.project_id = place->project;
    body.group_id = place->group;
    body.former_channel = proto_string(edit_channel_name(scene, edit, facts.channel_id));
    body.channel = proto_string(edit_channel_name(scene, edit, place->channel));
    body.channel_id = place->channel;
    event.body_case = CENC__V1__EVENT__BODY_DEVICE_MOVED;
    event.device_moved = &body;
    CHECK(edit_pack_event(scene, edit, &event, out, capacity, &size) == CODEC_OK);
    return size;
}

static enum edit_result check_place(const struct edit_scene *scene, struct edit *edit)
{
    struct group_info group;

    if (edit->channel != 0 && !edit_finds_channel(scene, edit, edit->channel, NULL))
        return edit_refuse(edit, EDIT_NOT_FOUND, "there is no such channel");
    if (edit->kind == EDIT_DEVICE_CHANNEL)
        return EDIT_DONE;
    if (edit->project != 0 && !edit_finds_project(scene, edit, edit->project, NULL))
        return edit_refuse(edit, EDIT_NOT_FOUND, "there is no such project");
    if (edit->group == 0)
        return EDIT_DONE;
    if (!edit_finds_group(scene, edit, edit->group, &group) || group.project != edit->project)
        return edit_refuse(edit, EDIT_NOT_FOUND, "there is no such group in the project");
    return EDIT_DONE;
}

/* In a batch it has its place when the batch counts; and at first it is only looked whether it may
 * enter. */
static enum status enter(const struct edit_scene *scene, struct edit *edit,
                         struct edit_records *records)
{
    const struct place nowhere = {0};

    if (edit->pending == NULL)
        return place_enter(scene->directory, edit->scope, edit->serial, &records->place,
                           scene->utc_ms, &records->device);
    enum status status = edit_pending_claim(edit->pending, edit->scope, edit->serial);
    if (status != STATUS_OK)
        return status;
    if (edit_enters(edit))
        return place_enter(scene->directory, edit->scope, edit->serial, &nowhere, scene->utc_ms,
                           &records->device);
    return place_check(scene->directory, edit->scope, edit->serial, &edit->pending->new_devices);
}

static enum edit_result prepare_add(const struct edit_scene *scene, struct edit *edit,
                                    struct edit_records *records)
{
    Cenc__V1__Event event = CENC__V1__EVENT__INIT;
    Cenc__V1__DeviceAdded body = CENC__V1__DEVICE_ADDED__INIT;
    struct device_texts texts;
    struct device_facts facts;

    if (!value_is_name(edit->scope))
        return edit_refuse(edit, EDIT_INVALID,
                           "the scope is no name of 1 to 31 characters a-z 0-9 . _ -");
    switch (enter(scene, edit, records)) {
    case STATUS_OK:
        break;
    case STATUS_EXISTS:
        return edit_refuse(edit, EDIT_EXISTS, "there is such a device%s",
                           edit->pending != NULL ? ", or an item before adds it" : "");
    case STATUS_INVALID:
        return edit_refuse(edit, EDIT_INVALID, "the serial is empty or too long");
    default:
        return edit_refuse(edit, EDIT_FULL, "there is no room for a device: limits.devices");
    }
    if (!edit_enters(edit))
        return EDIT_DONE;
    edit->device = records->device;
    (void)directory_facts(scene->directory, records->device, &facts, &texts.texts);
    facts.project_id = records->place.project;
    facts.group_id = records->place.group;
    facts.channel_id = records->place.channel;
    describe(scene, edit, &facts, &texts, &event);
    body.state = &texts.state;
    event.body_case = CENC__V1__EVENT__BODY_DEVICE_ADDED;
    event.device_added = &body;
    return edit_pack(scene, edit, &event, records);
}

static enum edit_result prepare_remove(const struct edit_scene *scene, struct edit *edit,
                                       struct edit_records *records)
{
    Cenc__V1__Event event = CENC__V1__EVENT__INIT;
    Cenc__V1__DeviceRemoved body = CENC__V1__DEVICE_REMOVED__INIT;
    struct device_texts texts;
    struct device_facts facts;
    struct device_info info;

    directory_get(scene->directory, records->device, &info);
    if (info.link.id != 0)
        return edit_refuse(edit, EDIT_IN_USE, "the device is connected");
    (void)directory_facts(scene->directory, records->device, &facts, &texts.texts);
    records->epoch = facts.epoch;
    describe(scene, edit, &facts, &texts, &event);
    body.state = &texts.state;
    event.body_case = CENC__V1__EVENT__BODY_DEVICE_REMOVED;
    event.device_removed = &body;
    return edit_pack(scene, edit, &event, records);
}

static bool claim_device(const struct edit_scene *scene, const struct edit *edit)
{
    struct device_info info;

    directory_get(scene->directory, edit->device, &info);
    return edit_pending_claim(edit->pending, info.scope, info.serial) == STATUS_OK;
}

static enum edit_result prepare_approve(const struct edit_scene *scene, struct edit *edit,
                                        struct edit_records *records)
{
    Cenc__V1__Event event = CENC__V1__EVENT__INIT;
    Cenc__V1__DeviceApproved body = CENC__V1__DEVICE_APPROVED__INIT;
    struct device_texts texts;
    struct device_facts facts;

    (void)directory_facts(scene->directory, records->device, &facts, &texts.texts);
    if (!facts.unapproved)
        return edit_refuse(edit, EDIT_EXISTS, "the device is approved already");
    describe(scene, edit, &facts, &texts, &event);
    event.body_case = CENC__V1__EVENT__BODY_DEVICE_APPROVED;
    event.device_approved = &body;
    return edit_pack(scene, edit, &event, records);
}

/* What the edit doesn't speak of stays as it is. */
static struct place new_place(const struct edit *edit, const struct place *present)
{
    struct place place = *present;

    if (edit->kind != EDIT_DEVICE_CHANNEL) {
        place.project = edit->project;
        place.group = edit->group;
    }
    if (edit->kind != EDIT_DEVICE_MOVE || (edit->fields & EDIT_CHANNEL) != 0)
        place.channel = edit->channel;
    return place;
}

enum edit_result edit_prepare_device(const struct edit_scene *scene, struct edit *edit,
                                     struct edit_records *records)
{
    enum edit_result result = check_place(scene, edit);
    struct place present = {0};

    if (result != EDIT_DONE)
        return result;
    records->place = new_place(edit, &present);
    if (edit->kind == EDIT_DEVICE_ADD)
        return prepare_add(scene, edit, records);
    if (edit->device == NULL || !place_of(scene->directory, edit->device, &present))
        return edit_refuse(edit, EDIT_NOT_FOUND, "there is no such device");
    if (edit->pending != NULL && !claim_device(scene, edit))
        return edit_refuse(edit, EDIT_EXISTS, "an item before is about this device");
    records->device = edit->device;
    result = edit_check_revision(
        edit, edit_device_revision(present.project, present.group, present.channel));
    if (result != EDIT_DONE)
        return result;
    if (edit->kind == EDIT_DEVICE_REMOVE)
        return prepare_remove(scene, edit, records);
    if (edit->kind == EDIT_DEVICE_APPROVE) {
        records->place = present;
        return prepare_approve(scene, edit, records);
    }
    records->place = new_place(edit, &present);
    records->public_size = edit_pack_move(scene, edit, edit->device, &records->place,
                                          records->public, sizeof(records->public));
    return EDIT_DONE;
}
