/* The loader: a descriptor that can't be used is refused with a sentence that says why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plugins/descriptor.h"
#include "plugins/loader.h"
#include "plugins/setting.h"

/* ---- descriptors ---- */

static bool configure(const struct plugin_value *values, void **instance, char *error,
                      size_t error_size)
{
    (void)values;
    (void)snprintf(error, error_size, "%s", "");
    *instance = NULL;
    return true;
}

static void destroy(void *instance)
{
    (void)instance;
}

static enum plugin_verdict identify(void *instance, void *state, struct plugin_greeting *greeting)
{
    (void)instance;
    (void)state;
    (void)greeting;
    return PLUGIN_NOT_MINE;
}

static const struct plugin sound = {
    .abi = PLUGIN_ABI,
    .size = sizeof(struct plugin),
    .name = "sound",
    .version = "1",
    .summary = "for tests",
    .state_size = PLUGIN_STATE_SIZE,
    .configure = configure,
    .destroy = destroy,
    .identify = identify,
};

static void assert_refused(const struct plugin *plugin, const char *why)
{
    char error[160] = "";

    assert_int_equal(descriptor_check(plugin, error, sizeof(error)), STATUS_INVALID);
    if (strstr(error, why) == NULL)
        fail_msg("\"%s\" doesn't say \"%s\"", error, why);
}

static void test_sound_descriptor_is_taken(void **state)
{
    struct plugin later = sound;
    char error[160];

    (void)state;
    assert_int_equal(descriptor_check(&sound, error, sizeof(error)), STATUS_OK);
    assert_int_equal(descriptor_key_count(&sound), 0);
    later.size += 8; /* built with a later header of the same ABI: grown at the end */
    assert_int_equal(descriptor_check(&later, error, sizeof(error)), STATUS_OK);
}

static void test_other_layouts_are_refused(void **state)
{
    struct plugin plugin = sound;

    (void)state;
    plugin.abi = PLUGIN_ABI + 1;
    assert_refused(&plugin, "ABI 2, this server has 1");
    plugin = sound;
    plugin.size = sizeof(struct plugin) - 1;
    assert_refused(&plugin, "expected at least");
    plugin = sound;
    plugin.flags = 2;
    assert_refused(&plugin, "flags");
    plugin = sound;
    plugin.reserved[6] = &plugin;
    assert_refused(&plugin, "reserved");
    plugin = sound;
    plugin.state_size = PLUGIN_STATE_SIZE + 1;
    assert_refused(&plugin, "state");
}

static void test_incomplete_descriptors_are_refused(void **state)
{
    struct plugin plugin = sound;

    (void)state;
    plugin.name = NULL;
    assert_refused(&plugin, "name");
    plugin.name = "";
    assert_refused(&plugin, "name");
    plugin.name = "Upper";
    assert_refused(&plugin, "name");
    plugin.name = "a23456789012345678901234567890123";
    assert_refused(&plugin, "name");
    plugin = sound;
    plugin.version = NULL;
    assert_refused(&plugin, "version");
    plugin = sound;
    plugin.summary = NULL;
    assert_refused(&plugin, "summary");
    plugin = sound;
    plugin.configure = NULL;
    assert_refused(&plugin, "configure");
    plugin = sound;
    plugin.destroy = NULL;
    assert_refused(&plugin, "destroy");
    plugin = sound;
    plugin.identify = NULL;
    assert_refused(&plugin, "identify");
}

static void assert_key_refused(struct plugin_key key, const char *why)
{
    struct plugin_key keys[] = {key, {0}};
    struct plugin plugin = sound;

    plugin.keys = keys;
    assert_refused(&plugin, why);
}

static void test_wrong_schemas_are_refused(void **state)
{
    const struct plugin_key key = {
        .name = "k", .type = PLUGIN_KEY_INTEGER, .fallback = "1", .maximum = 1, .help = "h"};
    struct plugin_key wrong = key;

    (void)state;
    wrong.name = "With-Dash";
    assert_key_refused(wrong, "its name");
    wrong = key;
    wrong.fallback = NULL;
    assert_key_refused(wrong, "no default");
    wrong.fallback = "2";
    assert_key_refused(wrong, "its default breaks");
    wrong = key;
    wrong.help = NULL;
    assert_key_refused(wrong, "no help");
    wrong = key;
    wrong.type = (enum plugin_key_type)9;
    assert_key_refused(wrong, "type");
    wrong = key;
    wrong.type = PLUGIN_KEY_CHOICE;
    assert_key_refused(wrong, "choices");
    wrong.choices = "a|b";
    assert_key_refused(wrong, "its default breaks");
}

