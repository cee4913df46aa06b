/* Listeners for datagrams: each belongs to one shard. A datagram is shown to the listener's
 * plugins, in order, as one whole message; what they hand on as a push goes to push_received, what
 * none of them knows is counted and kept with the failed identifications. Nothing is kept per peer.
 *
 * While the journal is behind (half of its queue waits) the shard's sockets are paused, until it is
 * down to a quarter: datagrams wait in the sockets' buffers, and those that are lost there are
 * counted, and told in events.
 *
 * All in the shard's thread; the counters may be read by any. */
#ifndef CENCD_LINK_DATAGRAMS_H
#define CENCD_LINK_DATAGRAMS_H

#include "server/link/push.h"

struct datagram_listener {
    struct datagram_socket socket;
    struct shard *shard;
    uint32_t index; /* in the configuration */
    bool open;
    uint64_t overruns_told; /* in events */
    uint64_t overruns_utc_ms;
};

/* Whether this shard serves the listener. */
bool datagrams_mine(const struct shard *shard, uint32_t listener);

enum status datagrams_start(struct shard *shard) MUST_CHECK;
/* Serves a listener of this shard on an open socket; STATUS_NO_MEMORY. */
enum status datagrams_open(struct shard *shard, uint32_t index, int socket) MUST_CHECK;
/* Ends in listening_let_go. */
void datagrams_close(struct shard *shard, uint32_t index);
/* Every second: overruns that no later datagram told of. */
void datagrams_tick(struct shard *shard);
/* Datagrams wait in the sockets' buffers. */
void datagrams_pause(struct shard *shard, bool paused);
/* Something of this shard was recorded, so the journal may have room again. */
void datagrams_recorded(struct shard *shard);
/* Pushes were recorded that no datagram brought just now: some may wait for room. */
void datagrams_review(struct shard *shard);
void datagrams_free(struct shard *shard);

void datagrams_answer(struct shard *shard, const struct push_answer *answer);

/* NULL if the listener isn't this shard's. */
static inline const struct datagram_counters *datagrams_counters(const struct shard *shard,
                                                                 uint32_t listener)
{
    for (uint32_t i = 0; i < shard->datagram_count; i++)
        if (shard->datagrams[i].index == listener)
            return &shard->datagrams[i].socket.counters;
    return NULL;
}

#endif
