/* One step of each kind of operation: it ends with a completion, or waits to be woken. */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "server/base/check.h"
#include "server/reactor/sim/endpoint.h"
#include "server/reactor/sim/operation.h"

#define CONNECT_TRIES      6
#define CONNECT_TIMEOUT_MS 127000

static struct sim_slot *slot_of(struct sim_operation *operation)
{
    return &operation->kernel->slots[operation->slot];
}

/* NULL if not connected. */
static struct sim_end *end_of(struct sim_operation *operation)
{
    return slot_of(operation)->socket->end;
}

static bool chance(const struct sim_operation *operation, unsigned per_mille)
{
    return sim_chance(operation->kernel->sim, per_mille);
}

/* ---- accept ---- */

static int accept_fault(struct sim *sim)
{
    static const int errors[] = {-ENFILE, -EMFILE, -ECONNABORTED, -ENOBUFS, -ENOMEM};
    return errors[sim_below(sim, sizeof errors / sizeof errors[0])];
}

/* As a dual-stack listener reports it: IPv4 mapped into IPv6. */
static void fill_peer(struct accept_buffer *buffer, const struct address *peer, bool mapped)
{
    memset(buffer, 0, sizeof *buffer);
    if (!mapped || peer->family == 6) {
        buffer->peer_size = address_to_socket(peer, &buffer->peer);
        return;
    }
    buffer->peer.v6.sin6_family = AF_INET6;
    buffer->peer.v6.sin6_port = htons(peer->port);
    buffer->peer.v6.sin6_addr.s6_addr[10] = 0xff;
    buffer->peer.v6.sin6_addr.s6_addr[11] = 0xff;
    memcpy(&buffer->peer.v6.sin6_addr.s6_addr[12], peer->ip, 4);
    buffer->peer_size = sizeof buffer->peer.v6;
}

/* kernels differ in when an accept takes its slot; a full table leaves the backlog alone in both */
static bool reserve_slot(struct sim_operation *operation)
{
    if (operation->reserved == SIM_NO_SLOT)
        operation->reserved = sim_slot_take(operation->kernel);
    if (operation->reserved == SIM_NO_SLOT)
        sim_post(operation, -ENFILE, 0);
    return operation->reserved != SIM_NO_SLOT;
}

static void attempt_accept(struct sim_operation *operation)
{
    struct kernel *kernel = operation->kernel;
    struct sim_listener *listener = operation->listener;
    if (kernel->accepts_reserve && !reserve_slot(operation))
        return;
    if (list_empty(&listener->backlog))
        return;
    if (chance(operation, kernel->sim->options.accept_error)) {
        sim_post(operation, accept_fault(kernel->sim), 0);
        return;
    }
    if (!reserve_slot(operation))
        return;
    SIM_RULE(sim_hash(operation->accept_buffer, sizeof *operation->accept_buffer) ==
                 operation->hash,
             "an accept buffer was changed while its accept was in flight");
    struct sim_end *end = sim_listener_take(listener);
    fill_peer(operation->accept_buffer, &end->connection->client, listener->address.family == 6);
    uint32_t slot = operation->reserved;
    operation->reserved = SIM_NO_SLOT;
    sim_slot_use(kernel, slot, sim_socket_make(end, NULL));
    sim_post(operation, (int32_t)slot, 0);
}

/* ---- connect ---- */

static void attempt_socket(struct sim_operation *operation)
{
    struct kernel *kernel = operation->kernel;
    uint32_t slot = sim_slot_take(kernel);
    if (slot == SIM_NO_SLOT) {
        sim_post(operation, -ENFILE, 0);
        return;
    }
    struct sim_socket *socket = sim_socket_make(NULL, NULL);
    socket->options = operation->options;
    sim_slot_use(kernel, slot, socket);
    sim_post(operation, (int32_t)slot, 0);
}

