/* Who may come in: the limits on links, and the memory of those who were not identified. */
#ifndef CENCD_LINK_ADMISSION_H
#define CENCD_LINK_ADMISSION_H

#include "server/link/link.h"

/* Counts a new link; false and the reason if it may not stay (admission_leave is owed either way).
 */
bool admission_enter(struct link *link, enum close_reason *reason);
/* It is known now, or gone: no longer among the unidentified. Harmless when repeated. */
void admission_identified(struct link *link);
/* Its slot is free again. */
void admission_leave(struct link *link);

/* Keeps what an unidentified link sent, secrets masked, for "why isn't my meter here?". */
void admission_failed(struct link *link, enum close_reason reason);

/* Stops accepting where a limit is reached, and goes on where it isn't any more. */
void admission_review(struct device_listener *listener);
bool admission_open(const struct shard *shard, uint32_t listener);

#endif
