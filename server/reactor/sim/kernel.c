#include <stdio.h>
#include <stdlib.h>

#include "server/base/check.h"
#include "server/reactor/sim/operation.h"

/* 2026-01-01T00:00:00Z */
#define UTC_START_MS UINT64_C(1767225600000)

/* ---- life ---- */

static void run_wake(struct sim_event *event)
{
    container_of(event, struct kernel, wake)->woken = true;
}

enum status kernel_create(const struct kernel_limits *limits, struct kernel **kernel,
                          struct kernel_error *error)
{
    struct sim *sim = sim_current();
    SIM_RULE(limits->reserved_slots <= limits->slots, "more reserved slots than slots");
    struct kernel *made = sim_allocate(sizeof *made);
    made->sim = sim;
    made->id = ++sim->next_id;
    made->limits = *limits;
    made->slots = sim_allocate((limits->slots + 1) * sizeof *made->slots);
    made->free_slots = sim_allocate((limits->slots + 1) * sizeof *made->free_slots);
    for (uint32_t slot = limits->slots; slot > limits->reserved_slots; slot--)
        made->free_slots[made->free_count++] = slot - 1;
    for (unsigned group = 0; group < BUFFER_GROUPS; group++)
        sim_buffers_init(&made->buffers[group], limits->buffer_count[group],
                         limits->buffer_size[group]);
    list_init(&made->queued);
    list_init(&made->operations);
    sim_event_init(&made->wake, run_wake);
    made->wake_ms = UINT64_MAX;
    made->accepts_reserve = sim_chance(sim, 500);
    list_append(&sim->kernels, &made->node);
    *error = (struct kernel_error){0};
    *kernel = made;
    return STATUS_OK;
}

static void drop_all(struct list *operations)
{
    while (!list_empty(operations))
        sim_operation_drop(container_of(operations->next, struct sim_operation, node));
}

/* Descriptors on their way to this kernel find nobody. */
static void forget_target(const struct kernel *kernel)
{
    const struct list *kernels = &kernel->sim->kernels;
    for (struct list *node = kernels->next; node != kernels; node = node->next) {
        struct kernel *other = container_of(node, struct kernel, node);
        struct list *lists[] = {&other->queued, &other->operations};
        for (unsigned i = 0; i < 2; i++)
            for (struct list *at = lists[i]->next; at != lists[i]; at = at->next) {
                struct sim_operation *operation = container_of(at, struct sim_operation, node);
                if (operation->to == kernel)
                    operation->to = NULL;
            }
    }
}

void kernel_destroy(struct kernel *kernel)
{
    drop_all(&kernel->queued);
    drop_all(&kernel->operations);
    list_remove(&kernel->node);
    forget_target(kernel);
    for (uint32_t slot = 0; slot < kernel->limits.slots; slot++)
        if (kernel->slots[slot].socket)
            sim_socket_release(kernel->slots[slot].socket);
    for (unsigned group = 0; group < BUFFER_GROUPS; group++)
        sim_buffers_free(&kernel->buffers[group]);
    sim_event_stop(kernel->sim, &kernel->wake);
    free(kernel->visible);
    free(kernel->slots);
    free(kernel->free_slots);
    free(kernel);
}

/* ---- waiting ---- */

bool sim_kernel_due(const struct kernel *kernel)
{
    return !kernel->sleeping || kernel->woken || kernel->visible_count > 0 ||
           !list_empty(&kernel->queued) || kernel->wake_ms <= kernel->sim->now_ms;
}

static void fall_asleep(struct kernel *kernel, int timeout_ms)
{
    kernel->sleeping = true;
    kernel->wake_ms = timeout_ms < 0 ? UINT64_MAX : kernel->sim->now_ms + (uint64_t)timeout_ms;
}

unsigned kernel_wait(struct kernel *kernel, struct completion *completions, unsigned capacity,
                     int timeout_ms)
{
    struct sim *sim = kernel->sim;
    SIM_RULE(capacity > 0, "kernel_wait without room for a completion");
    sim_submit(kernel);
    /* A wait that ends now is the one that fell asleep before: its caller asked by an old clock. */
    bool awake = kernel->woken || (kernel->sleeping && kernel->wake_ms <= sim->now_ms);
    kernel->woken = false;
    kernel->sleeping = false;
    if (kernel->visible_count == 0) {
        if (!awake)
            fall_asleep(kernel, timeout_ms);
        return 0;
    }
    if (sim_chance(sim, sim->options.spurious_wake))
        return 0;
    unsigned count = kernel->visible_count < capacity ? kernel->visible_count : capacity;
    if (sim_chance(sim, sim->options.reorder))
        count = 1 + (unsigned)sim_below(sim, count);
    for (unsigned i = 0; i < count; i++) {
        completions[i] = kernel->visible[i].completion;
        if (kernel->visible[i].operation)
            sim_operation_delivered(kernel->visible[i].operation);
    }
    kernel->visible_count -= count;
    for (unsigned i = 0; i < kernel->visible_count; i++)
        kernel->visible[i] = kernel->visible[i + count];
    return count;
}

