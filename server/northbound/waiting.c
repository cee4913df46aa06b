#include "server/northbound/waiting.h"

#include <stdlib.h>
#include <string.h>

#include "server/northbound/ledger.h"

#define FIRST_BUCKETS 256u

struct waiting {
    struct list node;
    struct waiting *next_of_hash;
    const struct device *device;
    uint64_t hash;
    char key[]; /* scope, NUL, serial, NUL */
};

enum status waiting_init(struct waiting_devices *devices)
{
    list_init(&devices->all);
    list_init(&devices->walkers);
    devices->count = 0;
    devices->key = siphash_random_key();
    devices->bucket_count = FIRST_BUCKETS;
    devices->buckets = calloc(FIRST_BUCKETS, sizeof(struct waiting *));
    return devices->buckets != NULL ? STATUS_OK : STATUS_NO_MEMORY;
}

void waiting_free(struct waiting_devices *devices)
{
    struct list *next;

    for (struct list *node = devices->all.next; devices->buckets != NULL && node != &devices->all;
         node = next) {
        next = node->next;
        free(container_of(node, struct waiting, node));
    }
    free(devices->buckets);
}

/* ---- finding ---- */

static struct waiting **bucket_of(const struct waiting_devices *devices, uint64_t hash)
{
    return &devices->buckets[hash & (devices->bucket_count - 1)];
}

static size_t make_key(const char *scope, const char *serial, char *key)
{
    size_t scope_size = strlen(scope) + 1;
    size_t serial_size = strlen(serial) + 1;

    memcpy(key, scope, scope_size);
    memcpy(key + scope_size, serial, serial_size);
    return scope_size + serial_size;
}

static struct waiting **find(const struct waiting_devices *devices, const char *scope,
                             const char *serial, uint64_t *hash)
{
    char key[LEDGER_SCOPE_SIZE + LEDGER_SERIAL_SIZE];
    size_t size = make_key(scope, serial, key);
    struct waiting **at;

    *hash = siphash(&devices->key, key, size);
    for (at = bucket_of(devices, *hash); *at != NULL; at = &(*at)->next_of_hash)
        if ((*at)->hash == *hash && memcmp((*at)->key, key, size) == 0)
            break;
    return at;
}

static void grow(struct waiting_devices *devices)
{
    size_t count = devices->bucket_count * 2;
    struct waiting **buckets = calloc(count, sizeof(struct waiting *));

    if (buckets == NULL)
        return; /* longer chains do as well */
    free(devices->buckets);
    devices->buckets = buckets;
    devices->bucket_count = count;
    for (struct list *node = devices->all.next; node != &devices->all; node = node->next) {
        struct waiting *waiting = container_of(node, struct waiting, node);
        struct waiting **at = bucket_of(devices, waiting->hash);
        waiting->next_of_hash = *at;
        *at = waiting;
    }
}

/* ---- coming and going ---- */

static void append(struct waiting_devices *devices, struct waiting *waiting)
{
    list_append(&devices->all, &waiting->node);
    for (struct list *node = devices->walkers.next; node != &devices->walkers; node = node->next) {
        struct waiting_walker *walker = container_of(node, struct waiting_walker, node);
        if (walker->at == &devices->all)
            walker->at = &waiting->node;
    }
}

static void unlink_one(struct waiting_devices *devices, struct waiting *waiting)
{
    for (struct list *node = devices->walkers.next; node != &devices->walkers; node = node->next) {
        struct waiting_walker *walker = container_of(node, struct waiting_walker, node);
        if (walker->at == &waiting->node)
            walker->at = waiting->node.next;
    }
    list_remove(&waiting->node);
}

void waiting_add(struct waiting_devices *devices, const struct device *device, const char *scope,
                 const char *serial)
{
    uint64_t hash;

    if (*find(devices, scope, serial, &hash) != NULL)
        return;
    struct waiting *waiting = malloc(sizeof(*waiting) + strlen(scope) + strlen(serial) + 2);
    if (waiting == NULL)
        return;
    if (devices->count >= devices->bucket_count)
        grow(devices);
    waiting->device = device;
    waiting->hash = hash;
    (void)make_key(scope, serial, waiting->key);
    struct waiting **at = bucket_of(devices, hash);
    waiting->next_of_hash = *at;
    *at = waiting;
    append(devices, waiting);
    devices->count++;
}

void waiting_again(struct waiting_devices *devices, const char *scope, const char *serial)
{
    uint64_t hash;
    struct waiting *waiting = *find(devices, scope, serial, &hash);

    if (waiting == NULL)
        return;
    unlink_one(devices, waiting);
    append(devices, waiting);
}

void waiting_remove(struct waiting_devices *devices, const char *scope, const char *serial)
{
    uint64_t hash;
    struct waiting **at = find(devices, scope, serial, &hash);
    struct waiting *waiting = *at;

    if (waiting == NULL)
        return;
    unlink_one(devices, waiting);
    *at = waiting->next_of_hash;
    free(waiting);
    devices->count--;
}

void waiting_sweep(struct waiting_devices *devices,
                   bool (*stays)(const char *scope, const char *serial, void *context),
                   void *context)
{
    struct list *next;

    for (struct list *node = devices->all.next; node != &devices->all; node = next) {
        const char *scope = container_of(node, struct waiting, node)->key;
        const char *serial = scope + strlen(scope) + 1;
        next = node->next;
        if (!stays(scope, serial, context))
            waiting_remove(devices, scope, serial);
    }
}

/* ---- going through them ---- */

void waiting_tell(struct waiting_devices *devices)
{
    struct list *next;

    for (struct list *node = devices->walkers.next; node != &devices->walkers; node = next) {
        struct waiting_walker *walker = container_of(node, struct waiting_walker, node);
        next = node->next;
        if (walker->at != &devices->all)
            walker->more(walker);
    }
}

void waiting_walk(struct waiting_devices *devices, struct waiting_walker *walker)
{
    list_append(&devices->walkers, &walker->node);
    waiting_rewind(devices, walker);
}

void waiting_rewind(struct waiting_devices *devices, struct waiting_walker *walker)
{
    walker->at = devices->all.next;
}

const struct device *waiting_next(struct waiting_devices *devices, struct waiting_walker *walker)
{
    if (walker->at == &devices->all)
        return NULL;
    struct waiting *waiting = container_of(walker->at, struct waiting, node);
    walker->at = walker->at->next;
    return waiting->device;
}
