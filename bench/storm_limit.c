/* The bare limit of a storm: receives datagrams, or takes connections that say one thing and end,
 * writes a record for each to a file and syncs it, a group at a time, and does nothing else: it
 * doesn't look at them, has no checksum and no queue. Connections are served while a second thread
 * writes; datagrams wait in their socket. It says what this machine and this disk can record at
 * best; bench/storm runs it beside cencd.
 *
 *   storm_limit udp|tcp PORT FILE [OPTION...]      (127.0.0.1; runs until SIGTERM)
 *     --record N       bytes written for each datagram      (default 256)
 *     --batch N        datagrams of one group at most       (default 16384)
 *     --delay-ms N     each sync takes so much longer       (default 0)
 *
 * At the end it writes one line of JSON; times are those of CLOCK_MONOTONIC. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench/load/histogram.h"

#define DATAGRAM_BYTES 512u
#define RECEIVE_BYTES  (80 << 20)
#define EVENTS         256
#define PATIENCE_MS    20 /* so that a signal is seen */
#define MOST_RECORD    65536u

static struct {
    bool tcp;
    unsigned port;
    const char *path;
    unsigned record_bytes;
    unsigned batch;
    unsigned delay_ms;
} options = {.record_bytes = 256, .batch = 16384};

static struct {
    uint64_t records;
    uint64_t syncs;
    uint64_t calls;
    uint64_t file_calls;
    uint64_t first_ns;
    uint64_t last_ns;
    uint32_t overruns;
    struct histogram latencies; /* microseconds */
} seen;

static volatile sig_atomic_t ending;

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void on_signal(int number)
{
    (void)number;
    ending = 1;
}

