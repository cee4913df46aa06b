#include "server/bridge/registry.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/bridge/bridge.h"

struct session_registry {
    pthread_mutex_t lock;
    struct list sessions; /* struct session_entry, by id */
};

struct kill_message {
    struct message message;
    uint64_t id;
};

enum status session_registry_create(struct session_registry **registry)
{
    struct session_registry *made = calloc(1, sizeof *made);
    if (made == NULL)
        return STATUS_NO_MEMORY;
    CHECK(pthread_mutex_init(&made->lock, NULL) == 0);
    list_init(&made->sessions);
    *registry = made;
    return STATUS_OK;
}

void session_registry_free(struct session_registry *registry)
{
    if (registry == NULL)
        return;
    CHECK(list_empty(&registry->sessions));
    (void)pthread_mutex_destroy(&registry->lock);
    free(registry);
}

static struct session_registry *lock_registry(const struct server *server)
{
    CHECK(pthread_mutex_lock(&server->registry->lock) == 0);
    return server->registry;
}

static void unlock_registry(struct session_registry *registry)
{
    CHECK(pthread_mutex_unlock(&registry->lock) == 0);
}

/* ---- by the sessions ---- */

static void fill(struct session *session)
{
    struct session_entry *entry = &session->entry;
    struct shard *shard = session->shard;
    entry->shard = shard->index;
    entry->facts.state = session->state;
    if (session->state == SESSION_JOINED && entry->facts.started_utc_ms == 0)
        entry->facts.started_utc_ms = reactor_utc_ms(shard->reactor);
}

void session_registry_add(struct session *session)
{
    struct session_entry *entry = &session->entry;
    struct session_facts *facts = &entry->facts;
    memset(entry, 0, sizeof *entry);
    list_init(&entry->node);
    facts->id = session->id;
    facts->device = session->device;
    facts->peer = session->peer;
    facts->path = (uint8_t)session->way->path;
    facts->priority = session->priority;
    facts->asked_utc_ms = reactor_utc_ms(session->shard->reactor);
    memcpy(facts->agent_name, session->agent_name, sizeof facts->agent_name);
    fill(session);
    entry->asked_ms = reactor_now_ms(session->shard->reactor);
    atomic_store(&entry->moved_ms, entry->asked_ms);
    struct session_registry *registry = lock_registry(session->shard->server);
    /* numbers are given out before the lock is taken, so two may be the other way round */
    struct list *place = registry->sessions.previous;
    while (place != &registry->sessions &&
           container_of(place, struct session_entry, node)->facts.id > facts->id)
        place = place->previous;
    list_append(place->next, &entry->node);
    unlock_registry(registry);
}

void session_registry_update(struct session *session)
{
    struct session_registry *registry = lock_registry(session->shard->server);
    fill(session);
    unlock_registry(registry);
}

void session_registry_remove(struct session *session)
{
    struct session_registry *registry = lock_registry(session->shard->server);
    if (session->entry.node.next != NULL)
        list_remove(&session->entry.node);
    unlock_registry(registry);
}

/* ---- by anyone ---- */

static void copy(const struct session_entry *entry, struct session_facts *facts)
{
    *facts = entry->facts;
    facts->bytes_to_agent = atomic_load_explicit(&entry->bytes_to_agent, memory_order_relaxed);
    facts->bytes_to_device = atomic_load_explicit(&entry->bytes_to_device, memory_order_relaxed);
    uint64_t moved_ms = atomic_load_explicit(&entry->moved_ms, memory_order_relaxed);
    facts->moved_utc_ms = facts->asked_utc_ms + (moved_ms - entry->asked_ms);
}

size_t sessions_list(struct server *server, uint64_t after, struct session_facts *facts,
                     size_t capacity)
{
    size_t count = 0;
    struct session_registry *registry = lock_registry(server);
    for (struct list *node = registry->sessions.next;
         node != &registry->sessions && count < capacity; node = node->next) {
        const struct session_entry *entry = container_of(node, struct session_entry, node);
        if (entry->facts.id > after)
            copy(entry, &facts[count++]);
    }
    unlock_registry(registry);
    return count;
}

/* In the shard in which the session was. If it has left meanwhile, its arrival finds the flag. */
static void deliver(struct message *message, struct reactor *reactor)
{
    struct kill_message *kill = container_of(message, struct kill_message, message);
    struct shard *shard = shard_of(reactor);
    for (struct list *node = shard->sessions.next; node != &shard->sessions; node = node->next) {
        struct session *session = container_of(node, struct session, node);
        if (session->id == kill->id) {
            session_killed(session);
            break;
        }
    }
    atomic_fetch_sub(&shard->server->messages, 1);
    free(kill);
}

static struct session_entry *find(struct session_registry *registry, uint64_t id)
{
    for (struct list *node = registry->sessions.next; node != &registry->sessions;
         node = node->next) {
        struct session_entry *entry = container_of(node, struct session_entry, node);
        if (entry->facts.id == id)
            return entry;
    }
    return NULL;
}

enum status session_kill(struct server *server, uint64_t id)
{
    struct kill_message *kill = malloc(sizeof *kill);
    if (kill == NULL)
        return STATUS_NO_MEMORY;
    kill->message.deliver = deliver;
    kill->id = id;
    struct session_registry *registry = lock_registry(server);
    struct session_entry *entry = find(registry, id);
    uint32_t shard = entry != NULL ? entry->shard : 0;
    if (entry != NULL) {
        atomic_store(&entry->kill, true);
        atomic_fetch_add(&server->messages, 1);
    }
    unlock_registry(registry);
    if (entry == NULL) {
        free(kill);
        return STATUS_NOT_FOUND;
    }
    reactor_post(NULL, server->shards[shard]->reactor, &kill->message);
    return STATUS_OK;
}
