#include "server/directory/restore.h"

#include <stdatomic.h>
#include <string.h>

#include "config/config.h"
#include "server/directory/accounts.h"
#include "server/directory/internal.h"
#include "server/directory/places.h"

/* ---- from facts ---- */

static uint32_t listener_called(const struct directory *directory, const char *name)
{
    const struct directory_config *config = &directory->config;

    for (size_t i = 0; config->listeners != NULL && i < config->listener_count; i++)
        if (strcmp(config->listeners[i].name, name) == 0)
            return (uint32_t)i;
    return DIRECTORY_NO_LISTENER;
}

static void put_text(uint16_t *present, struct text_pool *pool, const char *text)
{
    char raw[PLUGIN_TEXT_SIZE] = {0};

    (void)proto_text_undo(text, (uint8_t *)raw, sizeof(raw) - 1);
    device_set_text(present, pool, raw, sizeof(raw));
}

static void put_port(struct directory *directory, struct device *device, uint16_t port)
{
    if (port == device->direct_port)
        return;
    if (device->direct_port != 0)
        ports_return(&directory->ports, device->direct_port);
    device->direct_port = port;
    if (port != 0 && !ports_take(&directory->ports, port)) {
        device->direct_port = 0;
        atomic_fetch_add(&directory->ports_dropped, 1);
    }
}

static void put_facts(struct directory *directory, struct stripe *stripe, struct device *device,
                      const struct device_facts *facts)
{
    CHECK(device->link.id == 0);
    put_text(&device->kind, &directory->kinds, facts->kind);
    put_text(&device->model, &directory->models, facts->model);
    put_text(&device->firmware, &directory->firmwares, facts->firmware);
    put_text(&device->hardware, &directory->hardwares, facts->hardware);
    struct place place = {
        .project = facts->project_id, .group = facts->group_id, .channel = facts->channel_id};
    device_set_place(directory, device, &place);
    put_port(directory, device, facts->direct_port);
    device->listener = (uint16_t)listener_called(directory, facts->listener);
    device->first_seen_utc_ms = facts->first_seen_utc_ms;
    device->last_seen_utc_ms = facts->last_seen_utc_ms;
    device->epoch = facts->epoch;
    device->signal_csq = facts->signal_csq;
    device->gasp = facts->gasp;
    device->unapproved = facts->unapproved;
    device->recorded = true;
    if (device->removed && !facts->removed)
        stripe->devices++;
    else if (!device->removed && facts->removed)
        stripe->devices--;
    device->removed = facts->removed;
}

/* The bytes of a serial; false: no device can have it. */
static bool serial_of(const char *text, char serial[static PLUGIN_SERIAL_SIZE])
{
    size_t size = proto_text_undo(text, (uint8_t *)serial, PLUGIN_SERIAL_SIZE - 1);

    if (size == 0 || size >= PLUGIN_SERIAL_SIZE || memchr(serial, '\0', size) != NULL)
        return false;
    serial[size] = '\0';
    return true;
}

enum status directory_restore(struct directory *directory, const struct device_facts *facts)
{
    char serial[PLUGIN_SERIAL_SIZE];
    enum status status = STATUS_OK;

    if (!serial_of(facts->serial, serial))
        return STATUS_INVALID;
    uint32_t scope = text_pool_take(&directory->scopes, facts->scope);
    if (scope == TEXT_POOL_NONE)
        return STATUS_NO_MEMORY;
    uint32_t hash = stripes_hash(directory, scope, serial, strlen(serial));
    struct stripe *stripe = lock_stripe(directory, hash);
    struct device *device = stripes_find(directory, stripe, hash, scope, serial);
    if (device == NULL)
        device = stripes_add(directory, stripe, hash, scope, serial);
    if (device != NULL)
        put_facts(directory, stripe, device, facts);
    else
        status = order_count(&directory->order) >= directory->config.max_devices ? STATUS_FULL
                                                                                 : STATUS_NO_MEMORY;
    unlock_stripe(stripe);
    return status;
}

/* ---- to facts ---- */

static const char *write_text(const char *text, char *out, size_t size)
{
    (void)proto_text(text, strlen(text), out, size);
    return out;
}

static const char *listener_name(const struct directory *directory, uint32_t listener)
{
    const struct directory_config *config = &directory->config;

    return config->listeners != NULL && listener < config->listener_count
               ? config->listeners[listener].name
               : "";
}

bool directory_facts(struct directory *directory, const struct device *device,
                     struct device_facts *facts, struct facts_texts *texts)
{
    struct stripe *stripe = lock_stripe(directory, device->hash);
    struct device copy = *device; /* without the serial, which is constant */
    unlock_stripe(stripe);

