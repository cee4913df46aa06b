/* The numbers of the head-end systems' door, for /metrics and /stats. Labels are consumers of the
 * configuration, statuses and close reasons: their number is bounded. Any thread. */
#ifndef CENCD_OPS_NORTHBOUND_NUMBERS_H
#define CENCD_OPS_NORTHBOUND_NUMBERS_H

#include <jansson.h>

#include "server/link/shard.h"
#include "server/ops/page.h"

/* Nothing while it is off. */
void northbound_metrics(const struct server *server, struct page *page);

/* null while it is off; NULL: out of memory. */
json_t *northbound_stats(const struct server *server);

#endif
