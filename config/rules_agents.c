/* Rules of section agents: names and addresses of their own, login lines that can be told apart. */
#include <string.h>

#include "config/rules.h"
#include "config/value.h"

static struct config_mark mark_in(const struct tree_node *item, const char *key)
{
    const struct tree_node *value = tree_find(item, key);

    return value != NULL ? value->mark : item->mark;
}

static bool has_one(const char *text, const char *mark)
{
    const char *found = strstr(text, mark);

    return found != NULL && strstr(found + 1, mark) == NULL;
}

/* Something in front of the name and between the two, as codec/modem/hayes.h wants it. */
static bool login_is_good(const char *login)
{
    const char *name = strstr(login, "{name}");
    const char *password = strstr(login, "{password}");

    return strncmp(login, "AT", 2) == 0 && has_one(login, "{name}") &&
           has_one(login, "{password}") && name >= login + 2 && password > name + strlen("{name}");
}

static void check_way(const struct config *config, const struct config_way *way,
                      const struct tree_node *item, struct config_errors *errors)
{
    char text[ADDRESS_TEXT_SIZE];

    rules_check_tls(&way->tls, tree_find(item, "tls"), errors);
    if (way->login[0] != '\0' && !login_is_good(way->login))
        config_errors_add(errors, mark_in(item, "login"),
                          "login: %s is no login line; expected AT and more, {name}, something "
                          "between, and {password}",
                          way->login);
    if (way->scope[0] != '\0' && !value_is_name(way->scope))
        config_errors_add(errors, mark_in(item, "scope"),
                          "scope: %s; expected a name of 1 to 31 characters a-z 0-9 . _ -, or "
                          "\"\"",
                          way->scope);
    if (config->direct_ports.enabled && way->address.port >= config->direct_ports.first &&
        way->address.port <= config->direct_ports.last)
        config_errors_add(errors, mark_in(item, "address"),
                          "address: port %u is inside direct_ports.range; expected one outside "
                          "%u-%u",
                          way->address.port, config->direct_ports.first, config->direct_ports.last);
    if (config->ops.enabled && rules_overlap(&way->address, &config->ops.address))
        config_errors_add(errors, mark_in(item, "address"),
                          "address: ops.address is %s; expected an address of its own",
                          address_format(&config->ops.address, text));
}

static void check_devices(const struct config *config, const struct config_way *way,
                          const struct tree_node *item, struct config_errors *errors)
{
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i];

        if (way->name[0] != '\0' && strcmp(listener->name, way->name) == 0)
            config_errors_add(errors, mark_in(item, "name"),
                              "name: a listener of devices is named %s, too; expected a name of "
                              "its own",
                              way->name);
        if (listener->transport == CONFIG_TCP && rules_overlap(&listener->address, &way->address))
            config_errors_add(errors, mark_in(item, "address"),
                              "address: the listener %s of devices has it; expected an address of "
                              "its own",
                              listener->name);
    }
}

static void check_pair(const struct config_way *earlier, const struct config_way *later,
                       const struct tree_node *item, struct config_errors *errors)
{
    if (later->name[0] != '\0' && strcmp(earlier->name, later->name) == 0)
        config_errors_add(errors, mark_in(item, "name"),
                          "name: there is another listener %s; expected a name of its own",
                          later->name);
    if (rules_overlap(&earlier->address, &later->address))
        config_errors_add(errors, mark_in(item, "address"),
                          "address: the listener %s has it; expected an address of its own",
                          earlier->name);
}

void rules_check_agents(const struct config *config, const struct tree_node *root,
                        struct config_errors *errors)
{
    const struct tree_node *list = tree_find(tree_find(root, "agents"), "listeners");
    const struct config_way *ways = config->agents.listeners;
    size_t count = 0;

    if (config->agents.listener_count == 0)
        return;
    for (const struct tree_node *item = list->first; item != NULL; item = item->next) {
        if (item->kind != TREE_MAP) {
            count++;
            continue;
        }
        check_way(config, &ways[count], item, errors);
        check_devices(config, &ways[count], item, errors);
        for (size_t i = 0; i < count; i++)
            check_pair(&ways[i], &ways[count], item, errors);
        count++;
    }
}
