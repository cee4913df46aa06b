/* The life of a stream: attach, connect, close, and the sorting of its completions. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "server/reactor/tls_internal.h"

static_assert(sizeof(struct stream) <= 104, "a stream has grown; there is one in every link");

uint64_t stream_tag(const struct stream *stream, enum tag_kind kind)
{
    return tag_make(kind, stream->generation, stream->slot);
}

void stream_begins(struct stream *stream)
{
    CHECK(stream->in_flight < UINT8_MAX);
    stream->in_flight++;
    stream->reactor->in_flight++;
}

static void stream_clear(struct stream *stream, struct reactor *reactor, uint32_t slot,
                         const struct stream_ops *ops)
{
    memset(stream, 0, sizeof *stream);
    stream->ops = ops;
    stream->reactor = reactor;
    stream->slot = slot;
    stream->flags = STREAM_OPEN;
    list_init(&stream->waiting);
    list_init(&stream->sending);
}

void stream_attach(struct stream *stream)
{
    struct reactor *reactor = stream->reactor;
    CHECK(stream->slot < reactor->limits.slots && reactor->streams[stream->slot] == NULL);
    reactor->streams[stream->slot] = stream;
    stream->generation = ++reactor->generations[stream->slot];
}

void stream_detach(struct stream *stream)
{
    struct reactor *reactor = stream->reactor;
    CHECK(reactor->streams[stream->slot] == stream && stream->in_flight == 0);
    reactor->streams[stream->slot] = NULL;
    if (stream->slot < reactor->limits.reserved_slots) {
        reactor->reserved_free[reactor->reserved_free_count++] = stream->slot;
        return;
    }
    CHECK(reactor->slots_used > 0);
    reactor->slots_used--;
}

void stream_init(struct stream *stream, struct reactor *reactor, uint32_t slot,
                 const struct stream_ops *ops)
{
    stream_clear(stream, reactor, slot, ops);
    stream_attach(stream);
}

enum status stream_adopt(struct stream *stream, struct reactor *reactor, int descriptor,
                         const struct stream_ops *ops)
{
    if (reactor->reserved_free_count == 0) {
        kernel_listen_close(descriptor);
        return STATUS_FULL;
    }
    uint32_t slot = reactor->reserved_free[--reactor->reserved_free_count];
    if (kernel_install(reactor->kernel, descriptor, slot) < 0) {
        reactor->reserved_free[reactor->reserved_free_count++] = slot;
        return STATUS_SYSTEM;
    }
    stream_init(stream, reactor, slot, ops);
    return STATUS_OK;
}

/* ---- connecting ---- */

void stream_connect(struct stream *stream, struct reactor *reactor, const struct address *address,
                    const struct listen_options *options, const struct stream_ops *ops)
{
    stream_clear(stream, reactor, SLOT_NONE, ops);
    stream->flags |= STREAM_CONNECTING;
    struct connect_operation *operation = malloc(sizeof *operation);
    uint32_t index = operation == NULL ? UINT32_MAX : table_add(&reactor->connects, operation);
    if (index == UINT32_MAX) {
        free(operation);
        stream_defer(stream); /* told as a failure at the end of the turn */
        return;
    }
    operation->stream = stream;
    operation->size = address_to_socket(address, &operation->address);
    stream_begins(stream);
    kernel_socket(reactor->kernel, operation->address.any.sa_family, options,
                  tag_make(TAG_SOCKET, 0, index));
}

static void connect_finished(struct stream *stream, int error)
{
    stream->flags &= ~STREAM_CONNECTING;
    if (stream->flags & STREAM_CLOSING)
        return;
    if (error < 0)
        stream->flags |= STREAM_FAILED | STREAM_ENDED;
    else
        send_start(stream);
    if (stream->ops->connected != NULL)
        stream->ops->connected(stream, error);
}

static void stream_step(struct stream *stream);

/* The address of a connect must live until that is done, so the entry goes on with it. */
void stream_socket_completed(struct reactor *reactor, uint32_t index, int32_t result)
{
    struct connect_operation *operation = table_get(&reactor->connects, index);
    CHECK(operation != NULL);
    struct stream *stream = operation->stream;
    stream->in_flight--;
    reactor->in_flight--;
    if (result < 0 || (stream->flags & STREAM_CLOSING)) {
        table_remove(&reactor->connects, index);
        free(operation);
        if (result >= 0) {
            reactor->slots_used++;
            reactor_discard(reactor, (uint32_t)result);
        }
        connect_finished(stream, result < 0 ? result : -ECANCELED);
        stream_step(stream);
        return;
    }
    reactor->slots_used++;
    stream->slot = (uint32_t)result;
    stream_attach(stream);
    stream_begins(stream);
    stream->connect_index = index;
    kernel_connect(reactor->kernel, stream->slot, &operation->address, operation->size,
                   stream_tag(stream, TAG_CONNECT));
}

static void connect_completed(struct stream *stream, int32_t result)
{
    struct connect_operation *operation =
        table_get(&stream->reactor->connects, stream->connect_index);
    CHECK(operation != NULL && operation->stream == stream);
    table_remove(&stream->reactor->connects, stream->connect_index);
    free(operation);
    connect_finished(stream, result);
}

/* ---- closing ---- */

