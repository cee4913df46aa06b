/* The listeners of a shard: opened and closed as server/link/listening.h says what runs. A
 * listener of devices on TCP is served by all shards with accepts of their own; datagrams by one
 * shard; those of section agents by agents/ways.h.
 *
 * In the shard's thread, except the first part. */
#ifndef CENCD_SHARD_LISTENERS_H
#define CENCD_SHARD_LISTENERS_H

#include "server/link/listening.h"

struct edit_listeners;

/* Opens the sockets of all listeners but those that an operator stopped; the directory is loaded.
 * error: one sentence. STATUS_REFUSED. */
enum status listeners_open(struct server *server, struct kernel_error *error) MUST_CHECK;

/* What the editor does to listeners. */
void listeners_fill_hooks(struct server *server, struct edit_listeners *hooks);

enum status listeners_create(struct shard *shard) MUST_CHECK;
void listeners_free(struct shard *shard);

/* Opens what is wanted; STATUS_NO_MEMORY. */
enum status listeners_start(struct shard *shard) MUST_CHECK;
/* At every turn: whether something is to be opened or closed. */
void listeners_look(struct shard *shard);
/* Every second: limits, and what could not be opened. */
void listeners_review(struct shard *shard);
void listeners_stop(struct shard *shard);

#endif
