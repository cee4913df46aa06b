#include "config/value.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "config/config.h"
#include "config/redis_url.h"
#include "plugins/setting.h"
#include "server/base/address.h"
#include "server/base/check.h"
#include "server/base/log.h"

#define UNIX_PREFIX "unix:"

static void *place(void *base, size_t offset)
{
    return (char *)base + offset;
}

/* ---- what a key wants, in words ---- */

static const char *expected_text(enum config_type type)
{
    switch (type) {
    case CONFIG_BOOL:
        return "true or false";
    case CONFIG_LEVEL:
        return "one of error, warn, info, debug";
    case CONFIG_NAME:
        return "a name of 1 to 31 characters a-z 0-9 . _ -";
    case CONFIG_PATH:
        return "an absolute path of at most 200 characters, or \"\"";
    case CONFIG_FILE:
        return "the absolute path of a file that can be read, at most 200 characters, or \"\"";
    case CONFIG_TEXT:
        return "at most 63 characters, printable ASCII without spaces";
    case CONFIG_LINE:
        return "at most 255 characters, printable ASCII";
    case CONFIG_PROJECTS:
        return "all, or a list of 1..32 names of projects";
    case CONFIG_REDIS_URL:
        return "redis://HOST:PORT/DATABASE or rediss://HOST:PORT/DATABASE, such as "
               "redis://127.0.0.1:6379/0, or \"\"";
    case CONFIG_ENDPOINT:
        return "IP:PORT, such as 0.0.0.0:5009 or \"[::1]:5009\", port 1..65535";
    case CONFIG_DOOR:
        return "IP:PORT, such as 127.0.0.1:9192, or unix:PATH, absolute and at most 107 bytes";
    case CONFIG_IP:
        return "an IP address, such as 127.0.0.1 or \"::1\"";
    case CONFIG_PORT_RANGE:
        return "FIRST-LAST, such as 20000-29999, ports 1..65535";
    case CONFIG_SECTION:
        return "a map of keys and values";
    case CONFIG_INTEGER:
    case CONFIG_POWER_OF_TWO:
    case CONFIG_SHARDS:
    case CONFIG_CIDRS:
    case CONFIG_OBJECTS:
    case CONFIG_PLUGINS:
    case CONFIG_TELLERS:
    case CONFIG_LISTENERS:
    case CONFIG_CONSUMERS:
    case CONFIG_WAYS:
    case CONFIG_UNIX_ROLES:
    case CONFIG_CHOICE:
        break;
    }
    return NULL;
}

static const char *expected_items(enum config_type type)
{
    switch (type) {
    case CONFIG_CIDRS:
        return "networks, such as [10.0.0.0/8, \"::1/128\"]";
    case CONFIG_OBJECTS:
        return "absolute paths";
    case CONFIG_PLUGINS:
        return "plugins, such as [irz]";
    case CONFIG_TELLERS:
        return "plugins, such as [jsonl]";
    case CONFIG_LISTENERS:
        return "listeners";
    case CONFIG_CONSUMERS:
        return "consumers";
    case CONFIG_WAYS:
        return "listeners";
    case CONFIG_UNIX_ROLES:
        return "users and groups";
    default:
        return NULL;
    }
}

static void expect_choice(const struct config_key *key, char out[static VALUE_EXPECTED_SIZE])
{
    int size = snprintf(out, VALUE_EXPECTED_SIZE, "one of %s", key->words[0]);

    for (size_t i = 1; key->words[i] != NULL; i++)
        size += snprintf(out + size, VALUE_EXPECTED_SIZE - (size_t)size, ", %s", key->words[i]);
    CHECK(size < VALUE_EXPECTED_SIZE);
}

