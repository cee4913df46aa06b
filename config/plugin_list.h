/* Plugins in the configuration: shared objects are loaded, a listener's plugins are found, their
 * settings checked against their own schema, and instances made. */
#ifndef CENCD_CONFIG_PLUGIN_LIST_H
#define CENCD_CONFIG_PLUGIN_LIST_H

#include "config/config.h"
#include "config/errors.h"
#include "config/fill.h"
#include "config/schema.h"
#include "config/tree.h"

/* Loads the objects that a list of paths names into the configuration's set of plugins. */
void plugin_list_load(const struct config_key *key, const struct tree_node *list,
                      struct config_store *store, struct config_errors *errors);

/* Configures each plugin of the list, a listener's or (key->type CONFIG_TELLERS) that of
 * registration plugins, whose place and number the key has. Those whose settings are wrong are left
 * out, with an error. */
void plugin_list_configure(const struct config_key *key, const struct tree_node *list,
                           struct config_store *store, void *base, struct config_errors *errors);

/* Destroys instances. */
void plugin_list_destroy(struct config_plugin *plugins, size_t count);

#endif
