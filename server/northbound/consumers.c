#include "server/northbound/consumers.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"

#define TOKEN_MIN 32u
#define TOKEN_MAX 200u

static bool hash_of(const char *token, size_t size, uint8_t hash[static 32])
{
    return EVP_Digest(token, size, hash, NULL, EVP_sha256(), NULL) == 1;
}

/* Two digits; the configuration was checked. */
static uint8_t hex_byte(const char *digits)
{
    unsigned value = 0;

    for (int i = 0; i < 2; i++)
        value = value * 16 + (unsigned)(digits[i] <= '9' ? digits[i] - '0' : digits[i] - 'a' + 10);
    return (uint8_t)value;
}

/* Without the line end that editors put there. */
static size_t token_size(const char *text, size_t size)
{
    while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == '\r'))
        size--;
    for (size_t i = 0; i < size; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return 0;
    return size;
}

static enum status read_token(struct consumer *consumer, struct kernel_error *error)
{
    const char *path = consumer->config->token_file;
    char text[TOKEN_MAX + 8];
    FILE *file = fopen(path, "re");
    size_t size = 0;

    if (file != NULL) {
        size = token_size(text, fread(text, 1, sizeof(text), file));
        (void)fclose(file);
    }
    bool good = file != NULL && size >= TOKEN_MIN && size <= TOKEN_MAX &&
                hash_of(text, size, consumer->token_hash);
    explicit_bzero(text, sizeof(text));
    if (!good)
        (void)snprintf(error->text, sizeof(error->text),
                       "northbound.consumers: %s: token_file %.100s: %s; expected %u to %u "
                       "printable characters",
                       consumer->config->name, path,
                       file == NULL ? "it can't be read" : "that is no token", TOKEN_MIN,
                       TOKEN_MAX);
    return good ? STATUS_OK : STATUS_INVALID;
}

static enum status take_token(struct consumer *consumer, struct kernel_error *error)
{
    const struct config_consumer *config = consumer->config;

    consumer->has_token = config->token_file[0] != '\0' || config->token_sha256[0] != '\0';
    if (config->token_file[0] != '\0')
        return read_token(consumer, error);
    for (size_t i = 0; consumer->has_token && i < sizeof(consumer->token_hash); i++)
        consumer->token_hash[i] = hex_byte(&config->token_sha256[2 * i]);
    return STATUS_OK;
}

/* Two names for one token would make it a matter of chance who is meant. */
static enum status check_tokens(const struct consumers *consumers, struct kernel_error *error)
{
    for (size_t i = 0; i < consumers->count; i++)
        for (size_t j = 0; j < i; j++) {
            const struct consumer *a = &consumers->all[j];
            const struct consumer *b = &consumers->all[i];
            if (!a->has_token || !b->has_token ||
                memcmp(a->token_hash, b->token_hash, sizeof(a->token_hash)) != 0)
                continue;
            (void)snprintf(error->text, sizeof(error->text),
                           "northbound.consumers: %s and %s have one token; expected a token for "
                           "each",
                           a->config->name, b->config->name);
            return STATUS_INVALID;
        }
    return STATUS_OK;
}

static const struct config_consumer *config_of(const struct config *config,
                                               const struct consumers *consumers, size_t index)
{
    if (index < consumers->account_count)
        return &config->northbound.consumers[index];
    index -= consumers->account_count;
    struct config_consumer *plugin = &consumers->plugins[index];
    (void)snprintf(plugin->name, sizeof(plugin->name), "plugin:%s",
                   config->registration.plugins[index].plugin->name);
    return plugin;
}

enum status consumers_create(const struct config *config, struct consumers *consumers,
                             struct kernel_error *error)
{
    enum status status = STATUS_OK;

    size_t plugins = config->registration.plugin_count;

    consumers->account_count = config->northbound.consumer_count;
    consumers->count = consumers->account_count + plugins;
    consumers->all = calloc(consumers->count + 1, sizeof(*consumers->all));
    consumers->plugins = calloc(plugins + 1, sizeof(*consumers->plugins));
    if (consumers->all == NULL || consumers->plugins == NULL) {
        consumers_free(consumers);
        (void)snprintf(error->text, sizeof(error->text), "not enough memory for the consumers");
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < consumers->count && status == STATUS_OK; i++) {
        consumers->all[i].config = config_of(config, consumers, i);
        consumers->all[i].hold.name = consumers->all[i].config->name;
        status = take_token(&consumers->all[i], error);
    }
    if (status == STATUS_OK)
        status = check_tokens(consumers, error);
    if (status != STATUS_OK)
        consumers_free(consumers);
    return status;
}

void consumers_free(struct consumers *consumers)
{
    free(consumers->all);
    free(consumers->plugins);
    consumers->plugins = NULL;
    consumers->all = NULL;
    consumers->count = 0;
}

struct consumer *consumers_by_token(const struct consumers *consumers, const char *token)
{
    struct consumer *found = NULL;
    uint8_t hash[32];

    if (strlen(token) > TOKEN_MAX || !hash_of(token, strlen(token), hash))
        return NULL;
    for (size_t i = 0; i < consumers->count; i++) {
        struct consumer *consumer = &consumers->all[i];
        int differs = CRYPTO_memcmp(consumer->token_hash, hash, sizeof(hash));
        if (consumer->has_token && differs == 0)
            found = consumer;
    }
    return found;
}

struct consumer *consumers_by_subject(const struct consumers *consumers, const char *subject)
{
    for (size_t i = 0; i < consumers->count; i++) {
        const char *mine = consumers->all[i].config->certificate_subject;
        if (mine[0] != '\0' && strcmp(mine, subject) == 0)
            return &consumers->all[i];
    }
    return NULL;
}

struct consumer *consumers_by_name(const struct consumers *consumers, const char *name)
{
    for (size_t i = 0; i < consumers->count; i++)
        if (strcmp(consumers->all[i].config->name, name) == 0)
            return &consumers->all[i];
    return NULL;
}

bool consumer_sees(const struct consumer *consumer, const void *project, size_t size)
{
    const struct config_projects *projects = &consumer->config->projects;

    for (size_t i = 0; !projects->all && i < projects->count; i++)
        if (size > 0 && strlen(projects->names[i]) == size &&
            memcmp(projects->names[i], project, size) == 0)
            return true;
    return projects->all;
}
