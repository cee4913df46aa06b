/* The directory as CSV. */
#include <stdio.h>
#include <string.h>

#include "codec/proto/text.h"
#include "server/directory/directory.h"
#include "server/exchange/csv_read.h"
#include "server/exchange/export_internal.h"

#define PIECE 16384u

/* In quotes where it must be (RFC 4180). */
static void put_field(struct scrubbed *out, const char *text)
{
    if (strpbrk(text, "\",;\t\r\n") == NULL) {
        export_text(out, text);
        return;
    }
    export_text(out, "\"");
    for (; *text != '\0'; text++) {
        if (*text == '"')
            export_text(out, "\"");
        scrubbed_add(out, text, 1);
    }
    export_text(out, "\"");
}

static void put_row(struct export *export, struct scrubbed *out, const struct device *device)
{
    struct device_info info;
    struct channel_info channel = {0};
    char serial[PROTO_TEXT_SIZE(PLUGIN_SERIAL_SIZE)];
    char port[8] = "";

    directory_get(export->config.directory, device, &info);
    bool has_channel =
        info.channel_id != 0 && channel_get(export->config.directory, info.channel_id, &channel);
    (void)proto_text(info.serial, strlen(info.serial), serial, sizeof(serial));
    if (has_channel)
        (void)snprintf(port, sizeof(port), "%u", channel.settings.port);
    const char *const fields[] = {
        serial,       info.scope,
        info.project, info.group,
        channel.name, channel.settings.host,
        port,         !has_channel ? "" : channel.settings.exclusive ? "yes" : "no"};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        export_text(out, i > 0 ? "," : "");
        put_field(out, fields[i]);
    }
    export_text(out, "\r\n");
}

bool export_csv_next(struct export *export, struct scrubbed *out)
{
    size_t begin = out->size;

    if (export->at == 0 && export->phase == EXPORT_HEAD)
        export_text(out, CSV_COLUMNS "\r\n");
    export->phase = EXPORT_GROUPS;
    while (export->at < export->device_count && out->size - begin < PIECE)
        put_row(export, out, export->devices[export->at++].device);
    export->failed |= out->failed;
    return export->at < export->device_count && !export->failed;
}
