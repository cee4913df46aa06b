#include "agents/cencctl/commands.h"

#include <string.h>

#define LIMIT                                                                                      \
    {                                                                                              \
        "limit", "N", "limit", OPTION_LIMIT, "at most N entries; otherwise all"                    \
    }
#define NOTE                                                                                       \
    {                                                                                              \
        "note", "TEXT", "note", OPTION_TEXT, "a remark"                                            \
    }
#define IF_MATCH                                                                                   \
    {                                                                                              \
        "if-match", "ETAG", NULL, OPTION_IF_MATCH,                                                 \
            "only if it is still as ETAG says (see show --json)"                                   \
    }
#define END                                                                                        \
    {                                                                                              \
        NULL, NULL, NULL, OPTION_QUERY, NULL                                                       \
    }
#define SCOPE                                                                                      \
    {                                                                                              \
        "scope", "SCOPE", "scope", OPTION_SCOPE,                                                   \
            "the name space of the serial; otherwise \"default\", or the only one that has it"     \
    }

static const struct option_spec no_options[] = {END};
static const struct option_spec list_options[] = {LIMIT, END};
static const struct option_spec change_only[] = {IF_MATCH, END};
static const struct option_spec device_list_options[] = {
    {"project", "NAME", "project", OPTION_QUERY, "of this project; \"\": of none"},
    {"group", "NAME", "group", OPTION_QUERY, "of this group of the project; \"\": of none"},
    {"channel", "NAME", "channel", OPTION_QUERY, "on this channel; \"\": on none"},
    {"serial", "BEGINNING", "serial", OPTION_QUERY, "whose serial begins so"},
    {"in-scope", "SCOPE", "scope", OPTION_QUERY, "of this scope"},
    {"kind", "KIND", "kind", OPTION_QUERY, "of this kind"},
    {"listener", "NAME", "listener", OPTION_QUERY, "that were last seen on this listener"},
    {"state", "STATE", "state", OPTION_QUERY, "offline, idle or \"in session\""},
    {"online", NULL, "online", OPTION_QUERY_TRUE, "that are connected"},
    {"offline", NULL, "online", OPTION_QUERY_FALSE, "that are not"},
    {"unapproved", NULL, "approved", OPTION_QUERY_FALSE, "that wait for an operator's approval"},
    LIMIT,
    END};
static const struct option_spec device_options[] = {SCOPE, END};
static const struct option_spec device_add_options[] = {
    {"scope", "SCOPE", "scope", OPTION_TEXT, "the name space of the serial"},
    {"project", "NAME", "project", OPTION_TEXT, "the project that owns it"},
    {"group", "NAME", "group", OPTION_TEXT, "the group of that project"},
    {"channel", "NAME", "channel", OPTION_TEXT, "the channel that it is on"},
    END};
static const struct option_spec device_move_options[] = {
    SCOPE,
    {"project", "NAME", "project", OPTION_TEXT, "to this project"},
    {"no-project", NULL, "project", OPTION_NULL, "to no project"},
    {"group", "NAME", "group", OPTION_TEXT, "to this group of the project"},
    {"no-group", NULL, "group", OPTION_NULL, "to no group"},
    {"channel", "NAME", "channel", OPTION_TEXT, "to this channel; alone: it stays in its group"},
    {"no-channel", NULL, "channel", OPTION_NULL, "to no channel"},
    IF_MATCH,
    END};
static const struct option_spec device_remove_options[] = {SCOPE, IF_MATCH, END};
static const struct option_spec add_options[] = {NOTE, END};
static const struct option_spec change_options[] = {
    {"name", "NAME", "name", OPTION_TEXT, "its new name"}, NOTE, IF_MATCH, END};
static const struct option_spec group_list_options[] = {
    {"project", "NAME", "project", OPTION_QUERY, "of this project"}, LIMIT, END};

static const struct option_spec channel_list_options[] = {
    {"project", "NAME", "project", OPTION_QUERY, "of this project; \"\": of none"},
    {"host", "HOST", "host", OPTION_QUERY, "with this host"},
    {"exclusive", NULL, "exclusive", OPTION_QUERY_TRUE, "whose devices share one line"},
    {"not-exclusive", NULL, "exclusive", OPTION_QUERY_FALSE, "whose devices don't"},
    {"enabled", NULL, "enabled", OPTION_QUERY_TRUE, "that are dialled"},
    {"disabled", NULL, "enabled", OPTION_QUERY_FALSE, "that are not"},
    LIMIT,
    END};