void stream_cancel_all(struct stream *stream)
{
    struct kernel *kernel = stream->reactor->kernel;
    receive_leave_queue(stream);
    receive_cancel(stream);
    send_cancel(stream);
    if ((stream->flags & (STREAM_WATCHING | STREAM_WATCH_CANCEL)) == STREAM_WATCHING) {
        stream->flags |= STREAM_WATCH_CANCEL;
        stream_begins(stream);
        kernel_cancel(kernel, stream_tag(stream, TAG_WATCH), stream_tag(stream, TAG_CANCEL));
    }
    if ((stream->flags & (STREAM_CONNECTING | STREAM_CONNECT_CANCEL)) == STREAM_CONNECTING &&
        stream->slot != SLOT_NONE) {
        stream->flags |= STREAM_CONNECT_CANCEL;
        stream_begins(stream);
        kernel_cancel(kernel, stream_tag(stream, TAG_CONNECT), stream_tag(stream, TAG_CANCEL));
    }
}

static void drop_ahead(struct stream *stream)
{
    while (stream->ahead != NULL) {
        struct chunk *chunk = stream->ahead;
        stream->ahead = chunk->next;
        chunk_free(stream->reactor, chunk);
    }
}

/* Goes on with a close or a move when nothing is in flight any more. */
static void stream_step(struct stream *stream)
{
    if (stream->in_flight > 0)
        return;
    if (stream->flags & STREAM_CLOSING) {
        if (stream->slot == SLOT_NONE) {
            stream_defer(stream);
            return;
        }
        stream_begins(stream);
        kernel_close(stream->reactor->kernel, stream->slot, stream_tag(stream, TAG_CLOSE));
    } else if (stream->flags & STREAM_MOVING) {
        move_continue(stream);
    }
}

void stream_close(struct stream *stream)
{
    if (stream->flags & STREAM_CLOSING)
        return;
    CHECK((stream->flags & (STREAM_OPEN | STREAM_MOVING)) == STREAM_OPEN);
    stream->flags |= STREAM_CLOSING;
    stream->mode = RECEIVE_NONE;
    if (stream->flags & STREAM_DEFERRED) {
        stream->flags &= ~STREAM_DEFERRED;
        list_remove(&stream->waiting);
    }
    if (stream->flags & STREAM_TLS)
        tls_drop(stream);
    send_drop(stream);
    drop_ahead(stream);
    stream_cancel_all(stream);
    stream_step(stream);
}

static void close_finished(struct stream *stream)
{
    CHECK(stream->send_head == NULL && stream->ahead == NULL);
    CHECK(list_empty(&stream->waiting) && list_empty(&stream->sending));
    if (stream->slot != SLOT_NONE)
        stream_detach(stream);
    if (stream->flags & STREAM_TLS)
        tls_free(stream);
    stream->flags = 0;
    stream->ops->closed(stream);
}

void stream_make_way(struct reactor *reactor, uint32_t slot)
{
    CHECK(slot < reactor->limits.slots);
    struct stream *stream = reactor->streams[slot];
    if (stream == NULL)
        return;
    CHECK((stream->flags & STREAM_CLOSING) && stream->in_flight == 1);
    stream->in_flight--;
    reactor->in_flight--;
    close_finished(stream);
}

/* ---- the end of the turn ---- */

void stream_defer(struct stream *stream)
{
    if (stream->flags & STREAM_DEFERRED)
        return;
    CHECK(list_empty(&stream->waiting));
    stream->flags |= STREAM_DEFERRED;
    list_append(&stream->reactor->deferred, &stream->waiting);
}

static void run_deferred(struct stream *stream)
{
    stream->flags &= ~STREAM_DEFERRED;
    list_remove(&stream->waiting);
    if (stream->flags & STREAM_CLOSING) {
        if (stream->slot == SLOT_NONE && stream->in_flight == 0)
            close_finished(stream);
    } else if (stream->slot == SLOT_NONE) {
        connect_finished(stream, -ENOMEM);
    } else {
        if (stream->flags & STREAM_TLS)
            tls_work(stream);
        receive_deliver_ahead(stream);
    }
}

void streams_run_deferred(struct reactor *reactor)
{
    struct list now;
    list_init(&now);
    list_splice(&now, &reactor->deferred);
    while (!list_empty(&now))
        run_deferred(container_of(now.next, struct stream, waiting));
}

bool streams_want_turn(const struct reactor *reactor)
{
    return !list_empty(&reactor->deferred) || (!list_empty(&reactor->waiting[BUFFERS_SMALL]) &&
                                               buffers_available(reactor, BUFFERS_SMALL) > 0);
}

/* ---- completions ---- */

void stream_completed(struct stream *stream, enum tag_kind kind,
                      const struct completion *completion)
{
    if ((completion->flags & COMPLETION_MORE) == 0) {
        CHECK(stream->in_flight > 0);
        stream->in_flight--;
        stream->reactor->in_flight--;
    }
    switch (kind) {
    case TAG_RECEIVE_SMALL:
        receive_completed(stream, BUFFERS_SMALL, completion);
        break;
    case TAG_SEND:
        send_completed(stream, completion->result);
        break;
    case TAG_RECEIVE_LARGE:
        receive_completed(stream, BUFFERS_LARGE, completion);
        break;
    case TAG_WATCH:
        watch_completed(stream, completion->result);
        break;
    case TAG_CONNECT:
        connect_completed(stream, completion->result);
        break;
    case TAG_SEND_SLOT:
        move_slot_sent(stream, completion->result);
        return; /* the stream may be another thread's by now */
    case TAG_CLOSE:
        close_finished(stream);
        return; /* its memory may be gone */
    default:    /* a cancel or a shutdown: what it did shows in the operation itself */
        break;
    }
    if (stream->flags & (STREAM_CLOSING | STREAM_MOVING))
        stream_step(stream);
}
