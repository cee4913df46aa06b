#include "config/fill.h"

#include <stdlib.h>
#include <string.h>

#include "config/plugin_list.h"
#include "config/schema.h"
#include "config/suggest.h"
#include "config/value.h"
#include "server/base/check.h"

struct filling {
    struct config_store *store;
    struct config_errors *errors;
};

// NOLINTBEGIN(misc-no-recursion): as deep as the schema

static void fill_section(const struct filling *filling, const struct config_section *section,
                         const struct tree_node *map, struct config_mark mark, void *base);

static const struct config_key *find_key(const struct config_section *section, const char *name)
{
    for (size_t i = 0; i < section->count; i++) {
        if (strcmp(section->keys[i].name, name) == 0)
            return &section->keys[i];
    }
    return NULL;
}

static void report_unknown(const struct filling *filling, const struct config_section *section,
                           const struct tree_node *key)
{
    const char *names[SUGGEST_MAX_NAMES];

    CHECK(section->count <= SUGGEST_MAX_NAMES);
    for (size_t i = 0; i < section->count; i++)
        names[i] = section->keys[i].name;
    suggest_name("unknown key", key, names, section->count, filling->errors);
}

/* The default goes the way of a value in the file: one reader for both. */
static void fill_default(const struct filling *filling, const struct config_key *key, void *base)
{
    struct tree tree;
    size_t errors_before = filling->errors->count;

    if (key->type == CONFIG_OBJECTS || key->type == CONFIG_CONSUMERS || key->type == CONFIG_WAYS ||
        key->type == CONFIG_UNIX_ROLES || key->type == CONFIG_TELLERS)
        return; /* none */
    if (tree_read(&tree, key->fallback, strlen(key->fallback), filling->errors) != STATUS_OK) {
        CHECK(filling->errors->no_memory);
        return;
    }
    (void)value_set(key, tree.root, base, filling->errors);
    CHECK(filling->errors->count == errors_before);
    tree_free(&tree);
}

/* The items, each of item_size, zeroed and filled; NULL if there are none. */
static void *fill_list(const struct filling *filling, const struct config_key *key,
                       const struct tree_node *list, size_t item_size, const char *expected)
{
    if (!value_check_list(key, list, filling->errors) || list->count == 0)
        return NULL;
    char *items = calloc(list->count, item_size);
    if (items == NULL) {
        filling->errors->no_memory = true;
        return NULL;
    }
    char *at = items;
    for (const struct tree_node *item = list->first; item != NULL; item = item->next) {
        if (item->kind == TREE_MAP)
            fill_section(filling, key->section, item, item->mark, at);
        else if (item->kind != TREE_BROKEN)
            config_errors_add(filling->errors, item->mark, "%s: %s; expected a map with %s",
                              key->name, tree_is_nothing(item) ? "nothing" : tree_kind_text(item),
                              expected);
        at += item_size;
    }
    return items;
}

static void fill_listeners(const struct filling *filling, const struct config_key *key,
                           const struct tree_node *list)
{
    struct config *config = &filling->store->config;

    config->listeners =
        fill_list(filling, key, list, sizeof(struct config_listener), "name, address and plugins");
    config->listener_count = config->listeners != NULL ? list->count : 0;
}

static void fill_consumers(const struct filling *filling, const struct config_key *key,
                           const struct tree_node *list)
{
    struct config *config = &filling->store->config;

    config->northbound.consumers = fill_list(filling, key, list, sizeof(struct config_consumer),
                                             "name, projects and a way to log in");
    config->northbound.consumer_count = config->northbound.consumers != NULL ? list->count : 0;
}

static void fill_ways(const struct filling *filling, const struct config_key *key,
                      const struct tree_node *list)
{
    struct config *config = &filling->store->config;

    config->agents.listeners =
        fill_list(filling, key, list, sizeof(struct config_way), "name, address and kind");
    config->agents.listener_count = config->agents.listeners != NULL ? list->count : 0;
}

static void fill_unix_roles(const struct filling *filling, const struct config_key *key,
                            const struct tree_node *list)
{
    struct config *config = &filling->store->config;

    config->admin.unix_roles =
        fill_list(filling, key, list, sizeof(struct config_unix_role), "user or group, and role");
    config->admin.unix_role_count = config->admin.unix_roles != NULL ? list->count : 0;
}

static void fill_subsection(const struct filling *filling, const struct config_key *key,
                            const struct tree_node *node, void *base)
{
    struct config_mark nowhere = {0};

    if (node == NULL || tree_is_nothing(node))
        fill_section(filling, key->section, NULL, nowhere, base);
    else if (node->kind == TREE_MAP)
        fill_section(filling, key->section, node, node->mark, base);
    else
        value_reject(key, node, filling->errors);
}

static void fill_key(const struct filling *filling, const struct config_key *key,
                     const struct tree_node *node, struct config_mark mark, void *base)
{
    char expected[VALUE_EXPECTED_SIZE];

    if (key->type == CONFIG_SECTION) {
        fill_subsection(filling, key, node, base);
        return;
    }
    if (node == NULL && key->fallback != NULL) {
        fill_default(filling, key, base);
        return;
    }
    if (node == NULL) {
        config_errors_add(filling->errors, mark, "%s is missing; expected %s", key->name,
                          value_expected(key, expected));
        return;
    }
    switch (key->type) {
    case CONFIG_LISTENERS:
        fill_listeners(filling, key, node);
        break;
    case CONFIG_CONSUMERS:
        fill_consumers(filling, key, node);
        break;
    case CONFIG_WAYS:
        fill_ways(filling, key, node);
        break;
    case CONFIG_UNIX_ROLES:
        fill_unix_roles(filling, key, node);
        break;
    case CONFIG_OBJECTS:
        plugin_list_load(key, node, filling->store, filling->errors);
        break;
    case CONFIG_PLUGINS:
    case CONFIG_TELLERS:
        plugin_list_configure(key, node, filling->store, base, filling->errors);
        break;
    default:
        (void)value_set(key, node, base, filling->errors);
        break;
    }
}

/* map NULL: all defaults. mark is where a missing key is reported. */
static void fill_section(const struct filling *filling, const struct config_section *section,
                         const struct tree_node *map, struct config_mark mark, void *base)
{
    const struct tree_node *value = map != NULL ? map->first : NULL;

    for (; value != NULL; value = value->next) {
        if (find_key(section, value->key->text) == NULL)
            report_unknown(filling, section, value->key);
    }
    for (size_t i = 0; i < section->count; i++)
        fill_key(filling, &section->keys[i], tree_find(map, section->keys[i].name), mark, base);
}

// NOLINTEND(misc-no-recursion)

void config_fill(struct config_store *store, const struct tree_node *root,
                 struct config_errors *errors)
{
    struct filling filling = {.store = store, .errors = errors};
    struct config_mark mark = {.line = 1, .column = 1};

    fill_section(&filling, &config_schema, root, mark, &store->config);
}
