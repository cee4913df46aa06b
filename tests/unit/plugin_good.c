/* A plugin as small as one can be, with a setting of every type: for the tests of the loader. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/plugin.h"

extern const struct plugin cencd_plugin;

struct good {
    int64_t flag;
    int64_t number;
    int64_t choice;
    char text[16];
};

static const struct plugin_key keys[] = {
    {.name = "flag", .type = PLUGIN_KEY_BOOL, .fallback = "true", .help = "a flag"},
    {.name = "number",
     .type = PLUGIN_KEY_INTEGER,
     .fallback = "-5",
     .minimum = -10,
     .maximum = 10,
     .help = "a number"},
    {.name = "choice",
     .type = PLUGIN_KEY_CHOICE,
     .fallback = "two",
     .choices = "one|two|three",
     .help = "a choice"},
    {.name = "text", .type = PLUGIN_KEY_TEXT, .fallback = "abc", .maximum = 15, .help = "a text"},
    {0},
};

static bool configure(const struct plugin_value *values, void **instance, char *error,
                      size_t error_size)
{
    struct good *good = calloc(1, sizeof(*good));

    if (good == NULL || strcmp(values[3].text, "refuse") == 0) {
        (void)snprintf(error, error_size, "this text doesn't fit");
        free(good);
        return false;
    }
    good->flag = values[0].integer;
    good->number = values[1].integer;
    good->choice = values[2].integer;
    (void)snprintf(good->text, sizeof(good->text), "%s", values[3].text);
    *instance = good;
    return true;
}

static enum plugin_verdict identify(void *instance, void *state, struct plugin_greeting *greeting)
{
    const struct good *good = instance;

    (void)state;
    /* what it was configured with, for the tests to see */
    (void)snprintf(greeting->identity.serial, sizeof(greeting->identity.serial), "%d %d %d %s",
                   (int)good->flag, (int)good->number, (int)good->choice, good->text);
    return PLUGIN_IDENTIFIED;
}

const struct plugin cencd_plugin = {
    .abi = PLUGIN_ABI,
    .size = sizeof(struct plugin),
    .name = "good",
    .version = "1",
    .summary = "for tests",
    .keys = keys,
    .configure = configure,
    .destroy = free,
    .identify = identify,
};