static void test_setting_there_twice_is_refused(void **state)
{
    static const struct plugin_key keys[] = {
        {.name = "k", .type = PLUGIN_KEY_BOOL, .fallback = "true", .help = "h"},
        {.name = "k", .type = PLUGIN_KEY_BOOL, .fallback = "true", .help = "h"},
        {0},
    };
    struct plugin plugin = sound;

    (void)state;
    plugin.keys = keys;
    assert_refused(&plugin, "twice");
    assert_int_equal(descriptor_key_count(&plugin), 2);
}

static void test_too_many_settings_are_refused(void **state)
{
    struct plugin_key keys[DESCRIPTOR_MAX_KEYS + 2] = {0};
    char names[DESCRIPTOR_MAX_KEYS + 1][8];
    struct plugin plugin = sound;
    char error[160];

    (void)state;
    for (size_t i = 0; i <= DESCRIPTOR_MAX_KEYS; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "k%u", (unsigned)i % 100);
        keys[i] = (struct plugin_key){
            .name = names[i], .type = PLUGIN_KEY_BOOL, .fallback = "true", .help = "h"};
    }
    plugin.keys = keys;
    assert_refused(&plugin, "one too many");
    keys[DESCRIPTOR_MAX_KEYS].name = NULL;
    assert_int_equal(descriptor_check(&plugin, error, sizeof(error)), STATUS_OK);
}

/* ---- settings ---- */

static void assert_integer(const char *text, bool expected, int64_t value)
{
    int64_t number = 4711;

    if (setting_integer(text, &number) != expected)
        fail_msg("%s: taken %d", text, !expected);
    if (expected)
        assert_true(number == value);
}

static void test_integers(void **state)
{
    (void)state;
    assert_integer("0", true, 0);
    assert_integer("7", true, 7);
    assert_integer("-7", true, -7);
    assert_integer("9223372036854775807", true, INT64_MAX);
    assert_integer("-9223372036854775808", true, INT64_MIN);
    assert_integer("9223372036854775808", false, 0);
    assert_integer("-9223372036854775809", false, 0);
    assert_integer("99999999999999999999999", false, 0);
    assert_integer("", false, 0);
    assert_integer("-", false, 0);
    assert_integer("-0", false, 0);
    assert_integer("+1", false, 0);
    assert_integer("01", false, 0);
    assert_integer("0x1", false, 0);
    assert_integer("1 ", false, 0);
    assert_integer("1.0", false, 0);
    assert_integer("1_000", false, 0);
}

static void test_settings_are_parsed(void **state)
{
    const struct plugin_key flag = {.type = PLUGIN_KEY_BOOL};
    const struct plugin_key number = {.type = PLUGIN_KEY_INTEGER, .minimum = -1, .maximum = 3};
    const struct plugin_key text = {.type = PLUGIN_KEY_TEXT, .maximum = 3};
    const struct plugin_key choice = {.type = PLUGIN_KEY_CHOICE, .choices = "auto|on|off"};
    struct plugin_value value;

    (void)state;
    assert_int_equal(setting_parse(&flag, "true", &value), STATUS_OK);
    assert_int_equal(value.integer, 1);
    assert_int_equal(setting_parse(&flag, "false", &value), STATUS_OK);
    assert_int_equal(value.integer, 0);
    assert_int_equal(setting_parse(&flag, "yes", &value), STATUS_INVALID);
    assert_int_equal(setting_parse(&number, "-1", &value), STATUS_OK);
    assert_true(value.integer == -1);
    assert_int_equal(setting_parse(&number, "-2", &value), STATUS_INVALID);
    assert_int_equal(setting_parse(&number, "4", &value), STATUS_INVALID);
    assert_int_equal(setting_parse(&text, "abc", &value), STATUS_OK);
    assert_string_equal(value.text, "abc");
    assert_int_equal(setting_parse(&text, "abcd", &value), STATUS_INVALID);
    assert_int_equal(setting_parse(&choice, "off", &value), STATUS_OK);
    assert_int_equal(value.integer, 2);
    assert_int_equal(setting_parse(&choice, "o", &value), STATUS_INVALID);
    assert_int_equal(setting_parse(&choice, "auto|on", &value), STATUS_INVALID);
    assert_int_equal(setting_parse(&choice, "", &value), STATUS_INVALID);
}

