#include "server/directory/replay.h"

#include <string.h>

void facts_init(struct device_facts *facts, const char *scope, const char *serial)
{
    *facts = (struct device_facts){
        .scope = scope,
        .serial = serial,
        .kind = "",
        .model = "",
        .firmware = "",
        .hardware = "",
        .listener = "",
        .note = "",
        .signal_csq = PLUGIN_SIGNAL_UNKNOWN,
    };
}

_Static_assert(sizeof(struct device_facts) == 128, "a new fact must be compared here");

bool facts_differ_in_times(const struct device_facts *a, const struct device_facts *b)
{
    return a->known && b->known && a->removed == b->removed && a->kind == b->kind &&
           a->model == b->model && a->firmware == b->firmware && a->hardware == b->hardware &&
           a->listener == b->listener && a->note == b->note &&
           a->first_seen_utc_ms == b->first_seen_utc_ms && a->project_id == b->project_id &&
           a->group_id == b->group_id && a->channel_id == b->channel_id &&
           a->direct_port == b->direct_port && a->signal_csq == b->signal_csq &&
           a->unapproved == b->unapproved;
}

/* ---- who it is about ---- */

/* A gasp of a device that nobody knew, or one that was only a test, is told onward and no more. */
static bool counts(const Cenc__V1__LastGasp *gasp)
{
    return !gasp->unknown_device && !gasp->test;
}

/* Says such an event that there is such a device? Then it is added if it is not known, since its
 * device_added may be gone from the journal. */
static bool vouches(const Cenc__V1__Event *event)
{
    switch (event->body_case) {
    case CENC__V1__EVENT__BODY_DEVICE_ADDED:
    case CENC__V1__EVENT__BODY_DEVICE_CHANGED:
    case CENC__V1__EVENT__BODY_DEVICE_MOVED:
    case CENC__V1__EVENT__BODY_DEVICE_APPROVED:
    case CENC__V1__EVENT__BODY_CONNECTED:
    case CENC__V1__EVENT__BODY_ACCESS_STARTED:
    case CENC__V1__EVENT__BODY_ACCESS_FINISHED:
    case CENC__V1__EVENT__BODY_POWER_RESTORED:
        return true;
    case CENC__V1__EVENT__BODY_LAST_GASP:
        return counts(event->last_gasp);
    default:
        return false;
    }
}

/* A connection that ended may be one whose device was refused. */
static bool concerns(const Cenc__V1__Event *event)
{
    return vouches(event) || event->body_case == CENC__V1__EVENT__BODY_DEVICE_REMOVED ||
           event->body_case == CENC__V1__EVENT__BODY_DISCONNECTED;
}

bool replay_serial(const Cenc__V1__Event *event, char serial[static FACTS_SERIAL_SIZE])
{
    const Cenc__V1__Device *device = event->device;
    uint8_t raw[PLUGIN_SERIAL_SIZE];
    size_t size;

    if (device == NULL || !concerns(event))
        return false;
    if (device->serial_raw.len > 0) {
        size = device->serial_raw.len;
        memcpy(raw, device->serial_raw.data, size < sizeof(raw) ? size : sizeof(raw));
    } else {
        size = proto_text_undo(device->serial, raw, sizeof(raw));
    }
    if (size == 0 || size >= PLUGIN_SERIAL_SIZE || memchr(raw, '\0', size) != NULL)
        return false;
    (void)proto_text(raw, size, serial, FACTS_SERIAL_SIZE);
    return true;
}

/* ---- what it says ---- */

static uint64_t later(uint64_t a, int64_t b)
{
    return b > 0 && (uint64_t)b > a ? (uint64_t)b : a;
}

static uint32_t epoch_of(const Cenc__V1__Event *event, const Cenc__V1__DeviceState *state)
{
    uint32_t epoch = event->link_epoch;

    return state != NULL && state->link_epoch > epoch ? state->link_epoch : epoch;
}

