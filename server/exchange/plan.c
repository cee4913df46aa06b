#include "server/exchange/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/exchange/export.h"
#include "server/exchange/plan_internal.h"

struct plan_item *plan_add_item(struct plan *plan, enum edit_kind kind, uint32_t number)
{
    if (plan->item_count == plan->item_room) {
        size_t more = plan->item_room == 0 ? 1024 : plan->item_room * 2;
        struct plan_item *larger = realloc(plan->items, more * sizeof(*larger));
        if (larger == NULL)
            return NULL;
        plan->items = larger;
        plan->item_room = more;
    }
    struct plan_item *item = &plan->items[plan->item_count++];
    *item = (struct plan_item){.kind = kind, .number = number};
    return item;
}

struct plan_row *plan_add_row(struct plan *plan, const char *action, const char *object,
                              const char *name)
{
    static _Thread_local struct plan_row more;
    struct plan_row *row = plan->row_count < PLAN_ROWS_MAX ? &plan->rows[plan->row_count++] : &more;

    plan->row_found++;
    *row = (struct plan_row){.action = action, .object = object};
    (void)snprintf(row->name, sizeof(row->name), "%s", name);
    return row;
}

/* ---- projects and groups ---- */

bool plan_name_fits(struct plan *plan, const char *name, const char *list,
                    const struct exchange_place *place)
{
    if (strlen(name) < DIRECTORY_NAME_SIZE)
        return true;
    exchange_locate(plan->exchange,
                    exchange_fault(&plan->exchange->faults, "the name has more than %u bytes",
                                   DIRECTORY_NAME_SIZE - 1),
                    list, place, false);
    return false;
}

/* A new item, and the reference to it. */
static enum status add_object(struct plan *plan, enum edit_kind kind, uint32_t number,
                              uint32_t *count, struct plan_known *known)
{
    known->id = edit_batch_reference(plan->item_count);
    known->is_new = true;
    (*count)++;
    return plan_add_item(plan, kind, number) != NULL ? STATUS_OK : STATUS_NO_MEMORY;
}

static enum status plan_project(struct plan *plan, uint32_t number)
{
    const struct exchange_project *project = &plan->exchange->projects[number];
    struct plan_known *known = &plan->projects[number];
    struct project_info info;

    if (!plan_name_fits(plan, project->name, plan->exchange->format == EXCHANGE_CSV ? "" : NULL,
                        &project->place))
        return STATUS_OK;
    if (project_find(plan->config->directory, project->name, &info)) {
        known->id = info.id;
        return STATUS_OK;
    }
    (void)plan_add_row(plan, "add", "project", project->name);
    return add_object(plan, EDIT_PROJECT_ADD, number, &plan->imported.projects_added, known);
}

static enum status plan_group(struct plan *plan, uint32_t number)
{
    const struct exchange_group *group = &plan->exchange->groups[number];
    struct plan_known *known = &plan->groups[number];
    struct group_info info;

    if (group->name == NULL || !plan_name_fits(plan, group->name, "Groups", &group->place))
        return STATUS_OK;
    const struct plan_known *project = &plan->projects[group->project];
    if (!project->is_new && group_find(plan->config->directory, project->id, group->name, &info)) {
        known->id = info.id;
        return STATUS_OK;
    }
    struct plan_row *row = plan_add_row(plan, "add", "group", group->name);
    (void)snprintf(row->to, sizeof(row->to), "%s", plan->exchange->projects[group->project].name);
    return add_object(plan, EDIT_GROUP_ADD, number, &plan->imported.groups_added, known);
}

/* ---- details ---- */

/* What was changed here since it was imported, and comes back so. */
static bool is_as_exported(struct plan *plan, const struct plan_details *wanted)
{
    struct export_config config = {.directory = plan->config->directory,
                                   .details = plan->details,
                                   .of_project = true,
                                   .project = plan->projects[0].id,
                                   .node = plan->config->config->server.node};

    if (plan->export == NULL) {
        if (export_open(&config, &plan->export) != STATUS_OK)
            return false;
        export_begin_looking(plan->export);
    }
    const struct device *device = wanted->is_device ? plan->devices[wanted->number].device : NULL;
    return export_is_written_as(plan->export, &wanted->key, device, wanted->json);
}

