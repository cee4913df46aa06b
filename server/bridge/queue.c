#include "server/bridge/queue.h"

#include "server/base/check.h"

void queue_init(struct queue *queue)
{
    for (int i = 0; i < SESSION_PRIORITIES; i++)
        list_init(&queue->classes[i]);
    queue->size = 0;
}

void queue_append(struct queue *queue, const struct session *session, struct list *node)
{
    CHECK(session->priority < SESSION_PRIORITIES);
    list_append(&queue->classes[session->priority], node);
    queue->size++;
}

void queue_remove(struct queue *queue, struct list *node)
{
    CHECK(queue->size > 0);
    list_remove(node);
    queue->size--;
}

struct list *queue_first(const struct queue *queue)
{
    for (int i = 0; i < SESSION_PRIORITIES; i++)
        if (!list_empty(&queue->classes[i]))
            return queue->classes[i].next;
    return NULL;
}

bool queue_has_room(const struct queue *queue, const struct session *session, struct list **loser)
{
    const struct list *others = &queue->classes[SESSION_COLLECTION];

    *loser = NULL;
    if (queue->size < session->shard->server->config->sessions.max_waiting)
        return true;
    if (session->priority != SESSION_PERSON || list_empty(others))
        return false;
    *loser = others->previous;
    return true;
}
