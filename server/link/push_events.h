/* Pushes on their way into the journal, and what follows from their being there: a gasp is kept for
 * its device, or is over; then the device is answered. Without a journal the same follows at once,
 * and nothing outlasts the process.
 *
 * A push that the journal doesn't take is counted and not answered. One that came in a datagram and
 * finds the queue full waits here instead, in order: a datagram that was taken gets recorded.
 *
 * All in the shard's thread. */
#ifndef CENCD_LINK_PUSH_EVENTS_H
#define CENCD_LINK_PUSH_EVENTS_H

#include "server/link/push.h"

/* device: whose push it is; NULL: the directory doesn't know it. */
void push_record(const struct push_source *source, const struct plugin_push *push,
                 struct device *device);

/* Tries again to record what waits. True if nothing is left. */
bool push_retry(struct shard *shard);

#endif
