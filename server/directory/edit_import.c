/* Edits of which an import's batch is made beside those of objects: details, and the event that
 * ends it. */
#include <string.h>

#include "server/directory/edit_internal.h"
#include "server/directory/internal.h"

static uint32_t owner_of(const struct edit *edit)
{
    switch (edit->details_kind) {
    case DETAILS_DEVICE:
        return 0;
    case DETAILS_GROUP:
        return edit->group;
    case DETAILS_CHANNEL:
        return edit->channel;
    default:
        return edit->project;
    }
}

static enum edit_result pack_details(const struct edit_scene *scene, const struct edit *edit,
                                     struct edit_records *records)
{
    Cenc__Private__V1__Record record = CENC__PRIVATE__V1__RECORD__INIT;
    Cenc__Private__V1__ImportedDetails body = CENC__PRIVATE__V1__IMPORTED_DETAILS__INIT;
    char serial[PROTO_TEXT_SIZE(PLUGIN_SERIAL_SIZE)];

    (void)proto_text(edit->serial, strlen(edit->serial), serial, sizeof(serial));
    body.kind = proto_string(details_kind_name(edit->details_kind));
    body.owner_id = owner_of(edit);
    body.scope = proto_string(edit->scope);
    body.key = edit->details_kind == DETAILS_DEVICE ? serial : proto_string(edit->name);
    body.json = proto_string(edit->details);
    record.recorded_unix_ms = (int64_t)scene->utc_ms;
    record.body_case = CENC__PRIVATE__V1__RECORD__BODY_IMPORTED_DETAILS;
    record.imported_details = &body;
    CHECK(proto_pack(&record.base, records->private, sizeof(records->private),
                     &records->private_size) == CODEC_OK);
    return EDIT_DONE;
}

enum edit_result edit_prepare_details(const struct edit_scene *scene, struct edit *edit,
                                      struct edit_records *records)
{
    bool of_device = edit->details_kind == DETAILS_DEVICE;

    records->public_size = 0;
    if (edit->details == NULL || strlen(edit->details) > DETAILS_MAX)
        return edit_refuse(edit, EDIT_INVALID, "the details have more than %u bytes", DETAILS_MAX);
    if (!proto_utf8_valid(edit->details, strlen(edit->details)) ||
        !proto_utf8_valid(edit->name, strlen(edit->name)) ||
        !proto_utf8_valid(edit->scope, strlen(edit->scope)))
        return edit_refuse(edit, EDIT_INVALID, "the details are no UTF-8");
    if (of_device ? edit->serial[0] == '\0' : owner_of(edit) == 0)
        return edit_refuse(edit, EDIT_INVALID, "the details belong to nothing");
    return pack_details(scene, edit, records);
}

enum edit_result edit_prepare_imported(const struct edit_scene *scene, struct edit *edit,
                                       struct edit_records *records)
{
    const struct edit_imported *counts = edit->imported;
    Cenc__V1__Event event = CENC__V1__EVENT__INIT;
    Cenc__V1__Imported body = CENC__V1__IMPORTED__INIT;
    char file_name[PROTO_TEXT_SIZE(sizeof(counts->file_name))];
    char project[PROTO_TEXT_SIZE(DIRECTORY_NAME_SIZE)];

    if (counts == NULL)
        return edit_refuse(edit, EDIT_INVALID, "nothing was imported");
    (void)proto_text(counts->file_name, strlen(counts->file_name), file_name, sizeof(file_name));
    body.format = proto_string(counts->format);
    body.file_name = file_name;
    /* it may be one that another edit of the batch is refused for */
    (void)proto_text(counts->project, strnlen(counts->project, DIRECTORY_NAME_SIZE - 1), project,
                     sizeof(project));
    event.project = project;
    body.projects_added = counts->projects_added;
    body.groups_added = counts->groups_added;
    body.channels_added = counts->channels_added;
    body.devices_added = counts->devices_added;
    body.channels_changed = counts->channels_changed;
    body.devices_moved = counts->devices_moved;
    body.devices_unchanged = counts->devices_unchanged;
    body.secrets_left_out = counts->secrets_left_out;
    event.body_case = CENC__V1__EVENT__BODY_IMPORTED;
    event.imported = &body;
    return edit_pack(scene, edit, &event, records);
}
