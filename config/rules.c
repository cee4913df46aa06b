#include "config/rules.h"

#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#define EPHEMERAL_RANGE_FILE "/proc/sys/net/ipv4/ip_local_port_range"
#define STATE_SOCKET         "/admin.sock" /* in server.state_dir: ADMIN_SOCKET of server/ops */

/* The place of section.key, or of the section if the key has its default, or of the file. */
static struct config_mark mark_of(const struct tree_node *root, const char *section,
                                  const char *key)
{
    const struct tree_node *map = tree_find(root, section);
    const struct tree_node *value = tree_find(map, key);

    if (value != NULL)
        return value->mark;
    if (map != NULL)
        return map->key->mark;
    return (struct config_mark){.line = 1, .column = 1};
}

static bool is_wildcard(const struct address *address)
{
    static const uint8_t zero[16];

    return memcmp(address->ip, zero, sizeof(zero)) == 0;
}

bool rules_overlap(const struct address *a, const struct address *b)
{
    if (a->family == 0 || b->family == 0 || a->port != b->port)
        return false;
    if ((a->family == 6 && is_wildcard(a)) || (b->family == 6 && is_wildcard(b)))
        return true;
    if (a->family != b->family)
        return false;
    return is_wildcard(a) || is_wildcard(b) || address_same_ip(a, b);
}

static bool listeners_overlap(const struct config_listener *a, const struct config_listener *b)
{
    return a->transport == b->transport && rules_overlap(&a->address, &b->address);
}

static bool in_direct_ports(const struct config *config, uint16_t port)
{
    return config->direct_ports.enabled && port != 0 && port >= config->direct_ports.first &&
           port <= config->direct_ports.last;
}

/* ---- listeners ---- */

struct listener_place {
    const struct tree_node *item;
    const struct config_listener *listener;
};

/* Of two listeners the one that stands later in the file is in the wrong. */
static void check_pair(const struct listener_place *earlier, const struct listener_place *later,
                       struct config_errors *errors)
{
    const struct config_listener *a = earlier->listener;
    const struct config_listener *b = later->listener;
    char text[ADDRESS_TEXT_SIZE];

    if (a->name[0] != '\0' && strcmp(a->name, b->name) == 0)
        config_errors_add(errors, tree_find(later->item, "name")->mark,
                          "name: the listener in line %u is named %s, too; expected a name of its "
                          "own",
                          earlier->item->mark.line, b->name);
    if (listeners_overlap(a, b))
        config_errors_add(errors, tree_find(later->item, "address")->mark,
                          "address: the listener in line %u has %s; expected an address of its own",
                          earlier->item->mark.line, address_format(&a->address, text));
}

static void check_listener_port(const struct config *config, const struct listener_place *place,
                                struct config_errors *errors)
{
    const struct address *address = &place->listener->address;
    char text[ADDRESS_TEXT_SIZE];

    if (address->family == 0 || place->listener->transport == CONFIG_UDP)
        return; /* direct ports and ops are TCP */
    struct config_mark mark = tree_find(place->item, "address")->mark;
    if (in_direct_ports(config, address->port))
        config_errors_add(errors, mark,
                          "address: port %u is inside direct_ports.range; expected one outside "
                          "%u-%u",
                          address->port, config->direct_ports.first, config->direct_ports.last);
    if (config->ops.enabled && rules_overlap(address, &config->ops.address))
        config_errors_add(errors, mark,
                          "address: ops.address is %s; expected an address of its own",
                          address_format(&config->ops.address, text));
}

/* A datagram is no link, so a plugin that only identifies links has no use for it. */
static void check_transport(const struct listener_place *place, struct config_errors *errors)
{
    const struct config_listener *listener = place->listener;

    if (listener->transport != CONFIG_UDP)
        return;
    for (size_t i = 0; i < listener->plugin_count; i++) {
        const struct plugin *plugin = listener->plugins[i].plugin;

        if ((plugin->flags & PLUGIN_PUSHES) == 0)
            config_errors_add(
                errors, tree_find(place->item, "plugins")->mark,
                "plugins: %s can't serve datagrams (transport: udp); expected plugins "
                "that hand on pushes, such as dlms-push",
                plugin->name);
    }
}

static void check_admission(const struct config *config, const struct listener_place *place,
                            struct config_errors *errors)
{
    if (place->listener->admission == CONFIG_APPROVE && config->server.state_dir[0] == '\0')
        config_errors_add(errors, tree_find(place->item, "admission")->mark,
                          "admission: approve, but nothing would keep an approval; expected "
                          "server.state_dir to be set");
}

static void check_listeners(const struct config *config, const struct tree_node *list,
                            struct config_errors *errors)
{
    struct listener_place later = {.listener = config->listeners};

    if (config->listener_count == 0)
        return;
    for (later.item = list->first; later.item != NULL; later.item = later.item->next) {
        struct listener_place earlier = {.item = list->first, .listener = config->listeners};

        for (; earlier.item != later.item; earlier.item = earlier.item->next, earlier.listener++)
            check_pair(&earlier, &later, errors);
        check_listener_port(config, &later, errors);
        check_transport(&later, errors);
        check_admission(config, &later, errors);
        later.listener++;
    }
}

