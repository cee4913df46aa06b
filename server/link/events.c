#include "server/link/events.h"

#include <stdlib.h>
#include <string.h>

#include "codec/proto/event_codes.h"
#include "server/base/check.h"
#include "server/link/events_internal.h"
#include "server/link/untold.h"

#define USUAL_BYTES 1024u

static bool off(const struct shard *shard)
{
    return shard->server->journal == NULL;
}

/* ---- what all events share ---- */

static char *text_of(const char *text, char *out, size_t size)
{
    (void)proto_text(text, strlen(text), out, size);
    return out;
}

void event_endpoint(const struct address *address, Cenc__V1__Endpoint *endpoint,
                    char text[static ADDRESS_TEXT_SIZE])
{
    cenc__v1__endpoint__init(endpoint);
    endpoint->address = address_format_ip(address, text);
    endpoint->port = address->port;
}

static void set_identity(const char *scope, const char *serial, struct event_texts *texts)
{
    Cenc__V1__Device *device = &texts->device;
    size_t size = strlen(serial);
    cenc__v1__device__init(device);
    device->scope = proto_string(scope);
    device->serial = texts->serial;
    if (proto_text(serial, size, texts->serial, sizeof texts->serial))
        return;
    device->serial_raw.data = (uint8_t *)proto_string(serial);
    device->serial_raw.len = size;
}

static void fill_device(const struct device_info *info, struct event_texts *texts)
{
    Cenc__V1__Device *device = &texts->device;
    set_identity(info->scope, info->serial, texts);
    device->kind = text_of(info->kind, texts->kind, sizeof texts->kind);
    device->model = text_of(info->model, texts->model, sizeof texts->model);
    device->firmware = text_of(info->firmware, texts->firmware, sizeof texts->firmware);
    device->hardware = text_of(info->hardware, texts->hardware, sizeof texts->hardware);
}

void event_stranger(const char *scope, const char *serial, struct event_texts *texts,
                    Cenc__V1__Event *event)
{
    set_identity(scope, serial, texts);
    event->device = &texts->device;
}

void event_begin(struct shard *shard, const struct device *device, struct event_texts *texts,
                 Cenc__V1__Event *event)
{
    const struct device_info *info = &texts->info;
    cenc__v1__event__init(event);
    event->node = proto_string(shard->server->config->server.node);
    event->received_unix_ms = (int64_t)reactor_utc_ms(shard->reactor);
    if (device == NULL) {
        texts->info = (struct device_info){0};
        return;
    }
    directory_get(shard->server->directory, device, &texts->info);
    fill_device(info, texts);
    event->device = &texts->device;
    event->project = proto_string(info->project);
    event->link_epoch = info->epoch;
    if (info->listener != DIRECTORY_NO_LISTENER)
        event->listener = proto_string(shard->server->config->listeners[info->listener].name);
}

void event_set_type(Cenc__V1__Event *event)
{
    event->event_type = proto_string(event_code_text(event_code_of(event->body_case)));
}

/* ---- appending ---- */

void event_drop(struct pending_event *pending)
{
    atomic_fetch_sub(&pending->shard->server->messages, 1);
    free(pending);
}

static void recorded(struct journal_entry *entry, enum status status)
{
    struct pending_event *event = container_of(entry, struct pending_event, entry);
    if (event->done != NULL)
        event->done(event, status);
    event_drop(event);
}

/* A pending event with room for size bytes, not filled in. */
static struct pending_event *make_room(size_t size, const struct pending_event *template)
{
    struct pending_event *pending = malloc(sizeof *pending + size);
    if (pending != NULL)
        *pending = template != NULL ? *template : (struct pending_event){0};
    return pending;
}

/* Nearly all events are small: packing tells the size sooner than asking for it. */
static struct pending_event *pack(const Cenc__V1__Event *event,
                                  const struct pending_event *template, size_t *size)
{
    uint8_t bytes[USUAL_BYTES];
    if (event_pack(event, bytes, sizeof bytes, size) == CODEC_OK) {
        struct pending_event *pending = make_room(*size, template);
        if (pending != NULL)
            memcpy(pending->bytes, bytes, *size);
        return pending;
    }
    *size = protobuf_c_message_get_packed_size(&event->base);
    struct pending_event *pending = make_room(*size, template);
    /* every text went through proto_text, every size is bounded */
    if (pending != NULL)
        CHECK(event_pack(event, pending->bytes, *size, size) == CODEC_OK);
    return pending;
}

