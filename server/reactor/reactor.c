/* The loop: completions first, then messages, timers, stalled sends and those who wait. */
#include "server/reactor/reactor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/reactor/internal.h"

static void create_queues(struct reactor *reactor)
{
    for (int group = 0; group < BUFFER_GROUPS; group++)
        list_init(&reactor->waiting[group]);
    list_init(&reactor->sending);
    list_init(&reactor->deferred);
    reactor->now_ms = kernel_now_ms(reactor->kernel);
    timers_create(reactor);
    for (uint32_t slot = reactor->limits.reserved_slots; slot > 0; slot--)
        reactor->reserved_free[reactor->reserved_free_count++] = slot - 1;
}

static bool allocate(struct reactor *reactor)
{
    const struct kernel_limits *limits = &reactor->limits;
    reactor->streams = calloc(limits->slots, sizeof *reactor->streams);
    reactor->generations = calloc(limits->slots, sizeof *reactor->generations);
    reactor->reserved_free = calloc(limits->reserved_slots + 1, sizeof *reactor->reserved_free);
    bool good =
        reactor->streams != NULL && reactor->generations != NULL && reactor->reserved_free != NULL;
    for (int group = 0; group < BUFFER_GROUPS; group++) {
        reactor->chunks[group] = calloc(limits->buffer_count[group] + 1, sizeof(struct chunk));
        good = good && reactor->chunks[group] != NULL;
    }
    return good;
}

static void release(struct reactor *reactor)
{
    if (reactor->kernel != NULL)
        kernel_destroy(reactor->kernel);
    for (int group = 0; group < BUFFER_GROUPS; group++)
        free(reactor->chunks[group]);
    table_free(&reactor->accepts);
    table_free(&reactor->connects);
    table_free(&reactor->operations);
    table_free(&reactor->datagram_sockets);
    table_free(&reactor->datagram_sends);
    free(reactor->streams);
    free(reactor->generations);
    free(reactor->reserved_free);
    free(reactor);
}

enum status reactor_create(const struct reactor_config *config, struct reactor **created,
                           struct kernel_error *error)
{
    struct reactor *reactor = calloc(1, sizeof *reactor);
    if (reactor == NULL)
        return STATUS_NO_MEMORY;
    reactor->limits = config->limits;
    reactor->owner = config->owner;
    if (!allocate(reactor)) {
        release(reactor);
        error->error = ENOMEM;
        strcpy(error->text, "not enough memory for a shard's tables"); // NOLINT
        return STATUS_NO_MEMORY;
    }
    enum status status = kernel_create(&config->limits, &reactor->kernel, error);
    if (status != STATUS_OK) {
        release(reactor);
        return status;
    }
    create_queues(reactor);
    *created = reactor;
    return STATUS_OK;
}

void reactor_destroy(struct reactor *reactor)
{
    CHECK(reactor->in_flight == 0);
    release(reactor);
}

/* ---- completions ---- */

static void complete_stream(struct reactor *reactor, enum tag_kind kind,
                            const struct completion *completion)
{
    uint32_t slot = (uint32_t)completion->tag;
    struct stream *stream = slot < reactor->limits.slots ? reactor->streams[slot] : NULL;
    if (stream == NULL || stream->generation != (uint8_t)(completion->tag >> 32)) {
        count(&reactor->counters.stale_completions, 1);
        return;
    }
    stream_completed(stream, kind, completion);
}

static void complete(struct reactor *reactor, const struct completion *completion)
{
    enum tag_kind kind = (enum tag_kind)(completion->tag >> 56);
    uint32_t index = (uint32_t)completion->tag;
    switch (kind) {
    case TAG_ACCEPT:
        accept_completed(reactor, index, completion->result);
        break;
    case TAG_ACCEPT_CANCEL:
        accept_cancel_completed(reactor, index);
        break;
    case TAG_LISTENER_CLOSE:
        listener_slot_closed(reactor, index);
        break;
    case TAG_SOCKET:
        stream_socket_completed(reactor, index, completion->result);
        break;
    case TAG_OPERATION:
        operation_completed(reactor, index, completion->result);
        break;
    case TAG_DATAGRAM:
        datagram_received(reactor, index, completion);
        break;
    case TAG_DATAGRAM_CANCEL:
        datagram_cancel_completed(reactor, index);
        break;
    case TAG_DATAGRAM_SEND:
        datagram_sent(reactor, index, completion->result);
        break;
    case TAG_DISCARD:
        reactor->in_flight--;
        CHECK(reactor->slots_used > 0);
        reactor->slots_used--;
        break;
    case TAG_RESERVED_CLOSE:
        reactor->in_flight--;
        reactor->reserved_free[reactor->reserved_free_count++] = index;
        break;
    default:
        complete_stream(reactor, kind, completion);
    }
}

