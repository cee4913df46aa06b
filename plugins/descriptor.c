#include "plugins/descriptor.h"

#include <stdio.h>
#include <string.h>

#include "plugins/setting.h"

/* What is wrong with one key of the schema, or NULL. */
static const char *key_fault(const struct plugin_key *key)
{
    struct plugin_value value;

    if (strspn(key->name, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(key->name) ||
        key->name[0] == '\0' || strlen(key->name) >= DESCRIPTOR_NAME_SIZE)
        return "its name is not 1 to 31 characters a-z 0-9 _";
    if (key->fallback == NULL || key->help == NULL)
        return "it has no default or no help";
    if ((unsigned)key->type > PLUGIN_KEY_CHOICE)
        return "its type is unknown";
    if (key->type == PLUGIN_KEY_CHOICE && key->choices == NULL)
        return "it has no choices";
    if (key->type == PLUGIN_KEY_TEXT && key->maximum < 0)
        return "its longest length is negative";
    if (setting_parse(key, key->fallback, &value) != STATUS_OK)
        return "its default breaks its own rules";
    return NULL;
}

static enum status check_keys(const struct plugin *plugin, char *error, size_t error_size)
{
    const struct plugin_key *keys = plugin->keys;

    for (size_t i = 0; keys != NULL && keys[i].name != NULL; i++) {
        const char *fault = i < DESCRIPTOR_MAX_KEYS ? key_fault(&keys[i]) : "it is one too many";

        for (size_t k = 0; k < i && fault == NULL; k++) {
            if (strcmp(keys[k].name, keys[i].name) == 0)
                fault = "it is there twice";
        }
        if (fault != NULL) {
            (void)snprintf(error, error_size, "setting %zu (%.31s): %s", i + 1, keys[i].name,
                           fault);
            return STATUS_INVALID;
        }
    }
    return STATUS_OK;
}

static bool is_name(const char *name)
{
    size_t size = strnlen(name, DESCRIPTOR_NAME_SIZE);

    return size > 0 && size < DESCRIPTOR_NAME_SIZE &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == size;
}

static const char *descriptor_fault(const struct plugin *plugin)
{
    if (plugin->name == NULL || !is_name(plugin->name))
        return "its name is not 1 to 31 characters a-z 0-9 . _ -";
    if (plugin->version == NULL || plugin->summary == NULL)
        return "it has no version or no summary";
    if ((plugin->flags & ~PLUGIN_PUSHES) != 0)
        return "it sets flags that this server doesn't know";
    if (plugin->state_size > PLUGIN_STATE_SIZE)
        return "it wants more state than a link has";
    if (plugin->configure == NULL || plugin->destroy == NULL ||
        (plugin->identify == NULL && plugin->tell == NULL))
        return "configure, destroy or both of identify and tell are missing";
    for (size_t i = 0; i < sizeof(plugin->reserved) / sizeof(plugin->reserved[0]); i++) {
        if (plugin->reserved[i] != NULL)
            return "a reserved field is set";
    }
    return NULL;
}

enum status descriptor_check(const struct plugin *plugin, char *error, size_t error_size)
{
    /* These two come first and alone: with another ABI no other field is where we think. */
    if (plugin->abi != PLUGIN_ABI) {
        (void)snprintf(error, error_size, "built for plugin ABI %u, this server has %u",
                       plugin->abi, PLUGIN_ABI);
        return STATUS_INVALID;
    }
    if (plugin->size < sizeof(struct plugin)) {
        (void)snprintf(error, error_size, "descriptor of %u bytes, expected at least %zu",
                       plugin->size, sizeof(struct plugin));
        return STATUS_INVALID;
    }
    const char *fault = descriptor_fault(plugin);
    if (fault != NULL) {
        (void)snprintf(error, error_size, "%s", fault);
        return STATUS_INVALID;
    }
    return check_keys(plugin, error, error_size);
}

size_t descriptor_key_count(const struct plugin *plugin)
{
    size_t count = 0;

    while (plugin->keys != NULL && plugin->keys[count].name != NULL)
        count++;
    return count;
}
