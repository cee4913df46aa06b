/* Datagrams: one multishot receive per socket, armed whenever it is neither paused nor out of
 * buffers; sends are copied and bounded. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/reactor/internal.h"

#define RETRY_MS 1000u

/* One datagram on its way out. */
struct datagram_outgoing {
    struct list node; /* in its socket's sending */
    struct datagram_socket *socket;
    uint32_t index;
    struct kernel_outgoing kernel;
    uint8_t data[];
};

static uint64_t receive_tag(const struct datagram_socket *socket)
{
    return tag_make(TAG_DATAGRAM, 0, socket->index);
}

static void begins(struct datagram_socket *socket)
{
    socket->in_flight++;
    socket->reactor->in_flight++;
}

static void ends(struct datagram_socket *socket)
{
    CHECK(socket->in_flight > 0);
    socket->in_flight--;
    socket->reactor->in_flight--;
}

/* ---- arming ---- */

static void wait_for_buffer(struct datagram_socket *socket)
{
    count(&socket->reactor->counters.no_buffers, 1);
    if (list_empty(&socket->waiting))
        list_append(&socket->reactor->waiting[BUFFERS_DATAGRAM], &socket->waiting);
}

static void arm(struct datagram_socket *socket)
{
    struct reactor *reactor = socket->reactor;
    if (socket->armed || socket->paused || socket->closing || !list_empty(&socket->waiting) ||
        timer_running(&socket->retry))
        return;
    if (buffers_available(reactor, BUFFERS_DATAGRAM) == 0) {
        wait_for_buffer(socket);
        return;
    }
    socket->armed = true;
    begins(socket);
    kernel_receive_datagrams(reactor->kernel, socket->socket, receive_tag(socket));
}

void datagrams_serve_waiting(struct reactor *reactor)
{
    struct list *queue = &reactor->waiting[BUFFERS_DATAGRAM];
    if (list_empty(queue) || buffers_available(reactor, BUFFERS_DATAGRAM) == 0)
        return;
    struct list served;
    list_init(&served);
    list_splice(&served, queue);
    while (!list_empty(&served)) {
        struct datagram_socket *socket = container_of(served.next, struct datagram_socket, waiting);
        list_remove(&socket->waiting);
        arm(socket);
    }
}

static void cancel(struct datagram_socket *socket, uint64_t target)
{
    begins(socket);
    kernel_cancel(socket->reactor->kernel, target, tag_make(TAG_DATAGRAM_CANCEL, 0, socket->index));
}

static void cancel_receive(struct datagram_socket *socket)
{
    if (!socket->armed || socket->cancelling)
        return;
    socket->cancelling = true;
    cancel(socket, receive_tag(socket));
}

/* ---- receiving ---- */

static void note_drops(struct datagram_socket *socket, uint32_t drops)
{
    uint32_t more = drops - socket->drops_seen;
    if (more == 0 || more > INT32_MAX)
        return; /* an older count than the last one: datagrams carry the count of their arrival */
    socket->drops_seen = drops;
    count(&socket->counters.overruns, more);
}

void datagram_count_overruns(struct datagram_socket *socket)
{
    note_drops(socket, kernel_datagram_drops(socket->socket));
}

static void deliver(struct datagram_socket *socket, const struct kernel_datagram *from)
{
    struct datagram datagram = {
        .peer = from->peer,
        .local = from->local,
        .data = from->data,
        .size = from->size,
        .truncated = from->truncated,
        .utc_ms = from->utc_ms != 0 ? from->utc_ms : reactor_utc_ms(socket->reactor),
    };
    datagram.local.port = socket->address.port;
    count(&socket->counters.received, 1);
    count(&socket->counters.received_bytes, from->size);
    if (from->truncated)
        count(&socket->counters.truncated, 1);
    if (from->counts_drops)
        note_drops(socket, from->drops);
    socket->ops->received(socket, &datagram);
}

