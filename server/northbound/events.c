/* The stream of events: subscribe, send, acknowledge. Events go from the journal to the wire as
 * they are: their bytes, with the field of the sequence behind them. */
#include <cenc/v1/northbound.pb-c.h>
#include <inttypes.h>
#include <string.h>

#include "server/base/check.h"
#include "server/base/log.h"
#include "server/northbound/filter.h"
#include "server/northbound/internal.h"
#include "server/northbound/window.h"

#define MARK_MS        1000u  /* between progress marks */
#define MESSAGE_BYTES  49152u /* a message has an event more at most */
#define FIELD_EVENTS   1u     /* of EventsResponse */
#define FIELD_THROUGH  2u
#define FIELD_NEWEST   3u
#define FIELD_SEQUENCE 1u  /* of Event */
#define OVERHEAD       64u /* more than tags, sizes and numbers of a message and its last event */

static const struct log_context module = {.module = "northbound"};

struct events {
    struct grpc_call *call;
    struct follower follower;
    struct filter *filter;
    struct window window;
    struct timer mark;
    bool subscribed;
    uint64_t through; /* told the client */
    uint64_t looked;  /* sent, or not wanted: what may be told */
    uint64_t
        back_to; /* it asked for events from there on, which it has acknowledged before; 0: no */
    uint8_t *message; /* being made, in the call's buffer; NULL: none */
    size_t size;
    uint64_t in_message;
};

static struct events *events_of(struct grpc_call *call)
{
    return (struct events *)(void *)call->state;
}

/* ---- sending ---- */

static size_t put_number(uint8_t *out, uint32_t field, uint64_t value)
{
    size_t size = wire_put_tag(out, field, WIRE_VARINT);

    return size + wire_put_varint(out + size, value);
}

/* False: the call is over. */
static bool begin_message(struct events *events)
{
    if (events->call->finished) {
        events->message = NULL; /* what was begun isn't sent */
        return false;
    }
    if (events->message != NULL)
        return true;
    events->message = grpc_reserve(events->call, MESSAGE_BYTES + JOURNAL_RECORD_MAX + OVERHEAD);
    events->size = 0;
    events->in_message = 0;
    return events->message != NULL;
}

static void end_message(struct events *events)
{
    struct northbound *northbound = events->call->northbound;
    struct consumer_counters *counters = &events->call->consumer->counters;
    uint64_t count = events->in_message;

    if (events->message == NULL || events->call->finished)
        return;
    events->through = events->looked;
    events->size += put_number(events->message + events->size, FIELD_THROUGH, events->through);
    events->size += put_number(events->message + events->size, FIELD_NEWEST,
                               journal_committed(northbound->journal));
    events->message = NULL;
    grpc_wrote(events->call, events->size);
    http2_count(&northbound->counters.events_sent, count);
    http2_count(&counters->sent, count);
    http2_count(&counters->sent_bytes, events->size);
    timer_stop(&events->mark);
}

/* False: the call is over. */
static bool put_event(struct events *events, const struct journal_record *record)
{
    uint8_t sequence[2 * WIRE_VARINT_MAX];
    size_t sequence_size = put_number(sequence, FIELD_SEQUENCE, record->sequence);

    if (!begin_message(events))
        return false;
    if (!window_add(&events->window, record->sequence, record->size)) {
        grpc_finish(events->call, GRPC_RESOURCE_EXHAUSTED, "the server has not enough memory");
        return false;
    }
    uint8_t *at = events->message + events->size;
    at += wire_put_tag(at, FIELD_EVENTS, WIRE_BYTES);
    at += wire_put_varint(at, record->size + sequence_size);
    memcpy(at, record->data, record->size);
    memcpy(at + record->size, sequence, sequence_size);
    at += record->size + sequence_size;
    events->size = (size_t)(at - events->message);
    events->in_message++;
    return true;
}

static enum filter_answer is_wanted(const struct events *events,
                                    const struct journal_record *record)
{
    if (record->kind != JOURNAL_EVENT)
        return FILTER_LEAVES_OUT;
    return filter_takes(events->filter, record->data, record->size);
}

