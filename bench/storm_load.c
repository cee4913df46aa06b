/* A storm: last gasps of many devices on loopback, as fast as they go or at a given rate.
 *
 *   storm_load udp|tcp PORT [OPTION...]
 *     --count N     last gasps, of as many serials           (default 100000)
 *     --first N     the first serial                         (default 0)
 *     --rate N      a second; 0: as fast as they go          (default 0)
 *     --clients N   tcp: connections at the same time        (default 200)
 *     --answers     udp: text that is answered, and waits for the answers
 *     --times FILE  udp: when each was sent, into this file: 8 bytes each, ns
 *
 * Serials are numbers of 16 digits. A gasp is an EventNotification of DLMS/COSEM, or with --answers
 * the text PWRFAIL,<serial>. Over tcp a device connects, says its gasp, shuts its side and waits
 * for the server's end. Answers must come in the order of the gasps.
 *
 * Writes one line of JSON; times are those of CLOCK_MONOTONIC. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/sock_diag.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench/load/histogram.h"

#define BATCH          64u
#define GASP_BYTES     64u
#define SERIAL_DIGITS  16u
#define PATIENCE_MS    20000
#define SOURCES        16u /* addresses 127.0.0.2 and on: each has its own ports */
#define MOST_GASPS     10000000u
#define ANSWER_BUFFERS (64 << 20)

static struct {
    bool tcp;
    bool answers;
    uint16_t port;
    unsigned count;
    unsigned first;
    unsigned rate;
    unsigned clients;
    const char *times; /* NULL: nobody wants to know */
} options = {.count = 100000, .clients = 200};

static struct {
    uint64_t start_ns;
    uint64_t end_ns;
    unsigned sent;
    unsigned failed;
    _Atomic unsigned answered;
    unsigned unheard;           /* answers for which the socket had no room */
    struct histogram latencies; /* of answers, microseconds */
    uint64_t *sent_ns;          /* of each gasp, if somebody wants to know */
} seen;

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "storm_load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static struct sockaddr_in server_address(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(options.port)};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/* ---- gasps ---- */

/* EventNotification with the time of the event and the device's name, whose 16 digits come last. */
static const uint8_t dlms[] = {
    0x00, 0x01, 0x00, 0x67, 0x00, 0x66, 0x00, 0x2a, 0xc2, 0x09, 0x0c, 0x07,
    0xe7, 0x07, 0x06, 0x04, 0x0a, 0x36, 0x26, 0x00, 0xff, 0x88, 0x80, 0x00,
    0x01, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00, 0x02, 0x09, 0x10,
};

/* Returns its size. */
static size_t make_gasp(unsigned index, uint8_t gasp[static GASP_BYTES])
{
    char serial[SERIAL_DIGITS + 8];
    const void *head = options.answers ? (const void *)"PWRFAIL," : dlms;
    size_t size = options.answers ? strlen("PWRFAIL,") : sizeof dlms;

    (void)snprintf(serial, sizeof serial, "%0*u", (int)SERIAL_DIGITS, options.first + index);
    memcpy(gasp, head, size);
    memcpy(gasp + size, serial, SERIAL_DIGITS);
    return size + SERIAL_DIGITS;
}

/* How many may have begun by now; sleeps a little if that is none. */
static unsigned due(unsigned begun)
{
    struct timespec pause = {.tv_nsec = 200000};
    uint64_t allowed = options.count;

    if (options.rate > 0)
        allowed = (now_ns() - seen.start_ns) * options.rate / 1000000000u + 1;
    if (allowed > options.count)
        allowed = options.count;
    if (allowed <= begun)
        (void)nanosleep(&pause, NULL);
    return allowed <= begun ? 0 : (unsigned)allowed - begun;
}

/* ---- datagrams ---- */

static void *hear_answers(void *argument)
{
    int device = *(int *)argument;
    uint8_t bytes[GASP_BYTES];

    for (unsigned heard = 0; heard < options.count; heard++) {
        if (recv(device, bytes, sizeof bytes, 0) < 0)
            break; /* nothing came for a while */
        histogram_add(&seen.latencies, (now_ns() - seen.sent_ns[heard]) / 1000);
        atomic_fetch_add(&seen.answered, 1);
    }
    return NULL;
}

