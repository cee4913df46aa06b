#include "server/link/push_events.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/proto/event_codes.h"
#include "codec/proto/push_fields.h"
#include "server/base/check.h"
#include "server/link/datagrams.h"
#include "server/link/events_internal.h"
#include "server/link/link.h"

/* Of a message, in one event: with all else it stays below JOURNAL_RECORD_MAX. */
#define RAW_MAX 50000u

#define MAX_DETAILS 2u

/* What an event of a push is made of, besides the push. */
struct push_parts {
    struct event_texts texts;
    Cenc__V1__DeviceTime time;
    Cenc__V1__Detail details[MAX_DETAILS];
    Cenc__V1__Detail *detail_list[MAX_DETAILS];
    Cenc__V1__EndDeviceEvent meaning;
    Cenc__V1__EndDeviceEvent *meaning_list[1];
    char rule[PROTO_TEXT_SIZE(PLUGIN_RULE_SIZE)];
    char meter[PROTO_TEXT_SIZE(PLUGIN_SERIAL_SIZE)];
    char bits[16];
    char obis[OBIS_TEXT_SIZE];
};

static const struct config_listener *listener_of(const struct push_source *source)
{
    return &source->shard->server->config->listeners[source->listener];
}

/* ---- what all pushes tell ---- */

static void add_detail(struct push_parts *parts, Cenc__V1__Event *event, const char *name,
                       const char *value)
{
    CHECK(event->n_details < MAX_DETAILS);
    Cenc__V1__Detail *detail = &parts->details[event->n_details];
    cenc__v1__detail__init(detail);
    detail->name = proto_string(name);
    detail->value = proto_string(value);
    event->details = parts->detail_list;
    event->details[event->n_details++] = detail;
}

static void set_time(const struct plugin_push *push, struct push_parts *parts,
                     Cenc__V1__Event *event)
{
    if (!push->has_device_time)
        return;
    cenc__v1__device_time__init(&parts->time);
    parts->time.unix_ms = push->device_time_ms;
    parts->time.clock = push->device_offset_known ? CENC__V1__TIME_BASE__TIME_BASE_UTC
                                                  : CENC__V1__TIME_BASE__TIME_BASE_LOCAL;
    event->device_time = &parts->time;
}

/* received_unix_ms is the time by which gasps and connections are held against each other, so it is
 * that of the receipt. A datagram is about no connection. */
static void begin(const struct push_source *source, const struct plugin_push *push,
                  const struct device *device, struct push_parts *parts, Cenc__V1__Event *event)
{
    struct link_ref ref = source->link;
    const struct link *link = ref.id != 0 ? link_find(source->shard, &ref) : NULL;
    event_begin(source->shard, device, &parts->texts, event);
    if (device == NULL && push->serial[0] != '\0')
        event_stranger(listener_of(source)->scope, push->serial, &parts->texts, event);
    event->received_unix_ms = (int64_t)source->utc_ms;
    event->listener = proto_string(listener_of(source)->name);
    event->link_epoch = link != NULL && link->device == device ? link->epoch : 0;
    event_endpoint(&source->peer, &parts->texts.peer, parts->texts.peer_text);
    set_time(push, parts, event);
    if (!push->has_alarm_bits)
        return;
    (void)snprintf(parts->bits, sizeof parts->bits, "0x%08" PRIx32, push->alarm_bits);
    add_detail(parts, event, "native_code", parts->bits);
}

static Cenc__V1__Transport transport_of(const struct push_source *source)
{
    return source->link.id == 0 ? CENC__V1__TRANSPORT__TRANSPORT_UDP
                                : CENC__V1__TRANSPORT__TRANSPORT_TCP;
}

static void set_raw(const struct plugin_push *push, ProtobufCBinaryData *raw)
{
    raw->data = (uint8_t *)(uintptr_t)push->raw;
    raw->len = push->raw_size < RAW_MAX ? push->raw_size : RAW_MAX;
}

static char *rule_of(const struct plugin_push *push, struct push_parts *parts)
{
    (void)proto_text(push->rule, strlen(push->rule), parts->rule, sizeof parts->rule);
    return parts->rule;
}

/* ---- appending ---- */

static void refused(struct pending_event *pending)
{
    count_up(&pending->shard->counters.pushes_refused, 1);
    if (pending->answer != NULL)
        push_unanswered(pending->shard, pending->answer);
    free(pending->answer);
}

