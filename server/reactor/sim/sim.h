/* The simulation, as a test sees it: a virtual network, disk and clock under a seed, in which any
 * number of kernels (kernel.h; one per shard) run in one thread. Same seed and same calls: same
 * run, which sim_trace_hash proves.
 *
 * Time stands still but for sim_step and sim_advance. kernel_wait never sleeps: it submits what was
 * queued, copies the completions that are visible, and remembers how long it was asked to sleep. A
 * test therefore turns its reactors with max_wait_ms -1 and only those that are due (sim_pick_due):
 * so a wake that was forgotten shows as a run that stops.
 *
 *     while (!finished) {
 *         sim_step(sim);
 *         struct kernel *kernel = sim_pick_due(sim);
 *         if (kernel)
 *             reactor_turn(reactor_of(kernel), -1);
 *     }
 *
 * The simulation is also the judge: whoever breaks the rules of kernel.h (closing a slot with
 * something in flight, changing memory that is being sent, returning a buffer twice ...) ends the
 * process with one line that says what was broken, under which seed.
 *
 * One simulation exists at a time; kernels and listening sockets made meanwhile belong to it. With
 * SIM_TRACE in the environment every event is written to stderr. */
#ifndef CENCD_REACTOR_SIM_SIM_H
#define CENCD_REACTOR_SIM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/address.h"
#include "server/reactor/kernel.h"

struct sim;
struct sim_peer;
struct sim_peer_listener;

/* Probabilities are per mille. */
struct sim_options {
    uint64_t seed;
    uint16_t short_receive;    /* a receive takes fewer bytes than are there */
    uint16_t partial_send;     /* a send goes in pieces though there is room */
    uint16_t stall;            /* a direction of a connection stops for up to stall_ms */
    uint16_t no_buffers;       /* ENOBUFS while few buffers are out, not only when all are */
    uint16_t reset;            /* the network resets the connection instead of delivering */
    uint16_t delay;            /* an event comes some milliseconds later */
    uint16_t reorder;          /* a completion becomes visible after later ones */
    uint16_t multishot_end;    /* a multishot ends with its data, without COMPLETION_MORE */
    uint16_t poll_first;       /* a receive on an empty group waits for data before ENOBUFS */
    uint16_t empty_buffer;     /* a completion of 0 or below carries a buffer */
    uint16_t cancel_race;      /* a cancelled operation makes progress first, or EALREADY */
    uint16_t accept_error;     /* ENFILE, EMFILE, ECONNABORTED ... */
    uint16_t connect_error;    /* ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH ... */
    uint16_t handover_error;   /* kernel_send_slot fails with ENFILE */
    uint16_t file_short;       /* short reads and writes */
    uint16_t file_error;       /* EIO; for a sync: what was unsynced may be lost for ever */
    uint16_t file_full;        /* ENOSPC */
    uint16_t work_delay;       /* work takes up to a second */
    uint16_t spurious_wake;    /* kernel_wait returns 0 though completions are there */
    uint16_t early_submit;     /* an operation starts at its call, not in kernel_wait */
    uint16_t time_passes;      /* a step also lets some milliseconds pass */
    uint16_t datagram_loss;    /* a datagram gets lost on the way */
    uint16_t datagram_twice;   /* it arrives twice */
    uint16_t datagram_reorder; /* it arrives before earlier ones */
    uint16_t datagram_refused; /* sending one fails: ENOBUFS, ENETUNREACH, EPERM */
    uint32_t stall_ms;         /* longest stall */
    uint32_t socket_bytes_min; /* sizes of socket buffers */
    uint32_t socket_bytes_max;
    uint32_t disk_bytes; /* ENOSPC beyond; 0: no bound */
};

/* No faults, whole segments, buffers of 64 kB. */
void sim_options_calm(struct sim_options *options, uint64_t seed);

/* Every probability drawn from the seed, many of them zero: runs that differ in kind. */
void sim_options_random(struct sim_options *options, uint64_t seed);

struct sim *sim_create(const struct sim_options *options);

/* All kernels must have been destroyed. */
void sim_destroy(struct sim *sim);

/* Lets one thing happen, chosen by the seed: a segment, a FIN or a reset arrives, an operation goes
 * on, a completion becomes visible, slow work runs. If nothing can happen and no kernel is due,
 * time jumps to the next event or deadline. False: nothing happened. */
bool sim_step(struct sim *sim);

/* Time passes; what falls due becomes possible, nothing runs. */
void sim_advance(struct sim *sim, uint64_t ms);

