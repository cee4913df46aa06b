/* Every vector of tests/frames/dlms-push and tests/frames/pattern through its plugin: as recorded,
 * in every two pieces, byte by byte, and in random pieces. A failure of the last prints the seed;
 * CENCD_SEED=<seed> repeats it. Then what the plugins refuse as a setting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "tests/frames/vectors.h"

extern const struct plugin dlms_push_plugin;
extern const struct plugin pattern_plugin;

static void in_random_pieces(void **state)
{
    (void)state;
    vectors_in_random_pieces(100, false);
}

/* ---- settings ---- */

#define MAX_KEYS 16

static void set_defaults(const struct plugin *plugin, struct plugin_value *values)
{
    for (size_t i = 0; plugin->keys[i].name != NULL; i++) {
        assert_true(i < MAX_KEYS);
        values[i].text = plugin->keys[i].fallback;
        values[i].integer = strtoll(plugin->keys[i].fallback, NULL, 10);
    }
}

static struct plugin_value *value_named(const struct plugin *plugin, struct plugin_value *values,
                                        const char *name)
{
    for (size_t i = 0; plugin->keys[i].name != NULL; i++) {
        if (strcmp(plugin->keys[i].name, name) == 0)
            return &values[i];
    }
    fail_msg("no setting %s", name);
    return NULL;
}

struct setting {
    const char *name;
    const char *text;
};

/* Up to two settings that are not the default; complaint NULL: they are accepted. */
static void assert_settings(const struct plugin *plugin, struct setting first,
                            struct setting second, const char *complaint)
{
    struct plugin_value values[MAX_KEYS] = {{0}};
    void *instance = NULL;
    char error[200] = "";

    set_defaults(plugin, values);
    if (first.name != NULL)
        value_named(plugin, values, first.name)->text = first.text;
    if (second.name != NULL)
        value_named(plugin, values, second.name)->text = second.text;
    bool accepted = plugin->configure(values, &instance, error, sizeof(error));
    if (complaint != NULL && strstr(error, complaint) == NULL)
        fail_msg("\"%s\" expected, not \"%s\"", complaint, error);
    assert_int_equal(accepted, complaint == NULL);
    if (accepted)
        plugin->destroy(instance);
}

static void settings_of_dlms_push(void **state)
{
    const struct setting none = {NULL, NULL};

    (void)state;
    assert_settings(&dlms_push_plugin, none, none, NULL);
    assert_settings(&dlms_push_plugin, (struct setting){"last_gasp", "none"}, none, NULL);
    assert_settings(&dlms_push_plugin,
                    (struct setting){"last_gasp", "default; mine: push 0.9.25.9.0.255"}, none,
                    NULL);
    assert_settings(&dlms_push_plugin, (struct setting){"last_gasp", ""}, none, "last_gasp: ");
    assert_settings(&dlms_push_plugin, (struct setting){"last_gasp", "event 1.2.3"}, none,
                    "logical name");
}

static void settings_of_pattern(void **state)
{
    const struct setting none = {NULL, NULL};
    const struct setting login = {"registration", "LOGIN:(id)"};

    (void)state;
    assert_settings(&pattern_plugin, none, none, "must be set");
    assert_settings(&pattern_plugin, login, none, NULL);
    assert_settings(&pattern_plugin, (struct setting){"registration", "LOGIN"}, none, "(id)");
    assert_settings(&pattern_plugin, (struct setting){"registration", "(id"}, none,
                    "registration: ");
    assert_settings(&pattern_plugin, login, (struct setting){"heartbeat", "(id)"}, "heartbeat");
    assert_settings(&pattern_plugin, login, (struct setting){"push_answer", "A(skip:2)"},
                    "push_answer");
    assert_settings(&pattern_plugin, (struct setting){"last_gasp", "BYE"}, none, "(id)");
    assert_settings(&pattern_plugin, (struct setting){"last_gasp", "BYE"}, login, NULL);
    assert_settings(&pattern_plugin, (struct setting){"last_gasp", "BYE,(id)"}, none, NULL);
}

/* ---- the whole ---- */

static int read_vectors(void **state)
{
    (void)state;
    if (vectors_read("dlms-push", &dlms_push_plugin) != 0)
        return -1;
    return vectors_read("pattern", &pattern_plugin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_as_recorded),   cmocka_unit_test(vectors_in_two_pieces),
        cmocka_unit_test(vectors_byte_by_byte),  cmocka_unit_test(in_random_pieces),
        cmocka_unit_test(settings_of_dlms_push), cmocka_unit_test(settings_of_pattern),
    };

    return cmocka_run_group_tests(tests, read_vectors, vectors_free);
}
