#include "server/link/door.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "server/base/check.h"
#include "server/base/log.h"

static const struct log_context module = {.module = "tls"};

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

static void note(struct door_certificates *certificates, const char *section, const char *path,
                 const struct tls_context *context)
{
    uint32_t count = atomic_load(&certificates->count);
    struct door_certificate *certificate = &certificates->all[count];

    CHECK(count < DOOR_CERTIFICATES_MAX);
    (void)snprintf(certificate->section, sizeof(certificate->section), "%s", section);
    certificate->path = path;
    certificate->expires_utc_s = tls_context_expires_utc_s(context);
    atomic_store(&certificates->count, count + 1);
}

void door_certificates_log(const struct door_certificates *certificates, int64_t utc_s)
{
    for (uint32_t i = 0; i < atomic_load(&certificates->count); i++) {
        const struct door_certificate *certificate = &certificates->all[i];
        int64_t left_s = certificate->expires_utc_s - utc_s;
        char section[2 * sizeof(certificate->section)];
        char path[2 * CONFIG_PATH_SIZE];

        if (left_s >= DOOR_EXPIRES_SOON_S)
            continue;
        log_line(left_s > 0 ? LOG_WARN : LOG_ERROR, &module,
                 left_s > 0 ? "a certificate expires soon: renew the file, and restart"
                            : "a certificate has expired: renew the file, and restart",
                 "section=%s file=%s days_left=%" PRId64,
                 log_quote(certificate->section, section, sizeof(section)),
                 log_quote(certificate->path, path, sizeof(path)), left_s > 0 ? left_s / 86400 : 0);
    }
}

enum status door_tls(const struct config_tls *config, struct tls_options options,
                     const char *section, struct door_certificates *certificates,
                     struct tls_context **context, struct kernel_error *error)
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
    if (tls_context_create(&options, context, &why) == STATUS_OK) {
        note(certificates, section, config->certificate, *context);
        return STATUS_OK;
    }
    (void)snprintf(error->text, sizeof(error->text), "%s: %.*s", section,
                   (int)(sizeof(error->text) - strlen(section) - 4), why.text);
    return STATUS_INVALID;
}