char *value_expected(const struct config_key *key, char out[static VALUE_EXPECTED_SIZE])
{
    const char *text = expected_text(key->type);
    const char *items = expected_items(key->type);
    const char *number = "an integer";

    if (text != NULL) {
        (void)snprintf(out, VALUE_EXPECTED_SIZE, "%s", text);
        return out;
    }
    if (key->type == CONFIG_CHOICE) {
        expect_choice(key, out);
        return out;
    }
    if (items != NULL) {
        (void)snprintf(out, VALUE_EXPECTED_SIZE, "a list of %u..%u %s", key->minimum, key->maximum,
                       items);
        return out;
    }
    if (key->type == CONFIG_POWER_OF_TWO)
        number = "a power of two";
    if (key->type == CONFIG_SHARDS)
        number = "auto, or an integer";
    (void)snprintf(out, VALUE_EXPECTED_SIZE, "%s %u..%u%s%s%s", number, key->minimum, key->maximum,
                   key->unit != NULL ? " (" : "", key->unit != NULL ? key->unit : "",
                   key->unit != NULL ? ")" : "");
    return out;
}

void value_reject(const struct config_key *key, const struct tree_node *node,
                  struct config_errors *errors)
{
    char expected[VALUE_EXPECTED_SIZE];
    char quoted[CONFIG_QUOTE_SIZE];
    const char *found;

    if (node->kind == TREE_BROKEN)
        return;
    if (tree_is_nothing(node))
        found = "nothing";
    else
        found = node->kind == TREE_TEXT ? config_quote(node->text, quoted) : tree_kind_text(node);
    config_errors_add(errors, node->mark, "%s: %s%s; expected %s", key->name, found,
                      node->kind == TREE_TEXT && !node->plain ? " (in quotes)" : "",
                      value_expected(key, expected));
}

/* ---- one setter for each type; all get a node of kind TEXT ---- */

static bool set_bool(const struct config_key *key, const struct tree_node *node, void *base)
{
    bool value;

    if (!node->plain || !setting_bool(node->text, &value))
        return false;
    *(bool *)place(base, key->offset) = value;
    return true;
}

static bool read_integer(const struct config_key *key, const struct tree_node *node,
                         uint32_t *number)
{
    int64_t value;

    if (!node->plain || !setting_integer(node->text, &value))
        return false;
    if (value < key->minimum || value > key->maximum)
        return false;
    *number = (uint32_t)value;
    return true;
}

static bool set_integer(const struct config_key *key, const struct tree_node *node, void *base)
{
    return read_integer(key, node, place(base, key->offset));
}

static bool set_power_of_two(const struct config_key *key, const struct tree_node *node, void *base)
{
    uint32_t value;

    if (!read_integer(key, node, &value) || (value & (value - 1)) != 0)
        return false;
    *(uint32_t *)place(base, key->offset) = value;
    return true;
}

static bool set_shards(const struct config_key *key, const struct tree_node *node, void *base)
{
    if (strcmp(node->text, "auto") != 0)
        return set_integer(key, node, base);
    *(uint32_t *)place(base, key->offset) = 0;
    return true;
}

static bool set_level(const struct config_key *key, const struct tree_node *node, void *base)
{
    return log_level_parse(node->text, place(base, key->offset));
}

static bool set_choice(const struct config_key *key, const struct tree_node *node, void *base)
{
    for (uint32_t i = 0; key->words[i] != NULL; i++) {
        if (strcmp(node->text, key->words[i]) == 0) {
            *(uint32_t *)place(base, key->offset) = i;
            return true;
        }
    }
    return false;
}

static bool set_name(const struct config_key *key, const struct tree_node *node, void *base)
{
    if (!value_is_name(node->text))
        return false;
    memcpy(place(base, key->offset), node->text, strlen(node->text) + 1);
    return true;
}

static bool set_path(const struct config_key *key, const struct tree_node *node, void *base)
{
    size_t size = strlen(node->text);

    if (size >= CONFIG_PATH_SIZE || (size > 0 && node->text[0] != '/'))
        return false;
    memcpy(place(base, key->offset), node->text, size + 1);
    return true;
}

static bool set_text(const struct config_key *key, const struct tree_node *node, void *base)
{
    size_t size = strlen(node->text);

    if (size >= CONFIG_TEXT_SIZE)
        return false;
    for (size_t i = 0; i < size; i++)
        if (node->text[i] <= ' ' || node->text[i] > '~')
            return false;
    memcpy(place(base, key->offset), node->text, size + 1);
    return true;
}

