/* Cancelling, with the races that the real kernel has: what is cancelled may have been done in the
 * same moment, and the two completions come in any order. */
#include <errno.h>

#include "server/base/check.h"
#include "server/reactor/sim/operation.h"

static struct sim_operation *find_target(const struct sim_operation *cancel)
{
    const struct list *operations = &cancel->kernel->operations;
    struct sim_operation *found = NULL;
    for (struct list *node = operations->next; node != operations; node = node->next) {
        struct sim_operation *operation = container_of(node, struct sim_operation, node);
        if (operation->tag != cancel->target || operation->done || operation->kind == SIM_CANCEL)
            continue;
        SIM_RULE(!found, "kernel_cancel of a tag that two operations in flight have");
        found = operation;
    }
    return found;
}

/* Waits for the outside world; anything else is soon done by itself. */
static bool can_be_stopped(const struct sim_operation *operation)
{
    return operation->kind == SIM_ACCEPT || operation->kind == SIM_CONNECT ||
           operation->kind == SIM_POLL || operation->kind == SIM_RECEIVE ||
           operation->kind == SIM_SEND || operation->kind == SIM_RECEIVE_DATAGRAMS ||
           operation->kind == SIM_SEND_DATAGRAM;
}

static void stop(struct sim_operation *target)
{
    int32_t result = -ECANCELED;
    if (target->kind == SIM_SEND) {
        SIM_RULE(sim_hash(target->data, target->size) == target->hash,
                 "bytes were changed while they were being sent");
        if (target->sent > 0)
            result = (int32_t)target->sent;
    }
    sim_post(target, result, 0);
}

void sim_attempt_cancel(struct sim_operation *cancel)
{
    struct sim *sim = cancel->kernel->sim;
    struct sim_operation *target = find_target(cancel);
    if (!target) {
        sim_post(cancel, -ENOENT, 0);
        return;
    }
    if (!can_be_stopped(target)) {
        sim_post(cancel, -EALREADY, 0);
        return;
    }
    int32_t result = 0;
    if (sim_chance(sim, sim->options.cancel_race)) {
        sim_attempt(target);
        result = sim_chance(sim, 500) ? -EALREADY : 0;
        if (target->done && result == 0)
            result = -ENOENT;
    }
    bool target_first = sim_chance(sim, 500);
    if (!target_first)
        sim_post(cancel, result, 0);
    if (!target->done)
        stop(target);
    if (target_first)
        sim_post(cancel, result, 0);
}
