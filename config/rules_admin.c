/* Rules of section admin: a socket's name has little room, and each of the roles is somebody's. */
#include <string.h>
#include <sys/un.h>

#include "config/rules.h"

static void check_socket(const struct config *config, const struct tree_node *section,
                         struct config_errors *errors)
{
    const size_t longest = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;
    const struct tree_node *value = tree_find(section, "socket");

    if (value != NULL && strlen(config->admin.socket) > longest)
        config_errors_add(errors, value->mark,
                          "socket: a path of %zu bytes; expected at most %zu, which is all that a "
                          "Unix socket's name has room for",
                          strlen(config->admin.socket), longest);
}

static void check_unix_roles(const struct config *config, const struct tree_node *list,
                             struct config_errors *errors)
{
    const struct config_unix_role *role = config->admin.unix_roles;

    if (config->admin.unix_role_count == 0)
        return;
    for (const struct tree_node *item = list->first; item != NULL; item = item->next, role++)
        if (item->kind == TREE_MAP && (role->user[0] == '\0') == (role->group[0] == '\0'))
            config_errors_add(errors, item->mark,
                              "unix_roles: %s; expected either a user or a group",
                              role->user[0] == '\0' ? "nobody is meant" : "both are given");
}

void rules_check_admin(const struct config *config, const struct tree_node *root,
                       struct config_errors *errors)
{
    const struct tree_node *section = tree_find(root, "admin");

    check_socket(config, section, errors);
    check_unix_roles(config, tree_find(section, "unix_roles"), errors);
}
