#include "server/directory/places.h"

#include <string.h>

#include "server/directory/accounts.h"
#include "server/directory/internal.h"

static struct place device_place(const struct device *device)
{
    return (struct place){
        .project = device->project, .group = device->group, .channel = device->channel};
}

bool place_of(struct directory *directory, const struct device *device, struct place *place)
{
    struct stripe *stripe = lock_stripe(directory, device->hash);

    *place = device_place(device);
    bool there = device->recorded && !device->removed;
    unlock_stripe(stripe);
    return there;
}

bool directory_needs_place(struct directory *directory, const struct device *device)
{
    struct stripe *stripe = lock_stripe(directory, device->hash);
    bool needs = device->project == 0 && !device->removed && device->recorded &&
                 binding_project(directory, device->listener) != 0;

    unlock_stripe(stripe);
    return needs;
}

void device_set_place(struct directory *directory, struct device *device, const struct place *place)
{
    struct place former = device_place(device);

    if (memcmp(&former, place, sizeof(former)) == 0)
        return;
    accounts_count_device(directory->accounts, &former, -1);
    accounts_count_device(directory->accounts, place, 1);
    device->project = place->project;
    device->group = place->group;
    device->channel = place->channel;
}

void place_set(struct directory *directory, struct device *device, const struct place *place)
{
    struct stripe *stripe = lock_stripe(directory, device->hash);

    if (!device->removed)
        device_set_place(directory, device, place);
    unlock_stripe(stripe);
}

bool place_remove(struct directory *directory, struct device *device, uint32_t epoch)
{
    struct stripe *stripe = lock_stripe(directory, device->hash);
    bool may = !device->removed && device->link.id == 0 && device->epoch == epoch;

    if (may) {
        device_set_place(directory, device, &(struct place){0});
        if (device->direct_port != 0)
            ports_return(&directory->ports, device->direct_port);
        device->direct_port = 0;
        device_clear_texts(device);
        device->listener = NO_LISTENER;
        device->first_seen_utc_ms = 0;
        device->last_seen_utc_ms = 0;
        device->signal_csq = PLUGIN_SIGNAL_UNKNOWN;
        device->gasp = (struct gasp){0};
        device->unapproved = false;
        device->bytes = (struct link_bytes){0};
        device->removed = true;
        stripe->devices--;
    }
    unlock_stripe(stripe);
    return may;
}

void device_appears(struct stripe *stripe, struct device *device)
{
    if (device->entered)
        stripe->devices++;
    device->entered = false;
}

enum status place_enter(struct directory *directory, const char *scope_text, const char *serial,
                        const struct place *place, uint64_t utc_ms, struct device **entered)
{
    size_t size = strlen(serial);
    uint32_t scope = text_pool_take(&directory->scopes, scope_text);
    enum status status = STATUS_OK;

    if (size == 0 || size >= PLUGIN_SERIAL_SIZE)
        return STATUS_INVALID;
    if (scope == TEXT_POOL_NONE)
        return STATUS_NO_MEMORY;
    uint32_t hash = stripes_hash(directory, scope, serial, size);
    struct stripe *stripe = lock_stripe(directory, hash);
    struct device *device = stripes_find(directory, stripe, hash, scope, serial);
    if (device != NULL && !device->removed)
        status = STATUS_EXISTS;
    else if (device == NULL &&
             (device = stripes_add(directory, stripe, hash, scope, serial)) == NULL)
        status = STATUS_FULL;
    else if (!device->removed)
        stripe->devices--; /* not yet */
    if (status == STATUS_OK) {
        device->removed = false;
        device->recorded = false;
        device->entered = true;
        device->unapproved = false;
        device->first_seen_utc_ms = utc_ms;
        device_set_place(directory, device, place);
    }
    unlock_stripe(stripe);
    *entered = device;
    return status;
}

enum status place_check(struct directory *directory, const char *scope_text, const char *serial,
                        uint64_t *others)
{
    size_t size = strlen(serial);
    uint32_t scope = text_pool_find(&directory->scopes, scope_text);
    const struct device *device = NULL;
    bool there = false;

    if (size == 0 || size >= PLUGIN_SERIAL_SIZE)
        return STATUS_INVALID;
    if (scope != TEXT_POOL_NONE) {
        uint32_t hash = stripes_hash(directory, scope, serial, size);
        struct stripe *stripe = lock_stripe(directory, hash);
        device = stripes_find(directory, stripe, hash, scope, serial);
        there = device != NULL && !device->removed;
        unlock_stripe(stripe);
    }
    if (there)
        return STATUS_EXISTS;
    if (device == NULL && order_count(&directory->order) + *others >= directory->order.capacity)
        return STATUS_FULL;
    *others += device == NULL;
    return STATUS_OK;
}

void place_withdraw(struct directory *directory, struct device *device)
{
    struct stripe *stripe = lock_stripe(directory, device->hash);

    if (device->entered) {
        device_set_place(directory, device, &(struct place){0});
        device->entered = false;
        device->removed = true;
    }
    unlock_stripe(stripe);
}

void device_approve(struct directory *directory, struct device *device)
{
    struct stripe *stripe = lock_stripe(directory, device->hash);

    device->unapproved = false;
    unlock_stripe(stripe);
}

bool device_unapproved(struct directory *directory, const struct device *device)
{
    struct stripe *stripe = lock_stripe(directory, device->hash);
    bool unapproved = device->unapproved;

    unlock_stripe(stripe);
    return unapproved;
}

void places_settle(struct directory *directory)
{
    for (uint32_t i = 0; i < directory->stripe_count; i++)
        unlock_stripe(lock_stripe(directory, i));
}

static bool wanted(const struct directory *directory, const struct device *device,
                   const struct sweep_filter *filter)
{
    const struct directory_config *config = &directory->config;

    if (device->removed || !device->recorded || device->listener >= config->listener_count ||
        (device->project != 0 && device->project != filter->from))
        return false;
    if (device->project == filter->to.project)
        return false;
    return strcmp(config->listeners[device->listener].name, filter->listener) == 0;
}

struct device *places_next(struct directory *directory, const struct sweep_filter *filter,
                           uint64_t *at, uint64_t most, bool *end)
{
    struct device *device;

    *end = false;
    for (; most > 0; most--) {
        device = order_at(&directory->order, *at);
        if (device == NULL) {
            *end = true;
            return NULL;
        }
        (*at)++;
        struct stripe *stripe = lock_stripe(directory, device->hash);
        bool take = wanted(directory, device, filter);
        unlock_stripe(stripe);
        if (take)
            return device;
    }
    return NULL;
}
