#include "server/directory/directory.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/base/siphash.h"
#include "server/directory/order.h"
#include "server/directory/text_pool.h"

#define MIN_STRIPES        64u
#define MAX_STRIPES        65536u
#define DEVICES_PER_STRIPE 4096u /* a growing stripe holds its lock for as many */
#define FIRST_BUCKETS      16u
#define MAX_TEXTS          65536u /* distinct texts of each sort; beyond them devices show MANY */
#define MANY               "(many)"

/* Serial, scope, hash and first_seen are constant; the rest belongs to the stripe's lock. */
struct device {
    struct device *next; /* in its bucket */
    const char *scope;   /* this and the next four: in a text pool */
    const char *kind;
    const char *model;
    const char *firmware;
    const char *hardware;
    uint64_t first_seen_utc_ms;
    uint64_t last_seen_utc_ms;
    uint64_t flap_since_ms; /* beginning of the window in which replacements count */
    struct link_ref link;
    struct address peer;
    uint32_t hash;
    uint32_t epoch;
    uint32_t listener;
    struct gasp gasp;
    uint16_t replacements; /* in the window */
    uint16_t direct_port;
    uint8_t signal_csq;
    uint8_t state;
    bool recorded;
    char serial[]; /* with NUL */
};

static_assert(sizeof(struct device) <= 160, "with its places in table and order below 200 bytes");
static_assert(PLUGIN_SERIAL_SIZE <= 32, "serials are hashed in a buffer of this size");

/* The low bits of a hash choose the stripe, the others the bucket. */
struct stripe {
    _Alignas(64) pthread_mutex_t lock;
    struct device **buckets;
    uint32_t mask;
    uint32_t devices;
    uint32_t online;
    uint32_t in_session;
    uint64_t replacements;
    uint64_t flapping;
};

struct directory {
    struct directory_config config;
    struct siphash_key key;
    struct stripe *stripes;
    uint32_t stripe_count; /* a power of two */
    uint32_t stripe_bits;
    struct order order;
    _Atomic uint32_t ports_leased;
    struct text_pool scopes;
    struct text_pool kinds;
    struct text_pool models;
    struct text_pool firmwares;
    struct text_pool hardwares;
};

const char *device_state_name(enum device_state state)
{
    switch (state) {
    case DEVICE_IDLE:
        return "idle";
    case DEVICE_IN_SESSION:
        return "in session";
    case DEVICE_OFFLINE:
        break;
    }
    return "offline";
}

const char *device_serial(const struct device *device)
{
    return device->serial;
}

/* ---- making and freeing ---- */

static enum status make_stripes(struct directory *directory)
{
    uint32_t wanted = directory->config.max_devices / DEVICES_PER_STRIPE;
    uint32_t count = MIN_STRIPES;
    uint32_t bits = 6;

    for (; count < wanted && count < MAX_STRIPES; count *= 2)
        bits++;
    struct stripe *stripes = aligned_alloc(_Alignof(struct stripe), count * sizeof(*stripes));
    if (stripes == NULL)
        return STATUS_NO_MEMORY;
    memset(stripes, 0, count * sizeof(*stripes));
    for (uint32_t i = 0; i < count; i++)
        CHECK(pthread_mutex_init(&stripes[i].lock, NULL) == 0);
    directory->stripes = stripes;
    directory->stripe_count = count;
    directory->stripe_bits = bits;
    return STATUS_OK;
}

static void free_stripe(struct stripe *stripe)
{
    for (uint32_t i = 0; stripe->buckets != NULL && i <= stripe->mask; i++) {
        struct device *device = stripe->buckets[i];
        while (device != NULL) {
            struct device *next = device->next;
            free(device);
            device = next;
        }
    }
    free(stripe->buckets);
    (void)pthread_mutex_destroy(&stripe->lock);
}

#define POOLS 5

static void list_pools(struct directory *directory, struct text_pool *pools[static POOLS])
{
    pools[0] = &directory->scopes;
    pools[1] = &directory->kinds;
    pools[2] = &directory->models;
    pools[3] = &directory->firmwares;
    pools[4] = &directory->hardwares;
}

