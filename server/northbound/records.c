#include "server/northbound/records.h"

#include <string.h>

#define CSQ_MAX 31u

static char *text_of(const char *text, char *out, size_t size)
{
    (void)proto_text(text, strlen(text), out, size);
    return out;
}

static char *listener_of(const struct config *config, uint32_t listener)
{
    return proto_string(listener < config->listener_count ? config->listeners[listener].name : "");
}

static Cenc__V1__Presence presence_of(enum device_state state)
{
    switch (state) {
    case DEVICE_OFFLINE:
        return CENC__V1__PRESENCE__PRESENCE_OFFLINE;
    case DEVICE_IDLE:
        return CENC__V1__PRESENCE__PRESENCE_IDLE;
    case DEVICE_IN_SESSION:
        return CENC__V1__PRESENCE__PRESENCE_IN_SESSION;
    }
    return CENC__V1__PRESENCE__PRESENCE_UNSPECIFIED;
}

static Cenc__V1__Signal *signal_of(struct device_message *message)
{
    uint8_t csq = message->info.signal_csq;

    if (csq > CSQ_MAX)
        return NULL;
    cenc__v1__signal__init(&message->signal);
    message->signal.csq = csq;
    message->signal.rssi_dbm = 2 * (int32_t)csq - 113;
    return &message->signal;
}

static void fill_status(struct device_message *message, const struct config *config,
                        uint64_t utc_ms)
{
    const struct device_info *info = &message->info;
    Cenc__V1__DeviceStatus *status = &message->status;

    cenc__v1__device_status__init(status);
    cenc__v1__device_key__init(&message->key);
    message->key.scope = proto_string(info->scope);
    message->key.serial = text_of(info->serial, message->serial, sizeof(message->serial));
    status->device = &message->key;
    status->project = proto_string(info->project);
    status->presence = presence_of(info->state);
    status->link_epoch = info->epoch;
    status->last_activity_unix_ms = (int64_t)info->last_seen_utc_ms;
    status->signal = signal_of(message);
    status->last_gasp_unix_ms = (int64_t)info->gasp.utc_ms;
    status->listener = listener_of(config, info->listener);
    status->direct_port = info->direct_port;
    status->observed_unix_ms = (int64_t)utc_ms;
    status->unapproved = info->unapproved;
    status->bytes_received = info->bytes.received;
    status->bytes_sent = info->bytes.sent;
    if (info->link.id == 0 || info->peer.family == 0)
        return;
    cenc__v1__endpoint__init(&message->peer);
    message->peer.address = address_format_ip(&info->peer, message->peer_text);
    message->peer.port = info->peer.port;
    status->peer = &message->peer;
}

static void fill_device(struct device_message *message)
{
    const struct device_info *info = &message->info;
    Cenc__V1__Device *device = &message->device;

    cenc__v1__device__init(device);
    device->scope = proto_string(info->scope);
    device->serial = message->serial;
    device->kind = text_of(info->kind, message->kind, sizeof(message->kind));
    device->model = text_of(info->model, message->model, sizeof(message->model));
    device->firmware = text_of(info->firmware, message->firmware, sizeof(message->firmware));
    device->hardware = text_of(info->hardware, message->hardware, sizeof(message->hardware));
    if (strcmp(device->serial, info->serial) == 0)
        return;
    device->serial_raw.data = (uint8_t *)(uintptr_t)info->serial;
    device->serial_raw.len = strlen(info->serial);
}

static void fill_state(struct device_message *message)
{
    const struct device_info *info = &message->info;
    Cenc__V1__DeviceState *state = &message->state;

    cenc__v1__device_state__init(state);
    state->first_seen_unix_ms = (int64_t)info->first_seen_utc_ms;
    state->last_seen_unix_ms = (int64_t)info->last_seen_utc_ms;
    state->listener = message->status.listener;
    state->direct_port = info->direct_port;
    state->signal = message->status.signal;
    state->last_gasp_unix_ms = (int64_t)info->gasp.utc_ms;
    state->link_epoch = info->epoch;
    state->project_id = info->project_id;
    state->group_id = info->group_id;
    state->channel = proto_string(info->channel);
    state->channel_id = info->channel_id;
    state->unapproved = info->unapproved;
    message->groups[0] = proto_string(info->group);
    state->groups = message->groups;
    state->n_groups = info->group[0] != '\0' ? 1 : 0;
}

static void fill_registration(struct device_message *message, const struct ledger_row *row)
{
    Cenc__V1__Registration *registration = &message->registration;

    cenc__v1__registration__init(registration);
    registration->state = CENC__V1__REGISTRATION_STATE__REGISTRATION_STATE_WAITING;
    if (row == NULL || row->state == LEDGER_NONE || row->state == LEDGER_WAITING)
        return;
    registration->state = (Cenc__V1__RegistrationState)row->state;
    registration->id = proto_string(row->id);
    registration->reason = proto_string(row->reason);
    registration->consumer = proto_string(row->consumer);
    registration->reported_unix_ms = (int64_t)row->utc_ms;
}

void device_message_status(struct directory *directory, const struct device *device,
                           const struct config *config, uint64_t utc_ms,
                           struct device_message *message)
{
    directory_get(directory, device, &message->info);
    fill_status(message, config, utc_ms);
    cenc__v1__device_record__init(&message->record);
    message->record.status = &message->status;
}

void device_message_fill(struct directory *directory, const struct device *device,
                         const struct config *config, uint64_t utc_ms,
                         const struct ledger_row *registration, struct device_message *message)
{
    device_message_status(directory, device, config, utc_ms, message);
    fill_device(message);
    fill_state(message);
    fill_registration(message, registration);
    message->record.device = &message->device;
    message->record.project = message->status.project;
    message->record.state = &message->state;
    message->record.registration = &message->registration;
}