/* The details of what exists already are compared with what is known of it. */
static enum status plan_one_details(struct plan *plan, const struct plan_details *wanted)
{
    const char *known = NULL;

    if (wanted->json == NULL)
        return STATUS_OK;
    if (!wanted->is_new) {
        if (plan->details == NULL)
            plan->details = plan->config->open_details(plan->config->context);
        known = plan->details != NULL ? details_find(plan->details, &wanted->key) : NULL;
        if (plan->details == NULL || details_failed(plan->details))
            return STATUS_SYSTEM;
    }
    if (known != NULL && strcmp(known, wanted->json) == 0)
        return STATUS_OK;
    if (known != NULL && is_as_exported(plan, wanted))
        return STATUS_OK;
    if (known != NULL && !plan->config->update) {
        exchange_locate(plan->exchange,
                        exchange_fault(&plan->exchange->faults,
                                       "it was imported otherwise before: only an update changes "
                                       "that"),
                        wanted->list, wanted->place, wanted->is_device);
        return STATUS_OK;
    }
    if (known != NULL) {
        plan->details_replaced++;
        (void)plan_add_row(plan, "change", "details", wanted->name);
    } else {
        plan->details_set++;
    }
    struct plan_item *item = plan_add_item(plan, EDIT_DETAILS_SET, wanted->number);
    if (item == NULL)
        return STATUS_NO_MEMORY;
    item->details_kind = wanted->key.kind;
    return STATUS_OK;
}

static enum status plan_group_details(struct plan *plan, uint32_t number)
{
    const struct exchange_group *group = &plan->exchange->groups[number];
    bool none = group->name == NULL;
    const struct plan_known *owner = none ? &plan->projects[0] : &plan->groups[number];
    struct plan_details wanted = {.key = {.kind = none ? DETAILS_NO_GROUP : DETAILS_GROUP,
                                          .owner = owner->id,
                                          .scope = "",
                                          .key = ""},
                                  .json = group->details,
                                  .is_new = owner->is_new,
                                  .number = number,
                                  .name = none ? "" : group->name,
                                  .list = "Groups",
                                  .place = &group->place};

    return plan_one_details(plan, &wanted);
}

static enum status plan_channel_details(struct plan *plan, uint32_t number)
{
    const struct exchange_channel *channel = &plan->exchange->channels[number];
    const struct plan_known *owner = &plan->channels[number];
    struct plan_details wanted = {
        .key = {.kind = DETAILS_CHANNEL, .owner = owner->id, .scope = "", .key = ""},
        .json = channel->details,
        .is_new = owner->is_new,
        .number = number,
        .name = channel->name,
        .list = "Channels",
        .place = &channel->place};

    return plan_one_details(plan, &wanted);
}

enum details_kind plan_piece_kind(enum exchange_piece_kind kind)
{
    switch (kind) {
    case EXCHANGE_PIECE_PROTOCOL:
        return DETAILS_PROTOCOL;
    case EXCHANGE_PIECE_CHANNEL:
        return DETAILS_OTHER_CHANNEL;
    case EXCHANGE_PIECE_TOP:
        break;
    }
    return DETAILS_TOP;
}

static enum status plan_piece_details(struct plan *plan, uint32_t number)
{
    static const char *const lists[] = {NULL, "Protocols", "Channels"};
    const struct exchange_piece *piece = &plan->exchange->pieces[number];
    struct plan_details wanted = {.key = {.kind = plan_piece_kind(piece->kind),
                                          .owner = plan->projects[0].id,
                                          .scope = "",
                                          .key = piece->key},
                                  .json = piece->details,
                                  .is_new = plan->projects[0].is_new,
                                  .number = number,
                                  .name = piece->key,
                                  .list = lists[piece->kind],
                                  .place = &piece->place};

