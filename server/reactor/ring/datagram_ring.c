/* kernel.h's datagram sockets: multishot recvmsg into provided buffers, sendmsg with the source
 * address chosen by control message.
 *
 * How a received buffer is laid out (io_uring_prep_recvmsg_multishot(3)): struct
 * io_uring_recvmsg_out, NAME_SIZE bytes for the peer's address, CONTROL_SIZE bytes of control
 * messages, the payload. Nothing in it is promised to be aligned: it is copied out. */
#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "server/base/check.h"
#include "server/reactor/ring/ring.h"

#define NAME_SIZE    32u
#define CONTROL_SIZE (KERNEL_DATAGRAM_OVERHEAD - NAME_SIZE - sizeof(struct io_uring_recvmsg_out))

_Static_assert(sizeof(union socket_address) <= NAME_SIZE, "any peer's address fits");
_Static_assert(CONTROL_SIZE >= CMSG_SPACE(sizeof(struct in6_pktinfo)) +
                                   CMSG_SPACE(sizeof(uint32_t)) +
                                   CMSG_SPACE(sizeof(struct timespec)),
               "address, drop counter and time fit");

struct outgoing {
    struct msghdr message;
    struct iovec data;
    union socket_address to;
    union {
        uint64_t align;
        uint8_t bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
    } control;
};
_Static_assert(sizeof(struct outgoing) <= sizeof((struct kernel_outgoing *)0)->workspace,
               "a send's own memory has a fixed size");

/* ---- sockets ---- */

static int switch_on(int socket, int level, int name)
{
    int on = 1;
    return setsockopt(socket, level, name, &on, sizeof on);
}

