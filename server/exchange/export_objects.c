/* Channels, groups and devices as ceHes has them: what was imported, with what changed since, or
 * made of what the server knows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "codec/proto/text.h"
#include "server/directory/directory.h"
#include "server/exchange/export_internal.h"

static json_t *load(struct export *export, const char *json)
{
    json_t *value = json != NULL ? json_loads(json, 0, NULL) : NULL;

    export->failed |= json != NULL && value == NULL; /* it was JSON when it came */
    return value;
}

/* ---- channels ---- */

static json_t *settings_of(const json_t *channel)
{
    json_t *settings = json_object_get(channel, "Settings");

    if (json_is_object(settings))
        return json_incref(settings);
    return json_is_string(settings) ? json_loads(json_string_value(settings), 0, NULL) : NULL;
}

static bool is_text(const json_t *value, const char *text)
{
    return json_is_string(value) && strcmp(json_string_value(value), text) == 0;
}

static bool is_port(const json_t *value, uint16_t port)
{
    if (json_is_integer(value))
        return json_integer_value(value) == port;
    return json_is_string(value) && strtol(json_string_value(value), NULL, 10) == port;
}

/* Still as it came? */
static bool is_same(const json_t *channel, const json_t *settings, const struct channel_info *info)
{
    return is_text(json_object_get(channel, "Name"), info->name) &&
           json_is_true(json_object_get(channel, "IsExclusive")) == info->settings.exclusive &&
           is_text(json_object_get(settings, CEHES_TCP_ADDRESS), info->settings.host) &&
           is_port(json_object_get(settings, CEHES_TCP_PORT), info->settings.port);
}

static void change_channel(json_t *channel, json_t *settings, const struct channel_info *info)
{
    char port[8];

    (void)snprintf(port, sizeof(port), "%u", info->settings.port);
    (void)json_object_set_new(settings, CEHES_TCP_ADDRESS, json_string(info->settings.host));
    (void)json_object_set_new(settings, CEHES_TCP_PORT, json_string(port));
    char *text = json_dumps(settings, JSON_COMPACT);
    (void)json_object_set_new(channel, "Name", json_string(info->name));
    (void)json_object_set_new(channel, "IsExclusive", json_boolean(info->settings.exclusive));
    if (json_is_object(json_object_get(channel, "Settings")))
        (void)json_object_set(channel, "Settings", settings);
    else if (text != NULL)
        (void)json_object_set_new(channel, "Settings", json_string(text));
    free(text);
}

static void make_id(const struct export *export, const struct channel_info *info,
                    char out[static EXPORT_ID_SIZE])
{
    char key[16];

    (void)snprintf(key, sizeof(key), "%u", info->id);
    export_id(export, "channel", "", key, out);
}

static json_t *new_channel(const struct export *export, const struct channel_info *info)
{
    char id[EXPORT_ID_SIZE];

    make_id(export, info, id);
    return json_pack("{s:s, s:s, s:s, s:b, s:s}", "Id", id, "Name", info->name, "Type", CEHES_TCP,
                     "IsExclusive", info->settings.exclusive, "Settings",
                     "{\"" CEHES_TCP_7E1 "\":\"false\"}");
}

/* Where the channel is in the list; channel_count: nowhere. */
static size_t place_among(const struct export *export, uint32_t channel)
{
    size_t low = 0;
    size_t high = export->channel_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (export->channels[middle] < channel)
            low = middle + 1;
        else
            high = middle;
    }
    return low < export->channel_count && export->channels[low] == channel ? low
                                                                           : export->channel_count;
}

/* Files that came one after another may have had one Id for two channels; in this one each has its
 * own. False: it got another. */
static bool has_own_id(const struct export *export, json_t *channel,
                       const struct channel_info *info)
{
    const char *id = json_string_value(json_object_get(channel, "Id"));
    uint32_t number = 0;
    char made[EXPORT_ID_SIZE];

    if (id == NULL || !names_index_find(&export->by_id, 0, id, &number) || number == EXPORT_OTHER ||
        number == place_among(export, info->id))
        return true;
    make_id(export, info, made);
    (void)json_object_set_new(channel, "Id", json_string(made));
    return false;
}

/* So that devices find it by its number, and lines by its Id. */
static void keep_id(struct export *export, const json_t *channel)
{
    uint32_t number = (uint32_t) export->channel_at;
    const char *id = json_string_value(json_object_get(channel, "Id"));

    if (id == NULL || strlen(id) >= sizeof(export->channel_ids[0]))
        return;
    memcpy(export->channel_ids[number], id, strlen(id) + 1);
    enum status status =
        names_index_add(&export->by_id, &export->arena, 0, export->channel_ids[number], &number);
    export->failed |= status == STATUS_NO_MEMORY;
}

