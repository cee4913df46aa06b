/* Sending: a queue of chunks per stream, one operation in flight. */
#include <errno.h>
#include <string.h>

#include "server/reactor/tls_internal.h"

#define MERGED_BYTES                                                                               \
    2048u /* room of a private chunk, so that small ones find a place behind it                    \
           */

static void pop_head(struct stream *stream)
{
    struct chunk *chunk = stream->send_head;
    stream->send_head = chunk->next;
    if (stream->send_head == NULL)
        stream->send_tail = NULL;
    chunk_free(stream->reactor, chunk);
}

void send_drop(struct stream *stream)
{
    struct chunk *keep = (stream->flags & STREAM_SENDING) ? stream->send_head : NULL;
    struct chunk *chunk = keep != NULL ? keep->next : stream->send_head;
    while (chunk != NULL) {
        struct chunk *next = chunk->next;
        chunk_free(stream->reactor, chunk);
        chunk = next;
    }
    if (keep != NULL)
        keep->next = NULL;
    stream->send_head = keep;
    stream->send_tail = keep;
    stream->queued_bytes = keep != NULL ? keep->size : 0;
}

static void shutdown_now(struct stream *stream)
{
    stream->flags |= STREAM_SHUT;
    stream_begins(stream);
    kernel_shutdown(stream->reactor->kernel, stream->slot, stream_tag(stream, TAG_SHUTDOWN));
}

/* Starts the next send, or the shutdown that waits for the end of the queue. */
void send_start(struct stream *stream)
{
    if (stream->flags & (STREAM_SENDING | STREAM_CLOSING | STREAM_MOVING | STREAM_CONNECTING))
        return;
    struct chunk *chunk = stream->send_head;
    if (chunk == NULL) {
        stream->flags &= ~STREAM_STALLED;
        if ((stream->flags & (STREAM_SHUTDOWN | STREAM_SHUT | STREAM_FAILED)) == STREAM_SHUTDOWN)
            shutdown_now(stream);
        return;
    }
    struct reactor *reactor = stream->reactor;
    stream->flags |= STREAM_SENDING;
    stream_begins(stream);
    if ((stream->flags & STREAM_STALLED) == 0) {
        /* also behind a private chunk provided buffers may have to wait */
        stream->send_since_ms = (uint32_t)reactor->now_ms;
        list_append(&reactor->sending, &stream->sending);
    }
    kernel_send(reactor->kernel, stream->slot, chunk->data, chunk->size,
                stream_tag(stream, TAG_SEND));
}

/* Takes the bytes of a chunk behind those of a private one that isn't being sent, if they fit:
 * otherwise many pieces of a byte each would cost a hundred times their size. */
static bool merge(struct stream *stream, struct chunk *into, struct chunk *chunk)
{
    bool in_flight = (stream->flags & STREAM_SENDING) != 0 && into == stream->send_head;
    if (into->group != CHUNK_PRIVATE || in_flight || chunk_room(into) < chunk->size)
        return false;
    memcpy(into->data + into->size, chunk->data, chunk->size);
    into->size += chunk->size;
    chunk_free(stream->reactor, chunk);
    return true;
}

/* On failure the chunk stays as it is and goes on holding its buffer. */
static struct chunk *privately(struct stream *stream, struct chunk *chunk)
{
    if (chunk->group == CHUNK_PRIVATE)
        return chunk;
    uint32_t capacity = chunk->size < MERGED_BYTES ? MERGED_BYTES : chunk->size;
    struct chunk *copy = chunk_allocate(stream->reactor, capacity);
    if (copy == NULL)
        return NULL;
    memcpy(copy->data, chunk->data, chunk->size);
    copy->size = chunk->size;
    copy->next = chunk->next;
    chunk_free(stream->reactor, chunk);
    return copy;
}

enum status send_make_private(struct stream *stream)
{
    struct chunk **place = &stream->send_head;
    struct chunk *last = NULL;
    while (*place != NULL) {
        struct chunk *chunk = *place;
        struct chunk *next = chunk->next;
        if (last != NULL && merge(stream, last, chunk)) {
            *place = next;
            continue;
        }
        struct chunk *copy = privately(stream, chunk);
        if (copy == NULL)
            return STATUS_NO_MEMORY; /* the tail is where it was */
        *place = copy;
        last = copy;
        place = &copy->next;
    }
    stream->send_tail = last;
    return STATUS_OK;
}

