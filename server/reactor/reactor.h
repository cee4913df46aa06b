/* The reactor: one per shard, and the only door to the kernel's network, disk, clock and
 * randomness. Operations with completions, never readiness of descriptors.
 *
 * Rules that hold everywhere:
 *  - All functions are called in the reactor's own thread, except reactor_post and reactor_stop.
 *  - Callbacks come only from reactor_turn, never from inside a call, so a caller may change any of
 *    its own state after the call.
 *  - Streams, listeners, datagram sockets, timers and works are embedded in their owner's objects;
 * the reactor never allocates per operation. Memory of a stream may be released in or after
 * `closed` (or in `moved`, by the new owner), of a listener in or after `closed`.
 *  - A chunk has one owner. A call that takes a chunk takes the ownership.
 *
 * The same code runs over io_uring and over the simulation; see kernel.h. */
#ifndef CENCD_REACTOR_REACTOR_H
#define CENCD_REACTOR_REACTOR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/address.h"
#include "server/base/list.h"
#include "server/base/status.h"
#include "server/reactor/kernel.h"

struct reactor;
struct stream;

/* ---- chunks: bytes on their way ---- */

#define CHUNK_HEADROOM KERNEL_BUFFER_HEADROOM

/* Bytes of a provided buffer, or of private memory. The owner may change the bytes, and may move
 * data back by up to CHUNK_HEADROOM from where it first stood. */
struct chunk {
    struct chunk *next; /* for whoever owns it */
    uint8_t *data;
    uint32_t size;     /* bytes at data */
    uint32_t capacity; /* bytes that fit from where data first stood */
    uint16_t buffer;   /* provided buffer id */
    uint8_t group;     /* enum buffer_group, or CHUNK_PRIVATE */
};
#define CHUNK_PRIVATE 0xff

/* A private chunk with room for capacity bytes after the headroom; size 0. NULL: out of memory. */
struct chunk *chunk_allocate(struct reactor *reactor, uint32_t capacity);
void chunk_free(struct reactor *reactor, struct chunk *chunk);

/* ---- timers: a wheel of seconds, and a fine one of 10 ms ---- */

struct timer {
    struct list node;
    uint64_t due_ms; /* reactor_now_ms scale; 0: not running */
    void (*fire)(struct timer *timer);
};

void timer_init(struct timer *timer, void (*fire)(struct timer *timer));
/* Fires once, not before delay_ms from now; late by up to a second. Restarts a running timer. */
void timer_start(struct reactor *reactor, struct timer *timer, uint64_t delay_ms);
/* For what happens again and again, called when it fires: next after the second that it was due in,
 * not after the moment at which the reactor came to it; so it keeps its pace, by up to a second
 * early. What was missed while the reactor was held up isn't made up for. */
void timer_repeat(struct reactor *reactor, struct timer *timer, uint64_t period_ms);
/* The same as timer_start, late by about 10 ms: for few timers with delays under a second. */
void timer_start_fine(struct reactor *reactor, struct timer *timer, uint32_t delay_ms);
void timer_stop(struct timer *timer);
static inline bool timer_running(const struct timer *timer)
{
    return timer->due_ms != 0;
}

/* ---- streams: TCP connections ---- */

enum receive_mode {
    RECEIVE_NONE,
    RECEIVE_ONCE,   /* one `received`, then nothing until asked again */
    RECEIVE_STREAM, /* until stream_receive_stop; the reactor chooses the operation */
};

