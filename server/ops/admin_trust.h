/* Which connections by HTTPS have shown a good token. The bridge has a connection from its accept
 * on; HTTP's threads know no more of it than the descriptor of their end of the pair, as long as
 * they have that open. Any thread. */
#ifndef CENCD_OPS_ADMIN_TRUST_H
#define CENCD_OPS_ADMIN_TRUST_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "server/base/list.h"

struct admin_trust {
    pthread_mutex_t lock;
    struct list visits;
};

/* Inside a connection of the bridge. */
struct admin_visit {
    struct list node;
    int http_fd;
    _Atomic bool trusted;
};

void admin_trust_init(struct admin_trust *trust);
void admin_trust_destroy(struct admin_trust *trust);

/* Before HTTP has the descriptor. A visit that had the same number before is over. */
void admin_trust_enter(struct admin_trust *trust, struct admin_visit *visit, int http_fd);
void admin_trust_leave(struct admin_trust *trust, struct admin_visit *visit);

/* By whoever has the descriptor open: it has shown a good token. */
void admin_trust_good(struct admin_trust *trust, int http_fd);

#endif
