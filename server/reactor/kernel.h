/* The kernel as the reactor sees it: the inner half of the seam. One struct kernel belongs to one
 * reactor and is used by the thread that made it, except where a function says otherwise. There are
 * two implementations, chosen at link time: server/reactor/ring (io_uring) and server/reactor/sim
 * (a seeded virtual network, disk and clock). Everything above this header is the same in both.
 *
 * The model is io_uring's: operations are queued by a call that never fails and never blocks, and
 * each one ends with exactly one completion without COMPLETION_MORE (multishot operations have
 * any number of completions with it before). Completions carry the caller's tag and come from
 * kernel_wait only. Results are >= 0 or a negative errno.
 *
 * Descriptors are slots in the kernel object's own table (direct descriptors in the ring), so that
 * a process may hold more of them than RLIMIT_NOFILE. Slots are given out by accept, connect
 * (kernel_socket), kernel_send_slot and kernel_install, and end with kernel_close. */
#ifndef CENCD_REACTOR_KERNEL_H
#define CENCD_REACTOR_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/address.h"
#include "server/base/status.h"

struct kernel;

struct completion {
    uint64_t tag;
    int32_t result;
    uint32_t flags; /* COMPLETION_* | buffer id << 16 */
};

#define COMPLETION_MORE   0x1u /* multishot: further completions follow */
#define COMPLETION_BUFFER 0x2u /* a provided buffer was taken: its id is flags >> 16 */

/* Provided buffers: each kernel object has these groups. A buffer is `size` bytes with
 * KERNEL_BUFFER_HEADROOM bytes in front that belong to the holder and the kernel never writes. */
enum buffer_group { BUFFERS_SMALL, BUFFERS_LARGE, BUFFERS_DATAGRAM, BUFFER_GROUPS };
#define KERNEL_BUFFER_HEADROOM 64u

struct kernel_limits {
    uint32_t slots;                       /* size of the descriptor table */
    uint32_t reserved_slots;              /* of these, the first ones: only kernel_install uses
                                             them, accept and connect take the others */
    uint32_t buffer_count[BUFFER_GROUPS]; /* powers of two; DATAGRAM may be 0: none */
    uint32_t buffer_size[BUFFER_GROUPS];  /* bytes the kernel may write */
};

struct kernel_error {
    int error;       /* errno */
    char text[1024]; /* one sentence: what was refused, the likely cause, the remedy */
};

/* Must be called by the thread that will use it. STATUS_SYSTEM fills error. */
enum status kernel_create(const struct kernel_limits *limits, struct kernel **kernel,
                          struct kernel_error *error) MUST_CHECK;

/* No operation may be in flight but those that the sim or ring ends by itself (none are required to
 * have completed: the ring's exit cancels them). */
void kernel_destroy(struct kernel *kernel);

/* Submits what was queued, waits until a completion is there or timeout_ms passed (-1: for ever, 0:
 * only looks), and copies at most capacity completions. Returns their number. Interrupted waits
 * return 0. */
unsigned kernel_wait(struct kernel *kernel, struct completion *completions, unsigned capacity,
                     int timeout_ms);

/* ---- clocks and randomness ---- */
uint64_t kernel_now_ms(struct kernel *kernel); /* monotonic; never 0 */
uint64_t kernel_utc_ms(struct kernel *kernel); /* since 1970-01-01 */
uint64_t kernel_random(struct kernel *kernel);

/* ---- provided buffers ---- */
uint8_t *kernel_buffer(struct kernel *kernel, enum buffer_group group, uint16_t id);
void kernel_buffer_return(struct kernel *kernel, enum buffer_group group, uint16_t id);

/* ---- listening sockets ---- */
struct listen_options {
    int backlog;
    bool nodelay;
    uint32_t keepalive_idle_s; /* 0: no keepalive */
    uint32_t keepalive_interval_s;
    uint32_t keepalive_count;
    uint32_t user_timeout_ms; /* TCP_USER_TIMEOUT; 0: the system's */
    struct address bind;      /* of a connecting socket: its own address, port 0; family 0: any */
};

/* Opens a listening TCP socket: an ordinary descriptor, shared by all kernels (any thread). Returns
 * it, or a negative errno. If address->port is 0 a free port is chosen and written back. */