/* False: the call is over. */
static bool put_part(struct events *events, const struct journal_record *record)
{
    uint8_t bytes[JOURNAL_RECORD_MAX];
    struct journal_record part = *record;

    part.data = bytes;
    part.size = (uint32_t)filter_part(events->filter, record->data, record->size,
                                      &events->call->northbound->arena, bytes, sizeof(bytes));
    return part.size == 0 || put_event(events, &part);
}

static bool put(struct events *events, const struct journal_record *record,
                enum filter_answer answer)
{
    return answer == FILTER_TAKES_PART ? put_part(events, record) : put_event(events, record);
}

/* A stream that is sent little gets a mark every second, so that it can acknowledge. */
static void schedule_mark(struct events *events)
{
    if (events->looked > events->through && !timer_running(&events->mark) &&
        !events->call->finished)
        timer_start(events->call->northbound->reactor, &events->mark, MARK_MS);
}

static size_t take(struct follower *follower, const struct journal_record *records, size_t count)
{
    struct events *events = container_of(follower, struct events, follower);
    size_t taken = 0;

    for (; taken < count && !events->call->finished; taken++) {
        enum filter_answer answer = is_wanted(events, &records[taken]);
        if (answer != FILTER_LEAVES_OUT) {
            if (events->message == NULL && grpc_is_full(events->call)) {
                grpc_want_room(events->call);
                break;
            }
            if (!window_open(&events->window) || !put(events, &records[taken], answer))
                break;
        }
        events->looked = records[taken].sequence;
        if (events->size >= MESSAGE_BYTES)
            end_message(events);
    }
    if (!events->call->finished)
        end_message(events);
    schedule_mark(events);
    return taken;
}

static void mark_due(struct timer *timer)
{
    struct events *events = container_of(timer, struct events, mark);

    if (events->looked > events->through && begin_message(events))
        end_message(events);
}

static void detach(struct events *events)
{
    struct consumer *consumer = events->call->consumer;

    feed_remove(&events->follower);
    timer_stop(&events->mark);
    if (consumer->events != events->call)
        return;
    consumer->events = NULL;
    atomic_store(&consumer->counters.connected, false);
}

/* ---- too far behind ---- */

static void out_of_range(struct events *events, uint64_t wanted)
{
    struct northbound *northbound = events->call->northbound;
    uint64_t oldest = journal_oldest(northbound->journal);
    char text[GRPC_STATUS_MAX];
    char oldest_text[24];
    char newest_text[24];

    (void)snprintf(oldest_text, sizeof(oldest_text), "%" PRIu64, oldest > 0 ? oldest : 1);
    (void)snprintf(newest_text, sizeof(newest_text), "%" PRIu64,
                   journal_committed(northbound->journal));
    (void)snprintf(text, sizeof(text),
                   "event %" PRIu64 " was removed; the oldest that is kept is %s", wanted,
                   oldest_text);
    const struct http2_trailer trailers[] = {
        {"cenc-oldest-sequence", oldest_text},
        {"cenc-newest-sequence", newest_text},
    };
    detach(events);
    grpc_finish_with(events->call, GRPC_OUT_OF_RANGE, text, trailers, 2);
}

static void follower_gone(struct follower *follower)
{
    struct events *events = container_of(follower, struct events, follower);

    end_message(events);
    out_of_range(events, follower->next);
}

static const struct follower_ops follower_ops = {.take = take, .gone = follower_gone};

/* ---- subscribing ---- */

