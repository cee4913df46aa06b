/* Names that nobody knows: reports one with the known name that was probably meant. */
#ifndef CENCD_CONFIG_SUGGEST_H
#define CENCD_CONFIG_SUGGEST_H

#include <stddef.h>

#include "config/errors.h"
#include "config/tree.h"

#define SUGGEST_MAX_NAMES 64

/* Adds "WHAT NAME; expected ..." at the node's place: the nearest of the names, or all of them if
 * none is near. */
void suggest_name(const char *what, const struct tree_node *name, const char *const *names,
                  size_t count, struct config_errors *errors);

#endif
