#include "server/reactor/sim/bytes.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"

void sim_bytes_init(struct sim_bytes *bytes, size_t bound)
{
    *bytes = (struct sim_bytes){.bound = bound};
}

void sim_bytes_free(struct sim_bytes *bytes)
{
    free(bytes->memory);
    *bytes = (struct sim_bytes){.bound = bytes->bound};
}

/* Copies size bytes that start at offset from the head, which may wrap around. */
static void copy_out(const struct sim_bytes *bytes, uint8_t *data, size_t size)
{
    size_t first = bytes->allocated - bytes->head;
    if (first > size)
        first = size;
    if (first > 0)
        memcpy(data, bytes->memory + bytes->head, first);
    if (size > first)
        memcpy(data + first, bytes->memory, size - first);
}

static void grow(struct sim_bytes *bytes, size_t wanted)
{
    size_t allocated = bytes->allocated ? bytes->allocated : 256;
    while (allocated < wanted)
        allocated *= 2;
    uint8_t *memory = malloc(allocated);
    CHECK(memory);
    copy_out(bytes, memory, bytes->size);
    free(bytes->memory);
    bytes->memory = memory;
    bytes->allocated = allocated;
    bytes->head = 0;
}

void sim_bytes_put(struct sim_bytes *bytes, const uint8_t *data, size_t size)
{
    CHECK(size <= sim_bytes_room(bytes));
    if (size == 0)
        return;
    if (bytes->size + size > bytes->allocated)
        grow(bytes, bytes->size + size);
    size_t tail = (bytes->head + bytes->size) & (bytes->allocated - 1);
    size_t first = bytes->allocated - tail;
    if (first > size)
        first = size;
    memcpy(bytes->memory + tail, data, first);
    if (size > first)
        memcpy(bytes->memory, data + first, size - first);
    bytes->size += size;
}

void sim_bytes_take(struct sim_bytes *bytes, uint8_t *data, size_t size)
{
    CHECK(size <= bytes->size);
    if (size == 0)
        return;
    if (data)
        copy_out(bytes, data, size);
    bytes->head = (bytes->head + size) & (bytes->allocated - 1);
    bytes->size -= size;
}
