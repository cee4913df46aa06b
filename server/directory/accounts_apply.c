/* What records of the journal make of the tables. Each object carries its revision, so that a
 * record that is older than what is known changes nothing. */
#include <openssl/crypto.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/host.h"
#include "server/directory/internal.h"
#include "server/directory/named_facts.h"
#include "server/directory/tokens_apply.h"

/* ---- projects and groups ---- */

static struct named_facts project_fact(const Cenc__V1__Project *item)
{
    return (struct named_facts){
        .id = item->id, .revision = item->revision, .name = item->name, .note = item->note};
}

static enum status put_project(struct accounts *accounts, const Cenc__V1__Project *item)
{
    struct named_facts fact = item != NULL ? project_fact(item) : (struct named_facts){0};

    if (item == NULL || !named_facts_possible(&fact))
        return STATUS_INVALID;
    struct named *named = named_facts_entry(&accounts->projects, &fact, sizeof(struct project));
    if (named == NULL)
        return STATUS_NO_MEMORY;
    raise_last_id(&accounts->last_project, fact.id);
    if (named->revision >= fact.revision)
        return STATUS_OK;
    named_facts_set(&accounts->projects, named, &fact);
    return id_name_set(accounts, &accounts->project_names, fact.id, fact.name);
}

static enum status remove_project(struct accounts *accounts, const Cenc__V1__Project *item)
{
    return item != NULL
               ? named_facts_remove(accounts, &accounts->projects, &accounts->project_names,
                                    &accounts->last_project, item->id)
               : STATUS_INVALID;
}

static void count_group(struct accounts *accounts, uint32_t project, int by)
{
    struct named *owner = named_get(&accounts->projects, project);

    if (owner != NULL)
        project_of(owner)->groups += (uint32_t)by;
}

static enum status put_group(struct accounts *accounts, const Cenc__V1__Group *item)
{
    struct named_facts fact = {0};

    if (item != NULL)
        fact = (struct named_facts){.id = item->id,
                                    .within = item->project_id,
                                    .revision = item->revision,
                                    .name = item->name,
                                    .note = item->note};
    if (item == NULL || !named_facts_possible(&fact))
        return STATUS_INVALID;
    struct named *named = named_facts_entry(&accounts->groups, &fact, sizeof(struct group));
    if (named == NULL)
        return STATUS_NO_MEMORY;
    raise_last_id(&accounts->last_group, fact.id);
    if (named->revision >= fact.revision)
        return STATUS_OK;
    if (named->revision == 0)
        count_group(accounts, named->within, 1);
    named_facts_set(&accounts->groups, named, &fact);
    return id_name_set(accounts, &accounts->group_names, fact.id, fact.name);
}

static enum status remove_group(struct accounts *accounts, const Cenc__V1__Group *item)
{
    const struct named *named = item != NULL ? named_get(&accounts->groups, item->id) : NULL;

    if (item == NULL)
        return STATUS_INVALID;
    if (named != NULL)
        count_group(accounts, named->within, -1);
    return named_facts_remove(accounts, &accounts->groups, &accounts->group_names,
                              &accounts->last_group, item->id);
}

/* ---- agents ---- */

static int by_number(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;

    return (a > b) - (a < b);
}

static bool possible_rights(const Cenc__V1__Agent *item)
{
    return item->n_groups <= AGENT_MAX_GROUPS && item->n_projects <= AGENT_MAX_PROJECTS &&
           item->n_sources <= AGENT_MAX_SOURCES;
}

static void free_rights(struct agent_rights *rights)
{
    free(rights->groups);
    free(rights->projects);
    free(rights->sources);
}

