#include "server/directory/accounts.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "server/directory/internal.h"

#define MAX_NAMES TEXT_POOL_CAPACITY /* distinct names of projects and groups in one run */

/* ---- making and freeing ---- */

static void free_plain(struct named *named)
{
    free(named);
}

static void free_channel(struct named *named)
{
    free(channel_of(named)->host);
    free(named);
}

static void free_agent(struct named *named)
{
    struct agent *agent = agent_of(named);

    free(agent->rights.groups);
    free(agent->rights.projects);
    free(agent->rights.sources);
    OPENSSL_cleanse(agent, sizeof(*agent));
    free(agent);
}

static void init_lock(pthread_rwlock_t *lock)
{
    pthread_rwlockattr_t writers_first;

    CHECK(pthread_rwlockattr_init(&writers_first) == 0);
    CHECK(pthread_rwlockattr_setkind_np(&writers_first,
                                        PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP) == 0);
    CHECK(pthread_rwlock_init(lock, &writers_first) == 0);
    (void)pthread_rwlockattr_destroy(&writers_first);
}

enum status accounts_init(struct accounts *accounts, const struct directory_config *config,
                          const struct siphash_key *key)
{
    memset(accounts, 0, sizeof(*accounts));
    accounts->bound = calloc(config->listener_count + 1, sizeof(*accounts->bound));
    if (accounts->bound == NULL)
        return STATUS_NO_MEMORY;
    accounts->attempts = attempts_create();
    if (accounts->attempts == NULL ||
        text_pool_init(&accounts->texts, MAX_NAMES, key) != STATUS_OK) {
        free(accounts->attempts);
        free(accounts->bound);
        return STATUS_NO_MEMORY;
    }
    CHECK(pthread_mutex_init(&accounts->attempting, NULL) == 0);
    init_lock(&accounts->lock);
    CHECK(pthread_mutex_init(&accounts->remembering, NULL) == 0);
    CHECK(RAND_bytes(accounts->remember_key, sizeof(accounts->remember_key)) == 1);
    named_init(&accounts->projects, free_plain);
    named_init(&accounts->groups, free_plain);
    named_init(&accounts->agents, free_agent);
    named_init(&accounts->channels, free_channel);
    named_init(&accounts->tokens, free_plain);
    return STATUS_OK;
}

static void free_names(struct id_names *names)
{
    for (size_t i = 0; i < ID_CHUNKS; i++)
        free(atomic_load_explicit(&names->chunks[i], memory_order_relaxed));
}

void accounts_destroy(struct accounts *accounts)
{
    named_destroy(&accounts->projects);
    named_destroy(&accounts->groups);
    named_destroy(&accounts->agents);
    named_destroy(&accounts->channels);
    named_destroy(&accounts->tokens);
    free(accounts->bindings);
    free(accounts->halts);
    free(accounts->bound);
    free(accounts->attempts);
    (void)pthread_mutex_destroy(&accounts->attempting);
    free_names(&accounts->project_names);
    free_names(&accounts->group_names);
    free_names(&accounts->channel_names);
    text_pool_destroy(&accounts->texts);
    (void)pthread_mutex_destroy(&accounts->remembering);
    (void)pthread_rwlock_destroy(&accounts->lock);
    OPENSSL_cleanse(accounts->remember_key, sizeof(accounts->remember_key));
    OPENSSL_cleanse(&accounts->secret, sizeof(accounts->secret));
}

struct accounts *accounts_read(const struct directory *directory)
{
    struct accounts *accounts = directory->accounts;

    CHECK(pthread_rwlock_rdlock(&accounts->lock) == 0);
    return accounts;
}

void accounts_unlock(struct accounts *accounts)
{
    CHECK(pthread_rwlock_unlock(&accounts->lock) == 0);
}

/* ---- names by id ---- */

const char *id_name(const struct id_names *names, uint32_t id)
{
    if (id == 0 || id > ID_MAX)
        return "";
    _Atomic(const char *) *chunk =
        atomic_load_explicit(&names->chunks[id / IDS_PER_CHUNK], memory_order_acquire);
    const char *name = chunk != NULL
                           ? atomic_load_explicit(&chunk[id % IDS_PER_CHUNK], memory_order_acquire)
                           : NULL;
    return name != NULL ? name : "";
}

void accounts_count_device(struct accounts *accounts, const struct place *place, int by)
{
    if (place->project == 0 && place->channel == 0)
        return;
    CHECK(pthread_rwlock_rdlock(&accounts->lock) == 0);
    struct named *owner = named_get(&accounts->projects, place->project);
    struct named *inside = named_get(&accounts->groups, place->group);
    struct named *channel = named_get(&accounts->channels, place->channel);
    if (owner != NULL)
        atomic_fetch_add(&project_of(owner)->devices, (uint64_t)(int64_t)by);
    if (inside != NULL)
        atomic_fetch_add(&group_of(inside)->devices, (uint64_t)(int64_t)by);
    if (channel != NULL)
        atomic_fetch_add(&channel_of(channel)->devices, (uint64_t)(int64_t)by);
    accounts_unlock(accounts);
}

const struct login_counters *directory_login_counters(const struct directory *directory)
{
    return &directory->accounts->logins;
}
