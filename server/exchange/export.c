#include "server/exchange/export.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/base/siphash.h"
#include "server/directory/directory.h"
#include "server/exchange/export_internal.h"

#define PIECE 16384u

void export_text(struct scrubbed *out, const char *text)
{
    scrubbed_add(out, text, strlen(text));
}

void export_json(struct export *export, struct scrubbed *out, const json_t *value)
{
    char *text = value != NULL ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

    export->failed |= text == NULL;
    if (text != NULL)
        export_text(out, text);
    free(text);
}

/* A hash as a Guid of version 8: nothing secret is in it, so the keys are no secret either. */
void export_id(const struct export *export, const char *kind, const char *scope, const char *key,
               char out[static EXPORT_ID_SIZE])
{
    char text[512];
    int size =
        snprintf(text, sizeof(text), "%s\x1f%s\x1f%s\x1f%s", export->config.node, kind, scope, key);
    size_t length = size > 0 && (size_t)size < sizeof(text) ? (size_t)size : sizeof(text) - 1;
    uint64_t high = siphash(&(struct siphash_key){.low = 1, .high = 2}, text, length);
    uint64_t low = siphash(&(struct siphash_key){.low = 3, .high = 4}, text, length);

    (void)snprintf(out, EXPORT_ID_SIZE, "%08x-%04x-8%03x-%04x-%012llx", (unsigned)(high >> 32),
                   (unsigned)(high >> 16 & 0xffff), (unsigned)(high & 0xfff),
                   (unsigned)(low >> 48 & 0x3fff) | 0x8000u,
                   (unsigned long long)(low & 0xffffffffffffULL));
}

const char *export_details(struct export *export, enum details_kind kind, uint32_t owner,
                           const char *scope, const char *key)
{
    struct details_key wanted = {.kind = kind, .owner = owner, .scope = scope, .key = key};

    return export->config.details != NULL ? details_find(export->config.details, &wanted) : NULL;
}

/* ---- what there is ---- */

static bool grow(void **list, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return true;
    size_t more = *room == 0 ? 1024 : *room * 2;
    void *larger = realloc(*list, more * size);
    if (larger == NULL)
        return false;
    *list = larger;
    *room = more;
    return true;
}

static bool take_device(const struct device_info *info, void *context)
{
    struct export *export = context;

    if (export->config.of_project && info->project_id != export->config.project)
        return true;
    if (!grow((void **)&export->devices, export->device_count, &export->device_room,
              sizeof(*export->devices))) {
        export->failed = true;
        return false;
    }
    export->devices[export->device_count] = (struct export_device){
        .device = info->device, .group = info->group_id, .order = (uint32_t) export->device_count};
    export->device_count++;
    return true;
}

static int by_group(const void *a, const void *b)
{
    const struct export_device *one = a;
    const struct export_device *other = b;

    if (one->group != other->group)
        return one->group < other->group ? -1 : 1;
    return one->order < other->order ? -1 : one->order > other->order;
}

static void take_channel(struct export *export, uint32_t id)
{
    if (!grow((void **)&export->channels, export->channel_count, &export->channel_room,
              sizeof(*export->channels)))
        export->failed = true;
    else
        export->channels[export->channel_count++] = id;
}

static int by_number(const void *a, const void *b)
{
    uint32_t one = *(const uint32_t *)a;
    uint32_t other = *(const uint32_t *)b;

    return one < other ? -1 : one > other;
}

/* Those of the project, and those on which its devices are. */
static void take_channels(struct export *export)
{
    struct channel_info channel = {0};
    struct device_info device;
    uint32_t last = 0;
    size_t kept = 0;

    while (!export->failed && channels_list(export->config.directory, channel.id, &channel, 1) == 1)
        if (channel.project == export->config.project)
            take_channel(export, channel.id);
    for (size_t i = 0; i < export->device_count && !export->failed; i++) {
        directory_get(export->config.directory, export->devices[i].device, &device);
        if (device.channel_id != 0 && device.channel_id != last)
            take_channel(export, device.channel_id);
        last = device.channel_id;
    }
    if (export->channel_count > 0)
        qsort(export->channels, export->channel_count, sizeof(*export->channels), by_number);
    for (size_t i = 0; i < export->channel_count; i++)
        if (i == 0 || export->channels[i] != export->channels[kept - 1])
            export->channels[kept++] = export->channels[i];
    export->channel_count = kept;
    export->channel_ids = calloc(kept + 1, sizeof(*export->channel_ids));
    export->failed |= export->channel_ids == NULL;
}

enum status export_open(const struct export_config *config, struct export **opened)
{
    struct export *export = calloc(1, sizeof(*export));

    if (export == NULL)
        return STATUS_NO_MEMORY;
    export->config = *config;
    (void)directory_walk(config->directory, 0, take_device, export);
    if (config->format == EXCHANGE_CEHES && !export->failed) {
        if (export->device_count > 0)
            qsort(export->devices, export->device_count, sizeof(*export->devices), by_group);
        take_channels(export);
    }
    if (export->failed) {
        export_close(export);
        return STATUS_NO_MEMORY;
    }
    *opened = export;
    return STATUS_OK;
}

void export_close(struct export *export)
{
    if (export == NULL)
        return;
    names_index_free(&export->by_id);
    names_index_free(&export->group_ids);
    arena_free(&export->arena);
    free(export->devices);
    free(export->channels);
    free(export->channel_ids);
    free(export);
}

