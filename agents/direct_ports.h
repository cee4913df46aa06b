/* Direct ports: connecting to a device's port is asking for that device. Ports are leased by the
 * directory; a port's listening socket lives in shard (port modulo shards), in a slot of its ring,
 * and is open while the device is online. Agents outside the configured CIDR list are closed.
 *
 * Shard's thread only; direct_ports_online and _offline (the server's hooks) may be called in any
 * shard and reach the port's shard by message. */
#ifndef CENCD_AGENTS_DIRECT_PORTS_H
#define CENCD_AGENTS_DIRECT_PORTS_H

#include "server/link/shard.h"

/* Reserved slots that one shard needs for its share of the range. */
uint32_t direct_ports_slots(const struct config *config, uint32_t shard_count);

enum status direct_ports_create(struct shard *shard) MUST_CHECK;
void direct_ports_free(struct shard *shard);

/* Closes all listening sockets; direct_ports_open_count reaches 0 some turns later. */
void direct_ports_stop(struct shard *shard);
uint32_t direct_ports_open_count(const struct shard *shard);

void direct_ports_online(struct shard *shard, struct device *device, uint16_t port, uint32_t epoch);
void direct_ports_offline(struct shard *shard, struct device *device, uint16_t port,
                          uint32_t epoch);

#endif
