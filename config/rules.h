/* The rules between keys, checked after every key was read: unique listeners, ports that don't
 * collide, an ops address that only this machine reaches. Fields that had errors of their own are
 * passed over. */
#ifndef CENCD_CONFIG_RULES_H
#define CENCD_CONFIG_RULES_H

#include "config/config.h"
#include "config/errors.h"
#include "config/tree.h"

/* root: the tree that config was filled from, for the places of errors. */
void rules_check(const struct config *config, const struct tree_node *root,
                 struct config_errors *errors);

/* Section northbound (rules_northbound.c). */
void rules_check_northbound(const struct config *config, const struct tree_node *root,
                            struct config_errors *errors);

/* Section agents (rules_agents.c). */
void rules_check_agents(const struct config *config, const struct tree_node *root,
                        struct config_errors *errors);

/* Section admin (rules_admin.c). */
void rules_check_admin(const struct config *config, const struct tree_node *root,
                       struct config_errors *errors);

/* True if two listening TCP sockets can't exist together. [::] takes IPv4, too. */
bool rules_overlap(const struct address *a, const struct address *b);

/* A section `tls` of something that listens: certificate and key come together. map: the section's
 * node, NULL if it isn't there. */
void rules_check_tls(const struct config_tls *tls, const struct tree_node *map,
                     struct config_errors *errors);

#endif
