/* Agents: accounts of reading software. Copies of what is there; they change only through edits
 * (edit.h). Logging in is login.h, what an agent may reach is access.h. Thread-safe, short.
 *
 * Accounts exist only with server.state_dir: without it nothing could be kept of them, the table is
 * empty for ever and every login fails. */
#ifndef CENCD_DIRECTORY_AGENTS_H
#define CENCD_DIRECTORY_AGENTS_H

#include "server/directory/projects.h"

#define AGENT_MAX_GROUPS   128u
#define AGENT_MAX_PROJECTS 64u
#define AGENT_MAX_SOURCES  32u
#define AGENT_PASSWORD_MAX 255u /* bytes, as in RFC 1929 */

/* Names an account for as long as it exists. id 0: none. */
struct agent_ref {
    uint32_t id;
};

/* As what it waits for a device that another has: numbers of Cenc__V1__AgentPriority. */
enum agent_priority {
    AGENT_BY_WAY, /* as the way in says */
    AGENT_PERSON,
    AGENT_COLLECTION,
};

struct agent_info {
    uint32_t id;
    uint64_t revision;
    char name[DIRECTORY_NAME_SIZE];
    char note[DIRECTORY_NOTE_SIZE];
    bool enabled;
    bool extended;           /* reaches every device */
    bool has_password;       /* without one, only by its source addresses */
    uint64_t expires_utc_ms; /* from then on it may not log in; 0: never */
    uint32_t max_sessions;   /* at a time; 0: no limit of its own */
    uint32_t sessions;       /* now */
    enum agent_priority priority;
    uint32_t group_count; /* granted */
    uint32_t project_count;
    uint32_t source_count; /* 0: from anywhere */
    uint32_t groups[AGENT_MAX_GROUPS];
    uint32_t projects[AGENT_MAX_PROJECTS];
    struct cidr sources[AGENT_MAX_SOURCES];
};

/* False: there is none. */
bool agent_get(struct directory *directory, struct agent_ref agent, struct agent_info *info);
bool agent_find(struct directory *directory, const char *name, struct agent_info *info);
size_t agents_list(struct directory *directory, uint32_t after, struct agent_info *infos,
                   size_t capacity);

/* The name, for logs and events; "" and false if the account is gone. */
bool agent_name(struct directory *directory, struct agent_ref agent,
                char name[static DIRECTORY_NAME_SIZE]);

/* AGENT_BY_WAY if the account is gone. */
enum agent_priority agent_priority(struct directory *directory, struct agent_ref agent);

/* For ways in that ask for no password: the account that lists a network which holds the peer. The
 * longest prefix wins, then the older account. Accounts that list none, that are disabled or
 * expired are not looked at. False: none. */
bool agent_by_source(struct directory *directory, const struct address *peer, uint64_t utc_ms,
                     struct agent_ref *agent);

/* A session of the account begins, if its limit allows; each true is followed by one end, also
 * when the account is gone by then. */
bool agent_session_begin(struct directory *directory, struct agent_ref agent);
void agent_session_end(struct directory *directory, struct agent_ref agent);

struct agent_counts {
    uint32_t agents;
    uint32_t extended;
    uint32_t sessions;
};
void agents_count(struct directory *directory, struct agent_counts *counts);

#endif