static bool choose_start(struct grpc_call *call, const Cenc__V1__Subscribe *subscribe,
                         uint64_t *from)
{
    uint64_t oldest = journal_oldest(call->northbound->journal);

    switch (subscribe->start) {
    case CENC__V1__START__START_UNSPECIFIED:
        *from = call->consumer->position + 1;
        return true;
    case CENC__V1__START__START_SEQUENCE:
        *from = subscribe->from_sequence;
        if (*from > 0 && *from <= INT64_MAX)
            return true;
        grpc_finish(call, GRPC_INVALID_ARGUMENT,
                    "from_sequence is %" PRIu64 "; with START_SEQUENCE it is 1 to %" PRId64, *from,
                    INT64_MAX);
        return false;
    case CENC__V1__START__START_OLDEST:
        *from = oldest > 0 ? oldest : 1;
        return true;
    case CENC__V1__START__START_NOW:
        *from = journal_committed(call->northbound->journal) + 1;
        return true;
    default:
        grpc_finish(call, GRPC_INVALID_ARGUMENT, "start %d isn't known here",
                    (int)subscribe->start);
        return false;
    }
}

static bool choose_window(struct grpc_call *call, const Cenc__V1__Subscribe *subscribe)
{
    struct window *window = &events_of(call)->window;

    window->max_count = subscribe->max_unacknowledged_events;
    window->max_bytes = subscribe->max_unacknowledged_bytes;
    if (window->max_count == 0)
        window->max_count = WINDOW_EVENTS_DEFAULT;
    if (window->max_bytes == 0)
        window->max_bytes = WINDOW_BYTES_MAX;
    if (window->max_count <= WINDOW_EVENTS_MAX && window->max_bytes <= WINDOW_BYTES_MAX)
        return true;
    grpc_finish(call, GRPC_INVALID_ARGUMENT,
                "the window is too large; at most %u events and %u bytes", WINDOW_EVENTS_MAX,
                WINDOW_BYTES_MAX);
    return false;
}

static bool choose_filter(struct grpc_call *call, const Cenc__V1__EventFilter *filter)
{
    char error[FILTER_ERROR_SIZE];

    switch (filter_create(call->consumer, filter, &events_of(call)->filter, error)) {
    case STATUS_OK:
        return true;
    case STATUS_REFUSED:
        grpc_finish(call, GRPC_PERMISSION_DENIED, "%s", error);
        return false;
    case STATUS_INVALID:
        grpc_finish(call, GRPC_INVALID_ARGUMENT, "%s", error);
        return false;
    default:
        grpc_finish(call, GRPC_RESOURCE_EXHAUSTED, "the server has not enough memory");
        return false;
    }
}

/* The newest stream of a consumer wins: an older one may be half open without anybody knowing. */
static void take_place(struct grpc_call *call)
{
    struct consumer *consumer = call->consumer;
    struct grpc_call *former = consumer->events;

    if (former != NULL) {
        detach(events_of(former));
        grpc_finish(former, GRPC_ABORTED, "another stream of %s began", consumer->config->name);
    }
    consumer->events = call;
    atomic_store(&consumer->counters.connected, true);
    http2_count(&consumer->counters.streams, 1);
}

static void log_subscribed(const struct grpc_call *call, const Cenc__V1__Subscribe *wanted,
                           uint64_t from)
{
    char peer[ADDRESS_TEXT_SIZE];

    log_line(LOG_INFO, &module, "a consumer takes events",
             "consumer=%s peer=%s from=%" PRIu64 " filtered=%s", call->consumer->config->name,
             address_format(&call->stream->connection->peer, peer), from,
             wanted->filter != NULL ? "yes" : "no");
}

static bool check_name(struct grpc_call *call, const char *wanted)
{
    const char *name = call->consumer->config->name;
    char shown[GRPC_NAME_SHOWN];

    if (wanted[0] == '\0' || strcmp(wanted, name) == 0)
        return true;
    grpc_finish(call, GRPC_PERMISSION_DENIED, "the login is consumer %s's, not %s's", name,
                grpc_shown(wanted, shown));
    return false;
}

static void subscribe(struct grpc_call *call, const Cenc__V1__Subscribe *wanted)
{
    struct events *events = events_of(call);
    uint64_t oldest = journal_oldest(call->northbound->journal);
    uint64_t committed = journal_committed(call->northbound->journal);
    uint64_t from;

    if (!check_name(call, wanted->consumer) || !choose_start(call, wanted, &from) ||
        !choose_window(call, wanted) || !choose_filter(call, wanted->filter))
        return;
    take_place(call);
    log_subscribed(call, wanted, from);
    events->subscribed = true;
    if (wanted->start != CENC__V1__START__START_UNSPECIFIED && from <= call->consumer->position)
        events->back_to = from;
    /* from the future: nothing of what is to come may be acknowledged */
    events->through = from - 1 < committed ? from - 1 : committed;
    events->looked = events->through;
    if (from < oldest) {
        out_of_range(events, from);
        return;
    }
    events->follower.ops = &follower_ops;
    events->follower.next = from;
    feed_add(call->northbound->feed, &events->follower);
}

