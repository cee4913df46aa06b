#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/reactor/sim/endpoint.h"
#include "server/reactor/sim/operation.h"

/* Listening sockets are ordinary descriptors; files have theirs elsewhere (disk.h). */
#define FIRST_DESCRIPTOR 1000

static bool is_any(const struct address *address)
{
    static const uint8_t zero[16];
    return memcmp(address->ip, zero, sizeof zero) == 0;
}

bool sim_address_matches(const struct address *bound, const struct address *wanted)
{
    if (bound->port != wanted->port)
        return false;
    if (is_any(bound))
        return bound->family == 6 || bound->family == wanted->family;
    return bound->family == wanted->family && memcmp(bound->ip, wanted->ip, sizeof bound->ip) == 0;
}

struct sim_listener *sim_listener_find(struct sim *sim, const struct address *address)
{
    for (struct list *node = sim->listeners.next; node != &sim->listeners; node = node->next) {
        struct sim_listener *listener = container_of(node, struct sim_listener, node);
        if (sim_address_matches(&listener->address, address))
            return listener;
    }
    return NULL;
}

static bool in_use(struct sim *sim, const struct address *address)
{
    for (struct list *node = sim->listeners.next; node != &sim->listeners; node = node->next) {
        struct sim_listener *listener = container_of(node, struct sim_listener, node);
        if (sim_address_matches(&listener->address, address) ||
            sim_address_matches(address, &listener->address))
            return true;
    }
    return false;
}

static struct sim_listener *by_descriptor(struct sim *sim, int descriptor)
{
    for (struct list *node = sim->listeners.next; node != &sim->listeners; node = node->next) {
        struct sim_listener *listener = container_of(node, struct sim_listener, node);
        if (listener->descriptor == descriptor)
            return listener;
    }
    return NULL;
}

struct sim_listener *sim_listener_open(struct sim *sim, struct address *address,
                                       const struct listen_options *options)
{
    struct address wanted = *address;
    while (wanted.port == 0 || (address->port == 0 && in_use(sim, &wanted)))
        wanted.port = (uint16_t)sim->next_port++;
    if (in_use(sim, &wanted))
        return NULL;
    address->port = wanted.port;
    struct sim_listener *listener = sim_allocate(sizeof *listener);
    listener->sim = sim;
    listener->address = wanted;
    listener->options = *options;
    if (listener->options.backlog < 1)
        listener->options.backlog = 1;
    listener->references = 1;
    listener->descriptor = -1;
    list_init(&listener->backlog);
    list_init(&listener->operations);
    list_append(&sim->listeners, &listener->node);
    return listener;
}

struct sim_end *sim_listener_take(struct sim_listener *listener)
{
    if (list_empty(&listener->backlog))
        return NULL;
    struct sim_end *end = container_of(listener->backlog.next, struct sim_end, backlog);
    list_remove(&end->backlog);
    listener->waiting--;
    return end;
}

void sim_listener_release(struct sim_listener *listener)
{
    CHECK(listener->references > 0);
    if (--listener->references > 0)
        return;
    CHECK(list_empty(&listener->operations));
    for (struct sim_end *end; (end = sim_listener_take(listener)) != NULL;) {
        sim_end_reset(end);
        sim_end_close(end);
    }
    list_remove(&listener->node);
    free(listener);
}

/* ---- kernel.h ---- */

int kernel_listen(struct address *address, const struct listen_options *options)
{
    struct sim *sim = sim_current();
    struct sim_listener *listener = sim_listener_open(sim, address, options);
    if (!listener)
        return -EADDRINUSE;
    int descriptor = FIRST_DESCRIPTOR;
    while (by_descriptor(sim, descriptor))
        descriptor++;
    listener->descriptor = descriptor;
    return descriptor;
}

void kernel_listen_close(int descriptor)
{
    struct sim_listener *listener = by_descriptor(sim_current(), descriptor);
    SIM_RULE(listener, "kernel_listen_close of a descriptor that is not open");
    listener->descriptor = -1;
    sim_listener_release(listener);
}

int kernel_install(struct kernel *kernel, int descriptor, uint32_t slot)
{
    struct sim_listener *listener = by_descriptor(kernel->sim, descriptor);
    SIM_RULE(listener, "kernel_install of a descriptor that is not open");
    SIM_RULE(slot < kernel->limits.reserved_slots, "kernel_install outside the reserved slots");
    SIM_RULE(kernel->slots[slot].state == SIM_SLOT_FREE, "kernel_install into a slot in use");
    listener->descriptor = -1; /* its reference is now the slot's */
    kernel->slots[slot].state = SIM_SLOT_USED;
    kernel->slots[slot].socket = sim_socket_make(NULL, listener);
    return 0;
}

struct sim_listener *sim_listener_of(struct kernel *kernel, int listening, bool is_slot)
{
    if (!is_slot)
        return by_descriptor(kernel->sim, listening);
    if (listening < 0 || (uint32_t)listening >= kernel->limits.slots)
        return NULL;
    struct sim_slot *slot = &kernel->slots[listening];
    return slot->state == SIM_SLOT_USED && slot->socket ? slot->socket->listener : NULL;
}

void sim_network_free(struct sim *sim)
{
    sim_peers_free(sim);
    for (struct list *node = sim->listeners.next; node != &sim->listeners;) {
        struct sim_listener *listener = container_of(node, struct sim_listener, node);
        node = node->next;
        listener->references = 1;
        sim_listener_release(listener);
    }
    CHECK(list_empty(&sim->connections));
}