/* What the network will say, and when; 0: it depends on the listener. */
static void connect_fault(struct sim_operation *operation)
{
    static const int errors[] = {ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH};
    struct sim *sim = operation->kernel->sim;
    uint64_t delay_ms = sim_below(sim, 300);
    if (chance(operation, sim->options.connect_error))
        operation->sent = (uint32_t)errors[sim_below(sim, sizeof errors / sizeof errors[0])];
    if (operation->sent == ETIMEDOUT)
        delay_ms = CONNECT_TIMEOUT_MS;
    if (operation->sent || chance(operation, sim->options.delay))
        sim_event_at(sim, &operation->attempt, sim->now_ms + 1 + delay_ms);
    else
        sim_event_now(sim, &operation->attempt);
}

static void connect_now(struct sim_operation *operation)
{
    struct sim *sim = operation->kernel->sim;
    struct address address;
    address_from_socket(operation->address, &address);
    struct sim_listener *listener = sim_listener_find(sim, &address);
    if (!listener) {
        sim_post(operation, -ECONNREFUSED, 0);
        return;
    }
    if (sim_listener_full(listener)) {
        if (++operation->tries > CONNECT_TRIES)
            sim_post(operation, -ETIMEDOUT, 0);
        else
            sim_event_at(sim, &operation->attempt, sim->now_ms + (500u << operation->tries));
        return;
    }
    struct sim_socket *socket = slot_of(operation)->socket;
    struct address client = {.ip = {127, 0, 0, 1}, .family = 4};
    if (socket->options.bind.family != 0)
        client = socket->options.bind;
    client.port = (uint16_t)(32768 + ++sim->next_port % 28000);
    socket->end = sim_connection_make(listener, &client);
    sim_end_set_options(socket->end, &socket->options);
    sim_post(operation, 0, 0);
}

static void attempt_connect(struct sim_operation *operation)
{
    SIM_RULE(sim_hash(operation->address, operation->address_size) == operation->hash,
             "an address was changed while its connect was in flight");
    if (!operation->started) {
        operation->started = true;
        if (end_of(operation))
            sim_post(operation, -EISCONN, 0);
        else
            connect_fault(operation);
    } else if (operation->sent) {
        sim_post(operation, -(int32_t)operation->sent, 0);
    } else {
        connect_now(operation);
    }
}

/* ---- poll, receive ---- */

static void attempt_poll(struct sim_operation *operation)
{
    struct sim_end *end = end_of(operation);
    unsigned mask = end ? sim_end_poll(end) : POLLHUP;
    if (mask)
        sim_post(operation, (int32_t)mask, 0);
}

uint32_t sim_take_buffer(struct sim_buffers *buffers, uint16_t *id)
{
    *id = sim_buffers_take(buffers);
    return COMPLETION_BUFFER | (uint32_t)*id << 16;
}

static void receive_nothing(struct sim_operation *operation, int32_t result)
{
    struct sim_buffers *buffers = &operation->kernel->buffers[operation->group];
    uint32_t flags = 0;
    uint16_t id;
    if (buffers->free > 0 && chance(operation, operation->kernel->sim->options.empty_buffer))
        flags = sim_take_buffer(buffers, &id);
    sim_post(operation, result, flags);
}

static void receive_bytes(struct sim_operation *operation, struct sim_end *end)
{
    struct sim *sim = operation->kernel->sim;
    struct sim_buffers *buffers = &operation->kernel->buffers[operation->group];
    uint32_t size = buffers->size < end->in.size ? buffers->size : (uint32_t)end->in.size;
    if (chance(operation, sim->options.short_receive))
        size = 1 + (uint32_t)sim_below(sim, size);
    uint16_t id;
    uint32_t flags = sim_take_buffer(buffers, &id);
    int32_t taken = sim_end_receive(end, sim_buffers_data(buffers, id), size);
    if (operation->multishot && !chance(operation, sim->options.multishot_end))
        flags |= COMPLETION_MORE;
    sim_post(operation, taken, flags);
    if (!operation->done && sim_end_readable(end))
        sim_event_soon(sim, &operation->attempt);
}

bool sim_lacks_buffer(struct sim_operation *operation, bool readable)
{
    const struct sim_buffers *buffers = &operation->kernel->buffers[operation->group];
    bool first = !operation->started;
    operation->started = true;
    if (!readable && (!first || operation->poll_first))
        return false;
    if (buffers->free == 0)
        return true;
    /* Somebody holds one, so that it might have been the last. */
    return readable && buffers->free < buffers->count &&
           chance(operation, operation->kernel->sim->options.no_buffers);
}