/* Who asked for old events once more and has dealt with some of them goes on there next time: it
 * lost what it had, and would miss the rest otherwise. */
static void go_back(struct grpc_call *call, uint64_t sequence)
{
    log_line(LOG_INFO, &module, "a consumer goes back to events that it had acknowledged",
             "consumer=%s from=%" PRIu64 " to=%" PRIu64, call->consumer->config->name,
             call->consumer->position, sequence);
    positions_begin(call->northbound, call->consumer, sequence);
}

static void acknowledge(struct grpc_call *call, uint64_t sequence)
{
    struct events *events = events_of(call);

    if (sequence > events->through) {
        detach(events);
        grpc_finish(call, GRPC_INVALID_ARGUMENT,
                    "event %" PRIu64 " was acknowledged, but only events through %" PRIu64
                    " were sent",
                    sequence, events->through);
        return;
    }
    window_acknowledge(&events->window, sequence);
    if (events->back_to != 0 && sequence + 1 >= events->back_to) {
        events->back_to = 0;
        if (sequence < call->consumer->position)
            go_back(call, sequence);
    }
    positions_move(call->northbound, call->consumer, sequence);
    feed_resume(&events->follower);
}

static void refuse_request(struct events *events, const char *why)
{
    detach(events);
    grpc_finish(events->call, GRPC_INVALID_ARGUMENT, "%s", why);
}

static void request(struct grpc_call *call, const uint8_t *data, size_t size)
{
    struct events *events = events_of(call);
    const Cenc__V1__EventsRequest *message =
        (const void *)grpc_unpack(call, &cenc__v1__events_request__descriptor, data, size);

    if (message == NULL)
        return;
    switch (message->request_case) {
    case CENC__V1__EVENTS_REQUEST__REQUEST_SUBSCRIBE:
        if (events->subscribed)
            refuse_request(events, "this stream has subscribed already");
        else
            subscribe(call, message->subscribe);
        break;
    case CENC__V1__EVENTS_REQUEST__REQUEST_ACKNOWLEDGE:
        if (events->subscribed)
            acknowledge(call, message->acknowledge->sequence);
        else
            refuse_request(events, "an acknowledgement came before the stream has subscribed");
        break;
    default:
        refuse_request(events, "a request without subscribe or acknowledge");
    }
}

/* ---- life ---- */

static void opened(struct grpc_call *call)
{
    struct events *events = events_of(call);

    events->call = call;
    timer_init(&events->mark, mark_due);
}

/* The client has nothing more to say: what it acknowledged counts, and it leaves. */
static void ended(struct grpc_call *call)
{
    detach(events_of(call));
    grpc_finish_with(call, GRPC_OK, "", NULL, 0);
}

static void room(struct grpc_call *call)
{
    feed_resume(&events_of(call)->follower);
}

static void gone(struct grpc_call *call)
{
    struct events *events = events_of(call);

    detach(events);
    if (events->subscribed)
        log_line(LOG_INFO, &module, "a consumer takes events no longer",
                 "consumer=%s status=%s through=%" PRIu64 " acknowledged=%" PRIu64,
                 call->consumer->config->name, grpc_code_name(call->code), events->through,
                 call->consumer->position);
    window_free(&events->window);
    filter_free(events->filter);
}

const struct grpc_method method_events = {
    .path = "/cenc.v1.Northbound/Events",
    .endless = true,
    .many_requests = true,
    .state_size = sizeof(struct events),
    .opened = opened,
    .request = request,
    .ended = ended,
    .room = room,
    .gone = gone,
};
