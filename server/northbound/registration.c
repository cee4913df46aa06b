/* WatchRegistrations: who waits is announced, again and again; ReportRegistration: the answer,
 * which is an event, and counts when the registry has it. */
#include <cenc/v1/northbound.pb-c.h>
#include <stdlib.h>
#include <string.h>

#include "codec/proto/event.h"
#include "server/northbound/internal.h"
#include "server/northbound/records.h"

#define REPEAT_DEFAULT_S 3600u
#define REPEAT_MIN_S     10u
#define REPEAT_MAX_S     86400u
#define MESSAGE_DEVICES  20u   /* of one response */
#define TURN_DEVICES     1000u /* looked at before others have their turn */

/* ---- WatchRegistrations ---- */

struct watch {
    struct grpc_call *call;
    struct waiting_walker walker;
    struct timer repeat;
    struct timer turn;
    uint32_t repeat_s;
    char **projects; /* copied out of the request */
    size_t project_count;
    bool added;
};

static struct watch *watch_of(struct grpc_call *call)
{
    return (struct watch *)(void *)call->state;
}

static bool send_devices(struct watch *watch, Cenc__V1__DeviceRecord **records, size_t count)
{
    Cenc__V1__WatchRegistrationsResponse response = CENC__V1__WATCH_REGISTRATIONS_RESPONSE__INIT;

    response.n_devices = count;
    response.devices = records;
    return count == 0 || grpc_send(watch->call, &response.base);
}

/* The next few; false: nothing more for now. */
static bool announce(struct watch *watch, unsigned *looked)
{
    struct northbound *northbound = watch->call->northbound;
    struct device_message messages[MESSAGE_DEVICES];
    Cenc__V1__DeviceRecord *records[MESSAGE_DEVICES];
    const struct device *device = NULL;
    size_t count = 0;

    while (count < MESSAGE_DEVICES && *looked < TURN_DEVICES &&
           (device = waiting_next(&northbound->registry.waiting, &watch->walker)) != NULL) {
        struct device_message *message = &messages[count];
        (*looked)++;
        device_message_fill(northbound->directory, device, northbound->config,
                            reactor_utc_ms(northbound->reactor), NULL, message);
        if (northbound_wants(watch->call->consumer, watch->projects, watch->project_count,
                             message->info.project))
            records[count++] = &message->record;
    }
    return send_devices(watch, records, count) && device != NULL;
}

static void go_on(struct watch *watch)
{
    unsigned looked = 0;

    if (watch->call->finished || timer_running(&watch->turn))
        return;
    while (!grpc_is_full(watch->call) && looked < TURN_DEVICES)
        if (!announce(watch, &looked))
            return;
    if (grpc_is_full(watch->call))
        grpc_want_room(watch->call);
    else
        timer_start_fine(watch->call->northbound->reactor, &watch->turn, 10);
}

static void more(struct waiting_walker *walker)
{
    go_on(container_of(walker, struct watch, walker));
}

static void turn(struct timer *timer)
{
    go_on(container_of(timer, struct watch, turn));
}

static void watch_room(struct grpc_call *call)
{
    go_on(watch_of(call));
}

static void repeat(struct timer *timer)
{
    struct watch *watch = container_of(timer, struct watch, repeat);
    struct northbound *northbound = watch->call->northbound;

    timer_repeat(northbound->reactor, timer, watch->repeat_s * 1000ull);
    waiting_rewind(&northbound->registry.waiting, &watch->walker);
    go_on(watch);
}

static bool copy_projects(struct watch *watch, char *const *projects, size_t count)
{
    watch->projects = (char **)calloc(count + 1, sizeof(char *));
    if (watch->projects == NULL)
        return false;
    for (; watch->project_count < count; watch->project_count++) {
        watch->projects[watch->project_count] = strdup(projects[watch->project_count]);
        if (watch->projects[watch->project_count] == NULL)
            return false;
    }
    return true;
}

static void watch_request(struct grpc_call *call, const uint8_t *data, size_t size)
{
    const Cenc__V1__WatchRegistrationsRequest *request = (const void *)grpc_unpack(
        call, &cenc__v1__watch_registrations_request__descriptor, data, size);
    struct watch *watch = watch_of(call);

    if (request == NULL || !northbound_check_projects(call, request->projects, request->n_projects))
        return;
    watch->call = call;
    watch->repeat_s = request->repeat_s == 0 ? REPEAT_DEFAULT_S : request->repeat_s;
    if (watch->repeat_s < REPEAT_MIN_S || watch->repeat_s > REPEAT_MAX_S) {
        grpc_finish(call, GRPC_INVALID_ARGUMENT, "repeat_s is %u; it is %u to %u, or 0",
                    watch->repeat_s, REPEAT_MIN_S, REPEAT_MAX_S);
        return;
    }
    if (!copy_projects(watch, request->projects, request->n_projects)) {
        grpc_finish(call, GRPC_RESOURCE_EXHAUSTED, "the server has not enough memory");
        return;
    }
    timer_init(&watch->repeat, repeat);
    timer_init(&watch->turn, turn);
    timer_start(call->northbound->reactor, &watch->repeat, watch->repeat_s * 1000ull);
    watch->walker.more = more;
    watch->added = true;
    waiting_walk(&call->northbound->registry.waiting, &watch->walker);
    go_on(watch);
}

