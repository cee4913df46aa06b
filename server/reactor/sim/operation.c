#include "server/reactor/sim/operation.h"

#include <stdlib.h>

#include "server/base/check.h"
#include "server/reactor/sim/datagram.h"
#include "server/reactor/sim/endpoint.h"

/* ---- making and queueing ---- */

static void run_attempt(struct sim_event *event)
{
    struct sim_operation *operation = container_of(event, struct sim_operation, attempt);
    if (!operation->done)
        sim_attempt(operation);
}

static void run_visible(struct sim_event *event);

struct sim_operation *sim_operation_make(struct kernel *kernel, enum sim_operation_kind kind,
                                         uint64_t tag)
{
    struct sim_operation *operation = sim_allocate(sizeof *operation);
    operation->kernel = kernel;
    operation->id = ++kernel->sim->next_id;
    operation->tag = tag;
    operation->kind = (uint8_t)kind;
    operation->slot = SIM_NO_SLOT;
    operation->reserved = SIM_NO_SLOT;
    operation->posted_end = &operation->posted;
    list_init(&operation->node);
    list_init(&operation->waiting);
    sim_event_init(&operation->attempt, run_attempt);
    sim_event_init(&operation->visible, run_visible);
    return operation;
}

struct sim_operation *sim_operation_on(struct kernel *kernel, enum sim_operation_kind kind,
                                       uint32_t slot, uint64_t tag)
{
    SIM_RULE(slot < kernel->limits.slots, "a slot beyond the table");
    struct sim_slot *entry = &kernel->slots[slot];
    SIM_RULE(entry->state != SIM_SLOT_CLOSING, "an operation on a slot that is being closed");
    SIM_RULE(entry->state == SIM_SLOT_USED, "an operation on a free slot");
    SIM_RULE(!entry->handed_over || kind == SIM_CLOSE,
             "an operation on a slot whose descriptor was handed over");
    if (kind == SIM_RECEIVE)
        SIM_RULE(entry->receives++ == 0, "two receives in flight on one slot");
    if (kind == SIM_SEND)
        SIM_RULE(entry->sends++ == 0, "two sends in flight on one slot");
    struct sim_operation *operation = sim_operation_make(kernel, kind, tag);
    operation->slot = slot;
    entry->in_flight++;
    CHECK(entry->in_flight > 0);
    return operation;
}

void sim_operation_queue(struct sim_operation *operation)
{
    struct kernel *kernel = operation->kernel;
    list_append(&kernel->queued, &operation->node);
    if (sim_chance(kernel->sim, kernel->sim->options.early_submit))
        sim_submit(kernel);
}

/* ---- starting ---- */

/* Where an operation waits to be woken. */
static struct list *waiting_place(struct sim_operation *operation)
{
    if (operation->kind == SIM_ACCEPT)
        return operation->listener ? &operation->listener->operations : NULL;
    if (operation->kind == SIM_RECEIVE_DATAGRAMS)
        return sim_datagram_waiting(operation->datagram_socket);
    if (operation->kind != SIM_POLL && operation->kind != SIM_RECEIVE &&
        operation->kind != SIM_SEND)
        return NULL;
    struct sim_socket *socket = operation->kernel->slots[operation->slot].socket;
    return socket->end ? &socket->end->operations : NULL;
}

/* These leave the caller's thread in the real kernel, too. */
static bool is_asynchronous(const struct sim_operation *operation)
{
    return operation->kind == SIM_SHUTDOWN || operation->kind == SIM_SEND_SLOT ||
           operation->kind >= SIM_FILE_OPEN;
}

static void start(struct sim_operation *operation)
{
    struct sim *sim = operation->kernel->sim;
    struct list *place = waiting_place(operation);
    if (place)
        list_append(place, &operation->waiting);
    if (operation->kind == SIM_WORK && sim_chance(sim, sim->options.work_delay))
        sim_event_at(sim, &operation->attempt, sim->now_ms + 1 + sim_below(sim, 1000));
    else if (is_asynchronous(operation))
        sim_event_soon(sim, &operation->attempt);
    else
        sim_attempt(operation);
}

void sim_submit(struct kernel *kernel)
{
    if (kernel->submitting)
        return;
    kernel->submitting = true;
    while (!list_empty(&kernel->queued)) {
        struct sim_operation *operation =
            container_of(kernel->queued.next, struct sim_operation, node);
        list_remove(&operation->node);
        list_append(&kernel->operations, &operation->node);
        start(operation);
    }
    kernel->submitting = false;
}

