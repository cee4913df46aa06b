/* Inside the directory: its tables of projects, groups, agents, channels and bindings.
 *
 * Order of locks: a stripe's, then the tables', then the lock of remembered passwords. */
#ifndef CENCD_DIRECTORY_ACCOUNTS_H
#define CENCD_DIRECTORY_ACCOUNTS_H

#include <cenc/private/v1/records.pb-c.h>
#include <pthread.h>

#include "codec/proto/event.h"
#include "server/base/siphash.h"
#include "server/directory/access.h"
#include "server/directory/attempts.h"
#include "server/directory/halts.h"
#include "server/directory/login.h"
#include "server/directory/named.h"
#include "server/directory/password.h"
#include "server/directory/places.h"
#include "server/directory/text_pool.h"
#include "server/directory/tokens.h"

/* Names by id, read without a lock. */
#define IDS_PER_CHUNK 1024u
#define ID_CHUNKS     1024u
#define ID_MAX        (IDS_PER_CHUNK * ID_CHUNKS - 1)

struct id_names {
    _Atomic(_Atomic(const char *) *) chunks[ID_CHUNKS];
};

const char *id_name(const struct id_names *names, uint32_t id); /* "": none */

struct project {
    struct named named;
    _Atomic uint64_t devices;
    uint32_t groups;
};

struct group {
    struct named named;
    _Atomic uint64_t devices;
};

struct channel {
    struct named named;
    _Atomic uint64_t devices;
    uint32_t project; /* 0: none */
    uint16_t port;
    bool exclusive;
    bool enabled;
    char *host;
};

#define REMEMBERED_SIZE   32u
#define REMEMBERED_FOR_MS 600000u

struct remembered {
    uint8_t mac[REMEMBERED_SIZE];
    uint64_t until_ms; /* 0: none */
};

struct agent_rights {
    bool extended;
    uint32_t *groups; /* sorted */
    uint32_t *projects;
    struct cidr *sources;
    uint32_t group_count;
    uint32_t project_count;
    uint32_t source_count;
};

struct agent {
    struct named named;
    bool enabled;
    uint64_t expires_utc_ms;
    uint32_t max_sessions;
    enum agent_priority priority;
    struct agent_rights rights;
    struct password_hash password;
    struct remembered remembered; /* under its own lock */
    _Atomic uint32_t sessions;
};

enum sweep {
    SWEEP_NONE,
    SWEEP_WAITING, /* devices of no project that are on this port */
    SWEEP_MOVING,  /* and those of the former project */
};

struct binding {
    char listener[CONFIG_NAME_SIZE];
    uint64_t revision;
    uint32_t project;
    uint32_t sweep_from; /* the former project */
    enum sweep sweep;
};

/* A listener that was stopped, or started again. */
struct halt {
    char listener[CONFIG_NAME_SIZE];
    struct halt_info info;
};

struct token {
    struct named named;
    struct token_settings settings;
    uint64_t added_utc_ms;
    _Atomic uint64_t used_utc_ms;
    bool has_hash;
    uint8_t hash[TOKEN_HASH_SIZE];
};

/* A hash whose token's event has not come yet. */
struct pending_hash {
    uint32_t id; /* 0: none */
    uint8_t hash[TOKEN_HASH_SIZE];
};

/* A password whose account's event has not come yet. */
struct pending_secret {
    uint32_t id;
    uint64_t revision;
    struct password_hash hash;
};

struct accounts {
    pthread_rwlock_t lock;
    struct named_table projects;
    struct named_table groups;
    struct named_table agents;
    struct named_table channels;
    struct named_table tokens;
    struct binding *bindings;
    size_t binding_count;
    size_t binding_capacity;
    struct halt *halts;
    size_t halt_count;
    _Atomic uint32_t *bound; /* project of each configured listener */
    uint32_t last_project;   /* ids that were given */
    uint32_t last_group;
    uint32_t last_agent;
    uint32_t last_channel;
    uint32_t last_token;
    struct pending_secret secret;
    struct pending_hash token_hash;
    struct id_names project_names;
    struct id_names group_names;
    struct id_names channel_names;
    struct text_pool texts; /* of id_names */
    pthread_mutex_t remembering;
    uint8_t remember_key[32];
    pthread_mutex_t attempting; /* the next one's */
    struct attempts *attempts;
    struct login_counters logins;
};

enum status accounts_init(struct accounts *accounts, const struct directory_config *config,
                          const struct siphash_key *key) MUST_CHECK;
void accounts_destroy(struct accounts *accounts);

/* Tables of a directory, locked to read. */
struct accounts *accounts_read(const struct directory *directory);
void accounts_unlock(struct accounts *accounts);

static inline struct project *project_of(struct named *named)
{
    return (struct project *)named;
}
static inline struct group *group_of(struct named *named)
{
    return (struct group *)named;
}
static inline struct channel *channel_of(struct named *named)
{
    return (struct channel *)named;
}
static inline struct token *token_of(struct named *named)
{
    return (struct token *)named;
}
static inline struct agent *agent_of(struct named *named)
{
    return (struct agent *)named;
}

/* What a record of a listener says, if it is newer. Under the lock. */
enum status halt_put(struct accounts *accounts, const char *listener, uint64_t revision,
                     bool stopped) MUST_CHECK;

struct binding *binding_called(const struct accounts *accounts, const char *listener);

/* Does to the tables what a record of the journal says, if it is newer than what they have: at the
 * start, and when an edit is committed. Records that say nothing of them are STATUS_OK.
 * STATUS_INVALID: no such record can be; STATUS_NO_MEMORY. */
enum status accounts_apply(struct directory *directory, const Cenc__V1__Event *event) MUST_CHECK;
enum status accounts_apply_private(struct directory *directory,
                                   const Cenc__Private__V1__Record *record) MUST_CHECK;

/* A device leaves one place for another: counts. Under its stripe's lock. */
void accounts_count_device(struct accounts *accounts, const struct place *place, int by);

/* Whether `password` was found right for the account not long ago, and that it is now. */
bool agent_remembers(struct accounts *accounts, struct agent *agent, const uint8_t *password,
                     size_t size, uint64_t now_ms);
void agent_remember(struct accounts *accounts, struct agent *agent, const uint8_t *password,
                    size_t size, uint64_t now_ms);
void agent_forget(struct accounts *accounts, struct agent *agent);

/* The account itself, whatever the device. */
enum access_verdict agent_verdict(const struct agent *agent, const struct address *peer,
                                  uint64_t utc_ms);

#endif
