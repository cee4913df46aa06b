/* Whether every shard turns. A shard turns at least once a second, if only for its timers; one that
 * was seen at the same turn for HEALTH_SAMPLES samples, taken a second apart, is stuck. Samples are
 * counted, not seconds: a machine that slept is not ill. */
#ifndef CENCD_OPS_HEALTH_H
#define CENCD_OPS_HEALTH_H

#include "server/link/shard.h"
#include "server/ops/page.h"

#define HEALTH_SAMPLES 5

struct health;

enum status health_create(const struct server *server, struct health **health) MUST_CHECK;
void health_free(struct health *health);

/* Looks at all shards; logs when one gets stuck or turns again. One thread. */
void health_sample(struct health *health);

/* True if all turn; writes "ok" or a sentence that names those that don't. Any thread. */
bool health_report(const struct health *health, struct page *page);

/* True if the server takes links; writes "ready" or why it doesn't. Any thread. */
bool health_ready(const struct server *server, struct page *page);

#endif
