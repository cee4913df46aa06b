#include "config/redis_url.h"

#include <string.h>

#include "plugins/setting.h"
#include "server/base/host.h"

#define CLEAR "redis://"
#define TLS   "rediss://"

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* The part before '/': an address with a port, or a name with one. */
static bool parse_endpoint(const char *text, size_t size, struct config_redis_url *url)
{
    char copy[CONFIG_HOST_SIZE + 8];
    int64_t port;

    if (size >= sizeof(copy))
        return false;
    memcpy(copy, text, size);
    copy[size] = '\0';
    if (address_parse(copy, &url->address) == STATUS_OK) {
        char ip[ADDRESS_TEXT_SIZE];

        (void)strcpy(url->host, address_format_ip(&url->address, ip)); // NOLINT
        return url->address.port != 0;
    }
    char *colon = strrchr(copy, ':');
    if (colon == NULL || !host_is_name(copy, (size_t)(colon - copy)) ||
        !setting_integer(colon + 1, &port) || port < 1 || port > UINT16_MAX)
        return false;
    *colon = '\0';
    memcpy(url->host, copy, strlen(copy) + 1);
    url->address = (struct address){.family = 4, .port = (uint16_t)port};
    url->is_name = true;
    return true;
}

bool redis_url_parse(const char *text, struct config_redis_url *url)
{
    int64_t database = 0;

    *url = (struct config_redis_url){.tls = starts_with(text, TLS)};
    if (!url->tls && !starts_with(text, CLEAR))
        return false;
    text += strlen(url->tls ? TLS : CLEAR);
    size_t size = strcspn(text, "/");
    if (!parse_endpoint(text, size, url))
        return false;
    text += size;
    if (text[0] == '/' && text[1] != '\0' && !setting_integer(text + 1, &database))
        return false;
    url->database = (uint32_t)database;
    return database >= 0 && database <= UINT16_MAX;
}

const char *redis_url_mistake(const char *text)
{
    if (strchr(text, '@') != NULL)
        return "user and password don't belong here; expected them in redis.user and "
               "redis.password_file";
    return NULL;
}
