/* One value of the configuration: from a YAML node into its place in the structures, checked
 * against its key in the schema. Only values that need no other knowledge: texts, numbers and
 * lists of networks; sections and plugins are filled elsewhere. */
#ifndef CENCD_CONFIG_VALUE_H
#define CENCD_CONFIG_VALUE_H

#include <stdbool.h>

#include "config/errors.h"
#include "config/schema.h"
#include "config/tree.h"

#define VALUE_EXPECTED_SIZE 120

/* Fills the place at base + key->offset. On a wrong value adds an error, leaves the place alone and
 * returns false. */
bool value_set(const struct config_key *key, const struct tree_node *node, void *base,
               struct config_errors *errors);

/* Adds "KEY: what it is; expected what the key wants" at the node's place. */
void value_reject(const struct config_key *key, const struct tree_node *node,
                  struct config_errors *errors);

/* True if the node is a list of minimum..maximum items; otherwise adds an error. */
bool value_check_list(const struct config_key *key, const struct tree_node *node,
                      struct config_errors *errors);

/* Writes what the key wants, "an integer 1..100 (links)", and returns out. */
char *value_expected(const struct config_key *key, char out[static VALUE_EXPECTED_SIZE]);

/* Names of nodes, listeners, scopes: 1 to 31 characters a-z 0-9 . _ - */
bool value_is_name(const char *text);

#endif
