#include "server/directory/channels.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "server/directory/copies.h"
#include "server/directory/internal.h"

static void copy_channel(const struct accounts *accounts, struct named *named, void *out)
{
    struct channel_info *info = out;
    struct channel *channel = channel_of(named);

    *info = (struct channel_info){
        .id = named->id,
        .revision = named->revision,
        .project = channel->project,
        .settings = {.port = channel->port,
                     .exclusive = channel->exclusive,
                     .enabled = channel->enabled},
        .devices = atomic_load_explicit(&channel->devices, memory_order_relaxed),
    };
    (void)snprintf(info->project_name, sizeof(info->project_name), "%s",
                   id_name(&accounts->project_names, channel->project));
    memcpy(info->name, named->name, sizeof(info->name));
    memcpy(info->note, named->note, sizeof(info->note));
    (void)snprintf(info->settings.host, sizeof(info->settings.host), "%s", channel->host);
}

static const struct copies copies_of_channels = {
    .table = offsetof(struct accounts, channels),
    .size = sizeof(struct channel_info),
    .copy = copy_channel,
};

bool channel_get(struct directory *directory, uint32_t id, struct channel_info *info)
{
    return copies_get(directory, &copies_of_channels, id, info);
}

bool channel_find(struct directory *directory, const char *name, struct channel_info *info)
{
    return copies_find(directory, &copies_of_channels, 0, name, info);
}

size_t channels_list(struct directory *directory, uint32_t after, struct channel_info *infos,
                     size_t capacity)
{
    return copies_list(directory, &copies_of_channels, after, infos, capacity);
}

void channels_count(struct directory *directory, struct channel_counts *counts)
{
    struct accounts *accounts = accounts_read(directory);

    *counts = (struct channel_counts){.channels = (uint32_t)accounts->channels.count};
    for (size_t i = 0; i < accounts->channels.count; i++)
        counts->exclusive += channel_of(accounts->channels.entries[i])->exclusive;
    accounts_unlock(accounts);
}

bool channel_is_exclusive(struct directory *directory, uint32_t id)
{
    if (id == 0)
        return false;
    struct accounts *accounts = accounts_read(directory);
    struct named *named = named_get(&accounts->channels, id);
    bool exclusive = named != NULL && channel_of(named)->exclusive;

    accounts_unlock(accounts);
    return exclusive;
}