    /* when a file was written is no news of what is in it */
    if (piece->kind == EXCHANGE_PIECE_TOP)
        wanted.is_new = true;
    return plan_one_details(plan, &wanted);
}

static enum status plan_device_details(struct plan *plan, uint32_t number)
{
    const struct exchange_device *device = &plan->exchange->devices[number];
    const struct plan_device *known = &plan->devices[number];
    struct plan_details wanted = {
        .key = {.kind = DETAILS_DEVICE, .scope = known->scope, .key = device->serial},
        .json = device->details,
        .is_new = known->device == NULL,
        .is_device = true,
        .number = number,
        .name = device->serial,
        .list = "Devices",
        .place = &device->place};

    return plan_one_details(plan, &wanted);
}

/* ---- all of it ---- */

static enum status plan_each(struct plan *plan, size_t count,
                             enum status (*one)(struct plan *plan, uint32_t number))
{
    enum status status = STATUS_OK;

    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        status = one(plan, (uint32_t)i);
    return status;
}

static enum status make_room(struct plan *plan)
{
    const struct exchange *exchange = plan->exchange;

    plan->projects = calloc(exchange->project_count + 1, sizeof(*plan->projects));
    plan->groups = calloc(exchange->group_count + 1, sizeof(*plan->groups));
    plan->channels = calloc(exchange->channel_count + 1, sizeof(*plan->channels));
    plan->devices = calloc(exchange->device_count + 1, sizeof(*plan->devices));
    plan->rows = calloc(PLAN_ROWS_MAX, sizeof(*plan->rows));
    return plan->projects != NULL && plan->groups != NULL && plan->channels != NULL &&
                   plan->devices != NULL && plan->rows != NULL
               ? STATUS_OK
               : STATUS_NO_MEMORY;
}

/* The store may go on: nobody looks at it as it was any more. */
static void end_looking(struct plan *plan)
{
    export_close(plan->export);
    details_close(plan->details);
    plan->export = NULL;
    plan->details = NULL;
}

static enum status plan_end(struct plan *plan)
{
    struct edit_imported *imported = &plan->imported;

    imported->format = exchange_format_name(plan->exchange->format);
    imported->project = plan->exchange->project_count == 1 ? plan->exchange->projects[0].name : "";
    imported->secrets_left_out = (uint32_t)plan->exchange->secrets;
    (void)snprintf(imported->file_name, sizeof(imported->file_name), "%.127s",
                   plan->config->file_name);
    if (plan_add_item(plan, EDIT_IMPORTED, 0) == NULL)
        return STATUS_NO_MEMORY;
    if (plan->item_count > EDIT_BATCH_MAX)
        (void)exchange_fault(&plan->exchange->faults,
                             "this is too much for one import: %zu edits, but at most %u; take the "
                             "file apart",
                             plan->item_count, EDIT_BATCH_MAX);
    return STATUS_OK;
}

enum status plan_make(struct plan *plan, const struct plan_config *config,
                      struct exchange *exchange)
{
    const struct {
        size_t count;
        enum status (*one)(struct plan *plan, uint32_t number);
    } steps[] = {
        {exchange->project_count, plan_project},
        {exchange->group_count, plan_group},
        {exchange->channel_count, plan_channel},
        {exchange->device_count, plan_device},
        {exchange->group_count, plan_group_details},
        {exchange->channel_count, plan_channel_details},
        {exchange->piece_count, plan_piece_details},
        {exchange->device_count, plan_device_details},
    };

    plan->config = config;
    plan->exchange = exchange;
    enum status status = make_room(plan);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && status == STATUS_OK; i++)
        status = plan_each(plan, steps[i].count, steps[i].one);
    end_looking(plan);
    return status == STATUS_OK ? plan_end(plan) : status;
}

void plan_free(struct plan *plan)
{
    end_looking(plan);
    names_index_free(&plan->addresses);
    arena_free(&plan->arena);
    free(plan->items);
    free(plan->projects);
    free(plan->groups);
    free(plan->channels);
    free(plan->devices);
    free(plan->rows);
}
