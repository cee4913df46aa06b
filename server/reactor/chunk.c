/* Chunks: one header stands ready for each provided buffer; private ones are allocated. */
#include <stdlib.h>
#include <string.h>

#include "server/reactor/internal.h"

struct chunk *chunk_of_buffer(struct reactor *reactor, enum buffer_group group,
                              const struct completion *completion)
{
    uint16_t id = (uint16_t)(completion->flags >> 16);
    CHECK(id < reactor->limits.buffer_count[group]);
    struct chunk *chunk = &reactor->chunks[group][id];
    CHECK(chunk->capacity == 0); /* the kernel had it */
    chunk->next = NULL;
    chunk->data = kernel_buffer(reactor->kernel, group, id);
    chunk->size = completion->result > 0 ? (uint32_t)completion->result : 0;
    chunk->capacity = reactor->limits.buffer_size[group];
    chunk->buffer = id;
    chunk->group = (uint8_t)group;
    reactor->buffers_out[group]++;
    return chunk;
}

struct chunk *chunk_allocate(struct reactor *reactor, uint32_t capacity)
{
    struct chunk *chunk = malloc(sizeof *chunk + CHUNK_HEADROOM + capacity);
    if (chunk == NULL)
        return NULL;
    chunk->next = NULL;
    chunk->data = (uint8_t *)(chunk + 1) + CHUNK_HEADROOM;
    chunk->size = 0;
    chunk->capacity = capacity;
    chunk->buffer = 0;
    chunk->group = CHUNK_PRIVATE;
    reactor->private_bytes += capacity;
    return chunk;
}

void chunk_free(struct reactor *reactor, struct chunk *chunk)
{
    if (chunk->group == CHUNK_PRIVATE) {
        reactor->private_bytes -= chunk->capacity;
        free(chunk);
        return;
    }
    enum buffer_group group = (enum buffer_group)chunk->group;
    CHECK(chunk->capacity != 0 && reactor->buffers_out[group] > 0);
    chunk->capacity = 0;
    reactor->buffers_out[group]--;
    kernel_buffer_return(reactor->kernel, group, chunk->buffer);
}

struct chunk *chunk_copy(struct reactor *reactor, const struct chunk *chunk)
{
    struct chunk *copy = chunk_allocate(reactor, chunk->size);
    if (copy == NULL)
        return NULL;
    memcpy(copy->data, chunk->data, chunk->size);
    copy->size = chunk->size;
    return copy;
}
