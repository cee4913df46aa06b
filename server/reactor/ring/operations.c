/* kernel.h's operations as submission entries. */
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "server/base/check.h"
#include "server/reactor/ring/ring.h"

void kernel_accept(struct kernel *kernel, int listening, bool is_slot, struct accept_buffer *buffer,
                   uint64_t tag)
{
    struct io_uring_sqe *sqe = ring_entry(kernel, tag);
    buffer->peer_size = sizeof buffer->peer;
    io_uring_prep_accept(sqe, listening, &buffer->peer.any, &buffer->peer_size, 0);
    /* liburing 2.3's helper gets "any free slot" wrong, so the field is set here */
    sqe->file_index = IORING_FILE_INDEX_ALLOC;
    if (is_slot)
        sqe->flags |= IOSQE_FIXED_FILE;
}

static int set_option(int descriptor, int level, int name, uint32_t value)
{
    int number = (int)value;
    return setsockopt(descriptor, level, name, &number, sizeof number);
}

static int set_options(int descriptor, const struct listen_options *options)
{
    if (options->nodelay && set_option(descriptor, IPPROTO_TCP, TCP_NODELAY, 1) < 0)
        return -errno;
    if (options->keepalive_idle_s > 0) {
        if (set_option(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1) < 0 ||
            set_option(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, options->keepalive_idle_s) < 0 ||
            set_option(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, options->keepalive_interval_s) < 0 ||
            set_option(descriptor, IPPROTO_TCP, TCP_KEEPCNT, options->keepalive_count) < 0)
            return -errno;
    }
    if (options->user_timeout_ms > 0 &&
        set_option(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, options->user_timeout_ms) < 0)
        return -errno;
    return 0;
}

static int bind_and_listen(int descriptor, struct address *address,
                           const struct listen_options *options)
{
    union socket_address name;
    socklen_t size = address_to_socket(address, &name);
    int error = set_options(descriptor, options);
    if (error < 0)
        return error;
    if (set_option(descriptor, SOL_SOCKET, SO_REUSEADDR, 1) < 0)
        return -errno;
    if (bind(descriptor, &name.any, size) < 0 || listen(descriptor, options->backlog) < 0)
        return -errno;
    if (address->port == 0) {
        size = sizeof name;
        if (getsockname(descriptor, &name.any, &size) < 0)
            return -errno;
        address_from_socket(&name, address);
    }
    return 0;
}

int kernel_listen(struct address *address, const struct listen_options *options)
{
    int family = address->family == 6 ? AF_INET6 : AF_INET;
    int descriptor = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return -errno;
    int error = bind_and_listen(descriptor, address, options);
    if (error < 0) {
        close(descriptor);
        return error;
    }
    return descriptor;
}

/* A ring may still hold the file for a moment after the accepts on it have ended: whoever comes is
 * refused from now on even so. */
void kernel_listen_close(int descriptor)
{
    (void)shutdown(descriptor, SHUT_RDWR);
    close(descriptor);
}

int kernel_install(struct kernel *kernel, int descriptor, uint32_t slot)
{
    CHECK(slot < kernel->limits.reserved_slots);
    kernel->system_calls++;
    int result = io_uring_register_files_update(&kernel->ring, slot, &descriptor, 1);
    close(descriptor);
    return result < 0 ? result : 0;
}

/* The port is chosen when the socket connects: then it must differ only from those of connections
 * to the same peer, so that one address serves many peers. */
static int bind_local(int descriptor, const struct address *address)
{
    union socket_address name;
    socklen_t size = address_to_socket(address, &name);
    if (set_option(descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1) < 0 ||
        bind(descriptor, &name.any, size) < 0)
        return -errno;
    return 0;
}

/* The socket options must be set before the socket is a direct descriptor, so the socket is made
 * the ordinary way and moved into the table by the ring. */
void kernel_socket(struct kernel *kernel, int family, const struct listen_options *options,
                   uint64_t tag)
{
    struct install *install = malloc(sizeof *install);
    CHECK(install != NULL);
    install->tag = tag;
    install->own = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    kernel->system_calls++;
    int error = install->own < 0 ? -errno : 0;
    if (error == 0 && options != NULL)
        error = set_options(install->own, options);
    if (error == 0 && options != NULL && options->bind.family != 0)
        error = bind_local(install->own, &options->bind);
    struct io_uring_sqe *sqe = ring_entry(kernel, TAG_INSTALL | (uint64_t)(uintptr_t)install);
    if (error < 0) {
        if (install->own >= 0)
            close(install->own);
        install->own = error;
        io_uring_prep_nop(sqe);
    } else {
        install->descriptor = install->own;
        io_uring_prep_files_update(sqe, &install->descriptor, 1, (int)IORING_FILE_INDEX_ALLOC);
    }
}

void kernel_connect(struct kernel *kernel, uint32_t slot, const union socket_address *address,
                    socklen_t size, uint64_t tag)
{
    struct io_uring_sqe *sqe = ring_entry(kernel, tag);
    io_uring_prep_connect(sqe, (int)slot, &address->any, size);
    sqe->flags |= IOSQE_FIXED_FILE;
}