struct stream_ops {
    /* The watch ended: bytes, FIN or an error wait to be received. */
    void (*ready)(struct stream *stream);
    /* Bytes came; the callee owns the chunk. May also come after stream_receive_stop, for what was
     * under way. */
    void (*received)(struct stream *stream, struct chunk *chunk);
    /* Nothing more will be received: error 0 = the peer's FIN, else a negative errno. Once. */
    void (*ended)(struct stream *stream, int error);
    /* Queued bytes left (stream->queued_bytes has gone down). NULL: not interested. */
    void (*sent)(struct stream *stream);
    /* Sending failed (negative errno); the queue was dropped. Once; `ended` may come as well. */
    void (*failed)(struct stream *stream, int error);
    /* stream_connect finished: 0 or a negative errno (stream_close is owed all the same). */
    void (*connected)(struct stream *stream, int error);
    /* stream_close finished: nothing is in flight, the slot is free. */
    void (*closed)(struct stream *stream);
    /* stream_move failed: the stream is still here, idle, with all its bytes. */
    void (*move_failed)(struct stream *stream, int error);
    /* stream_tls_start (server/reactor/tls.h): the handshake is over, 0 or a negative errno. */
    void (*secured)(struct stream *stream, int error);
};

struct stream {
    const struct stream_ops *ops; /* the owner may exchange it at any time */
    struct reactor *reactor;
    struct chunk *send_head; /* the first is in flight if STREAM_SENDING */
    struct chunk *send_tail;
    struct chunk *ahead; /* received, not yet delivered: after a move */
    struct list waiting; /* for a buffer, or for the end of the turn */
    struct list sending; /* in the list of sends in flight, oldest first */
    union {
        struct stream_move *move; /* under way, or NULL */
        struct stream_tls *tls;   /* if STREAM_TLS; it keeps the move */
    };
    uint32_t slot;
    uint32_t flags;        /* STREAM_*, the reactor's own */
    uint32_t queued_bytes; /* not yet taken by the kernel */
    union {
        uint32_t send_since_ms; /* low bits of reactor time */
        uint32_t connect_index; /* while connecting */
    };
    uint8_t generation;
    uint8_t in_flight;  /* operations without their last completion */
    uint8_t mode;       /* enum receive_mode wanted */
    uint8_t full_reads; /* consecutive receives that filled their buffer */
    int16_t end_error;  /* came during a move: `ended` will tell when receiving goes on */
};

/* Makes a stream of an accepted slot. */
void stream_init(struct stream *stream, struct reactor *reactor, uint32_t slot,
                 const struct stream_ops *ops);

/* Connects a new stream to address; ops->connected tells. options may be NULL. */
void stream_connect(struct stream *stream, struct reactor *reactor, const struct address *address,
                    const struct listen_options *options, const struct stream_ops *ops);

/* Makes a stream of an ordinary descriptor: a connected socket of any kind, blocking, whose owner
 * is the stream from now on. It takes a reserved slot and can't be moved. STATUS_FULL: there is
 * none; STATUS_SYSTEM: the kernel refused; the descriptor is closed then, too. */
enum status stream_adopt(struct stream *stream, struct reactor *reactor, int descriptor,
                         const struct stream_ops *ops) MUST_CHECK;

/* The idle posture: one-shot poll, nothing else is kept in the kernel. Harmless if armed already.
 */
void stream_watch(struct stream *stream);

/* May be called while a watch is armed: both complete. */
void stream_receive(struct stream *stream, enum receive_mode mode);
void stream_receive_stop(struct stream *stream);

/* Takes the chunk and sends it after all that is queued. A chunk of size 0 is freed. After `failed`
 * or stream_shutdown chunks are freed unsent. A send that the peer doesn't take within 100 ms is
 * moved to private memory, so that provided buffers come back; the caller bounds queued_bytes. */
void stream_send(struct stream *stream, struct chunk *chunk);

/* Copies bytes into a private chunk and sends it. STATUS_NO_MEMORY: nothing was queued. */
enum status stream_send_copy(struct stream *stream, const uint8_t *data, uint32_t size) MUST_CHECK;

/* FIN after all that is queued. Receiving goes on. */
void stream_shutdown(struct stream *stream);

/* Drops what is queued, cancels what is in flight, closes; then `closed` and nothing else. */
void stream_close(struct stream *stream);

static inline bool stream_receive_ended(const struct stream *stream);
static inline bool stream_failed(const struct stream *stream);

/* ---- hand-over ---- */