#define CHANNEL                                                                                    \
    {"exclusive", NULL, "exclusive", OPTION_TRUE,                                                  \
     "its devices share one line: a session with any of them holds all"},                          \
        {"disabled", NULL, "enabled", OPTION_FALSE, "it is not dialled"},                          \
        {"project", "NAME", "project", OPTION_TEXT, "the project that it belongs to"}, NOTE

static const struct option_spec channel_add_options[] = {
    {"host", "HOST", "host", OPTION_TEXT, "a name or an IP address; needed"},
    {"port", "PORT", "port", OPTION_NUMBER, "the TCP port; needed"},
    CHANNEL,
    END};
static const struct option_spec channel_change_options[] = {
    {"name", "NAME", "name", OPTION_TEXT, "its new name"},
    {"host", "HOST", "host", OPTION_TEXT, "a name or an IP address"},
    {"port", "PORT", "port", OPTION_NUMBER, "the TCP port"},
    CHANNEL,
    {"not-exclusive", NULL, "exclusive", OPTION_FALSE, "each of its devices has a line of its own"},
    {"enabled", NULL, "enabled", OPTION_TRUE, "it is dialled"},
    {"no-project", NULL, "project", OPTION_NULL, "it belongs to no project"},
    IF_MATCH,
    END};

#define RIGHTS                                                                                     \
    {"extended", NULL, "extended", OPTION_TRUE, "it reaches every device"},                        \
        {"group", "PROJECT/GROUP", "groups", OPTION_GROUPS,                                        \
         "it reaches the devices of this group; several times for several"},                       \
        {"project", "NAME", "projects", OPTION_LIST, "it reaches all devices of this project"},    \
        {"source", "NETWORK", "sources", OPTION_LIST, "it may come from here, 10.0.0.0/8"},        \
        {"expires", "TIME", "expires", OPTION_TEXT, "it ends then: 2027-01-31T12:00:00Z"},         \
        {"priority", "CLASS", "priority", OPTION_TEXT,                                             \
         "as what it waits for a device: person, collection; otherwise as its way in says"},       \
        {"max-sessions", "N", "max_sessions", OPTION_NUMBER, "at a time; 0: no limit"},            \
        {"password", NULL, "password", OPTION_PASSWORD,                                            \
         "ask for the password, without echo; without a terminal, the first line of the standard " \
         "input"},                                                                                 \
        {"password-file", "FILE", "password", OPTION_PASSWORD,                                     \
         "its first line is the password; -: of the standard input"},                              \
        NOTE

static const struct option_spec agent_add_options[] = {
    RIGHTS,
    {"no-password", NULL, NULL, OPTION_NO_PASSWORD, "it is known by its address only"},
    {"disabled", NULL, "enabled", OPTION_FALSE, "it may not log in yet"},
    END};
static const struct option_spec agent_change_options[] = {
    {"name", "NAME", "name", OPTION_TEXT, "its new name"},
    RIGHTS,
    {"not-extended", NULL, "extended", OPTION_FALSE, "it reaches what is granted only"},
    {"no-groups", NULL, "groups", OPTION_EMPTY, "no group is granted to it"},
    {"no-projects", NULL, "projects", OPTION_EMPTY, "no project is granted to it"},
    {"no-sources", NULL, "sources", OPTION_EMPTY, "it may come from anywhere"},
    {"enabled", NULL, "enabled", OPTION_TRUE, "it may log in"},
    {"disabled", NULL, "enabled", OPTION_FALSE, "it may not log in; its sessions go on"},
    {"no-priority", NULL, "priority", OPTION_NULL, "it waits as its way in says"},
    {"no-expiry", NULL, "expires", OPTION_NULL, "it doesn't end by itself"},
    IF_MATCH,
    END};
#define TOKEN_OPTIONS(role_text)                                                                   \
    {"role", "ROLE", "role", OPTION_TEXT, role_text},                                              \
        {"source", "NETWORK", "sources", OPTION_LIST, "it may be used from here, 10.0.0.0/8"},     \
        {"expires", "TIME", "expires", OPTION_TEXT, "it ends then: 2027-01-31T12:00:00Z"}, NOTE

static const struct option_spec token_add_options[] = {
    TOKEN_OPTIONS("what it may do: viewer, operator or admin; needed"),
    {"disabled", NULL, "enabled", OPTION_FALSE, "it can't be used yet"},
    END};
