/* The configuration: what cencd.yaml says, checked, with every default filled in. Read once at
 * start; the structures are constant afterwards and shared by all threads.
 *
 * The schema in config/schema.c is the one list of keys: type, default, range, unit, help. Unknown
 * keys, wrong types, values out of range and keys given twice are errors that name file, line,
 * column and what was expected; all errors of a file are reported, not only the first. Nothing is
 * overridden silently: there is one file, and no key is read from the environment. */
#ifndef CENCD_CONFIG_H
#define CENCD_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "plugins/plugin.h"
#include "server/base/address.h"
#include "server/base/host.h"
#include "server/base/log.h"
#include "server/base/status.h"

#define CONFIG_MAX_PLUGINS    16 /* per list: of a listener, or of registration */
#define CONFIG_MAX_LISTENERS  1024
#define CONFIG_MAX_CIDRS      64
#define CONFIG_PATH_SIZE      201 /* with NUL */
#define CONFIG_TEXT_SIZE      64  /* with NUL */
#define CONFIG_LINE_SIZE      256 /* with NUL */
#define CONFIG_MAX_CONSUMERS  4096
#define CONFIG_MAX_WAYS       64        /* listeners of section agents */
#define CONFIG_MAX_PROJECTS   32        /* of a consumer */
#define CONFIG_PROJECT_SIZE   96        /* name of a project, with NUL */
#define CONFIG_HOST_SIZE      HOST_SIZE /* with NUL */
#define CONFIG_MAX_UNIX_ROLES 64
#define CONFIG_NAME_SIZE      32 /* names of listeners, scopes, nodes: [a-z0-9._-], with NUL */

/* Section `tls` of whatever listens. The files are PEM; --check-config says which of them can't be
 * read, what is inside is looked at when the server starts (server/reactor/tls.h). */
struct config_tls {
    char certificate[CONFIG_PATH_SIZE]; /* its chain behind it; default "": no TLS */
    char key[CONFIG_PATH_SIZE];         /* default ""; needed with certificate */
    char client_ca[CONFIG_PATH_SIZE];   /* default "": clients need no certificate; else one that
                                           these CAs signed */
};

static inline bool config_tls_enabled(const struct config_tls *tls)
{
    return tls->certificate[0] != '\0';
}

struct config_tcp {
    uint32_t keepalive_idle_s;     /* default 60, 0 = off, ..7200 */
    uint32_t keepalive_interval_s; /* default 15, 1..600 */
    uint32_t keepalive_count;      /* default 4, 1..20 */
    uint32_t user_timeout_s;       /* TCP_USER_TIMEOUT; default 120, 0 = system's, ..3600 */
};

enum config_transport { CONFIG_TCP, CONFIG_UDP };
enum config_admission { CONFIG_OPEN, CONFIG_APPROVE };

struct config_plugin {
    const struct plugin *plugin;
    void *instance; /* what configure made; destroyed with the configuration */
};

struct config_listener {
    char name[CONFIG_NAME_SIZE];
    struct address address;        /* required */
    uint32_t admission;            /* enum config_admission; default open */
    uint32_t transport;            /* enum config_transport; default tcp. udp: only plugins that
                                      hand on pushes, and of the rest only scope and the next */
    uint32_t receive_buffer_bytes; /* udp; default 83886080, 65536..1073741823 */
    char scope[CONFIG_NAME_SIZE];  /* default "default": identity = (scope, serial) */
    struct config_plugin plugins[CONFIG_MAX_PLUGINS]; /* at least one, in order */
    size_t plugin_count;
    uint32_t max_links;          /* default 0 = no limit of its own */
    uint32_t backlog;            /* default 4096, 1..65535 */
    uint32_t greeting_timeout_s; /* default 30, 1..600 */
    uint32_t greeting_max_bytes; /* default 1024, 64..16384 */
    uint32_t idle_timeout_s;     /* default 900, 0 = never, ..604800 */
    struct config_tcp tcp;
};

/* Where Redis is. */
struct config_redis_url {
    struct address address;      /* family 0: nowhere, the projection is off */
    char host[CONFIG_HOST_SIZE]; /* its name, or the IP address again */
    bool is_name;                /* to be looked up; of the address only the port counts */
    bool tls;
    uint32_t database; /* 0..65535 */
};

enum config_anonymous { CONFIG_REFUSE, CONFIG_ALLOW };
enum config_way_kind { CONFIG_SOCKS5, CONFIG_CONNECT, CONFIG_MODEM };
enum config_priority { CONFIG_PERSON, CONFIG_COLLECTION };