static void attempt_receive(struct sim_operation *operation)
{
    struct sim_end *end = end_of(operation);
    if (!end) {
        sim_post(operation, -ENOTCONN, 0);
        return;
    }
    bool readable = sim_end_readable(end);
    if (sim_lacks_buffer(operation, readable))
        sim_post(operation, -ENOBUFS, 0);
    else if (end->in.size > 0)
        receive_bytes(operation, end);
    else if (readable)
        receive_nothing(operation, sim_end_receive(end, NULL, 0));
}

/* ---- send, shutdown ---- */

static void send_finish(struct sim_operation *operation, int32_t result)
{
    SIM_RULE(sim_hash(operation->data, operation->size) == operation->hash,
             "bytes were changed while they were being sent");
    sim_post(operation, operation->sent > 0 ? (int32_t)operation->sent : result, 0);
}

static void attempt_send(struct sim_operation *operation)
{
    struct sim *sim = operation->kernel->sim;
    struct sim_end *end = end_of(operation);
    if (!end) {
        send_finish(operation, -EPIPE);
        return;
    }
    uint32_t size = operation->size - operation->sent;
    bool partial = chance(operation, sim->options.partial_send);
    if (partial)
        size = 1 + (uint32_t)sim_below(sim, size);
    int32_t taken = sim_end_send(end, operation->data + operation->sent, size);
    if (taken == -EAGAIN)
        return;
    if (taken > 0)
        operation->sent += (uint32_t)taken;
    if (taken < 0 || operation->sent == operation->size)
        send_finish(operation, taken);
    else if (partial)
        sim_event_soon(sim, &operation->attempt);
}

static void attempt_shutdown(struct sim_operation *operation)
{
    struct sim_end *end = end_of(operation);
    sim_post(operation, end ? sim_end_shutdown(end) : -ENOTCONN, 0);
}

/* ---- close, hand-over ---- */

static void attempt_close(struct sim_operation *operation)
{
    struct sim_slot *slot = slot_of(operation);
    struct sim_socket *socket = slot->socket;
    slot->socket = NULL;
    sim_socket_release(socket);
    sim_post(operation, 0, 0);
}

static void attempt_send_slot(struct sim_operation *operation)
{
    struct sim_slot *slot = slot_of(operation);
    struct kernel *to = operation->to;
    uint32_t taken = SIM_NO_SLOT;
    if (to && !chance(operation, operation->kernel->sim->options.handover_error))
        taken = sim_slot_take(to);
    if (taken == SIM_NO_SLOT) {
        slot->handed_over = false;
        sim_post(operation, to ? -ENFILE : -EBADFD, 0);
        return;
    }
    slot->socket->references++;
    sim_slot_use(to, taken, slot->socket);
    sim_post(operation, (int32_t)taken, 0);
}

void sim_attempt(struct sim_operation *operation)
{
    static void (*const attempts[])(struct sim_operation *) = {
        [SIM_ACCEPT] = attempt_accept,
        [SIM_SOCKET] = attempt_socket,
        [SIM_CONNECT] = attempt_connect,
        [SIM_POLL] = attempt_poll,
        [SIM_RECEIVE] = attempt_receive,
        [SIM_SEND] = attempt_send,
        [SIM_SHUTDOWN] = attempt_shutdown,
        [SIM_CANCEL] = sim_attempt_cancel,
        [SIM_CLOSE] = attempt_close,
        [SIM_SEND_SLOT] = attempt_send_slot,
        [SIM_RECEIVE_DATAGRAMS] = sim_attempt_receive_datagrams,
        [SIM_SEND_DATAGRAM] = sim_attempt_send_datagram,
        [SIM_FILE_OPEN] = sim_attempt_file,
        [SIM_FILE_READ] = sim_attempt_file,
        [SIM_FILE_WRITE] = sim_attempt_file,
        [SIM_FILE_SYNC] = sim_attempt_file,
        [SIM_FILE_CLOSE] = sim_attempt_file,
        [SIM_WORK] = sim_attempt_file,
    };
    attempts[operation->kind](operation);
}
