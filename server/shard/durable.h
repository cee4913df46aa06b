/* What makes the server's state durable, put together: the journal and its readers. Two reactors in
 * threads of their own (in the simulation they take turns like shards): the writer's, and one for
 * the readers (the directory's store, Redis), so that no reader holds up a commit.
 *
 *   durable_open (before the shards, blocking) -> durable_create for both roles, each in its thread
 *   -> durable_turn until durable_stopped -> durable_destroy each -> durable_close
 *
 * Without server.state_dir there is none of this: server->durable is NULL. */
#ifndef CENCD_SHARD_DURABLE_H
#define CENCD_SHARD_DURABLE_H

#include "server/link/shard.h"

struct durable;

enum durable_role { DURABLE_WRITER, DURABLE_READERS, DURABLE_ROLES };

/* Recovers the journal and loads the directory. error: one sentence. */
enum status durable_open(struct server *server, struct kernel_error *error) MUST_CHECK;

/* In the role's thread; the writer first. */
enum status durable_create(struct durable *durable, enum durable_role role,
                           struct kernel_error *error) MUST_CHECK;
void durable_turn(struct durable *durable, enum durable_role role, int max_wait_ms);

/* Once all readers of the journal were started: it may let go of what they are past. */
void durable_readers_are_there(struct durable *durable);

/* In the thread of the last shard that begins to stop (from: its reactor): the writer looks whether
 * the disk takes what the shards wait for. */
void durable_shards_stop(const struct durable *durable, struct reactor *from);

/* Any thread, when no shard appends any more: the readers stop, then the writer commits the rest.
 */
void durable_stop(struct durable *durable);
bool durable_stopped(const struct durable *durable, enum durable_role role);
void durable_destroy(struct durable *durable, enum durable_role role);
void durable_close(struct durable *durable);

/* For numbers; NULL while there is none. */
struct reactor *durable_reactor(const struct durable *durable, enum durable_role role);

#endif
