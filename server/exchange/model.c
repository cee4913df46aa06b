#include "server/exchange/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/proto/text.h"
#include "plugins/plugin.h"

const char *exchange_format_name(enum exchange_format format)
{
    return format == EXCHANGE_CSV ? "csv" : "cehes";
}

void exchange_free(struct exchange *exchange)
{
    names_index_free(&exchange->project_names);
    names_index_free(&exchange->group_names);
    names_index_free(&exchange->channel_names);
    names_index_free(&exchange->serials);
    free(exchange->projects);
    free(exchange->groups);
    free(exchange->channels);
    free(exchange->devices);
    free(exchange->pieces);
    arena_free(&exchange->arena);
}

size_t exchange_items(const struct exchange *exchange)
{
    return exchange->project_count + exchange->group_count + exchange->channel_count +
           exchange->device_count + exchange->piece_count;
}

/* Room for one more entry of this size; NULL: there is none. */
static void *add(struct exchange *exchange, void **list, size_t *count, size_t *room, size_t size)
{
    if (exchange_items(exchange) >= EXCHANGE_MAX_ITEMS)
        return NULL;
    if (*count == *room) {
        size_t more = *room == 0 ? 64 : *room * 2;
        void *larger = realloc(*list, more * size);
        if (larger == NULL)
            return NULL;
        *list = larger;
        *room = more;
    }
    void *entry = (char *)*list + *count * size;
    memset(entry, 0, size);
    (*count)++;
    return entry;
}

#define ADD(what)                                                                                  \
    add(exchange, (void **)&exchange->what##s, &exchange->what##_count, &exchange->what##_room,    \
        sizeof(*exchange->what##s))

struct exchange_project *exchange_add_project(struct exchange *exchange)
{
    return ADD(project);
}

struct exchange_group *exchange_add_group(struct exchange *exchange)
{
    struct exchange_group *group = ADD(group);

    if (group != NULL)
        group->project = EXCHANGE_NONE;
    return group;
}

struct exchange_channel *exchange_add_channel(struct exchange *exchange)
{
    struct exchange_channel *channel = ADD(channel);

    if (channel != NULL)
        channel->project = EXCHANGE_NONE;
    return channel;
}

struct exchange_device *exchange_add_device(struct exchange *exchange)
{
    struct exchange_device *device = ADD(device);

    if (device != NULL) {
        device->project = EXCHANGE_NONE;
        device->group = EXCHANGE_NONE;
        device->channel = EXCHANGE_NONE;
    }
    return device;
}

struct exchange_piece *exchange_add_piece(struct exchange *exchange)
{
    return ADD(piece);
}

bool exchange_project_called(struct exchange *exchange, const char *name, size_t size,
                             const struct exchange_place *place, uint32_t *number)
{
    const char *copy = arena_text(&exchange->arena, name, size);

    *number = (uint32_t)exchange->project_count;
    if (copy == NULL)
        return false;
    enum status status =
        names_index_add(&exchange->project_names, &exchange->arena, 0, copy, number);
    if (status != STATUS_OK)
        return status == STATUS_EXISTS;
    struct exchange_project *project = exchange_add_project(exchange);
    if (project == NULL)
        return false;
    project->name = copy;
    project->place = *place;
    return true;
}

bool exchange_group_called(struct exchange *exchange, uint32_t project, const char *name,
                           size_t size, const struct exchange_place *place, uint32_t *number)
{
    const char *copy = arena_text(&exchange->arena, name, size);

    *number = (uint32_t)exchange->group_count;
    if (copy == NULL)
        return false;
    enum status status =
        names_index_add(&exchange->group_names, &exchange->arena, project, copy, number);
    if (status != STATUS_OK)
        return status == STATUS_EXISTS;
    struct exchange_group *group = exchange_add_group(exchange);
    if (group == NULL)
        return false;
    group->name = copy;
    group->project = project;
    group->place = *place;
    return true;
}

void exchange_locate(const struct exchange *exchange, struct exchange_fault *fault,
                     const char *list, const struct exchange_place *place, bool is_device)
{
    if (list == NULL)
        return;
    if (exchange->format == EXCHANGE_CSV) {
        fault->line = place->outer;
        return;
    }
    exchange_fault_at(fault, exchange->text, exchange->size, place->at);
    if (is_device)
        (void)snprintf(fault->path, sizeof(fault->path), "Groups[%u].Devices[%u]", place->outer,
                       place->inner);
    else
        (void)snprintf(fault->path, sizeof(fault->path), "%s[%u]", list, place->outer);
}

/* ---- serials ---- */

/* Letters that only look like others, and what can't be seen, have no place in a serial. */
const char *exchange_serial_fault(const char *serial)
{
    uint8_t bytes[PLUGIN_SERIAL_SIZE];
    size_t size = proto_text_undo(serial, bytes, sizeof(bytes));

    if (size == 0)
        return "the serial is empty";
    if (size >= sizeof(bytes))
        return "the serial has more than 31 bytes";
    if (memchr(bytes, '\0', size) != NULL)
        return "the serial has a NUL inside";
    for (const char *c = serial; *c != '\0'; c++)
        if (*c <= ' ' || *c > '~')
            return "the serial has a space or a character that isn't ASCII";
    return NULL;
}

/* One serial may be in several scopes. */
static const char *identity(struct exchange *exchange, const struct exchange_device *device)
{
    char text[EXCHANGE_FIELD_MAX * 2];

    if (device->scope == NULL)
        return device->serial;
    int size = snprintf(text, sizeof(text), "%s %s", device->serial, device->scope);
    return arena_text(&exchange->arena, text, (size_t)size);
}

bool exchange_check_serial(struct exchange *exchange, const struct exchange_device *device,
                           char text[static EXCHANGE_FAULT_TEXT])
{
    uint32_t number = (uint32_t)(device - exchange->devices);
    const char *wrong = exchange_serial_fault(device->serial);

    (void)snprintf(text, EXCHANGE_FAULT_TEXT, "%s", wrong != NULL ? wrong : "");
    if (wrong != NULL)
        return false;
    const char *key = identity(exchange, device);
    if (key == NULL)
        return false;
    enum status status = names_index_add(&exchange->serials, &exchange->arena, 0, key, &number);
    if (status != STATUS_EXISTS)
        return status == STATUS_OK;
    const struct exchange_place *other = &exchange->devices[number].place;
    if (exchange->format == EXCHANGE_CSV)
        (void)snprintf(text, EXCHANGE_FAULT_TEXT, "the serial %s was in line %u already",
                       device->serial, other->outer);
    else
        (void)snprintf(text, EXCHANGE_FAULT_TEXT,
                       "the serial %s was at Groups[%u].Devices[%u] already", device->serial,
                       other->outer, other->inner);
    return false;
}
