/* Edits: how an operator changes projects, groups, agents, channels, tokens, bindings and devices.
 *
 * An edit is a journal record first, then memory; the keeper brings it into the store. Whoever
 * asked is told when it is on the disk and in force, not before. One edit runs at a time, in the
 * order in which they came, so that each is checked against what all before it made. An edit that
 * names a revision is refused as a conflict when the object has another one by now.
 *
 * Without server.state_dir there is no editor: nothing could be kept. */
#ifndef CENCD_DIRECTORY_EDIT_H
#define CENCD_DIRECTORY_EDIT_H

#include "server/base/list.h"
#include "server/directory/agents.h"
#include "server/directory/channels.h"
#include "server/directory/details.h"
#include "server/directory/password.h"
#include "server/directory/tokens.h"
#include "server/journal/journal.h"
#include "server/reactor/reactor.h"

#define EDIT_QUEUE_MAX 1024u

struct edit_pending;

enum edit_kind {
    EDIT_PROJECT_ADD,
    EDIT_PROJECT_CHANGE,
    EDIT_PROJECT_REMOVE, /* refused while it has groups, channels, devices, bindings or agents */
    EDIT_GROUP_ADD,
    EDIT_GROUP_CHANGE,
    EDIT_GROUP_REMOVE, /* refused while it has devices or agents */
    EDIT_AGENT_ADD,
    EDIT_AGENT_CHANGE,
    EDIT_AGENT_REMOVE,
    EDIT_BINDING_SET,    /* project 0: removes it */
    EDIT_DEVICE_ADD,     /* before it ever came */
    EDIT_DEVICE_MOVE,    /* to a project and group, or out of them */
    EDIT_DEVICE_APPROVE, /* one that came by itself; exists: it is approved already */
    EDIT_DEVICE_REMOVE,  /* refused while it is online */
    EDIT_DEVICE_CHANNEL, /* on a channel, or off it; it stays in project and group */
    EDIT_CHANNEL_ADD,
    EDIT_CHANNEL_CHANGE,
    EDIT_CHANNEL_REMOVE, /* refused while devices are on it */
    EDIT_DETAILS_SET,    /* what a file said of an object: details.h */
    EDIT_IMPORTED,       /* the event that ends an import */
    EDIT_LISTENER_STOP,
    EDIT_LISTENER_START, /* refused, and in_use, if its port can't be opened */
    EDIT_TOKEN_ADD,
    EDIT_TOKEN_CHANGE,
    EDIT_TOKEN_REMOVE,
    EDIT_KINDS,
};

enum edit_result {
    EDIT_DONE,
    EDIT_INVALID,     /* a value breaks its rules */
    EDIT_NOT_FOUND,   /* what is to be changed, or what it refers to */
    EDIT_EXISTS,      /* the name, or one that looks like it, is taken */
    EDIT_IN_USE,      /* what is to be removed */
    EDIT_CONFLICT,    /* it has another revision by now */
    EDIT_FULL,        /* a table or the queue */
    EDIT_UNAVAILABLE, /* the journal doesn't take it, or the server is stopping */
};

#define EDIT_MAX_PROJECTS 10000u
#define EDIT_MAX_GROUPS   100000u
#define EDIT_MAX_AGENTS   100000u
#define EDIT_MAX_CHANNELS 100000u
#define EDIT_MAX_TOKENS   1000u

const char *edit_result_name(enum edit_result result); /* "not_found" */

/* Which fields of a change count. The rest stays as it is. */
enum edit_field {
    EDIT_NAME = 1u << 0,
    EDIT_NOTE = 1u << 1,
    EDIT_PASSWORD = 1u << 2,
    EDIT_ENABLED = 1u << 3,
    EDIT_EXTENDED = 1u << 4,
    EDIT_EXPIRES = 1u << 5,
    EDIT_MAX_SESSIONS = 1u << 6,
    EDIT_GROUPS = 1u << 7,
    EDIT_PROJECTS = 1u << 8,
    EDIT_SOURCES = 1u << 9,
    EDIT_HOST = 1u << 10,
    EDIT_PORT = 1u << 11,
    EDIT_EXCLUSIVE = 1u << 12,
    EDIT_PROJECT = 1u << 13, /* of a channel */
    EDIT_ROLE = 1u << 15,
    EDIT_CHANNEL = 1u << 14,  /* of a device that is moved: otherwise it stays on its channel */
    EDIT_PRIORITY = 1u << 16, /* of an agent */
};