/* ---- the server, direct ports, ops ---- */

/* The admin API's socket lies in it, and a socket's name has little room. */
static void check_state_dir(const struct config *config, const struct tree_node *root,
                            struct config_errors *errors)
{
    const size_t longest = sizeof(((struct sockaddr_un *)0)->sun_path) - sizeof(STATE_SOCKET);
    size_t length = strlen(config->server.state_dir);

    if (length > longest)
        config_errors_add(errors, mark_of(root, "server", "state_dir"),
                          "state_dir: a path of %zu bytes; expected at most %zu, since the admin "
                          "API's socket lies in it",
                          length, longest);
}

/* The range from which the kernel takes ports for outgoing connections. False: not known. */
static bool read_ephemeral_range(unsigned *first, unsigned *last)
{
    FILE *file = fopen(EPHEMERAL_RANGE_FILE, "re");
    char line[64];

    if (file == NULL)
        return false;
    bool read = fgets(line, sizeof(line), file) != NULL;
    (void)fclose(file);
    // NOLINTNEXTLINE(cert-err34-c): the kernel writes two numbers
    return read && sscanf(line, "%u %u", first, last) == 2;
}

static void check_direct_ports(const struct config *config, const struct tree_node *root,
                               struct config_errors *errors)
{
    struct config_mark mark = mark_of(root, "direct_ports", "range");
    unsigned first;
    unsigned last;

    if (!config->direct_ports.enabled || config->direct_ports.first == 0)
        return;
    if (!read_ephemeral_range(&first, &last))
        return; /* a system without it, or that doesn't show it: opening a port will tell */
    if (config->direct_ports.first <= last && config->direct_ports.last >= first)
        config_errors_add(errors, mark,
                          "range: %u-%u overlaps net.ipv4.ip_local_port_range %u-%u, from which "
                          "the kernel takes ports by itself; expected ports outside it",
                          config->direct_ports.first, config->direct_ports.last, first, last);
}

static void check_ops(const struct config *config, const struct tree_node *root,
                      struct config_errors *errors)
{
    const struct address *address = &config->ops.address;
    struct config_mark mark = mark_of(root, "ops", "address");
    char text[ADDRESS_TEXT_SIZE];

    if (!config->ops.enabled || address->family == 0)
        return;
    if (!address_is_loopback(address))
        config_errors_add(errors, mark,
                          "address: %s can be reached from outside and nobody has to log in; "
                          "expected a loopback address, such as 127.0.0.1:9190",
                          address_format(address, text));
    if (in_direct_ports(config, address->port))
        config_errors_add(errors, mark,
                          "address: port %u is inside direct_ports.range; expected one outside "
                          "%u-%u",
                          address->port, config->direct_ports.first, config->direct_ports.last);
}

/* ---- Redis ---- */

static void check_redis(const struct config *config, const struct tree_node *root,
                        struct config_errors *errors)
{
    if (config->redis.url.address.family != 0 && config->server.state_dir[0] == '\0')
        config_errors_add(errors, mark_of(root, "redis", "url"),
                          "url: Redis is written from the journal, which needs a folder; expected "
                          "server.state_dir to be set");
    if ((config->redis.tls.certificate[0] == '\0') != (config->redis.tls.key[0] == '\0'))
        config_errors_add(errors, mark_of(tree_find(root, "redis"), "tls", "key"),
                          "key: certificate or key stands alone; expected both to be set");
    if (config->redis.user[0] != '\0' && config->redis.password_file[0] == '\0')
        config_errors_add(errors, mark_of(root, "redis", "user"),
                          "user: a user logs in with a password; expected redis.password_file to "
                          "be set");
}

/* ---- TLS ---- */

void rules_check_tls(const struct config_tls *tls, const struct tree_node *map,
                     struct config_errors *errors)
{
    bool certificate = tls->certificate[0] != '\0';

    if (map == NULL || certificate == (tls->key[0] != '\0')) {
        if (map != NULL && !certificate && tls->client_ca[0] != '\0')
            config_errors_add(errors, map->key->mark,
                              "client_ca: there is no TLS without a certificate; expected "
                              "certificate and key to be set");
        return;
    }
    config_errors_add(errors, map->key->mark,
                      "%s: %s stands alone; expected certificate and key to be set", map->key->text,
                      certificate ? "certificate" : "key");
}

void rules_check(const struct config *config, const struct tree_node *root,
                 struct config_errors *errors)
{
    check_listeners(config, tree_find(root, "listeners"), errors);
    check_state_dir(config, root, errors);
    check_direct_ports(config, root, errors);
    check_ops(config, root, errors);
    check_redis(config, root, errors);
    rules_check_northbound(config, root, errors);
    rules_check_agents(config, root, errors);
    rules_check_admin(config, root, errors);
}
