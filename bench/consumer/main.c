/* Consumers of the northbound, for bench/northbound.
 *
 *   consumer fill FOLDER EVENTS                writes a journal with so many events
 *   consumer drain IP:PORT TOKEN EVENTS        takes them all
 *   consumer live IP:PORT TOKEN EVENTS FILE    from now on so many last gasps of storm_load; into
 *                                              FILE when each came: ns of CLOCK_MONOTONIC, in place
 *                                              of its serial
 *   consumer idle IP:PORT TOKEN COUNT          so many consumers (tokens: TOKEN and four digits)
 *                                              that wait for events, until the input ends
 *
 * All say "ready" when they have subscribed, drain and idle a line of JSON in the end. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "bench/consumer/client.h"
#include "codec/proto/wire.h"
#include "server/base/check.h"

#define MOST_IDLE 9999u

static uint64_t now_ns(void)
{
    struct timespec time;

    CHECK(clock_gettime(CLOCK_MONOTONIC, &time) == 0);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static double own_cpu_us(void)
{
    struct rusage usage;

    CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void say_ready(void)
{
    (void)puts("ready");
    CHECK(fflush(stdout) == 0);
}

/* ---- drain ---- */

static int run_drain(const char *where, const char *token, uint64_t events)
{
    struct client client = {.socket = -1};
    uint64_t began = now_ns();

    client_begin(&client, where, token, false);
    say_ready();
    while (client.events < events && !client.over)
        client_turn(&client);
    (void)printf("{\"events\": %llu, \"seconds\": %.6f, \"bytes\": %llu, \"responses\": %llu, "
                 "\"cpu_us\": %.0f}\n",
                 (unsigned long long)client.events, (double)(now_ns() - began) / 1e9,
                 (unsigned long long)client.bytes, (unsigned long long)client.responses,
                 own_cpu_us());
    client_end(&client);
    return client.events >= events ? 0 : 1;
}

/* ---- live ---- */

static struct {
    uint64_t *came_ns; /* of each serial; 0: not yet */
    uint64_t expected;
    uint64_t seen;
    uint64_t now;
} live;

static uint64_t number_of(const uint8_t *digits, size_t size)
{
    uint64_t number = 0;

    for (size_t i = 0; i < size; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return UINT64_MAX;
        number = number * 10 + (digits[i] - (uint64_t)'0');
    }
    return size > 0 ? number : UINT64_MAX;
}

static void note(const uint8_t *event, size_t size)
{
    struct event_outline outline;

    if (!event_outline(event, size, &outline) || !outline.has_device)
        return;
    uint64_t serial = number_of(outline.serial.data, outline.serial.size);
    if (serial >= live.expected || live.came_ns[serial] != 0)
        return;
    live.came_ns[serial] = now_ns();
    live.seen++;
}

static int run_live(const char *where, const char *token, uint64_t events, const char *path)
{
    struct client client = {.socket = -1, .event = note};
    FILE *file = fopen(path, "we");

    live.expected = events;
    live.came_ns = calloc(events, sizeof *live.came_ns);
    CHECK(file != NULL && live.came_ns != NULL);
    client_begin(&client, where, token, true);
    say_ready();
    while (live.seen < events && !client.over)
        client_turn(&client);
    CHECK(fwrite(live.came_ns, sizeof *live.came_ns, events, file) == events && fclose(file) == 0);
    client_end(&client);
    free(live.came_ns);
    return live.seen == events ? 0 : 1;
}

/* ---- idle ---- */

static int run_idle(const char *where, const char *token, uint64_t count)
{
    struct client *clients = calloc(count, sizeof *clients);
    struct pollfd *polls = calloc(count + 1, sizeof *polls);
    char own_token[256];
    uint64_t left = 0;

    CHECK(clients != NULL && polls != NULL);
    for (uint64_t i = 0; i < count; i++) {
        (void)snprintf(own_token, sizeof own_token, "%s%04llu", token, (unsigned long long)i);
        client_begin(&clients[i], where, own_token, true);
        polls[i] = (struct pollfd){.fd = clients[i].socket, .events = POLLIN};
    }
    polls[count] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
    say_ready();
    while (polls[count].revents == 0) {
        CHECK(poll(polls, count + 1, -1) > 0);
        for (uint64_t i = 0; i < count; i++) {
            if (polls[i].revents == 0)
                continue;
            client_turn(&clients[i]);
            if (clients[i].over)
                polls[i].fd = -1;
        }
    }
    for (uint64_t i = 0; i < count; i++) {
        left += clients[i].over;
        client_end(&clients[i]);
    }
    (void)printf("{\"left\": %llu}\n", (unsigned long long)left);
    free(clients);
    free(polls);
    return left == 0 ? 0 : 1;
}

/* ---- main ---- */

static uint64_t number(const char *text, uint64_t most)
{
    uint64_t value = number_of((const uint8_t *)text, strlen(text));

    if (value > 0 && value <= most)
        return value;
    (void)fprintf(stderr, "consumer: %s is no number of 1..%llu\n", text, (unsigned long long)most);
    exit(2);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    if (argc == 4 && strcmp(what, "fill") == 0)
        return fill(argv[2], number(argv[3], UINT32_MAX));
    if (argc == 5 && strcmp(what, "drain") == 0)
        return run_drain(argv[2], argv[3], number(argv[4], UINT32_MAX));
    if (argc == 6 && strcmp(what, "live") == 0)
        return run_live(argv[2], argv[3], number(argv[4], UINT32_MAX), argv[5]);
    if (argc == 5 && strcmp(what, "idle") == 0)
        return run_idle(argv[2], argv[3], number(argv[4], MOST_IDLE));
    (void)fputs("usage: consumer fill FOLDER EVENTS\n"
                "       consumer drain IP:PORT TOKEN EVENTS\n"
                "       consumer live IP:PORT TOKEN EVENTS FILE\n"
                "       consumer idle IP:PORT TOKEN COUNT\n",
                stderr);
    return 2;
}
