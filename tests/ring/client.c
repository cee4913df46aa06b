#include "tests/ring/client.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/check.h"

#define STEP_BYTES 65536u

uint8_t pattern_at(uint32_t seed, uint64_t offset)
{
    uint64_t mixed = (offset + seed) * 0x9e3779b97f4a7c15u;
    return (uint8_t)(mixed >> 56);
}

void pattern_fill(uint32_t seed, uint64_t offset, uint8_t *data, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++)
        data[i] = pattern_at(seed, offset + i);
}

bool pattern_matches(uint32_t seed, uint64_t offset, const uint8_t *data, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++)
        if (data[i] != pattern_at(seed, offset + i))
            return false;
    return true;
}

void client_open(struct client *client, const struct address *address, uint32_t seed,
                 int receive_buffer)
{
    union socket_address name;
    socklen_t size = address_to_socket(address, &name);

    memset(client, 0, sizeof *client);
    client->seed = seed;
    client->reads = true;
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(client->fd >= 0);
    if (receive_buffer > 0)
        CHECK(setsockopt(client->fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer,
                         sizeof receive_buffer) == 0);
    CHECK(connect(client->fd, &name.any, size) == 0);
    CHECK(fcntl(client->fd, F_SETFL, O_NONBLOCK) == 0);
}

static void note_error(struct client *client)
{
    if (errno != EAGAIN && errno != EINTR)
        client->error = errno;
}

static void step_write(struct client *client)
{
    uint8_t data[STEP_BYTES];
    uint64_t left = client->to_send - client->sent;

    if (left > 0) {
        uint32_t size = left < sizeof data ? (uint32_t)left : (uint32_t)sizeof data;
        pattern_fill(client->seed, client->sent, data, size);
        ssize_t written = send(client->fd, data, size, MSG_NOSIGNAL);
        if (written < 0)
            note_error(client);
        else
            client->sent += (uint64_t)written;
    } else if (client->finish && !client->finished) {
        client->finished = true;
        (void)shutdown(client->fd, SHUT_WR);
    }
}

static void step_read(struct client *client)
{
    uint8_t data[STEP_BYTES];
    ssize_t size = recv(client->fd, data, sizeof data, 0);

    if (size < 0) {
        note_error(client);
    } else if (size == 0) {
        client->ended = true;
    } else {
        if (!pattern_matches(client->seed, client->received, data, (uint32_t)size))
            client->wrong = true;
        client->received += (uint64_t)size;
    }
}

void client_step(struct client *client)
{
    if (client->fd < 0 || client->error != 0)
        return;
    step_write(client);
    if (client->reads && !client->ended)
        step_read(client);
}

void client_close(struct client *client)
{
    if (client->fd >= 0)
        (void)close(client->fd);
    client->fd = -1;
}
