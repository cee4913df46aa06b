#include "server/northbound/plugin_facts.h"

#include <stdio.h>
#include <string.h>

#include "server/base/check.h"

bool plugin_fact_of(int body, enum plugin_fact *what)
{
    switch (body) {
    case CENC__V1__EVENT__BODY_DEVICE_ADDED:
        *what = PLUGIN_FACT_NEW;
        return true;
    case CENC__V1__EVENT__BODY_CONNECTED:
        *what = PLUGIN_FACT_CONNECTED;
        return true;
    case CENC__V1__EVENT__BODY_DISCONNECTED:
        *what = PLUGIN_FACT_DISCONNECTED;
        return true;
    case CENC__V1__EVENT__BODY_DEVICE_CHANGED:
    case CENC__V1__EVENT__BODY_DEVICE_MOVED:
        *what = PLUGIN_FACT_CHANGED;
        return true;
    case CENC__V1__EVENT__BODY_DEVICE_REMOVED:
        *what = PLUGIN_FACT_GONE;
        return true;
    default:
        return false;
    }
}

static const char *keep(struct plugin_telling *telling, const char *text)
{
    char *kept = telling->texts + telling->used;
    size_t size = text != NULL ? strlen(text) + 1 : 0;

    if (size <= 1 || size > sizeof(telling->texts) - telling->used)
        return "";
    memcpy(kept, text, size);
    telling->used += size;
    return kept;
}

static void set_peer(struct plugin_telling *telling, const Cenc__V1__Endpoint *peer)
{
    if (peer == NULL)
        return;
    telling->facts.peer = keep(telling, peer->address);
    telling->facts.peer_port = peer->port;
}

static void set_signal(struct plugin_telling *telling, const Cenc__V1__Signal *signal)
{
    if (signal != NULL && signal->csq <= 31)
        telling->facts.signal_csq = (uint8_t)signal->csq;
}

static void set_state(struct plugin_telling *telling, const Cenc__V1__DeviceState *state)
{
    if (state == NULL)
        return;
    telling->facts.direct_port = state->direct_port;
    set_signal(telling, state->signal);
    if (telling->facts.listener[0] == '\0')
        telling->facts.listener = keep(telling, state->listener);
}

static void set_end(struct plugin_telling *telling, const Cenc__V1__Disconnected *body)
{
    char reason[128];

    set_peer(telling, body->peer);
    telling->facts.newer_link = body->newer_link != 0;
    if (body->reason == NULL)
        return;
    (void)snprintf(reason, sizeof(reason), "%s %s", body->reason->layer, body->reason->cause);
    telling->facts.reason = keep(telling, reason);
}

static void set_body(struct plugin_telling *telling, const Cenc__V1__Event *event)
{
    switch (event->body_case) {
    case CENC__V1__EVENT__BODY_DEVICE_ADDED:
        set_state(telling, event->device_added->state);
        break;
    case CENC__V1__EVENT__BODY_DEVICE_CHANGED:
        set_state(telling, event->device_changed->state);
        break;
    case CENC__V1__EVENT__BODY_DEVICE_REMOVED:
        set_state(telling, event->device_removed->state);
        break;
    case CENC__V1__EVENT__BODY_CONNECTED:
        set_peer(telling, event->connected->peer);
        set_signal(telling, event->connected->signal);
        telling->facts.direct_port = event->connected->direct_port;
        break;
    case CENC__V1__EVENT__BODY_DISCONNECTED:
        set_end(telling, event->disconnected);
        break;
    default:
        break;
    }
}

static void set_device(struct plugin_telling *telling, const Cenc__V1__Device *device)
{
    struct plugin_facts *facts = &telling->facts;

    facts->scope = keep(telling, device->scope);
    facts->serial = keep(telling, device->serial);
    facts->kind = keep(telling, device->kind);
    facts->model = keep(telling, device->model);
    facts->firmware = keep(telling, device->firmware);
    facts->hardware = keep(telling, device->hardware);
}

static void begin(struct plugin_telling *telling, enum plugin_fact what, uint64_t sequence)
{
    telling->used = 0;
    telling->facts = (struct plugin_facts){
        .size = sizeof(struct plugin_facts),
        .what = what,
        .sequence = sequence,
        .node = "",
        .scope = "",
        .serial = "",
        .kind = "",
        .model = "",
        .firmware = "",
        .hardware = "",
        .project = "",
        .listener = "",
        .peer = "",
        .reason = "",
        .signal_csq = PLUGIN_SIGNAL_UNKNOWN,
    };
}

void plugin_telling_of_event(struct plugin_telling *telling, const Cenc__V1__Event *event,
                             uint64_t sequence)
{
    struct plugin_facts *facts = &telling->facts;
    enum plugin_fact what;

    CHECK(event->device != NULL && plugin_fact_of((int)event->body_case, &what));
    begin(telling, what, sequence);
    facts->utc_ms = event->received_unix_ms;
    facts->link_epoch = event->link_epoch;
    facts->node = keep(telling, event->node);
    set_device(telling, event->device);
    facts->project = keep(telling, event->project);
    facts->listener = keep(telling, event->listener);
    set_body(telling, event);
}

void plugin_telling_of_device(struct plugin_telling *telling, const struct device_message *message,
                              const char *node, uint64_t sequence)
{
    struct plugin_facts *facts = &telling->facts;

    begin(telling, PLUGIN_FACT_LISTED, sequence);
    facts->utc_ms = (int64_t)message->info.first_seen_utc_ms;
    facts->link_epoch = message->info.epoch;
    facts->online = message->info.link.id != 0;
    facts->node = keep(telling, node);
    set_device(telling, &message->device);
    facts->project = keep(telling, message->status.project);
    set_peer(telling, message->status.peer);
    set_state(telling, &message->state);
}

void plugin_telling_of_complete(struct plugin_telling *telling, uint64_t utc_ms, const char *node,
                                uint64_t sequence)
{
    begin(telling, PLUGIN_FACT_COMPLETE, sequence);
    telling->facts.utc_ms = (int64_t)utc_ms;
    telling->facts.node = keep(telling, node);
}