/* ---- messages ---- */

void reactor_post(struct reactor *from, struct reactor *to, struct message *message)
{
    struct message *head = atomic_load_explicit(&to->mailbox, memory_order_relaxed);
    do
        message->next = head;
    while (!atomic_compare_exchange_weak_explicit(&to->mailbox, &head, message,
                                                  memory_order_release, memory_order_relaxed));
    if (head != NULL)
        return; /* whoever put the first one has woken it */
    if (from != NULL)
        count(&from->counters.wakes, 1);
    kernel_wake(from != NULL ? from->kernel : NULL, to->kernel);
}

static void run_messages(struct reactor *reactor)
{
    struct message *newest =
        atomic_exchange_explicit(&reactor->mailbox, NULL, memory_order_acquire);
    struct message *oldest = NULL;
    while (newest != NULL) {
        struct message *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest != NULL) {
        struct message *message = oldest;
        oldest = message->next;
        message->deliver(message, reactor);
    }
}

/* ---- the turn ---- */

static int wait_limit(struct reactor *reactor, int max_wait_ms)
{
    if (max_wait_ms == 0 || streams_want_turn(reactor) ||
        atomic_load_explicit(&reactor->mailbox, memory_order_relaxed) != NULL)
        return 0;
    uint64_t until = timers_next_ms(reactor);
    if (!list_empty(&reactor->sending)) {
        const struct stream *oldest = container_of(reactor->sending.next, struct stream, sending);
        uint32_t age = (uint32_t)reactor->now_ms - oldest->send_since_ms;
        uint64_t due = reactor->now_ms + (age < SEND_STALL_MS ? SEND_STALL_MS - age : 0);
        if (due < until)
            until = due;
    }
    uint64_t wait = until > reactor->now_ms ? until - reactor->now_ms : 0;
    if (max_wait_ms > 0 && wait > (uint64_t)max_wait_ms)
        wait = (uint64_t)max_wait_ms;
    return (int)wait;
}

static void publish_counters(struct reactor *reactor, unsigned completions)
{
    struct reactor_counters *counters = &reactor->counters;
    count(&counters->turns, 1);
    count(&counters->completions, completions);
    publish(&counters->in_flight, reactor->in_flight);
    publish(&counters->slots_used, reactor->slots_used);
    publish(&counters->private_bytes, reactor->private_bytes);
    publish(&counters->system_calls, kernel_system_calls(reactor->kernel));
    for (int group = 0; group < BUFFER_GROUPS; group++)
        publish(&counters->buffers_out[group], reactor->buffers_out[group]);
}

unsigned reactor_turn(struct reactor *reactor, int max_wait_ms)
{
    struct completion completions[REACTOR_BATCH];
    int wait_ms = wait_limit(reactor, max_wait_ms);
    unsigned number = kernel_wait(reactor->kernel, completions, REACTOR_BATCH, wait_ms);
    reactor->now_ms = kernel_now_ms(reactor->kernel);
    for (unsigned i = 0; i < number; i++)
        complete(reactor, &completions[i]);
    run_messages(reactor);
    timers_run(reactor);
    streams_run_deferred(reactor);
    streams_cancel_stalled(reactor);
    streams_serve_waiting(reactor);
    datagrams_serve_waiting(reactor);
    publish_counters(reactor, number);
    return number;
}

uint64_t reactor_now_ms(const struct reactor *reactor)
{
    return reactor->now_ms;
}

uint64_t reactor_utc_ms(struct reactor *reactor)
{
    return kernel_utc_ms(reactor->kernel);
}

uint64_t reactor_random(struct reactor *reactor)
{
    return kernel_random(reactor->kernel);
}

void *reactor_owner(const struct reactor *reactor)
{
    return reactor->owner;
}

struct kernel *reactor_kernel(struct reactor *reactor)
{
    return reactor->kernel;
}

const struct reactor_counters *reactor_counters(const struct reactor *reactor)
{
    return &reactor->counters;
}

bool reactor_idle(const struct reactor *reactor)
{
    return reactor->in_flight == 0 &&
           atomic_load_explicit(&reactor->mailbox, memory_order_relaxed) == NULL;
}
