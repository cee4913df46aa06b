/* Devices of which the journal doesn't say what memory says, since its queue was full: connections,
 * their ends and changes that were refused. They are remembered, and their present state is told as
 * soon as there is room: of a connected device that it is, of another one what it is, that it is
 * gone, and with which link epoch. So whatever memory has is in the journal or on its way there.
 *
 * Each shard tells of the devices whose newest link is, or was, its own. What it remembers is
 * bounded by the number of devices. All in the shard's thread. */
#ifndef CENCD_LINK_UNTOLD_H
#define CENCD_LINK_UNTOLD_H

#include <stddef.h>

#include "server/reactor/reactor.h"

struct device;
struct shard;

struct untold {
    struct device **devices; /* some may be there twice */
    size_t count;
    size_t capacity;
    struct timer look;
};

void untold_init(struct shard *shard);
void untold_free(struct shard *shard);

void untold_note(struct shard *shard, struct device *device);

#endif