static enum status make_rights(const Cenc__V1__Agent *item, struct agent_rights *rights)
{
    *rights = (struct agent_rights){
        .extended = item->extended,
        .groups = calloc(item->n_groups + 1, sizeof(*rights->groups)),
        .projects = calloc(item->n_projects + 1, sizeof(*rights->projects)),
        .sources = calloc(item->n_sources + 1, sizeof(*rights->sources)),
        .group_count = (uint32_t)item->n_groups,
        .project_count = (uint32_t)item->n_projects,
        .source_count = (uint32_t)item->n_sources,
    };
    enum status status =
        rights->groups == NULL || rights->projects == NULL || rights->sources == NULL
            ? STATUS_NO_MEMORY
            : STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < item->n_groups; i++)
        rights->groups[i] = item->groups[i]->id;
    for (size_t i = 0; status == STATUS_OK && i < item->n_projects; i++)
        rights->projects[i] = item->projects[i]->id;
    for (size_t i = 0; status == STATUS_OK && i < item->n_sources; i++)
        status = cidr_parse(item->sources[i], &rights->sources[i]);
    if (status != STATUS_OK) {
        free_rights(rights);
        return status;
    }
    qsort(rights->groups, rights->group_count, sizeof(uint32_t), by_number);
    qsort(rights->projects, rights->project_count, sizeof(uint32_t), by_number);
    return STATUS_OK;
}

/* The password that was recorded just before, for this revision. */
static void take_secret(struct accounts *accounts, struct agent *agent)
{
    struct pending_secret *secret = &accounts->secret;

    if (secret->id == agent->named.id && secret->revision == agent->named.revision)
        agent->password = secret->hash;
    OPENSSL_cleanse(secret, sizeof(*secret));
}

static enum status put_agent(struct accounts *accounts, const Cenc__V1__Agent *item,
                             bool has_new_password)
{
    struct named_facts fact = {0};
    struct agent_rights rights;

    if (item != NULL)
        fact = (struct named_facts){
            .id = item->id, .revision = item->revision, .name = item->name, .note = item->note};
    if (item == NULL || !named_facts_possible(&fact) || !possible_rights(item))
        return STATUS_INVALID;
    struct named *named = named_get(&accounts->agents, fact.id);
    raise_last_id(&accounts->last_agent, fact.id);
    if (named != NULL && named->revision >= fact.revision)
        return STATUS_OK;
    enum status status = make_rights(item, &rights);
    if (status != STATUS_OK)
        return status;
    named = named_facts_entry(&accounts->agents, &fact, sizeof(struct agent));
    if (named == NULL) {
        free_rights(&rights);
        return STATUS_NO_MEMORY;
    }
    struct agent *agent = agent_of(named);
    named_facts_set(&accounts->agents, named, &fact);
    free_rights(&agent->rights);
    agent->rights = rights;
    agent->enabled = !item->disabled;
    agent->expires_utc_ms = item->expires_unix_ms > 0 ? (uint64_t)item->expires_unix_ms : 0;
    agent->max_sessions = item->max_sessions;
    agent->priority =
        item->priority == CENC__V1__AGENT_PRIORITY__AGENT_PRIORITY_PERSON       ? AGENT_PERSON
        : item->priority == CENC__V1__AGENT_PRIORITY__AGENT_PRIORITY_COLLECTION ? AGENT_COLLECTION
                                                                                : AGENT_BY_WAY;
    agent_forget(accounts, agent);
    if (has_new_password)
        take_secret(accounts, agent);
    return STATUS_OK;
}

static enum status remove_agent(struct accounts *accounts, const Cenc__V1__Agent *item)
{
    return item != NULL ? named_facts_remove(accounts, &accounts->agents, NULL,
                                             &accounts->last_agent, item->id)
                        : STATUS_INVALID;
}

/* ---- channels ---- */

static enum status put_channel(struct accounts *accounts, const Cenc__V1__Channel *item)
{
    struct named_facts fact = {0};