/* A listener for agents: a way in to all devices by their serials. */
struct config_way {
    char name[CONFIG_NAME_SIZE];
    struct address address; /* required */
    uint32_t kind;          /* enum config_way_kind; required */
    struct config_tls tls;
    struct cidr allow[CONFIG_MAX_CIDRS]; /* default 127.0.0.0/8, ::1/128 */
    size_t allow_count;
    uint32_t anonymous;           /* enum config_anonymous; default refuse */
    char login[CONFIG_TEXT_SIZE]; /* modem: default AT+LOGIN={name},{password}; "": by address */
    char scope[CONFIG_NAME_SIZE]; /* in which serials are looked up; default "" = all */
    uint32_t wait_s;              /* for a device that is taken; default 0 = not at all, ..3600 */
    uint32_t priority;            /* enum config_priority; default person */
    uint32_t backlog;             /* default 512, 1..65535 */
};

/* Which projects somebody may see. */
struct config_projects {
    bool all; /* also what belongs to none */
    size_t count;
    char names[CONFIG_MAX_PROJECTS][CONFIG_PROJECT_SIZE];
};

/* A head-end system, as it shows itself. At least one of the three ways is set. */
struct config_consumer {
    char name[CONFIG_NAME_SIZE + 8];            /* "plugin:" in front of a registration plugin's */
    char token_file[CONFIG_PATH_SIZE];          /* holds the token and nothing else */
    char token_sha256[CONFIG_LINE_SIZE];        /* its hash, 64 hex digits */
    char certificate_subject[CONFIG_LINE_SIZE]; /* RFC 2253 */
    struct config_projects projects;            /* required */
};

enum config_role { CONFIG_VIEWER, CONFIG_OPERATOR, CONFIG_ADMIN };

/* What a user or the members of a group may do at the admin API's Unix socket: one of both is set.
 */
struct config_unix_role {
    char user[CONFIG_TEXT_SIZE];
    char group[CONFIG_TEXT_SIZE];
    uint32_t role; /* enum config_role; required */
};

