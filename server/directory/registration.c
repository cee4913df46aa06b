/* Registration, and what happens to the newest link of a device. */
#include <string.h>

#include "config/config.h"
#include "server/directory/internal.h"
#include "server/directory/places.h"
#include "server/directory/projects.h"

static void set_identity(struct directory *directory, struct device *device,
                         const struct plugin_identity *identity)
{
    device_set_text(&device->kind, &directory->kinds, identity->kind, sizeof(identity->kind));
    device_set_text(&device->model, &directory->models, identity->model, sizeof(identity->model));
    device_set_text(&device->firmware, &directory->firmwares, identity->firmware,
                    sizeof(identity->firmware));
    device_set_text(&device->hardware, &directory->hardwares, identity->hardware,
                    sizeof(identity->hardware));
    device->signal_csq = identity->signal_csq;
}

/* A device keeps its port; one that found none left may get one now. True if it did. */
static bool lease_port(struct directory *directory, struct device *device)
{
    if (device->direct_port != 0)
        return false;
    device->direct_port = ports_lease(&directory->ports);
    return device->direct_port != 0;
}

/* What a run gave before it was killed may be on no disk: the next run begins beyond it. */
static uint32_t next_epoch(const struct directory *directory, const struct device *device)
{
    uint32_t next = device->epoch + 1;
    return next > directory->config.first_epoch ? next : directory->config.first_epoch;
}

/* True if it is another kind, model, firmware, hardware or port than before. */
static bool attach(struct directory *directory, struct stripe *stripe, struct device *device,
                   const struct registration *registration)
{
    const uint16_t former[] = {device->kind, device->model, device->firmware, device->hardware};
    set_identity(directory, device, registration->identity);
    const uint16_t present[] = {device->kind, device->model, device->firmware, device->hardware};
    bool leased = lease_port(directory, device);
    bool changed = leased || memcmp(former, present, sizeof former) != 0;
    device->last_seen_utc_ms = registration->utc_ms;
    if (device->link.id == registration->link.id)
        return changed; /* it said once more who it is */
    stripe->online++;
    device->link = registration->link;
    device->peer = registration->peer;
    device->listener = (uint16_t)registration->listener;
    device->bytes = (struct link_bytes){0};
    device->state = DEVICE_IDLE;
    device->epoch = next_epoch(directory, device);
    return changed;
}

/* Shards take their time once a turn: another one's may be a little behind. */
static bool in_flap_window(const struct directory *directory, const struct device *device,
                           uint64_t now_ms)
{
    return now_ms / 1000 < (uint64_t)device->flap_since_s + directory->config.flap_window_s;
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

static bool needs_approval(const struct directory *directory, uint32_t listener)
{
    const struct directory_config *config = &directory->config;

    return config->listeners != NULL && listener < config->listener_count &&
           config->listeners[listener].admission == CONFIG_APPROVE;
}

/* The port on which a new device comes says where it belongs, once: whatever says that the device
 * was added says the same place. One that is known already is moved by the editor, after its
 * record. */
static enum registration_result begin(struct directory *directory, struct device *device,
                                      const struct registration *registration)
{
    struct place place = {.project = binding_project(directory, registration->listener)};

    device->removed = false;
    device->recorded = !directory->config.recorded;
    device->unapproved = needs_approval(directory, registration->listener);
    device->first_seen_utc_ms = registration->utc_ms;
    device_set_place(directory, device, &place);
    return REGISTERED_NEW;
}

static enum registration_result register_locked(struct directory *directory, struct stripe *stripe,
                                                uint32_t hash, uint32_t scope, const char *serial,
                                                struct registration *registration)
{
    enum registration_result result = REGISTERED_AGAIN;
    struct device *device = stripes_find(directory, stripe, hash, scope, serial);

    if (device == NULL) {
        device = stripes_add(directory, stripe, hash, scope, serial);
        if (device == NULL)
            return REGISTRATION_FULL;
        result = begin(directory, device, registration);
    } else if (device->removed) {
        stripe->devices++;
        result = begin(directory, device, registration);
    } else if (!device->recorded) {
        device_appears(stripe, device);
        result = REGISTERED_NEW;
    }
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
    uint32_t scope = text_pool_take(&directory->scopes, registration->scope);

    CHECK(registration->link.id != 0);
    registration->device = NULL;
    registration->epoch = 0;
    registration->direct_port = 0;
    registration->occupant = (struct link_ref){0};
    registration->changed = false;
    registration->other_network = false;
    registration->flapping = false;
    if (scope == TEXT_POOL_NONE)
        return REGISTRATION_FULL;
    memcpy(serial, registration->identity->serial, size);
    serial[size] = '\0';
    uint32_t hash = stripes_hash(directory, scope, serial, size);
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
            device->flap_since_s = (uint32_t)(now_ms / 1000);
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

    if (link->id != 0 && device->link.id == link->id && device->signal_csq != signal_csq) {
        device->signal_csq = signal_csq;
        if (!device->signal_noted)
            device->signal_noted = signals_note(&directory->signals, device);
    }
    unlock_stripe(stripe);
}

void directory_set_bytes(struct directory *directory, struct device *device,
                         const struct link_ref *link, const struct link_bytes *bytes)
{
    struct stripe *stripe = lock_stripe(directory, device->hash);

    if (link->id != 0 && device->link.id == link->id)
        device->bytes = *bytes;
    unlock_stripe(stripe);
}

void directory_seen(struct directory *directory, struct device *device, uint64_t utc_ms)
{
    struct stripe *stripe = lock_stripe(directory, device->hash);

    if (device->last_seen_utc_ms < utc_ms)
        device->last_seen_utc_ms = utc_ms;
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
