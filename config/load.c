#include "config/load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/errors.h"
#include "config/fill.h"
#include "config/plugin_list.h"
#include "config/rules.h"
#include "config/tree.h"
#include "plugins/loader.h"
#include "server/base/list.h"

static struct config_store *store_create(void)
{
    struct config_store *store = calloc(1, sizeof(*store));

    if (store != NULL && plugin_set_create(&store->config.plugins) != STATUS_OK) {
        free(store);
        return NULL;
    }
    return store;
}

void config_free(struct config *config)
{
    if (config == NULL)
        return;
    struct config_store *store = container_of(config, struct config_store, config);
    for (size_t i = 0; i < config->listener_count; i++)
        plugin_list_destroy(config->listeners[i].plugins, config->listeners[i].plugin_count);
    plugin_list_destroy(config->registration.plugins, config->registration.plugin_count);
    plugin_set_free(config->plugins);
    while (store->texts != NULL) {
        struct config_text *text = store->texts;
        store->texts = text->next;
        free(text);
    }
    free(config->northbound.consumers);
    free(config->agents.listeners);
    free(config->admin.unix_roles);
    free(config->listeners);
    free(store);
}

/* False: there is nothing to fill from. */
static bool check_root(const struct tree_node *root, struct config_errors *errors)
{
    struct config_mark start = {.line = 1, .column = 1};

    if (root == NULL || tree_is_nothing(root)) {
        config_errors_add(errors, start, "the file is empty; expected at least listeners");
        return false;
    }
    if (root->kind == TREE_MAP)
        return true;
    if (root->kind != TREE_BROKEN)
        config_errors_add(errors, root->mark, "%s; expected sections, such as \"listeners:\"",
                          tree_kind_text(root));
    return false;
}

static enum status load(const char *text, size_t size, struct config_errors *errors,
                        struct config_store *store)
{
    struct tree tree;
    enum status status = tree_read(&tree, text, size, errors);

    if (status != STATUS_OK)
        return status;
    if (check_root(tree.root, errors)) {
        config_fill(store, tree.root, errors);
        rules_check(&store->config, tree.root, errors);
    }
    tree_free(&tree);
    if (errors->no_memory)
        return STATUS_NO_MEMORY;
    return errors->count > 0 ? STATUS_INVALID : STATUS_OK;
}

enum status config_load_buffer(const char *name, const char *text, size_t size, FILE *errors,
                               struct config **config)
{
    struct config_errors *collected = calloc(1, sizeof(*collected));
    struct config_store *store = store_create();
    enum status status = STATUS_NO_MEMORY;

    if (collected != NULL && store != NULL)
        status = load(text, size, collected, store);
    if (collected != NULL)
        config_errors_print(collected, name, errors);
    if (status == STATUS_OK)
        *config = &store->config;
    else if (store != NULL)
        config_free(&store->config);
    free(collected);
    return status;
}

/* One byte more than a configuration may have, so that a longer file is noticed. */
static enum status read_file(const char *path, char **text, size_t *size)
{
    size_t capacity = TREE_MAX_BYTES + 1;
    enum status status = STATUS_OK;
    FILE *file = fopen(path, "re");

    if (file == NULL)
        return STATUS_SYSTEM;
    *text = malloc(capacity);
    if (*text == NULL) {
        status = STATUS_NO_MEMORY;
    } else {
        *size = fread(*text, 1, capacity, file);
        if (ferror(file) != 0) {
            status = STATUS_SYSTEM;
            free(*text);
        }
    }
    int error = errno;
    (void)fclose(file);
    errno = error;
    return status;
}

enum status config_load(const char *path, FILE *errors, struct config **config)
{
    char *text;
    size_t size = 0;
    enum status status = read_file(path, &text, &size);

    if (status != STATUS_OK) {
        int error = errno;
        (void)fprintf(errors, "%s: can't be read: %s; expected a YAML file\n", path,
                      status == STATUS_SYSTEM ? strerror(error) : status_text(status));
        errno = error;
        return status;
    }
    status = config_load_buffer(path, text, size, errors, config);
    free(text);
    return status;
}
