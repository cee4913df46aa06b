/* Every vector of tests/frames/dlms-push and tests/frames/pattern through its plugin: as recorded,
 * in every two pieces, byte by byte, and in random pieces. A failure of the last prints the seed;
 * CENCD_SEED=<seed> repeats it. Then what the plugins refuse as a setting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/frames/cuts.h"

#define RANDOM_ROUNDS 100
#define MAX_VECTORS   256

extern const struct plugin dlms_push_plugin;
extern const struct plugin pattern_plugin;

static struct vector *vectors[MAX_VECTORS];
static size_t vector_count;

/* ---- vectors ---- */

static void as_recorded(void **state)
{
    (void)state;
    for (size_t i = 0; i < vector_count; i++) {
        cuts_as_recorded(vectors[i]);
        cuts_play(vectors[i], "as recorded");
    }
}

static bool may_be_cut(const struct vector *vector)
{
    return !vector->uncut && !vector->datagram;
}

static void in_two_pieces(void **state)
{
    (void)state;
    for (size_t i = 0; i < vector_count; i++) {
        for (size_t at = 1; at < vectors[i]->size && may_be_cut(vectors[i]); at++) {
            cuts_as_recorded(vectors[i]);
            cuts_at(at);
            cuts_play(vectors[i], "in two pieces");
        }
    }
}

static void byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < vector_count; i++) {
        if (!may_be_cut(vectors[i]))
            continue;
        cuts_as_recorded(vectors[i]);
        for (size_t at = 1; at < vectors[i]->size; at++)
            cuts_at(at);
        cuts_play(vectors[i], "byte by byte");
    }
}

static void in_random_pieces(void **state)
{
    const char *given = getenv("CENCD_SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    char how[64];

    (void)state;
    (void)snprintf(how, sizeof(how), "CENCD_SEED=%u", seed);
    print_message("%s\n", how);
    for (size_t round = 0; round < RANDOM_ROUNDS; round++) {
        for (size_t i = 0; i < vector_count; i++) {
            unsigned cuts = (unsigned)rand_r(&seed) % 12;

            if (!may_be_cut(vectors[i]))
                continue;
            cuts_as_recorded(vectors[i]);
            for (unsigned cut = 0; cut < cuts; cut++)
                cuts_at((size_t)rand_r(&seed) % (vectors[i]->size + 1));
            cuts_play(vectors[i], how);
        }
    }
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

static int read_folder(const char *folder, const struct plugin *plugin)
{
    const char *source = getenv("CENCD_SOURCE");
    char path[1024];
    glob_t found;

    (void)snprintf(path, sizeof(path), "%s/tests/frames/%s/*.hex", source == NULL ? "." : source,
                   folder);
    if (glob(path, 0, NULL, &found) != 0 || vector_count + found.gl_pathc > MAX_VECTORS)
        return -1;
    for (size_t i = 0; i < found.gl_pathc; i++)
        vectors[vector_count++] = vector_read(found.gl_pathv[i], plugin);
    globfree(&found);
    return 0;
}

static int read_vectors(void **state)
{
    (void)state;
    return read_folder("dlms-push", &dlms_push_plugin) == 0 &&
                   read_folder("pattern", &pattern_plugin) == 0
               ? 0
               : -1;
}

static int free_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < vector_count; i++)
        vector_free(vectors[i]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_recorded),           cmocka_unit_test(in_two_pieces),
        cmocka_unit_test(byte_by_byte),          cmocka_unit_test(in_random_pieces),
        cmocka_unit_test(settings_of_dlms_push), cmocka_unit_test(settings_of_pattern),
    };

    return cmocka_run_group_tests(tests, read_vectors, free_vectors);
}
