/* The page /metrics: every counter of the server in Prometheus' text format 0.0.4. Labels are
 * shard, listener, close reason and state, never a device: the number of lines depends on the
 * configuration alone. Any thread. */
#ifndef CENCD_OPS_METRICS_H
#define CENCD_OPS_METRICS_H

#include "server/link/shard.h"
#include "server/ops/page.h"

void metrics_write(const struct server *server, struct page *page);

#endif