struct message {
    struct message *next;
    /* Runs in the thread of the reactor it was posted to. */
    void (*deliver)(struct message *message, struct reactor *reactor);
};

/* Puts a message into another reactor's queue and wakes it. Any thread. from: the caller's reactor,
 * NULL if the caller is not a reactor's thread. Messages of one sender arrive in order. */
void reactor_post(struct reactor *from, struct reactor *to, struct message *message);

/* Moves a stream to another reactor: stops it, waits until nothing is in flight, passes the
 * descriptor, closes the own slot; then calls move->arrived in the target's thread, where
 * stream->reactor and slot are the new ones and bytes read ahead or still queued have come along.
 * Receive mode is RECEIVE_NONE and nothing is watched there. On failure ops->move_failed is called
 * here instead. Until then the stream must not be closed, and the move must live; it may be part
 * of the stream's owner. */
struct stream_move {
    void (*arrived)(struct stream_move *move, struct reactor *reactor); /* set by the caller */
    struct stream *stream;
    struct reactor *to;
    struct message message; /* the reactor's own, like the rest */
};
void stream_move(struct stream *stream, struct reactor *to, struct stream_move *move);

/* ---- listeners ---- */

struct listener;
struct listener_ops {
    /* A connection was accepted into slot: stream_init it, or reactor_discard the slot. */
    void (*accepted)(struct listener *listener, uint32_t slot, const struct address *peer);
    /* One was accepted while the listener closes, and is closed with it. NULL: not interested. */
    void (*late)(struct listener *listener, const struct address *peer);
    void (*closed)(struct listener *listener);
};

struct accept_operation {
    struct listener *listener;
    struct accept_buffer buffer;
    uint32_t index; /* in the reactor's table of accepts */
    bool armed;
};

#define LISTENER_MAX_DEPTH 8

/* One reactor's share of a listening socket. */
struct listener {
    const struct listener_ops *ops;
    struct reactor *reactor;
    struct accept_operation *accepts; /* depth of them, the owner's memory */
    uint32_t depth;                   /* accepts kept armed, 1..LISTENER_MAX_DEPTH */
    int socket;                       /* descriptor, or installed slot */
    bool is_slot;
    bool paused;
    bool closing;
    uint8_t in_flight;
    struct timer retry; /* after an accept failed for want of resources */
};

/* Starts accepting. The listener, its accepts and ops must be filled by the caller (ops, accepts,
 * depth, socket, is_slot); STATUS_NO_MEMORY otherwise nothing is armed. */
enum status listener_open(struct listener *listener, struct reactor *reactor) MUST_CHECK;
/* A paused listener leaves connections in the backlog. Up to depth more may still be accepted. */
void listener_pause(struct listener *listener, bool paused);
/* Cancels the accepts; `closed` when none is in flight. An installed slot is closed, an ordinary
 * descriptor stays the caller's. */
void listener_close(struct listener *listener);

/* Opens a listening socket in a reserved slot of this reactor and accepts on it. Fills socket and
 * is_slot. Returns 0 or a negative errno. */
int listener_open_slot(struct listener *listener, struct reactor *reactor, struct address *address,
                       const struct listen_options *options);

void reactor_discard(struct reactor *reactor, uint32_t slot);

/* ---- datagrams: UDP ---- */

struct datagram {
    struct address peer;
    struct address local; /* what the peer asked: an answer comes from there */
    uint8_t *data;        /* valid during the callback */
    uint32_t size;
    bool truncated;  /* it was longer than a buffer of BUFFERS_DATAGRAM has room for */
    uint64_t utc_ms; /* when it came, however long it waited since */
};

struct datagram_socket;
struct datagram_ops {
    void (*received)(struct datagram_socket *socket, const struct datagram *datagram);
    /* datagram_close finished: nothing is in flight. */
    void (*closed)(struct datagram_socket *socket);
};

