/* Channels and devices of an import against those that are there. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "codec/proto/text.h"
#include "server/exchange/plan_internal.h"

#define ADDRESS_SIZE (HOST_SIZE + 8)

/* ---- channels ---- */

static void address_of(const char *host, uint16_t port, char out[static ADDRESS_SIZE])
{
    (void)snprintf(out, ADDRESS_SIZE, "%s:%u", host, port);
}

/* All channels that are there, by host and port; of several with one address the oldest. */
static enum status index_addresses(struct plan *plan)
{
    struct channel_info info = {0};
    char address[ADDRESS_SIZE];

    if (plan->has_addresses)
        return STATUS_OK;
    plan->has_addresses = true;
    while (channels_list(plan->config->directory, info.id, &info, 1) == 1) {
        uint32_t id = info.id;
        address_of(info.settings.host, info.settings.port, address);
        const char *kept = arena_text(&plan->arena, address, strlen(address));
        if (kept == NULL ||
            names_index_add(&plan->addresses, &plan->arena, 0, kept, &id) == STATUS_NO_MEMORY)
            return STATUS_NO_MEMORY;
    }
    return STATUS_OK;
}

/* The channel that the file means, if it is there. */
static enum status find_channel(struct plan *plan, const struct exchange_channel *channel,
                                struct channel_info *info, bool *found)
{
    char address[ADDRESS_SIZE];
    uint32_t id = 0;

    *found = channel_find(plan->config->directory, channel->name, info);
    if (*found || channel->is_named)
        return STATUS_OK;
    address_of(channel->host, channel->port, address);
    enum status status = index_addresses(plan);
    *found = status == STATUS_OK && names_index_find(&plan->addresses, 0, address, &id) &&
             channel_get(plan->config->directory, id, info);
    return status;
}

static bool is_same_channel(const struct exchange_channel *channel, const struct channel_info *info)
{
    return strcasecmp(channel->host, info->settings.host) == 0 &&
           channel->port == info->settings.port &&
           (!channel->has_exclusive || channel->exclusive == info->settings.exclusive);
}

static enum status change_channel(struct plan *plan, uint32_t number,
                                  const struct channel_info *info)
{
    const struct exchange_channel *channel = &plan->exchange->channels[number];

    if (!plan->config->update) {
        exchange_locate(plan->exchange,
                        exchange_fault(&plan->exchange->faults,
                                       "the channel %s is there with another host, port or "
                                       "exclusive: only an update changes that",
                                       info->name),
                        "Channels", &channel->place, false);
        return STATUS_OK;
    }
    struct plan_row *row = plan_add_row(plan, "change", "channel", info->name);
    (void)snprintf(row->from, sizeof(row->from), "%.120s:%u%s", info->settings.host,
                   info->settings.port, info->settings.exclusive ? ", exclusive" : "");
    (void)snprintf(row->to, sizeof(row->to), "%.120s:%u%s", channel->host, channel->port,
                   channel->exclusive ? ", exclusive" : "");
    plan->imported.channels_changed++;
    return plan_add_item(plan, EDIT_CHANNEL_CHANGE, number) != NULL ? STATUS_OK : STATUS_NO_MEMORY;
}

enum status plan_channel(struct plan *plan, uint32_t number)
{
    const struct exchange_channel *channel = &plan->exchange->channels[number];
    struct plan_known *known = &plan->channels[number];
    struct channel_info info;
    bool found = false;

    if (!plan_name_fits(plan, channel->name, "Channels", &channel->place))
        return STATUS_OK;
    if (strlen(channel->host) >= HOST_SIZE) {
        exchange_locate(plan->exchange,
                        exchange_fault(&plan->exchange->faults, "the host is too long"), "Channels",
                        &channel->place, false);
        return STATUS_OK;
    }
    enum status status = find_channel(plan, channel, &info, &found);
    if (status != STATUS_OK)
        return status;
    if (found) {
        known->id = info.id;
        known->revision = info.revision;
        return is_same_channel(channel, &info) ? STATUS_OK : change_channel(plan, number, &info);
    }
    struct plan_row *row = plan_add_row(plan, "add", "channel", channel->name);
    (void)snprintf(row->to, sizeof(row->to), "%.120s:%u%s", channel->host, channel->port,
                   channel->exclusive ? ", exclusive" : "");
    known->id = edit_batch_reference(plan->item_count);
    known->is_new = true;
    plan->imported.channels_added++;
    return plan_add_item(plan, EDIT_CHANNEL_ADD, number) != NULL ? STATUS_OK : STATUS_NO_MEMORY;
}

/* ---- devices ---- */

static void fault_of(struct plan *plan, uint32_t number, const char *text)
{
    exchange_locate(plan->exchange, exchange_fault(&plan->exchange->faults, "%s", text), "Devices",
                    &plan->exchange->devices[number].place, true);
}