static const struct option_spec token_change_options[] = {
    {"name", "NAME", "name", OPTION_TEXT, "its new name"},
    TOKEN_OPTIONS("what it may do: viewer, operator or admin"),
    {"no-sources", NULL, "sources", OPTION_EMPTY, "it may be used from anywhere"},
    {"no-expiry", NULL, "expires", OPTION_NULL, "it doesn't end by itself"},
    IF_MATCH,
    END};
static const struct option_spec binding_set_options[] = {
    {"move", NULL, "move", OPTION_TRUE, "move the devices of the former project, too"},
    IF_MATCH,
    END};
static const struct option_spec binding_remove_options[] = {
    {"move", NULL, "move", OPTION_QUERY_TRUE, "its devices belong to no project then"},
    IF_MATCH,
    END};
static const struct option_spec listener_stop_options[] = {
    {"close-links", NULL, "close_links", OPTION_TRUE,
     "close its links, too (of one for agents: their connections); otherwise they stay"},
    IF_MATCH,
    END};
static const struct option_spec session_list_options[] = {
    {"agent", "NAME", "agent", OPTION_QUERY, "of this agent"},
    {"device", "SERIAL", "serial", OPTION_FILTER, "with this device"},
    LIMIT,
    END};
static const struct option_spec link_list_options[] = {
    {"project", "NAME", "project", OPTION_QUERY, "of devices of this project"},
    {"group", "NAME", "group", OPTION_QUERY, "of devices of this group of the project"},
    {"listener", "NAME", "listener", OPTION_QUERY, "on this listener"},
    {"state", "STATE", "state", OPTION_QUERY, "idle or \"in session\""},
    LIMIT,
    END};
static const struct option_spec failed_list_options[] = {
    {"listener", "NAME", "listener", OPTION_FILTER, "on this listener"}, LIMIT, END};
static const struct option_spec import_options[] = {
    {"format", "FORMAT", NULL, OPTION_OWN, "cehes or csv; otherwise by the end of the file's name"},
    {"project", "NAME", "project", OPTION_QUERY,
     "the project of all of it (cehes), or of rows that name none (csv); made if there is none"},
    {"scope", "SCOPE", "scope", OPTION_QUERY,
     "the name space of serials; otherwise the only one that has it, or \"default\""},
    {"update", NULL, "update", OPTION_QUERY_TRUE,
     "move devices and change channels that are there already; otherwise they are faults"},
    {"dry-run", NULL, "dry_run", OPTION_QUERY_TRUE, "only tell what would be changed"},
    END};
static const struct option_spec export_options[] = {
    {"format", "FORMAT", NULL, OPTION_OWN,
     "cehes or csv; otherwise by the end of the output's name"},
    {"project", "NAME", "project", OPTION_QUERY, "of this project; cehes needs one"},
    {"output", "FILE", NULL, OPTION_OWN, "a file that isn't there yet; otherwise standard output"},
    END};
static const struct option_spec audit_options[] = {
    {"since", "TIME", NULL, OPTION_OWN,
     "from this time on: 2026-11-21, 2026-11-21T04:00:00Z, or 90s, 30m, 12h, 7d ago"},
    {"until", "TIME", NULL, OPTION_OWN, "before this time"},
    {"agent", "NAME", NULL, OPTION_OWN, "what this agent did, and changes of it"},
    {"device", "SERIAL", NULL, OPTION_OWN, "of this device"},
    {"project", "NAME", NULL, OPTION_OWN, "of this project"},
    {"from", "N", NULL, OPTION_OWN, "from sequence N on"},
    {"json", NULL, NULL, OPTION_JSON, "whole events, one to a line"},
    {"socket", "PATH", NULL, OPTION_SOCKET, "without FOLDER: the journal beside this socket"},
    END};
static const struct option_spec dump_options[] = {
    {"from", "N", NULL, OPTION_OWN, "from sequence N on"},
    {"to", "N", NULL, OPTION_OWN, "up to sequence N"},
    {"kind", "KIND", NULL, OPTION_OWN,
     "only events of this kind, by the name of the field in events.proto (last_gasp, connected "
     "...)"},
    END};

