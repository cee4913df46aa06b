/* Hand-over of a stream between reactors. */
#include <errno.h>

#include "server/reactor/tls_internal.h"

static struct stream_move **place(struct stream *stream)
{
    return (stream->flags & STREAM_TLS) != 0 ? &stream->tls->move : &stream->move;
}

void stream_move(struct stream *stream, struct reactor *to, struct stream_move *move)
{
    CHECK((stream->flags & (STREAM_CLOSING | STREAM_MOVING | STREAM_CONNECTING)) == 0);
    CHECK(to != stream->reactor && stream->slot >= stream->reactor->limits.reserved_slots);
    move->stream = stream;
    move->to = to;
    *place(stream) = move;
    stream->mode = RECEIVE_NONE;
    stream->flags |= STREAM_MOVING;
    if (stream->flags & STREAM_TLS)
        tls_leave(stream);
    if (stream->flags & STREAM_DEFERRED) {
        stream->flags &= ~STREAM_DEFERRED;
        list_remove(&stream->waiting);
    }
    stream_cancel_all(stream);
    if (stream->in_flight == 0)
        move_continue(stream);
}

static void move_failed(struct stream *stream, int error)
{
    stream->flags &= ~STREAM_MOVING;
    *place(stream) = NULL;
    send_start(stream);
    if (stream->flags & STREAM_TLS)
        tls_resume(stream);
    stream->ops->move_failed(stream, error);
}

void move_continue(struct stream *stream)
{
    CHECK(stream->in_flight == 0);
    bool is_tls = (stream->flags & STREAM_TLS) != 0;
    if (send_make_private(stream) != STATUS_OK ||
        (is_tls && tls_make_private(stream) != STATUS_OK)) {
        move_failed(stream, -ENOMEM);
        return;
    }
    struct reactor *reactor = stream->reactor;
    stream_begins(stream);
    kernel_send_slot(reactor->kernel, stream->slot, (*place(stream))->to->kernel,
                     stream_tag(stream, TAG_SEND_SLOT));
}

static uint64_t private_bytes(const struct stream *stream)
{
    uint64_t bytes = (stream->flags & STREAM_TLS) != 0 ? tls_private_bytes(stream) : 0;
    for (const struct chunk *chunk = stream->send_head; chunk != NULL; chunk = chunk->next)
        bytes += chunk->capacity;
    for (const struct chunk *chunk = stream->ahead; chunk != NULL; chunk = chunk->next)
        bytes += chunk->capacity;
    return bytes;
}

/* In the target's thread. */
static void arrive(struct message *message, struct reactor *reactor)
{
    struct stream_move *move = container_of(message, struct stream_move, message);
    struct stream *stream = move->stream;
    stream_make_way(reactor, stream->slot);
    stream->reactor = reactor;
    *place(stream) = NULL;
    stream->flags &= ~STREAM_MOVING;
    if (stream->send_head != NULL)
        stream->flags |= STREAM_STALLED;
    reactor->slots_used++;
    reactor->private_bytes += private_bytes(stream);
    stream_attach(stream);
    move->arrived(move, reactor);
    send_start(stream);
    if (stream->flags & STREAM_TLS)
        tls_resume(stream);
}

void move_slot_sent(struct stream *stream, int32_t result)
{
    struct reactor *reactor = stream->reactor;
    if (result < 0) {
        move_failed(stream, result);
        return;
    }
    struct stream_move *move = *place(stream);
    uint32_t slot = stream->slot;
    stream_detach(stream);
    reactor->slots_used++; /* until the own copy is closed */
    reactor_discard(reactor, slot);
    reactor->private_bytes -= private_bytes(stream);
    count(&reactor->counters.moves, 1);
    stream->slot = (uint32_t)result;
    move->message.deliver = arrive;
    reactor_post(reactor, move->to, &move->message);
}
