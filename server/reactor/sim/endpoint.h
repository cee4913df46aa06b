/* TCP without packets: a connection is two ends; bytes written to an end wait in its `out` until an
 * event carries some of them to the other end's `in`, as far as there is room; FIN follows the last
 * byte, a reset overtakes everything. What a call on an end returns is what Linux returns. */
#ifndef CENCD_REACTOR_SIM_ENDPOINT_H
#define CENCD_REACTOR_SIM_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/address.h"
#include "server/base/list.h"
#include "server/reactor/kernel.h"
#include "server/reactor/sim/bytes.h"
#include "server/reactor/sim/world.h"

struct sim_end {
    struct sim_connection *connection;
    struct sim_bytes out;       /* written here, not yet with the other end */
    struct sim_bytes in;        /* arrived, not yet read */
    struct list operations;     /* of kernels, waiting on this end */
    struct list backlog;        /* in its listener's, until accepted */
    struct sim_event delivery;  /* out -> other end */
    struct sim_event timeout;   /* user timeout or keepalive */
    uint32_t user_timeout_ms;   /* 0: the system's */
    uint64_t keepalive_dead_ms; /* silence after which keepalive gives up; 0: none */
    int error;                  /* SO_ERROR */
    bool open;                  /* somebody holds it */
    bool write_shut;
    bool fin_sent;     /* it is with the other end */
    bool fin_received; /* of the other end */
    bool reset_to_send;
    bool dead; /* state CLOSE: after a reset or timeout */
};

struct sim_connection {
    struct list node;
    struct sim *sim;
    uint64_t id;
    struct address client;
    struct sim_end ends[2]; /* client, server */
    bool cut;               /* nothing passes any more */
};

struct sim_listener {
    struct list node;
    struct sim *sim;
    struct address address;
    struct listen_options options;
    struct list backlog;    /* ends, oldest first */
    struct list operations; /* accepts that wait */
    uint32_t waiting;       /* length of the backlog */
    uint32_t references;    /* descriptor, slots, accepts in flight */
    int descriptor;         /* -1: closed or installed */
    bool is_peer;           /* the test's: sim_peer_listen */
};

/* Listeners. */
struct sim_listener *sim_listener_open(struct sim *sim, struct address *address,
                                       const struct listen_options *options);
void sim_listener_release(struct sim_listener *listener);
struct sim_listener *sim_listener_find(struct sim *sim, const struct address *address);
/* wanted reaches a socket bound to this address. */
bool sim_address_matches(const struct address *bound, const struct address *wanted);
struct sim_end *sim_listener_take(struct sim_listener *listener); /* NULL: none waits */
static inline bool sim_listener_full(const struct sim_listener *listener)
{
    return listener->waiting >= (uint32_t)listener->options.backlog;
}

/* Connects to a listener that is not full; returns the client's end. */
struct sim_end *sim_connection_make(struct sim_listener *listener, const struct address *client);

void sim_end_set_options(struct sim_end *end, const struct listen_options *options);
unsigned sim_end_poll(const struct sim_end *end); /* POLLIN | POLLRDHUP | POLLERR | POLLHUP */
/* A receive would have a result other than "not yet". */
bool sim_end_readable(const struct sim_end *end);
/* Bytes, 0 for FIN, or a negative errno; only if readable. */
int32_t sim_end_receive(struct sim_end *end, uint8_t *data, uint32_t size);
/* Bytes taken, -EAGAIN if there is no room, or another negative errno. */
int32_t sim_end_send(struct sim_end *end, const uint8_t *data, uint32_t size);
int sim_end_shutdown(struct sim_end *end); /* 0 or -ENOTCONN */
void sim_end_close(struct sim_end *end);   /* the last holder has let go; end may be freed */
void sim_end_reset(struct sim_end *end);   /* aborts: RST to the other end; stays open */
void sim_end_cut(struct sim_end *end);     /* the connection carries nothing any more */

/* Frees what peers and the backlog still hold. */
void sim_network_free(struct sim *sim);
/* In peer.c. */
void sim_peers_free(struct sim *sim);

#endif