int kernel_listen(struct address *address, const struct listen_options *options);
void kernel_listen_close(int descriptor);

/* Puts a socket, listening or connected, into reserved slot `slot` (< reserved_slots, free) and
 * closes the ordinary descriptor. Returns 0 or a negative errno (the descriptor is closed then,
 * too). In the simulation only listening ones. */
int kernel_install(struct kernel *kernel, int descriptor, uint32_t slot);

/* One-shot accept on a listening socket, given as an ordinary descriptor or as an installed slot.
 * result: the new slot, or -ENFILE when the table is full (the connection stays in the backlog), or
 * another negative errno. peer must stay valid until the completion and then holds the peer. */
struct accept_buffer {
    union socket_address peer;
    socklen_t peer_size;
};
void kernel_accept(struct kernel *kernel, int listening, bool is_slot, struct accept_buffer *buffer,
                   uint64_t tag);

/* ---- connections ---- */

/* Opens a TCP socket in a free slot with the options; result: the slot or a negative errno. */
void kernel_socket(struct kernel *kernel, int family, const struct listen_options *options,
                   uint64_t tag);
/* Connects a slot; address must stay valid until the completion. result: 0 or negative errno. */
void kernel_connect(struct kernel *kernel, uint32_t slot, const union socket_address *address,
                    socklen_t size, uint64_t tag);

/* One-shot poll for POLLIN | POLLRDHUP; result: the poll mask (> 0) or a negative errno. */
void kernel_poll(struct kernel *kernel, uint32_t slot, uint64_t tag);

/* Receives into a buffer of the group. result: bytes > 0 with COMPLETION_BUFFER; 0: the peer's FIN;
 * -ENOBUFS: the group was empty (ends a multishot too); other negative errno. A completion of 0 or
 * below may carry a buffer, which must be returned like any other. */
void kernel_receive(struct kernel *kernel, uint32_t slot, enum buffer_group group, bool multishot,
                    uint64_t tag);

/* Sends all of data (MSG_WAITALL | MSG_NOSIGNAL), which must stay valid until the completion.
 * result: bytes sent, fewer than size only if the operation was cancelled or the connection failed
 * midway; or a negative errno if none were. */
void kernel_send(struct kernel *kernel, uint32_t slot, const uint8_t *data, uint32_t size,
                 uint64_t tag);

/* shutdown(SHUT_WR). */
void kernel_shutdown(struct kernel *kernel, uint32_t slot, uint64_t tag);

/* Cancels the one operation with this target tag. result: 0 (it will complete, usually with
 * -ECANCELED, before or after this completion), -ENOENT or -EALREADY (both normal). */
void kernel_cancel(struct kernel *kernel, uint64_t target, uint64_t tag);

/* Closes a slot. Nothing may be in flight on it. */
void kernel_close(struct kernel *kernel, uint32_t slot, uint64_t tag);

/* Copies the descriptor in slot into a free slot of another kernel's table. result: the slot there,
 * or a negative errno (-ENFILE: no free slot; the descriptor stays here). Nothing may be in flight
 * on the slot. The own slot stays open until kernel_close. */
void kernel_send_slot(struct kernel *kernel, uint32_t slot, struct kernel *to, uint64_t tag);

/* ---- datagram sockets (UDP) ---- */

/* Ordinary descriptors: there are few of them. One kernel object uses a socket. */

/* Bytes of a BUFFERS_DATAGRAM buffer that the kernel's own account of a datagram takes; the rest is
 * room for the payload, and what is longer is truncated. */
#define KERNEL_DATAGRAM_OVERHEAD 160u
#define KERNEL_DATAGRAM_MAX_SIZE 65507u

/* Opens and binds a UDP socket (any thread), asks for a receive buffer of receive_bytes (0: the
 * system's; more than net.core.rmem_max needs CAP_NET_ADMIN) and says in granted_bytes what was
 * given. Returns the descriptor, or a negative errno. If address->port is 0 a free port is chosen
 * and written back. */
int kernel_datagram_open(struct address *address, uint32_t receive_bytes, uint32_t *granted_bytes);
/* Nothing may be in flight. */
void kernel_datagram_close(int socket);

