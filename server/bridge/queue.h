/* Who waits for a line: persons before mass collection, in each class first come first served. The
 * nodes are in what waits, which takes itself out before it goes. Not locked. */
#ifndef CENCD_BRIDGE_QUEUE_H
#define CENCD_BRIDGE_QUEUE_H

#include "server/bridge/session.h"

struct queue {
    struct list classes[SESSION_PRIORITIES];
    uint32_t size;
};

void queue_init(struct queue *queue);
void queue_append(struct queue *queue, const struct session *session, struct list *node);
void queue_remove(struct queue *queue, struct list *node);

/* Whose turn it is; NULL: nobody waits. */
struct list *queue_first(const struct queue *queue);

/* Whether the session may wait, too (sessions.max_waiting). A person may where mass collection
 * waits: *loser is then who came last of it and is to be turned away, otherwise NULL. */
bool queue_has_room(const struct queue *queue, const struct session *session, struct list **loser);

#endif