struct pending_event *event_make(struct shard *shard, const Cenc__V1__Event *event,
                                 const struct pending_event *template)
{
    size_t size = 0;
    struct pending_event *pending = pack(event, template, &size);
    if (pending == NULL)
        return NULL;
    pending->shard = shard;
    pending->entry.data = pending->bytes;
    pending->entry.size = (uint32_t)size;
    pending->entry.kind = JOURNAL_EVENT;
    pending->entry.class = (uint8_t)event_class(event);
    pending->entry.from = shard->reactor;
    pending->entry.done = recorded;
    atomic_fetch_add(&shard->server->messages, 1);
    return pending;
}

enum status event_submit(struct pending_event *pending)
{
    return journal_append(pending->shard->server->journal, &pending->entry);
}

enum status event_append(struct shard *shard, const Cenc__V1__Event *event,
                         const struct pending_event *template)
{
    struct pending_event *pending = event_make(shard, event, template);
    if (pending == NULL)
        return STATUS_NO_MEMORY;
    enum status status = event_submit(pending);
    if (status != STATUS_OK)
        event_drop(pending);
    return status;
}

enum status event_tell(struct shard *shard, Cenc__V1__Event *event)
{
    event_set_type(event);
    enum status status = event_append(shard, event, NULL);
    if (status == STATUS_NO_MEMORY)
        count_up(&shard->counters.events_lost, 1);
    return status;
}

/* For what memory says from now on, whether or not the journal could take it. */
static void tell_state(struct shard *shard, struct device *device, Cenc__V1__Event *event)
{
    if (event_tell(shard, event) != STATUS_OK)
        untold_note(shard, device);
}

/* What the event says to whoever reads the journal, the directory knows, too. */
static void note_seen(struct shard *shard, struct device *device, const Cenc__V1__Event *event)
{
    directory_seen(shard->server->directory, device, (uint64_t)event->received_unix_ms);
}

/* ---- devices ---- */

static void fill_signal(uint8_t csq, struct event_texts *texts, Cenc__V1__Signal **signal)
{
    if (csq == PLUGIN_SIGNAL_UNKNOWN)
        return;
    cenc__v1__signal__init(&texts->signal);
    texts->signal.csq = csq;
    texts->signal.rssi_dbm = 2 * csq - 113;
    *signal = &texts->signal;
}

void event_state(const char *listener, struct event_texts *texts, Cenc__V1__DeviceState *state)
{
    const struct device_info *info = &texts->info;
    cenc__v1__device_state__init(state);
    state->first_seen_unix_ms = (int64_t)info->first_seen_utc_ms;
    state->last_seen_unix_ms = (int64_t)info->last_seen_utc_ms;
    state->listener = proto_string(listener);
    state->direct_port = info->direct_port;
    state->last_gasp_unix_ms = (int64_t)info->gasp.utc_ms;
    state->link_epoch = info->epoch;
    state->project_id = info->project_id;
    state->group_id = info->group_id;
    state->channel = proto_string(info->channel);
    state->channel_id = info->channel_id;
    state->unapproved = info->unapproved;
    fill_signal(info->signal_csq, texts, &state->signal);
}

/* Its link went before anybody was told of it; but who looked meanwhile saw it connected. */
static void tell_if_gone(struct shard *shard, struct device *device)
{
    struct device_info info;
    directory_get(shard->server->directory, device, &info);
    if (info.link.id == 0)
        untold_note(shard, device);
}

static void device_added(struct pending_event *event, enum status status)
{
    struct shard *shard = event->shard;
    struct link *link = link_find(shard, &event->link);
    if (status == STATUS_OK)
        directory_recorded(shard->server->directory, event->device);
    if (status == STATUS_OK && link == NULL)
        tell_if_gone(shard, event->device);
    event->added(shard, event->device, link, status);
}