/* Read by other threads at any time (relaxed). */
struct datagram_counters {
    _Atomic uint64_t received;
    _Atomic uint64_t received_bytes;
    _Atomic uint64_t truncated;
    _Atomic uint64_t overruns; /* lost because the socket's buffer was full */
    _Atomic uint64_t receive_errors;
    _Atomic uint64_t sent;
    _Atomic uint64_t send_failures; /* refused by the kernel, or too many in flight */
};

/* In flight per socket: one sync of the journal may let go of as many answers at once. */
#define DATAGRAM_MAX_SENDS 32768u

/* A bound UDP socket (kernel_datagram_open) in one reactor; embedded in its owner. */
struct datagram_socket {
    const struct datagram_ops *ops; /* set by the owner, as are socket and address */
    int socket;
    struct address address; /* it is bound to */
    struct reactor *reactor;
    struct list waiting;  /* for a buffer */
    struct list sending;  /* sends in flight */
    struct chunk *parked; /* came while it was paused, oldest first */
    struct chunk **parked_end;
    struct timer retry; /* after an error; when resumed */
    uint32_t index;
    uint32_t in_flight;
    uint32_t sends;
    uint32_t drops_seen;
    bool armed;
    bool cancelling; /* what is armed */
    bool paused;
    bool closing;
    struct datagram_counters counters;
};

/* Starts receiving. STATUS_NO_MEMORY: nothing was started. */
enum status datagram_open(struct datagram_socket *socket, struct reactor *reactor) MUST_CHECK;

/* A paused socket tells nothing: datagrams wait in the kernel's buffer, and when that is full they
 * are lost there and counted as overruns. */
void datagram_pause(struct datagram_socket *socket, bool paused);

/* Sends a copy of data from the address `from` (its port is not looked at; family 0: the system
 * chooses). STATUS_FULL: DATAGRAM_MAX_SENDS are in flight; STATUS_INVALID: too long for a datagram;
 * STATUS_REFUSED: the socket is being closed. */
enum status datagram_send(struct datagram_socket *socket, const struct address *to,
                          const struct address *from, const uint8_t *data,
                          uint32_t size) MUST_CHECK;

/* Asks the kernel for losses that no later datagram has told of; for a tick of the owner's. */
void datagram_count_overruns(struct datagram_socket *socket);

/* Cancels what is in flight. What the kernel had handed over already is still told (of a paused
 * socket it is counted among the overruns); then `closed`, and nothing else. The descriptor stays
 * the caller's. */
void datagram_close(struct datagram_socket *socket);

/* ---- files and slow work ---- */

struct operation {
    /* result as the system call's, or a negative errno. Short reads and writes are possible. */
    void (*done)(struct operation *operation, int32_t result);
    uint32_t index; /* reactor's own */
    struct reactor *reactor;
};

/* What data and path point to must live until done. STATUS_NO_MEMORY: done will not come. */
enum status file_open(struct reactor *reactor, struct operation *operation, const char *path,
                      int flags, uint32_t mode) MUST_CHECK;
enum status file_read(struct reactor *reactor, struct operation *operation, int file, uint8_t *data,
                      uint32_t size, uint64_t offset) MUST_CHECK;
enum status file_write(struct reactor *reactor, struct operation *operation, int file,
                       const uint8_t *data, uint32_t size, uint64_t offset) MUST_CHECK;
/* Like file_write and file_sync, with one completion: other threads need not run in between. */
enum status file_write_through(struct reactor *reactor, struct operation *operation, int file,
                               const uint8_t *data, uint32_t size, uint64_t offset) MUST_CHECK;
enum status file_sync(struct reactor *reactor, struct operation *operation, int file) MUST_CHECK;
enum status file_close(struct reactor *reactor, struct operation *operation, int file) MUST_CHECK;

/* Runs function(argument) on the helper thread, then done (result 0) here. */
enum status reactor_work(struct reactor *reactor, struct operation *operation,
                         void (*function)(void *argument), void *argument) MUST_CHECK;
/* The same for what computes for long (password hashes): it stands in nobody's way but its like's,
 * and several run at a time. */
