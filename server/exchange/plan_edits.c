/* The items of a plan, made into edits when the batch asks for them; and back, for its faults. */
#include <stdio.h>
#include <string.h>

#include "codec/proto/text.h"
#include "server/exchange/plan_internal.h"

/* ---- edits ---- */

static void copy(char *to, size_t size, const char *from)
{
    (void)snprintf(to, size, "%s", from);
}

static void fill_channel(const struct plan *plan, uint32_t number, struct edit *edit)
{
    const struct exchange_channel *channel = &plan->exchange->channels[number];
    const struct plan_known *known = &plan->channels[number];

    copy(edit->settings.host, sizeof(edit->settings.host), channel->host);
    edit->settings.port = channel->port;
    edit->settings.exclusive = channel->exclusive;
    edit->settings.enabled = true;
    if (edit->kind == EDIT_CHANNEL_CHANGE) {
        edit->id = known->id;
        edit->revision = known->revision;
        edit->fields = EDIT_HOST | EDIT_PORT | (channel->has_exclusive ? EDIT_EXCLUSIVE : 0);
        return;
    }
    copy(edit->name, sizeof(edit->name), channel->name);
    if (channel->project != EXCHANGE_NONE)
        edit->project = plan->projects[channel->project].id;
}

static void fill_device(const struct plan *plan, uint32_t number, struct edit *edit)
{
    const struct plan_device *known = &plan->devices[number];

    edit->device = known->device;
    copy(edit->scope, sizeof(edit->scope), known->scope);
    (void)proto_text_undo(plan->exchange->devices[number].serial, (uint8_t *)edit->serial,
                          sizeof(edit->serial) - 1);
    edit->project = known->project;
    edit->group = known->group;
    edit->channel = known->channel;
    edit->fields = EDIT_CHANNEL;
    edit->revision = known->revision;
}

static void fill_details(const struct plan *plan, const struct plan_item *item, struct edit *edit)
{
    const struct exchange *exchange = plan->exchange;
    uint32_t number = item->number;

    edit->details_kind = item->details_kind;
    switch (item->details_kind) {
    case DETAILS_DEVICE:
        fill_device(plan, number, edit);
        edit->details = exchange->devices[number].details;
        edit->device = NULL;
        edit->project = edit->group = edit->channel = 0;
        edit->revision = 0;
        break;
    case DETAILS_GROUP:
        edit->group = plan->groups[number].id;
        edit->details = exchange->groups[number].details;
        break;
    case DETAILS_NO_GROUP:
        edit->project = plan->projects[0].id;
        edit->details = exchange->groups[number].details;
        break;
    case DETAILS_CHANNEL:
        edit->channel = plan->channels[number].id;
        edit->details = exchange->channels[number].details;
        break;
    default:
        edit->project = plan->projects[0].id;
        copy(edit->name, sizeof(edit->name), exchange->pieces[number].key);
        edit->details = exchange->pieces[number].details;
        break;
    }
}

bool plan_next(void *context, size_t index, struct edit *edit)
{
    const struct plan *plan = context;
    const struct plan_item *item = &plan->items[index];
    const struct exchange *exchange = plan->exchange;

    edit->kind = item->kind;
    switch (item->kind) {
    case EDIT_PROJECT_ADD:
        copy(edit->name, sizeof(edit->name), exchange->projects[item->number].name);
        break;
    case EDIT_GROUP_ADD:
        copy(edit->name, sizeof(edit->name), exchange->groups[item->number].name);
        edit->project = plan->projects[exchange->groups[item->number].project].id;
        break;
    case EDIT_CHANNEL_ADD:
    case EDIT_CHANNEL_CHANGE:
        fill_channel(plan, item->number, edit);
        break;
    case EDIT_DEVICE_ADD:
    case EDIT_DEVICE_MOVE:
        fill_device(plan, item->number, edit);
        break;
    case EDIT_DETAILS_SET:
        fill_details(plan, item, edit);
        break;
    default:
        edit->imported = &plan->imported;
        break;
    }
    return true;
}

/* ---- faults ---- */

static void locate_piece(const struct exchange *exchange, struct exchange_fault *fault,
                         uint32_t number)
{
    static const char *const lists[] = {NULL, "Protocols", "Channels"};
    const struct exchange_piece *piece = &exchange->pieces[number];

    exchange_locate(exchange, fault, lists[piece->kind], &piece->place, false);
}

static void locate_details(const struct exchange *exchange, struct exchange_fault *fault,
                           const struct plan_item *item)
{
    switch (item->details_kind) {
    case DETAILS_DEVICE:
        exchange_locate(exchange, fault, "Devices", &exchange->devices[item->number].place, true);
        break;
    case DETAILS_GROUP:
    case DETAILS_NO_GROUP:
        exchange_locate(exchange, fault, "Groups", &exchange->groups[item->number].place, false);
        break;
    case DETAILS_CHANNEL:
        exchange_locate(exchange, fault, "Channels", &exchange->channels[item->number].place,
                        false);
        break;
    default:
        locate_piece(exchange, fault, item->number);
        break;
    }
}

void plan_fault(struct plan *plan, const struct edit_batch_fault *found)
{
    struct exchange *exchange = plan->exchange;
    struct exchange_fault *fault = exchange_fault(&exchange->faults, "%s", found->text);
    const struct plan_item *item = &plan->items[found->index];
    uint32_t number = item->number;

    switch (item->kind) {
    case EDIT_PROJECT_ADD:
        exchange_locate(exchange, fault, exchange->format == EXCHANGE_CSV ? "" : NULL,
                        &exchange->projects[number].place, false);
        break;
    case EDIT_GROUP_ADD:
        exchange_locate(exchange, fault, "Groups", &exchange->groups[number].place, false);
        break;
    case EDIT_CHANNEL_ADD:
    case EDIT_CHANNEL_CHANGE:
        exchange_locate(exchange, fault, "Channels", &exchange->channels[number].place, false);
        break;
    case EDIT_DEVICE_ADD:
    case EDIT_DEVICE_MOVE:
        exchange_locate(exchange, fault, "Devices", &exchange->devices[number].place, true);
        break;
    case EDIT_DETAILS_SET:
        locate_details(exchange, fault, item);
        break;
    default:
        break;
    }
}