/* Who asks, for the events. */
struct edit_actor {
    char name[DIRECTORY_NAME_SIZE]; /* "": nobody was asked for a name */
    char via[16];                   /* "cli", "http" */
    struct address peer;            /* family 0: none */
};

/* What an import did, for its event. */
struct edit_imported {
    const char *format;
    const char *project; /* the only one that the file is of; otherwise "" */
    char file_name[128];
    uint32_t projects_added;
    uint32_t groups_added;
    uint32_t channels_added;
    uint32_t devices_added;
    uint32_t channels_changed;
    uint32_t devices_moved;
    uint32_t devices_unchanged;
    uint32_t secrets_left_out;
};

/* What a device has as revision: it changes with its place. (Ids have 20 bits.) */
static inline uint64_t edit_device_revision(uint32_t project, uint32_t group, uint32_t channel)
{
    return ((uint64_t)channel << 40 | (uint64_t)group << 20 | project) + 1;
}

struct edit {
    enum edit_kind kind;
    struct edit_actor actor;
    uint32_t fields;   /* enum edit_field, for changes; an addition takes all */
    uint32_t id;       /* of the object that is changed or removed */
    uint64_t revision; /* that it must have; 0: any. Of a binding also */
    char name[DIRECTORY_NAME_SIZE];
    char note[DIRECTORY_NOTE_SIZE];
    struct agent_info agent;       /* of it: rights, sources and so on; not name, note, revision */
    struct password_hash password; /* log2_n 0: none is given, an old one stays */
    char listener[CONFIG_NAME_SIZE]; /* of a binding; to be stopped or started */
    bool close_links;                /* of a listener that is stopped, or was */
    uint32_t project; /* of a group to be added, a channel, a binding, a device; 0: none */
    uint32_t group;   /* of a device; 0: none. It must be of that project */
    uint32_t channel; /* of a device; 0: none */
    struct channel_settings settings;    /* of a channel */
    struct token_settings token;         /* of a token */
    uint8_t token_hash[TOKEN_HASH_SIZE]; /* of a token that is added */
    bool move;                       /* of a binding: also what is in the former project by it */
    struct device *device;           /* to be moved or removed; of one that was added, it */
    char scope[CONFIG_NAME_SIZE];    /* of a device to be added */
    char serial[PLUGIN_SERIAL_SIZE]; /* its bytes */
    enum details_kind details_kind;  /* whose: scope and serial, or group, channel, or project */
    const char *details;             /* and name as key. "": they go. Lives until done */
    const struct edit_imported *imported; /* lives until done */

    /* Called in the editor's thread. result is set, and on EDIT_DONE id and revision, otherwise
     * text says in a sentence why. */
    void (*done)(struct edit *edit);
    enum edit_result result;
    char text[256];

    struct list node;             /* the editor's own, like the rest */
    struct edit_pending *pending; /* of the batch that it is part of; NULL: none */
};

struct editor;

/* What there is of a listener of this name. */
struct edit_listener {
    uint16_t port;
    bool of_agents; /* it is one of section agents */
};

/* How the editor reaches the server's listeners, in its thread. No functions: there are none. */
struct edit_listeners {
    void *context;
    bool (*find)(void *context, const char *name, struct edit_listener *found);
    /* It is to be started: opens its port, so that what is recorded is so. False: text says why
     * that can't be. Otherwise start follows, which takes it back if it was not recorded. */
    bool (*prepare)(void *context, const char *name, char *text, size_t size);
    void (*start)(void *context, const char *name, bool recorded);
    void (*stop)(void *context, const char *name, bool close_links);
};

struct editor_config {
    struct directory *directory;
    struct journal *journal;
    struct reactor *reactor;
    const char *node;
    struct edit_listeners listeners;
};

/* In the reactor's thread, when the directory is loaded. */
enum status editor_start(const struct editor_config *config, struct editor **editor) MUST_CHECK;

/* Any thread. The edit is the caller's, and must live until done; done may be called from inside
 * this call. */
void editor_submit(struct editor *editor, struct edit *edit);

/* For threads that may wait: up to 10 s, then it is EDIT_UNAVAILABLE, and may still be done. */
void editor_do(struct editor *editor, struct edit *edit);

/* Any thread: the device belongs to no project and registered on a port that has a binding. */
void editor_place(struct editor *editor, struct device *device);

/* In the reactor's thread; nobody submits any more. What waits is done with EDIT_UNAVAILABLE;
 * stopped is called there when nothing is under way, never from inside this call. */
void editor_stop(struct editor *editor, void (*stopped)(void *context), void *context);

#endif
