#include "server/directory/directory.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "server/directory/accounts.h"
#include "server/directory/internal.h"

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

static void free_pools(struct directory *directory)
{
    struct text_pool *pools[POOLS];

    list_pools(directory, pools);
    for (size_t i = 0; i < POOLS; i++)
        text_pool_destroy(pools[i]);
}

enum status directory_create(const struct directory_config *config, struct directory **directory)
{
    struct directory *made = calloc(1, sizeof(*made));

    CHECK(config->first_port <= config->last_port);
    if (made == NULL)
        return STATUS_NO_MEMORY;
    made->config = *config;
    made->key = siphash_random_key();
    if (stripes_make(made) != STATUS_OK)
        goto no_stripes;
    if (order_init(&made->order, config->max_devices) != STATUS_OK)
        goto no_order;
    if (make_pools(made) != STATUS_OK)
        goto no_pools;
    if (ports_init(&made->ports, config->first_port, config->last_port) != STATUS_OK)
        goto no_ports;
    signals_init(&made->signals);
    made->accounts = malloc(sizeof(*made->accounts));
    if (made->accounts == NULL || accounts_init(made->accounts, config, &made->key) != STATUS_OK)
        goto no_accounts;
    *directory = made;
    return STATUS_OK;

no_accounts:
    free(made->accounts);
    ports_destroy(&made->ports);
no_ports:
    free_pools(made);
no_pools:
    order_destroy(&made->order);
no_order:
    stripes_free(made);
no_stripes:
    free(made);
    return STATUS_NO_MEMORY;
}

void directory_free(struct directory *directory)
{
    if (directory == NULL)
        return;
    stripes_free(directory);
    order_destroy(&directory->order);
    ports_destroy(&directory->ports);
    free_pools(directory);
    accounts_destroy(directory->accounts);
    free(directory->accounts);
    signals_destroy(&directory->signals);
    free(directory);
}

static struct device *find(struct directory *directory, const char *scope, const char *serial,
                           bool only_recorded)
{
    size_t size = strlen(serial);
    uint32_t number = text_pool_find(&directory->scopes, scope);

    if (number == TEXT_POOL_NONE || size >= PLUGIN_SERIAL_SIZE)
        return NULL;
    uint32_t hash = stripes_hash(directory, number, serial, size);
    struct stripe *stripe = lock_stripe(directory, hash);
    struct device *device = stripes_find(directory, stripe, hash, number, serial);
    bool there = device != NULL && !device->removed && !device->entered &&
                 (device->recorded || !only_recorded);
    unlock_stripe(stripe);
    return there ? device : NULL;
}

struct device *directory_find(struct directory *directory, const char *scope, const char *serial)
{
    return find(directory, scope, serial, false);
}

struct device *directory_known(struct directory *directory, const char *scope, const char *serial)
{
    return find(directory, scope, serial, true);
}

/* ---- reports ---- */

void directory_recorded(struct directory *directory, struct device *device)
{
    struct stripe *stripe = lock_stripe(directory, device->hash);

    device->recorded = true;
    device_appears(stripe, device);
    unlock_stripe(stripe);
}

enum status directory_gasp(struct directory *directory, struct device *device,
                           const struct gasp *gasp, struct heard *heard)
{
    struct stripe *stripe = lock_stripe(directory, device->hash);
    bool known = device->recorded && !device->removed;
    bool later = gasp->utc_ms > device->gasp.utc_ms ||
                 (gasp->utc_ms == device->gasp.utc_ms && gasp->sequence > device->gasp.sequence);
    if (known && later)
        device->gasp = *gasp;
    *heard = (struct heard){.began_utc_ms = device->heard_utc_ms, .by = device->heard_by};
    unlock_stripe(stripe);
    return known ? STATUS_OK : STATUS_NOT_FOUND;
}

bool directory_clear_gasp(struct directory *directory, struct device *device,
                          const struct heard *heard, struct gasp *former)
{
    struct stripe *stripe = lock_stripe(directory, device->hash);
    bool over = device->gasp.utc_ms != 0 && device->gasp.utc_ms < heard->began_utc_ms;

    if (device->heard_utc_ms < heard->began_utc_ms) {
        device->heard_utc_ms = heard->began_utc_ms;
        device->heard_by = heard->by & 3u;
    }
    if (over) {
        *former = device->gasp;
        device->gasp = (struct gasp){0};
    }
    unlock_stripe(stripe);
    return over;
}

static bool describe(struct directory *directory, const struct device *device,
                     struct device_info *info)
{
    struct stripe *stripe = lock_stripe(directory, device->hash);

    *info = (struct device_info){
        .device = device,
        .scope = text_pool_text(&directory->scopes, device->scope),
        .serial = device->serial,
        .kind = device_text(&directory->kinds, device->kind),
        .model = device_text(&directory->models, device->model),
        .firmware = device_text(&directory->firmwares, device->firmware),
        .hardware = device_text(&directory->hardwares, device->hardware),
        .project = id_name(&directory->accounts->project_names, device->project),
        .group = id_name(&directory->accounts->group_names, device->group),
        .channel = id_name(&directory->accounts->channel_names, device->channel),
        .project_id = device->project,
        .group_id = device->group,
        .channel_id = device->channel,
        .first_seen_utc_ms = device->first_seen_utc_ms,
        .last_seen_utc_ms = device->last_seen_utc_ms,
        .peer = device->peer,
        .link = device->link,
        .epoch = device->epoch,
        .listener = device->listener != NO_LISTENER ? device->listener : DIRECTORY_NO_LISTENER,
        .direct_port = device->direct_port,
        .signal_csq = device->signal_csq,
        .state = (enum device_state)device->state,
        .bytes = device->bytes,
        .gasp = device->gasp,
        .unapproved = device->unapproved,
        .heard_utc_ms = device->heard_utc_ms,
    };
    bool there = !device->removed && !device->entered;
    unlock_stripe(stripe);
    return there;
}

void directory_get(struct directory *directory, const struct device *device,
                   struct device_info *info)
{
    (void)describe(directory, device, info);
}

uint64_t directory_walk(struct directory *directory, uint64_t from,
                        bool (*visit)(const struct device_info *info, void *context), void *context)
{
    struct device *device;

    for (; (device = order_at(&directory->order, from)) != NULL; from++) {
        struct device_info info;
        if (describe(directory, device, &info) && !visit(&info, context))
            return from + 1;
    }
    return from;
}

void directory_count(struct directory *directory, struct directory_counts *counts)
{
    *counts = (struct directory_counts){
        .ports_leased = ports_leased(&directory->ports),
        .ports_dropped = atomic_load(&directory->ports_dropped),
    };
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
