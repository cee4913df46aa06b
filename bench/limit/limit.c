/* The bare limit: an io_uring loop that relays bytes between accepted connections and connections
 * that it opens to one address, and does nothing else: no identification, no timers, no limits, no
 * log. It says what a relay on io_uring costs at least; bench/relay runs it beside the servers.
 *
 *   limit LISTEN_PORT BACKEND_PORT [OPTION...]      (both on 127.0.0.1; runs until it is killed)
 *     --receive once|multi       how bytes are received, see below        (default multi)
 *     --poll-first 0|1           one-shot receives wait first             (default 1)
 *     --after-send 0|1           a one-shot receive waits for the send    (default 0)
 *     --buffers N                provided buffers, a power of two         (default 1024)
 *     --buffer-size N            bytes of one                             (default 16384)
 *     --pairs N                  connections from the front at once       (default 1200)
 *     --taskrun defer|coop|none  how the kernel runs completions          (default defer)
 *     --ring-fd 0|1              register the ring's descriptor           (default 1)
 *     --batch N                  completions handled between two submits  (default 256)
 *
 * `once`: a receive is armed again when its bytes were handed to a send (or, after-send, when that
 * send is complete). `multi`: one multishot receive for the life of a connection. */
#include <arpa/inet.h>
#include <errno.h>
#include <liburing.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/limit/options.h"

#define NO_BUFFER         0xffffu
#define GROUP             1
#define ACCEPTS           8
#define SOCKET_SETSOCKOPT 3u /* SOCKET_URING_OP_SETSOCKOPT, which older headers lack */

enum operation { OP_ACCEPT, OP_OPEN, OP_RECEIVE, OP_SEND, OP_SHUTDOWN, OP_CLOSE };

/* One connection; its slot is its index, and slot ^ 1 is the connection it is joined to. */
struct end {
    uint16_t queue_head; /* buffers to be sent to this connection; the first is in flight */
    uint16_t queue_tail;
    uint8_t in_flight;
    bool open;
    bool ended;     /* its peer's FIN or an error was seen */
    bool receiving; /* a receive is armed */
    bool stalled;   /* in the list of those that found no buffer */
};

struct buffer {
    uint32_t size;
    uint16_t next;
};

static struct options options;
static struct io_uring ring;
static struct io_uring_buf_ring *buffer_ring;
static uint8_t *buffer_memory;
static struct buffer *buffers;
static uint32_t free_buffers;
static struct end *ends;
static uint32_t *stalled;
static uint32_t stalled_count;
static uint32_t *free_pairs;
static uint32_t free_pair_count;
static uint32_t accepts_armed;
static int listening;
static struct sockaddr_in backend;
static int one = 1;

_Noreturn static void die(const char *what, int error)
{
    (void)fprintf(stderr, "limit: %s: %s\n", what, strerror(error));
    exit(1);
}

static struct io_uring_sqe *next_sqe(enum operation operation, uint32_t slot)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
    if (sqe == NULL) {
        (void)io_uring_submit(&ring);
        sqe = io_uring_get_sqe(&ring);
        if (sqe == NULL) {
            die("submission queue", ENOSPC);
        }
    }
    memset(sqe, 0, sizeof(*sqe));
    io_uring_sqe_set_data64(sqe, (uint64_t)operation << 32 | slot);
    return sqe;
}

/* A chain must not be cut by a submission in its middle. */
static void want_sqes(unsigned count)
{
    if (io_uring_sq_space_left(&ring) < count) {
        (void)io_uring_submit(&ring);
    }
}

static void keep_data(struct io_uring_sqe *sqe, enum operation operation, uint32_t slot,
                      unsigned flags)
{
    io_uring_sqe_set_data64(sqe, (uint64_t)operation << 32 | slot);
    sqe->flags |= (uint8_t)flags;
}

static uint8_t *buffer_at(uint32_t id)
{
    return buffer_memory + (size_t)id * options.buffer_size;
}