void export_keep_other(struct export *export, const char *json)
{
    uint32_t number = EXPORT_OTHER;
    json_t *channel = load(export, json);
    const char *id = json_string_value(json_object_get(channel, "Id"));
    const char *kept = id != NULL ? arena_text(&export->arena, id, strlen(id)) : NULL;

    export->failed |= kept == NULL || names_index_add(&export->by_id, &export->arena, 0, kept,
                                                      &number) == STATUS_NO_MEMORY;
    json_decref(channel);
}

/* The channel as it is written; the JSON in which its Id is, to be released. NULL: it was removed
 * meanwhile. */
static json_t *put_channel(struct export *export, struct scrubbed *out, uint32_t id)
{
    struct channel_info info;

    if (!channel_get(export->config.directory, id, &info))
        return NULL;
    const char *json = export_details(export, DETAILS_CHANNEL, id, "", "");
    json_t *channel = json != NULL ? load(export, json) : new_channel(export, &info);
    json_t *settings = settings_of(channel);
    bool own = has_own_id(export, channel, &info);
    if (json != NULL && own && is_same(channel, settings, &info)) {
        export_text(out, json);
    } else {
        change_channel(channel, settings, &info);
        export_json(export, out, channel);
    }
    json_decref(settings);
    return channel;
}

void export_channel(struct export *export, struct scrubbed *out)
{
    size_t begin = out->size;

    export_text(out, export->any ? ",\n" : "\n");
    json_t *channel = put_channel(export, out, export->channels[export->channel_at]);
    if (channel == NULL) {
        out->size = begin;
    } else {
        export->any = true;
        keep_id(export, channel);
    }
    json_decref(channel);
    export->channel_at++;
}

const char *export_channel_id(const struct export *export, uint32_t channel)
{
    size_t at = place_among(export, channel);

    return at < export->channel_count && export->channel_ids[at][0] != '\0'
               ? export->channel_ids[at]
               : NULL;
}

/* ---- groups ---- */

static void keep_group_id(struct export *export, uint32_t group, const char *json)
{
    json_t *parsed = load(export, json);
    const char *id = json_string_value(json_object_get(parsed, "Id"));
    const char *kept = id != NULL ? arena_text(&export->arena, id, strlen(id)) : NULL;

    export->failed |=
        id != NULL && (kept == NULL || names_index_add(&export->group_ids, &export->arena, 0, kept,
                                                       &group) == STATUS_NO_MEMORY);
    json_decref(parsed);
}

/* The Ids that files gave the project's groups: of several with one Id the oldest has it. */
static void index_group_ids(struct export *export)
{
    struct group_info info = {0};

    if (export->has_group_ids)
        return;
    export->has_group_ids = true;
    while (!export->failed && groups_list(export->config.directory, info.id, &info, 1) == 1) {
        const char *json = info.project == export->config.project
                               ? export_details(export, DETAILS_GROUP, info.id, "", "")
                               : NULL;
        if (json != NULL)
            keep_group_id(export, info.id, json);
    }
}

static bool is_anothers_id(const struct export *export, const json_t *group, uint32_t id)
{
    const char *text = json_string_value(json_object_get(group, "Id"));
    uint32_t owner = id;

    return text != NULL && names_index_find(&export->group_ids, 0, text, &owner) && owner != id;
}

static void put_group(struct export *export, struct scrubbed *out, const struct group_info *info)
{
    char id[EXPORT_ID_SIZE];
    char key[16];

    index_group_ids(export);
    const char *json =
        info->id != 0 ? export_details(export, DETAILS_GROUP, info->id, "", "")
                      : export_details(export, DETAILS_NO_GROUP, export->config.project, "", "");
    json_t *group = load(export, json);
    bool same =
        json != NULL && (info->id == 0 || is_text(json_object_get(group, "Name"), info->name));

    (void)snprintf(key, sizeof(key), "%u", info->id);
    export_id(export, "group", "", key, id);
    if (info->id != 0 && is_anothers_id(export, group, info->id)) {
        (void)json_object_set_new(group, "Id", json_string(id));
        same = false;
    }
    if (group == NULL && info->id == 0)
        group = json_pack("{s:n, s:n}", "Id", "Name");
    else if (group == NULL)
        group = json_pack("{s:s, s:s}", "Id", id, "Name", info->name);
    else if (!same)
        (void)json_object_set_new(group, "Name", json_string(info->name));
    if (same)
        export_text(out, json);
    else
        export_json(export, out, group);
    json_decref(group);
}

