#include "bench/reader/line.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HOST_SIZE 256u

enum status line_fail(struct line *line, enum status status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): va_start is right above
    (void)vsnprintf(line->error, sizeof line->error, format, arguments);
    va_end(arguments);
    return status;
}

uint64_t line_now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Waits for events; STATUS_NOT_FOUND when the time is over. */
static enum status wait_for(struct line *line, short events, uint64_t until_ms)
{
    for (;;) {
        uint64_t now_ms = line_now_ms();
        struct pollfd entry = {.fd = line->socket, .events = events};
        int count = poll(&entry, 1, until_ms > now_ms ? (int)(until_ms - now_ms) : 0);
        if (count > 0)
            return STATUS_OK;
        if (count == 0)
            return line_fail(line, STATUS_NOT_FOUND, "no answer in time");
        if (errno != EINTR)
            return line_fail(line, STATUS_SYSTEM, "waiting: %s", strerror(errno));
    }
}

static enum status connect_to(struct line *line, const struct addrinfo *info)
{
    int one = 1;
    int error = 0;
    socklen_t size = sizeof error;

    line->socket = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (line->socket < 0)
        return line_fail(line, STATUS_SYSTEM, "opening a socket: %s", strerror(errno));
    (void)setsockopt(line->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(line->socket, info->ai_addr, info->ai_addrlen) == 0)
        return STATUS_OK;
    if (errno != EINPROGRESS)
        return line_fail(line, STATUS_SYSTEM, "connecting: %s", strerror(errno));
    enum status status = wait_for(line, POLLOUT, line_now_ms() + line->timeout_ms);
    if (status != STATUS_OK)
        return line_fail(line, status, "connecting: no answer in time");
    if (getsockopt(line->socket, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        error = errno;
    if (error != 0)
        return line_fail(line, STATUS_SYSTEM, "connecting: %s", strerror(error));
    return STATUS_OK;
}

enum status line_open(struct line *line, const char *address)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    const char *colon = strrchr(address, ':');
    const char *from = address;
    struct addrinfo *found;
    char host[HOST_SIZE];

    line->socket = -1;
    size_t size = colon != NULL ? (size_t)(colon - address) : 0;
    if (size >= 2 && address[0] == '[' && address[size - 1] == ']') {
        from = address + 1;
        size -= 2;
    }
    if (size == 0 || size >= sizeof host)
        return line_fail(line, STATUS_INVALID, "%s is no address; expected HOST:PORT", address);
    memcpy(host, from, size);
    host[size] = '\0';
    int error = getaddrinfo(host, colon + 1, &hints, &found);
    if (error != 0)
        return line_fail(line, STATUS_NOT_FOUND, "%s: %s", address, gai_strerror(error));
    enum status status = STATUS_NOT_FOUND;
    for (const struct addrinfo *info = found; info != NULL; info = info->ai_next) {
        line_close(line);
        status = connect_to(line, info);
        if (status == STATUS_OK)
            break;
    }
    freeaddrinfo(found);
    return status;
}

void line_close(struct line *line)
{
    if (line->socket >= 0)
        (void)close(line->socket);
    line->socket = -1;
}

static void trace(const struct line *line, const char *direction, const uint8_t *data, size_t size)
{
    if (!line->trace)
        return;
    (void)fprintf(stderr, "%s ", direction);
    for (size_t i = 0; i < size; i++)
        (void)fprintf(stderr, "%02X", data[i]);
    (void)fputc('\n', stderr);
}

enum status line_send(struct line *line, const uint8_t *data, size_t size)
{
    uint64_t until_ms = line_now_ms() + line->timeout_ms;

    trace(line, ">", data, size);
    while (size > 0) {
        ssize_t sent = send(line->socket, data, size, MSG_NOSIGNAL);
        if (sent > 0) {
            data += sent;
            size -= (size_t)sent;
        } else if (errno == EAGAIN || errno == EINTR) {
            enum status status = wait_for(line, POLLOUT, until_ms);
            if (status != STATUS_OK)
                return status;
        } else {
            return line_fail(line, STATUS_SYSTEM, "the connection broke: %s", strerror(errno));
        }
    }
    return STATUS_OK;
}

enum status line_receive(struct line *line, uint64_t until_ms, uint8_t *data, size_t capacity,
                         size_t *size)
{
    for (;;) {
        enum status status = wait_for(line, POLLIN, until_ms);
        if (status != STATUS_OK)
            return status;
        ssize_t received = recv(line->socket, data, capacity, 0);
        if (received > 0) {
            *size = (size_t)received;
            trace(line, "<", data, *size);
            return STATUS_OK;
        }
        if (received == 0)
            return line_fail(line, STATUS_SYSTEM, "the connection was closed by the other side");
        if (errno != EAGAIN && errno != EINTR)
            return line_fail(line, STATUS_SYSTEM, "the connection broke: %s", strerror(errno));
    }
}