static void set_identity(const Cenc__V1__Event *event, struct device_facts *facts)
{
    facts->kind = event->device->kind;
    facts->model = event->device->model;
    facts->firmware = event->device->firmware;
    facts->hardware = event->device->hardware;
}

static void set_signal(const Cenc__V1__Signal *signal, struct device_facts *facts)
{
    bool known = signal != NULL && signal->csq < PLUGIN_SIGNAL_UNKNOWN;

    facts->signal_csq = known ? (uint8_t)signal->csq : PLUGIN_SIGNAL_UNKNOWN;
}

/* 0 is no news: the server may have run without direct ports for a while, and the lease stays. */
static void set_port(uint32_t port, struct device_facts *facts)
{
    if (port > 0 && port <= UINT16_MAX)
        facts->direct_port = (uint16_t)port;
}

static const Cenc__V1__DeviceState *state_of(const Cenc__V1__Event *event)
{
    switch (event->body_case) {
    case CENC__V1__EVENT__BODY_DEVICE_ADDED:
        return event->device_added->state;
    case CENC__V1__EVENT__BODY_DEVICE_CHANGED:
        return event->device_changed->state;
    default:
        return NULL;
    }
}

/* All that the event says of a device that was not known, or not any more. */
static void add(const Cenc__V1__Event *event, struct device_facts *facts)
{
    const Cenc__V1__DeviceState *state = state_of(event);
    uint32_t epoch = facts->epoch;

    facts_init(facts, facts->scope, facts->serial);
    facts->known = true;
    facts->epoch = epoch;
    set_identity(event, facts);
    facts->first_seen_utc_ms = later(0, event->received_unix_ms);
    if (state == NULL)
        return;
    if (state->first_seen_unix_ms > 0)
        facts->first_seen_utc_ms = (uint64_t)state->first_seen_unix_ms;
    facts->gasp.utc_ms = later(0, state->last_gasp_unix_ms);
    facts->note = state->note;
    facts->project_id = state->project_id;
    facts->group_id = state->group_id;
    facts->channel_id = state->channel_id;
    facts->unapproved = state->unapproved;
}

static bool lists(const Cenc__V1__DeviceChanged *changed, const char *name)
{
    for (size_t i = 0; i < changed->n_changed; i++)
        if (strcmp(changed->changed[i], name) == 0)
            return true;
    return false;
}

static void apply_state(const Cenc__V1__Event *event, const Cenc__V1__DeviceState *state,
                        struct device_facts *facts)
{
    if (state == NULL)
        return;
    facts->last_seen_utc_ms = later(facts->last_seen_utc_ms, state->last_seen_unix_ms);
    if (epoch_of(event, state) < facts->epoch)
        return;
    set_identity(event, facts);
    facts->listener = state->listener;
    set_signal(state->signal, facts);
    set_port(state->direct_port, facts);
}

/* A device that is being added by two links at once may be told of twice, and by the earlier one
 * from before it had its place. */
static void apply_added(const Cenc__V1__Event *event, struct device_facts *facts)
{
    const Cenc__V1__DeviceState *state = event->device_added->state;

    apply_state(event, state, facts);
    if (state != NULL && facts->project_id == 0) {
        facts->project_id = state->project_id;
        facts->group_id = state->group_id;
    }
    if (state != NULL && facts->channel_id == 0)
        facts->channel_id = state->channel_id;
}

/* A change that an operator made has no other sign than its name in the list. */
static void apply_changed(const Cenc__V1__Event *event, struct device_facts *facts)
{
    const Cenc__V1__DeviceChanged *changed = event->device_changed;

    apply_state(event, changed->state, facts);
    if (changed->state == NULL)
        return;
    if (lists(changed, "note"))
        facts->note = changed->state->note;
    if (lists(changed, "direct_port") && changed->state->direct_port == 0 &&
        epoch_of(event, changed->state) >= facts->epoch)
        facts->direct_port = 0;
}