static struct sockaddr_in own_address(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static int open_datagrams(void)
{
    struct sockaddr_in address = own_address();
    struct timeval patience = {.tv_usec = PATIENCE_MS * 1000};
    int one = 1;
    int bytes = RECEIVE_BYTES;
    int listening = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (setsockopt(listening, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0)
        (void)setsockopt(listening, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    if (setsockopt(listening, SOL_SOCKET, SO_RXQ_OVFL, &one, sizeof one) != 0 ||
        setsockopt(listening, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0 ||
        bind(listening, (struct sockaddr *)&address, sizeof address) != 0)
        die("bind");
    return listening;
}

/* ---- receiving ---- */

struct slot {
    uint8_t data[DATAGRAM_BYTES];
    _Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(uint32_t))];
    struct iovec iovec;
};

static struct slot *slots;
static struct mmsghdr *messages;

/* What is written in one go. */
struct group {
    uint8_t *records;
    uint64_t *received_ns;
    unsigned count;
};

static struct group groups[2];
static struct group *filling = &groups[0];

static void arm(unsigned index)
{
    struct slot *slot = &slots[index];

    slot->iovec = (struct iovec){.iov_base = slot->data, .iov_len = sizeof slot->data};
    messages[index].msg_hdr = (struct msghdr){.msg_iov = &slot->iovec,
                                              .msg_iovlen = 1,
                                              .msg_control = slot->control,
                                              .msg_controllen = sizeof slot->control};
}

static void note_overruns(struct msghdr *header)
{
    struct cmsghdr *control = CMSG_FIRSTHDR(header);

    if (control != NULL && control->cmsg_level == SOL_SOCKET && control->cmsg_type == SO_RXQ_OVFL)
        memcpy(&seen.overruns, CMSG_DATA(control), sizeof seen.overruns);
}

static void note_received(const uint8_t *data, size_t size, uint64_t now)
{
    uint8_t *record = filling->records + (size_t)filling->count * options.record_bytes;

    memcpy(record, data, size < options.record_bytes ? size : options.record_bytes);
    filling->received_ns[filling->count++] = now;
    if (seen.first_ns == 0)
        seen.first_ns = now;
}

/* What waits, up to a batch; at least one, unless the patience ends. */
static void receive(int listening)
{
    for (unsigned i = 0; i < options.batch; i++)
        arm(i);
    int got = recvmmsg(listening, messages, options.batch, MSG_WAITFORONE, NULL);
    seen.calls++;
    if (got <= 0) {
        if (got < 0 && errno != EAGAIN && errno != EINTR)
            die("recvmmsg");
        return;
    }
    uint64_t now = now_ns();
    note_overruns(&messages[got - 1].msg_hdr);
    for (unsigned i = 0; i < (unsigned)got; i++)
        note_received(slots[i].data, messages[i].msg_len, now);
}

/* ---- connections ---- */

static int poller;

static int open_listener(void)
{
    struct sockaddr_in address = own_address();
    struct epoll_event event = {.events = EPOLLIN};
    int one = 1;
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    poller = epoll_create1(EPOLL_CLOEXEC);
    event.data.fd = listening;
    if (setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(listening, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listening, SOMAXCONN) != 0 ||
        epoll_ctl(poller, EPOLL_CTL_ADD, listening, &event) != 0)
        die("listen");
    return listening;
}

static void take_connections(int listening)
{
    for (;;) {
        struct epoll_event event = {.events = EPOLLIN};
        int device = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        seen.calls++;
        if (device < 0)
            return;
        event.data.fd = device;
        seen.calls++;
        if (epoll_ctl(poller, EPOLL_CTL_ADD, device, &event) != 0)
            die("epoll_ctl");
    }
}

/* What it says comes in one piece. */
static void hear(int device, uint64_t now)
{
    uint8_t data[DATAGRAM_BYTES];
    ssize_t size = recv(device, data, sizeof data, 0);

    seen.calls++;
    if (size > 0) {
        note_received(data, (size_t)size, now);
    } else if (size == 0 || (errno != EAGAIN && errno != EINTR)) {
        seen.calls++;
        (void)close(device);
    }
}

static void serve(int listening)
{
    struct epoll_event events[EVENTS];
    int ready = epoll_wait(poller, events, EVENTS, PATIENCE_MS);
    uint64_t now = now_ns();

    seen.calls++;
    for (int i = 0; i < ready; i++) {
        if (events[i].data.fd == listening)
            take_connections(listening);
        else
            hear(events[i].data.fd, now);
    }
}

/* ---- recording ---- */

static void write_all(int file, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t put = write(file, bytes, size);
        seen.file_calls++;
        if (put <= 0)
            die("write");
        bytes += put;
        size -= (size_t)put;
    }
}

static void commit(int file, struct group *group)
{
    struct timespec delay = {.tv_sec = options.delay_ms / 1000,
                             .tv_nsec = options.delay_ms % 1000 * 1000000L};

    write_all(file, group->records, (size_t)group->count * options.record_bytes);
    if (options.delay_ms > 0)
        (void)nanosleep(&delay, NULL);
    if (fdatasync(file) != 0)
        die("fdatasync");
    seen.file_calls++;
    seen.last_ns = now_ns();
    seen.syncs++;
    seen.records += group->count;
    for (unsigned i = 0; i < group->count; i++)
        histogram_add(&seen.latencies, (seen.last_ns - group->received_ns[i]) / 1000);
    group->count = 0;
}

/* ---- the second thread ---- */

static struct {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct group *group; /* to be written; NULL: none */
    int file;
    bool ending;
} writer = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void *write_groups(void *unused)
{
    (void)unused;
    (void)pthread_mutex_lock(&writer.lock);
    for (;;) {
        while (writer.group == NULL && !writer.ending)
            (void)pthread_cond_wait(&writer.changed, &writer.lock);
        if (writer.group == NULL)
            break;
        (void)pthread_mutex_unlock(&writer.lock);
        commit(writer.file, writer.group);
        (void)pthread_mutex_lock(&writer.lock);
        writer.group = NULL;
        (void)pthread_cond_signal(&writer.changed);
    }
    (void)pthread_mutex_unlock(&writer.lock);
    return NULL;
}

/* The group that is filling is written as soon as the one before is; there must be room. */
static void hand_over(bool must)
{
    (void)pthread_mutex_lock(&writer.lock);
    while (must && writer.group != NULL)
        (void)pthread_cond_wait(&writer.changed, &writer.lock);
    if (filling->count > 0 && writer.group == NULL) {
        writer.group = filling;
        filling = filling == &groups[0] ? &groups[1] : &groups[0];
        (void)pthread_cond_signal(&writer.changed);
    }
    (void)pthread_mutex_unlock(&writer.lock);
}

static void storm_of_connections(int listening, int file)
{
    writer.file = file;
    if (pthread_create(&writer.thread, NULL, write_groups, NULL) != 0)
        die("a thread");
    while (!ending) {
        serve(listening);
        hand_over(filling->count + EVENTS > options.batch);
    }
    hand_over(true);
    (void)pthread_mutex_lock(&writer.lock);
    writer.ending = true;
    (void)pthread_cond_signal(&writer.changed);
    (void)pthread_mutex_unlock(&writer.lock);
    (void)pthread_join(writer.thread, NULL);
}

static void storm_of_datagrams(int listening, int file)
{
    while (!ending) {
        receive(listening);
        if (filling->count > 0)
            commit(file, filling);
    }
}

/* ---- main ---- */

static void report(void)
{
    struct rusage usage;

    (void)getrusage(RUSAGE_SELF, &usage);
    uint64_t cpu_us = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000u +
                      (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    printf("{\"records\": %" PRIu64 ", \"syncs\": %" PRIu64 ", \"system_calls\": %" PRIu64
           ", \"overruns\": %" PRIu32 ", \"first_ns\": %" PRIu64 ", \"last_ns\": %" PRIu64
           ", \"cpu_us\": %" PRIu64 ", \"p50_ms\": %.3f, \"p99_ms\": %.3f}\n",
           seen.records, seen.syncs, seen.calls + seen.file_calls, seen.overruns, seen.first_ns,
           seen.last_ns, cpu_us, (double)histogram_quantile(&seen.latencies, 0.5) / 1000,
           (double)histogram_quantile(&seen.latencies, 0.99) / 1000);
}

static unsigned number(const char *text, unsigned most)
{
    char *end = NULL;
    unsigned long value = strtoul(text, &end, 10);

    if (end == text || *end != '\0' || value > most) {
        (void)fprintf(stderr, "storm_limit: %s is no number up to %u\n", text, most);
        exit(2);
    }
    return (unsigned)value;
}

static void parse(int count, char **arguments)
{
    if (count < 4 || count % 2 != 0 ||
        (strcmp(arguments[1], "udp") != 0 && strcmp(arguments[1], "tcp") != 0)) {
        (void)fputs(
            "usage: storm_limit udp|tcp PORT FILE [--record N] [--batch N] [--delay-ms N]\n",
            stderr);
        exit(2);
    }
    options.tcp = strcmp(arguments[1], "tcp") == 0;
    options.port = number(arguments[2], 65535);
    options.path = arguments[3];
    for (int i = 4; i < count; i += 2) {
        if (strcmp(arguments[i], "--record") == 0)
            options.record_bytes = number(arguments[i + 1], MOST_RECORD);
        else if (strcmp(arguments[i], "--batch") == 0)
            options.batch = number(arguments[i + 1], 65536);
        else if (strcmp(arguments[i], "--delay-ms") == 0)
            options.delay_ms = number(arguments[i + 1], 10000);
    }
    if (options.batch == 0 || options.record_bytes == 0)
        options.batch = options.record_bytes = 1;
    if (options.tcp && options.batch < EVENTS)
        options.batch = EVENTS;
}

int main(int count, char **arguments)
{
    struct sigaction action = {.sa_handler = on_signal};

    parse(count, arguments);
    (void)sigaction(SIGTERM, &action, NULL);
    slots = calloc(options.batch, sizeof *slots);
    messages = calloc(options.batch, sizeof *messages);
    for (int i = 0; i < 2; i++) {
        groups[i].records = calloc(options.batch, options.record_bytes);
        groups[i].received_ns = calloc(options.batch, sizeof *groups[i].received_ns);
        if (groups[i].records == NULL || groups[i].received_ns == NULL)
            die("memory");
    }
    int file = open(options.path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0640);
    if (slots == NULL || messages == NULL || file < 0)
        die(options.path);
    int listening = options.tcp ? open_listener() : open_datagrams();
    printf("ready\n");
    (void)fflush(stdout);
    if (options.tcp)
        storm_of_connections(listening, file);
    else
        storm_of_datagrams(listening, file);
    report();
    (void)close(listening);
    (void)close(file);
    free(slots);
    free(messages);
    for (int i = 0; i < 2; i++) {
        free(groups[i].records);
        free(groups[i].received_ns);
    }
    return 0;
}