void send_cancel(struct stream *stream)
{
    if ((stream->flags & (STREAM_SENDING | STREAM_SEND_CANCEL)) != STREAM_SENDING)
        return;
    stream->flags |= STREAM_SEND_CANCEL;
    stream_begins(stream);
    kernel_cancel(stream->reactor->kernel, stream_tag(stream, TAG_SEND),
                  stream_tag(stream, TAG_CANCEL));
}

static void send_failed(struct stream *stream, int error)
{
    stream->flags |= STREAM_FAILED;
    if (stream->flags & STREAM_TLS) {
        tls_send_failed(stream, error);
        return;
    }
    send_drop(stream);
    if (stream->ops->failed != NULL)
        stream->ops->failed(stream, error);
}

void send_completed(struct stream *stream, int32_t result)
{
    bool cancelled = (stream->flags & STREAM_SEND_CANCEL) != 0;
    stream->flags &= ~(STREAM_SENDING | STREAM_SEND_CANCEL);
    list_remove(&stream->sending);
    struct chunk *chunk = stream->send_head;
    CHECK(chunk != NULL);
    if (result > 0) {
        CHECK((uint32_t)result <= chunk->size);
        chunk->data += result;
        chunk->size -= (uint32_t)result;
        stream->queued_bytes -= (uint32_t)result;
        if (chunk->size == 0)
            pop_head(stream);
    }
    if (stream->flags & STREAM_CLOSING) {
        send_drop(stream);
        return;
    }
    if (result < 0 && result != -ECANCELED && result != -EINTR && result != -EAGAIN) {
        send_failed(stream, result);
        return;
    }
    if (stream->flags & STREAM_MOVING)
        return;
    if (cancelled) {
        /* the peer doesn't read: its bytes wait in private memory, the buffers go back. Without
         * memory for that they stay where they are */
        stream->flags |= STREAM_STALLED;
        if (send_make_private(stream) != STATUS_OK)
            stream->flags &= ~STREAM_STALLED;
    }
    send_start(stream);
    if (result <= 0)
        return;
    if (stream->flags & STREAM_TLS)
        tls_sent(stream);
    else if (stream->ops->sent != NULL)
        stream->ops->sent(stream);
}

void send_queue(struct stream *stream, struct chunk *chunk)
{
    struct reactor *reactor = stream->reactor;
    if (chunk->size == 0 ||
        (stream->flags & (STREAM_SHUTDOWN | STREAM_FAILED | STREAM_CLOSING)) != 0) {
        chunk_free(reactor, chunk);
        return;
    }
    CHECK(stream->queued_bytes <= UINT32_MAX - chunk->size);
    chunk->next = NULL;
    uint32_t size = chunk->size;
    if (stream->send_tail != NULL && merge(stream, stream->send_tail, chunk)) {
        stream->queued_bytes += size;
        return;
    }
    if (stream->flags & STREAM_STALLED) {
        struct chunk *copy = privately(stream, chunk);
        if (copy != NULL)
            chunk = copy;
    }
    stream->queued_bytes += chunk->size;
    if (stream->send_tail != NULL)
        stream->send_tail->next = chunk;
    else
        stream->send_head = chunk;
    stream->send_tail = chunk;
    send_start(stream);
}

void stream_send(struct stream *stream, struct chunk *chunk)
{
    if (stream->flags & STREAM_TLS)
        tls_send(stream, chunk);
    else
        send_queue(stream, chunk);
}

void send_shutdown(struct stream *stream)
{
    stream->flags |= STREAM_SHUTDOWN;
    if (stream->send_head == NULL)
        send_start(stream);
}

void stream_shutdown(struct stream *stream)
{
    if (stream->flags & STREAM_TLS)
        tls_shutdown(stream);
    else
        send_shutdown(stream);
}

void streams_cancel_stalled(struct reactor *reactor)
{
    while (!list_empty(&reactor->sending)) {
        struct stream *stream = container_of(reactor->sending.next, struct stream, sending);
        if ((uint32_t)reactor->now_ms - stream->send_since_ms < SEND_STALL_MS)
            break;
        list_remove(&stream->sending);
        count(&reactor->counters.stalled_sends, 1);
        send_cancel(stream);
    }
}

enum status stream_send_copy(struct stream *stream, const uint8_t *data, uint32_t size)
{
    struct chunk *chunk = chunk_allocate(stream->reactor, size);
    if (chunk == NULL)
        return STATUS_NO_MEMORY;
    memcpy(chunk->data, data, size);
    chunk->size = size;
    stream_send(stream, chunk);
    return STATUS_OK;
}