/* All of it but the end of its list of devices. */
void export_group_head(struct export *export, struct scrubbed *out, const struct group_info *info)
{
    put_group(export, out, info);
    if (out->failed || export->failed)
        return;
    out->size--; /* its closing brace */
    export_text(out, out->text[out->size - 1] == '{' ? "\"Devices\":[" : ",\"Devices\":[");
}

/* ---- devices ---- */

static json_t *new_line(const struct export *export, const char *serial, const char *channel)
{
    char id[EXPORT_ID_SIZE];

    export_id(export, "line", serial, channel, id);
    return json_pack("{s:s, s:s, s:n, s:n, s:n, s:b, s:s, s:i}", "Id", id, "ChannelId", channel,
                     "ProtocolId", "DeviceLib", "ProtocolMap", "Enabled", 1, "Address", "",
                     "Priority", 0);
}

static json_t *new_device(const struct export *export, const struct device_info *info,
                          const char *serial)
{
    char id[EXPORT_ID_SIZE];
    char time_text[32] = "";
    struct tm parts;
    time_t seconds = (time_t)(info->first_seen_utc_ms / 1000);

    if (gmtime_r(&seconds, &parts) != NULL)
        (void)strftime(time_text, sizeof(time_text), "%Y-%m-%dT%H:%M:%SZ", &parts);
    export_id(export, "device", info->scope, serial, id);
    return json_pack("{s:s, s:s, s:n, s:s, s:s, s:b, s:[], s:[]}", "Id", id, "SerialNumber", serial,
                     "Type", "Status", "DS_INUSE", "PlugDate", time_text, "Enabled", 1, "CommLines",
                     "Children");
}

/* Puts right which channels the lines name: the first that counts is the device's; of what isn't in
 * the file there is no mention. True: something had to be changed. */
static bool put_channel_right(struct export *export, json_t *device, const char *serial,
                              const char *channel)
{
    json_t *lines = json_object_get(device, "CommLines");
    json_t *line;
    size_t i;
    bool found = false;
    bool changed = false;

    json_array_foreach(lines, i, line)
    {
        const char *id = json_string_value(json_object_get(line, "ChannelId"));
        uint32_t number = 0;
        bool known = id != NULL && names_index_find(&export->by_id, 0, id, &number);
        bool counts = known && number != EXPORT_OTHER && !found &&
                      !json_is_false(json_object_get(line, "Enabled"));
        if (id == NULL || (known && !counts))
            continue;
        if (!counts || channel == NULL || strcmp(id, channel) != 0) {
            (void)json_object_set_new(
                line, "ChannelId", counts && channel != NULL ? json_string(channel) : json_null());
            changed = true;
        }
        found = found || (counts && channel != NULL);
    }
    if (found || channel == NULL)
        return changed;
    if (!json_is_array(lines))
        (void)json_object_set_new(device, "CommLines", json_array());
    (void)json_array_append_new(json_object_get(device, "CommLines"),
                                new_line(export, serial, channel));
    return true;
}

void export_device(struct export *export, struct scrubbed *out, const struct device *handle)
{
    struct device_info info;
    char serial[PROTO_TEXT_SIZE(PLUGIN_SERIAL_SIZE)];

    directory_get(export->config.directory, handle, &info);
    (void)proto_text(info.serial, strlen(info.serial), serial, sizeof(serial));
    const char *json = export_details(export, DETAILS_DEVICE, 0, info.scope, serial);
    json_t *device = json != NULL ? load(export, json) : new_device(export, &info, serial);
    const char *channel = info.channel_id != 0 ? export_channel_id(export, info.channel_id) : NULL;
    bool changed = put_channel_right(export, device, serial, channel);
    if (json != NULL && !changed)
        export_text(out, json);
    else
        export_json(export, out, device);
    json_decref(device);
}

/* ---- one of them ---- */

bool export_is_written_as(struct export *export, const struct details_key *key,
                          const struct device *device, const char *json)
{
    struct scrubbed out = {0};
    struct group_info group = {0};

    switch (key->kind) {
    case DETAILS_DEVICE:
        export_device(export, &out, device);
        break;
    case DETAILS_CHANNEL:
        json_decref(put_channel(export, &out, key->owner));
        break;
    case DETAILS_GROUP:
        if (group_get(export->config.directory, key->owner, &group))
            put_group(export, &out, &group);
        break;
    default:
        break;
    }
    bool same =
        out.text != NULL && out.size == strlen(json) && memcmp(out.text, json, out.size) == 0;
    scrubbed_free(&out);
    return same;
}
