#include "server/reactor/sim/datagram.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/reactor/sim/endpoint.h"
#include "server/reactor/sim/operation.h"

/* Listening sockets and files have their descriptors elsewhere. */
#define FIRST_DESCRIPTOR 500000
#define SYSTEM_ROOM      212992u

/* What stands in front of the payload in a buffer. */
struct account {
    struct address peer;
    struct address local;
    uint64_t arrived_ms;
    uint32_t drops;
    uint32_t truncated;
};
_Static_assert(sizeof(struct account) <= KERNEL_DATAGRAM_OVERHEAD, "the account has its place");

/* ---- on the way ---- */

static uint64_t charge_of(const struct sim_packet *packet)
{
    return packet->size + (uint64_t)SIM_DATAGRAM_CHARGE;
}

static struct sim_packet *first_of(struct list *packets)
{
    return container_of(packets->next, struct sim_packet, node);
}

static void packet_free(struct sim_packet *packet)
{
    list_remove(&packet->node);
    free(packet);
}

static void packets_free(struct list *packets)
{
    for (struct list *node = packets->next; node != packets;) {
        struct sim_packet *packet = container_of(node, struct sim_packet, node);
        node = node->next;
        packet_free(packet);
    }
}

static struct sim_datagram_socket *socket_at(struct sim *sim, const struct address *address)
{
    struct list *sockets = &sim->datagram_sockets;
    for (struct list *node = sockets->next; node != sockets; node = node->next) {
        struct sim_datagram_socket *socket = container_of(node, struct sim_datagram_socket, node);
        if (sim_address_matches(&socket->address, address))
            return socket;
    }
    return NULL;
}

static void put_on_the_way(struct sim *sim, const struct address *from, const struct address *to,
                           const uint8_t *data, size_t size)
{
    struct sim_packet *packet = sim_allocate(sizeof *packet + size);
    packet->from = *from;
    packet->to = *to;
    packet->size = (uint32_t)size;
    if (size > 0)
        memcpy(packet->data, data, size);
    list_append(&sim->datagrams, &packet->node);
    sim_event_soon(sim, &sim->datagram_delivery);
}

void sim_datagram_send(struct sim *sim, const struct address *from, const struct address *to,
                       const uint8_t *data, size_t size)
{
    CHECK(size <= KERNEL_DATAGRAM_MAX_SIZE);
    if (sim_chance(sim, sim->options.datagram_loss)) {
        sim_trace(sim, "lost", from->port, to->port, (int64_t)size);
        return;
    }
    put_on_the_way(sim, from, to, data, size);
    if (sim_chance(sim, sim->options.datagram_twice))
        put_on_the_way(sim, from, to, data, size);
}

static void arrive(struct sim_datagram_socket *socket, struct sim_packet *packet)
{
    list_remove(&packet->node);
    if (charge_of(packet) > socket->room) {
        socket->drops++;
        sim_trace(socket->sim, "overrun", packet->from.port, packet->to.port, socket->drops);
        free(packet);
        return;
    }
    socket->room -= charge_of(packet);
    packet->drops = socket->drops;
    packet->arrived_ms = sim_now_ms(socket->sim);
    list_append(&socket->arrived, &packet->node);
    sim_trace(socket->sim, "datagram", packet->from.port, packet->to.port, packet->size);
    sim_operations_wake(&socket->operations);
}

static struct sim_packet *next_to_arrive(struct sim *sim)
{
    struct list *node = sim->datagrams.next;
    while (node->next != &sim->datagrams && sim_chance(sim, sim->options.datagram_reorder))
        node = node->next;
    return container_of(node, struct sim_packet, node);
}

static void run_delivery(struct sim_event *event)
{
    struct sim *sim = container_of(event, struct sim, datagram_delivery);
    struct sim_packet *packet = next_to_arrive(sim);
    struct sim_datagram_socket *socket = socket_at(sim, &packet->to);
    if (socket) {
        arrive(socket, packet);
    } else {
        list_remove(&packet->node);
        list_append(&sim->datagrams_outside, &packet->node);
    }
    if (!list_empty(&sim->datagrams))
        sim_event_soon(sim, &sim->datagram_delivery);
}

int64_t sim_datagram_take(struct sim *sim, const struct address *at, struct address *from,
                          uint8_t *data, size_t capacity)
{
    struct list *packets = &sim->datagrams_outside;
    for (struct list *node = packets->next; node != packets; node = node->next) {
        struct sim_packet *packet = container_of(node, struct sim_packet, node);
        if (!sim_address_matches(at, &packet->to))
            continue;
        int64_t size = packet->size;
        *from = packet->from;
        if (packet->size > 0 && capacity > 0)
            memcpy(data, packet->data, packet->size < capacity ? packet->size : capacity);
        packet_free(packet);
        return size;
    }
    return -1;
}

/* ---- sockets ---- */

