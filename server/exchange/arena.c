#include "server/exchange/arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE (256u << 10)

struct arena_chunk {
    struct arena_chunk *former;
    size_t size;
    size_t used;
    alignas(max_align_t) char memory[];
};

static struct arena_chunk *add_chunk(struct arena *arena, size_t size)
{
    size_t room = size > CHUNK_SIZE ? size : CHUNK_SIZE;
    struct arena_chunk *chunk = malloc(sizeof(*chunk) + room);

    if (chunk == NULL) {
        arena->failed = true;
        return NULL;
    }
    chunk->former = arena->last;
    chunk->size = room;
    chunk->used = 0;
    arena->last = chunk;
    return chunk;
}

void *arena_take(struct arena *arena, size_t size)
{
    struct arena_chunk *chunk = arena->last;

    size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    if (chunk == NULL || chunk->size - chunk->used < size)
        chunk = add_chunk(arena, size);
    if (chunk == NULL)
        return NULL;
    void *taken = chunk->memory + chunk->used;
    chunk->used += size;
    return taken;
}

const char *arena_text(struct arena *arena, const char *text, size_t size)
{
    char *copy = arena_take(arena, size + 1);

    if (copy == NULL)
        return NULL;
    memcpy(copy, text, size);
    copy[size] = '\0';
    return copy;
}

void arena_free(struct arena *arena)
{
    while (arena->last != NULL) {
        struct arena_chunk *chunk = arena->last;
        arena->last = chunk->former;
        explicit_bzero(chunk->memory, chunk->used);
        free(chunk);
    }
}
