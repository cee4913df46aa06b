#include "bench/load/wire.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/load/usage.h"

#define GROUP   1
#define ENTRIES 4096u

static struct __kernel_timespec tick_interval = {.tv_nsec = 50000000};

static void *map(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        die("memory", errno);
    }
    return memory;
}

static void provide_buffers(struct wire *wire)
{
    wire->buffer_ring = map(wire->buffer_count * sizeof(struct io_uring_buf));
    wire->memory = map((size_t)wire->buffer_count * wire->buffer_size);
    struct io_uring_buf_reg registration = {.ring_addr = (uint64_t)(uintptr_t)wire->buffer_ring,
                                            .ring_entries = wire->buffer_count,
                                            .bgid = GROUP};
    int status = io_uring_register_buf_ring(&wire->ring, &registration, 0);
    if (status < 0) {
        die("provided buffers", -status);
    }
    io_uring_buf_ring_init(wire->buffer_ring);
    for (uint32_t id = 0; id < wire->buffer_count; id++) {
        wire_buffer_return(wire, id);
    }
}

static void arm_tick(struct wire *wire)
{
    struct io_uring_sqe *sqe = wire_sqe(wire);
    io_uring_prep_timeout(sqe, &tick_interval, 0, 0);
    wire_tag_sqe(sqe, (struct wire_tag){.operation = WIRE_TICK});
}

void wire_open(struct wire *wire, const struct wire_limits *limits)
{
    *wire = (struct wire){.buffer_count = limits->buffer_count, .buffer_size = limits->buffer_size};
    struct io_uring_params parameters = {.flags = IORING_SETUP_SINGLE_ISSUER |
                                                  IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
                                         .cq_entries = 4 * ENTRIES};
    int status = io_uring_queue_init_params(ENTRIES, &wire->ring, &parameters);
    if (status == 0) {
        status = io_uring_register_files_sparse(&wire->ring, limits->slots);
    }
    if (status == 0 && limits->first_free_slot < limits->slots) {
        status = io_uring_register_file_alloc_range(&wire->ring, limits->first_free_slot,
                                                    limits->slots - limits->first_free_slot);
    }
    if (status < 0) {
        die("io_uring", -status);
    }
    (void)io_uring_register_ring_fd(&wire->ring);
    if (wire->buffer_count > 0) {
        provide_buffers(wire);
    }
    arm_tick(wire);
    wire->now_ns = now_ns();
}

void wire_close(struct wire *wire)
{
    io_uring_queue_exit(&wire->ring);
    if (wire->buffer_count > 0) {
        (void)munmap(wire->buffer_ring, wire->buffer_count * sizeof(struct io_uring_buf));
        (void)munmap(wire->memory, (size_t)wire->buffer_count * wire->buffer_size);
    }
}

void wire_install(struct wire *wire, uint32_t slot, int descriptor)
{
    int status = io_uring_register_files_update(&wire->ring, slot, &descriptor, 1);
    if (status != 1) {
        die("installing a connection", status < 0 ? -status : EINVAL);
    }
    (void)close(descriptor);
}

struct io_uring_sqe *wire_sqe(struct wire *wire)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&wire->ring);
    if (sqe == NULL) {
        (void)io_uring_submit(&wire->ring);
        sqe = io_uring_get_sqe(&wire->ring);
        if (sqe == NULL) {
            die("submission queue", ENOSPC);
        }
    }
    memset(sqe, 0, sizeof(*sqe));
    return sqe;
}

void wire_want(struct wire *wire, unsigned count)
{
    if (io_uring_sq_space_left(&wire->ring) < count) {
        (void)io_uring_submit(&wire->ring);
    }
}

void wire_tag_sqe(struct io_uring_sqe *sqe, struct wire_tag tag)
{
    io_uring_sqe_set_data64(sqe, (uint64_t)tag.operation << 56 |
                                     (uint64_t)(tag.slot & 0xffffffu) << 32 | tag.extra);
}

void wire_receive(struct wire *wire, uint32_t slot, struct wire_tag tag)
{
    struct io_uring_sqe *sqe = wire_sqe(wire);
    io_uring_prep_recv_multishot(sqe, (int)slot, NULL, 0, 0);
    sqe->flags |= IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
    sqe->buf_group = GROUP;
    wire_tag_sqe(sqe, tag);
}

void wire_send(struct wire *wire, uint32_t slot, const uint8_t *data, uint32_t size,
               struct wire_tag tag)
{
    struct io_uring_sqe *sqe = wire_sqe(wire);
    io_uring_prep_send(sqe, (int)slot, data, size, MSG_NOSIGNAL | MSG_WAITALL);
    sqe->flags |= IOSQE_FIXED_FILE;
    wire_tag_sqe(sqe, tag);
}

uint8_t *wire_buffer(const struct wire *wire, uint32_t id)
{
    return wire->memory + (size_t)id * wire->buffer_size;
}

void wire_buffer_return(struct wire *wire, uint32_t id)
{
    io_uring_buf_ring_add(wire->buffer_ring, wire_buffer(wire, id), wire->buffer_size,
                          (unsigned short)id, io_uring_buf_ring_mask(wire->buffer_count), 0);
    io_uring_buf_ring_advance(wire->buffer_ring, 1);
}

static struct wire_event event_of(const struct io_uring_cqe *cqe)
{
    uint64_t data = io_uring_cqe_get_data64(cqe);
    struct wire_event event = {.result = cqe->res,
                               .buffer = WIRE_NO_BUFFER,
                               .more = (cqe->flags & IORING_CQE_F_MORE) != 0};
    event.tag.operation = (uint8_t)(data >> 56);
    event.tag.slot = (uint32_t)(data >> 32) & 0xffffffu;
    event.tag.extra = (uint32_t)data;
    if (cqe->flags & IORING_CQE_F_BUFFER) {
        event.buffer = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
    }
    return event;
}

void wire_turn(struct wire *wire, void (*handle)(void *context, const struct wire_event *event),
               void *context)
{
    int status = io_uring_submit_and_wait(&wire->ring, 1);
    if (status < 0 && status != -EINTR) {
        die("io_uring_enter", -status);
    }
    wire->now_ns = now_ns();
    struct io_uring_cqe *cqe;
    unsigned head;
    unsigned count = 0;
    io_uring_for_each_cqe(&wire->ring, head, cqe)
    {
        count++;
        struct wire_event event = event_of(cqe);
        if (event.tag.operation == WIRE_TICK) {
            arm_tick(wire);
        } else {
            handle(context, &event);
        }
        if (count == 64) { /* the rest in the next turn: requests leave in small steps */
            break;
        }
    }
    io_uring_cq_advance(&wire->ring, count);
}
