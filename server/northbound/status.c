/* WatchDevices: the present status of devices. Changes are heard from the journal, which has all
 * transitions; those of a signal, which it hasn't, from the directory, once a second. They are
 * coalesced into a set of devices; what these are now is in the directory. A watcher that doesn't
 * read costs its set, and is told the latest when it reads again. */
#include <cenc/v1/northbound.pb-c.h>
#include <stdlib.h>
#include <string.h>

#include "server/directory/signals.h"
#include "server/northbound/internal.h"
#include "server/northbound/pointer_set.h"
#include "server/northbound/records.h"

#define COALESCE_DEFAULT_MS 1000u
#define COALESCE_MIN_MS     100u
#define COALESCE_MAX_MS     3600000u
#define REPEAT_DEFAULT_S    900u
#define REPEAT_MIN_S        10u
#define REPEAT_MAX_S        86400u
#define MESSAGE_DEVICES     100u
#define ITEM_MAX            2048u
#define SETTLE_MS           20u
#define TURN_DEVICES        5000u /* looked at before others have their turn */
#define FIELD_DEVICES       1u    /* of WatchDevicesResponse */
#define FIELD_COMPLETE      2u

struct device_watch {
    struct grpc_call *call;
    struct list node; /* of northbound.status_watchers */
    struct follower follower;
    struct pointer_set changed;
    struct timer coalesce;
    struct timer repeat;
    struct timer turn;
    struct timer settle; /* records came that the directory doesn't have yet */
    uint32_t coalesce_ms;
    uint32_t repeat_s;
    bool started;
    bool round;     /* all devices are being told */
    bool report;    /* changes may be told now */
    uint64_t place; /* of the round, in the directory */
    char **projects;
    size_t project_count;

    uint8_t *message; /* being made */
    size_t size;
    size_t in_message;
};

static struct device_watch *status_of(struct grpc_call *call)
{
    return (struct device_watch *)(void *)call->state;
}

/* ---- messages ---- */

static void end_message(struct device_watch *status, bool complete)
{
    if (status->message == NULL && !complete)
        return;
    if (status->message == NULL) {
        status->message = grpc_reserve(status->call, 16);
        status->size = 0;
        status->in_message = 0;
        if (status->message == NULL)
            return;
    }
    if (complete) {
        status->size += wire_put_tag(status->message + status->size, FIELD_COMPLETE, WIRE_VARINT);
        status->message[status->size++] = 1;
    }
    grpc_wrote(status->call, status->size);
    http2_count(&status->call->northbound->counters.statuses_sent, status->in_message);
    status->message = NULL;
}

static void put_device(struct device_watch *status, const struct device *device)
{
    struct northbound *northbound = status->call->northbound;
    struct device_message message;

    device_message_status(northbound->directory, device, northbound->config,
                          reactor_utc_ms(northbound->reactor), &message);
    if (!northbound_wants(status->call->consumer, status->projects, status->project_count,
                          message.info.project))
        return;
    if (status->message == NULL) {
        status->message = grpc_reserve(status->call, MESSAGE_DEVICES * ITEM_MAX + 16);
        status->size = 0;
        status->in_message = 0;
    }
    size_t size = protobuf_c_message_get_packed_size(&message.status.base);
    if (status->message == NULL || size > ITEM_MAX - 16)
        return;
    uint8_t *at = status->message + status->size;
    at += wire_put_tag(at, FIELD_DEVICES, WIRE_BYTES);
    at += wire_put_varint(at, size);
    if (proto_pack(&message.status.base, at, size, &size) != CODEC_OK)
        return; /* the next one is written over it */
    status->size = (size_t)(at + size - status->message);
    if (++status->in_message == MESSAGE_DEVICES)
        end_message(status, false);
}

/* ---- rounds and changes ---- */

struct stretch {
    const struct device *devices[MESSAGE_DEVICES];
    size_t count;
};

static bool collect(const struct device_info *info, void *context)
{
    struct stretch *stretch = context;

    stretch->devices[stretch->count++] = info->device;
    return stretch->count < MESSAGE_DEVICES;
}

static void round_on(struct device_watch *status, unsigned *looked)
{
    struct stretch stretch = {.count = 0};

    status->place =
        directory_walk(status->call->northbound->directory, status->place, collect, &stretch);
    for (size_t i = 0; i < stretch.count; i++)
        put_device(status, stretch.devices[i]);
    *looked += (unsigned)stretch.count;
    if (stretch.count == MESSAGE_DEVICES)
        return;
    status->round = false;
    end_message(status, true);
}