/* ---- completing ---- */

/* Appends the operation's oldest completion to the completion queue. */
static void make_visible(struct sim_operation *operation)
{
    struct kernel *kernel = operation->kernel;
    struct sim_posted *posted = operation->posted;
    CHECK(posted);
    operation->posted = posted->next;
    if (!operation->posted)
        operation->posted_end = &operation->posted;
    if (kernel->visible_count == kernel->visible_capacity) {
        kernel->visible_capacity = kernel->visible_capacity ? kernel->visible_capacity * 2 : 32;
        kernel->visible =
            realloc(kernel->visible, kernel->visible_capacity * sizeof *kernel->visible);
        CHECK(kernel->visible);
    }
    kernel->visible[kernel->visible_count++] = (struct sim_visible){
        .completion = posted->completion, .operation = posted->last ? operation : NULL};
    /* Not earlier: who uses the number next must not be heard of before this completion. */
    if (posted->last && operation->kind == SIM_CLOSE)
        sim_slot_free(kernel, operation->slot);
    sim_trace(kernel->sim, "complete", operation->id, posted->completion.result,
              (int64_t)posted->completion.flags << 8 | operation->kind);
    free(posted);
}

static void run_visible(struct sim_event *event)
{
    struct sim_operation *operation = container_of(event, struct sim_operation, visible);
    make_visible(operation);
    if (operation->posted)
        sim_event_now(operation->kernel->sim, &operation->visible);
}

static void stop_waiting(struct sim_operation *operation)
{
    struct kernel *kernel = operation->kernel;
    list_remove(&operation->waiting);
    sim_event_stop(kernel->sim, &operation->attempt);
    if (operation->reserved != SIM_NO_SLOT) {
        sim_slot_free(kernel, operation->reserved);
        operation->reserved = SIM_NO_SLOT;
    }
    if (operation->kind == SIM_ACCEPT && operation->listener) {
        sim_listener_release(operation->listener);
        operation->listener = NULL;
    }
}

void sim_post(struct sim_operation *operation, int32_t result, uint32_t flags)
{
    struct sim *sim = operation->kernel->sim;
    CHECK(!operation->done);
    struct sim_posted *posted = sim_allocate(sizeof *posted);
    posted->completion.tag = operation->tag;
    posted->completion.result = result;
    posted->completion.flags = flags;
    posted->last = !(flags & COMPLETION_MORE);
    bool first = !operation->posted;
    *operation->posted_end = posted;
    operation->posted_end = &posted->next;
    if (posted->last) {
        operation->done = true;
        stop_waiting(operation);
    }
    if (first && !sim_chance(sim, sim->options.reorder))
        make_visible(operation);
    else
        sim_event_soon(sim, &operation->visible);
}

static void operation_free(struct sim_operation *operation)
{
    list_remove(&operation->node);
    if (operation->datagram_socket)
        sim_datagram_done(operation);
    while (operation->posted) {
        struct sim_posted *posted = operation->posted;
        operation->posted = posted->next;
        free(posted);
    }
    free(operation);
}

void sim_operation_delivered(struct sim_operation *operation)
{
    CHECK(operation->done && !operation->posted);
    /* A closed slot may be somebody else's by now. */
    if (operation->slot != SIM_NO_SLOT && operation->kind != SIM_CLOSE) {
        struct sim_slot *slot = &operation->kernel->slots[operation->slot];
        CHECK(slot->in_flight > 0);
        slot->in_flight--;
        slot->receives = (uint8_t)(slot->receives - (operation->kind == SIM_RECEIVE));
        slot->sends = (uint8_t)(slot->sends - (operation->kind == SIM_SEND));
    }
    operation_free(operation);
}

void sim_operation_drop(struct sim_operation *operation)
{
    if (!operation->done)
        stop_waiting(operation);
    sim_event_stop(operation->kernel->sim, &operation->visible);
    operation_free(operation);
}

void sim_operations_wake(struct list *operations)
{
    for (struct list *node = operations->next; node != operations; node = node->next) {
        struct sim_operation *operation = container_of(node, struct sim_operation, waiting);
        sim_event_soon(operation->kernel->sim, &operation->attempt);
    }
}