    if (item != NULL)
        fact = (struct named_facts){
            .id = item->id, .revision = item->revision, .name = item->name, .note = item->note};
    if (item == NULL || !named_facts_possible(&fact) || !host_is_valid(item->host) ||
        item->port == 0 || item->port > UINT16_MAX)
        return STATUS_INVALID;
    struct named *named = named_get(&accounts->channels, fact.id);
    raise_last_id(&accounts->last_channel, fact.id);
    if (named != NULL && named->revision >= fact.revision)
        return STATUS_OK;
    char *host = strdup(item->host);
    if (host != NULL)
        named = named_facts_entry(&accounts->channels, &fact, sizeof(struct channel));
    if (host == NULL || named == NULL) {
        free(host);
        return STATUS_NO_MEMORY;
    }
    struct channel *channel = channel_of(named);
    named_facts_set(&accounts->channels, named, &fact);
    free(channel->host);
    channel->host = host;
    channel->project = item->project_id;
    channel->port = (uint16_t)item->port;
    channel->exclusive = item->exclusive;
    channel->enabled = !item->disabled;
    return id_name_set(accounts, &accounts->channel_names, fact.id, fact.name);
}

static enum status remove_channel(struct accounts *accounts, const Cenc__V1__Channel *item)
{
    return item != NULL
               ? named_facts_remove(accounts, &accounts->channels, &accounts->channel_names,
                                    &accounts->last_channel, item->id)
               : STATUS_INVALID;
}

/* ---- bindings ---- */

static struct binding *add_binding(struct accounts *accounts, const char *listener)
{
    if (accounts->binding_count == accounts->binding_capacity) {
        size_t capacity = accounts->binding_capacity * 2 + 8;
        struct binding *bindings = realloc(accounts->bindings, capacity * sizeof(*bindings));
        if (bindings == NULL)
            return NULL;
        accounts->bindings = bindings;
        accounts->binding_capacity = capacity;
    }
    struct binding *binding = &accounts->bindings[accounts->binding_count++];
    *binding = (struct binding){0};
    (void)snprintf(binding->listener, sizeof(binding->listener), "%s", listener);
    return binding;
}

static void bind_listener(struct directory *directory, const struct binding *binding)
{
    const struct directory_config *config = &directory->config;

    for (size_t i = 0; config->listeners != NULL && i < config->listener_count; i++)
        if (strcmp(config->listeners[i].name, binding->listener) == 0)
            atomic_store_explicit(&directory->accounts->bound[i], binding->project,
                                  memory_order_release);
}

static enum status put_binding(struct directory *directory, const Cenc__V1__BindingChanged *item)
{
    struct accounts *accounts = directory->accounts;

    if (item->listener[0] == '\0' || strlen(item->listener) >= CONFIG_NAME_SIZE ||
        item->revision == 0)
        return STATUS_INVALID;
    struct binding *binding = binding_called(accounts, item->listener);
    if (binding == NULL)
        binding = add_binding(accounts, item->listener);
    if (binding == NULL)
        return STATUS_NO_MEMORY;
    if (binding->revision >= item->revision)
        return STATUS_OK;
    binding->revision = item->revision;
    binding->project = item->project_id;
    binding->sweep_from = item->former_project_id;
    binding->sweep = item->move && item->former_project_id != 0 ? SWEEP_MOVING
                     : item->project_id != 0                    ? SWEEP_WAITING
                                                                : SWEEP_NONE;
    bind_listener(directory, binding);
    return STATUS_OK;
}

/* ---- records ---- */

static enum status apply(struct directory *directory, const Cenc__V1__Event *event)
{
    struct accounts *accounts = directory->accounts;