/* Datagrams that the socket lost for want of room since it was opened (wraps). Any thread. */
uint32_t kernel_datagram_drops(int socket);

struct kernel_datagram {
    struct address peer;
    struct address local; /* the address that was asked; port 0, for it is the socket's */
    uint8_t *data;        /* inside the buffer */
    uint32_t size;
    bool truncated;    /* the datagram was longer than its buffer */
    bool counts_drops; /* drops is set */
    uint32_t drops;    /* as kernel_datagram_drops, when this datagram came */
    uint64_t utc_ms;   /* when it came, however long it waited since; 0: not known */
};

/* Multishot: a completion for each datagram, with a buffer of BUFFERS_DATAGRAM. result >= 0: look
 * with kernel_datagram_read; -ENOBUFS: the group was empty (ends it); other negative errno. One in
 * flight per socket. */
void kernel_receive_datagrams(struct kernel *kernel, int socket, uint64_t tag);

/* What a completion of kernel_receive_datagrams brought; its buffer stays the caller's to return.
 * False: nothing that makes sense (which has not been seen). */
bool kernel_datagram_read(struct kernel *kernel, const struct completion *completion,
                          struct kernel_datagram *datagram);

struct kernel_outgoing {
    struct address to;
    struct address from; /* family 0: the system chooses; the port is the socket's */
    const uint8_t *data;
    uint32_t size;
    uint8_t family;         /* of the socket, 4 or 6 */
    uint64_t workspace[24]; /* the kernel's */
};

/* Sends one datagram; outgoing and its data must stay valid until the completion. result: size, or
 * a negative errno. */
void kernel_send_datagram(struct kernel *kernel, int socket, struct kernel_outgoing *outgoing,
                          uint64_t tag);

/* ---- between threads ---- */

/* Ends the wait of kernel `to` soon. From its own thread pass from = to; from the thread of another
 * kernel pass that one; from any other thread pass NULL. Wakes may be merged; no completion is
 * delivered for it on either side. */
void kernel_wake(struct kernel *from, struct kernel *to);

/* ---- files (ordinary descriptors) ---- */
/* path, data must stay valid until the completion. result as open(2), pwrite(2) ... */
void kernel_file_open(struct kernel *kernel, const char *path, int flags, uint32_t mode,
                      uint64_t tag);
void kernel_file_read(struct kernel *kernel, int file, uint8_t *data, uint32_t size,
                      uint64_t offset, uint64_t tag);
void kernel_file_write(struct kernel *kernel, int file, const uint8_t *data, uint32_t size,
                       uint64_t offset, uint64_t tag);
/* Writes, then syncs what it wrote, as one operation: what the result counts is on the disk. Where
 * the sync fails the result is its error, and the bytes may be in the file all the same. */
void kernel_file_write_through(struct kernel *kernel, int file, const uint8_t *data, uint32_t size,
                               uint64_t offset, uint64_t tag);
void kernel_file_sync(struct kernel *kernel, int file, uint64_t tag); /* fdatasync */
void kernel_file_close(struct kernel *kernel, int file, uint64_t tag);

/* ---- slow work ---- */
/* Runs function(argument) on a helper thread; completes with result 0. In the simulation it runs at
 * some later moment in the same thread. All kernels share the helpers: one thread for what waits
 * for others (disks, name servers), one piece after the other; as many as there are processors for
 * what computes and waits for nobody. */
enum work_kind { WORK_WAITS, WORK_COMPUTES, WORK_KINDS };
void kernel_work(struct kernel *kernel, enum work_kind kind, void (*function)(void *argument),
                 void *argument, uint64_t tag);

/* ---- names ---- */
/* The IP addresses of a host, by the system's rules and in its order; ports are 0. May take
 * seconds: for helper threads. Returns their number, at most capacity and at least 1, or a negative
 * errno: -ENOENT (there is none), -EAGAIN (whoever knows doesn't answer), -ENOMEM, -EIO. In the
 * simulation sim_put_name says what there is. */
int kernel_resolve(struct kernel *kernel, const char *host, struct address *addresses,
                   unsigned capacity);

/* System calls made by this kernel object since its creation (io_uring_enter; 0 in the sim). */
uint64_t kernel_system_calls(const struct kernel *kernel);

#endif
