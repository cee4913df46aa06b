#include "bench/load/ends.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/load/usage.h"

#define FIRST_SERIAL    350000000000000u
#define PATIENCE_MS     10000
#define PER_SOURCE      8000u /* connections from one source address: ports are finite */
#define ECHO_BACKLOG    4096
#define REFUSED_WAIT_US 20000

static const int one = 1;

struct sockaddr_in ends_address(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

int ends_listen(uint16_t port)
{
    struct sockaddr_in address = ends_address(port);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
        setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0 ||
        bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(listener, ECHO_BACKLOG) != 0) {
        die("listening for the relay", errno);
    }
    return listener;
}

/* Returns the connection, or -1 with errno. */
static int connect_once(uint16_t port, uint32_t index)
{
    struct sockaddr_in address = ends_address(port);
    struct sockaddr_in source = {.sin_family = AF_INET};
    source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + index / PER_SOURCE);
    int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection < 0 ||
        setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0 ||
        setsockopt(connection, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one)) != 0 ||
        bind(connection, (struct sockaddr *)&source, sizeof(source)) != 0) {
        die("socket", errno);
    }
    if (connect(connection, (struct sockaddr *)&address, sizeof(address)) != 0) {
        int error = errno;
        (void)close(connection);
        errno = error;
        return -1;
    }
    return connection;
}

static int accept_one(int listener)
{
    struct pollfd wanted = {.fd = listener, .events = POLLIN};
    if (poll(&wanted, 1, PATIENCE_MS) != 1) {
        die("the relay doesn't connect to the echo side", ETIMEDOUT);
    }
    int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (connection < 0) {
        die("accept", errno);
    }
    return connection;
}

void ends_open_pair(const struct options *options, int listener, uint32_t index, int *agent,
                    int *echo)
{
    *agent = connect_once(options->front_port, index);
    if (*agent < 0) {
        die("connecting to the relay", errno);
    }
    *echo = accept_one(listener);
}

uint64_t ends_serial(uint32_t index)
{
    return FIRST_SERIAL + index;
}

int ends_dial(const struct options *options, uint32_t index)
{
    char hello[256];
    int size = snprintf(hello, sizeof(hello),
                        "AT$IMEI=%llu,PSW=x,TYP=ATM,DEV=ATM21,VER=01,REV=04,BLD=024.254,HDW=2.0,"
                        "SIM=0,CSQ=16,ATP=1.1,INT=485+232,\r\n",
                        (unsigned long long)ends_serial(index));
    int connection = connect_once(options->front_port, index);
    if (connection < 0 || send(connection, hello, (size_t)size, MSG_NOSIGNAL) != size) {
        die("dialling in", errno);
    }
    return connection;
}

int ends_connect_agent(uint16_t port, uint32_t index)
{
    for (int waited_us = 0; waited_us < PATIENCE_MS * 1000; waited_us += REFUSED_WAIT_US) {
        int connection = connect_once(port, index);
        if (connection >= 0) {
            return connection;
        }
        if (errno != ECONNREFUSED) {
            break;
        }
        (void)usleep(REFUSED_WAIT_US);
    }
    die("connecting to a direct port", errno);
}

void ends_drain(int descriptor)
{
    char bytes[4096];
    while (recv(descriptor, bytes, sizeof(bytes), MSG_DONTWAIT) > 0) {
    }
}

static void open_dialled(struct wire *wire, const struct options *options)
{
    uint32_t count = options->sessions;
    uint16_t *ports = calloc(count, sizeof(*ports));
    int *devices = calloc(count, sizeof(*devices));
    if (ports == NULL || devices == NULL) {
        die("memory", ENOMEM);
    }
    for (uint32_t index = 0; index < count; index++) {
        devices[index] = ends_dial(options, index);
    }
    ends_wait_for_ports(options, count, ports);
    for (uint32_t index = 0; index < count; index++) {
        ends_drain(devices[index]);
        wire_install(wire, count + index, devices[index]);
        wire_install(wire, index, ends_connect_agent(ports[index], index));
    }
    free(devices);
    free(ports);
}

void ends_open_sessions(struct wire *wire, const struct options *options)
{
    if (options->devices) {
        open_dialled(wire, options);
        return;
    }
    int listener = ends_listen(options->echo_port);
    for (uint32_t index = 0; index < options->sessions; index++) {
        int agent;
        int echo;
        ends_open_pair(options, listener, index, &agent, &echo);
        wire_install(wire, index, agent);
        wire_install(wire, options->sessions + index, echo);
    }
    (void)close(listener);
}
