/* The numbers of accounts and logins, for /metrics. Labels are verdicts: their number is bounded.
 * Any thread. */
#ifndef CENCD_OPS_ACCOUNT_NUMBERS_H
#define CENCD_OPS_ACCOUNT_NUMBERS_H

#include "server/link/shard.h"
#include "server/ops/page.h"

/* Nothing without server.state_dir: there are no accounts then. */
void account_metrics(const struct server *server, struct page *page);

#endif
