/* The server put together: shared parts, and shards that run anywhere: one thread each over the
 * ring, all in one thread in the simulation.
 *
 *   server_create -> shard_create for each index (in the shard's own thread) -> when all are there,
 *   shard_start for each -> shard_turn until shard_stopped -> shard_destroy each -> server_free
 *
 * server_create opens the listening sockets; nothing is accepted before shard_start. */
#ifndef CENCD_SHARD_SERVER_H
#define CENCD_SHARD_SERVER_H

#include "server/link/shard.h"

/* How the shards are sized, and a sentence that says why. */
struct server_plan {
    uint32_t shards;
    uint32_t slots;          /* descriptor table of each */
    uint32_t reserved_slots; /* of these, for direct ports */
    uint32_t agent_places;   /* of the others, kept for agents; in each shard */
    uint64_t links;          /* that can be held in all */
    char why[400];
    char too_low[400]; /* why a process can't start with this, and what to do; "": it can */
};

/* What the process may use. */
struct server_machine {
    uint64_t nofile;        /* RLIMIT_NOFILE */
    uint64_t memlock_bytes; /* RLIMIT_MEMLOCK; UINT64_MAX if it doesn't count */
    unsigned processors;
};
void server_plan(const struct config *config, const struct server_machine *machine,
                 struct server_plan *plan);

/* On failure error holds one sentence. STATUS_REFUSED: a listening socket could not be opened. */
enum status server_create(const struct config *config, const struct server_plan *plan,
                          uint64_t utc_ms, struct server **server,
                          struct kernel_error *error) MUST_CHECK;
void server_free(struct server *server);

enum status shard_create(struct server *server, const struct server_plan *plan, uint32_t index,
                         struct kernel_error *error) MUST_CHECK;
enum status shard_start(struct shard *shard) MUST_CHECK;
void shard_turn(struct shard *shard, int max_wait_ms);

/* From any thread: ask all shards to stop. */
void server_stop(struct server *server);
/* Nothing is left but what other shards may still send. */
bool shard_quiet(const struct shard *shard);
void shard_destroy(struct shard *shard);

#endif
