/* Inside the reactor: what its files share. */
#ifndef CENCD_REACTOR_INTERNAL_H
#define CENCD_REACTOR_INTERNAL_H

#include "server/base/check.h"
#include "server/reactor/reactor.h"

#define REACTOR_BATCH 256u
#define WHEEL_SLOTS   1024u
#define WHEEL_TICK_MS 1000u
#define SEND_STALL_MS 100u
#define SLOT_NONE     UINT32_MAX
#define FULL_READS    2u /* full small buffers in a row that make a stream use large ones */

/* Tags: kind << 56 | generation << 32 | slot or index. */
enum tag_kind {
    TAG_WATCH = 1,
    TAG_RECEIVE_SMALL,
    TAG_RECEIVE_LARGE,
    TAG_SEND,
    TAG_SHUTDOWN,
    TAG_SOCKET, /* index in connects */
    TAG_CONNECT,
    TAG_CANCEL,
    TAG_CLOSE,
    TAG_SEND_SLOT,
    TAG_ACCEPT,         /* index in accepts */
    TAG_ACCEPT_CANCEL,  /* the same */
    TAG_LISTENER_CLOSE, /* the same */
    TAG_DISCARD,
    TAG_RESERVED_CLOSE,
    TAG_OPERATION,       /* index in operations */
    TAG_DATAGRAM,        /* index in datagram_sockets */
    TAG_DATAGRAM_CANCEL, /* the same */
    TAG_DATAGRAM_SEND,   /* index in datagram_sends */
};

/* Outgoing connections being made: what must outlive the call. */
struct connect_operation {
    struct stream *stream;
    union socket_address address;
    socklen_t size;
};

/* Indexed objects that completions name: entries are reused, the table grows by doubling. */
struct table {
    void **entries;
    uint32_t *free;
    uint32_t capacity;
    uint32_t free_count;
};

struct reactor {
    struct kernel *kernel;
    void *owner;
    uint64_t now_ms;
    struct kernel_limits limits;

    struct stream **streams; /* by slot */
    uint8_t *generations;    /* by slot */
    uint32_t slots_used;     /* beyond the reserved ones */
    uint32_t accepts_armed;
    uint32_t *reserved_free;
    uint32_t reserved_free_count;

    struct table accepts;
    struct table connects;
    struct table operations;
    struct table datagram_sockets;
    struct table datagram_sends;

    struct chunk *chunks[BUFFER_GROUPS]; /* one header for each provided buffer */
    uint32_t buffers_out[BUFFER_GROUPS]; /* held above the kernel */
    struct list waiting[BUFFER_GROUPS];  /* streams, or datagram sockets, that want a buffer */
    uint64_t private_bytes;

    struct list sending;  /* streams whose provided buffer is being sent, oldest first */
    struct list deferred; /* streams with something to tell at the end of the turn */

    struct list wheel[WHEEL_SLOTS];
    uint64_t wheel_tick; /* the last one that was run */
    struct list fine;    /* timers by due time */

    uint64_t in_flight;
    _Atomic(struct message *) mailbox; /* newest first */

    struct reactor_counters counters;
};

/* Single writer: the reactor's thread; others only read. */
static inline void count(_Atomic uint64_t *counter, uint64_t by)
{
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + by, memory_order_relaxed);
}

static inline void publish(_Atomic uint64_t *counter, uint64_t value)
{
    atomic_store_explicit(counter, value, memory_order_relaxed);
}

static inline uint64_t tag_make(enum tag_kind kind, uint32_t generation, uint32_t index)
{
    return (uint64_t)kind << 56 | (uint64_t)generation << 32 | index;
}

/* Index of a new entry, or UINT32_MAX if there is no memory. */
uint32_t table_add(struct table *table, void *entry);
void *table_get(const struct table *table, uint32_t index);
void table_remove(struct table *table, uint32_t index);
void table_free(struct table *table);

