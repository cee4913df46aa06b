/* Inside the io_uring implementation of kernel.h. */
#ifndef CENCD_REACTOR_RING_RING_H
#define CENCD_REACTOR_RING_RING_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "server/reactor/kernel.h"
#include "server/reactor/ring/compat.h"

/* Tags of our own; the reactor's tags stay below. */
#define TAG_OWN     (0xf0ull << 56)
#define TAG_IGNORE  (0xf0ull << 56)
#define TAG_WAKE    (0xf1ull << 56)
#define TAG_EVENT   (0xf2ull << 56)
#define TAG_ALARM   (0xf7ull << 56)
#define TAG_INSTALL (0xf3ull << 56) /* | address of a struct install */
#define TAG_KIND    (0xffull << 56)

struct buffers {
    struct io_uring_buf_ring *ring;
    uint8_t *memory;
    size_t memory_size;
    size_t ring_size;
    size_t stride;
    uint32_t count;
    uint32_t size;
};

/* A connecting socket on its way into the table. */
struct install {
    int descriptor; /* the kernel replaces it by the slot */
    int own;        /* the ordinary descriptor, closed afterwards */
    uint64_t tag;
};

/* One piece of work of the helper threads. */
struct work {
    struct work *next;
    struct kernel *kernel;
    void (*function)(void *argument);
    void *argument;
    uint64_t tag;
};

struct kernel {
    struct io_uring ring;
    struct kernel_limits limits;
    struct buffers buffers[BUFFER_GROUPS];
    struct msghdr datagram_shape; /* how a datagram's account is laid out in its buffer */
    struct completion *stash;     /* completions reaped while making room to submit */
    size_t stash_count;
    size_t stash_capacity;
    size_t stash_next;
    uint64_t system_calls;
    uint64_t random;
    int event; /* eventfd: wakes from threads without a ring */
    uint64_t event_value;
    bool event_armed;
    uint64_t alarm_ms; /* when the earliest timeout in the ring is due; 0: none */
    struct __kernel_timespec alarm_at;
    uint32_t works; /* given to the helper, not completed */
    _Atomic(struct work *) finished;
};

/* A free submission entry, submitting what waits if the queue is full. Never NULL. */
struct io_uring_sqe *ring_entry(struct kernel *kernel, uint64_t tag);

/* Fills error with one sentence for a ring that could not be made; step says what was refused. */
void ring_explain(struct kernel_error *error, int error_number, const char *step);

/* The helper threads: each starts when there is work for it. */
void helper_submit(enum work_kind kind, struct work *work);
/* One kernel less, all of whose work is done: the helpers touch it no more. The last one ends the
 * threads. */
void helper_release(void);
void helper_retain(void);

/* Makes completions of finished works. Returns their number. */
unsigned works_collect(struct kernel *kernel, struct completion *completions, unsigned capacity);

#endif
