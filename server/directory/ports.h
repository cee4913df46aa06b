/* Leases of direct ports: which ports of the range are taken. Thread-safe. */
#ifndef CENCD_DIRECTORY_PORTS_H
#define CENCD_DIRECTORY_PORTS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "server/base/status.h"

struct port_leases {
    pthread_mutex_t lock;
    uint64_t *taken; /* a bit for each port */
    uint32_t count;  /* ports in the range */
    uint32_t next;   /* where to look first: a port that was given back rests as long as it can */
    uint16_t first;
    _Atomic uint32_t leased;
};

/* first 0: there are none. */
enum status ports_init(struct port_leases *ports, uint16_t first, uint16_t last) MUST_CHECK;
void ports_destroy(struct port_leases *ports);

/* A port that nobody has; 0: none is left. */
uint16_t ports_lease(struct port_leases *ports);

/* This very port. False: it is outside of the range, or taken. */
bool ports_take(struct port_leases *ports, uint16_t port);

void ports_return(struct port_leases *ports, uint16_t port);
uint32_t ports_leased(const struct port_leases *ports);

#endif