const struct option_spec server_options[] = {
    {"socket", "PATH", NULL, OPTION_SOCKET,
     "the server's admin.sock, in its state folder; otherwise what CENCD_SOCKET in the "
     "environment says, otherwise /var/lib/cencd/admin.sock"},
    {"server", "URL", NULL, OPTION_SERVER,
     "https://HOST:PORT in place of the socket; otherwise what CENCD_SERVER in the environment "
     "says. Its certificate must be good"},
    {"token-file", "FILE", NULL, OPTION_TOKEN_FILE,
     "for --server: its first line is the access token; otherwise the file that CENCD_TOKEN_FILE "
     "in the environment names"},
    {"ca", "FILE", NULL, OPTION_CA,
     "for --server: PEM file of the CAs that may have signed its certificate; otherwise the file "
     "that CENCD_CA in the environment names, otherwise the system's"},
    {"json", NULL, NULL, OPTION_JSON, "JSON instead of a table; list: an array"},
    {"watch", "[SECONDS]", NULL, OPTION_WATCH,
     "list and show: again and again, every two seconds unless told otherwise"},
    END};

static const char *const device_columns[] = {"=serial",     "=state", "project",      "group",
                                             "=last_seen",  "peer",   "=direct_port", "kind",
                                             "=signal_csq", "model",  "=last_gasp",   NULL};
static const char *const project_columns[] = {"=name", "devices", "groups", "note", NULL};
static const char *const group_columns[] = {"project", "name", "devices", "note", NULL};
static const char *const channel_columns[] = {
    "=name", "host", "=port", "=exclusive", "=enabled", "devices", "project", "note", NULL};
static const char *const agent_columns[] = {"=name",    "=enabled", "=extended", "groups",
                                            "projects", "sources",  "=sessions", "=expires",
                                            "note",     NULL};
static const char *const token_columns[] = {"=name",      "=role",   "=enabled", "=expires",
                                            "=last_used", "sources", "note",     NULL};
static const char *const binding_columns[] = {"=listener", "port", "project", "moving", NULL};
static const char *const listener_columns[] = {"=name",  "=running",   "address",   "project",
                                               "=links", "=accepting", "=accepted", "=failed",
                                               "scope",  "serves",     NULL};
static const char *const failed_columns[] = {"=time", "reason",     "peer",      "listener", "why",
                                             "=size", "bytes_text", "bytes_hex", NULL};
static const char *const link_columns[] = {
    "=serial",      "=state",      "listener", "=last_seen", "peer",
    "=direct_port", "=signal_csq", "project",  "=epoch",     NULL};
static const char *const consumer_columns[] = {"=name", "connected",        "lag", "position",
                                               "sent",  "projects_missing", NULL};
static const char *const session_columns[] = {
    "=id",  "=serial",          "agent",           "=state",  "=started", "peer",
    "path", "=bytes_to_device", "=bytes_to_agent", "channel", NULL};

static const char *const import_columns[] = {"=action", "object", "=name", "from", "to", NULL};

static const char *const name_field[] = {"name", NULL};
static const char *const group_fields[] = {"project", "name", NULL};
static const char *const serial_field[] = {"serial", NULL};
static const char *const binding_fields[] = {"", "project", NULL};

