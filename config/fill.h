/* Fills the structures of a configuration from its tree, key by key as the schema lists them:
 * unknown keys are reported with the nearest known one, missing keys get their default. */
#ifndef CENCD_CONFIG_FILL_H
#define CENCD_CONFIG_FILL_H

#include "config/config.h"
#include "config/errors.h"
#include "config/tree.h"

/* A text that lives as long as the configuration. */
struct config_text {
    struct config_text *next;
    char text[];
};

/* What config_load allocates; callers see only the configuration. */
struct config_store {
    struct config config;
    struct config_text *texts;
};

/* root: the whole file, a map; NULL: all defaults. Errors, also a lack of memory, go to errors. */
void config_fill(struct config_store *store, const struct tree_node *root,
                 struct config_errors *errors);

#endif
