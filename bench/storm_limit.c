/* The bare limit of a storm: receives datagrams, writes a record for each to a file and syncs it, a
 * group at a time, and does nothing else: it doesn't look at them, has no checksum, no queue, no
 * second thread. It says what this machine and this disk can record at best; bench/storm runs it
 * beside cencd.
 *
 *   storm_limit PORT FILE [OPTION...]      (127.0.0.1; runs until SIGTERM)
 *     --record N       bytes written for each datagram      (default 256)
 *     --batch N        datagrams of one group at most       (default 16384)
 *     --delay-ms N     each sync takes so much longer       (default 0)
 *
 * At the end it writes one line of JSON; times are those of CLOCK_MONOTONIC. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench/load/histogram.h"

#define DATAGRAM_BYTES 512u
#define RECEIVE_BYTES  (80 << 20)
#define MOST_RECORD    65536u

static struct {
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

static int open_socket(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};
    struct timeval patience = {.tv_usec = 20000}; /* so that a signal is seen */
    int one = 1;
    int bytes = RECEIVE_BYTES;
    int listening = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
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
    uint64_t received_ns;
};

static struct slot *slots;
static struct mmsghdr *messages;
static uint8_t *records;

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

/* What waits, up to a batch; at least one, unless the patience ends. */
static unsigned receive(int listening)
{
    for (unsigned i = 0; i < options.batch; i++)
        arm(i);
    int got = recvmmsg(listening, messages, options.batch, MSG_WAITFORONE, NULL);
    seen.calls++;
    if (got <= 0) {
        if (got < 0 && errno != EAGAIN && errno != EINTR)
            die("recvmmsg");
        return 0;
    }
    uint64_t now = now_ns();
    if (seen.first_ns == 0)
        seen.first_ns = now;
    note_overruns(&messages[got - 1].msg_hdr);
    for (int i = 0; i < got; i++)
        slots[i].received_ns = now;
    return (unsigned)got;
}

/* ---- recording ---- */

static void write_all(int file, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t put = write(file, bytes, size);
        seen.calls++;
        if (put <= 0)
            die("write");
        bytes += put;
        size -= (size_t)put;
    }
}

static void commit(int file, unsigned count)
{
    struct timespec delay = {.tv_sec = options.delay_ms / 1000,
                             .tv_nsec = options.delay_ms % 1000 * 1000000L};

    for (unsigned i = 0; i < count; i++) {
        unsigned size =
            messages[i].msg_len < options.record_bytes ? messages[i].msg_len : options.record_bytes;
        memcpy(records + (size_t)i * options.record_bytes, slots[i].data, size);
    }
    write_all(file, records, (size_t)count * options.record_bytes);
    if (options.delay_ms > 0)
        (void)nanosleep(&delay, NULL);
    if (fdatasync(file) != 0)
        die("fdatasync");
    seen.calls++;
    seen.last_ns = now_ns();
    seen.syncs++;
    seen.records += count;
    for (unsigned i = 0; i < count; i++)
        histogram_add(&seen.latencies, (seen.last_ns - slots[i].received_ns) / 1000);
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
           seen.records, seen.syncs, seen.calls, seen.overruns, seen.first_ns, seen.last_ns, cpu_us,
           (double)histogram_quantile(&seen.latencies, 0.5) / 1000,
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
    if (count < 3 || count % 2 == 0) {
        (void)fputs("usage: storm_limit PORT FILE [--record N] [--batch N] [--delay-ms N]\n",
                    stderr);
        exit(2);
    }
    options.port = number(arguments[1], 65535);
    options.path = arguments[2];
    for (int i = 3; i < count; i += 2) {
        if (strcmp(arguments[i], "--record") == 0)
            options.record_bytes = number(arguments[i + 1], MOST_RECORD);
        else if (strcmp(arguments[i], "--batch") == 0)
            options.batch = number(arguments[i + 1], 65536);
        else if (strcmp(arguments[i], "--delay-ms") == 0)
            options.delay_ms = number(arguments[i + 1], 10000);
    }
    if (options.batch == 0 || options.record_bytes == 0)
        options.batch = options.record_bytes = 1;
}

int main(int count, char **arguments)
{
    struct sigaction action = {.sa_handler = on_signal};

    parse(count, arguments);
    (void)sigaction(SIGTERM, &action, NULL);
    slots = calloc(options.batch, sizeof *slots);
    messages = calloc(options.batch, sizeof *messages);
    records = calloc(options.batch, options.record_bytes);
    int file = open(options.path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0640);
    if (slots == NULL || messages == NULL || records == NULL || file < 0)
        die(options.path);
    int listening = open_socket();
    printf("ready\n");
    (void)fflush(stdout);
    while (!ending) {
        unsigned got = receive(listening);
        if (got > 0)
            commit(file, got);
    }
    report();
    (void)close(listening);
    (void)close(file);
    free(slots);
    free(messages);
    free(records);
    return 0;
}
