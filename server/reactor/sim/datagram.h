/* UDP without a network: datagrams on their way are one queue, of which an event delivers one at a
 * time, in order unless the seed says otherwise. A socket's buffer is bounded in bytes, each
 * datagram being charged as Linux does; what finds no room is dropped and counted. */
#ifndef CENCD_REACTOR_SIM_DATAGRAM_H
#define CENCD_REACTOR_SIM_DATAGRAM_H

#include <stdint.h>

#include "server/base/address.h"
#include "server/base/list.h"

struct sim;
struct sim_operation;

/* What a socket's buffer is charged for a datagram besides its bytes. */
#define SIM_DATAGRAM_CHARGE 768u

struct sim_packet {
    struct list node;
    struct address from;
    struct address to;
    uint64_t arrived_ms;
    uint32_t drops; /* of its socket, when it came */
    uint32_t size;
    uint8_t data[];
};

struct sim_datagram_socket {
    struct list node;
    struct sim *sim;
    struct address address;
    struct list arrived;
    struct list operations; /* the receive that waits */
    uint64_t room;          /* bytes */
    uint32_t drops;
    uint32_t in_flight;
    uint32_t receives;
    int descriptor;
};

void sim_datagrams_init(struct sim *sim);
void sim_datagrams_free(struct sim *sim);
struct list *sim_datagram_waiting(struct sim_datagram_socket *socket);
/* An operation on a socket is over. */
void sim_datagram_done(const struct sim_operation *operation);

#endif