static void changes_on(struct device_watch *status, unsigned *looked)
{
    const struct device *device = pointer_set_take(&status->changed);

    if (device == NULL) {
        status->report = false;
        end_message(status, false);
        return;
    }
    (*looked)++;
    put_device(status, device);
}

static void go_on(struct device_watch *status)
{
    unsigned looked = 0;

    if (timer_running(&status->turn))
        return;
    while (!status->call->finished && !grpc_is_full(status->call) && looked < TURN_DEVICES &&
           (status->round || status->report)) {
        if (status->round)
            round_on(status, &looked);
        else
            changes_on(status, &looked);
    }
    if (status->call->finished)
        return;
    end_message(status, false);
    if (grpc_is_full(status->call))
        grpc_want_room(status->call);
    else if (status->round || status->report)
        timer_start_fine(status->call->northbound->reactor, &status->turn, 10);
}

static void turn(struct timer *timer)
{
    go_on(container_of(timer, struct device_watch, turn));
}

static void start_round(struct device_watch *status)
{
    status->round = true;
    status->place = 0;
    pointer_set_free(&status->changed); /* they are among all */
}

static void repeat(struct timer *timer)
{
    struct device_watch *status = container_of(timer, struct device_watch, repeat);

    timer_repeat(status->call->northbound->reactor, timer, status->repeat_s * 1000ull);
    start_round(status);
    go_on(status);
}

static void coalesced(struct timer *timer)
{
    struct device_watch *status = container_of(timer, struct device_watch, coalesce);

    status->report = true;
    go_on(status);
}

/* ---- hearing of changes ---- */

static void changed(struct device_watch *status, const struct device *device)
{
    struct reactor *reactor = status->call->northbound->reactor;

    if (!pointer_set_add(&status->changed, device))
        start_round(status); /* so many that all are told */
    if (timer_running(&status->coalesce))
        return;
    if (status->coalesce_ms < 1000)
        timer_start_fine(reactor, &status->coalesce, status->coalesce_ms);
    else
        timer_start(reactor, &status->coalesce, status->coalesce_ms);
}

static void hear(struct device_watch *status, const struct journal_record *record)
{
    struct northbound *northbound = status->call->northbound;
    char scope[LEDGER_SCOPE_SIZE];
    char serial[LEDGER_SERIAL_SIZE];
    struct event_outline outline;
    const struct device *device;

    if (record->kind != JOURNAL_EVENT || !event_outline(record->data, record->size, &outline) ||
        !outline.has_device || outline.scope.size >= sizeof(scope) ||
        outline.serial.size >= sizeof(serial))
        return;
    memcpy(scope, outline.scope.data, outline.scope.size);
    scope[outline.scope.size] = '\0';
    memcpy(serial, outline.serial.data, outline.serial.size);
    serial[outline.serial.size] = '\0';
    device = registry_device(northbound->directory, scope, serial);
    if (device != NULL)
        changed(status, device);
}

/* Too many signals changed to be noted. */
static void all_changed(struct northbound *northbound)
{
    struct list *node = northbound->status_watchers.next;

    while (node != &northbound->status_watchers) {
        struct device_watch *status = container_of(node, struct device_watch, node);
        node = node->next; /* the call may end in this */
        start_round(status);
        go_on(status);
    }
}

void status_tick(struct northbound *northbound)
{
    struct list *watchers = &northbound->status_watchers;
    const struct device *device;
    unsigned left = SIGNALS_MAX; /* as many more may come meanwhile */

    if (list_empty(watchers))
        return;
    if (directory_signals_lost(northbound->directory))
        all_changed(northbound);
    while (left-- > 0 && (device = directory_signals_take(northbound->directory)) != NULL)
        for (struct list *node = watchers->next; node != watchers; node = node->next)
            changed(container_of(node, struct device_watch, node), device);
}

static size_t take(struct follower *follower, const struct journal_record *records, size_t count)
{
    struct device_watch *status = container_of(follower, struct device_watch, follower);
    struct northbound *northbound = status->call->northbound;
    uint64_t told = northbound_told(northbound);
    size_t taken = 0;

    /* a status that is older than its change would be the last word */
    while (taken < count && records[taken].sequence <= told)
        hear(status, &records[taken++]);
    if (taken < count)
        timer_start_fine(northbound->reactor, &status->settle, SETTLE_MS);
    return taken;
}