/* The chunk of a parked datagram keeps the completion's result in its size. */
static void deliver_chunk(struct datagram_socket *socket, const struct chunk *chunk)
{
    struct completion completion = {
        .result = (int32_t)chunk->size,
        .flags = COMPLETION_BUFFER | (uint32_t)chunk->buffer << 16,
    };
    struct kernel_datagram datagram;
    if (kernel_datagram_read(socket->reactor->kernel, &completion, &datagram))
        deliver(socket, &datagram);
    else
        count(&socket->counters.receive_errors, 1);
}

static void take(struct datagram_socket *socket, struct chunk *chunk)
{
    if (socket->closing && socket->paused) {
        count(&socket->counters.overruns, 1);
        chunk_free(socket->reactor, chunk);
    } else if (socket->paused || socket->parked != NULL) {
        *socket->parked_end = chunk;
        socket->parked_end = &chunk->next;
    } else {
        deliver_chunk(socket, chunk);
        chunk_free(socket->reactor, chunk);
    }
}

static struct chunk *next_parked(struct datagram_socket *socket)
{
    struct chunk *chunk = socket->parked;
    if (chunk == NULL)
        return NULL;
    socket->parked = chunk->next;
    if (socket->parked == NULL)
        socket->parked_end = &socket->parked;
    chunk->next = NULL;
    return chunk;
}

static void finish_close(struct datagram_socket *socket)
{
    if (!socket->closing || socket->in_flight > 0 || socket->parked != NULL)
        return;
    table_remove(&socket->reactor->datagram_sockets, socket->index);
    socket->ops->closed(socket);
}

static void go_on(struct timer *timer)
{
    struct datagram_socket *socket = container_of(timer, struct datagram_socket, retry);
    while (!socket->paused) {
        struct chunk *chunk = next_parked(socket);
        if (chunk == NULL)
            break;
        deliver_chunk(socket, chunk);
        chunk_free(socket->reactor, chunk);
    }
    arm(socket);
    finish_close(socket);
}

static void receive_failed(struct datagram_socket *socket, int error)
{
    switch (error) {
    case -ECANCELED:
    case -EINTR:
    case -EAGAIN:
        break;
    case -ENOBUFS:
        wait_for_buffer(socket);
        break;
    default:
        count(&socket->counters.receive_errors, 1);
        timer_start(socket->reactor, &socket->retry, RETRY_MS);
    }
}

void datagram_received(struct reactor *reactor, uint32_t index, const struct completion *completion)
{
    struct datagram_socket *socket = table_get(&reactor->datagram_sockets, index);
    CHECK(socket != NULL && socket->armed);
    if ((completion->flags & COMPLETION_MORE) == 0) {
        socket->armed = false;
        socket->cancelling = false;
        ends(socket);
    }
    if (completion->flags & COMPLETION_BUFFER) {
        struct chunk *chunk = chunk_of_buffer(reactor, BUFFERS_DATAGRAM, completion);
        if (completion->result >= 0)
            take(socket, chunk);
        else
            chunk_free(reactor, chunk);
    }
    if (completion->result < 0 && !socket->closing)
        receive_failed(socket, completion->result);
    if (!socket->armed)
        arm(socket);
    finish_close(socket);
}

void datagram_cancel_completed(struct reactor *reactor, uint32_t index)
{
    struct datagram_socket *socket = table_get(&reactor->datagram_sockets, index);
    CHECK(socket != NULL);
    ends(socket);
    finish_close(socket);
}

/* ---- life ---- */

enum status datagram_open(struct datagram_socket *socket, struct reactor *reactor)
{
    CHECK(reactor->limits.buffer_count[BUFFERS_DATAGRAM] > 0);
    socket->index = table_add(&reactor->datagram_sockets, socket);
    if (socket->index == UINT32_MAX)
        return STATUS_NO_MEMORY;
    socket->reactor = reactor;
    list_init(&socket->waiting);
    list_init(&socket->sending);
    socket->parked = NULL;
    socket->parked_end = &socket->parked;
    timer_init(&socket->retry, go_on);
    socket->in_flight = 0;
    socket->sends = 0;
    socket->drops_seen = 0;
    socket->armed = false;
    socket->cancelling = false;
    socket->paused = false;
    socket->closing = false;
    arm(socket);
    return STATUS_OK;
}