/* ---- sets and shared objects ---- */

static struct plugin_set *new_set(void)
{
    struct plugin_set *set = NULL;

    assert_int_equal(plugin_set_create(&set), STATUS_OK);
    return set;
}

/* Where the build put tests/unit/plugin_<name>.c. */
static const char *object_path(const char *name)
{
    static char path[4096];
    const char *build = getenv("CENCD_BUILD");

    if (build == NULL) {
        print_message("CENCD_BUILD is not set\n");
        skip();
    }
    (void)snprintf(path, sizeof(path), "%s/tests/plugin_%s.so", build, name);
    return path;
}

static void assert_not_loaded(const char *path, enum status expected, const char *why)
{
    struct plugin_set *set = new_set();
    size_t count = plugin_set_count(set);
    char error[300];

    assert_int_equal(plugin_set_load(set, path, error, sizeof(error)), expected);
    if (strstr(error, why) == NULL)
        fail_msg("\"%s\" doesn't say \"%s\"", error, why);
    assert_int_equal(plugin_set_count(set), count);
    plugin_set_free(set);
}

static void test_built_in_plugins_are_there(void **state)
{
    struct plugin_set *set = new_set();

    (void)state;
    assert_true(plugin_set_count(set) >= 1);
    const struct plugin *irz = plugin_set_find(set, "irz");
    assert_non_null(irz);
    assert_string_equal(irz->name, "irz");
    assert_ptr_equal(plugin_set_at(set, 0), irz);
    assert_null(plugin_set_find(set, "ir"));
    assert_null(plugin_set_find(set, ""));
    plugin_set_free(set);
    plugin_set_free(NULL);
}

static void test_what_is_no_plugin_is_not_loaded(void **state)
{
    (void)state;
    assert_not_loaded("plugin.so", STATUS_INVALID, "not absolute");
    assert_not_loaded("", STATUS_INVALID, "not absolute");
    assert_not_loaded("/nonexistent/plugin.so", STATUS_SYSTEM, "No such file");
    assert_not_loaded("/etc/passwd", STATUS_SYSTEM, "passwd");
}

static void test_object_without_descriptor_is_not_loaded(void **state)
{
    (void)state;
    assert_not_loaded(object_path("no_symbol"), STATUS_INVALID, "exports no cencd_plugin");
}

static void test_other_abi_is_not_loaded(void **state)
{
    (void)state;
    assert_not_loaded(object_path("other_abi"), STATUS_INVALID, "ABI 2");
}

static void test_plugin_is_loaded_once(void **state)
{
    const char *path = object_path("good");
    struct plugin_set *set = new_set();
    size_t count = plugin_set_count(set);
    char error[300];

    (void)state;
    assert_int_equal(plugin_set_load(set, path, error, sizeof(error)), STATUS_OK);
    assert_int_equal(plugin_set_count(set), count + 1);
    const struct plugin *good = plugin_set_find(set, "good");
    assert_ptr_equal(plugin_set_at(set, count), good);
    assert_int_equal(descriptor_key_count(good), 4);
    assert_int_equal(plugin_set_load(set, path, error, sizeof(error)), STATUS_EXISTS);
    assert_non_null(strstr(error, "good"));
    assert_int_equal(plugin_set_count(set), count + 1);
    plugin_set_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound_descriptor_is_taken),
        cmocka_unit_test(test_other_layouts_are_refused),
        cmocka_unit_test(test_incomplete_descriptors_are_refused),
        cmocka_unit_test(test_wrong_schemas_are_refused),
        cmocka_unit_test(test_setting_there_twice_is_refused),
        cmocka_unit_test(test_too_many_settings_are_refused),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_settings_are_parsed),
        cmocka_unit_test(test_built_in_plugins_are_there),
        cmocka_unit_test(test_what_is_no_plugin_is_not_loaded),
        cmocka_unit_test(test_object_without_descriptor_is_not_loaded),
        cmocka_unit_test(test_other_abi_is_not_loaded),
        cmocka_unit_test(test_plugin_is_loaded_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
