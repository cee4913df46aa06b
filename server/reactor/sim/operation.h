/* A kernel and its operations. An operation is queued by its call, started by kernel_wait (or at
 * once), attempted until it has an end, and posts completions, which become visible one by one;
 * it is in flight until its last completion was copied to the caller. */
#ifndef CENCD_REACTOR_SIM_OPERATION_H
#define CENCD_REACTOR_SIM_OPERATION_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/list.h"
#include "server/reactor/kernel.h"
#include "server/reactor/sim/world.h"

#define SIM_NO_SLOT UINT32_MAX

struct sim_end;
struct sim_listener;
struct sim_datagram_socket;

/* What a slot refers to; two slots may, after a hand-over. */
struct sim_socket {
    struct sim_end *end;           /* NULL: not connected, or a listener */
    struct sim_listener *listener; /* NULL: a connection */
    struct listen_options options; /* to set when connected */
    uint32_t references;
};

enum sim_slot_state {
    SIM_SLOT_FREE,
    SIM_SLOT_RESERVED, /* for an accept under way */
    SIM_SLOT_USED,
    SIM_SLOT_CLOSING,
};

struct sim_slot {
    struct sim_socket *socket;
    uint8_t state;    /* enum sim_slot_state */
    bool handed_over; /* only a close may follow */
    uint8_t in_flight;
    uint8_t receives;
    uint8_t sends;
};

/* A group of provided buffers: a ring of those that are free, oldest first. */
struct sim_buffers {
    uint8_t *memory;
    size_t stride;
    uint32_t count;
    uint32_t size;
    uint32_t free;
    uint32_t head;
    uint16_t *ring;
    bool *out; /* taken by a completion, not returned yet */
};

enum sim_operation_kind {
    SIM_ACCEPT,
    SIM_SOCKET,
    SIM_CONNECT,
    SIM_POLL,
    SIM_RECEIVE,
    SIM_SEND,
    SIM_SHUTDOWN,
    SIM_CANCEL,
    SIM_CLOSE,
    SIM_SEND_SLOT,
    SIM_RECEIVE_DATAGRAMS,
    SIM_SEND_DATAGRAM,
    SIM_FILE_OPEN,
    SIM_FILE_READ,
    SIM_FILE_WRITE,
    SIM_FILE_SYNC,
    SIM_FILE_CLOSE,
    SIM_WORK,
};

struct sim_posted {
    struct sim_posted *next;
    struct completion completion;
    bool last;
};

struct sim_operation {
    struct list node;    /* in kernel's queued or operations */
    struct list waiting; /* in its end's or listener's operations */
    struct sim_event attempt;
    struct sim_event visible;
    struct sim_posted *posted; /* oldest first */
    struct sim_posted **posted_end;
    struct kernel *kernel;
    uint64_t id;
    uint64_t tag;
    uint32_t slot; /* SIM_NO_SLOT: none */
    uint8_t kind;  /* enum sim_operation_kind */
    bool done;     /* the last completion is posted */

    struct sim_listener *listener; /* accept: holds a reference */
    struct accept_buffer *accept_buffer;
    uint32_t reserved; /* accept: the slot it will use, or SIM_NO_SLOT */
    const union socket_address *address;
    socklen_t address_size;
    struct listen_options options;
    enum buffer_group group;
    bool multishot;
    bool poll_first;
    bool started;
    uint8_t tries;
    const uint8_t *data;
    uint8_t *read_data;
    uint32_t size;
    uint32_t sent;
    uint64_t hash; /* of what must not change meanwhile */
    bool through;  /* a write that syncs */
    uint64_t target;
    struct kernel *to;
    struct sim_datagram_socket *datagram_socket;
    const struct kernel_outgoing *outgoing;
    const char *path;
    int file;
    int open_flags;
    uint64_t offset;
    void (*function)(void *argument);
    void *argument;
};

struct sim_visible {
    struct completion completion;
    struct sim_operation *operation; /* ends with it; NULL: more will come */
};

struct kernel {
    struct list node;
    struct sim *sim;
    uint64_t id;
    struct kernel_limits limits;
    struct sim_slot *slots;
    uint32_t *free_slots; /* not the reserved ones; the last freed at the end */
    uint32_t free_count;
    struct sim_buffers buffers[BUFFER_GROUPS];
    struct list queued;
    struct list operations;
    struct sim_visible *visible; /* the completion queue */
    uint32_t visible_count;
    uint32_t visible_capacity;
    struct sim_event wake;
    uint64_t wake_ms;     /* when the last wait's timeout ends; UINT64_MAX: never */
    bool woken;           /* a wake came since the last wait */
    bool sleeping;        /* the last wait found nothing at all */
    bool accepts_reserve; /* accepts take their slot when armed, or when they complete */
    bool submitting;
};

bool sim_any_kernel_due(const struct sim *sim);

/* operation.c */
struct sim_operation *sim_operation_make(struct kernel *kernel, enum sim_operation_kind kind,
                                         uint64_t tag);
/* For operations on a slot: CHECKs that it may be used. */
struct sim_operation *sim_operation_on(struct kernel *kernel, enum sim_operation_kind kind,
                                       uint32_t slot, uint64_t tag);
/* Puts it into the queue. Must be the call's last step. */
void sim_operation_queue(struct sim_operation *operation);
void sim_submit(struct kernel *kernel);
/* flags may hold COMPLETION_BUFFER and an id; without COMPLETION_MORE it is the last. */
void sim_post(struct sim_operation *operation, int32_t result, uint32_t flags);
void sim_operation_delivered(struct sim_operation *operation);
/* For kernel_destroy: ends it without a completion. */
void sim_operation_drop(struct sim_operation *operation);
/* Everybody in the list tries again. */
void sim_operations_wake(struct list *operations);

/* attempt.c, cancel.c, datagram.c, file.c: one step of an operation, which may or may not end it.
 */
void sim_attempt(struct sim_operation *operation);
void sim_attempt_cancel(struct sim_operation *operation);
void sim_attempt_file(struct sim_operation *operation);
void sim_attempt_receive_datagrams(struct sim_operation *operation);
void sim_attempt_send_datagram(struct sim_operation *operation);
/* The kernel has no buffer for this receive; readable: it would need one now. */
bool sim_lacks_buffer(struct sim_operation *operation, bool readable);
/* Takes a buffer; returns flags for sim_post. */
uint32_t sim_take_buffer(struct sim_buffers *buffers, uint16_t *id);

/* table.c: slots */
struct sim_socket *sim_socket_make(struct sim_end *end, struct sim_listener *listener);
void sim_socket_release(struct sim_socket *socket);
uint32_t sim_slot_take(struct kernel *kernel); /* SIM_NO_SLOT: none is free; state RESERVED */
void sim_slot_use(struct kernel *kernel, uint32_t slot, struct sim_socket *socket);
void sim_slot_free(struct kernel *kernel, uint32_t slot);
struct sim_listener *sim_listener_of(struct kernel *kernel, int listening, bool is_slot);

/* buffers.c */
void sim_buffers_init(struct sim_buffers *buffers, uint32_t count, uint32_t size);
void sim_buffers_free(struct sim_buffers *buffers);
/* Takes one; there must be one free. */
uint16_t sim_buffers_take(struct sim_buffers *buffers);
uint8_t *sim_buffers_data(const struct sim_buffers *buffers, uint16_t id);

#endif
