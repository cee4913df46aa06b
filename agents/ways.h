/* The listeners of section agents: sockets that all shards share, as those of devices. A shard that
 * has no room for visitors leaves them in the backlog.
 *
 * The sockets and TLS contexts are the server's; everything else is in the shard's thread. */
#ifndef CENCD_AGENTS_WAYS_H
#define CENCD_AGENTS_WAYS_H

#include "server/link/shard.h"

/* Opens the sockets and reads the certificates. On failure error holds one sentence;
 * STATUS_REFUSED: a socket could not be opened. ways_close in any case. */
enum status ways_open(struct server *server, struct kernel_error *error) MUST_CHECK;
void ways_close(struct server *server);

/* Descriptors that one shard needs for accepting. */
uint32_t ways_slots(const struct config *config);

enum status ways_create(struct shard *shard) MUST_CHECK;
enum status ways_start(struct shard *shard) MUST_CHECK;
/* Every second: whether there is room again. */
void ways_review(struct shard *shard);
void ways_stop(struct shard *shard);
void ways_free(struct shard *shard);

#endif
