/* The schema, what --help-config prints of it, and cencd.yaml: all three tell the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"
#include "config/schema.h"
#include "config/tree.h"
#include "tests/unit/config_text.h"

static const char *source_path(const char *path, char out[static 4096])
{
    const char *source = getenv("CENCD_SOURCE");

    (void)snprintf(out, 4096, "%s/%s", source != NULL ? source : ".", path);
    return out;
}

static struct config *load_example(void)
{
    char path[4096];
    struct config *config = NULL;

    assert_int_equal(config_load(source_path("config/cencd.yaml", path), stderr, &config),
                     STATUS_OK);
    return config;
}

static char *describe(void)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    config_describe(out);
    assert_int_equal(fclose(out), 0);
    return text;
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as the schema
static void assert_described(const char *text, const char *prefix,
                             const struct config_section *section)
{
    for (size_t i = 0; i < section->count; i++) {
        const struct config_key *key = &section->keys[i];
        char line[256];

        assert_non_null(key->help);
        bool is_list = key->type == CONFIG_LISTENERS || key->type == CONFIG_CONSUMERS ||
                       key->type == CONFIG_WAYS || key->type == CONFIG_UNIX_ROLES;
        (void)snprintf(line, sizeof(line), "%s%s%s", prefix, key->name, is_list ? "[]." : ".");
        if (key->section != NULL) {
            assert_described(text, line, key->section);
            continue;
        }
        (void)snprintf(line, sizeof(line), "\n    %s%s: ", prefix, key->name);
        if (strstr(text, line) == NULL)
            fail_msg("%s is not described", line);
    }
}

static void test_every_key_is_described(void **state)
{
    char *text = describe();

    (void)state;
    assert_described(text, "", &config_schema);
    assert_non_null(strstr(text, "limits.links: an integer 1..10000000 (links); default 100000\n"));
    assert_non_null(strstr(text, "listeners[].tcp.keepalive_count: "));
    assert_non_null(strstr(text, "irz.greeting: one of auto|always|never; default auto\n"));
    free(text);
}

/* Whether two structures agree in one key. */
static bool same_value(const struct config_key *key, const void *left, const void *right)
{
    const char *a = (const char *)left + key->offset;
    const char *b = (const char *)right + key->offset;
    char text_a[ADDRESS_TEXT_SIZE];
    char text_b[ADDRESS_TEXT_SIZE];

    switch (key->type) {
    case CONFIG_BOOL:
        return *(const bool *)a == *(const bool *)b;
    case CONFIG_INTEGER:
    case CONFIG_POWER_OF_TWO:
    case CONFIG_SHARDS:
    case CONFIG_LEVEL:
    case CONFIG_CHOICE:
        return memcmp(a, b, sizeof(uint32_t)) == 0;
    case CONFIG_NAME:
        return strcmp(a, b) == 0;
    case CONFIG_ENDPOINT:
    case CONFIG_DOOR:
    case CONFIG_IP:
        return strcmp(address_format((const void *)a, text_a),
                      address_format((const void *)b, text_b)) == 0;
    case CONFIG_PORT_RANGE:
        return memcmp(a, b, 2) == 0 && memcmp((const char *)left + key->second_offset,
                                              (const char *)right + key->second_offset, 2) == 0;
    case CONFIG_CIDRS:
        return memcmp((const char *)left + key->second_offset,
                      (const char *)right + key->second_offset, sizeof(size_t)) == 0 &&
               memcmp(a, b, sizeof(struct cidr)) == 0;
    default:
        return true;
    }
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as the schema
static void assert_same(const struct config_section *section, const void *left, const void *right)
{
    for (size_t i = 0; i < section->count; i++) {
        const struct config_key *key = &section->keys[i];

        if (key->type == CONFIG_CONSUMERS || key->type == CONFIG_WAYS ||
            key->type == CONFIG_UNIX_ROLES || key->type == CONFIG_TELLERS)
            continue; /* none */
        if (key->type == CONFIG_LISTENERS)
            assert_same(key->section, ((const struct config *)left)->listeners,
                        ((const struct config *)right)->listeners);
        else if (key->section != NULL)
            assert_same(key->section, left, right);
        else if (key->fallback != NULL && strcmp(key->name, "scope") != 0 &&
                 !same_value(key, left, right))
            fail_msg("%s has another value than its default", key->name);
    }
}

static void test_example_has_the_defaults(void **state)
{
    struct config *example = load_example();
    struct config *defaults = config_text_good(CONFIG_LISTENER);
    char text[ADDRESS_TEXT_SIZE];

    (void)state;
    assert_same(&config_schema, example, defaults);
    assert_int_equal(example->listener_count, 1);
    assert_string_equal(example->listeners[0].name, "irz");
    assert_string_equal(example->listeners[0].scope, "irz");
    assert_string_equal(address_format(&example->listeners[0].address, text), "0.0.0.0:5009");
    assert_int_equal(example->listeners[0].plugin_count, 1);
    assert_string_equal(example->listeners[0].plugins[0].plugin->name, "irz");
    config_free(example);
    config_free(defaults);
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as the schema
static void assert_present(const struct config_section *section, const struct tree_node *map)
{
    for (size_t i = 0; i < section->count; i++) {
        const struct config_key *key = &section->keys[i];
        const struct tree_node *value = tree_find(map, key->name);

        if (value == NULL)
            fail_msg("%s is not in cencd.yaml", key->name);
        else if (key->section != NULL && key->type != CONFIG_CONSUMERS &&
                 key->type != CONFIG_WAYS && key->type != CONFIG_UNIX_ROLES)
            assert_present(key->section, key->type == CONFIG_LISTENERS ? value->first : value);
    }
}

/* There are none by default, so their keys are in a comment. */
static void assert_consumers_shown(const char *text)
{
    static const char *const lines[] = {"\n  # - name: ",         "\n  #   token_file: ",
                                        "\n  #   token_sha256: ", "\n  #   certificate_subject: ",
                                        "\n  #   projects: ",     "\n  # - user: ",
                                        "\n  # - group: ",        "\n  #   role: "};

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        assert_non_null(strstr(text, lines[i]));
}

/* The same of the agents' listeners. */
static void assert_ways_shown(const char *text)
{
    static const char *const lines[] = {
        "\n  # - name: ",          "\n  #   address: ", "\n  #   kind: ",        "\n  #   tls:",
        "\n  #     certificate: ", "\n  #     key: ",   "\n  #     client_ca: ", "\n  #   allow: ",
        "\n  #   anonymous: ",     "\n  #   login: ",   "\n  #   scope: ",       "\n  #   wait_s: ",
        "\n  #   priority: ",      "\n  #   backlog: "};

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        if (strstr(text, lines[i]) == NULL)
            fail_msg("%s is not in cencd.yaml", lines[i]);
}

/* Every setting of the plugin is there with its default. */
static void assert_plugin_present(const struct plugin *plugin, const struct tree_node *settings)
{
    for (const struct plugin_key *key = plugin->keys; key->name != NULL; key++) {
        const struct tree_node *value = tree_find(settings, key->name);

        if (value == NULL || strcmp(value->text, key->fallback) != 0)
            fail_msg("%s is not in cencd.yaml with its default", key->name);
    }
}

static void test_example_has_every_key(void **state)
{
    static struct config_errors errors;
    static char text[65536];
    char path[4096];
    struct tree tree;
    struct config *config = load_example();
    FILE *file = fopen(source_path("config/cencd.yaml", path), "re");

    (void)state;
    assert_non_null(file);
    size_t size = fread(text, 1, sizeof(text) - 1, file);
    (void)fclose(file);
    assert_int_equal(tree_read(&tree, text, size, &errors), STATUS_OK);
    assert_present(&config_schema, tree.root);
    text[size] = 0;
    assert_consumers_shown(text);
    assert_ways_shown(text);
    const struct tree_node *plugins =
        tree_find(tree_find(tree.root, "listeners")->first, "plugins");
    assert_plugin_present(config->listeners[0].plugins[0].plugin, plugins->first->first);
    tree_free(&tree);
    config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_key_is_described),
        cmocka_unit_test(test_example_has_the_defaults),
        cmocka_unit_test(test_example_has_every_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