static void buffer_return(uint16_t id)
{
    io_uring_buf_ring_add(buffer_ring, buffer_at(id), options.buffer_size, id,
                          io_uring_buf_ring_mask(options.buffers), 0);
    io_uring_buf_ring_advance(buffer_ring, 1);
    free_buffers++;
}

static void arm_accepts(void)
{
    while (accepts_armed < ACCEPTS && free_pair_count > 0) {
        uint32_t slot = free_pairs[--free_pair_count] * 2;
        struct io_uring_sqe *sqe = next_sqe(OP_ACCEPT, slot);
        io_uring_prep_accept_direct(sqe, listening, NULL, NULL, 0, slot);
        keep_data(sqe, OP_ACCEPT, slot, 0);
        accepts_armed++;
    }
}

static void fill_receive(struct io_uring_sqe *sqe, uint32_t slot)
{
    io_uring_prep_recv(sqe, (int)slot, NULL, 0, 0);
    if (options.receive == RECEIVE_MULTI) {
        sqe->ioprio |= IORING_RECV_MULTISHOT;
    } else if (options.poll_first) {
        sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
    }
    sqe->buf_group = GROUP;
    keep_data(sqe, OP_RECEIVE, slot, IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT);
    ends[slot].in_flight++;
    ends[slot].receiving = true;
}

static void arm_receive(uint32_t slot)
{
    if (!ends[slot].ended && !ends[slot].receiving) {
        fill_receive(next_sqe(OP_RECEIVE, slot), slot);
    }
}

static void send_first(uint32_t slot)
{
    uint16_t id = ends[slot].queue_head;
    struct io_uring_sqe *sqe = next_sqe(OP_SEND, slot);
    io_uring_prep_send(sqe, (int)slot, buffer_at(id), buffers[id].size, MSG_NOSIGNAL | MSG_WAITALL);
    keep_data(sqe, OP_SEND, slot, IOSQE_FIXED_FILE);
    ends[slot].in_flight++;
}

static void shut_down(uint32_t slot)
{
    struct io_uring_sqe *sqe = next_sqe(OP_SHUTDOWN, slot);
    io_uring_prep_shutdown(sqe, (int)slot, SHUT_WR);
    keep_data(sqe, OP_SHUTDOWN, slot, IOSQE_FIXED_FILE);
    ends[slot].in_flight++;
}

/* Both directions ended and nothing is in flight: both slots are closed, the pair is free. */
static void close_if_done(uint32_t slot)
{
    struct end *end = &ends[slot];
    struct end *peer = &ends[slot ^ 1];
    if (!end->open || !end->ended || !peer->ended || end->in_flight != 0 || peer->in_flight != 0) {
        return;
    }
    end->open = peer->open = false;
    for (uint32_t side = 0; side < 2; side++) {
        struct io_uring_sqe *sqe = next_sqe(OP_CLOSE, slot ^ side);
        io_uring_prep_close_direct(sqe, slot ^ side);
        keep_data(sqe, OP_CLOSE, slot ^ side, 0);
        ends[slot ^ side].in_flight++;
    }
}

static void queue_to(uint32_t slot, uint16_t id)
{
    struct end *end = &ends[slot];
    buffers[id].next = NO_BUFFER;
    if (end->queue_head == NO_BUFFER) {
        end->queue_head = end->queue_tail = id;
        send_first(slot);
    } else {
        buffers[end->queue_tail].next = id;
        end->queue_tail = id;
    }
}

static void set_nodelay(struct io_uring_sqe *sqe, uint32_t slot)
{
    io_uring_prep_rw(46 /* IORING_OP_URING_CMD */, sqe, (int)slot, NULL, 0, SOCKET_SETSOCKOPT);
    sqe->addr = (uint64_t)IPPROTO_TCP | (uint64_t)TCP_NODELAY << 32;
    sqe->file_index = sizeof(one);
    sqe->addr3 = (uint64_t)(uintptr_t)&one;
    keep_data(sqe, OP_OPEN, slot, IOSQE_FIXED_FILE | IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS);
}