/* In the scope that is named, or the only one that has it. False: a fault. */
static bool find_device(struct plan *plan, uint32_t number, const char *serial)
{
    const struct plan_config *config = plan->config;
    struct plan_device *known = &plan->devices[number];
    const char *named = plan->exchange->devices[number].scope;

    known->scope = named != NULL ? named : config->scope;
    if (known->scope != NULL) {
        known->device = directory_find(config->directory, known->scope, serial);
        return true;
    }
    known->scope = "default";
    known->device = directory_find(config->directory, known->scope, serial);
    for (size_t i = 0; i < config->config->listener_count; i++) {
        const char *scope = config->config->listeners[i].scope;
        struct device *other = directory_find(config->directory, scope, serial);
        if (other == NULL || other == known->device)
            continue;
        if (known->device != NULL) {
            fault_of(plan, number, "several scopes have this serial: name one");
            return false;
        }
        known->device = other;
        known->scope = scope;
    }
    return true;
}

static void place_text(const struct plan *plan, uint32_t project, uint32_t group,
                       const struct exchange_device *device, char *out, size_t size)
{
    const struct exchange *exchange = plan->exchange;
    struct project_info a = {0};
    struct group_info b = {0};
    const char *first = "";
    const char *second = "";

    if ((project & EDIT_BATCH_REFERENCE) != 0)
        first = exchange->projects[device->project].name;
    else if (project_get(plan->config->directory, project, &a))
        first = a.name;
    if ((group & EDIT_BATCH_REFERENCE) != 0)
        second = exchange->groups[device->group].name;
    else if (group_get(plan->config->directory, group, &b))
        second = b.name;
    (void)snprintf(out, size, "%s%s%s", first, second[0] != '\0' ? "/" : "", second);
}

/* Where the file wants it; what it doesn't say stays as it is. */
static void want_place(struct plan *plan, uint32_t number, const struct device_info *info)
{
    const struct exchange_device *device = &plan->exchange->devices[number];
    struct plan_device *known = &plan->devices[number];

    known->project = info->project_id;
    known->group = info->group_id;
    known->channel = info->channel_id;
    if (device->has_place) {
        known->project = device->project != EXCHANGE_NONE ? plan->projects[device->project].id : 0;
        if (known->project != info->project_id)
            known->group = 0;
    }
    if (device->has_group)
        known->group = device->group != EXCHANGE_NONE ? plan->groups[device->group].id : 0;
    if (device->has_channel && device->channel != EXCHANGE_NONE)
        known->channel = plan->channels[device->channel].id;
}

static enum status move_device(struct plan *plan, uint32_t number, const struct device_info *info)
{
    const struct exchange_device *device = &plan->exchange->devices[number];
    struct plan_device *known = &plan->devices[number];
    bool placed = info->project_id != 0 &&
                  (known->project != info->project_id || known->group != info->group_id);
    bool on_channel = info->channel_id != 0 && known->channel != info->channel_id;

    if (known->project == info->project_id && known->group == info->group_id &&
        known->channel == info->channel_id) {
        plan->imported.devices_unchanged++;
        return STATUS_OK;
    }
    if ((placed || on_channel) && !plan->config->update) {
        fault_of(plan, number,
                 placed ? "the device is in another project or group: only an update "
                          "moves it"
                        : "the device is on another channel: only an update changes "
                          "that");
        return STATUS_OK;
    }
    struct plan_row *row = plan_add_row(plan, "move", "device", device->serial);
    place_text(plan, info->project_id, info->group_id, device, row->from, sizeof(row->from));
    place_text(plan, known->project, known->group, device, row->to, sizeof(row->to));
    plan->imported.devices_moved++;
    known->revision = edit_device_revision(info->project_id, info->group_id, info->channel_id);
    return plan_add_item(plan, EDIT_DEVICE_MOVE, number) != NULL ? STATUS_OK : STATUS_NO_MEMORY;
}

enum status plan_device(struct plan *plan, uint32_t number)
{
    const struct exchange_device *device = &plan->exchange->devices[number];
    struct plan_device *known = &plan->devices[number];
    char serial[PLUGIN_SERIAL_SIZE] = {0};
    struct device_info info = {0};

    (void)proto_text_undo(device->serial, (uint8_t *)serial, sizeof(serial) - 1);
    if (!find_device(plan, number, serial))
        return STATUS_OK;
    if (strlen(known->scope) >= CONFIG_NAME_SIZE) {
        fault_of(plan, number, "the scope has more than 31 bytes");
        return STATUS_OK;
    }
    if (known->device != NULL)
        directory_get(plan->config->directory, known->device, &info);
    want_place(plan, number, &info);
    if (known->device != NULL)
        return move_device(plan, number, &info);
    struct plan_row *row = plan_add_row(plan, "add", "device", device->serial);
    place_text(plan, known->project, known->group, device, row->to, sizeof(row->to));
    plan->imported.devices_added++;
    return plan_add_item(plan, EDIT_DEVICE_ADD, number) != NULL ? STATUS_OK : STATUS_NO_MEMORY;
}
