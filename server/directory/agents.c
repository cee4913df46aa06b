#include "server/directory/agents.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdatomic.h>
#include <string.h>

#include "server/directory/copies.h"
#include "server/directory/internal.h"

/* ---- copies ---- */

static void copy_agent(const struct accounts *accounts, struct named *named, void *out)
{
    struct agent_info *info = out;
    struct agent *agent = agent_of(named);
    const struct agent_rights *rights = &agent->rights;

    (void)accounts;
    memset(info, 0, sizeof(*info));
    info->id = named->id;
    info->revision = named->revision;
    memcpy(info->name, named->name, sizeof(info->name));
    memcpy(info->note, named->note, sizeof(info->note));
    info->enabled = agent->enabled;
    info->extended = rights->extended;
    info->has_password = agent->password.log2_n != 0;
    info->expires_utc_ms = agent->expires_utc_ms;
    info->max_sessions = agent->max_sessions;
    info->priority = agent->priority;
    info->sessions = atomic_load_explicit(&agent->sessions, memory_order_relaxed);
    info->group_count = rights->group_count;
    info->project_count = rights->project_count;
    info->source_count = rights->source_count;
    for (uint32_t i = 0; i < rights->group_count; i++)
        info->groups[i] = rights->groups[i];
    for (uint32_t i = 0; i < rights->project_count; i++)
        info->projects[i] = rights->projects[i];
    for (uint32_t i = 0; i < rights->source_count; i++)
        info->sources[i] = rights->sources[i];
}

static const struct copies copies_of_agents = {
    .table = offsetof(struct accounts, agents),
    .size = sizeof(struct agent_info),
    .copy = copy_agent,
};

bool agent_get(struct directory *directory, struct agent_ref ref, struct agent_info *info)
{
    return copies_get(directory, &copies_of_agents, ref.id, info);
}

bool agent_find(struct directory *directory, const char *name, struct agent_info *info)
{
    return copies_find(directory, &copies_of_agents, 0, name, info);
}

size_t agents_list(struct directory *directory, uint32_t after, struct agent_info *infos,
                   size_t capacity)
{
    return copies_list(directory, &copies_of_agents, after, infos, capacity);
}

bool agent_name(struct directory *directory, struct agent_ref ref,
                char name[static DIRECTORY_NAME_SIZE])
{
    struct accounts *accounts = accounts_read(directory);
    const struct named *named = named_get(&accounts->agents, ref.id);

    name[0] = '\0';
    if (named != NULL)
        memcpy(name, named->name, DIRECTORY_NAME_SIZE);
    accounts_unlock(accounts);
    return named != NULL;
}

enum agent_priority agent_priority(struct directory *directory, struct agent_ref ref)
{
    struct accounts *accounts = accounts_read(directory);
    struct named *named = named_get(&accounts->agents, ref.id);
    enum agent_priority priority = named != NULL ? agent_of(named)->priority : AGENT_BY_WAY;

    accounts_unlock(accounts);
    return priority;
}

void agents_count(struct directory *directory, struct agent_counts *counts)
{
    struct accounts *accounts = accounts_read(directory);

    *counts = (struct agent_counts){.agents = (uint32_t)accounts->agents.count};
    for (size_t i = 0; i < accounts->agents.count; i++) {
        struct agent *agent = agent_of(accounts->agents.entries[i]);
        counts->extended += agent->rights.extended;
        counts->sessions += atomic_load_explicit(&agent->sessions, memory_order_relaxed);
    }
    accounts_unlock(accounts);
}

/* ---- where they come from ---- */

/* The prefix of the longest network that holds the peer; -1: none does. */
static int source_prefix(const struct agent *agent, const struct address *peer)
{
    int longest = -1;

    for (uint32_t i = 0; i < agent->rights.source_count; i++) {
        const struct cidr *source = &agent->rights.sources[i];
        if (source->prefix > longest && cidr_contains(source, peer))
            longest = source->prefix;
    }
    return longest;
}

bool agent_by_source(struct directory *directory, const struct address *peer, uint64_t utc_ms,
                     struct agent_ref *ref)
{
    struct accounts *accounts = accounts_read(directory);
    int longest = -1;

