/* Provided buffers. While a buffer is the kernel's it is filled with a pattern, which is looked at
 * when it is taken: who wrote to a buffer after giving it back is found out. */
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/reactor/sim/operation.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SIM_ADDRESS_SANITIZER
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define SIM_ADDRESS_SANITIZER
#endif
#ifdef SIM_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(memory, size)   ((void)(memory), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(memory, size) ((void)(memory), (void)(size))
#endif

#define PATTERN     0xa5
#define GUARD_BYTES 64u
/* So many bytes of the data are looked at, besides headroom and guard. */
#define LOOKED_AT 256u

static uint8_t *start_of(const struct sim_buffers *buffers, uint16_t id)
{
    return buffers->memory + id * buffers->stride;
}

static uint32_t looked_at(const struct sim_buffers *buffers)
{
    return KERNEL_BUFFER_HEADROOM + (buffers->size < LOOKED_AT ? buffers->size : LOOKED_AT);
}

static bool is_pattern(const uint8_t *memory, size_t size)
{
    return memory[0] == PATTERN && memcmp(memory, memory + 1, size - 1) == 0;
}

static uint8_t *guard_of(const struct sim_buffers *buffers, uint16_t id)
{
    return start_of(buffers, id) + KERNEL_BUFFER_HEADROOM + buffers->size;
}

void sim_buffers_init(struct sim_buffers *buffers, uint32_t count, uint32_t size)
{
    *buffers = (struct sim_buffers){0};
    if (count == 0)
        return;
    SIM_RULE(count <= 32768 && (count & (count - 1)) == 0,
             "the number of buffers is a power of two up to 32768");
    SIM_RULE(size > 0, "buffers have a size");
    *buffers = (struct sim_buffers){.count = count, .size = size, .free = count};
    buffers->stride = (KERNEL_BUFFER_HEADROOM + size + GUARD_BYTES + 63) / 64 * 64;
    buffers->memory = sim_allocate(count * buffers->stride);
    buffers->ring = sim_allocate(count * sizeof *buffers->ring);
    buffers->out = sim_allocate(count * sizeof *buffers->out);
    for (uint32_t id = 0; id < count; id++) {
        buffers->ring[id] = (uint16_t)id;
        memset(start_of(buffers, (uint16_t)id), PATTERN, looked_at(buffers));
        memset(guard_of(buffers, (uint16_t)id), PATTERN, GUARD_BYTES);
    }
    ASAN_POISON_MEMORY_REGION(buffers->memory, count * buffers->stride);
}

void sim_buffers_free(struct sim_buffers *buffers)
{
    if (buffers->count > 0)
        ASAN_UNPOISON_MEMORY_REGION(buffers->memory, buffers->count * buffers->stride);
    free(buffers->memory);
    free(buffers->ring);
    free(buffers->out);
    *buffers = (struct sim_buffers){0};
}

uint8_t *sim_buffers_data(const struct sim_buffers *buffers, uint16_t id)
{
    return start_of(buffers, id) + KERNEL_BUFFER_HEADROOM;
}

uint16_t sim_buffers_take(struct sim_buffers *buffers)
{
    CHECK(buffers->free > 0);
    uint16_t id = buffers->ring[buffers->head];
    buffers->head = (buffers->head + 1) & (buffers->count - 1);
    buffers->free--;
    buffers->out[id] = true;
    uint8_t *start = start_of(buffers, id);
    ASAN_UNPOISON_MEMORY_REGION(start, KERNEL_BUFFER_HEADROOM + buffers->size);
    SIM_RULE(is_pattern(start, looked_at(buffers)),
             "a buffer was written to after it had been returned");
    return id;
}

static void put_back(struct sim_buffers *buffers, uint16_t id)
{
    uint8_t *guard = guard_of(buffers, id);
    ASAN_UNPOISON_MEMORY_REGION(guard, GUARD_BYTES);
    SIM_RULE(is_pattern(guard, GUARD_BYTES), "bytes were written beyond the end of a buffer");
    memset(start_of(buffers, id), PATTERN, looked_at(buffers));
    ASAN_POISON_MEMORY_REGION(start_of(buffers, id), buffers->stride);
    buffers->out[id] = false;
    buffers->ring[(buffers->head + buffers->free) & (buffers->count - 1)] = id;
    buffers->free++;
}

/* ---- kernel.h ---- */

uint8_t *kernel_buffer(struct kernel *kernel, enum buffer_group group, uint16_t id)
{
    SIM_RULE(group < BUFFER_GROUPS && id < kernel->buffers[group].count,
             "kernel_buffer of a buffer that doesn't exist");
    return sim_buffers_data(&kernel->buffers[group], id);
}

void kernel_buffer_return(struct kernel *kernel, enum buffer_group group, uint16_t id)
{
    SIM_RULE(group < BUFFER_GROUPS && id < kernel->buffers[group].count,
             "kernel_buffer_return of a buffer that doesn't exist");
    SIM_RULE(kernel->buffers[group].out[id], "a buffer was returned that is not out");
    put_back(&kernel->buffers[group], id);
}
