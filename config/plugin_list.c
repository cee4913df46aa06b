#include "config/plugin_list.h"

#include <stdlib.h>
#include <string.h>

#include "config/suggest.h"
#include "config/value.h"
#include "plugins/descriptor.h"
#include "plugins/loader.h"
#include "plugins/setting.h"
#include "server/base/check.h"

#define PLUGIN_ERROR_SIZE 200

_Static_assert(DESCRIPTOR_MAX_KEYS <= SUGGEST_MAX_NAMES, "all settings can be suggested");

void plugin_list_load(const struct config_key *key, const struct tree_node *list,
                      struct config_store *store, struct config_errors *errors)
{
    if (!value_check_list(key, list, errors))
        return;
    for (const struct tree_node *item = list->first; item != NULL; item = item->next) {
        char error[PLUGIN_ERROR_SIZE];

        if (item->kind != TREE_TEXT) {
            if (item->kind != TREE_BROKEN)
                config_errors_add(errors, item->mark, "%s: %s; expected an absolute path",
                                  key->name, tree_kind_text(item));
        } else if (plugin_set_load(store->config.plugins, item->text, error, sizeof(error)) !=
                   STATUS_OK) {
            char sentence[PLUGIN_ERROR_SIZE];
            char quoted[CONFIG_QUOTE_SIZE];

            config_errors_add(
                errors, item->mark, "%s: %s: %s; expected the absolute path of a plugin", key->name,
                config_quote(item->text, quoted), log_quote(error, sentence, sizeof(sentence)));
        }
    }
}

/* ---- settings ---- */

/* A copy that lives as long as the configuration; NULL without memory. */
static const char *keep_text(struct config_store *store, const char *text)
{
    size_t size = strlen(text) + 1;
    struct config_text *kept = malloc(sizeof(*kept) + size);

    if (kept == NULL)
        return NULL;
    memcpy(kept->text, text, size);
    kept->next = store->texts;
    store->texts = kept;
    return kept->text;
}

static void reject_setting(const struct plugin_key *key, const struct tree_node *node,
                           struct config_errors *errors)
{
    char expected[SETTING_EXPECTED_SIZE];
    char quoted[CONFIG_QUOTE_SIZE];
    bool is_text = node->kind == TREE_TEXT;

    if (node->kind == TREE_BROKEN)
        return;
    config_errors_add(errors, node->mark, "%s: %s%s; expected %s", key->name,
                      is_text ? config_quote(node->text, quoted) : tree_kind_text(node),
                      is_text && !node->plain ? " (in quotes)" : "",
                      setting_expected(key, expected));
}

/* node NULL: the default. False: an error was added. */
static bool read_setting(const struct plugin_key *key, const struct tree_node *node,
                         struct config_store *store, struct plugin_value *value,
                         struct config_errors *errors)
{
    bool wants_plain = key->type == PLUGIN_KEY_BOOL || key->type == PLUGIN_KEY_INTEGER;

    if (node == NULL) {
        CHECK(setting_parse(key, key->fallback, value) == STATUS_OK);
    } else if (node->kind != TREE_TEXT || (wants_plain && !node->plain) ||
               setting_parse(key, node->text, value) != STATUS_OK) {
        reject_setting(key, node, errors);
        return false;
    }
    if (value->text == NULL)
        return true;
    value->text = keep_text(store, value->text);
    errors->no_memory |= value->text == NULL;
    return value->text != NULL;
}

static bool check_unknown(const struct plugin *plugin, const struct tree_node *settings,
                          struct config_errors *errors)
{
    const char *names[DESCRIPTOR_MAX_KEYS];
    size_t count = descriptor_key_count(plugin);
    const struct tree_node *setting = settings != NULL ? settings->first : NULL;
    bool known = true;

    for (size_t i = 0; i < count; i++)
        names[i] = plugin->keys[i].name;
    for (; setting != NULL; setting = setting->next) {
        size_t i = 0;

        while (i < count && strcmp(names[i], setting->key->text) != 0)
            i++;
        if (i == count) {
            suggest_name("unknown setting", setting->key, names, count, errors);
            known = false;
        }
    }
    return known;
}

/* settings NULL: all defaults. False: an error was added. */
static bool read_settings(const struct plugin *plugin, const struct tree_node *settings,
                          struct config_store *store, struct plugin_value *values,
                          struct config_errors *errors)
{
    size_t count = descriptor_key_count(plugin);
    bool valid = check_unknown(plugin, settings, errors);

    for (size_t i = 0; i < count; i++) {
        const struct tree_node *node = tree_find(settings, plugin->keys[i].name);
        valid = read_setting(&plugin->keys[i], node, store, &values[i], errors) && valid;
    }
    return valid;
}

