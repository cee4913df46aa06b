/* kernel.h's calls on sockets: each fills in an operation and queues it. */
#include "server/base/check.h"
#include "server/reactor/sim/endpoint.h"
#include "server/reactor/sim/operation.h"

#include <string.h>

#define ACCEPT_PATTERN 0x5a

static bool accept_buffer_in_use(const struct sim *sim, const struct accept_buffer *buffer)
{
    for (struct list *node = sim->kernels.next; node != &sim->kernels; node = node->next) {
        const struct kernel *kernel = container_of(node, struct kernel, node);
        const struct list *lists[] = {&kernel->queued, &kernel->operations};
        for (unsigned i = 0; i < 2; i++)
            for (struct list *at = lists[i]->next; at != lists[i]; at = at->next)
                if (container_of(at, struct sim_operation, node)->accept_buffer == buffer)
                    return true;
    }
    return false;
}

void kernel_accept(struct kernel *kernel, int listening, bool is_slot, struct accept_buffer *buffer,
                   uint64_t tag)
{
    struct sim_listener *listener = sim_listener_of(kernel, listening, is_slot);
    SIM_RULE(listener, "kernel_accept on what is not a listening socket");
    SIM_RULE(!accept_buffer_in_use(kernel->sim, buffer), "two accepts with one accept buffer");
    struct sim_operation *operation =
        is_slot ? sim_operation_on(kernel, SIM_ACCEPT, (uint32_t)listening, tag)
                : sim_operation_make(kernel, SIM_ACCEPT, tag);
    listener->references++;
    operation->listener = listener;
    operation->accept_buffer = buffer;
    memset(buffer, ACCEPT_PATTERN, sizeof *buffer);
    operation->hash = sim_hash(buffer, sizeof *buffer);
    sim_operation_queue(operation);
}

void kernel_socket(struct kernel *kernel, int family, const struct listen_options *options,
                   uint64_t tag)
{
    SIM_RULE(family == AF_INET || family == AF_INET6, "kernel_socket of an unknown family");
    struct sim_operation *operation = sim_operation_make(kernel, SIM_SOCKET, tag);
    if (options)
        operation->options = *options;
    sim_operation_queue(operation);
}

void kernel_connect(struct kernel *kernel, uint32_t slot, const union socket_address *address,
                    socklen_t size, uint64_t tag)
{
    struct sim_operation *operation = sim_operation_on(kernel, SIM_CONNECT, slot, tag);
    operation->address = address;
    operation->address_size = size;
    operation->hash = sim_hash(address, size);
    sim_operation_queue(operation);
}

void kernel_poll(struct kernel *kernel, uint32_t slot, uint64_t tag)
{
    sim_operation_queue(sim_operation_on(kernel, SIM_POLL, slot, tag));
}

void kernel_receive(struct kernel *kernel, uint32_t slot, enum buffer_group group, bool multishot,
                    uint64_t tag)
{
    SIM_RULE(group < BUFFER_GROUPS, "kernel_receive from a group that doesn't exist");
    struct sim_operation *operation = sim_operation_on(kernel, SIM_RECEIVE, slot, tag);
    operation->group = group;
    operation->multishot = multishot;
    operation->poll_first = sim_chance(kernel->sim, kernel->sim->options.poll_first);
    sim_operation_queue(operation);
}

void kernel_send(struct kernel *kernel, uint32_t slot, const uint8_t *data, uint32_t size,
                 uint64_t tag)
{
    SIM_RULE(size > 0, "kernel_send of nothing");
    struct sim_operation *operation = sim_operation_on(kernel, SIM_SEND, slot, tag);
    operation->data = data;
    operation->size = size;
    operation->hash = sim_hash(data, size);
    sim_operation_queue(operation);
}

void kernel_shutdown(struct kernel *kernel, uint32_t slot, uint64_t tag)
{
    sim_operation_queue(sim_operation_on(kernel, SIM_SHUTDOWN, slot, tag));
}

void kernel_cancel(struct kernel *kernel, uint64_t target, uint64_t tag)
{
    struct sim_operation *operation = sim_operation_make(kernel, SIM_CANCEL, tag);
    operation->target = target;
    sim_operation_queue(operation);
}

void kernel_close(struct kernel *kernel, uint32_t slot, uint64_t tag)
{
    struct sim_operation *operation = sim_operation_on(kernel, SIM_CLOSE, slot, tag);
    SIM_RULE(kernel->slots[slot].in_flight == 1, "kernel_close with something in flight");
    kernel->slots[slot].state = SIM_SLOT_CLOSING;
    sim_operation_queue(operation);
}

void kernel_send_slot(struct kernel *kernel, uint32_t slot, struct kernel *to, uint64_t tag)
{
    struct sim_operation *operation = sim_operation_on(kernel, SIM_SEND_SLOT, slot, tag);
    SIM_RULE(kernel->slots[slot].in_flight == 1, "kernel_send_slot with something in flight");
    SIM_RULE(to != kernel, "kernel_send_slot to itself");
    kernel->slots[slot].handed_over = true;
    operation->to = to;
    sim_operation_queue(operation);
}