/* socket, NODELAY, connect, as one chain; only the last one tells. */
static void open_backend(uint32_t slot)
{
    want_sqes(4);
    struct io_uring_sqe *sqe = next_sqe(OP_OPEN, slot);
    io_uring_prep_socket_direct(sqe, AF_INET, SOCK_STREAM, 0, slot, 0);
    keep_data(sqe, OP_OPEN, slot, IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS);
    set_nodelay(next_sqe(OP_OPEN, slot), slot);
    sqe = next_sqe(OP_OPEN, slot);
    io_uring_prep_connect(sqe, (int)slot, (struct sockaddr *)&backend, sizeof(backend));
    keep_data(sqe, OP_OPEN, slot, IOSQE_FIXED_FILE);
    ends[slot].in_flight++;
}

static void on_accept(uint32_t slot, int result)
{
    accepts_armed--;
    if (result < 0) {
        die("accept", -result);
    }
    for (uint32_t side = 0; side < 2; side++) {
        ends[slot + side] =
            (struct end){.queue_head = NO_BUFFER, .queue_tail = NO_BUFFER, .open = true};
    }
    open_backend(slot + 1);
    arm_accepts();
}

static void on_open(uint32_t slot, int result)
{
    if (result == -ECANCELED) { /* of a chain that failed further ahead: has told already */
        return;
    }
    ends[slot].in_flight--;
    if (result < 0) { /* the backend is gone: so is this pair */
        ends[slot].ended = ends[slot ^ 1].ended = true;
        close_if_done(slot);
        return;
    }
    arm_receive(slot);
    arm_receive(slot ^ 1);
}

static void end_of(uint32_t slot)
{
    ends[slot].ended = true;
    if (ends[slot ^ 1].ended) { /* both ways: closing follows and sends the FIN */
        return;
    }
    if (ends[slot ^ 1].queue_head == NO_BUFFER) {
        shut_down(slot ^ 1);
    }
}

static void stall(uint32_t slot)
{
    if (!ends[slot].stalled) {
        ends[slot].stalled = true;
        stalled[stalled_count++] = slot;
    }
}

static void on_receive(uint32_t slot, int result, uint32_t flags)
{
    struct end *end = &ends[slot];
    if (!(flags & IORING_CQE_F_MORE)) {
        end->receiving = false;
        end->in_flight--;
    }
    if (result > 0) {
        uint16_t id = (uint16_t)(flags >> IORING_CQE_BUFFER_SHIFT);
        free_buffers--;
        buffers[id].size = (uint32_t)result;
        queue_to(slot ^ 1, id);
        if (!end->receiving && !options.after_send) {
            arm_receive(slot);
        }
        return;
    }
    if (flags & IORING_CQE_F_BUFFER) {
        free_buffers--;
        buffer_return((uint16_t)(flags >> IORING_CQE_BUFFER_SHIFT));
    }
    if (result == -ENOBUFS) {
        stall(slot);
    } else {
        end_of(slot);
    }
}

static void on_send(uint32_t slot, int result)
{
    struct end *end = &ends[slot];
    uint16_t id = end->queue_head;
    end->in_flight--;
    end->queue_head = buffers[id].next;
    buffer_return(id);
    if (result < 0) { /* the peer is gone: what is queued goes with it */
        while (end->queue_head != NO_BUFFER) {
            id = end->queue_head;
            end->queue_head = buffers[id].next;
            buffer_return(id);
        }
    }
    if (end->queue_head != NO_BUFFER) {
        send_first(slot);
    } else if (ends[slot ^ 1].ended && !end->ended) {
        shut_down(slot);
    }
    if (options.after_send && options.receive == RECEIVE_ONCE) {
        arm_receive(slot ^ 1);
    }
}

static void on_close(uint32_t slot)
{
    ends[slot].in_flight--;
    if (ends[slot ^ 1].in_flight == 0) {
        free_pairs[free_pair_count++] = slot / 2;
        arm_accepts();
    }
}