static enum status make_pools(struct directory *directory)
{
    struct text_pool *pools[POOLS];

    list_pools(directory, pools);
    for (size_t i = 0; i < POOLS; i++) {
        if (text_pool_init(pools[i], MAX_TEXTS, &directory->key) != STATUS_OK) {
            while (i > 0)
                text_pool_destroy(pools[--i]);
            return STATUS_NO_MEMORY;
        }
    }
    return STATUS_OK;
}

enum status directory_create(const struct directory_config *config, struct directory **directory)
{
    struct directory *made = calloc(1, sizeof(*made));

    CHECK(config->first_port <= config->last_port);
    if (made == NULL)
        return STATUS_NO_MEMORY;
    made->config = *config;
    made->key = siphash_random_key();
    if (make_stripes(made) != STATUS_OK)
        goto no_stripes;
    if (order_init(&made->order, config->max_devices) != STATUS_OK)
        goto no_order;
    if (make_pools(made) != STATUS_OK)
        goto no_pools;
    *directory = made;
    return STATUS_OK;

no_pools:
    order_destroy(&made->order);
no_order:
    for (uint32_t i = 0; i < made->stripe_count; i++)
        free_stripe(&made->stripes[i]);
    free(made->stripes);
no_stripes:
    free(made);
    return STATUS_NO_MEMORY;
}

void directory_free(struct directory *directory)
{
    struct text_pool *pools[POOLS];

    if (directory == NULL)
        return;
    for (uint32_t i = 0; i < directory->stripe_count; i++)
        free_stripe(&directory->stripes[i]);
    free(directory->stripes);
    order_destroy(&directory->order);
    list_pools(directory, pools);
    for (size_t i = 0; i < POOLS; i++)
        text_pool_destroy(pools[i]);
    free(directory);
}

/* ---- the table ---- */

/* scope is the pool's pointer: equal texts are one pointer. */
static uint32_t hash_of(const struct directory *directory, const char *scope, const char *serial,
                        size_t serial_size)
{
    uint8_t bytes[sizeof(scope) + PLUGIN_SERIAL_SIZE];

    memcpy(bytes, &scope, sizeof(scope));
    memcpy(bytes + sizeof(scope), serial, serial_size);
    return (uint32_t)siphash(&directory->key, bytes, sizeof(scope) + serial_size);
}

static struct stripe *stripe_of(const struct directory *directory, uint32_t hash)
{
    return &directory->stripes[hash & (directory->stripe_count - 1)];
}

static struct stripe *lock_stripe(const struct directory *directory, uint32_t hash)
{
    struct stripe *stripe = stripe_of(directory, hash);

    CHECK(pthread_mutex_lock(&stripe->lock) == 0);
    return stripe;
}

static void unlock_stripe(struct stripe *stripe)
{
    CHECK(pthread_mutex_unlock(&stripe->lock) == 0);
}

static uint32_t bucket_of(const struct directory *directory, const struct stripe *stripe,
                          uint32_t hash)
{
    return (hash >> directory->stripe_bits) & stripe->mask;
}

static struct device *find_in(const struct directory *directory, const struct stripe *stripe,
                              uint32_t hash, const char *scope, const char *serial)
{
    if (stripe->buckets == NULL)
        return NULL;
    struct device *device = stripe->buckets[bucket_of(directory, stripe, hash)];
    while (device != NULL &&
           (device->hash != hash || device->scope != scope || strcmp(device->serial, serial) != 0))
        device = device->next;
    return device;
}

/* Room for one more: one bucket for each device. */
static bool make_room(const struct directory *directory, struct stripe *stripe)
{
    uint32_t old_count = stripe->buckets == NULL ? 0 : stripe->mask + 1;
    uint32_t count = old_count == 0 ? FIRST_BUCKETS : old_count * 2;

    if (stripe->devices < old_count)
        return true;
    struct device **buckets = calloc(count, sizeof(struct device *));
    if (buckets == NULL)
        return old_count != 0; /* longer chains will do */
    struct device **old = stripe->buckets;
    stripe->buckets = buckets;
    stripe->mask = count - 1;
    for (uint32_t i = 0; i < old_count; i++) {
        while (old[i] != NULL) {
            struct device *device = old[i];
            struct device **bucket = &buckets[bucket_of(directory, stripe, device->hash)];
            old[i] = device->next;
            device->next = *bucket;
            *bucket = device;
        }
    }
    free(old);
    return true;
}