static void apply_connected(const Cenc__V1__Event *event, struct device_facts *facts)
{
    facts->last_seen_utc_ms = later(facts->last_seen_utc_ms, event->received_unix_ms);
    if (event->link_epoch < facts->epoch)
        return;
    set_identity(event, facts);
    facts->listener = event->listener;
    set_signal(event->connected->signal, facts);
    set_port(event->connected->direct_port, facts);
}

static void apply_gasp(const Cenc__V1__Event *event, uint64_t sequence, struct device_facts *facts)
{
    uint64_t utc_ms = later(0, event->received_unix_ms);

    if (utc_ms >= facts->gasp.utc_ms)
        facts->gasp = (struct gasp){.utc_ms = utc_ms, .sequence = sequence};
}

/* It says which gasp is over; a later one is not. */
static void apply_restored(const Cenc__V1__Event *event, struct device_facts *facts)
{
    int64_t named_ms = event->power_restored->last_gasp_unix_ms;
    int64_t until_ms = named_ms != 0 ? named_ms : event->received_unix_ms;

    if (until_ms > 0 && facts->gasp.utc_ms <= (uint64_t)until_ms)
        facts->gasp = (struct gasp){0};
}

/* One that had a newer link came back since. */
static void apply_removed(const Cenc__V1__Event *event, struct device_facts *facts)
{
    uint32_t epoch = facts->epoch;

    if (event->link_epoch < epoch)
        return;
    facts_init(facts, facts->scope, facts->serial);
    facts->known = true;
    facts->removed = true;
    facts->epoch = epoch;
}

static void apply_body(const Cenc__V1__Event *event, uint64_t sequence, struct device_facts *facts)
{
    switch (event->body_case) {
    case CENC__V1__EVENT__BODY_DEVICE_ADDED:
        apply_added(event, facts);
        break;
    case CENC__V1__EVENT__BODY_DEVICE_CHANGED:
        apply_changed(event, facts);
        break;
    case CENC__V1__EVENT__BODY_DEVICE_REMOVED:
        apply_removed(event, facts);
        break;
    case CENC__V1__EVENT__BODY_DEVICE_MOVED:
        facts->project_id = event->device_moved->project_id;
        facts->group_id = event->device_moved->group_id;
        facts->channel_id = event->device_moved->channel_id;
        break;
    case CENC__V1__EVENT__BODY_DEVICE_APPROVED:
        facts->unapproved = false;
        break;
    case CENC__V1__EVENT__BODY_CONNECTED:
        apply_connected(event, facts);
        break;
    case CENC__V1__EVENT__BODY_ACCESS_STARTED:
    case CENC__V1__EVENT__BODY_ACCESS_FINISHED:
        facts->last_seen_utc_ms = later(facts->last_seen_utc_ms, event->received_unix_ms);
        break;
    case CENC__V1__EVENT__BODY_LAST_GASP:
        apply_gasp(event, sequence, facts);
        break;
    case CENC__V1__EVENT__BODY_POWER_RESTORED:
        apply_restored(event, facts);
        break;
    default:
        break;
    }
}

/* A removed device comes back when it is added anew, or by what happens on a link that is newer
 * than all before; what is still said of the old ones doesn't bring it back. */
static bool comes_back(const Cenc__V1__Event *event, const struct device_facts *facts)
{
    return event->body_case == CENC__V1__EVENT__BODY_DEVICE_ADDED ||
           (vouches(event) && epoch_of(event, state_of(event)) > facts->epoch);
}

bool replay_apply(const Cenc__V1__Event *event, uint64_t sequence, struct device_facts *facts)
{
    if (!facts->known && !vouches(event))
        return false;
    if (facts->removed && !comes_back(event, facts))
        return false;
    if (!facts->known || facts->removed)
        add(event, facts);
    apply_body(event, sequence, facts);
    uint32_t epoch = epoch_of(event, state_of(event));
    if (epoch > facts->epoch)
        facts->epoch = epoch;
    return true;
}