void datagram_pause(struct datagram_socket *socket, bool paused)
{
    if (socket->closing || socket->paused == paused)
        return;
    socket->paused = paused;
    if (paused) {
        list_remove(&socket->waiting);
        timer_stop(&socket->retry);
        cancel_receive(socket);
    } else {
        timer_start_fine(socket->reactor, &socket->retry, 0); /* callbacks come from the turn */
    }
}

static void lose_parked(struct datagram_socket *socket)
{
    for (struct chunk *chunk; (chunk = next_parked(socket)) != NULL;) {
        count(&socket->counters.overruns, 1);
        chunk_free(socket->reactor, chunk);
    }
}

void datagram_close(struct datagram_socket *socket)
{
    CHECK(!socket->closing);
    socket->closing = true;
    timer_stop(&socket->retry);
    list_remove(&socket->waiting);
    if (socket->parked != NULL && !socket->paused)
        timer_start_fine(socket->reactor, &socket->retry, 0);
    else
        lose_parked(socket);
    for (struct list *node = socket->sending.next; node != &socket->sending; node = node->next) {
        const struct datagram_outgoing *outgoing =
            container_of(node, struct datagram_outgoing, node);
        cancel(socket, tag_make(TAG_DATAGRAM_SEND, 0, outgoing->index));
    }
    /* also when nothing is armed: a completion to be told by */
    cancel(socket, receive_tag(socket));
}

/* ---- sending ---- */

static struct datagram_outgoing *make_outgoing(struct datagram_socket *socket, const uint8_t *data,
                                               uint32_t size)
{
    struct datagram_outgoing *outgoing = calloc(1, sizeof *outgoing + size);
    if (outgoing == NULL)
        return NULL;
    outgoing->index = table_add(&socket->reactor->datagram_sends, outgoing);
    if (outgoing->index == UINT32_MAX) {
        free(outgoing);
        return NULL;
    }
    outgoing->socket = socket;
    if (size > 0)
        memcpy(outgoing->data, data, size);
    outgoing->kernel.data = outgoing->data;
    outgoing->kernel.size = size;
    outgoing->kernel.family = socket->address.family;
    return outgoing;
}

enum status datagram_send(struct datagram_socket *socket, const struct address *to,
                          const struct address *from, const uint8_t *data, uint32_t size)
{
    if (socket->closing)
        return STATUS_REFUSED;
    if (size > KERNEL_DATAGRAM_MAX_SIZE)
        return STATUS_INVALID;
    if (socket->sends >= DATAGRAM_MAX_SENDS) {
        count(&socket->counters.send_failures, 1);
        return STATUS_FULL;
    }
    struct datagram_outgoing *outgoing = make_outgoing(socket, data, size);
    if (outgoing == NULL) {
        count(&socket->counters.send_failures, 1);
        return STATUS_NO_MEMORY;
    }
    outgoing->kernel.to = *to;
    outgoing->kernel.from = *from;
    list_append(&socket->sending, &outgoing->node);
    socket->sends++;
    begins(socket);
    kernel_send_datagram(socket->reactor->kernel, socket->socket, &outgoing->kernel,
                         tag_make(TAG_DATAGRAM_SEND, 0, outgoing->index));
    return STATUS_OK;
}

void datagram_sent(struct reactor *reactor, uint32_t index, int32_t result)
{
    struct datagram_outgoing *outgoing = table_get(&reactor->datagram_sends, index);
    CHECK(outgoing != NULL);
    struct datagram_socket *socket = outgoing->socket;
    table_remove(&reactor->datagram_sends, index);
    list_remove(&outgoing->node);
    free(outgoing);
    socket->sends--;
    count(result < 0 ? &socket->counters.send_failures : &socket->counters.sent, 1);
    ends(socket);
    finish_close(socket);
}
