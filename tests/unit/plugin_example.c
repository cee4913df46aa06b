/* The example of docs/plugins.md: a modem that says "LOGIN:<id>" and a line end when it connects,
 * and nothing else of its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/plugin.h"

#define ID_CHARACTERS "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

struct login {
    char prefix[17];
};

static const struct plugin_key keys[] = {
    {.name = "prefix",
     .type = PLUGIN_KEY_TEXT,
     .fallback = "LOGIN:",
     .maximum = 16,
     .help = "what stands in front of the id"},
    {0},
};

static bool configure(const struct plugin_value *values, void **instance, char *error,
                      size_t error_size)
{
    struct login *login = calloc(1, sizeof(*login));

    if (login == NULL || values[0].text[0] == '\0') {
        (void)snprintf(error, error_size, "prefix must not be empty");
        free(login);
        return false;
    }
    (void)snprintf(login->prefix, sizeof(login->prefix), "%s", values[0].text);
    *instance = login;
    return true;
}

static enum plugin_verdict identify(void *instance, void *state, struct plugin_greeting *greeting)
{
    const struct login *login = instance;
    struct plugin_identity *identity = &greeting->identity;
    size_t prefix_size = strlen(login->prefix);
    size_t known = greeting->size < prefix_size ? greeting->size : prefix_size;
    size_t at = prefix_size;

    (void)state; /* nothing to remember between calls */
    greeting->why = "a login line expected";
    if (known > 0 && memcmp(greeting->data, login->prefix, known) != 0)
        return PLUGIN_NOT_MINE;
    while (at < greeting->size && strchr(ID_CHARACTERS, greeting->data[at]) != NULL &&
           greeting->data[at] != '\0')
        at++;
    if (at >= greeting->size && at - prefix_size < sizeof(identity->serial))
        return PLUGIN_NEED_MORE;
    if (at == prefix_size || at - prefix_size >= sizeof(identity->serial) ||
        greeting->data[at] != '\n') {
        greeting->why = "a login line with 1 to 31 characters 0-9 A-Z expected";
        return PLUGIN_NOT_MINE;
    }
    memcpy(identity->serial, greeting->data + prefix_size, at - prefix_size);
    (void)snprintf(identity->kind, sizeof(identity->kind), "login-modem");
    identity->signal_csq = PLUGIN_SIGNAL_UNKNOWN;
    greeting->consumed = at + 1;
    return PLUGIN_IDENTIFIED;
}

extern const struct plugin cencd_plugin;

const struct plugin cencd_plugin = {
    .abi = PLUGIN_ABI,
    .size = sizeof(struct plugin),
    .name = "login",
    .version = "1.0",
    .summary = "modems that log in with a line of text",
    .keys = keys,
    .configure = configure,
    .destroy = free,
    .identify = identify,
};