static unsigned send_batch(int device, unsigned from, unsigned count)
{
    static uint8_t gasps[BATCH][GASP_BYTES];
    struct iovec iovecs[BATCH];
    struct mmsghdr messages[BATCH];

    count = count < BATCH ? count : BATCH;
    memset(messages, 0, sizeof messages);
    for (unsigned i = 0; i < count; i++) {
        iovecs[i].iov_base = gasps[i];
        iovecs[i].iov_len = make_gasp(from + i, gasps[i]);
        messages[i].msg_hdr.msg_iov = &iovecs[i];
        messages[i].msg_hdr.msg_iovlen = 1;
        if (seen.sent_ns != NULL)
            seen.sent_ns[from + i] = now_ns();
    }
    int sent = sendmmsg(device, messages, count, 0);
    if (sent < 0 && errno != EINTR && errno != EAGAIN && errno != ENOBUFS)
        die("sendmmsg");
    return sent > 0 ? (unsigned)sent : 0;
}

static void write_times(void)
{
    FILE *file = fopen(options.times, "we");

    if (file == NULL || seen.sent_ns == NULL ||
        fwrite(seen.sent_ns, sizeof *seen.sent_ns, options.count, file) != options.count ||
        fclose(file) != 0)
        die(options.times);
}

static unsigned drops_of(int device)
{
    uint32_t numbers[SK_MEMINFO_VARS] = {0};
    socklen_t size = sizeof numbers;

    if (getsockopt(device, SOL_SOCKET, SO_MEMINFO, numbers, &size) != 0)
        die("getsockopt");
    return numbers[SK_MEMINFO_DROPS];
}