/* Both count half of what the kernel keeps: it doubles the number and gives back the double. */
static uint32_t set_buffer(int socket, uint32_t wanted)
{
    int size = wanted > INT32_MAX / 2 ? INT32_MAX / 2 : (int)wanted;
    if (wanted > 0 && setsockopt(socket, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
        (void)!setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    int granted = 0;
    socklen_t length = sizeof granted;
    if (getsockopt(socket, SOL_SOCKET, SO_RCVBUF, &granted, &length) < 0 || granted < 0)
        return 0;
    return (uint32_t)granted / 2;
}

static int set_up(int socket, struct address *address)
{
    union socket_address name;
    socklen_t size = address_to_socket(address, &name);
    bool is_v6 = address->family == 6;
    if (switch_on(socket, SOL_SOCKET, SO_RXQ_OVFL) < 0 ||
        switch_on(socket, SOL_SOCKET, SO_TIMESTAMPNS) < 0 ||
        switch_on(socket, is_v6 ? IPPROTO_IPV6 : IPPROTO_IP,
                  is_v6 ? IPV6_RECVPKTINFO : IP_PKTINFO) < 0 ||
        bind(socket, &name.any, size) < 0)
        return -errno;
    if (address->port == 0) {
        size = sizeof name;
        if (getsockname(socket, &name.any, &size) < 0)
            return -errno;
        address->port = ntohs(is_v6 ? name.v6.sin6_port : name.v4.sin_port);
    }
    return 0;
}

int kernel_datagram_open(struct address *address, uint32_t receive_bytes, uint32_t *granted_bytes)
{
    int family = address->family == 6 ? AF_INET6 : AF_INET;
    int made = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (made < 0)
        return -errno;
    *granted_bytes = set_buffer(made, receive_bytes);
    int error = set_up(made, address);
    if (error < 0) {
        close(made);
        return error;
    }
    return made;
}

void kernel_datagram_close(int socket)
{
    close(socket);
}

uint32_t kernel_datagram_drops(int socket)
{
    uint32_t values[SK_MEMINFO_VARS] = {0};
    socklen_t size = sizeof values;
    if (getsockopt(socket, SOL_SOCKET, SO_MEMINFO, values, &size) < 0)
        return 0;
    return values[SK_MEMINFO_DROPS];
}

/* ---- receiving ---- */

void kernel_receive_datagrams(struct kernel *kernel, int socket, uint64_t tag)
{
    struct io_uring_sqe *sqe = ring_entry(kernel, tag);
    kernel->datagram_shape.msg_namelen = NAME_SIZE;
    kernel->datagram_shape.msg_controllen = CONTROL_SIZE;
    io_uring_prep_recvmsg_multishot(sqe, socket, &kernel->datagram_shape, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = BUFFERS_DATAGRAM;
}

static void read_v4_info(const uint8_t *data, struct address *local)
{
    struct in_pktinfo info;
    memcpy(&info, data, sizeof info);
    *local = (struct address){.family = 4};
    memcpy(local->ip, &info.ipi_addr, sizeof info.ipi_addr);
}

static void read_v6_info(const uint8_t *data, struct address *local)
{
    struct in6_pktinfo info;
    union socket_address name = {.v6 = {.sin6_family = AF_INET6}};
    memcpy(&info, data, sizeof info);
    name.v6.sin6_addr = info.ipi6_addr;
    address_from_socket(&name, local);
}

static uint64_t read_time(const uint8_t *data)
{
    struct timespec time;
    memcpy(&time, data, sizeof time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static void read_control(const struct cmsghdr *head, const uint8_t *data, size_t size,
                         struct kernel_datagram *datagram)
{
    if (head->cmsg_level == IPPROTO_IP && head->cmsg_type == IP_PKTINFO &&
        size >= sizeof(struct in_pktinfo)) {
        read_v4_info(data, &datagram->local);
    } else if (head->cmsg_level == IPPROTO_IPV6 && head->cmsg_type == IPV6_PKTINFO &&
               size >= sizeof(struct in6_pktinfo)) {
        read_v6_info(data, &datagram->local);
    } else if (head->cmsg_level == SOL_SOCKET && head->cmsg_type == SO_RXQ_OVFL &&
               size >= sizeof datagram->drops) {
        memcpy(&datagram->drops, data, sizeof datagram->drops);
        datagram->counts_drops = true;
    } else if (head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_TIMESTAMPNS &&
               size >= sizeof(struct timespec)) {
        datagram->utc_ms = read_time(data);
    }
}

static void read_controls(const uint8_t *data, size_t size, struct kernel_datagram *datagram)
{
    struct cmsghdr head;
    while (size >= sizeof head) {
        memcpy(&head, data, sizeof head);
        if (head.cmsg_len < CMSG_LEN(0) || head.cmsg_len > size)
            return;
        read_control(&head, data + CMSG_LEN(0), head.cmsg_len - CMSG_LEN(0), datagram);
        size_t step = CMSG_ALIGN(head.cmsg_len);
        if (step >= size)
            return;
        data += step;
        size -= step;
    }
}

bool kernel_datagram_read(struct kernel *kernel, const struct completion *completion,
                          struct kernel_datagram *datagram)
{
    struct io_uring_recvmsg_out out;
    union socket_address name;
    memset(datagram, 0, sizeof *datagram);
    if (completion->result < (int32_t)KERNEL_DATAGRAM_OVERHEAD)
        return false;
    uint8_t *buffer = kernel_buffer(kernel, BUFFERS_DATAGRAM, (uint16_t)(completion->flags >> 16));
    memcpy(&out, buffer, sizeof out);
    if (out.namelen > NAME_SIZE || out.controllen > CONTROL_SIZE)
        return false;
    memset(&name, 0, sizeof name);
    memcpy(&name, buffer + sizeof out, out.namelen < sizeof name ? out.namelen : sizeof name);
    address_from_socket(&name, &datagram->peer);
    read_controls(buffer + sizeof out + NAME_SIZE, out.controllen, datagram);
    datagram->data = buffer + KERNEL_DATAGRAM_OVERHEAD;
    datagram->size = (uint32_t)completion->result - KERNEL_DATAGRAM_OVERHEAD;
    datagram->truncated = (out.flags & MSG_TRUNC) != 0;
    return true;
}

/* ---- sending ---- */

static struct in6_addr mapped(const struct address *address)
{
    struct in6_addr ip = {0};
    if (address->family == 6) {
        memcpy(&ip, address->ip, sizeof ip);
    } else {
        ip.s6_addr[10] = 0xff;
        ip.s6_addr[11] = 0xff;
        memcpy(&ip.s6_addr[12], address->ip, 4);
    }
    return ip;
}

/* An IPv4 peer of an IPv6 socket is written the IPv6 way. */
static socklen_t fill_name(const struct kernel_outgoing *outgoing, union socket_address *name)
{
    if (outgoing->family != 6)
        return address_to_socket(&outgoing->to, name);
    memset(name, 0, sizeof *name);
    name->v6.sin6_family = AF_INET6;
    name->v6.sin6_port = htons(outgoing->to.port);
    name->v6.sin6_addr = mapped(&outgoing->to);
    return sizeof name->v6;
}

static void fill_source(const struct kernel_outgoing *outgoing, struct msghdr *message)
{
    struct in_pktinfo v4 = {0};
    struct in6_pktinfo v6 = {0};
    bool is_v6 = outgoing->family == 6;
    size_t size = is_v6 ? sizeof v6 : sizeof v4;
    memcpy(&v4.ipi_spec_dst, outgoing->from.ip, sizeof v4.ipi_spec_dst);
    v6.ipi6_addr = mapped(&outgoing->from);
    message->msg_controllen = CMSG_SPACE(size);
    struct cmsghdr *head = CMSG_FIRSTHDR(message);
    head->cmsg_level = is_v6 ? IPPROTO_IPV6 : IPPROTO_IP;
    head->cmsg_type = is_v6 ? IPV6_PKTINFO : IP_PKTINFO;
    head->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(head), is_v6 ? (const void *)&v6 : (const void *)&v4, size);
}

void kernel_send_datagram(struct kernel *kernel, int socket, struct kernel_outgoing *outgoing,
                          uint64_t tag)
{
    struct outgoing *own = (struct outgoing *)(void *)outgoing->workspace;
    memset(own, 0, sizeof *own);
    own->data.iov_base = (void *)(uintptr_t)outgoing->data;
    own->data.iov_len = outgoing->size;
    own->message.msg_name = &own->to;
    own->message.msg_namelen = fill_name(outgoing, &own->to);
    own->message.msg_iov = &own->data;
    own->message.msg_iovlen = 1;
    if (outgoing->from.family != 0) {
        own->message.msg_control = own->control.bytes;
        fill_source(outgoing, &own->message);
    }
    struct io_uring_sqe *sqe = ring_entry(kernel, tag);
    io_uring_prep_sendmsg(sqe, socket, &own->message, MSG_NOSIGNAL);
}
