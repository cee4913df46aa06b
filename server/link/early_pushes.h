/* Pushes of a device whose own record is on its way to the disk: a module that lost power in the
 * first moments of its life here. They wait until the device counts as known, so that they are
 * recorded after it and as the device's own; a device that isn't recorded after all is a stranger.
 *
 * What waits in a shard is bounded, by number, bytes and time. All in the shard's thread. */
#ifndef CENCD_LINK_EARLY_PUSHES_H
#define CENCD_LINK_EARLY_PUSHES_H

#include "server/link/push.h"

/* True: it was copied, and push_settle is called with it later, never from inside. False: it
 * needn't or can't wait. */
bool early_push_keep(const struct push_source *source, const struct plugin_push *push);

/* When the shard is made. */
void early_pushes_init(struct shard *shard);

#endif
