#include "server/directory/projects.h"

#include <stdatomic.h>
#include <string.h>

#include "server/directory/copies.h"
#include "server/directory/internal.h"

/* ---- copies ---- */

static void copy_project(const struct accounts *accounts, struct named *named, void *out)
{
    struct project_info *info = out;
    struct project *project = project_of(named);

    (void)accounts;
    *info = (struct project_info){
        .id = named->id,
        .revision = named->revision,
        .devices = atomic_load_explicit(&project->devices, memory_order_relaxed),
        .groups = project->groups,
    };
    memcpy(info->name, named->name, sizeof(info->name));
    memcpy(info->note, named->note, sizeof(info->note));
}

static const struct copies copies_of_projects = {
    .table = offsetof(struct accounts, projects),
    .size = sizeof(struct project_info),
    .copy = copy_project,
};

static void copy_group(const struct accounts *accounts, struct named *named, void *out)
{
    struct group_info *info = out;
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

static const struct copies copies_of_groups = {
    .table = offsetof(struct accounts, groups),
    .size = sizeof(struct group_info),
    .copy = copy_group,
};

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
    return copies_get(directory, &copies_of_projects, id, info);
}

bool project_find(struct directory *directory, const char *name, struct project_info *info)
{
    return copies_find(directory, &copies_of_projects, 0, name, info);
}

bool group_get(struct directory *directory, uint32_t id, struct group_info *info)
{
    return copies_get(directory, &copies_of_groups, id, info);
}

bool group_find(struct directory *directory, uint32_t project, const char *name,
                struct group_info *info)
{
    return copies_find(directory, &copies_of_groups, project, name, info);
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
    return copies_list(directory, &copies_of_projects, after, infos, capacity);
}

size_t groups_list(struct directory *directory, uint32_t after, struct group_info *infos,
                   size_t capacity)
{
    return copies_list(directory, &copies_of_groups, after, infos, capacity);
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