    for (size_t i = 0; i < accounts->agents.count; i++) {
        const struct agent *agent = agent_of(accounts->agents.entries[i]);
        int prefix = source_prefix(agent, peer);
        if (prefix > longest && agent_verdict(agent, peer, utc_ms) == ACCESS_ALLOWED) {
            longest = prefix;
            ref->id = agent->named.id;
        }
    }
    accounts_unlock(accounts);
    return longest >= 0;
}

enum access_verdict agent_verdict(const struct agent *agent, const struct address *peer,
                                  uint64_t utc_ms)
{
    if (!agent->enabled)
        return ACCESS_DISABLED;
    if (agent->expires_utc_ms != 0 && utc_ms >= agent->expires_utc_ms)
        return ACCESS_EXPIRED;
    if (agent->rights.source_count > 0 && source_prefix(agent, peer) < 0)
        return ACCESS_ADDRESS;
    return ACCESS_ALLOWED;
}

/* ---- sessions ---- */

bool agent_session_begin(struct directory *directory, struct agent_ref ref)
{
    struct accounts *accounts = accounts_read(directory);
    struct named *named = named_get(&accounts->agents, ref.id);
    bool room = false;

    if (named != NULL) {
        struct agent *agent = agent_of(named);
        uint32_t before = atomic_fetch_add(&agent->sessions, 1);
        room = agent->max_sessions == 0 || before < agent->max_sessions;
        if (!room)
            atomic_fetch_sub(&agent->sessions, 1);
    }
    accounts_unlock(accounts);
    return room;
}

void agent_session_end(struct directory *directory, struct agent_ref ref)
{
    struct accounts *accounts = accounts_read(directory);
    struct named *named = named_get(&accounts->agents, ref.id);

    if (named != NULL)
        atomic_fetch_sub(&agent_of(named)->sessions, 1);
    accounts_unlock(accounts);
}

/* ---- remembered passwords ---- */

/* Of account and password. */
static void compute_mac(const struct accounts *accounts, const struct agent *agent,
                        const uint8_t *password, size_t size, uint8_t mac[static REMEMBERED_SIZE])
{
    uint8_t message[sizeof(agent->named.id) + AGENT_PASSWORD_MAX];
    unsigned length = 0;

    CHECK(size <= AGENT_PASSWORD_MAX);
    memcpy(message, &agent->named.id, sizeof(agent->named.id));
    memcpy(message + sizeof(agent->named.id), password, size);
    CHECK(HMAC(EVP_sha256(), accounts->remember_key, sizeof(accounts->remember_key), message,
               sizeof(agent->named.id) + size, mac, &length) != NULL &&
          length == REMEMBERED_SIZE);
    OPENSSL_cleanse(message, sizeof(message));
}

bool agent_remembers(struct accounts *accounts, struct agent *agent, const uint8_t *password,
                     size_t size, uint64_t now_ms)
{
    uint8_t mac[REMEMBERED_SIZE];

    compute_mac(accounts, agent, password, size, mac);
    CHECK(pthread_mutex_lock(&accounts->remembering) == 0);
    bool known = now_ms < agent->remembered.until_ms &&
                 CRYPTO_memcmp(mac, agent->remembered.mac, sizeof(mac)) == 0;
    CHECK(pthread_mutex_unlock(&accounts->remembering) == 0);
    return known;
}

void agent_remember(struct accounts *accounts, struct agent *agent, const uint8_t *password,
                    size_t size, uint64_t now_ms)
{
    uint8_t mac[REMEMBERED_SIZE];

    compute_mac(accounts, agent, password, size, mac);
    CHECK(pthread_mutex_lock(&accounts->remembering) == 0);
    memcpy(agent->remembered.mac, mac, sizeof(mac));
    agent->remembered.until_ms = now_ms + REMEMBERED_FOR_MS;
    CHECK(pthread_mutex_unlock(&accounts->remembering) == 0);
}

void agent_forget(struct accounts *accounts, struct agent *agent)
{
    CHECK(pthread_mutex_lock(&accounts->remembering) == 0);
    OPENSSL_cleanse(&agent->remembered, sizeof(agent->remembered));
    CHECK(pthread_mutex_unlock(&accounts->remembering) == 0);
}
