#include "server/link/door.h"

#include <stdio.h>
#include <string.h>

struct listen_options door_options(int backlog)
{
    return (struct listen_options){
        .backlog = backlog,
        .nodelay = true,
        .keepalive_idle_s = 60,
        .keepalive_interval_s = 15,
        .keepalive_count = 4,
    };
}

void door_cannot_listen(const char *key, const char *where, int cause, struct kernel_error *error)
{
    (void)snprintf(error->text, sizeof(error->text), "%s: can't listen on %.150s: %s", key, where,
                   strerrordesc_np(cause));
}

int door_listen(const struct address *address, int backlog, const char *key,
                struct kernel_error *error)
{
    struct listen_options options = door_options(backlog);
    struct address wanted = *address;
    char text[ADDRESS_TEXT_SIZE];
    int socket = kernel_listen(&wanted, &options);

    if (socket >= 0)
        return socket;
    door_cannot_listen(key, address_format(&wanted, text), -socket, error);
    return -1;
}

enum status door_tls(const struct config_tls *config, struct tls_options options,
                     const char *section, struct tls_context **context, struct kernel_error *error)
{
    struct tls_error why;

    *context = NULL;
    if (!config_tls_enabled(config))
        return STATUS_OK;
    options.role = TLS_SERVER;
    options.certificate = config->certificate;
    options.key = config->key;
    options.ca = config->client_ca;
    if (config->client_ca[0] == '\0')
        options.verify = TLS_VERIFY_NONE;
    if (tls_context_create(&options, context, &why) == STATUS_OK)
        return STATUS_OK;
    (void)snprintf(error->text, sizeof(error->text), "%s: %.*s", section,
                   (int)(sizeof(error->text) - strlen(section) - 4), why.text);
    return STATUS_INVALID;
}