struct device *directory_find(struct directory *directory, const char *scope, const char *serial)
{
    size_t size = strlen(serial);
    const char *pooled = text_pool_find(&directory->scopes, scope);

    if (pooled == NULL || size >= PLUGIN_SERIAL_SIZE)
        return NULL;
    uint32_t hash = hash_of(directory, pooled, serial, size);
    struct stripe *stripe = lock_stripe(directory, hash);
    struct device *device = find_in(directory, stripe, hash, pooled, serial);
    unlock_stripe(stripe);
    return device;
}

/* ---- registration ---- */

static uint16_t lease_port(struct directory *directory)
{
    if (directory->config.first_port == 0)
        return 0;
    uint32_t range = (uint32_t)directory->config.last_port - directory->config.first_port + 1;
    uint32_t leased = atomic_load_explicit(&directory->ports_leased, memory_order_relaxed);
    while (leased < range &&
           !atomic_compare_exchange_weak(&directory->ports_leased, &leased, leased + 1)) {
    }
    return leased < range ? (uint16_t)(directory->config.first_port + leased) : 0;
}

/* The present text stays if it is the same: no look into the pool. text is at most size bytes,
 * whether or not a NUL ends it. */
static void set_text(const char **present, struct text_pool *pool, const char *text, size_t size)
{
    char copy[PLUGIN_TEXT_SIZE];
    size_t length = strnlen(text, size - 1);

    CHECK(size <= sizeof(copy));
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (*present != NULL && strcmp(*present, copy) == 0)
        return;
    const char *pooled = text_pool_take(pool, copy);
    *present = pooled != NULL ? pooled : MANY;
}

static void set_identity(struct directory *directory, struct device *device,
                         const struct plugin_identity *identity)
{
    set_text(&device->kind, &directory->kinds, identity->kind, sizeof(identity->kind));
    set_text(&device->model, &directory->models, identity->model, sizeof(identity->model));
    set_text(&device->firmware, &directory->firmwares, identity->firmware,
             sizeof(identity->firmware));
    set_text(&device->hardware, &directory->hardwares, identity->hardware,
             sizeof(identity->hardware));
    device->signal_csq = identity->signal_csq;
}

/* A new device at its place in table and order; NULL if there is no room for it. */
static struct device *add_device(struct directory *directory, struct stripe *stripe, uint32_t hash,
                                 const char *scope, const char *serial)
{
    size_t size = strlen(serial) + 1;
    struct device *device = calloc(1, sizeof(*device) + size);

    if (device == NULL || !make_room(directory, stripe))
        goto failed;
    memcpy(device->serial, serial, size);
    device->scope = scope;
    device->hash = hash;
    /* Whoever finds it there waits for the stripe's lock before looking inside. */
    if (order_append(&directory->order, device) != STATUS_OK)
        goto failed;
    struct device **bucket = &stripe->buckets[bucket_of(directory, stripe, hash)];
    device->next = *bucket;
    *bucket = device;
    stripe->devices++;
    return device;

failed:
    free(device);
    return NULL;
}

/* True if it is another kind, model, firmware or hardware than before. */
static bool attach(struct directory *directory, struct stripe *stripe, struct device *device,
                   const struct registration *registration)
{
    const char *former[] = {device->kind, device->model, device->firmware, device->hardware};
    set_identity(directory, device, registration->identity);
    const char *present[] = {device->kind, device->model, device->firmware, device->hardware};
    bool changed = memcmp(former, present, sizeof former) != 0; /* pooled: equal texts are one */
    device->last_seen_utc_ms = registration->utc_ms;
    if (device->link.id == registration->link.id)
        return changed; /* it said once more who it is */
    stripe->online++;
    device->link = registration->link;
    device->peer = registration->peer;
    device->listener = registration->listener;
    device->state = DEVICE_IDLE;
    device->epoch++;
    return changed;
}