static void submit(const struct push_source *source, const Cenc__V1__Event *event,
                   struct pending_event *template)
{
    struct shard *shard = source->shard;
    struct pending_event *pending = event_make(shard, event, template);
    if (pending == NULL) {
        template->shard = shard;
        refused(template);
        return;
    }
    bool may_wait = source->link.id == 0;
    pending->entry.kept = may_wait;
    enum status status = STATUS_FULL;
    if (!may_wait || list_empty(&shard->waiting_pushes))
        status = event_submit(pending);
    if (status == STATUS_FULL && may_wait) {
        list_init(&pending->waiting);
        list_append(&shard->waiting_pushes, &pending->waiting);
    } else if (status != STATUS_OK) {
        refused(pending);
        event_drop(pending);
    }
}

bool push_retry(struct shard *shard)
{
    while (!list_empty(&shard->waiting_pushes)) {
        struct pending_event *pending =
            container_of(shard->waiting_pushes.next, struct pending_event, waiting);
        enum status status = event_submit(pending);
        if (status == STATUS_FULL)
            return false;
        list_remove(&pending->waiting);
        if (status != STATUS_OK) {
            refused(pending);
            event_drop(pending);
        }
    }
    return true;
}

/* ---- what follows ---- */

static void acknowledge(struct shard *shard, struct push_answer *answer)
{
    if (answer != NULL)
        push_acknowledge(shard, answer);
    free(answer);
}

/* What began after the gasp may have been heard before the gasp was on the disk. */
static void keep_gasp(struct shard *shard, struct device *device, const struct gasp *gasp)
{
    struct heard heard;
    if (directory_gasp(shard->server->directory, device, gasp, &heard) != STATUS_OK)
        return; /* removed meanwhile */
    if (heard.began_utc_ms > gasp->utc_ms)
        events_power_restored(shard, device, heard.began_utc_ms, (enum events_restored)heard.by);
}

static void push_recorded(struct pending_event *event, enum status status)
{
    if (status == STATUS_OK)
        acknowledge(event->shard, event->answer);
    else
        refused(event);
    datagrams_recorded(event->shard);
}

static void gasp_recorded(struct pending_event *event, enum status status)
{
    struct gasp gasp = {.utc_ms = event->utc_ms, .sequence = event->entry.sequence};
    if (status == STATUS_OK)
        keep_gasp(event->shard, event->device, &gasp);
    push_recorded(event, status);
}

/* The device says that its power is back: as if it had been heard, but it is answered only when
 * that, too, is on the disk. */
static void power_returned(struct pending_event *event)
{
    struct shard *shard = event->shard;
    struct pending_event template = {.done = push_recorded, .answer = event->answer};
    struct event_texts texts;
    struct heard heard = {.began_utc_ms = event->utc_ms, .by = RESTORED_BY_MESSAGE};
    struct gasp gasp;
    Cenc__V1__Event restored;
    Cenc__V1__PowerRestored body;
    if (!directory_clear_gasp(shard->server->directory, event->device, &heard, &gasp)) {
        acknowledge(shard, event->answer);
        return;
    }
    event_begin(shard, event->device, &texts, &restored);
    event_restored(&gasp, RESTORED_BY_MESSAGE, &body, &restored);
    template.shard = shard;
    if (event_append(shard, &restored, &template) != STATUS_OK) {
        event_gasp_stays(shard, event->device, &gasp);
        refused(&template);
    }
}

static void return_recorded(struct pending_event *event, enum status status)
{
    if (status == STATUS_OK)
        power_returned(event);
    else
        refused(event);
    datagrams_recorded(event->shard);
}

/* ---- without a journal ---- */

static void remember(const struct push_source *source, const struct plugin_push *push,
                     struct device *device)
{
    struct gasp gasp = {.utc_ms = source->utc_ms};
    struct push_answer answer;
    if (device != NULL && push->kind == PLUGIN_PUSH_LAST_GASP)
        keep_gasp(source->shard, device, &gasp);
    if (device != NULL && push->kind == PLUGIN_PUSH_POWER_RESTORED)
        events_power_restored(source->shard, device, source->utc_ms, RESTORED_BY_MESSAGE);
    push_answer_make(source, push, &answer);
    push_acknowledge(source->shard, &answer);
}

/* ---- the events ---- */

static void record_gasp(const struct push_source *source, const struct plugin_push *push,
                        struct device *device, struct pending_event *template)
{
    struct push_parts parts;
    Cenc__V1__Event event;
    Cenc__V1__LastGasp body;
    begin(source, push, device, &parts, &event);
    cenc__v1__last_gasp__init(&body);
    body.rule = rule_of(push, &parts);
    body.transport = transport_of(source);
    body.peer = &parts.texts.peer;
    set_raw(push, &body.raw);
    body.unknown_device = device == NULL;
    body.test = push->kind == PLUGIN_PUSH_LAST_GASP_TEST;
    event.body_case = CENC__V1__EVENT__BODY_LAST_GASP;
    event.last_gasp = &body;
    event_set_type(&event);
    template->done = body.test || device == NULL ? push_recorded : gasp_recorded;
    submit(source, &event, template);
}

