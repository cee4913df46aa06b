#include "server/directory/projects.h"

#include <stdatomic.h>
#include <string.h>

#include "server/directory/accounts.h"
#include "server/directory/internal.h"

/* ---- copies ---- */

static void copy_project(struct named *named, struct project_info *info)
{
    struct project *project = project_of(named);

    *info = (struct project_info){
        .id = named->id,
        .revision = named->revision,
        .devices = atomic_load_explicit(&project->devices, memory_order_relaxed),
        .groups = project->groups,
    };
    memcpy(info->name, named->name, sizeof(info->name));
    memcpy(info->note, named->note, sizeof(info->note));
}

static void copy_group(const struct accounts *accounts, struct named *named,
                       struct group_info *info)
{
    const struct named *project = named_get(&accounts->projects, named->within);

    *info = (struct group_info){
        .id = named->id,
        .revision = named->revision,
        .project = named->within,
        .devices = atomic_load_explicit(&group_of(named)->devices, memory_order_relaxed),
    };
    if (project != NULL)
        memcpy(info->project_name, project->name, sizeof(info->project_name));
    memcpy(info->name, named->name, sizeof(info->name));
    memcpy(info->note, named->note, sizeof(info->note));
}

static void copy_binding(const struct accounts *accounts, const struct binding *binding,
                         struct binding_info *info)
{
    const struct named *project = named_get(&accounts->projects, binding->project);

    *info = (struct binding_info){
        .revision = binding->revision,
        .project = binding->project,
        .sweeping = binding->sweep != SWEEP_NONE,
    };
    memcpy(info->listener, binding->listener, sizeof(info->listener));
    if (project != NULL)
        memcpy(info->project_name, project->name, sizeof(info->project_name));
}

/* ---- one ---- */

bool project_get(struct directory *directory, uint32_t id, struct project_info *info)
{
    struct accounts *accounts = accounts_read(directory);
    struct named *named = named_get(&accounts->projects, id);

    if (named != NULL && info != NULL)
        copy_project(named, info);
    accounts_unlock(accounts);
    return named != NULL;
}

bool project_find(struct directory *directory, const char *name, struct project_info *info)
{
    struct accounts *accounts = accounts_read(directory);
    struct named *named = named_find(&accounts->projects, 0, name);

    if (named != NULL && info != NULL)
        copy_project(named, info);
    accounts_unlock(accounts);
    return named != NULL;
}

bool group_get(struct directory *directory, uint32_t id, struct group_info *info)
{
    struct accounts *accounts = accounts_read(directory);
    struct named *named = named_get(&accounts->groups, id);

    if (named != NULL && info != NULL)
        copy_group(accounts, named, info);
    accounts_unlock(accounts);
    return named != NULL;
}

bool group_find(struct directory *directory, uint32_t project, const char *name,
                struct group_info *info)
{
    struct accounts *accounts = accounts_read(directory);
    struct named *named = named_find(&accounts->groups, project, name);

    if (named != NULL && info != NULL)
        copy_group(accounts, named, info);
    accounts_unlock(accounts);
    return named != NULL;
}

struct binding *binding_called(const struct accounts *accounts, const char *listener)
{
    for (size_t i = 0; i < accounts->binding_count; i++)
        if (strcmp(accounts->bindings[i].listener, listener) == 0)
            return &accounts->bindings[i];
    return NULL;
}

bool binding_find(struct directory *directory, const char *listener, struct binding_info *info)
{
    struct accounts *accounts = accounts_read(directory);
    const struct binding *binding = binding_called(accounts, listener);

    if (binding != NULL && info != NULL)
        copy_binding(accounts, binding, info);
    accounts_unlock(accounts);
    return binding != NULL;
}

/* ---- all ---- */

size_t projects_list(struct directory *directory, uint32_t after, struct project_info *infos,
                     size_t capacity)
{
    struct accounts *accounts = accounts_read(directory);
    size_t count = 0;

    for (size_t at = named_after(&accounts->projects, after);
         at < accounts->projects.count && count < capacity; at++)
        copy_project(accounts->projects.entries[at], &infos[count++]);
    accounts_unlock(accounts);
    return count;
}

size_t groups_list(struct directory *directory, uint32_t after, struct group_info *infos,
                   size_t capacity)
{
    struct accounts *accounts = accounts_read(directory);
    size_t count = 0;

    for (size_t at = named_after(&accounts->groups, after);
         at < accounts->groups.count && count < capacity; at++)
        copy_group(accounts, accounts->groups.entries[at], &infos[count++]);
    accounts_unlock(accounts);
    return count;
}

size_t bindings_list(struct directory *directory, size_t from, struct binding_info *infos,
                     size_t capacity)
{
    struct accounts *accounts = accounts_read(directory);
    size_t count = 0;

    for (size_t at = from; at < accounts->binding_count && count < capacity; at++)
        copy_binding(accounts, &accounts->bindings[at], &infos[count++]);
    accounts_unlock(accounts);
    return count;
}

uint32_t binding_project(const struct directory *directory, uint32_t listener)
{
    return listener < directory->config.listener_count
               ? atomic_load_explicit(&directory->accounts->bound[listener], memory_order_acquire)
               : 0;
}
