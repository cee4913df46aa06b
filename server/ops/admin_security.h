/* What the admin API tells the journal of strangers and of those who ask for more than they may:
 * security events. None holds a token, or text of a request. Any thread. */
#ifndef CENCD_OPS_ADMIN_SECURITY_H
#define CENCD_OPS_ADMIN_SECURITY_H

#include "codec/proto/event.h"
#include "server/directory/edit.h"
#include "server/link/shard.h"

struct admin_security {
    Cenc__V1__SecurityKind kind;
    const struct edit_actor *actor; /* who tried; a name of "" is unknown */
    const char *text;
    uint64_t count;
};

/* What the journal doesn't take now is in the log all the same. */
void admin_security_tell(const struct server *server, const struct admin_security *security);

#endif