void kernel_poll(struct kernel *kernel, uint32_t slot, uint64_t tag)
{
    struct io_uring_sqe *sqe = ring_entry(kernel, tag);
    io_uring_prep_poll_add(sqe, (int)slot, POLLIN | POLLRDHUP);
    sqe->flags |= IOSQE_FIXED_FILE;
}

void kernel_receive(struct kernel *kernel, uint32_t slot, enum buffer_group group, bool multishot,
                    uint64_t tag)
{
    struct io_uring_sqe *sqe = ring_entry(kernel, tag);
    if (multishot)
        io_uring_prep_recv_multishot(sqe, (int)slot, NULL, 0, 0);
    else
        io_uring_prep_recv(sqe, (int)slot, NULL, 0, 0);
    sqe->flags |= IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
    sqe->buf_group = (uint16_t)group;
}

void kernel_send(struct kernel *kernel, uint32_t slot, const uint8_t *data, uint32_t size,
                 uint64_t tag)
{
    struct io_uring_sqe *sqe = ring_entry(kernel, tag);
    io_uring_prep_send(sqe, (int)slot, data, size, MSG_WAITALL | MSG_NOSIGNAL);
    sqe->flags |= IOSQE_FIXED_FILE;
}

void kernel_shutdown(struct kernel *kernel, uint32_t slot, uint64_t tag)
{
    struct io_uring_sqe *sqe = ring_entry(kernel, tag);
    io_uring_prep_shutdown(sqe, (int)slot, SHUT_WR);
    sqe->flags |= IOSQE_FIXED_FILE;
}

void kernel_cancel(struct kernel *kernel, uint64_t target, uint64_t tag)
{
    struct io_uring_sqe *sqe = ring_entry(kernel, tag);
    io_uring_prep_cancel64(sqe, target, 0);
}

void kernel_close(struct kernel *kernel, uint32_t slot, uint64_t tag)
{
    struct io_uring_sqe *sqe = ring_entry(kernel, tag);
    io_uring_prep_close_direct(sqe, slot);
}

void kernel_send_slot(struct kernel *kernel, uint32_t slot, struct kernel *to, uint64_t tag)
{
    struct io_uring_sqe *sqe = ring_entry(kernel, tag);
    io_uring_prep_rw(IORING_OP_MSG_RING, sqe, to->ring.ring_fd, NULL, 0, 0);
    sqe->addr = IORING_MSG_SEND_FD;
    sqe->addr3 = slot;
    sqe->file_index = IORING_FILE_INDEX_ALLOC;
    sqe->msg_ring_flags = IORING_MSG_RING_CQE_SKIP; /* the message queue tells the target */
}

void kernel_wake(struct kernel *from, struct kernel *to)
{
    if (from == to)
        return; /* the own loop looks at its queues before it waits */
    if (from == NULL) {
        uint64_t one = 1;
        ssize_t written = write(to->event, &one, sizeof one);
        (void)written; /* EAGAIN: the counter is full, so it is awake already */
        return;
    }
    struct io_uring_sqe *sqe = ring_entry(from, TAG_IGNORE);
    io_uring_prep_msg_ring(sqe, to->ring.ring_fd, 0, TAG_WAKE, 0);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
}

void kernel_file_open(struct kernel *kernel, const char *path, int flags, uint32_t mode,
                      uint64_t tag)
{
    struct io_uring_sqe *sqe = ring_entry(kernel, tag);
    io_uring_prep_openat(sqe, AT_FDCWD, path, flags | O_CLOEXEC, mode);
}

void kernel_file_read(struct kernel *kernel, int file, uint8_t *data, uint32_t size,
                      uint64_t offset, uint64_t tag)
{
    struct io_uring_sqe *sqe = ring_entry(kernel, tag);
    io_uring_prep_read(sqe, file, data, size, offset);
}

void kernel_file_write(struct kernel *kernel, int file, const uint8_t *data, uint32_t size,
                       uint64_t offset, uint64_t tag)
{
    struct io_uring_sqe *sqe = ring_entry(kernel, tag);
    io_uring_prep_write(sqe, file, data, size, offset);
}

void kernel_file_write_through(struct kernel *kernel, int file, const uint8_t *data, uint32_t size,
                               uint64_t offset, uint64_t tag)
{
    struct io_uring_sqe *sqe = ring_entry(kernel, tag);
    io_uring_prep_write(sqe, file, data, size, offset);
    sqe->rw_flags = RWF_DSYNC;
}

void kernel_file_sync(struct kernel *kernel, int file, uint64_t tag)
{
    struct io_uring_sqe *sqe = ring_entry(kernel, tag);
    io_uring_prep_fsync(sqe, file, IORING_FSYNC_DATASYNC);
}

void kernel_file_close(struct kernel *kernel, int file, uint64_t tag)
{
    struct io_uring_sqe *sqe = ring_entry(kernel, tag);
    io_uring_prep_close(sqe, file);
}

void kernel_work(struct kernel *kernel, enum work_kind kind, void (*function)(void *argument),
                 void *argument, uint64_t tag)
{
    struct work *work = malloc(sizeof *work);
    CHECK(work != NULL);
    work->kernel = kernel;
    work->function = function;
    work->argument = argument;
    work->tag = tag;
    kernel->works++;
    helper_submit(kind, work);
}