enum status events_device_added(struct link *link,
                                void (*done)(struct shard *shard, struct device *device,
                                             struct link *link, enum status status))
{
    struct shard *shard = link_shard(link);
    struct event_texts texts;
    Cenc__V1__Event event;
    Cenc__V1__DeviceAdded body;
    Cenc__V1__DeviceState state;
    if (off(shard)) {
        done(shard, link->device, link, STATUS_OK);
        return STATUS_OK;
    }
    struct pending_event template = {
        .done = device_added,
        .device = link->device,
        .link = link_ref(link),
        .added = done,
    };
    event_begin(shard, link->device, &texts, &event);
    event_state(link_listener(link)->name, &texts, &state);
    cenc__v1__device_added__init(&body);
    body.state = &state;
    event.body_case = CENC__V1__EVENT__BODY_DEVICE_ADDED;
    event.device_added = &body;
    return event_append(shard, &event, &template);
}

void events_device_changed(struct link *link)
{
    struct shard *shard = link_shard(link);
    struct event_texts texts;
    Cenc__V1__Event event;
    Cenc__V1__DeviceChanged body;
    Cenc__V1__DeviceState state;
    if (off(shard))
        return;
    event_begin(shard, link->device, &texts, &event);
    event_state(link_listener(link)->name, &texts, &state);
    cenc__v1__device_changed__init(&body);
    body.state = &state;
    event.body_case = CENC__V1__EVENT__BODY_DEVICE_CHANGED;
    event.device_changed = &body;
    tell_state(shard, link->device, &event);
}

static void fill_connected(const struct link *link, struct event_texts *texts,
                           Cenc__V1__Connected *body, Cenc__V1__Event *event)
{
    struct shard *shard = link_shard(link);
    event_begin(shard, link->device, texts, event);
    note_seen(shard, link->device, event);
    cenc__v1__connected__init(body);
    event_endpoint(&link->peer, &texts->peer, texts->peer_text);
    fill_signal(texts->info.signal_csq, texts, &body->signal);
    body->transport = CENC__V1__TRANSPORT__TRANSPORT_TCP;
    body->peer = &texts->peer;
    body->local_port = link_listener(link)->address.port;
    body->direct_port = link->direct_port;
    event->link_epoch = link->epoch;
    event->body_case = CENC__V1__EVENT__BODY_CONNECTED;
    event->connected = body;
}

void events_connected(struct link *link)
{
    struct event_texts texts;
    Cenc__V1__Event event;
    Cenc__V1__Connected body;
    if (off(link_shard(link)))
        return;
    fill_connected(link, &texts, &body, &event);
    tell_state(link_shard(link), link->device, &event);
}

enum status events_connected_again(struct link *link)
{
    const struct pending_event template = {.entry.kept = true};
    struct event_texts texts;
    Cenc__V1__Event event;
    Cenc__V1__Connected body;
    fill_connected(link, &texts, &body, &event);
    event_set_type(&event);
    return event_append(link_shard(link), &event, &template);
}

static void fill_reason(enum close_reason reason, struct event_texts *texts)
{
    cenc__v1__close_reason__init(&texts->reason);
    texts->reason.layer = proto_string(close_layer(reason));
    texts->reason.cause = proto_string(close_cause(reason));
}

void events_disconnected(struct link *link, enum close_reason reason, bool newer_link)
{
    struct shard *shard = link_shard(link);
    struct event_texts texts;
    Cenc__V1__Event event;
    Cenc__V1__Disconnected body;
    if (off(shard))
        return;
    event_begin(shard, link->device, &texts, &event);
    cenc__v1__disconnected__init(&body);
    event_endpoint(&link->peer, &texts.peer, texts.peer_text);
    fill_reason(reason, &texts);
    body.reason = &texts.reason;
    body.peer = &texts.peer;
    body.duration_ms = (uint32_t)reactor_now_ms(shard->reactor) - link->connected_at_ms;
    body.bytes_received = link->bytes_received;
    body.bytes_sent = link->bytes_sent;
    body.newer_link = newer_link;
    event.link_epoch = link->epoch;
    event.body_case = CENC__V1__EVENT__BODY_DISCONNECTED;
    event.disconnected = &body;
    tell_state(shard, link->device, &event);
}

/* ---- sessions ---- */

static_assert((int)SESSION_DIRECT_PORT == (int)CENC__V1__ACCESS_PATH__ACCESS_PATH_DIRECT_PORT &&
                  (int)SESSION_SOCKS5 == (int)CENC__V1__ACCESS_PATH__ACCESS_PATH_SOCKS5 &&
                  (int)SESSION_HTTP_CONNECT ==
                      (int)CENC__V1__ACCESS_PATH__ACCESS_PATH_HTTP_CONNECT &&
                  (int)SESSION_VIRTUAL_MODEM ==
                      (int)CENC__V1__ACCESS_PATH__ACCESS_PATH_VIRTUAL_MODEM,
              "ways in are numbered as in the events");

