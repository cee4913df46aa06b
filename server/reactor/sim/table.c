/* The descriptor table: slots, and the sockets that they refer to. */
#include <stdlib.h>

#include "server/base/check.h"
#include "server/reactor/sim/endpoint.h"
#include "server/reactor/sim/operation.h"

struct sim_socket *sim_socket_make(struct sim_end *end, struct sim_listener *listener)
{
    struct sim_socket *socket = sim_allocate(sizeof *socket);
    socket->end = end;
    socket->listener = listener;
    socket->references = 1;
    return socket;
}

void sim_socket_release(struct sim_socket *socket)
{
    CHECK(socket->references > 0);
    if (--socket->references > 0)
        return;
    if (socket->end)
        sim_end_close(socket->end);
    if (socket->listener)
        sim_listener_release(socket->listener);
    free(socket);
}

/* The last freed as often as any other: a number that comes back at once is the harder case. */
uint32_t sim_slot_take(struct kernel *kernel)
{
    if (kernel->free_count == 0)
        return SIM_NO_SLOT;
    uint32_t last = kernel->free_count - 1;
    uint32_t index =
        sim_chance(kernel->sim, 500) ? last : (uint32_t)sim_below(kernel->sim, kernel->free_count);
    uint32_t slot = kernel->free_slots[index];
    kernel->free_slots[index] = kernel->free_slots[last];
    kernel->free_count--;
    CHECK(kernel->slots[slot].state == SIM_SLOT_FREE);
    kernel->slots[slot].state = SIM_SLOT_RESERVED;
    return slot;
}

void sim_slot_use(struct kernel *kernel, uint32_t slot, struct sim_socket *socket)
{
    CHECK(kernel->slots[slot].state == SIM_SLOT_RESERVED);
    kernel->slots[slot] = (struct sim_slot){.socket = socket, .state = SIM_SLOT_USED};
}

void sim_slot_free(struct kernel *kernel, uint32_t slot)
{
    kernel->slots[slot] = (struct sim_slot){.state = SIM_SLOT_FREE};
    if (slot >= kernel->limits.reserved_slots)
        kernel->free_slots[kernel->free_count++] = slot;
}