bool export_failed(const struct export *export)
{
    return export->failed ||
           (export->config.details != NULL && details_failed(export->config.details));
}

/* ---- the file ---- */

/* What stands in braces in the store, without them. */
static void put_top(struct scrubbed *out, const char *json, bool *has_meta)
{
    size_t size = strlen(json);

    *has_meta |= strncmp(json, "{\"Meta\":", 8) == 0;
    scrubbed_add(out, json + 1, size - 2);
    export_text(out, ",\n");
}

static void put_head(struct export *export, struct scrubbed *out)
{
    bool has_meta = false;
    char created[32] = "";
    struct tm parts;
    time_t seconds = (time_t)(export->config.utc_ms / 1000);
    struct details *details = export->config.details;

    export_text(out, "{");
    for (const char *json =
             details == NULL ? NULL : details_first(details, DETAILS_TOP, export->config.project);
         json != NULL; json = details_next(details))
        put_top(out, json, &has_meta);
    if (!has_meta) {
        if (gmtime_r(&seconds, &parts) != NULL)
            (void)strftime(created, sizeof(created), "%Y-%m-%dT%H:%M:%SZ", &parts);
        export_text(out, "\"Meta\":{\"AppName\":\"cencd\",\"AppVersion\":\"" CENCD_VERSION
                         "\",\"SchemaVersion\":\"v1\",\"Created\":\"");
        export_text(out, created);
        export_text(out, "\"},\n");
    }
    export_text(out, "\"Channels\":[");
}

static void put_pieces(struct export *export, struct scrubbed *out, enum details_kind kind)
{
    struct details *details = export->config.details;

    if (details == NULL)
        return;
    for (const char *json = details_first(details, kind, export->config.project); json != NULL;
         json = details_next(details)) {
        export_text(out, export->any ? ",\n" : "\n");
        export_text(out, json);
        export->any = true;
        if (kind == DETAILS_OTHER_CHANNEL)
            export_keep_other(export, json);
    }
}

/* The next group of the project; false: there is none. */
static bool next_group(struct export *export, struct group_info *info)
{
    info->id = export->group;
    while (groups_list(export->config.directory, info->id, info, 1) == 1)
        if (info->project == export->config.project)
            return true;
    return false;
}

static void begin_group(struct export *export, struct scrubbed *out, const struct group_info *info)
{
    export_text(out, export->any ? ",\n" : "\n");
    export_group_head(export, out, info);
    export->in_group = true;
    export->any = true;
    export->group = info->id;
}

/* Devices in no group come first, if there are any, or were in a file. */
static bool begin_first_group(struct export *export, struct scrubbed *out)
{
    struct group_info none = {0};
    bool has_devices = export->device_count > 0 && export->devices[0].group == 0;

    if (export->any || (!has_devices && export_details(export, DETAILS_NO_GROUP,
                                                       export->config.project, "", "") == NULL))
        return false;
    begin_group(export, out, &none);
    return true;
}

static void put_groups(struct export *export, struct scrubbed *out)
{
    struct group_info info;
    size_t begin = out->size;

    while (out->size - begin < PIECE) {
        if (!export->in_group) {
            if (begin_first_group(export, out))
                continue;
            if (!next_group(export, &info)) {
                export_text(out, "\n]}\n");
                export->phase = EXPORT_END;
                return;
            }
            begin_group(export, out, &info);
            /* of a group that was removed meanwhile: its devices are in none by now */
            while (export->at < export->device_count && export->devices[export->at].group < info.id)
                export->at++;
        }
        bool first = export->at == 0 || export->devices[export->at - 1].group != export->group;
        if (export->at < export->device_count &&
            export->devices[export->at].group == export->group) {
            export_text(out, first ? "\n" : ",\n");
            export_device(export, out, export->devices[export->at++].device);
        } else {
            export_text(out, "]}");
            export->in_group = false;
        }
    }
}

static void put_channels(struct export *export, struct scrubbed *out)
{
    size_t begin = out->size;

    while (export->channel_at < export->channel_count && out->size - begin < PIECE)
        export_channel(export, out);
    if (export->channel_at < export->channel_count)
        return;
    put_pieces(export, out, DETAILS_OTHER_CHANNEL);
    export_text(out, "\n],\n\"Protocols\":[");
    export->any = false;
    export->phase = EXPORT_PROTOCOLS;
}

bool export_next(struct export *export, struct scrubbed *out)
{
    if (export->config.format == EXCHANGE_CSV)
        return export_csv_next(export, out);
    switch (export->phase) {
    case EXPORT_HEAD:
        put_head(export, out);
        export->phase = EXPORT_CHANNELS;
        break;
    case EXPORT_CHANNELS:
        put_channels(export, out);
        break;
    case EXPORT_PROTOCOLS:
        put_pieces(export, out, DETAILS_PROTOCOL);
        export_text(out, "\n],\n\"Groups\":[");
        export->any = false;
        export->phase = EXPORT_GROUPS;
        break;
    case EXPORT_GROUPS:
        put_groups(export, out);
        break;
    case EXPORT_END:
        break;
    }
    export->failed |= out->failed;
    return export->phase != EXPORT_END && !export_failed(export);
}

/* Channels first: devices name them by their Ids. */
void export_begin_looking(struct export *export)
{
    struct scrubbed out = {0};

    while (export->phase < EXPORT_PROTOCOLS && export_next(export, &out))
        out.size = 0;
    scrubbed_free(&out);
}
