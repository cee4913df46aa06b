/* How long a stop waits for the disk. Shards that stop wait for what they appended; where the disk
 * takes no records that could be for ever. Once all shards stop, the journal is looked at often;
 * when it has been without its disk for PATIENCE_MS, without a break, `over` is called, once.
 *
 * The journal writer's thread calls, and is called. Nothing fails. */
#ifndef CENCD_SHARD_PATIENCE_H
#define CENCD_SHARD_PATIENCE_H

#include "server/link/shard.h"

#define PATIENCE_MS 2000u

struct patience {
    const struct server *server;
    struct reactor *reactor; /* the journal writer's */
    void (*over)(struct patience *patience);
    struct timer look;
    uint64_t stuck_since_ms; /* the disk takes no records; 0: it does */
    bool ended;
};

void patience_init(struct patience *patience, const struct server *server, struct reactor *reactor,
                   void (*over)(struct patience *patience));

/* At each turn: begins when all shards stop. */
void patience_turn(struct patience *patience);

/* It is never over any more. */
void patience_end(struct patience *patience);

#endif