struct config {
    struct {
        char node[CONFIG_NAME_SIZE];      /* default "node1" */
        char state_dir[CONFIG_PATH_SIZE]; /* default "": nothing is kept */
        uint32_t shards;                  /* "auto" = 0 (default), or 1..512 */
    } server;
    struct {
        enum log_level level; /* default info */
    } log;
    struct {
        uint32_t links;                   /* in all; default 100000, 1..10000000 */
        uint32_t unidentified;            /* in state greeting, in all; default 20000, 1..1000000 */
        uint32_t unidentified_per_source; /* per source address; default 10000, 1..1000000 */
        uint32_t devices;                 /* known, online or not; default 1000000, 1..100000000 */
        uint32_t sessions;                /* default 10000, 1..1000000 */
        uint32_t session_buffer_bytes;    /* per direction; default 65536, 4096..1048576 */
    } limits;
    struct {
        uint32_t hold_s;              /* newcomer waits for the older link; default 30, 1..300 */
        uint32_t flap_count;          /* replacements within flap_window_s that make a device
                                         flap; default 5, 1..1000 */
        uint32_t flap_window_s;       /* default 60, 1..3600 */
        uint32_t unparsed_bytes;      /* of an event, of what nobody knows; default 256, 0..4096 */
        uint32_t unparsed_interval_s; /* between two of a device; default 60, 1..86400 */
        uint32_t network_prefix_v4;   /* same network = first bits agree; default 16, 0..32 */
        uint32_t network_prefix_v6;   /* default 32, 0..128 */
    } links;
    struct {
        uint32_t idle_timeout_s; /* no byte either way; default 300, 0 = never, ..86400 */
        uint32_t half_close_s;   /* the agent's FIN to the end of the session; default 3,
                                    0..600 */
        uint32_t max_length_s;   /* default 0 = unlimited, ..604800 */
        uint32_t yield_after_s;  /* a holder that is still yields to who waits; default 60, 0 =
                                    never, ..86400 */
        uint32_t max_waiting;    /* per line; default 8, 0..1000 */
    } sessions;
    struct {
        bool enabled;        /* default true */
        uint16_t first;      /* range "20000-29999" (default); outside the kernel's */
        uint16_t last;       /* ephemeral range, which is checked */
        struct address bind; /* IP only, port 0; key `address`, default 127.0.0.1 */
        struct cidr allow[CONFIG_MAX_CIDRS]; /* default 127.0.0.0/8, ::1/128 */
        size_t allow_count;
        uint32_t anonymous; /* enum config_anonymous; default refuse */
        uint32_t wait_s;    /* for a device that is taken; default 0 = not at all, ..3600 */
        uint32_t priority;  /* enum config_priority; default person */
    } direct_ports;
    struct {
        bool enabled;                    /* default true */
        struct address address;          /* default 127.0.0.1:9190; must be loopback */
        uint32_t max_connections;        /* default 32, 1..1024 */
        uint32_t failed_identifications; /* kept; default 1000, 1..100000 */
    } ops;
    struct {
        char socket[CONFIG_PATH_SIZE];       /* default "": admin.sock in state_dir */
        struct config_unix_role *unix_roles; /* default none: root and the server's own user */
        size_t unix_role_count;
        bool https;                          /* default false; needs state_dir and tls */
        struct address address;              /* default 127.0.0.1:9193 */
        struct config_tls tls;               /* client_ca: clients must show one */
        uint32_t max_connections;            /* default 64, 1..1024 */
        uint32_t max_connections_per_source; /* default 16, 1..1024 */
        uint32_t handshake_timeout_s;        /* default 10, 1..60 */
        uint32_t idle_timeout_s;             /* default 30, 1..600 */
        uint32_t request_timeout_s;          /* default 60, 1..600 */
    } admin;
    struct {
        uint32_t segment_mb;     /* default 64, 1..1024 */
        uint32_t queue_mb;       /* default 64, 1..4096 */
        uint32_t retention_mb;   /* default 10240, 16..4000000000 */
        uint32_t retention_days; /* default 30, 0 = by size only, ..3650 */
        bool sessions_need_it;   /* default false */
        uint32_t sync_delay_ms;  /* default 0, ..1000 */
    } journal;
    struct {
        struct config_redis_url url;          /* default "": off; needs state_dir */
        char user[CONFIG_TEXT_SIZE];          /* default "": Redis' own default user */
        char password_file[CONFIG_PATH_SIZE]; /* default "": no password */
        struct {
            char ca[CONFIG_PATH_SIZE];          /* default "": the system's */
            char certificate[CONFIG_PATH_SIZE]; /* of the client; default "": none */
            char key[CONFIG_PATH_SIZE];         /* default ""; needed with certificate */
            char server_name[CONFIG_TEXT_SIZE]; /* default "": the host of url */
            bool verify;                        /* default true */
        } tls;                                  /* of rediss:// */
        char prefix[CONFIG_TEXT_SIZE];          /* of all keys; default "cencd:" */
        uint32_t presence_ttl_s;                /* default 90, 10..86400 */
    } redis;
    struct {
        uint32_t small_count;      /* per shard; power of two; default 1024, 64..32768 */
        uint32_t small_size_bytes; /* default 2048, 512..16384 */
        uint32_t large_count;      /* power of two; default 16, 1..1024 */
        uint32_t large_size_bytes; /* default 65536, 16384..1048576 */
        uint32_t datagram_count;   /* of a shard that serves an udp listener; power of two; default
                                      1024, 64..32768 */
        uint32_t datagram_size_bytes; /* default 2048, 512..65536 */
    } buffers;
    struct {
        bool enabled;                  /* default false; needs state_dir */
        struct address address;        /* default 127.0.0.1:9192; none if there is a socket */
        char socket[CONFIG_PATH_SIZE]; /* path of the Unix socket in its place; "": none */
        struct config_tls tls;         /* needed beyond loopback; client_ca: clients may show one */
        uint32_t max_connections;      /* default 1024, 1..65536 */
        struct config_consumer *consumers;
        size_t consumer_count;
    } northbound;
    struct {
        uint32_t connections;                /* without a session; default 1000, 1..1000000 */
        uint32_t unauthenticated_per_source; /* default 100, 1..1000000 */
        uint32_t greeting_timeout_s;         /* default 20, 1..600 */
        uint32_t greeting_max_bytes;         /* default 4096, 600..16384 */
        struct config_way *listeners;
        size_t listener_count;
    } agents;
    struct {
        struct config_plugin plugins[CONFIG_MAX_PLUGINS]; /* default none; needs northbound */
        size_t plugin_count;
    } registration;
    struct config_listener *listeners;
    size_t listener_count;      /* at least one */
    struct plugin_set *plugins; /* shared objects loaded for it; see plugins/loader.h */
};

/* Reads the file. On errors, writes each as "FILE:LINE:COLUMN: what is wrong; what was expected"
 * and a newline to errors and returns STATUS_INVALID (STATUS_SYSTEM if the file can't be read). */
enum status config_load(const char *path, FILE *errors, struct config **config) MUST_CHECK;
void config_free(struct config *config);

/* Writes every key with type, unit, default, range and help, for --help-config and the man page. */
void config_describe(FILE *out);

#endif
