/* A registration plugin as bad as a test wants it. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "plugins/plugin.h"

enum mood { DONE, LATER, REFUSED, HANGS };

static const struct plugin_key keys[] = {
    {.name = "mood",
     .type = PLUGIN_KEY_CHOICE,
     .fallback = "done",
     .choices = "done|later|refused|hangs",
     .help = "what it answers"},
    {0},
};

struct moods {
    enum mood mood;
};

static bool configure(const struct plugin_value *values, void **instance, char *error,
                      size_t error_size)
{
    struct moods *moods = calloc(1, sizeof(*moods));

    if (moods == NULL) {
        (void)snprintf(error, error_size, "not enough memory");
        return false;
    }
    moods->mood = (enum mood)values[0].integer;
    *instance = moods;
    return true;
}

static enum plugin_answer tell(void *instance, const struct plugin_facts *facts, const char **why)
{
    const struct moods *moods = instance;

    (void)facts;
    while (moods->mood == HANGS)
        (void)pause();
    *why = "a matter of mood";
    return moods->mood == DONE ? PLUGIN_DONE : moods->mood == LATER ? PLUGIN_LATER : PLUGIN_REFUSED;
}

extern const struct plugin cencd_plugin;

const struct plugin cencd_plugin = {
    .abi = PLUGIN_ABI,
    .size = sizeof(struct plugin),
    .name = "moods",
    .version = "1.0",
    .summary = "registration: answers as it is told to",
    .keys = keys,
    .configure = configure,
    .destroy = free,
    .tell = tell,
};
