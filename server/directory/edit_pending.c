#include "server/directory/edit_pending.h"

#include <stdlib.h>
#include <string.h>

#include "server/directory/internal.h"

#define FIRST_ROOM 1024u

/* ---- making and freeing ---- */

struct edit_pending *edit_pending_make(struct directory *directory)
{
    const struct accounts *present = directory->accounts;
    const struct directory_config none = {0};
    struct edit_pending *pending = calloc(1, sizeof(*pending));
    struct directory *added = calloc(1, sizeof(*added));
    struct accounts *accounts = calloc(1, sizeof(*accounts));

    if (pending == NULL || added == NULL || accounts == NULL ||
        accounts_init(accounts, &none, &directory->key) != STATUS_OK) {
        free(pending);
        free(added);
        free(accounts);
        return NULL;
    }
    accounts->last_project = present->last_project;
    accounts->last_group = present->last_group;
    accounts->last_agent = present->last_agent;
    accounts->last_channel = present->last_channel;
    added->accounts = accounts;
    pending->directory = directory;
    pending->added = added;
    return pending;
}

void edit_pending_free(struct edit_pending *pending)
{
    if (pending == NULL)
        return;
    accounts_destroy(pending->added->accounts);
    free(pending->added->accounts);
    free(pending->added);
    free(pending->devices);
    free(pending);
}

enum status edit_pending_apply(struct edit_pending *pending, const Cenc__V1__Event *event)
{
    return accounts_apply(pending->added, event);
}

/* ---- devices ---- */

static void enter(uint64_t *devices, size_t mask, uint64_t hash)
{
    size_t at = hash & mask;

    while (devices[at] != 0)
        at = (at + 1) & mask;
    devices[at] = hash;
}

static enum status make_room(struct edit_pending *pending)
{
    size_t room = pending->devices == NULL ? 0 : pending->device_mask + 1;

    if (pending->device_count < room / 2)
        return STATUS_OK;
    size_t grown = room == 0 ? FIRST_ROOM : room * 2;
    uint64_t *devices = calloc(grown, sizeof(*devices));
    if (devices == NULL)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < room; i++)
        if (pending->devices[i] != 0)
            enter(devices, grown - 1, pending->devices[i]);
    free(pending->devices);
    pending->devices = devices;
    pending->device_mask = grown - 1;
    return STATUS_OK;
}

/* Of a million devices two have one hash once in 30 million batches; then the later one is refused.
 */
static uint64_t hash_of(const struct edit_pending *pending, const char *scope, const char *serial)
{
    char key[CONFIG_NAME_SIZE + PLUGIN_SERIAL_SIZE];
    size_t scope_size = strnlen(scope, CONFIG_NAME_SIZE - 1) + 1;
    size_t serial_size = strnlen(serial, PLUGIN_SERIAL_SIZE - 1);

    memcpy(key, scope, scope_size - 1);
    key[scope_size - 1] = '\0';
    memcpy(key + scope_size, serial, serial_size);
    uint64_t hash = siphash(&pending->directory->key, key, scope_size + serial_size);
    return hash != 0 ? hash : 1;
}

enum status edit_pending_claim(struct edit_pending *pending, const char *scope, const char *serial)
{
    uint64_t hash = hash_of(pending, scope, serial);
    enum status status = make_room(pending);

    if (status != STATUS_OK)
        return status;
    for (size_t at = hash & pending->device_mask; pending->devices[at] != 0;
         at = (at + 1) & pending->device_mask)
        if (pending->devices[at] == hash)
            return STATUS_EXISTS;
    enter(pending->devices, pending->device_mask, hash);
    pending->device_count++;
    return STATUS_OK;
}

/* ---- looking ---- */

bool edit_enters(const struct edit *edit)
{
    return edit->pending == NULL || edit->pending->enters;
}

static struct directory *added_by(const struct edit *edit)
{
    return edit != NULL && edit->pending != NULL ? edit->pending->added : NULL;
}

bool edit_finds_project(const struct edit_scene *scene, const struct edit *edit, uint32_t id,
                        struct project_info *info)
{
    struct directory *added = added_by(edit);

    return project_get(scene->directory, id, info) ||
           (added != NULL && project_get(added, id, info));
}

bool edit_finds_group(const struct edit_scene *scene, const struct edit *edit, uint32_t id,
                      struct group_info *info)
{
    struct directory *added = added_by(edit);

    return group_get(scene->directory, id, info) || (added != NULL && group_get(added, id, info));
}

bool edit_finds_channel(const struct edit_scene *scene, const struct edit *edit, uint32_t id,
                        struct channel_info *info)
{
    struct directory *added = added_by(edit);

    return channel_get(scene->directory, id, info) ||
           (added != NULL && channel_get(added, id, info));
}

static const char *name_in(const struct id_names *present, const struct id_names *added,
                           uint32_t id)
{
    const char *name = id_name(present, id);

    return name[0] == '\0' && added != NULL ? id_name(added, id) : name;
}

const char *edit_project_name(const struct edit_scene *scene, const struct edit *edit, uint32_t id)
{
    const struct directory *added = added_by(edit);

    return name_in(&scene->directory->accounts->project_names,
                   added != NULL ? &added->accounts->project_names : NULL, id);
}

const char *edit_group_name(const struct edit_scene *scene, const struct edit *edit, uint32_t id)
{
    const struct directory *added = added_by(edit);

    return name_in(&scene->directory->accounts->group_names,
                   added != NULL ? &added->accounts->group_names : NULL, id);
}

const char *edit_channel_name(const struct edit_scene *scene, const struct edit *edit, uint32_t id)
{
    const struct directory *added = added_by(edit);

    return name_in(&scene->directory->accounts->channel_names,
                   added != NULL ? &added->accounts->channel_names : NULL, id);
}

const struct accounts *edit_last_ids(const struct edit_scene *scene, const struct edit *edit)
{
    const struct directory *added = added_by(edit);

    return added != NULL ? added->accounts : scene->directory->accounts;
}

const struct named_table *edit_pending_table(const struct edit *edit,
                                             const struct named_table *table)
{
    const struct directory *added = added_by(edit);

    if (added == NULL)
        return NULL;
    /* the same field of the other struct */
    size_t offset =
        (size_t)((const char *)table - (const char *)edit->pending->directory->accounts);
    CHECK(offset < sizeof(struct accounts));
    return (const struct named_table *)((const char *)added->accounts + offset);
}
