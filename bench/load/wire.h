/* The generator's io_uring: a table of connections, multishot receives into provided buffers,
 * sends. One thread. What fails here ends the process: a broken generator measures nothing. */
#ifndef CENCD_BENCH_LOAD_WIRE_H
#define CENCD_BENCH_LOAD_WIRE_H

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>

#define WIRE_NO_BUFFER 0xffffu

/* What a completion belongs to: packed into its user data. */
struct wire_tag {
    uint8_t operation; /* the mode's own */
    uint32_t slot;     /* 24 bits */
    uint32_t extra;
};
#define WIRE_TICK 0xffu /* operation of the tick: comes every 50 ms, so that a wait always ends */

struct wire {
    struct io_uring ring;
    struct io_uring_buf_ring *buffer_ring;
    uint8_t *memory;
    uint32_t buffer_count;
    uint32_t buffer_size;
    uint64_t now_ns; /* when the last wait ended */
};

struct wire_limits {
    uint32_t slots;
    uint32_t first_free_slot; /* from here on the kernel may choose slots itself */
    uint32_t buffer_count;    /* a power of two; 0: none */
    uint32_t buffer_size;
};

void wire_open(struct wire *wire, const struct wire_limits *limits);
/* Ends all connections. What is being sent or received may be freed afterwards. */
void wire_close(struct wire *wire);

/* Puts a connected descriptor into a slot and closes the descriptor. */
void wire_install(struct wire *wire, uint32_t slot, int descriptor);

struct io_uring_sqe *wire_sqe(struct wire *wire);
/* Makes sure that a chain of count entries is not cut by a submission. */
void wire_want(struct wire *wire, unsigned count);
void wire_tag_sqe(struct io_uring_sqe *sqe, struct wire_tag tag);

void wire_receive(struct wire *wire, uint32_t slot, struct wire_tag tag);
void wire_send(struct wire *wire, uint32_t slot, const uint8_t *data, uint32_t size,
               struct wire_tag tag);

uint8_t *wire_buffer(const struct wire *wire, uint32_t id);
void wire_buffer_return(struct wire *wire, uint32_t id);

/* Submits, waits, sets now_ns, and calls handle for each completion except the tick. */
struct wire_event {
    struct wire_tag tag;
    int result;
    uint32_t buffer; /* or WIRE_NO_BUFFER */
    bool more;
};
void wire_turn(struct wire *wire, void (*handle)(void *context, const struct wire_event *event),
               void *context);

#endif