    *facts = (struct device_facts){
        .known = copy.recorded,
        .removed = copy.removed,
        .scope = text_pool_text(&directory->scopes, copy.scope),
        .serial = write_text(device->serial, texts->serial, sizeof(texts->serial)),
        .kind =
            write_text(device_text(&directory->kinds, copy.kind), texts->kind, sizeof(texts->kind)),
        .model = write_text(device_text(&directory->models, copy.model), texts->model,
                            sizeof(texts->model)),
        .firmware = write_text(device_text(&directory->firmwares, copy.firmware), texts->firmware,
                               sizeof(texts->firmware)),
        .hardware = write_text(device_text(&directory->hardwares, copy.hardware), texts->hardware,
                               sizeof(texts->hardware)),
        .project_id = copy.project,
        .group_id = copy.group,
        .channel_id = copy.channel,
        .listener = listener_name(directory, copy.listener),
        .note = "",
        .first_seen_utc_ms = copy.first_seen_utc_ms,
        .last_seen_utc_ms = copy.last_seen_utc_ms,
        .epoch = copy.epoch,
        .direct_port = copy.direct_port,
        .signal_csq = copy.signal_csq,
        .gasp = copy.gasp,
        .unapproved = copy.unapproved,
    };
    return copy.recorded;
}

uint64_t directory_walk_facts(struct directory *directory, uint64_t from,
                              bool (*visit)(const struct device_facts *facts, void *context),
                              void *context)
{
    const struct device *device;

    for (; (device = order_at(&directory->order, from)) != NULL; from++) {
        struct device_facts facts;
        struct facts_texts texts;
        if (directory_facts(directory, device, &facts, &texts) && !visit(&facts, context))
            return from + 1;
    }
    return from;
}

/* ---- events ---- */

static const struct device *find_also_removed(struct directory *directory, const char *scope_text,
                                              const char *serial)
{
    uint32_t scope = text_pool_find(&directory->scopes, scope_text);

    if (scope == TEXT_POOL_NONE)
        return NULL;
    uint32_t hash = stripes_hash(directory, scope, serial, strlen(serial));
    struct stripe *stripe = lock_stripe(directory, hash);
    const struct device *device = stripes_find(directory, stripe, hash, scope, serial);
    unlock_stripe(stripe);
    return device;
}

/* On one of them who comes waits for an operator. */
static bool scope_needs_approval(const struct directory *directory, const char *scope)
{
    const struct directory_config *config = &directory->config;

    for (size_t i = 0; config->listeners != NULL && i < config->listener_count; i++)
        if (config->listeners[i].admission == CONFIG_APPROVE &&
            strcmp(config->listeners[i].scope, scope) == 0)
            return true;
    return false;
}

/* Tells the first event that is left of a device whether it is approved? */
static bool tells_approval(const Cenc__V1__Event *event)
{
    switch (event->body_case) {
    case CENC__V1__EVENT__BODY_DEVICE_ADDED:
        return event->device_added->state != NULL;
    case CENC__V1__EVENT__BODY_DEVICE_CHANGED:
        return event->device_changed->state != NULL;
    case CENC__V1__EVENT__BODY_DEVICE_APPROVED:
    case CENC__V1__EVENT__BODY_ACCESS_STARTED: /* an agent was let through */
    case CENC__V1__EVENT__BODY_ACCESS_FINISHED:
        return true;
    default:
        return false;
    }
}

enum status directory_apply_event(struct directory *directory, const Cenc__V1__Event *event,
                                  uint64_t sequence)
{
    char text[FACTS_SERIAL_SIZE];
    char serial[PLUGIN_SERIAL_SIZE];
    struct device_facts facts;
    struct facts_texts texts;

    enum status status = accounts_apply(directory, event);
    if (status != STATUS_OK)
        return status;
    if (!replay_serial(event, text) || !serial_of(text, serial))
        return STATUS_OK;
    const struct device *device = find_also_removed(directory, event->device->scope, serial);
    if (device == NULL || !directory_facts(directory, device, &facts, &texts))
        facts_init(&facts, event->device->scope, text);
    bool known = facts.known && !facts.removed;
    if (!replay_apply(event, sequence, &facts))
        return STATUS_OK;
    /* what told it is gone, with the store: better asked for once more than let through */
    if (!known && !tells_approval(event) && scope_needs_approval(directory, facts.scope))
        facts.unapproved = true;
    return directory_restore(directory, &facts);
}
