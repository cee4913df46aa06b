#include "plugins/loader.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/descriptor.h"
#include "server/base/check.h"

#define MAX_PLUGINS 64

/* The built-in plugins, one file each. */
extern const struct plugin dlms_push_plugin;
extern const struct plugin irz_plugin;
extern const struct plugin jsonl_plugin;
extern const struct plugin pattern_plugin;

static const struct plugin *const builtin[] = {&irz_plugin, &dlms_push_plugin, &pattern_plugin,
                                               &jsonl_plugin};

struct plugin_set {
    size_t count;
    struct {
        const struct plugin *plugin;
        void *object; /* from dlopen; NULL: built in */
    } entries[MAX_PLUGINS];
};

enum status plugin_set_create(struct plugin_set **set)
{
    struct plugin_set *created = calloc(1, sizeof(*created));

    if (created == NULL)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < sizeof(builtin) / sizeof(builtin[0]); i++) {
        char error[160];

        CHECK(descriptor_check(builtin[i], error, sizeof(error)) == STATUS_OK);
        created->entries[created->count++].plugin = builtin[i];
    }
    *set = created;
    return STATUS_OK;
}

void plugin_set_free(struct plugin_set *set)
{
    if (set == NULL)
        return;
    for (size_t i = set->count; i > 0; i--) {
        if (set->entries[i - 1].object != NULL)
            (void)dlclose(set->entries[i - 1].object);
    }
    free(set);
}

/* Finds and checks the descriptor of an open object. */
static enum status take_descriptor(const struct plugin_set *set, void *object,
                                   const struct plugin **plugin, char *error, size_t error_size)
{
    *plugin = dlsym(object, PLUGIN_SYMBOL);
    if (*plugin == NULL) {
        (void)snprintf(error, error_size, "no plugin: it exports no " PLUGIN_SYMBOL);
        return STATUS_INVALID;
    }
    enum status status = descriptor_check(*plugin, error, error_size);
    if (status == STATUS_OK && plugin_set_find(set, (*plugin)->name) != NULL) {
        (void)snprintf(error, error_size, "a plugin named %s is there already", (*plugin)->name);
        status = STATUS_EXISTS;
    }
    return status;
}

enum status plugin_set_load(struct plugin_set *set, const char *path, char *error,
                            size_t error_size)
{
    const struct plugin *plugin;

    CHECK(error_size > 0);
    error[0] = '\0';
    /* Without a slash dlopen would search the system's folders. */
    if (path[0] != '/') {
        (void)snprintf(error, error_size, "the path is not absolute");
        return STATUS_INVALID;
    }
    if (set->count == MAX_PLUGINS) {
        (void)snprintf(error, error_size, "more than %d plugins", MAX_PLUGINS);
        return STATUS_FULL;
    }
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (object == NULL) {
        (void)snprintf(error, error_size, "%s", dlerror());
        return STATUS_SYSTEM;
    }
    enum status status = take_descriptor(set, object, &plugin, error, error_size);
    if (status != STATUS_OK) {
        (void)dlclose(object);
        return status;
    }
    set->entries[set->count].plugin = plugin;
    set->entries[set->count].object = object;
    set->count++;
    return STATUS_OK;
}

const struct plugin *plugin_set_find(const struct plugin_set *set, const char *name)
{
    for (size_t i = 0; i < set->count; i++) {
        if (strcmp(set->entries[i].plugin->name, name) == 0)
            return set->entries[i].plugin;
    }
    return NULL;
}

size_t plugin_set_count(const struct plugin_set *set)
{
    return set->count;
}

const struct plugin *plugin_set_at(const struct plugin_set *set, size_t index)
{
    CHECK(index < set->count);
    return set->entries[index].plugin;
}