/* ---- entries of a list ---- */

/* Where they go. */
struct places {
    const struct config_key *key;
    struct config_plugin *plugins; /* CONFIG_MAX_PLUGINS */
    size_t *count;
};

static bool is_listed(const struct places *places, const struct plugin *plugin)
{
    for (size_t i = 0; i < *places->count; i++) {
        if (places->plugins[i].plugin == plugin)
            return true;
    }
    return false;
}

/* Has it the face that the list is for? False: an error was added. */
static bool check_face(const struct places *places, const struct plugin *plugin,
                       const struct tree_node *name, struct config_errors *errors)
{
    bool wants_tell = places->key->type == CONFIG_TELLERS;

    if (wants_tell ? plugin->tell != NULL : plugin->identify != NULL)
        return true;
    config_errors_add(errors, name->mark, "plugin %s %s", plugin->name,
                      wants_tell ? "is told of nothing; expected a registration plugin"
                                 : "identifies no devices; expected it in registration.plugins");
    return false;
}

/* NULL: an error was added. */
static const struct plugin *find_plugin(const struct tree_node *name,
                                        const struct plugin_set *plugins,
                                        struct config_errors *errors)
{
    const char *names[SUGGEST_MAX_NAMES];
    size_t count = plugin_set_count(plugins);
    const struct plugin *plugin = plugin_set_find(plugins, name->text);

    if (plugin != NULL)
        return plugin;
    CHECK(count <= SUGGEST_MAX_NAMES);
    for (size_t i = 0; i < count; i++)
        names[i] = plugin_set_at(plugins, i)->name;
    suggest_name("unknown plugin", name, names, count, errors);
    return NULL;
}

static void configure_one(const struct tree_node *name, const struct tree_node *settings,
                          struct config_store *store, const struct places *places,
                          struct config_errors *errors)
{
    struct plugin_value values[DESCRIPTOR_MAX_KEYS + 1] = {0};
    char error[PLUGIN_ERROR_SIZE] = "";
    void *instance = NULL;
    const struct plugin *plugin = find_plugin(name, store->config.plugins, errors);

    if (plugin == NULL)
        return;
    if (!check_face(places, plugin, name, errors))
        return;
    if (is_listed(places, plugin)) {
        config_errors_add(errors, name->mark, "plugin %s is listed twice; expected once",
                          plugin->name);
        return;
    }
    if (!read_settings(plugin, settings, store, values, errors))
        return;
    if (!plugin->configure(values, &instance, error, sizeof(error))) {
        char sentence[PLUGIN_ERROR_SIZE];

        config_errors_add(errors, name->mark, "plugin %s: %s; expected settings that fit together",
                          plugin->name, log_quote(error, sentence, sizeof(sentence)));
        return;
    }
    CHECK(*places->count < CONFIG_MAX_PLUGINS);
    places->plugins[*places->count].plugin = plugin;
    places->plugins[*places->count].instance = instance;
    (*places->count)++;
}

static void configure_entry(const struct config_key *key, const struct tree_node *item,
                            struct config_store *store, const struct places *places,
                            struct config_errors *errors)
{
    const struct tree_node *settings = item->first;

    if (item->kind == TREE_TEXT) {
        configure_one(item, NULL, store, places, errors);
    } else if (item->kind != TREE_MAP || item->count != 1) {
        if (item->kind != TREE_BROKEN)
            config_errors_add(errors, item->mark,
                              "%s: %s%s; expected a plugin's name, or one name with its settings",
                              key->name, tree_kind_text(item),
                              item->kind == TREE_MAP ? " that doesn't have one key" : "");
    } else if (settings->kind == TREE_MAP || tree_is_nothing(settings)) {
        configure_one(settings->key, settings, store, places, errors);
    } else if (settings->kind != TREE_BROKEN) {
        char quoted[CONFIG_QUOTE_SIZE];

        config_errors_add(errors, settings->mark, "%s: %s; expected a map of the plugin's settings",
                          config_quote(settings->key->text, quoted), tree_kind_text(settings));
    }
}

void plugin_list_configure(const struct config_key *key, const struct tree_node *list,
                           struct config_store *store, void *base, struct config_errors *errors)
{
    struct places places = {
        .key = key,
        .plugins = (void *)((char *)base + key->offset),
        .count = (void *)((char *)base + key->second_offset),
    };

    if (!value_check_list(key, list, errors))
        return;
    for (const struct tree_node *item = list->first; item != NULL; item = item->next)
        configure_entry(key, item, store, &places, errors);
}

void plugin_list_destroy(struct config_plugin *plugins, size_t count)
{
    for (size_t i = count; i > 0; i--)
        plugins[i - 1].plugin->destroy(plugins[i - 1].instance);
}