static void watch_gone(struct grpc_call *call)
{
    struct watch *watch = watch_of(call);

    for (size_t i = 0; i < watch->project_count; i++)
        free(watch->projects[i]);
    free((void *)watch->projects);
    if (!watch->added)
        return;
    timer_stop(&watch->repeat);
    timer_stop(&watch->turn);
    list_remove(&watch->walker.node);
}

const struct grpc_method method_watch_registrations = {
    .path = "/cenc.v1.Northbound/WatchRegistrations",
    .endless = true,
    .state_size = sizeof(struct watch),
    .request = watch_request,
    .room = watch_room,
    .gone = watch_gone,
};

/* ---- ReportRegistration ---- */

/* An answer on its way: the ledger is asked, the event recorded, its effect waited for. It outlives
 * its call, since what was begun is done. */
struct report {
    struct northbound *northbound;
    struct grpc_call *call; /* NULL: it is gone */
    struct consumer *consumer;
    const struct device *device;
    struct operation work;
    struct ledger_row wanted;
    struct ledger_row known;
    enum status status;
    struct ledger_error error;
    struct journal_entry entry;
    struct registry_wait wait;
    struct address peer;
    uint8_t bytes[4096];
};

struct report_call {
    struct report *report;
};

static void finish_report(struct report *report, enum grpc_code code, const char *text,
                          uint64_t sequence)
{
    Cenc__V1__ReportRegistrationResponse response = CENC__V1__REPORT_REGISTRATION_RESPONSE__INIT;

    if (report->call != NULL) {
        ((struct report_call *)(void *)report->call->state)->report = NULL;
        response.sequence = sequence;
        if (code == GRPC_OK)
            grpc_answer(report->call, &response.base);
        else
            grpc_finish(report->call, code, "%s", text);
    }
    report->northbound->jobs--;
    free(report);
}

static void applied(struct registry_wait *wait)
{
    struct report *report = container_of(wait, struct report, wait);

    finish_report(report, GRPC_OK, "", wait->sequence);
}

static void recorded(struct journal_entry *entry, enum status status)
{
    struct report *report = container_of(entry, struct report, entry);

    if (status != STATUS_OK) {
        finish_report(report, GRPC_UNAVAILABLE, "the disk takes no events", 0);
        return;
    }
    if (report->northbound->stopping) {
        finish_report(report, GRPC_OK, "", entry->sequence);
        return;
    }
    report->wait.sequence = entry->sequence;
    report->wait.applied = applied;
    registry_wait_for(&report->northbound->registry, &report->wait);
}

static bool pack_event(struct report *report)
{
    struct northbound *northbound = report->northbound;
    const struct ledger_row *wanted = &report->wanted;
    Cenc__V1__Event event = CENC__V1__EVENT__INIT;
    Cenc__V1__RegistrationReported body = CENC__V1__REGISTRATION_REPORTED__INIT;
    Cenc__V1__Actor actor = CENC__V1__ACTOR__INIT;
    Cenc__V1__Endpoint peer = CENC__V1__ENDPOINT__INIT;
    struct device_message message;
    char peer_text[ADDRESS_TEXT_SIZE];
    size_t size = 0;

    device_message_fill(northbound->directory, report->device, northbound->config,
                        reactor_utc_ms(northbound->reactor), NULL, &message);
    peer.address = address_format_ip(&report->peer, peer_text);
    peer.port = report->peer.port;
    actor.name = proto_string(report->consumer->config->name);
    actor.via = proto_string("grpc");
    actor.peer = report->peer.family != 0 ? &peer : NULL; /* a Unix socket */
    body.accepted = wanted->state == LEDGER_ACCEPTED;
    body.id = proto_string(wanted->id);
    body.reason = proto_string(wanted->reason);
    event.node = proto_string(northbound->config->server.node);
    event.received_unix_ms = (int64_t)reactor_utc_ms(northbound->reactor);
    event.device = &message.device;
    event.project = message.record.project;
    event.link_epoch = message.info.epoch;
    event.actor = &actor;
    event.body_case = CENC__V1__EVENT__BODY_REGISTRATION_REPORTED;
    event.registration_reported = &body;
    if (event_pack(&event, report->bytes, sizeof(report->bytes), &size) != CODEC_OK)
        return false;
    report->entry = (struct journal_entry){
        .data = report->bytes,
        .size = (uint32_t)size,
        .kind = JOURNAL_EVENT,
        .class = (uint8_t)event_class(&event),
        .from = northbound->reactor,
        .done = recorded,
    };
    return true;
}

