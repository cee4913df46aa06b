/* The server's numbers over HTTP, for monitoring and for people: /metrics, /stats, /healthz and
 * /readyz on the configured loopback address. Reads counters and the directory from threads of its
 * own; no shard waits for it. What each page holds is told in docs/operations-http.md. */
#ifndef CENCD_OPS_OPS_H
#define CENCD_OPS_OPS_H

#include <stdint.h>

#include "server/base/status.h"
#include "server/link/shard.h"

struct ops;

/* Listens and answers from now on. All shards must exist, and must live until ops_stop.
 * STATUS_SYSTEM, STATUS_NO_MEMORY: error holds one sentence. */
enum status ops_start(struct server *server, struct ops **ops,
                      struct kernel_error *error) MUST_CHECK;

/* Answers under way are cut off. */
void ops_stop(struct ops *ops);

/* Where it listens: tells the port if the configured one is 0. */
uint16_t ops_port(const struct ops *ops);

#endif
