/* The one list of configuration keys: place in struct config, type, range, default, unit, help.
 * The loader fills the structures from it and --help-config prints it; nothing about a key is
 * written anywhere else. */
#ifndef CENCD_CONFIG_SCHEMA_H
#define CENCD_CONFIG_SCHEMA_H

#include <stddef.h>
#include <stdint.h>

enum config_type {
    CONFIG_BOOL,
    CONFIG_INTEGER,      /* uint32_t within minimum..maximum */
    CONFIG_POWER_OF_TWO, /* the same, and a power of two */
    CONFIG_SHARDS,       /* the same, or "auto" = 0 */
    CONFIG_LEVEL,        /* enum log_level */
    CONFIG_CHOICE,       /* uint32_t: which of the words */
    CONFIG_NAME,         /* char[CONFIG_NAME_SIZE] */
    CONFIG_PATH,         /* char[CONFIG_PATH_SIZE]: an absolute path, or empty */
    CONFIG_FILE,         /* the same, of a file that can be read */
    CONFIG_TEXT,         /* char[CONFIG_TEXT_SIZE]: printable ASCII without spaces, or empty */
    CONFIG_REDIS_URL,    /* struct config_redis_url */
    CONFIG_ENDPOINT,     /* struct address with a port */
    CONFIG_DOOR,         /* the same, or char[CONFIG_PATH_SIZE] at second_offset: a Unix socket */
    CONFIG_IP,           /* struct address, port 0 */
    CONFIG_PORT_RANGE,   /* two uint16_t, at offset and second_offset */
    CONFIG_CIDRS,        /* struct cidr[CONFIG_MAX_CIDRS], their number at second_offset */
    CONFIG_OBJECTS,      /* paths of shared objects with plugins: nothing stored but the set */
    CONFIG_PLUGINS,      /* struct config_plugin[], their number at second_offset */
    CONFIG_TELLERS,      /* the same, of registration plugins */
    CONFIG_SECTION,      /* more keys, in the same structure */
    CONFIG_LISTENERS,    /* a list of sections, each a struct config_listener */
    CONFIG_LINE,         /* char[CONFIG_LINE_SIZE]: printable ASCII, or empty */
    CONFIG_PROJECTS,     /* struct config_projects */
    CONFIG_CONSUMERS,    /* a list of sections, each a struct config_consumer */
    CONFIG_WAYS,         /* a list of sections, each a struct config_way */
    CONFIG_UNIX_ROLES,   /* a list of sections, each a struct config_unix_role */
};

struct config_section;

struct config_key {
    const char *name;
    enum config_type type;
    size_t offset; /* in struct config, or in the struct of a list's item */
    size_t second_offset;
    uint32_t minimum;
    uint32_t maximum;
    const char *fallback; /* the default as written in YAML; NULL: the key must be given */
    const char *unit;     /* NULL: none */
    const char *help;
    const struct config_section *section;
    const char *const *words; /* of a choice, NULL behind the last */
};

struct config_section {
    const struct config_key *keys;
    size_t count;
};

extern const struct config_section config_schema;

#endif
