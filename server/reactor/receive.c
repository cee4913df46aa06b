/* Receiving: the watch of idle streams, one-shot and multishot receives into provided buffers, and
 * the queue of those that found no buffer. */
#include <errno.h>

#include "server/reactor/tls_internal.h"

/* ---- the queue for buffers ---- */

void receive_leave_queue(struct stream *stream)
{
    if (stream->flags & STREAM_NO_BUFFER) {
        stream->flags &= ~STREAM_NO_BUFFER;
        list_remove(&stream->waiting);
    }
}

static void wait_for_buffer(struct stream *stream)
{
    struct reactor *reactor = stream->reactor;
    CHECK(list_empty(&stream->waiting));
    count(&reactor->counters.no_buffers, 1);
    if (stream->flags & STREAM_DEFERRED)
        return; /* receives again at the end of the turn */
    stream->flags |= STREAM_NO_BUFFER;
    stream->flags &= ~STREAM_LARGE;
    list_append(&reactor->waiting[BUFFERS_SMALL], &stream->waiting);
}

/* In the order in which they came, each once for a buffer that may be there. Buffers of completions
 * that are not taken yet pass for available: who finds none after all goes to the end, and a turn
 * makes no more refusals than the next one takes. */
void streams_serve_waiting(struct reactor *reactor)
{
    struct list *queue = &reactor->waiting[BUFFERS_SMALL];
    uint32_t serve = buffers_available(reactor, BUFFERS_SMALL);
    if (serve > REACTOR_BATCH)
        serve = REACTOR_BATCH;
    for (; serve > 0 && !list_empty(queue); serve--) {
        struct stream *stream = container_of(queue->next, struct stream, waiting);
        receive_leave_queue(stream);
        receive_arm(stream);
    }
}

/* ---- arming and cancelling ---- */

void receive_arm(struct stream *stream)
{
    const uint32_t busy = STREAM_RECEIVING | STREAM_NO_BUFFER | STREAM_ENDED | STREAM_CLOSING |
                          STREAM_MOVING | STREAM_CONNECTING | STREAM_DEFERRED;
    if ((stream->flags & busy) != 0 || stream->mode == RECEIVE_NONE || stream->ahead != NULL)
        return;
    if (stream->end_error != 0) {
        stream_defer(stream);
        return;
    }
    struct reactor *reactor = stream->reactor;
    enum buffer_group group = BUFFERS_SMALL;
    if ((stream->flags & STREAM_LARGE) && buffers_available(reactor, BUFFERS_LARGE) > 0)
        group = BUFFERS_LARGE;
    if (group == BUFFERS_SMALL && buffers_available(reactor, BUFFERS_SMALL) == 0) {
        wait_for_buffer(stream);
        return;
    }
    bool multishot = stream->mode == RECEIVE_STREAM && group == BUFFERS_SMALL;
    stream->flags |= STREAM_RECEIVING | (multishot ? STREAM_MULTISHOT : 0) |
                     (group == BUFFERS_LARGE ? STREAM_IN_LARGE : 0);
    stream_begins(stream);
    enum tag_kind kind = group == BUFFERS_SMALL ? TAG_RECEIVE_SMALL : TAG_RECEIVE_LARGE;
    kernel_receive(reactor->kernel, stream->slot, group, multishot, stream_tag(stream, kind));
}

void receive_cancel(struct stream *stream)
{
    if ((stream->flags & (STREAM_RECEIVING | STREAM_RECEIVE_CANCEL)) != STREAM_RECEIVING)
        return;
    stream->flags |= STREAM_RECEIVE_CANCEL;
    enum tag_kind kind = (stream->flags & STREAM_IN_LARGE) ? TAG_RECEIVE_LARGE : TAG_RECEIVE_SMALL;
    stream_begins(stream);
    kernel_cancel(stream->reactor->kernel, stream_tag(stream, kind),
                  stream_tag(stream, TAG_CANCEL));
}

void stream_watch(struct stream *stream)
{
    const uint32_t busy = STREAM_WATCHING | STREAM_CLOSING | STREAM_MOVING | STREAM_CONNECTING;
    if (stream->flags & busy)
        return;
    if ((stream->flags & STREAM_TLS) != 0 && tls_watch(stream))
        return;
    stream->flags |= STREAM_WATCHING;
    stream_begins(stream);
    kernel_poll(stream->reactor->kernel, stream->slot, stream_tag(stream, TAG_WATCH));
}

void watch_completed(struct stream *stream, int32_t result)
{
    stream->flags &= ~(STREAM_WATCHING | STREAM_WATCH_CANCEL);
    if (stream->flags & (STREAM_CLOSING | STREAM_MOVING))
        return;
    if (result != -ECANCELED && stream->ops->ready != NULL)
        stream->ops->ready(stream);
}

void receive_start(struct stream *stream, enum receive_mode mode)
{
    if (stream->flags & (STREAM_CLOSING | STREAM_MOVING))
        return;
    stream->mode = (uint8_t)mode;
    if (stream->ahead != NULL)
        stream_defer(stream);
    else
        receive_arm(stream);
}