const struct command commands[] = {
    {"device", "list", "", "devices that the server knows", COMMAND_LIST, "GET", "devices", NULL,
     NULL, device_list_options, device_columns},
    {"device", "show", "SERIAL", "one device", COMMAND_SHOW, "GET", "devices/{scope}/{0}", NULL,
     NULL, device_options, NULL},
    {"device", "add", "SERIAL", "enter a device before it comes", COMMAND_SEND, "POST", "devices",
     serial_field, NULL, device_add_options, NULL},
    {"device", "approve", "SERIAL...", "let agents reach devices that came by themselves",
     COMMAND_SEND, "PATCH", "devices/{scope}/{0}", NULL, "approved", device_options, NULL},
    {"device", "move", "SERIAL", "move a device to another project, group or channel", COMMAND_SEND,
     "PATCH", "devices/{scope}/{0}", NULL, NULL, device_move_options, NULL},
    {"device", "remove", "SERIAL", "forget a device that is not connected", COMMAND_SEND, "DELETE",
     "devices/{scope}/{0}", NULL, NULL, device_remove_options, NULL},
    {"project", "list", "", "projects", COMMAND_LIST, "GET", "projects", NULL, NULL, list_options,
     project_columns},
    {"project", "show", "NAME", "one project", COMMAND_SHOW, "GET", "projects/{0}", NULL, NULL,
     no_options, NULL},
    {"project", "add", "NAME", "a new project", COMMAND_SEND, "POST", "projects", name_field, NULL,
     add_options, NULL},
    {"project", "set", "NAME", "rename a project, or change its note", COMMAND_SEND, "PATCH",
     "projects/{0}", NULL, NULL, change_options, NULL},
    {"project", "remove", "NAME", "remove a project that nothing belongs to", COMMAND_SEND,
     "DELETE", "projects/{0}", NULL, NULL, change_only, NULL},
    {"group", "list", "", "groups of devices", COMMAND_LIST, "GET", "groups", NULL, NULL,
     group_list_options, group_columns},
    {"group", "show", "PROJECT GROUP", "one group", COMMAND_SHOW, "GET", "groups/{0}/{1}", NULL,
     NULL, no_options, NULL},
    {"group", "add", "PROJECT GROUP", "a new group", COMMAND_SEND, "POST", "groups", group_fields,
     NULL, add_options, NULL},
    {"group", "set", "PROJECT GROUP", "rename a group, or change its note", COMMAND_SEND, "PATCH",
     "groups/{0}/{1}", NULL, NULL, change_options, NULL},
    {"group", "remove", "PROJECT GROUP", "remove a group without devices", COMMAND_SEND, "DELETE",
     "groups/{0}/{1}", NULL, NULL, change_only, NULL},
    {"agent", "list", "", "accounts of reading software", COMMAND_LIST, "GET", "agents", NULL, NULL,
     list_options, agent_columns},
    {"agent", "show", "NAME", "one agent", COMMAND_SHOW, "GET", "agents/{0}", NULL, NULL,
     no_options, NULL},
    {"agent", "add", "NAME",
     "a new agent; unless one of the options about it is given, a password is made and shown once",
     COMMAND_SEND, "POST", "agents", name_field, NULL, agent_add_options, NULL},
    {"agent", "set", "NAME", "change an agent; lists that are given replace the former ones",
     COMMAND_SEND, "PATCH", "agents/{0}", NULL, NULL, agent_change_options, NULL},
    {"agent", "enable", "NAME", "let an agent log in", COMMAND_SEND, "PATCH", "agents/{0}", NULL,
     "enabled", change_only, NULL},
    {"agent", "disable", "NAME", "let an agent not log in; its sessions go on", COMMAND_SEND,
     "PATCH", "agents/{0}", NULL, "!enabled", change_only, NULL},
    {"agent", "remove", "NAME", "remove an agent; its sessions go on", COMMAND_SEND, "DELETE",
     "agents/{0}", NULL, NULL, change_only, NULL},
    {"channel", "list", "", "addresses with devices behind them", COMMAND_LIST, "GET", "channels",
     NULL, NULL, channel_list_options, channel_columns},
    {"channel", "show", "NAME", "one channel", COMMAND_SHOW, "GET", "channels/{0}", NULL, NULL,
     no_options, NULL},
    {"channel", "add", "NAME", "a new channel", COMMAND_SEND, "POST", "channels", name_field, NULL,
     channel_add_options, NULL},
    {"channel", "set", "NAME", "change a channel; it counts for sessions that are asked for later",
     COMMAND_SEND, "PATCH", "channels/{0}", NULL, NULL, channel_change_options, NULL},
    {"channel", "remove", "NAME", "remove a channel without devices", COMMAND_SEND, "DELETE",
     "channels/{0}", NULL, NULL, change_only, NULL},
    {"token", "list", "", "access tokens of the admin API", COMMAND_LIST, "GET", "tokens", NULL,
     NULL, list_options, token_columns},
    {"token", "show", "NAME", "one token, but for the token itself", COMMAND_SHOW, "GET",
     "tokens/{0}", NULL, NULL, no_options, NULL},
    {"token", "add", "NAME", "a new token, which is shown once", COMMAND_SEND, "POST", "tokens",
     name_field, NULL, token_add_options, NULL},
    {"token", "set", "NAME", "change a token; the token itself stays", COMMAND_SEND, "PATCH",
     "tokens/{0}", NULL, NULL, token_change_options, NULL},
    {"token", "enable", "NAME", "let a token be used", COMMAND_SEND, "PATCH", "tokens/{0}", NULL,
     "enabled", change_only, NULL},
    {"token", "disable", "NAME", "let a token not be used", COMMAND_SEND, "PATCH", "tokens/{0}",
     NULL, "!enabled", change_only, NULL},
    {"token", "remove", "NAME", "remove a token; it can't be used from now on", COMMAND_SEND,
     "DELETE", "tokens/{0}", NULL, NULL, change_only, NULL},
    {"binding", "list", "", "which project devices join by which port", COMMAND_LIST, "GET",
     "bindings", NULL, NULL, no_options, binding_columns},
    {"binding", "set", "LISTENER PROJECT",
     "devices that register on the listener (name or port), or wait there, join the project",
     COMMAND_SEND, "PUT", "bindings/{0}", binding_fields, NULL, binding_set_options, NULL},
    {"binding", "remove", "LISTENER", "devices that register there join no project", COMMAND_SEND,
     "DELETE", "bindings/{0}", NULL, NULL, binding_remove_options, NULL},
    {"listener", "list", "", "ports on which devices dial in, and those for agents", COMMAND_LIST,
     "GET", "listeners", NULL, NULL, no_options, listener_columns},
    {"listener", "show", "LISTENER", "one listener (name or port)", COMMAND_SHOW, "GET",
     "listeners/{0}", NULL, NULL, no_options, NULL},
    {"listener", "stop", "LISTENER",
     "close a listener (name or port), until it is started; its links stay", COMMAND_SEND, "PATCH",
     "listeners/{0}", NULL, "!running", listener_stop_options, NULL},
    {"listener", "start", "LISTENER", "open a listener again that was stopped", COMMAND_SEND,
     "PATCH", "listeners/{0}", NULL, "running", change_only, NULL},
    {"link", "list", "", "connections of devices", COMMAND_LIST, "GET", "links", NULL, NULL,
     link_list_options, link_columns},
    {"failed", "list", "", "the last connections that were not identified", COMMAND_LIST, "GET",
     "links/failed", NULL, NULL, failed_list_options, failed_columns},
    {"consumer", "list", "", "head-end systems that take events", COMMAND_LIST, "GET", "consumers",
     NULL, NULL, no_options, consumer_columns},
    {"session", "list", "", "sessions of agents with devices", COMMAND_LIST, "GET", "sessions",
     NULL, NULL, session_list_options, session_columns},
    {"session", "kill", "ID", "end a session", COMMAND_SEND, "DELETE", "sessions/{0}", NULL, NULL,
     no_options, NULL},
    {"import", "", "FILE",
     "bring devices, groups and channels in from a file of ceHes (JSON) or CSV: all of it or "
     "nothing. Passwords of meters in it are left out",
     COMMAND_IMPORT, "POST", "import", NULL, NULL, import_options, import_columns},
    {"export", "", "", "write devices, groups and channels out", COMMAND_EXPORT, "GET", "export",
     NULL, NULL, export_options, NULL},
    {"audit", "", "[FOLDER]",
     "who reached which device, and who changed what: from the journal in FOLDER, or beside the "
     "socket",
     COMMAND_AUDIT, NULL, NULL, NULL, NULL, audit_options, NULL},
    {"journal", "verify", "FOLDER",
     "read every record of the journal in FOLDER (the folder `journal` in the server's state "
     "folder); one line for each segment. The server may run; what it writes meanwhile may look "
     "like a torn tail",
     COMMAND_VERIFY, NULL, NULL, NULL, NULL, no_options, NULL},
    {"journal", "dump", "FOLDER", "print the records as JSON, one to a line", COMMAND_DUMP, NULL,
     NULL, NULL, NULL, dump_options, NULL},
};
const size_t command_count = sizeof(commands) / sizeof(commands[0]);

const struct command *command_find(const char *noun, const char *verb)
{
    for (size_t i = 0; i < command_count; i++)
        if (strcmp(commands[i].noun, noun) == 0 &&
            (commands[i].verb[0] == '\0' || (verb != NULL && strcmp(commands[i].verb, verb) == 0)))
            return &commands[i];
    return NULL;
}

const struct option_spec *command_option(const struct command *command, size_t index)
{
    for (const struct option_spec *option = command->options; option->name != NULL; option++)
        if (index-- == 0)
            return option;
    if (command->sort >= COMMAND_AUDIT)
        return NULL;
    for (const struct option_spec *option = server_options; option->name != NULL; option++)
        if (!(option->sort == OPTION_WATCH && command->sort >= COMMAND_SEND) && index-- == 0)
            return option;
    return NULL;
}
