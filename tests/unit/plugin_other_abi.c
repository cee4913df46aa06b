/* A plugin for a server that doesn't exist yet. */
#include "plugins/plugin.h"

extern const struct plugin cencd_plugin;

const struct plugin cencd_plugin = {
    .abi = PLUGIN_ABI + 1,
    .size = sizeof(struct plugin),
    .name = "other_abi",
};
