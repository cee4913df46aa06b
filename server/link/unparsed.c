#include "server/link/unparsed.h"

#include <stdio.h>
#include <stdlib.h>

#include "server/link/events_internal.h"

#define SLOTS  4096u /* a power of two */
#define PROBES 8u    /* neighbours that a device may have */

/* ---- slots ---- */

static uint32_t place_of(const struct device *device)
{
    uint64_t mixed = (uint64_t)(uintptr_t)device * 0x9e3779b97f4a7c15u;
    return (uint32_t)(mixed >> 32) & (SLOTS - 1);
}

/* The device's own, or a free one; NULL: there is none, or no memory. */
static struct unparsed_slot *slot_of(struct unparsed *unparsed, const struct device *device)
{
    struct unparsed_slot *free_slot = NULL;
    if (unparsed->slots == NULL)
        unparsed->slots = calloc(SLOTS, sizeof *unparsed->slots);
    if (unparsed->slots == NULL)
        return NULL;
    for (uint32_t i = 0; i < PROBES; i++) {
        struct unparsed_slot *slot = &unparsed->slots[(place_of(device) + i) & (SLOTS - 1)];
        if (slot->device == device)
            return slot;
        if (slot->device == NULL && free_slot == NULL)
            free_slot = slot;
    }
    return free_slot;
}

/* ---- the event ---- */

/* link NULL: it is gone, or nothing came just now. */
static enum status tell(struct shard *shard, const struct device *device, const struct link *link,
                        const uint8_t *data, size_t size, uint64_t skipped)
{
    struct event_texts texts;
    Cenc__V1__Event event;
    Cenc__V1__UnparsedBytes body;
    char why[64] = "";
    size_t kept = size;
    if (kept > shard->server->config->links.unparsed_bytes)
        kept = shard->server->config->links.unparsed_bytes;
    event_begin(shard, device, &texts, &event);
    cenc__v1__unparsed_bytes__init(&body);
    body.data.data = (uint8_t *)(uintptr_t)data;
    body.data.len = kept;
    body.data_size = kept < size ? size : 0;
    body.skipped_bytes = skipped;
    body.transport = CENC__V1__TRANSPORT__TRANSPORT_TCP;
    if (link != NULL) {
        (void)snprintf(why, sizeof why, "a message of the plugin %.32s",
                       link_plugin(link)->plugin->name);
        event_endpoint(&link->peer, &texts.peer, texts.peer_text);
        body.peer = &texts.peer;
        event.link_epoch = link->epoch;
    }
    body.why = why;
    event.body_case = CENC__V1__EVENT__BODY_UNPARSED_BYTES;
    event.unparsed_bytes = &body;
    return event_tell(shard, &event);
}

static void skip(struct shard *shard, struct unparsed_slot *slot, size_t size)
{
    count_up(&shard->counters.unparsed_skipped_bytes, size);
    if (slot != NULL)
        slot->skipped += size;
}

static bool is_over(const struct shard *shard, const struct unparsed_slot *slot)
{
    uint64_t interval_ms = shard->server->config->links.unparsed_interval_s * 1000ull;
    return reactor_now_ms(shard->reactor) - slot->told_ms >= interval_ms;
}

void unparsed_received(struct link *link, uint8_t *data, size_t size)
{
    struct shard *shard = link_shard(link);
    const struct server *server = shard->server;
    if (size == 0 || server->journal == NULL || server->config->links.unparsed_bytes == 0)
        return;
    struct unparsed_slot *slot = slot_of(&shard->unparsed, link->device);
    if (slot == NULL || (slot->device != NULL && !is_over(shard, slot))) {
        skip(shard, slot, size);
        return;
    }
    if (link_plugin(link)->plugin->mask != NULL)
        link_plugin(link)->plugin->mask(data, size);
    uint64_t skipped = slot->device != NULL ? slot->skipped : 0;
    if (slot->device == NULL)
        shard->unparsed.used++;
    *slot =
        (struct unparsed_slot){.device = link->device, .told_ms = reactor_now_ms(shard->reactor)};
    if (tell(shard, link->device, link, data, size, skipped) != STATUS_OK) {
        slot->skipped = skipped;
        skip(shard, slot, size);
    }
}

static void end(struct shard *shard, struct unparsed_slot *slot)
{
    if (slot->skipped > 0 && tell(shard, slot->device, NULL, NULL, 0, slot->skipped) == STATUS_OK) {
        slot->skipped = 0;
        slot->told_ms = reactor_now_ms(shard->reactor);
    } else if (slot->skipped == 0) {
        shard->unparsed.used--;
        slot->device = NULL;
    }
}

void unparsed_tick(struct shard *shard)
{
    for (uint32_t i = 0; shard->unparsed.used > 0 && i < SLOTS; i++) {
        struct unparsed_slot *slot = &shard->unparsed.slots[i];
        if (slot->device != NULL && is_over(shard, slot))
            end(shard, slot);
    }
}

void unparsed_free(struct shard *shard)
{
    free(shard->unparsed.slots);
}