static void looked_up(struct operation *operation, int32_t result)
{
    struct report *report = container_of(operation, struct report, work);
    const struct ledger_row *known = &report->known;
    const struct ledger_row *wanted = &report->wanted;

    (void)result;
    if (report->status != STATUS_OK)
        finish_report(report, GRPC_UNAVAILABLE, "registrations can't be read", 0);
    else if (known->state == wanted->state && strcmp(known->id, wanted->id) == 0 &&
             strcmp(known->reason, wanted->reason) == 0)
        finish_report(report, GRPC_OK, "", 0);
    else if (!pack_event(report))
        finish_report(report, GRPC_INTERNAL, "an event that can't be written", 0);
    else if (!atomic_load(&journal_counters(report->northbound->journal)->durable) ||
             journal_append(report->northbound->journal, &report->entry) != STATUS_OK)
        finish_report(report, GRPC_UNAVAILABLE, "the disk takes no events", 0);
}

static void look_up(void *argument)
{
    struct report *report = argument;

    report->status = ledger_find(report->northbound->ledger, &report->known, &report->error);
}

/* Texts are shown as they were given, so they hold nothing that would have to be rewritten. */
static bool copy_text(struct grpc_call *call, const char *text, char out[static LEDGER_TEXT_SIZE])
{
    if (strlen(text) >= LEDGER_TEXT_SIZE)
        grpc_finish(call, GRPC_INVALID_ARGUMENT, "the answer's text has %zu bytes; at most %u",
                    strlen(text), LEDGER_TEXT_SIZE - 1);
    else if (!proto_text(text, strlen(text), out, LEDGER_TEXT_SIZE))
        grpc_finish(call, GRPC_INVALID_ARGUMENT,
                    "the answer's text has a backslash or an unprintable character");
    return !call->finished;
}

static bool read_answer(struct grpc_call *call, struct ledger_row *wanted,
                        const Cenc__V1__ReportRegistrationRequest *request)
{
    switch (request->answer_case) {
    case CENC__V1__REPORT_REGISTRATION_REQUEST__ANSWER_ACCEPTED_ID:
        wanted->state = LEDGER_ACCEPTED;
        return copy_text(call, request->accepted_id, wanted->id);
    case CENC__V1__REPORT_REGISTRATION_REQUEST__ANSWER_REFUSED_REASON:
        wanted->state = LEDGER_REFUSED;
        return copy_text(call, request->refused_reason, wanted->reason);
    default:
        grpc_finish(call, GRPC_INVALID_ARGUMENT,
                    "there is no answer: set accepted_id or refused_reason");
        return false;
    }
}

static const struct device *find_device(struct grpc_call *call, const Cenc__V1__DeviceKey *key)
{
    struct device_info info;
    const struct device *device =
        key != NULL ? registry_device(call->northbound->directory, key->scope, key->serial) : NULL;

    if (device == NULL)
        return NULL;
    directory_get(call->northbound->directory, device, &info);
    return consumer_sees(call->consumer, info.project, strlen(info.project)) ? device : NULL;
}

static struct report *report_make(struct grpc_call *call,
                                  const Cenc__V1__ReportRegistrationRequest *request)
{
    const struct device *device = find_device(call, request->device);
    struct report *report;

    if (device == NULL) {
        northbound_no_device(call, request->device);
        return NULL;
    }
    report = calloc(1, sizeof(*report));
    if (report == NULL) {
        grpc_finish(call, GRPC_RESOURCE_EXHAUSTED, "the server has not enough memory");
        return NULL;
    }
    if (!read_answer(call, &report->wanted, request)) {
        free(report);
        return NULL;
    }
    report->northbound = call->northbound;
    report->call = call;
    report->consumer = call->consumer;
    report->device = device;
    report->peer = call->stream->connection->peer;
    return report;
}

static void report_request(struct grpc_call *call, const uint8_t *data, size_t size)
{
    const Cenc__V1__ReportRegistrationRequest *request = (const void *)grpc_unpack(
        call, &cenc__v1__report_registration_request__descriptor, data, size);
    struct report *report = request != NULL ? report_make(call, request) : NULL;
    struct device_info info;

    if (report == NULL)
        return;
    directory_get(call->northbound->directory, report->device, &info);
    (void)snprintf(report->known.scope, sizeof(report->known.scope), "%s", info.scope);
    (void)proto_text(info.serial, strlen(info.serial), report->known.serial,
                     sizeof(report->known.serial));
    report->work.done = looked_up;
    call->northbound->jobs++;
    ((struct report_call *)(void *)call->state)->report = report;
    if (reactor_work(call->northbound->reactor, &report->work, look_up, report) != STATUS_OK)
        finish_report(report, GRPC_RESOURCE_EXHAUSTED, "the server has not enough memory", 0);
}

static void report_gone(struct grpc_call *call)
{
    struct report_call *state = (struct report_call *)(void *)call->state;

    if (state->report != NULL)
        state->report->call = NULL;
}

const struct grpc_method method_report_registration = {
    .path = "/cenc.v1.Northbound/ReportRegistration",
    .state_size = sizeof(struct report_call),
    .request = report_request,
    .gone = report_gone,
};
