/* Queues of chunks. */
#include "server/reactor/tls_internal.h"

void chunk_queue_put(struct chunk_queue *queue, struct chunk *chunk)
{
    chunk->next = NULL;
    if (queue->tail != NULL)
        queue->tail->next = chunk;
    else
        queue->head = chunk;
    queue->tail = chunk;
}

void chunk_queue_drop(struct reactor *reactor, struct chunk_queue *queue)
{
    while (queue->head != NULL) {
        struct chunk *chunk = queue->head;
        queue->head = chunk->next;
        chunk_free(reactor, chunk);
    }
    queue->tail = NULL;
}

bool chunk_queue_keep_privately(struct reactor *reactor, struct chunk_queue *queue)
{
    struct chunk *before = NULL;

    for (struct chunk *chunk = queue->head; chunk != NULL; chunk = chunk->next) {
        if (chunk->group != CHUNK_PRIVATE) {
            struct chunk *copy = chunk_copy(reactor, chunk);
            if (copy == NULL)
                return false;
            copy->next = chunk->next;
            if (before != NULL)
                before->next = copy;
            else
                queue->head = copy;
            if (queue->tail == chunk)
                queue->tail = copy;
            chunk_free(reactor, chunk);
            chunk = copy;
        }
        before = chunk;
    }
    return true;
}
