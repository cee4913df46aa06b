/* Rows of /stats in JSON. Each function returns a new value, or NULL: out of memory. */
#ifndef CENCD_OPS_STATS_ROWS_H
#define CENCD_OPS_STATS_ROWS_H

#include <jansson.h>

#include "server/link/shard.h"

json_t *stats_time(uint64_t utc_ms); /* "2026-01-31T12:00:00.123Z" */
json_t *stats_device(const struct server *server, const struct device_info *info);
json_t *stats_listener(const struct server *server, uint32_t index);
/* Of section agents. */
json_t *stats_way(const struct server *server, uint32_t index);
json_t *stats_shard(const struct server *server, uint32_t index);
json_t *stats_failed(const struct server *server, const struct failed_identification *failed);

#endif