uint64_t sim_now_ms(const struct sim *sim);

/* The earliest time at which a sleeping kernel asked to be woken; UINT64_MAX: none did. */
uint64_t sim_next_wakeup(const struct sim *sim);

/* The earliest time at which anything can happen by itself: now, or when an event or a kernel falls
 * due; UINT64_MAX: never. */
uint64_t sim_next_event_ms(const struct sim *sim);

/* True if kernel_wait would not sleep. */
bool sim_kernel_due(const struct kernel *kernel);

/* A kernel that is due, chosen by the seed, or NULL. */
struct kernel *sim_pick_due(struct sim *sim);

/* True if nothing will ever happen again unless the test does something. */
bool sim_idle(const struct sim *sim);

uint64_t sim_random(struct sim *sim);
uint64_t sim_below(struct sim *sim, uint64_t bound); /* 0 .. bound - 1; bound > 0 */
bool sim_chance(struct sim *sim, unsigned per_mille);

/* Stops all faults from now on, for a clean end of a test. */
void sim_calm_down(struct sim *sim);

uint64_t sim_trace_hash(const struct sim *sim);

/* NULL if in every kernel nothing is in flight, all buffers are back and all slots are free;
 * otherwise what is not (valid until the next call). */
const char *sim_not_quiet(struct sim *sim);
void sim_check_quiet(struct sim *sim);

/* ---- the outside world ---- */

enum sim_peer_state {
    SIM_PEER_CONNECTED,
    SIM_PEER_FIN,   /* the other end will send no more; unread bytes may be there still */
    SIM_PEER_RESET, /* the connection failed; unread bytes may be there still */
    SIM_PEER_CLOSED /* by the test */
};

/* Connects to an address on which a kernel listens. NULL: refused, or the backlog is full. */
struct sim_peer *sim_peer_connect(struct sim *sim, const struct address *to,
                                  const struct address *from);

/* Waits for connections of kernel_connect. NULL: the address is taken. */
struct sim_peer_listener *sim_peer_listen(struct sim *sim, const struct address *address,
                                          unsigned backlog);
struct sim_peer *sim_peer_accept(struct sim_peer_listener *listener); /* NULL: none waits */
void sim_peer_listen_close(struct sim_peer_listener *listener);

/* Bytes taken: bounded by the socket's buffer; 0 when full, shut or broken. */
size_t sim_peer_write(struct sim_peer *peer, const uint8_t *data, size_t size);
size_t sim_peer_read(struct sim_peer *peer, uint8_t *data, size_t size);
size_t sim_peer_readable(const struct sim_peer *peer);
enum sim_peer_state sim_peer_state(const struct sim_peer *peer);

void sim_peer_shutdown(struct sim_peer *peer); /* FIN after what was written */
void sim_peer_close(struct sim_peer *peer);    /* as close(2): a reset if bytes are unread */
void sim_peer_reset(struct sim_peer *peer);    /* RST; what was not delivered is lost */

/* The peer is gone without a word: nothing passes in either direction any more. */
void sim_peer_vanish(struct sim_peer *peer);

/* Closes it if need be and frees it. sim_destroy releases all that are left. */
void sim_peer_release(struct sim_peer *peer);

/* Sends a datagram on its way; nobody need listen there. */
void sim_datagram_send(struct sim *sim, const struct address *from, const struct address *to,
                       const uint8_t *data, size_t size);

/* Takes the oldest datagram that arrived at an address of the outside world, to which no kernel's
 * socket is bound. Its size (what is beyond capacity is cut), or -1: there is none. */
int64_t sim_datagram_take(struct sim *sim, const struct address *at, struct address *from,
                          uint8_t *data, size_t capacity);

/* What kernel_resolve finds from now on; count 0: nothing. */
#define SIM_NAME_ADDRESSES 8u
void sim_put_name(struct sim *sim, const char *host, const struct address *addresses,
                  unsigned count);

/* ---- the disk ---- */

/* Power is lost: each write that was not synced is kept, lost or torn by the seed, a new file whose
 * folder was not synced may be gone, and all descriptors are void. Kernels must have been destroyed
 * before; new ones find the disk as it is now. */
void sim_crash_disk(struct sim *sim);

/* Contents as a process would read them; NULL: no such file. Valid until the file changes. */
const uint8_t *sim_file_content(struct sim *sim, const char *path, size_t *size);

/* Creates or replaces a file, durably. */
void sim_file_put(struct sim *sim, const char *path, const uint8_t *data, size_t size);

#endif