/* chunk.c */
struct chunk *chunk_of_buffer(struct reactor *reactor, enum buffer_group group,
                              const struct completion *completion);
/* A private copy of chunk's bytes, or NULL; the original stays. */
struct chunk *chunk_copy(struct reactor *reactor, const struct chunk *chunk);
/* Bytes that fit behind those of a private chunk. */
static inline uint32_t chunk_room(const struct chunk *chunk)
{
    const uint8_t *end = (const uint8_t *)(chunk + 1) + CHUNK_HEADROOM + chunk->capacity;
    return (uint32_t)(end - (chunk->data + chunk->size));
}
static inline uint32_t buffers_available(const struct reactor *reactor, enum buffer_group group)
{
    return reactor->limits.buffer_count[group] - reactor->buffers_out[group];
}

/* stream.c: completions by kind; slot is checked, stream is open there */
void stream_completed(struct stream *stream, enum tag_kind kind,
                      const struct completion *completion);
void stream_socket_completed(struct reactor *reactor, uint32_t index, int32_t result);
void streams_serve_waiting(struct reactor *reactor);
/* It has something to tell at the end of the turn. */
void stream_defer(struct stream *stream);
void streams_run_deferred(struct reactor *reactor);
void streams_cancel_stalled(struct reactor *reactor);
bool streams_want_turn(const struct reactor *reactor);
/* Registers the stream under its slot with a new generation. */
void stream_attach(struct stream *stream);
void stream_detach(struct stream *stream);
/* A descriptor was passed into slot, so whoever had it is closed, though the completion that says
 * so is still on its way: it is told now, and that completion will be a stale one. */
void stream_make_way(struct reactor *reactor, uint32_t slot);
/* The stream's own tag for an operation kind. */
uint64_t stream_tag(const struct stream *stream, enum tag_kind kind);
/* Counts an operation that starts. */
void stream_begins(struct stream *stream);

/* send.c */
/* The calls of reactor.h without TLS above them. */
void send_queue(struct stream *stream, struct chunk *chunk);
void send_shutdown(struct stream *stream);
void send_start(struct stream *stream);
void send_completed(struct stream *stream, int32_t result);
void send_drop(struct stream *stream);
void send_cancel(struct stream *stream);
/* Copies what is queued to private memory, so that provided buffers go back. */
enum status send_make_private(struct stream *stream) MUST_CHECK;

/* receive.c */
/* The calls of reactor.h without TLS above them. */
void receive_start(struct stream *stream, enum receive_mode mode);
void receive_stop(struct stream *stream);
void receive_completed(struct stream *stream, enum buffer_group group,
                       const struct completion *completion);
void receive_arm(struct stream *stream);
void receive_cancel(struct stream *stream);
void receive_leave_queue(struct stream *stream);
void receive_deliver_ahead(struct stream *stream);
void watch_completed(struct stream *stream, int32_t result);

/* move.c */
void move_continue(struct stream *stream);
void move_slot_sent(struct stream *stream, int32_t result);
void stream_cancel_all(struct stream *stream);

/* listener.c */
void accept_completed(struct reactor *reactor, uint32_t index, int32_t result);
void accept_cancel_completed(struct reactor *reactor, uint32_t index);
void listener_slot_closed(struct reactor *reactor, uint32_t index);

/* datagram.c */
void datagram_received(struct reactor *reactor, uint32_t index,
                       const struct completion *completion);
void datagram_cancel_completed(struct reactor *reactor, uint32_t index);
void datagram_sent(struct reactor *reactor, uint32_t index, int32_t result);
void datagrams_serve_waiting(struct reactor *reactor);

/* operation.c */
void operation_completed(struct reactor *reactor, uint32_t index, int32_t result);

/* timer.c */
void timers_create(struct reactor *reactor);
void timers_run(struct reactor *reactor);
uint64_t timers_next_ms(const struct reactor *reactor);

#endif