static void handle(const struct io_uring_cqe *cqe)
{
    uint64_t data = io_uring_cqe_get_data64(cqe);
    uint32_t slot = (uint32_t)data;
    switch ((enum operation)(data >> 32)) {
    case OP_ACCEPT:
        on_accept(slot, cqe->res);
        return;
    case OP_OPEN:
        on_open(slot, cqe->res);
        return;
    case OP_CLOSE:
        on_close(slot);
        return;
    case OP_RECEIVE:
        on_receive(slot, cqe->res, cqe->flags);
        break;
    case OP_SEND:
        on_send(slot, cqe->res);
        break;
    case OP_SHUTDOWN:
        ends[slot].in_flight--;
        break;
    }
    close_if_done(slot);
}

/* A receive that found no buffer is armed again when a quarter of them is back. */
static void rearm_stalled(void)
{
    if (free_buffers < options.buffers / 4) {
        return;
    }
    while (stalled_count > 0) {
        uint32_t slot = stalled[--stalled_count];
        ends[slot].stalled = false;
        arm_receive(slot);
    }
}

static void run(void)
{
    for (;;) {
        int status = io_uring_submit_and_wait(&ring, 1);
        if (status < 0 && status != -EINTR) {
            die("io_uring_enter", -status);
        }
        struct io_uring_cqe *cqe;
        unsigned head;
        unsigned count = 0;
        io_uring_for_each_cqe(&ring, head, cqe)
        {
            handle(cqe);
            if (++count == options.batch) {
                break;
            }
        }
        io_uring_cq_advance(&ring, count);
        if (stalled_count > 0) {
            rearm_stalled();
        }
    }
}

static void listen_on(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listening < 0 || setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
        setsockopt(listening, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0 ||
        bind(listening, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(listening, 4096) != 0) {
        die("listening", errno);
    }
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (memory == NULL) {
        die("memory", ENOMEM);
    }
    return memory;
}

static void *map(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        die("memory", errno);
    }
    return memory;
}

static void provide_buffers(void)
{
    buffer_ring = map(options.buffers * sizeof(struct io_uring_buf));
    buffer_memory = map((size_t)options.buffers * options.buffer_size);
    buffers = allocate(options.buffers, sizeof(*buffers));
    struct io_uring_buf_reg registration = {.ring_addr = (uint64_t)(uintptr_t)buffer_ring,
                                            .ring_entries = options.buffers,
                                            .bgid = GROUP};
    int status = io_uring_register_buf_ring(&ring, &registration, 0);
    if (status < 0) {
        die("provided buffers", -status);
    }
    io_uring_buf_ring_init(buffer_ring);
    for (uint32_t id = 0; id < options.buffers; id++) {
        buffer_return((uint16_t)id);
    }
}

static void create(void)
{
    struct io_uring_params parameters = {.flags = options.setup_flags | IORING_SETUP_CQSIZE |
                                                  IORING_SETUP_CLAMP,
                                         .cq_entries = 16384};
    int status = io_uring_queue_init_params(4096, &ring, &parameters);
    if (status < 0) {
        die("io_uring", -status);
    }
    status = io_uring_register_files_sparse(&ring, options.pairs * 2);
    if (status < 0) {
        die("file table", -status);
    }
    if (options.ring_fd) {
        (void)io_uring_register_ring_fd(&ring);
    }
    provide_buffers();
    ends = allocate((size_t)options.pairs * 2, sizeof(*ends));
    stalled = allocate((size_t)options.pairs * 2, sizeof(*stalled));
    free_pairs = allocate(options.pairs, sizeof(*free_pairs));
    for (uint32_t pair = 0; pair < options.pairs; pair++) {
        free_pairs[free_pair_count++] = options.pairs - 1 - pair;
    }
}

int main(int argc, char **argv)
{
    options = options_parse(argc, argv);
    backend = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(options.backend_port)};
    backend.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    create();
    listen_on(options.listen_port);
    arm_accepts();
    run();
    return 0;
}
