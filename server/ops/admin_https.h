/* The admin API by HTTPS, for those who have a token: a thread with a reactor of its own, where TLS
 * ends (admin_bridge.h), and the HTTP server behind it. */
#ifndef CENCD_OPS_ADMIN_HTTPS_H
#define CENCD_OPS_ADMIN_HTTPS_H

#include "server/link/shard.h"
#include "server/ops/admin_bridge.h"
#include "server/ops/admin_token.h"

struct admin_https;

/* STATUS_REFUSED: the address can't be listened on; STATUS_INVALID: certificate or key can't be
 * used; STATUS_SYSTEM, STATUS_NO_MEMORY. error: one sentence. */
enum status admin_https_start(struct server *server, struct admin_https **started,
                              struct kernel_error *error) MUST_CHECK;
/* Requests under way are cut off; what they had asked for may still be done. */
void admin_https_stop(struct admin_https *https);

/* For whoever shows numbers; as long as it is there. */
struct admin_numbers {
    const struct admin_bridge_counters *connections;
    const struct admin_token_counters *tokens;
};
const struct admin_numbers *admin_https_numbers(const struct admin_https *https);

#endif