/* Shards take their time once a turn: another one's may be a little behind. */
static bool in_flap_window(const struct directory *directory, const struct device *device,
                           uint64_t now_ms)
{
    uint64_t window_ms = (uint64_t)directory->config.flap_window_s * 1000;

    return now_ms < device->flap_since_ms + window_ms;
}

static enum registration_result refuse(const struct directory *directory, struct stripe *stripe,
                                       const struct device *device,
                                       struct registration *registration)
{
    registration->occupant = device->link;
    if (device->link.id > registration->link.id)
        return REGISTRATION_OUTDATED;
    registration->other_network = !address_same_network(&device->peer, &registration->peer,
                                                        directory->config.network_prefix_v4,
                                                        directory->config.network_prefix_v6);
    registration->flapping = device->replacements >= directory->config.flap_count &&
                             in_flap_window(directory, device, registration->now_ms);
    if (registration->flapping)
        stripe->flapping++;
    return REGISTRATION_OCCUPIED;
}

static enum registration_result register_locked(struct directory *directory, struct stripe *stripe,
                                                uint32_t hash, const char *scope,
                                                const char *serial,
                                                struct registration *registration)
{
    enum registration_result result = REGISTERED_AGAIN;
    struct device *device = find_in(directory, stripe, hash, scope, serial);

    if (device == NULL) {
        device = add_device(directory, stripe, hash, scope, serial);
        if (device == NULL)
            return REGISTRATION_FULL;
        device->first_seen_utc_ms = registration->utc_ms;
        device->direct_port = lease_port(directory);
        device->recorded = !directory->config.recorded;
        result = REGISTERED_NEW;
    }
    if (!device->recorded)
        result = REGISTERED_NEW;
    registration->device = device;
    if (device->link.id != 0 && device->link.id != registration->link.id)
        result = refuse(directory, stripe, device, registration);
    else
        registration->changed = attach(directory, stripe, device, registration);
    registration->epoch = device->epoch;
    registration->direct_port = device->direct_port;
    return result;
}

enum registration_result directory_register(struct directory *directory,
                                            struct registration *registration)
{
    char serial[PLUGIN_SERIAL_SIZE];
    size_t size = strnlen(registration->identity->serial, sizeof(serial) - 1);
    const char *scope = text_pool_take(&directory->scopes, registration->scope);

    CHECK(registration->link.id != 0);
    registration->device = NULL;
    registration->epoch = 0;
    registration->direct_port = 0;
    registration->occupant = (struct link_ref){0};
    registration->changed = false;
    registration->other_network = false;
    registration->flapping = false;
    if (scope == NULL)
        return REGISTRATION_FULL;
    memcpy(serial, registration->identity->serial, size);
    serial[size] = '\0';
    uint32_t hash = hash_of(directory, scope, serial, size);
    struct stripe *stripe = lock_stripe(directory, hash);
    enum registration_result result =
        register_locked(directory, stripe, hash, scope, serial, registration);
    unlock_stripe(stripe);
    return result;
}

/* ---- what happens to the newest link ---- */

/* Under the lock: the device is offline from now on. */
static void detach(struct stripe *stripe, struct device *device)
{
    if (device->state == DEVICE_IN_SESSION)
        stripe->in_session--;
    stripe->online--;
    device->link = (struct link_ref){0};
    device->state = DEVICE_OFFLINE;
}

bool directory_release(struct directory *directory, struct device *device,
                       const struct link_ref *link, uint64_t utc_ms)
{
    struct stripe *stripe = lock_stripe(directory, device->hash);
    bool newest = link->id != 0 && device->link.id == link->id;

    if (newest) {
        if (device->state == DEVICE_IN_SESSION)
            device->last_seen_utc_ms = utc_ms;
        detach(stripe, device);
    }
    unlock_stripe(stripe);
    return newest;
}

void directory_replaced(struct directory *directory, struct device *device,
                        const struct link_ref *link, uint64_t now_ms)
{
    struct stripe *stripe = lock_stripe(directory, device->hash);

    if (link->id != 0 && device->link.id == link->id) {
        detach(stripe, device);
        stripe->replacements++;
        if (device->replacements == 0 || !in_flap_window(directory, device, now_ms)) {
            device->flap_since_ms = now_ms;
            device->replacements = 0;
        }
        if (device->replacements < UINT16_MAX)
            device->replacements++;
    }
    unlock_stripe(stripe);
}