void events_access_started(const struct session *session)
{
    struct shard *shard = session->shard;
    struct event_texts texts;
    Cenc__V1__Event event;
    Cenc__V1__AccessStarted body;
    if (off(shard))
        return;
    event_begin(shard, session->device, &texts, &event);
    note_seen(shard, session->device, &event);
    cenc__v1__access_started__init(&body);
    event_endpoint(&session->peer, &texts.other, texts.other_text);
    body.agent = proto_string(session->agent_name);
    body.agent_peer = &texts.other;
    body.path = (Cenc__V1__AccessPath)session->way->path;
    body.session = session->id;
    event.body_case = CENC__V1__EVENT__BODY_ACCESS_STARTED;
    event.access_started = &body;
    (void)event_tell(shard, &event);
}

void events_access_finished(const struct session *session, enum close_reason reason,
                            uint64_t duration_ms)
{
    struct shard *shard = session->shard;
    struct event_texts texts;
    Cenc__V1__Event event;
    Cenc__V1__AccessFinished body;
    if (off(shard))
        return;
    event_begin(shard, session->device, &texts, &event);
    note_seen(shard, session->device, &event);
    cenc__v1__access_finished__init(&body);
    event_endpoint(&session->peer, &texts.other, texts.other_text);
    fill_reason(reason, &texts);
    body.agent = proto_string(session->agent_name);
    body.agent_peer = &texts.other;
    body.path = (Cenc__V1__AccessPath)session->way->path;
    body.session = session->id;
    body.bytes_to_agent =
        atomic_load_explicit(&session->entry.bytes_to_agent, memory_order_relaxed);
    body.bytes_to_device =
        atomic_load_explicit(&session->entry.bytes_to_device, memory_order_relaxed);
    body.duration_ms = duration_ms;
    body.reason = &texts.reason;
    event.body_case = CENC__V1__EVENT__BODY_ACCESS_FINISHED;
    event.access_finished = &body;
    (void)event_tell(shard, &event);
}

void events_access_refused(const struct session *session, enum close_reason reason)
{
    struct shard *shard = session->shard;
    struct event_texts texts;
    Cenc__V1__Event event;
    Cenc__V1__AccessRefused body;
    char wanted[PROTO_TEXT_SIZE(PLUGIN_SERIAL_SIZE)];
    if (off(shard))
        return;
    event_begin(shard, session->device, &texts, &event);
    cenc__v1__access_refused__init(&body);
    event_endpoint(&session->peer, &texts.other, texts.other_text);
    fill_reason(reason, &texts);
    body.agent = proto_string(session->agent_name);
    body.agent_peer = &texts.other;
    body.path = (Cenc__V1__AccessPath)session->way->path;
    body.reason = &texts.reason;
    if (session->device == NULL)
        body.wanted = text_of(session->wanted, wanted, sizeof wanted);
    event.body_case = CENC__V1__EVENT__BODY_ACCESS_REFUSED;
    event.access_refused = &body;
    (void)event_tell(shard, &event);
}

bool events_sessions_allowed(const struct server *server)
{
    return server->journal == NULL || !server->config->journal.sessions_need_it ||
           atomic_load(&journal_counters(server->journal)->durable);
}

/* ---- security ---- */

void events_security(struct link *link, int kind, const struct address *former_peer,
                     const char *text)
{
    struct shard *shard = link_shard(link);
    struct event_texts texts;
    Cenc__V1__Event event;
    Cenc__V1__SecurityEvent body;
    if (off(shard))
        return;
    event_begin(shard, link->device, &texts, &event);
    cenc__v1__security_event__init(&body);
    event_endpoint(&link->peer, &texts.peer, texts.peer_text);
    body.kind = (Cenc__V1__SecurityKind)kind;
    body.peer = &texts.peer;
    body.text = proto_string(text);
    if (former_peer != NULL) {
        event_endpoint(former_peer, &texts.other, texts.other_text);
        body.former_peer = &texts.other;
    }
    event.body_case = CENC__V1__EVENT__BODY_SECURITY_EVENT;
    event.security_event = &body;
    (void)event_tell(shard, &event);
}
