/* The listeners of section agents: sockets that all shards share, as those of devices. A shard that
 * has no room for visitors leaves them in the backlog.
 *
 * The sockets (server/link/listening.h) and TLS contexts are the server's; everything else is in
 * the shard's thread. */
#ifndef CENCD_AGENTS_WAYS_H
#define CENCD_AGENTS_WAYS_H

#include "server/link/shard.h"

/* Reads the certificates. On failure error holds one sentence. ways_close in any case. */
enum status ways_open(struct server *server, struct kernel_error *error) MUST_CHECK;
void ways_close(struct server *server);

/* Descriptors that one shard needs for accepting. */
uint32_t ways_slots(const struct config *config);

enum status ways_create(struct shard *shard) MUST_CHECK;
/* Serves a listener of section agents on an open socket; STATUS_NO_MEMORY. */
enum status ways_open_one(struct shard *shard, uint32_t index, int socket) MUST_CHECK;
/* Ends in listening_let_go. */
void ways_close_one(struct shard *shard, uint32_t index);
/* Ends the connections that came by this listener and are in the shard, whatever they do. */
void ways_drop(struct shard *shard, uint32_t index);
/* Every second: whether there is room again. */
void ways_review(struct shard *shard);
void ways_free(struct shard *shard);

#endif
