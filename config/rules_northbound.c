/* Rules of section northbound: nothing readable on a network, nobody without a way to log in. */
#include <string.h>

#include "config/rules.h"

#define SHA256_DIGITS 64u

/* Where something of the section is written, or the section, or the file. */
static struct config_mark mark_in(const struct tree_node *section, const char *key)
{
    const struct tree_node *value = tree_find(section, key);

    if (value != NULL)
        return value->mark;
    if (section != NULL && section->key != NULL)
        return section->key->mark;
    return section != NULL ? section->mark : (struct config_mark){.line = 1, .column = 1};
}

static bool is_sha256(const char *text)
{
    return strlen(text) == SHA256_DIGITS && strspn(text, "0123456789abcdef") == SHA256_DIGITS;
}

static void check_consumer(const struct config *config, const struct config_consumer *consumer,
                           const struct tree_node *item, struct config_errors *errors)
{
    bool has_certificate = consumer->certificate_subject[0] != '\0';

    if (consumer->token_sha256[0] != '\0' && !is_sha256(consumer->token_sha256))
        config_errors_add(errors, mark_in(item, "token_sha256"),
                          "token_sha256: that is none; expected 64 digits 0-9 a-f, as sha256sum "
                          "writes them");
    if (consumer->token_sha256[0] != '\0' && consumer->token_file[0] != '\0')
        config_errors_add(errors, mark_in(item, "token_sha256"),
                          "token_sha256: there is a token_file, too; expected one of them");
    if (consumer->token_file[0] == '\0' && consumer->token_sha256[0] == '\0' && !has_certificate)
        config_errors_add(errors, item->mark,
                          "consumers: %s can't log in; expected token_file, token_sha256 or "
                          "certificate_subject",
                          consumer->name);
    if (has_certificate && config->northbound.tls.client_ca[0] == '\0')
        config_errors_add(errors, mark_in(item, "certificate_subject"),
                          "certificate_subject: nobody is asked for a certificate; expected "
                          "northbound.tls.client_ca to be set");
}

static void check_pair(const struct config_consumer *earlier, const struct config_consumer *later,
                       const struct tree_node *item, struct config_errors *errors)
{
    if (later->name[0] != '\0' && strcmp(earlier->name, later->name) == 0)
        config_errors_add(errors, mark_in(item, "name"),
                          "name: there is another consumer %s; expected a name of its own",
                          later->name);
    if (later->certificate_subject[0] != '\0' &&
        strcmp(earlier->certificate_subject, later->certificate_subject) == 0)
        config_errors_add(errors, mark_in(item, "certificate_subject"),
                          "certificate_subject: consumer %s has the same; expected one of its own",
                          earlier->name);
    if (later->token_sha256[0] != '\0' && strcmp(earlier->token_sha256, later->token_sha256) == 0)
        config_errors_add(errors, mark_in(item, "token_sha256"),
                          "token_sha256: consumer %s has the same; expected one of its own",
                          earlier->name);
}

static void check_consumers(const struct config *config, const struct tree_node *list,
                            struct config_errors *errors)
{
    const struct config_consumer *consumers = config->northbound.consumers;
    size_t count = 0;

    if (config->northbound.consumer_count == 0)
        return;
    for (const struct tree_node *item = list->first; item != NULL; item = item->next, count++) {
        if (item->kind != TREE_MAP)
            continue;
        check_consumer(config, &consumers[count], item, errors);
        for (size_t i = 0; i < count; i++)
            check_pair(&consumers[i], &consumers[count], item, errors);
    }
}

static void check_address(const struct config *config, const struct tree_node *section,
                          struct config_errors *errors)
{
    const struct address *address = &config->northbound.address;
    char text[ADDRESS_TEXT_SIZE];

    if (config->northbound.socket[0] != '\0' && config_tls_enabled(&config->northbound.tls))
        config_errors_add(errors, mark_in(section, "address"),
                          "address: a Unix socket stays on this machine; expected no "
                          "northbound.tls beside it");
    if (address->family == 0)
        return;
    if (!address_is_loopback(address) && !config_tls_enabled(&config->northbound.tls))
        config_errors_add(errors, mark_in(section, "address"),
                          "address: %s can be reached from outside, and tokens would be readable "
                          "on the way; expected a loopback address, such as 127.0.0.1:9192, or "
                          "northbound.tls to be set",
                          address_format(address, text));
    if (config->direct_ports.enabled && address->port >= config->direct_ports.first &&
        address->port <= config->direct_ports.last)
        config_errors_add(errors, mark_in(section, "address"),
                          "address: port %u is inside direct_ports.range; expected one outside "
                          "%u-%u",
                          address->port, config->direct_ports.first, config->direct_ports.last);
    if (config->ops.enabled && address->port == config->ops.address.port &&
        address_same_ip(address, &config->ops.address))
        config_errors_add(errors, mark_in(section, "address"),
                          "address: ops.address is %s; expected an address of its own",
                          address_format(&config->ops.address, text));
}

void rules_check_northbound(const struct config *config, const struct tree_node *root,
                            struct config_errors *errors)
{
    const struct tree_node *section = tree_find(root, "northbound");

    rules_check_tls(&config->northbound.tls, tree_find(section, "tls"), errors);
    if (!config->northbound.enabled && config->registration.plugin_count > 0)
        config_errors_add(errors, mark_in(tree_find(root, "registration"), "plugins"),
                          "plugins: they are told by the northbound, which is off; expected "
                          "northbound.enabled to be true");
    if (!config->northbound.enabled)
        return;
    if (config->server.state_dir[0] == '\0')
        config_errors_add(errors, mark_in(section, "enabled"),
                          "enabled: events come from the journal, which needs a folder; expected "
                          "server.state_dir to be set");
    check_address(config, section, errors);
    check_consumers(config, tree_find(section, "consumers"), errors);
}
