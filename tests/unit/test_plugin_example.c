/* The example of docs/plugins.md is the file that is built here, and it does what the text says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/loader.h"

static char *file_text(const char *folder_variable, const char *name)
{
    const char *folder = getenv(folder_variable);
    char path[1024];
    char *text = calloc(1, 65536);
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s", folder == NULL ? "." : folder, name);
    file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(text);
    assert_true(fread(text, 1, 65535, file) > 0);
    (void)fclose(file);
    return text;
}

static void the_page_shows_the_file(void **state)
{
    char *page = file_text("CENCD_SOURCE", "docs/plugins.md");
    char *source = file_text("CENCD_SOURCE", "tests/unit/plugin_example.c");

    (void)state;
    assert_non_null(strstr(page, strstr(source, "#include")));
    free(page);
    free(source);
}

static enum plugin_verdict identify(const struct plugin *plugin, void *instance, const char *text,
                                    struct plugin_greeting *greeting)
{
    uint64_t link_state[PLUGIN_STATE_SIZE / 8] = {0};
    uint8_t reply[PLUGIN_REPLY_SIZE];

    *greeting = (struct plugin_greeting){
        .data = (const uint8_t *)text, .size = strlen(text), .reply = reply};
    return plugin->identify(instance, link_state, greeting);
}

static void it_identifies(void **state)
{
    const char *build = getenv("CENCD_BUILD");
    const struct plugin_value values[] = {{.text = "LOGIN:"}};
    struct plugin_greeting greeting;
    struct plugin_set *set;
    const struct plugin *plugin;
    void *instance = NULL;
    char path[1024];
    char error[256];

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/tests/plugin_example.so", build == NULL ? "" : build);
    assert_int_equal(plugin_set_create(&set), STATUS_OK);
    assert_int_equal(plugin_set_load(set, path, error, sizeof(error)), STATUS_OK);
    plugin = plugin_set_find(set, "login");
    assert_non_null(plugin);
    assert_true(plugin->configure(values, &instance, error, sizeof(error)));
    assert_int_equal(identify(plugin, instance, "LOG", &greeting), PLUGIN_NEED_MORE);
    assert_int_equal(identify(plugin, instance, "LOGIN:1001", &greeting), PLUGIN_NEED_MORE);
    assert_int_equal(identify(plugin, instance, "LOGIN:1001\nx", &greeting), PLUGIN_IDENTIFIED);
    assert_string_equal(greeting.identity.serial, "1001");
    assert_int_equal(greeting.consumed, 11);
    assert_int_equal(identify(plugin, instance, "LOGIN:\n", &greeting), PLUGIN_NOT_MINE);
    assert_int_equal(identify(plugin, instance, "AT$IMEI=1", &greeting), PLUGIN_NOT_MINE);
    assert_int_equal(
        identify(plugin, instance, "LOGIN:01234567890123456789012345678901", &greeting),
        PLUGIN_NOT_MINE);
    assert_int_equal(
        identify(plugin, instance, "LOGIN:0123456789012345678901234567890\n", &greeting),
        PLUGIN_IDENTIFIED);
    plugin->destroy(instance);
    plugin_set_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_shows_the_file),
        cmocka_unit_test(it_identifies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