static void storm_of_datagrams(void)
{
    struct sockaddr_in address = server_address();
    struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    int bytes = ANSWER_BUFFERS;
    pthread_t listener = 0;
    int device = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (connect(device, (struct sockaddr *)&address, sizeof address) != 0 ||
        setsockopt(device, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0)
        die("connect");
    if (setsockopt(device, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0)
        (void)setsockopt(device, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    seen.start_ns = now_ns();
    if (options.answers || options.times != NULL)
        seen.sent_ns = calloc(options.count, sizeof *seen.sent_ns);
    if (options.answers &&
        (seen.sent_ns == NULL || pthread_create(&listener, NULL, hear_answers, &device) != 0))
        die("listener");
    while (seen.sent < options.count) {
        unsigned number = due(seen.sent);
        if (number > 0)
            seen.sent += send_batch(device, seen.sent, number);
    }
    seen.end_ns = now_ns();
    if (options.answers)
        (void)pthread_join(listener, NULL);
    seen.unheard = drops_of(device);
    if (options.times != NULL)
        write_times();
    free(seen.sent_ns);
    (void)close(device);
}

/* ---- connections ---- */

static int dial(int poller, unsigned index)
{
    struct sockaddr_in to = server_address();
    struct sockaddr_in from = {.sin_family = AF_INET};
    struct epoll_event event = {.events = EPOLLOUT};
    int one = 1;
    int device = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + index % SOURCES);
    event.data.u64 = (uint64_t)index << 32 | (uint32_t)device;
    if (device < 0 ||
        setsockopt(device, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one) != 0 ||
        bind(device, (struct sockaddr *)&from, sizeof from) != 0 ||
        (connect(device, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS) ||
        epoll_ctl(poller, EPOLL_CTL_ADD, device, &event) != 0)
        die("a connection");
    return device;
}

/* Says the gasp, then waits for the server's end. True: the device is done. */
static bool go_on(int poller, const struct epoll_event *event)
{
    int device = (int)(uint32_t)event->data.u64;
    struct epoll_event wait = {.events = EPOLLIN, .data = event->data};
    uint8_t bytes[GASP_BYTES];

    if ((event->events & (EPOLLERR | EPOLLIN | EPOLLHUP)) == 0) {
        size_t size = make_gasp((unsigned)(event->data.u64 >> 32), bytes);
        if (send(device, bytes, size, MSG_NOSIGNAL) == (ssize_t)size) {
            (void)shutdown(device, SHUT_WR);
            (void)epoll_ctl(poller, EPOLL_CTL_MOD, device, &wait);
            seen.sent++;
            return false;
        }
        seen.failed++;
    } else if ((event->events & EPOLLERR) != 0) {
        seen.failed++;
    } else if (recv(device, bytes, sizeof bytes, 0) > 0) {
        return false;
    }
    (void)close(device);
    return true;
}

static void storm_of_connections(void)
{
    struct epoll_event events[BATCH];
    unsigned begun = 0;
    unsigned open = 0;
    int poller = epoll_create1(EPOLL_CLOEXEC);

    seen.start_ns = now_ns();
    while (begun < options.count || open > 0) {
        unsigned room = options.clients - open;
        unsigned number = begun < options.count && room > 0 ? due(begun) : 0;
        for (unsigned i = 0; i < number && i < room; i++, open++)
            (void)dial(poller, begun++);
        int ready = epoll_wait(poller, events, BATCH, begun < options.count ? 1 : PATIENCE_MS);
        for (int i = 0; i < ready; i++)
            open -= go_on(poller, &events[i]);
        if (ready == 0 && begun == options.count) {
            seen.failed += open;
            break;
        }
    }
    seen.end_ns = now_ns();
    (void)close(poller);
}

/* ---- main ---- */

static unsigned number(const char *text, unsigned least, unsigned most)
{
    char *end = NULL;
    unsigned long value = strtoul(text, &end, 10);

    if (end == text || *end != '\0' || value < least || value > most) {
        (void)fprintf(stderr, "storm_load: %s is no number of %u..%u\n", text, least, most);
        exit(2);
    }
    return (unsigned)value;
}

static _Noreturn void refuse(void)
{
    (void)fputs("usage: storm_load udp|tcp PORT [--count N] [--first N] [--rate N] [--clients N] "
                "[--answers] [--times FILE]\n",
                stderr);
    exit(2);
}

static void parse(int count, char **arguments)
{
    if (count < 3 || (strcmp(arguments[1], "udp") != 0 && strcmp(arguments[1], "tcp") != 0))
        refuse();
    options.tcp = strcmp(arguments[1], "tcp") == 0;
    options.port = (uint16_t)number(arguments[2], 1, 65535);
    for (int i = 3; i < count; i++) {
        const char *name = arguments[i];
        if (strcmp(name, "--answers") == 0) {
            options.answers = true;
            continue;
        }
        if (i + 1 == count)
            refuse();
        const char *value = arguments[++i];
        if (strcmp(name, "--count") == 0)
            options.count = number(value, 1, MOST_GASPS);
        else if (strcmp(name, "--first") == 0)
            options.first = number(value, 0, UINT32_MAX - MOST_GASPS);
        else if (strcmp(name, "--rate") == 0)
            options.rate = number(value, 0, 100000000);
        else if (strcmp(name, "--clients") == 0)
            options.clients = number(value, 1, 10000);
        else if (strcmp(name, "--times") == 0)
            options.times = value;
        else
            refuse();
    }
}

int main(int count, char **arguments)
{
    parse(count, arguments);
    if (options.tcp)
        storm_of_connections();
    else
        storm_of_datagrams();
    printf(
        "{\"sent\": %u, \"failed\": %u, \"answered\": %u, \"unheard\": %u, \"start_ns\": %" PRIu64
        ", \"end_ns\": %" PRIu64 ", \"answer_p50_ms\": %.3f, \"answer_p99_ms\": %.3f}\n",
        seen.sent, seen.failed, atomic_load(&seen.answered), seen.unheard, seen.start_ns,
        seen.end_ns, (double)histogram_quantile(&seen.latencies, 0.5) / 1000,
        (double)histogram_quantile(&seen.latencies, 0.99) / 1000);
    return 0;
}
