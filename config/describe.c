#include <string.h>

#include "config/config.h"
#include "config/schema.h"
#include "config/value.h"
#include "plugins/loader.h"
#include "plugins/setting.h"

#define WIDTH     96
#define PATH_SIZE 128

/* Writes help as indented lines of at most WIDTH characters. */
static void write_help(FILE *out, const char *help)
{
    size_t column = 0;

    while (*help != '\0') {
        size_t size = strcspn(help, " ");

        if (column > 0 && column + 1 + size > WIDTH) {
            (void)fputc('\n', out);
            column = 0;
        }
        (void)fprintf(out, "%s%.*s", column == 0 ? "        " : " ", (int)size, help);
        column += (column == 0 ? 8 : 1) + size;
        help += size;
        help += strspn(help, " ");
    }
    (void)fputs("\n", out);
}

static void describe_key(FILE *out, const char *prefix, const struct config_key *key)
{
    char expected[VALUE_EXPECTED_SIZE];

    (void)fprintf(out, "    %s%s: %s; %s%s\n", prefix, key->name, value_expected(key, expected),
                  key->fallback != NULL ? "default " : "required",
                  key->fallback != NULL ? key->fallback : "");
    write_help(out, key->help);
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as the schema
static void describe_section(FILE *out, const char *prefix, const struct config_section *section)
{
    for (size_t i = 0; i < section->count; i++) {
        const struct config_key *key = &section->keys[i];
        bool is_list = key->type == CONFIG_LISTENERS || key->type == CONFIG_CONSUMERS ||
                       key->type == CONFIG_WAYS || key->type == CONFIG_UNIX_ROLES;
        const char *suffix = is_list ? "[]." : ".";
        char path[PATH_SIZE];

        if (key->section == NULL) {
            describe_key(out, prefix, key);
            continue;
        }
        (void)fprintf(out, "\n%s%s%s\n", prefix, key->name,
                      !is_list                ? ""
                      : key->fallback == NULL ? ": a list, required"
                                              : ": a list");
        write_help(out, key->help);
        (void)snprintf(path, sizeof(path), "%s%s%s", prefix, key->name, suffix);
        describe_section(out, path, key->section);
    }
}

static void describe_plugin(FILE *out, const struct plugin *plugin)
{
    char expected[SETTING_EXPECTED_SIZE];

    (void)fprintf(out, "\n%s.plugins[].%s\n",
                  plugin->identify != NULL ? "listeners[]" : "registration", plugin->name);
    write_help(out, plugin->summary);
    for (const struct plugin_key *key = plugin->keys; key != NULL && key->name != NULL; key++) {
        (void)fprintf(out, "    %s.%s: %s; default %s\n", plugin->name, key->name,
                      setting_expected(key, expected), key->fallback);
        write_help(out, key->help);
    }
}

void config_describe(FILE *out)
{
    struct plugin_set *plugins;

    (void)fputs("Every key of the configuration: what is expected, the default, what it is for.\n",
                out);
    describe_section(out, "", &config_schema);
    if (plugin_set_create(&plugins) != STATUS_OK)
        return;
    for (size_t i = 0; i < plugin_set_count(plugins); i++)
        describe_plugin(out, plugin_set_at(plugins, i));
    plugin_set_free(plugins);
}