void directory_set_signal(struct directory *directory, struct device *device,
                          const struct link_ref *link, uint8_t signal_csq)
{
    struct stripe *stripe = lock_stripe(directory, device->hash);

    if (link->id != 0 && device->link.id == link->id)
        device->signal_csq = signal_csq;
    unlock_stripe(stripe);
}

void directory_set_in_session(struct directory *directory, struct device *device,
                              const struct link_ref *link, bool in_session, uint64_t utc_ms)
{
    struct stripe *stripe = lock_stripe(directory, device->hash);
    bool was = device->state == DEVICE_IN_SESSION;

    if (link->id != 0 && device->link.id == link->id && was != in_session) {
        device->state = in_session ? DEVICE_IN_SESSION : DEVICE_IDLE;
        device->last_seen_utc_ms = utc_ms;
        if (in_session)
            stripe->in_session++;
        else
            stripe->in_session--;
    }
    unlock_stripe(stripe);
}

/* ---- reports ---- */

void directory_recorded(struct directory *directory, struct device *device)
{
    struct stripe *stripe = lock_stripe(directory, device->hash);

    device->recorded = true;
    unlock_stripe(stripe);
}

enum status directory_gasp(struct directory *directory, const char *scope, const char *serial,
                           const struct gasp *gasp, struct device **found)
{
    struct device *device = directory_find(directory, scope, serial);

    if (device == NULL)
        return STATUS_NOT_FOUND;
    struct stripe *stripe = lock_stripe(directory, device->hash);
    if (gasp->utc_ms >= device->gasp.utc_ms)
        device->gasp = *gasp;
    unlock_stripe(stripe);
    *found = device;
    return STATUS_OK;
}

bool directory_clear_gasp(struct directory *directory, struct device *device, uint64_t began_utc_ms,
                          struct gasp *former)
{
    struct stripe *stripe = lock_stripe(directory, device->hash);
    bool over = device->gasp.utc_ms != 0 && device->gasp.utc_ms < began_utc_ms;

    if (over) {
        *former = device->gasp;
        device->gasp = (struct gasp){0};
    }
    unlock_stripe(stripe);
    return over;
}

void directory_get(struct directory *directory, const struct device *device,
                   struct device_info *info)
{
    struct stripe *stripe = lock_stripe(directory, device->hash);

    *info = (struct device_info){
        .device = device,
        .scope = device->scope,
        .serial = device->serial,
        .kind = device->kind,
        .model = device->model,
        .firmware = device->firmware,
        .hardware = device->hardware,
        .first_seen_utc_ms = device->first_seen_utc_ms,
        .last_seen_utc_ms = device->last_seen_utc_ms,
        .peer = device->peer,
        .link = device->link,
        .epoch = device->epoch,
        .listener = device->listener,
        .direct_port = device->direct_port,
        .signal_csq = device->signal_csq,
        .state = (enum device_state)device->state,
        .gasp = device->gasp,
    };
    unlock_stripe(stripe);
}

uint64_t directory_walk(struct directory *directory, uint64_t from,
                        bool (*visit)(const struct device_info *info, void *context), void *context)
{
    struct device *device;

    for (; (device = order_at(&directory->order, from)) != NULL; from++) {
        struct device_info info;
        directory_get(directory, device, &info);
        if (!visit(&info, context))
            return from + 1;
    }
    return from;
}

void directory_count(struct directory *directory, struct directory_counts *counts)
{
    *counts = (struct directory_counts){.ports_leased = atomic_load(&directory->ports_leased)};
    for (uint32_t i = 0; i < directory->stripe_count; i++) {
        struct stripe *stripe = lock_stripe(directory, i);
        counts->devices += stripe->devices;
        counts->online += stripe->online;
        counts->in_session += stripe->in_session;
        counts->replacements += stripe->replacements;
        counts->flapping += stripe->flapping;
        unlock_stripe(stripe);
    }
}
