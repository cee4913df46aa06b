/* The far side of a connection in the tests of the ring: a plain non-blocking socket that writes a
 * pattern and checks the pattern that it reads, as far as it is told to. */
#ifndef CENCD_TESTS_RING_CLIENT_H
#define CENCD_TESTS_RING_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/address.h"

struct client {
    int fd;           /* -1: none */
    uint32_t seed;    /* of what it writes and reads */
    uint64_t to_send; /* in all */
    uint64_t sent;
    uint64_t received;
    bool reads;  /* false: it leaves what came in its socket */
    bool finish; /* FIN once to_send bytes are sent */
    bool finished;
    bool ended; /* the other side's FIN came */
    bool wrong; /* a byte was not as expected */
    int error;  /* errno of a read or a write */
};

/* The pattern: no two near places look alike, and each seed has its own. */
uint8_t pattern_at(uint32_t seed, uint64_t offset);
void pattern_fill(uint32_t seed, uint64_t offset, uint8_t *data, uint32_t size);
bool pattern_matches(uint32_t seed, uint64_t offset, const uint8_t *data, uint32_t size);

/* Connects; receive_buffer > 0 bounds what the kernel keeps for a client that doesn't read. */
void client_open(struct client *client, const struct address *address, uint32_t seed,
                 int receive_buffer);
/* Writes and reads what is possible without waiting. */
void client_step(struct client *client);
void client_close(struct client *client);

#endif