/* What is written in what, by who took it. */
static const char *protocol_of(const struct push_source *source)
{
    static const struct {
        const char *plugin;
        const char *protocol;
    } protocols[] = {{"dlms-push", "dlms"}, {"pattern", "text"}};
    const char *name = listener_of(source)->plugins[source->plugin].plugin->name;
    for (size_t i = 0; i < sizeof protocols / sizeof protocols[0]; i++)
        if (strcmp(protocols[i].plugin, name) == 0)
            return protocols[i].protocol;
    return name;
}

static void add_meaning(const struct plugin_push *push, struct push_parts *parts,
                        const Cenc__V1__Event *event, Cenc__V1__PushReceived *body)
{
    static const enum event_code codes[] = {
        [PLUGIN_PUSH_DATA] = EVENT_CODE_NONE,
        [PLUGIN_PUSH_ALARM] = EVENT_CODE_NONE,
        [PLUGIN_PUSH_LAST_GASP] = EVENT_CODE_LAST_GASP,
        [PLUGIN_PUSH_LAST_GASP_TEST] = EVENT_CODE_LAST_GASP,
        [PLUGIN_PUSH_POWER_RESTORED] = EVENT_CODE_MODULE_POWER_RESTORED,
    };
    if (push->kind == PLUGIN_PUSH_DATA)
        return;
    cenc__v1__end_device_event__init(&parts->meaning);
    parts->meaning.type = proto_string(event_code_text(codes[push->kind]));
    parts->meaning.device_time = event->device_time;
    parts->meaning.details = event->details;
    parts->meaning.n_details = event->n_details;
    parts->meaning_list[0] = &parts->meaning;
    body->events = parts->meaning_list;
    body->n_events = 1;
}

static void set_meter(const struct plugin_push *push, const struct device *device,
                      struct push_parts *parts, Cenc__V1__PushReceived *body)
{
    if (device == NULL || push->serial[0] == '\0' ||
        strcmp(push->serial, device_serial(device)) == 0)
        return;
    (void)proto_text(push->serial, strlen(push->serial), parts->meter, sizeof parts->meter);
    body->meter = parts->meter;
}

static void record_push(const struct push_source *source, const struct plugin_push *push,
                        struct device *device, struct pending_event *template)
{
    static const uint8_t none[sizeof push->logical_name];
    struct push_parts parts;
    struct push_fields fields;
    Cenc__V1__Event event;
    Cenc__V1__PushReceived body;
    begin(source, push, device, &parts, &event);
    if (push->rule[0] != '\0')
        add_detail(&parts, &event, "rule", rule_of(push, &parts));
    cenc__v1__push_received__init(&body);
    body.protocol = proto_string(protocol_of(source));
    if (memcmp(push->logical_name, none, sizeof none) != 0)
        body.logical_name = obis_format(push->logical_name, parts.obis);
    if (push_fields_read(protocol_of(source), push->raw, push->raw_size, &fields) == 0 &&
        push->has_alarm_bits)
        push_fields_add(&fields, "alarm_bits", push->alarm_bits);
    body.fields = fields.list;
    body.n_fields = fields.count;
    add_meaning(push, &parts, &event, &body);
    set_raw(push, &body.raw);
    if (push->raw_size > RAW_MAX)
        body.raw_size = push->raw_size;
    body.transport = transport_of(source);
    body.peer = &parts.texts.peer;
    set_meter(push, device, &parts, &body);
    event.body_case = CENC__V1__EVENT__BODY_PUSH_RECEIVED;
    event.push_received = &body;
    bool returned = push->kind == PLUGIN_PUSH_POWER_RESTORED && device != NULL;
    template->done = returned ? return_recorded : push_recorded;
    submit(source, &event, template);
}

void push_record(const struct push_source *source, const struct plugin_push *push,
                 struct device *device)
{
    struct pending_event template = {
        .shard = source->shard, .device = device, .utc_ms = source->utc_ms};
    if (source->shard->server->journal == NULL) {
        remember(source, push, device);
        return;
    }
    if (push->ack_size > 0) {
        template.answer = malloc(sizeof *template.answer);
        if (template.answer == NULL) {
            refused(&template);
            return;
        }
        push_answer_make(source, push, template.answer);
    }
    if (push->kind == PLUGIN_PUSH_LAST_GASP || push->kind == PLUGIN_PUSH_LAST_GASP_TEST)
        record_gasp(source, push, device, &template);
    else
        record_push(source, push, device, &template);
}