static struct sim_datagram_socket *by_descriptor(struct sim *sim, int descriptor)
{
    struct list *sockets = &sim->datagram_sockets;
    for (struct list *node = sockets->next; node != sockets; node = node->next) {
        struct sim_datagram_socket *socket = container_of(node, struct sim_datagram_socket, node);
        if (socket->descriptor == descriptor)
            return socket;
    }
    return NULL;
}

static struct sim_datagram_socket *open_socket(int descriptor)
{
    struct sim_datagram_socket *socket = by_descriptor(sim_current(), descriptor);
    SIM_RULE(socket, "a datagram socket that is not open");
    return socket;
}

static bool in_use(struct sim *sim, const struct address *address)
{
    struct list *sockets = &sim->datagram_sockets;
    for (struct list *node = sockets->next; node != sockets; node = node->next) {
        const struct address *bound =
            &container_of(node, struct sim_datagram_socket, node)->address;
        if (sim_address_matches(bound, address) || sim_address_matches(address, bound))
            return true;
    }
    return false;
}

int kernel_datagram_open(struct address *address, uint32_t receive_bytes, uint32_t *granted_bytes)
{
    struct sim *sim = sim_current();
    struct address wanted = *address;
    while (wanted.port == 0 || (address->port == 0 && in_use(sim, &wanted)))
        wanted.port = (uint16_t)sim->next_port++;
    if (in_use(sim, &wanted))
        return -EADDRINUSE;
    address->port = wanted.port;
    struct sim_datagram_socket *socket = sim_allocate(sizeof *socket);
    socket->sim = sim;
    socket->address = wanted;
    socket->room = receive_bytes > 0 ? receive_bytes : SYSTEM_ROOM;
    *granted_bytes = (uint32_t)socket->room;
    list_init(&socket->arrived);
    list_init(&socket->operations);
    socket->descriptor = FIRST_DESCRIPTOR;
    while (by_descriptor(sim, socket->descriptor))
        socket->descriptor++;
    list_append(&sim->datagram_sockets, &socket->node);
    return socket->descriptor;
}

static void socket_free(struct sim_datagram_socket *socket)
{
    packets_free(&socket->arrived);
    list_remove(&socket->node);
    free(socket);
}

void kernel_datagram_close(int descriptor)
{
    struct sim_datagram_socket *socket = open_socket(descriptor);
    SIM_RULE(socket->in_flight == 0, "kernel_datagram_close with something in flight");
    socket_free(socket);
}

uint32_t kernel_datagram_drops(int descriptor)
{
    return open_socket(descriptor)->drops;
}

void sim_datagrams_init(struct sim *sim)
{
    list_init(&sim->datagram_sockets);
    list_init(&sim->datagrams);
    list_init(&sim->datagrams_outside);
    sim_event_init(&sim->datagram_delivery, run_delivery);
}

void sim_datagrams_free(struct sim *sim)
{
    sim_event_stop(sim, &sim->datagram_delivery);
    for (struct list *node = sim->datagram_sockets.next; node != &sim->datagram_sockets;) {
        struct sim_datagram_socket *socket = container_of(node, struct sim_datagram_socket, node);
        node = node->next;
        socket_free(socket);
    }
    packets_free(&sim->datagrams);
    packets_free(&sim->datagrams_outside);
}

/* ---- operations ---- */

struct list *sim_datagram_waiting(struct sim_datagram_socket *socket)
{
    return &socket->operations;
}

void sim_datagram_done(const struct sim_operation *operation)
{
    struct sim_datagram_socket *socket = operation->datagram_socket;
    CHECK(socket->in_flight > 0);
    socket->in_flight--;
    socket->receives -= operation->kind == SIM_RECEIVE_DATAGRAMS;
}

static struct sim_operation *operation_on(struct kernel *kernel, enum sim_operation_kind kind,
                                          int descriptor, uint64_t tag)
{
    struct sim_operation *operation = sim_operation_make(kernel, kind, tag);
    operation->datagram_socket = open_socket(descriptor);
    operation->datagram_socket->in_flight++;
    return operation;
}

void kernel_receive_datagrams(struct kernel *kernel, int descriptor, uint64_t tag)
{
    struct sim_operation *operation = operation_on(kernel, SIM_RECEIVE_DATAGRAMS, descriptor, tag);
    SIM_RULE(operation->datagram_socket->receives++ == 0,
             "two receives in flight on one datagram socket");
    SIM_RULE(kernel->limits.buffer_size[BUFFERS_DATAGRAM] > KERNEL_DATAGRAM_OVERHEAD,
             "buffers for datagrams have room for a payload");
    operation->group = BUFFERS_DATAGRAM;
    operation->poll_first = sim_chance(kernel->sim, kernel->sim->options.poll_first);
    sim_operation_queue(operation);
}

