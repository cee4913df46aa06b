/* The numbers of journal, directory store and Redis on the pages /metrics and /stats. Nothing of
 * them is there if the server keeps nothing. Any thread. */
#ifndef CENCD_OPS_DURABLE_NUMBERS_H
#define CENCD_OPS_DURABLE_NUMBERS_H

#include <jansson.h>

#include "server/link/shard.h"
#include "server/ops/page.h"

void durable_metrics(const struct server *server, struct page *page);

/* null if there is no such thing */
json_t *durable_journal_stats(const struct server *server);
json_t *durable_redis_stats(const struct server *server);

/* False: events are not recorded for now. True also if nothing is to be recorded. */
bool durable_is_durable(const struct server *server);

#endif