    switch (event->body_case) {
    case CENC__V1__EVENT__BODY_PROJECT_ADDED:
        return put_project(accounts, event->project_added->item);
    case CENC__V1__EVENT__BODY_PROJECT_CHANGED:
        return put_project(accounts, event->project_changed->item);
    case CENC__V1__EVENT__BODY_PROJECT_REMOVED:
        return remove_project(accounts, event->project_removed->item);
    case CENC__V1__EVENT__BODY_GROUP_ADDED:
        return put_group(accounts, event->group_added->item);
    case CENC__V1__EVENT__BODY_GROUP_CHANGED:
        return put_group(accounts, event->group_changed->item);
    case CENC__V1__EVENT__BODY_GROUP_REMOVED:
        return remove_group(accounts, event->group_removed->item);
    case CENC__V1__EVENT__BODY_AGENT_ADDED:
        return put_agent(accounts, event->agent_added->item,
                         event->agent_added->item != NULL &&
                             event->agent_added->item->has_password);
    case CENC__V1__EVENT__BODY_AGENT_CHANGED:
        return put_agent(accounts, event->agent_changed->item,
                         event->agent_changed->password_changed);
    case CENC__V1__EVENT__BODY_AGENT_REMOVED:
        return remove_agent(accounts, event->agent_removed->item);
    case CENC__V1__EVENT__BODY_BINDING_CHANGED:
        return put_binding(directory, event->binding_changed);
    case CENC__V1__EVENT__BODY_CHANNEL_ADDED:
        return put_channel(accounts, event->channel_added->item);
    case CENC__V1__EVENT__BODY_CHANNEL_CHANGED:
        return put_channel(accounts, event->channel_changed->item);
    case CENC__V1__EVENT__BODY_CHANNEL_REMOVED:
        return remove_channel(accounts, event->channel_removed->item);
    case CENC__V1__EVENT__BODY_LISTENER_STOPPED:
        return halt_put(accounts, event->listener_stopped->listener,
                        event->listener_stopped->revision, true);
    case CENC__V1__EVENT__BODY_LISTENER_STARTED:
        return halt_put(accounts, event->listener_started->listener,
                        event->listener_started->revision, false);
    default:
        return tokens_apply(accounts, event);
    }
}

/* Most events say nothing of the tables: no lock for them. */
static bool concerns(const Cenc__V1__Event *event)
{
    return (event->body_case >= CENC__V1__EVENT__BODY_AGENT_ADDED &&
            event->body_case <= CENC__V1__EVENT__BODY_TOKEN_REMOVED) ||
           event->body_case == CENC__V1__EVENT__BODY_LISTENER_STOPPED ||
           event->body_case == CENC__V1__EVENT__BODY_LISTENER_STARTED;
}

enum status accounts_apply(struct directory *directory, const Cenc__V1__Event *event)
{
    if (!concerns(event))
        return STATUS_OK;
    CHECK(pthread_rwlock_wrlock(&directory->accounts->lock) == 0);
    enum status status = apply(directory, event);
    accounts_unlock(directory->accounts);
    return status;
}

static enum status put_secret(struct accounts *accounts,
                              const Cenc__Private__V1__AgentSecret *secret)
{
    if (secret->id == 0 || secret->salt.len != PASSWORD_SALT_SIZE ||
        secret->hash.len != PASSWORD_HASH_SIZE)
        return STATUS_INVALID;
    accounts->secret = (struct pending_secret){
        .id = secret->id,
        .revision = secret->revision,
        .hash = {.log2_n = secret->log2_n, .r = secret->r, .p = secret->p},
    };
    memcpy(accounts->secret.hash.salt, secret->salt.data, PASSWORD_SALT_SIZE);
    memcpy(accounts->secret.hash.hash, secret->hash.data, PASSWORD_HASH_SIZE);
    return STATUS_OK;
}

static void end_sweep(struct accounts *accounts, const Cenc__Private__V1__BindingSwept *swept)
{
    struct binding *binding = binding_called(accounts, swept->listener);

    if (binding != NULL && binding->revision == swept->revision)
        binding->sweep = SWEEP_NONE;
}

enum status accounts_apply_private(struct directory *directory,
                                   const Cenc__Private__V1__Record *record)
{
    enum status status = STATUS_OK;

    CHECK(pthread_rwlock_wrlock(&directory->accounts->lock) == 0);
    if (record->body_case == CENC__PRIVATE__V1__RECORD__BODY_AGENT_SECRET)
        status = put_secret(directory->accounts, record->agent_secret);
    else if (record->body_case == CENC__PRIVATE__V1__RECORD__BODY_BINDING_SWEPT)
        end_sweep(directory->accounts, record->binding_swept);
    else if (record->body_case == CENC__PRIVATE__V1__RECORD__BODY_TOKEN_HASH)
        status = tokens_apply_hash(directory->accounts, record->token_hash);
    accounts_unlock(directory->accounts);
    return status;
}