static void receive_packet(struct sim_operation *operation, struct sim_packet *packet)
{
    struct sim *sim = operation->kernel->sim;
    struct sim_datagram_socket *socket = operation->datagram_socket;
    struct sim_buffers *buffers = &operation->kernel->buffers[BUFFERS_DATAGRAM];
    uint32_t room = buffers->size - KERNEL_DATAGRAM_OVERHEAD;
    uint32_t size = packet->size < room ? packet->size : room;
    struct account account = {
        .peer = packet->from,
        .local = packet->to,
        .drops = packet->drops,
        .arrived_ms = packet->arrived_ms,
        .truncated = size < packet->size,
    };
    account.local.port = 0;
    uint16_t id;
    uint32_t flags = sim_take_buffer(buffers, &id);
    uint8_t *buffer = sim_buffers_data(buffers, id);
    memcpy(buffer, &account, sizeof account);
    if (size > 0)
        memcpy(buffer + KERNEL_DATAGRAM_OVERHEAD, packet->data, size);
    socket->room += charge_of(packet);
    packet_free(packet);
    if (!sim_chance(sim, sim->options.multishot_end))
        flags |= COMPLETION_MORE;
    sim_post(operation, (int32_t)(KERNEL_DATAGRAM_OVERHEAD + size), flags);
    if (!operation->done && !list_empty(&socket->arrived))
        sim_event_soon(sim, &operation->attempt);
}

void sim_attempt_receive_datagrams(struct sim_operation *operation)
{
    struct sim_datagram_socket *socket = operation->datagram_socket;
    bool readable = !list_empty(&socket->arrived);
    if (sim_lacks_buffer(operation, readable))
        sim_post(operation, -ENOBUFS, 0);
    else if (readable)
        receive_packet(operation, first_of(&socket->arrived));
}

bool kernel_datagram_read(struct kernel *kernel, const struct completion *completion,
                          struct kernel_datagram *datagram)
{
    SIM_RULE(completion->flags & COMPLETION_BUFFER, "a datagram without a buffer");
    SIM_RULE(completion->result >= (int32_t)KERNEL_DATAGRAM_OVERHEAD, "a result of no datagram");
    struct account account;
    uint8_t *buffer = kernel_buffer(kernel, BUFFERS_DATAGRAM, (uint16_t)(completion->flags >> 16));
    memcpy(&account, buffer, sizeof account);
    *datagram = (struct kernel_datagram){
        .peer = account.peer,
        .local = account.local,
        .data = buffer + KERNEL_DATAGRAM_OVERHEAD,
        .size = (uint32_t)completion->result - KERNEL_DATAGRAM_OVERHEAD,
        .truncated = account.truncated != 0,
        .counts_drops = account.drops > 0,
        .drops = account.drops,
        .utc_ms = kernel_utc_ms(kernel) - (sim_now_ms(kernel->sim) - account.arrived_ms),
    };
    return true;
}

static uint64_t hash_outgoing(const struct kernel_outgoing *outgoing)
{
    return sim_hash(outgoing, sizeof *outgoing) ^ sim_hash(outgoing->data, outgoing->size);
}

void kernel_send_datagram(struct kernel *kernel, int descriptor, struct kernel_outgoing *outgoing,
                          uint64_t tag)
{
    struct sim_operation *operation = operation_on(kernel, SIM_SEND_DATAGRAM, descriptor, tag);
    SIM_RULE(outgoing->family == operation->datagram_socket->address.family,
             "a datagram to send names its socket's family");
    SIM_RULE(outgoing->to.family != 0, "a datagram to nowhere");
    operation->outgoing = outgoing;
    operation->hash = hash_outgoing(outgoing);
    sim_operation_queue(operation);
}

static int32_t send_fault(struct sim *sim)
{
    static const int32_t errors[] = {-ENOBUFS, -ENETUNREACH, -EPERM};
    return errors[sim_below(sim, sizeof errors / sizeof errors[0])];
}

void sim_attempt_send_datagram(struct sim_operation *operation)
{
    struct sim *sim = operation->kernel->sim;
    const struct kernel_outgoing *outgoing = operation->outgoing;
    struct address from = operation->datagram_socket->address;
    SIM_RULE(hash_outgoing(outgoing) == operation->hash,
             "a datagram was changed while it was being sent");
    if (sim_chance(sim, sim->options.datagram_refused)) {
        sim_post(operation, send_fault(sim), 0);
        return;
    }
    if (outgoing->size > KERNEL_DATAGRAM_MAX_SIZE) {
        sim_post(operation, -EMSGSIZE, 0);
        return;
    }
    if (outgoing->from.family != 0) {
        uint16_t port = from.port;
        from = outgoing->from;
        from.port = port;
    }
    sim_datagram_send(sim, &from, &outgoing->to, outgoing->data, outgoing->size);
    sim_post(operation, (int32_t)outgoing->size, 0);
}
