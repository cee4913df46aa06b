/* Finds plugins by name: the built-in ones, and shared objects named in the configuration. A
 * descriptor is checked (ABI, size, state size, required functions) before anything uses it. */
#ifndef CENCD_PLUGINS_LOADER_H
#define CENCD_PLUGINS_LOADER_H

#include <stddef.h>

#include "plugins/plugin.h"
#include "server/base/status.h"

struct plugin_set;

enum status plugin_set_create(struct plugin_set **set) MUST_CHECK; /* with the built-in ones */
void plugin_set_free(struct plugin_set *set); /* closes shared objects; after all instances */

/* Loads a shared object. On failure writes a sentence into error. */
enum status plugin_set_load(struct plugin_set *set, const char *path, char *error,
                            size_t error_size) MUST_CHECK;

const struct plugin *plugin_set_find(const struct plugin_set *set, const char *name);
size_t plugin_set_count(const struct plugin_set *set);
const struct plugin *plugin_set_at(const struct plugin_set *set, size_t index);

#endif