static bool is_alive(const struct sim *sim, const struct kernel *kernel)
{
    for (struct list *node = sim->kernels.next; node != &sim->kernels; node = node->next)
        if (node == &kernel->node)
            return true;
    return false;
}

void kernel_wake(struct kernel *from, struct kernel *to)
{
    struct sim *sim = sim_current();
    SIM_RULE(is_alive(sim, to), "kernel_wake of a kernel that was destroyed");
    SIM_RULE(!from || is_alive(sim, from), "kernel_wake from a kernel that was destroyed");
    sim_event_soon(sim, &to->wake);
}

uint64_t sim_next_wakeup(const struct sim *sim)
{
    uint64_t next = UINT64_MAX;
    for (struct list *node = sim->kernels.next; node != &sim->kernels; node = node->next) {
        const struct kernel *kernel = container_of(node, struct kernel, node);
        if (kernel->sleeping && kernel->wake_ms < next)
            next = kernel->wake_ms;
    }
    return next;
}

bool sim_any_kernel_due(const struct sim *sim)
{
    for (struct list *node = sim->kernels.next; node != &sim->kernels; node = node->next)
        if (sim_kernel_due(container_of(node, struct kernel, node)))
            return true;
    return false;
}

struct kernel *sim_pick_due(struct sim *sim)
{
    struct kernel *picked = NULL;
    uint64_t due = 0;
    for (struct list *node = sim->kernels.next; node != &sim->kernels; node = node->next) {
        struct kernel *kernel = container_of(node, struct kernel, node);
        if (sim_kernel_due(kernel) && sim_below(sim, ++due) == 0)
            picked = kernel;
    }
    return picked;
}

/* ---- clocks, randomness, accounts ---- */

uint64_t kernel_now_ms(struct kernel *kernel)
{
    return kernel->sim->now_ms;
}

uint64_t kernel_utc_ms(struct kernel *kernel)
{
    return UTC_START_MS + kernel->sim->now_ms;
}

uint64_t kernel_random(struct kernel *kernel)
{
    return sim_random(kernel->sim);
}

uint64_t kernel_system_calls(const struct kernel *kernel)
{
    CHECK(kernel->sim);
    return 0;
}

static bool kernel_not_quiet(const struct kernel *kernel, char *text, size_t size)
{
    static const char *const kinds[] = {
        "accept",    "socket",    "connect",    "poll",      "receive",           "send",
        "shutdown",  "cancel",    "close",      "send_slot", "receive_datagrams", "send_datagram",
        "file_open", "file_read", "file_write", "file_sync", "file_close",        "work"};
    const struct list *lists[] = {&kernel->queued, &kernel->operations};
    for (unsigned i = 0; i < 2; i++)
        if (!list_empty(lists[i])) {
            const struct sim_operation *operation =
                container_of(lists[i]->next, struct sim_operation, node);
            snprintf(text, size, "kernel %u: %s is in flight, slot %d, tag %#llx",
                     (unsigned)kernel->id, kinds[operation->kind], (int)operation->slot,
                     (unsigned long long)operation->tag);
            return true;
        }
    for (unsigned group = 0; group < BUFFER_GROUPS; group++)
        if (kernel->buffers[group].free != kernel->buffers[group].count) {
            snprintf(text, size, "kernel %u: %u buffers of group %u are out", (unsigned)kernel->id,
                     kernel->buffers[group].count - kernel->buffers[group].free, group);
            return true;
        }
    for (uint32_t slot = 0; slot < kernel->limits.slots; slot++)
        if (kernel->slots[slot].state != SIM_SLOT_FREE) {
            snprintf(text, size, "kernel %u: slot %u is in use", (unsigned)kernel->id, slot);
            return true;
        }
    return false;
}

const char *sim_not_quiet(struct sim *sim)
{
    for (struct list *node = sim->kernels.next; node != &sim->kernels; node = node->next)
        if (kernel_not_quiet(container_of(node, struct kernel, node), sim->quiet_text,
                             sizeof sim->quiet_text))
            return sim->quiet_text;
    return NULL;
}

void sim_check_quiet(struct sim *sim)
{
    const char *text = sim_not_quiet(sim);
    if (text)
        sim_violation(text, __func__);
}
