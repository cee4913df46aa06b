/* Rules of section admin: a socket's name has little room, each of the roles is somebody's, and
 * nothing is served on a network without TLS. */
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

static struct config_mark mark_in(const struct tree_node *section, const char *key)
{
    const struct tree_node *value = tree_find(section, key);

    return value != NULL ? value->mark : section->mark;
}

static void check_taken(const struct config *config, const struct address *other, const char *what,
                        const struct config_mark *mark, struct config_errors *errors)
{
    if (rules_overlap(&config->admin.address, other))
        config_errors_add(errors, *mark, "address: %s has it; expected an address of its own",
                          what);
}

static void check_address(const struct config *config, const struct tree_node *section,
                          struct config_errors *errors)
{
    uint16_t port = config->admin.address.port;
    struct config_mark mark = mark_in(section, "address");

    if (config->ops.enabled)
        check_taken(config, &config->ops.address, "ops.address", &mark, errors);
    if (config->northbound.enabled)
        check_taken(config, &config->northbound.address, "northbound.address", &mark, errors);
    for (size_t i = 0; i < config->agents.listener_count; i++)
        check_taken(config, &config->agents.listeners[i].address, "a listener of agents", &mark,
                    errors);
    for (size_t i = 0; i < config->listener_count; i++)
        if (config->listeners[i].transport == CONFIG_TCP)
            check_taken(config, &config->listeners[i].address, "a listener of devices", &mark,
                        errors);
    if (config->direct_ports.enabled && port >= config->direct_ports.first &&
        port <= config->direct_ports.last)
        config_errors_add(errors, mark,
                          "address: port %u is inside direct_ports.range; expected one outside "
                          "%u-%u",
                          port, config->direct_ports.first, config->direct_ports.last);
}

static void check_https(const struct config *config, const struct tree_node *section,
                        struct config_errors *errors)
{
    rules_check_tls(&config->admin.tls, tree_find(section, "tls"), errors);
    if (!config->admin.https)
        return;
    if (!config_tls_enabled(&config->admin.tls))
        config_errors_add(errors, mark_in(section, "https"),
                          "https: there is none without a certificate; expected admin.tls to be "
                          "set");
    if (config->server.state_dir[0] == '\0')
        config_errors_add(errors, mark_in(section, "https"),
                          "https: tokens are kept in a folder; expected server.state_dir to be "
                          "set");
    check_address(config, section, errors);
}

void rules_check_admin(const struct config *config, const struct tree_node *root,
                       struct config_errors *errors)
{
    const struct tree_node *section = tree_find(root, "admin");

    check_socket(config, section, errors);
    check_unix_roles(config, tree_find(section, "unix_roles"), errors);
    check_https(config, section, errors);
}
