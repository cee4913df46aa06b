/* Inside of an export: what its files share. */
#ifndef CENCD_EXCHANGE_EXPORT_INTERNAL_H
#define CENCD_EXCHANGE_EXPORT_INTERNAL_H

#include <jansson.h>

#include "server/directory/channels.h"
#include "server/exchange/cehes.h"
#include "server/exchange/export.h"

#define EXPORT_ID_SIZE 37 /* of a Guid, with NUL */
#define EXPORT_OTHER   UINT32_MAX

struct export_device {
    const struct device *device;
    uint32_t group;
    uint32_t order;
};

enum export_phase {
    EXPORT_HEAD,
    EXPORT_CHANNELS,
    EXPORT_PROTOCOLS,
    EXPORT_GROUPS,
    EXPORT_END,
};

struct export
{
    struct export_config config;
    enum export_phase phase;
    bool failed;
    struct export_device *devices; /* of ceHes by group */
    size_t device_count, device_room;
    size_t at; /* devices that were written */
    bool in_group;
    uint32_t group;     /* the last that was begun; 0 is none */
    bool any;           /* an entry of the present list was written */
    uint32_t *channels; /* ids of those that are written */
    size_t channel_count, channel_room;
    size_t channel_at;
    char(*channel_ids)[EXPORT_ID_SIZE + 59]; /* their Ids in the file */
    struct names_index by_id;                /* number in that list, or EXPORT_OTHER */
    struct names_index group_ids;            /* whose group that is, by what was imported */
    bool has_group_ids;
    struct arena arena;
};

void export_text(struct scrubbed *out, const char *text);
void export_json(struct export *export, struct scrubbed *out, const json_t *value);
/* An Id for what has none, always the same. */
void export_id(const struct export *export, const char *kind, const char *scope, const char *key,
               char out[static EXPORT_ID_SIZE]);
const char *export_details(struct export *export, enum details_kind kind, uint32_t owner,
                           const char *scope, const char *key);

/* One object each, as ceHes has it. */
void export_channel(struct export *export, struct scrubbed *out);
/* Keeps the Id of a channel that isn't dialled, so that lines may name it. */
void export_keep_other(struct export *export, const char *json);
void export_group_head(struct export *export, struct scrubbed *out, const struct group_info *info);
void export_device(struct export *export, struct scrubbed *out, const struct device *device);
/* The Id that the channel has in the file; NULL: it isn't in it. */
const char *export_channel_id(const struct export *export, uint32_t channel);

bool export_csv_next(struct export *export, struct scrubbed *out);

#endif
