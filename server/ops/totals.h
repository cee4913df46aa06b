/* The counters of all shards added up. Any thread; what shards count meanwhile may or may not be
 * in. */
#ifndef CENCD_OPS_TOTALS_H
#define CENCD_OPS_TOTALS_H

#include "server/link/shard.h"

struct listener_totals {
    uint64_t accepted;
    uint64_t identified;
    uint64_t failed;
    uint64_t bytes_received;
    uint64_t greeting;
    uint64_t idle;
    uint64_t in_session;
    uint64_t pushes;
    uint64_t last_gasps;
    uint64_t datagrams_truncated; /* the rest: of a listener for datagrams */
    uint64_t datagrams_overrun;
    uint64_t datagrams_sent;
    uint64_t datagram_errors; /* receiving and sending */
};

void totals_listener(const struct server *server, uint32_t listener,
                     struct listener_totals *totals);
uint64_t totals_closed(const struct server *server, enum close_reason reason);

/* Whether limits let the listener take links. A shard whose descriptor table is full may leave them
 * to the others even so. */
bool totals_accepting(const struct server *server, uint32_t listener);
/* The same of one of section agents. */
bool totals_way_accepting(const struct server *server, uint32_t index);

#endif