static void settled(struct timer *timer)
{
    feed_resume(&container_of(timer, struct device_watch, settle)->follower);
}

/* Too slow for the journal: the whole picture, and from there on. */
static void follower_gone(struct follower *follower)
{
    struct device_watch *status = container_of(follower, struct device_watch, follower);

    follower->next = journal_committed(status->call->northbound->journal) + 1;
    feed_add(status->call->northbound->feed, follower);
    start_round(status);
    go_on(status);
}

static const struct follower_ops follower_ops = {.take = take, .gone = follower_gone};

/* ---- life ---- */

static bool copy_projects(struct device_watch *status, char *const *projects, size_t count)
{
    status->projects = (char **)calloc(count + 1, sizeof(char *));
    if (status->projects == NULL)
        return false;
    for (; status->project_count < count; status->project_count++) {
        status->projects[status->project_count] = strdup(projects[status->project_count]);
        if (status->projects[status->project_count] == NULL)
            return false;
    }
    return true;
}

static bool read_request(struct device_watch *status, const Cenc__V1__WatchDevicesRequest *request)
{
    struct grpc_call *call = status->call;

    status->coalesce_ms = request->coalesce_ms == 0 ? COALESCE_DEFAULT_MS : request->coalesce_ms;
    status->repeat_s = request->repeat_s == 0 ? REPEAT_DEFAULT_S : request->repeat_s;
    if (status->coalesce_ms < COALESCE_MIN_MS || status->coalesce_ms > COALESCE_MAX_MS ||
        status->repeat_s < REPEAT_MIN_S || status->repeat_s > REPEAT_MAX_S) {
        grpc_finish(call, GRPC_INVALID_ARGUMENT,
                    "coalesce_ms is %u, repeat_s %u; they are %u to %u and %u to %u, or 0",
                    status->coalesce_ms, status->repeat_s, COALESCE_MIN_MS, COALESCE_MAX_MS,
                    REPEAT_MIN_S, REPEAT_MAX_S);
        return false;
    }
    if (!northbound_check_projects(call, request->projects, request->n_projects))
        return false;
    if (copy_projects(status, request->projects, request->n_projects))
        return true;
    grpc_finish(call, GRPC_RESOURCE_EXHAUSTED, "the server has not enough memory");
    return false;
}

static void request(struct grpc_call *call, const uint8_t *data, size_t size)
{
    const Cenc__V1__WatchDevicesRequest *message =
        (const void *)grpc_unpack(call, &cenc__v1__watch_devices_request__descriptor, data, size);
    struct northbound *northbound = call->northbound;
    struct device_watch *status = status_of(call);

    status->call = call;
    if (message == NULL || !read_request(status, message))
        return;
    timer_init(&status->coalesce, coalesced);
    timer_init(&status->repeat, repeat);
    timer_init(&status->turn, turn);
    timer_init(&status->settle, settled);
    status->started = true;
    status->follower.ops = &follower_ops;
    status->follower.next = northbound_told(northbound) + 1; /* what the first round may lack */
    feed_add(northbound->feed, &status->follower);
    directory_signals_follow(northbound->directory, true);
    list_append(&northbound->status_watchers, &status->node);
    if (message->changes_only)
        return;
    timer_start(northbound->reactor, &status->repeat, status->repeat_s * 1000ull);
    start_round(status);
    go_on(status);
}

static void room(struct grpc_call *call)
{
    if (status_of(call)->started)
        go_on(status_of(call));
}

static void gone(struct grpc_call *call)
{
    struct device_watch *status = status_of(call);
    struct northbound *northbound = call->northbound;

    for (size_t i = 0; i < status->project_count; i++)
        free(status->projects[i]);
    free((void *)status->projects);
    pointer_set_free(&status->changed);
    if (!status->started)
        return;
    timer_stop(&status->coalesce);
    timer_stop(&status->repeat);
    timer_stop(&status->turn);
    timer_stop(&status->settle);
    feed_remove(&status->follower);
    list_remove(&status->node);
    if (list_empty(&northbound->status_watchers))
        directory_signals_follow(northbound->directory, false);
}

const struct grpc_method method_watch_devices = {
    .path = "/cenc.v1.Northbound/WatchDevices",
    .endless = true,
    .state_size = sizeof(struct device_watch),
    .request = request,
    .room = room,
    .gone = gone,
};