void stream_receive(struct stream *stream, enum receive_mode mode)
{
    if (stream->flags & STREAM_TLS)
        tls_receive(stream, mode);
    else
        receive_start(stream, mode);
}

void receive_stop(struct stream *stream)
{
    stream->mode = RECEIVE_NONE;
    receive_leave_queue(stream);
    receive_cancel(stream);
}

void stream_receive_stop(struct stream *stream)
{
    if (stream->flags & STREAM_TLS)
        tls_receive_stop(stream);
    else
        receive_stop(stream);
}

/* ---- completions ---- */

static void keep_ahead(struct stream *stream, struct chunk *chunk)
{
    if (chunk->group != CHUNK_PRIVATE) {
        struct chunk *copy = chunk_copy(stream->reactor, chunk);
        CHECK(copy != NULL); /* at most what one receive had taken when the move began */
        chunk_free(stream->reactor, chunk);
        chunk = copy;
    }
    struct chunk **place = &stream->ahead;
    while (*place != NULL)
        place = &(*place)->next;
    *place = chunk;
}

static void note_size(struct stream *stream, const struct chunk *chunk)
{
    const struct kernel_limits *limits = &stream->reactor->limits;
    uint32_t size = chunk->size;
    if (stream->flags & STREAM_LARGE) {
        /* what a small receive still brings says nothing of the large ones to come */
        if (chunk->group == BUFFERS_LARGE && size <= limits->buffer_size[BUFFERS_SMALL]) {
            stream->flags &= ~STREAM_LARGE;
            stream->full_reads = 0;
        }
        return;
    }
    stream->full_reads = size == limits->buffer_size[BUFFERS_SMALL] ? stream->full_reads + 1 : 0;
    if (stream->full_reads >= FULL_READS && stream->mode == RECEIVE_STREAM) {
        /* a stream that fills its buffers is served in larger pieces */
        stream->flags |= STREAM_LARGE;
        if (stream->flags & STREAM_MULTISHOT)
            receive_cancel(stream);
    }
}

static void give(struct stream *stream, struct chunk *chunk)
{
    if (stream->mode == RECEIVE_ONCE)
        stream->mode = RECEIVE_NONE;
    if (stream->flags & STREAM_TLS)
        tls_received(stream, chunk);
    else
        stream->ops->received(stream, chunk);
}

static void deliver(struct stream *stream, struct chunk *chunk)
{
    if (stream->flags & STREAM_CLOSING) {
        chunk_free(stream->reactor, chunk);
        return;
    }
    if (stream->flags & STREAM_MOVING || stream->ahead != NULL) {
        keep_ahead(stream, chunk);
        return;
    }
    note_size(stream, chunk);
    give(stream, chunk);
}

static void end(struct stream *stream, int error)
{
    if (stream->flags & STREAM_MOVING)
        stream->end_error = (int16_t)error; /* the kernel says it only once; a FIN it repeats */
    if (stream->flags & (STREAM_CLOSING | STREAM_MOVING))
        return;
    stream->mode = RECEIVE_NONE;
    if (stream->flags & STREAM_TLS) {
        tls_ended(stream, error);
        return;
    }
    stream->flags |= STREAM_ENDED;
    stream->ops->ended(stream, error);
}

static bool only_again(int32_t result)
{
    return result == -ENOBUFS || result == -ECANCELED || result == -EINTR || result == -EAGAIN;
}

void receive_completed(struct stream *stream, enum buffer_group group,
                       const struct completion *completion)
{
    struct reactor *reactor = stream->reactor;
    struct chunk *chunk = NULL;
    if (completion->flags & COMPLETION_BUFFER)
        chunk = chunk_of_buffer(reactor, group, completion);
    if ((completion->flags & COMPLETION_MORE) == 0)
        stream->flags &=
            ~(STREAM_RECEIVING | STREAM_MULTISHOT | STREAM_RECEIVE_CANCEL | STREAM_IN_LARGE);
    if (completion->result > 0) {
        CHECK(chunk != NULL);
        deliver(stream, chunk);
    } else {
        if (chunk != NULL)
            chunk_free(reactor, chunk);
        if (completion->result == -ENOBUFS && stream->mode != RECEIVE_NONE &&
            (stream->flags & (STREAM_CLOSING | STREAM_MOVING)) == 0)
            wait_for_buffer(stream);
        else if (!only_again(completion->result))
            end(stream, completion->result);
    }
    receive_arm(stream);
}

void receive_deliver_ahead(struct stream *stream)
{
    while (stream->ahead != NULL && stream->mode != RECEIVE_NONE &&
           (stream->flags & (STREAM_CLOSING | STREAM_MOVING)) == 0) {
        struct chunk *chunk = stream->ahead;
        stream->ahead = chunk->next;
        chunk->next = NULL;
        give(stream, chunk);
    }
    if (stream->ahead != NULL)
        return;
    if (stream->end_error != 0 && stream->mode != RECEIVE_NONE)
        end(stream, stream->end_error);
    else
        receive_arm(stream);
}