enum status reactor_compute(struct reactor *reactor, struct operation *operation,
                            void (*function)(void *argument), void *argument) MUST_CHECK;

/* ---- the loop ---- */

struct reactor_config {
    struct kernel_limits limits;
    void *owner; /* for reactor_owner */
};

/* Called by the thread that will run it. */
enum status reactor_create(const struct reactor_config *config, struct reactor **reactor,
                           struct kernel_error *error) MUST_CHECK;
void reactor_destroy(struct reactor *reactor);

/* One turn: wait (at most max_wait_ms, -1: as long as nothing is due), run completions, messages,
 * timers. Returns the number of completions handled. */
unsigned reactor_turn(struct reactor *reactor, int max_wait_ms);

/* Time of this turn: monotonic milliseconds, never 0. */
uint64_t reactor_now_ms(const struct reactor *reactor);
uint64_t reactor_utc_ms(struct reactor *reactor);
uint64_t reactor_random(struct reactor *reactor);
void *reactor_owner(const struct reactor *reactor);
struct kernel *reactor_kernel(struct reactor *reactor);

/* Nothing is in flight and no message waits. */
bool reactor_idle(const struct reactor *reactor);

/* Slots that accept and connect may still take. */
uint32_t reactor_slots_free(const struct reactor *reactor);

/* Read by other threads at any time (relaxed). */
struct reactor_counters {
    _Atomic uint64_t turns;
    _Atomic uint64_t completions;
    _Atomic uint64_t stale_completions;
    _Atomic uint64_t no_buffers;    /* times a stream had to wait for a provided buffer */
    _Atomic uint64_t stalled_sends; /* sends cancelled after 100 ms */
    _Atomic uint64_t accepts;
    _Atomic uint64_t accept_errors;
    _Atomic uint64_t moves;
    _Atomic uint64_t wakes;
    _Atomic uint64_t in_flight;                  /* operations without their last completion, now */
    _Atomic uint64_t slots_used;                 /* now */
    _Atomic uint64_t buffers_out[BUFFER_GROUPS]; /* provided buffers held above the kernel, now */
    _Atomic uint64_t private_bytes;              /* bytes of private chunks, now */
    _Atomic uint64_t system_calls;
};
const struct reactor_counters *reactor_counters(const struct reactor *reactor);

#define STREAM_OPEN           0x00001u
#define STREAM_CONNECTING     0x00002u
#define STREAM_WATCHING       0x00004u
#define STREAM_WATCH_CANCEL   0x00008u
#define STREAM_RECEIVING      0x00010u
#define STREAM_MULTISHOT      0x00020u
#define STREAM_RECEIVE_CANCEL 0x00040u
#define STREAM_NO_BUFFER      0x00080u /* waits for a buffer */
#define STREAM_LARGE          0x00100u /* receives into large buffers */
#define STREAM_SENDING        0x00200u
#define STREAM_SEND_CANCEL    0x00400u
#define STREAM_STALLED        0x00800u /* what is queued is private memory */
#define STREAM_SHUTDOWN       0x01000u /* asked for */
#define STREAM_SHUT           0x02000u /* done or under way */
#define STREAM_ENDED          0x04000u
#define STREAM_FAILED         0x08000u
#define STREAM_CLOSING        0x10000u
#define STREAM_MOVING         0x20000u
#define STREAM_DEFERRED       0x40000u /* waits for the end of the turn */
#define STREAM_CONNECT_CANCEL 0x80000u
#define STREAM_IN_LARGE       0x100000u /* the armed receive takes large buffers */
#define STREAM_TLS            0x200000u /* clear bytes above, TLS below: server/reactor/tls.h */

static inline bool stream_receive_ended(const struct stream *stream)
{
    return (stream->flags & STREAM_ENDED) != 0;
}

static inline bool stream_failed(const struct stream *stream)
{
    return (stream->flags & STREAM_FAILED) != 0;
}

#endif
