/* The check of a plugin's descriptor: ABI, size, state size, required functions, schema. Nothing
 * of a descriptor is used before it passed. Pure. */
#ifndef CENCD_PLUGINS_DESCRIPTOR_H
#define CENCD_PLUGINS_DESCRIPTOR_H

#include <stddef.h>

#include "plugins/plugin.h"
#include "server/base/status.h"

#define DESCRIPTOR_MAX_KEYS  64
#define DESCRIPTOR_NAME_SIZE 32 /* names of plugins and their keys, with NUL */

/* STATUS_INVALID and a sentence in error (error_size > 0) if the descriptor can't be used. */
enum status descriptor_check(const struct plugin *plugin, char *error,
                             size_t error_size) MUST_CHECK;

/* Number of settings, 0 for a plugin without. */
size_t descriptor_key_count(const struct plugin *plugin);

#endif