static bool set_line(const struct config_key *key, const struct tree_node *node, void *base)
{
    size_t size = strlen(node->text);

    if (size >= CONFIG_LINE_SIZE)
        return false;
    for (size_t i = 0; i < size; i++)
        if (node->text[i] < ' ' || node->text[i] > '~')
            return false;
    memcpy(place(base, key->offset), node->text, size + 1);
    return true;
}

static bool set_endpoint(const struct config_key *key, const struct tree_node *node, void *base)
{
    struct address address;

    if (address_parse(node->text, &address) != STATUS_OK || address.port == 0)
        return false;
    *(struct address *)place(base, key->offset) = address;
    return true;
}

static bool set_door(const struct config_key *key, const struct tree_node *node, void *base)
{
    size_t prefix = strlen(UNIX_PREFIX);

    if (strncmp(node->text, UNIX_PREFIX, prefix) != 0)
        return set_endpoint(key, node, base);
    const char *path = node->text + prefix;
    if (path[0] != '/' || strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
        return false;
    *(struct address *)place(base, key->offset) = (struct address){0};
    (void)snprintf(place(base, key->second_offset), CONFIG_PATH_SIZE, "%s", path);
    return true;
}

static bool set_ip(const struct config_key *key, const struct tree_node *node, void *base)
{
    struct cidr cidr;

    if (strchr(node->text, '/') != NULL || cidr_parse(node->text, &cidr) != STATUS_OK)
        return false;
    *(struct address *)place(base, key->offset) = cidr.network;
    return true;
}

static bool read_port(const char *text, size_t size, uint16_t *port)
{
    char copy[8];
    int64_t value;

    if (size >= sizeof(copy))
        return false;
    memcpy(copy, text, size);
    copy[size] = '\0';
    if (!setting_integer(copy, &value) || value < 1 || value > UINT16_MAX)
        return false;
    *port = (uint16_t)value;
    return true;
}

static bool set_port_range(const struct config_key *key, const struct tree_node *node, void *base)
{
    const char *dash = strchr(node->text, '-');
    uint16_t first;
    uint16_t last;

    if (dash == NULL || !read_port(node->text, (size_t)(dash - node->text), &first) ||
        !read_port(dash + 1, strlen(dash + 1), &last) || first > last)
        return false;
    *(uint16_t *)place(base, key->offset) = first;
    *(uint16_t *)place(base, key->second_offset) = last;
    return true;
}

static bool (*const setters[])(const struct config_key *key, const struct tree_node *node,
                               void *base) = {
    [CONFIG_BOOL] = set_bool,
    [CONFIG_INTEGER] = set_integer,
    [CONFIG_POWER_OF_TWO] = set_power_of_two,
    [CONFIG_SHARDS] = set_shards,
    [CONFIG_LEVEL] = set_level,
    [CONFIG_CHOICE] = set_choice,
    [CONFIG_NAME] = set_name,
    [CONFIG_PATH] = set_path,
    [CONFIG_TEXT] = set_text,
    [CONFIG_LINE] = set_line,
    [CONFIG_ENDPOINT] = set_endpoint,
    [CONFIG_DOOR] = set_door,
    [CONFIG_IP] = set_ip,
    [CONFIG_PORT_RANGE] = set_port_range,
};

/* ---- where Redis is ---- */

static bool set_redis_url(const struct config_key *key, const struct tree_node *node, void *base,
                          struct config_errors *errors)
{
    struct config_redis_url url = {0};

    if (node->kind == TREE_TEXT && (node->text[0] == '\0' || redis_url_parse(node->text, &url))) {
        *(struct config_redis_url *)place(base, key->offset) = url;
        return true;
    }
    const char *mistake = node->kind == TREE_TEXT ? redis_url_mistake(node->text) : NULL;
    if (mistake != NULL)
        config_errors_add(errors, node->mark, "%s: %s", key->name, mistake);
    else
        value_reject(key, node, errors);
    return false;
}

/* ---- lists ---- */

bool value_check_list(const struct config_key *key, const struct tree_node *node,
                      struct config_errors *errors)
{
    if (node->kind != TREE_LIST) {
        value_reject(key, node, errors);
        return false;
    }
    if (node->count >= key->minimum && node->count <= key->maximum)
        return true;
    char expected[VALUE_EXPECTED_SIZE];
    config_errors_add(errors, node->mark, "%s: a list of %zu; expected %s", key->name, node->count,
                      value_expected(key, expected));
    return false;
}

static bool set_cidrs(const struct config_key *key, const struct tree_node *node, void *base,
                      struct config_errors *errors)
{
    struct cidr *cidrs = place(base, key->offset);
    size_t count = 0;
    bool valid = true;

    if (!value_check_list(key, node, errors))
        return false;
    for (const struct tree_node *item = node->first; item != NULL; item = item->next) {
        char quoted[CONFIG_QUOTE_SIZE];

        if (item->kind == TREE_TEXT && cidr_parse(item->text, &cidrs[count]) == STATUS_OK) {
            count++;
            continue;
        }
        valid = false;
        if (item->kind == TREE_BROKEN)
            continue;
        config_errors_add(errors, item->mark,
                          "%s: %s; expected IP/PREFIX without bits beyond the prefix, such as "
                          "10.0.0.0/8",
                          key->name,
                          item->kind == TREE_TEXT ? config_quote(item->text, quoted)
                                                  : tree_kind_text(item));
    }
    *(size_t *)place(base, key->second_offset) = count;
    return valid;
}

static bool set_projects(const struct config_key *key, const struct tree_node *node, void *base,
                         struct config_errors *errors)
{
    struct config_projects *projects = place(base, key->offset);

    if (node->kind == TREE_TEXT && strcmp(node->text, "all") == 0) {
        projects->all = true;
        return true;
    }
    if (!value_check_list(key, node, errors))
        return false;
    for (const struct tree_node *item = node->first; item != NULL; item = item->next) {
        size_t size = item->kind == TREE_TEXT ? strlen(item->text) : 0;

        if (size == 0 || size >= CONFIG_PROJECT_SIZE) {
            value_reject(key, item, errors);
            return false;
        }
        memcpy(projects->names[projects->count++], item->text, size + 1);
    }
    return true;
}

/* ---- files ---- */

static bool set_file(const struct config_key *key, const struct tree_node *node, void *base,
                     struct config_errors *errors)
{
    char quoted[CONFIG_QUOTE_SIZE];
    struct stat status;
    int error = 0;

    if (node->kind != TREE_TEXT || !set_path(key, node, base)) {
        value_reject(key, node, errors);
        return false;
    }
    if (node->text[0] == '\0')
        return true;
    if (access(node->text, R_OK) != 0 || stat(node->text, &status) != 0)
        error = errno;
    else if (!S_ISREG(status.st_mode))
        error = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
    if (error == 0)
        return true;
    config_errors_add(errors, node->mark, "%s: %s can't be read: %s; expected a file that can",
                      key->name, config_quote(node->text, quoted),
                      strerror(error)); // NOLINT(concurrency-mt-unsafe): before there are threads
    return false;
}

bool value_set(const struct config_key *key, const struct tree_node *node, void *base,
               struct config_errors *errors)
{
    if (key->type == CONFIG_CIDRS)
        return set_cidrs(key, node, base, errors);
    if (key->type == CONFIG_REDIS_URL)
        return set_redis_url(key, node, base, errors);
    if (key->type == CONFIG_PROJECTS)
        return set_projects(key, node, base, errors);
    if (key->type == CONFIG_FILE)
        return set_file(key, node, base, errors);
    CHECK((size_t)key->type < sizeof(setters) / sizeof(setters[0]));
    if (node->kind == TREE_TEXT && setters[key->type](key, node, base))
        return true;
    value_reject(key, node, errors);
    return false;
}

bool value_is_name(const char *text)
{
    size_t size = strlen(text);

    return size > 0 && size < CONFIG_NAME_SIZE &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789._-") == size;
}
