/* A bounded queue of bytes: a socket's buffer. Memory grows with use up to the bound. */
#ifndef CENCD_REACTOR_SIM_BYTES_H
#define CENCD_REACTOR_SIM_BYTES_H

#include <stddef.h>
#include <stdint.h>

struct sim_bytes {
    uint8_t *memory;
    size_t allocated; /* a power of two, or 0 */
    size_t head;
    size_t size;
    size_t bound;
};

void sim_bytes_init(struct sim_bytes *bytes, size_t bound);
void sim_bytes_free(struct sim_bytes *bytes);
static inline size_t sim_bytes_room(const struct sim_bytes *bytes)
{
    return bytes->bound - bytes->size;
}
/* size must not be above the room. */
void sim_bytes_put(struct sim_bytes *bytes, const uint8_t *data, size_t size);
/* size must not be above the size; data NULL: the bytes are dropped. */
void sim_bytes_take(struct sim_bytes *bytes, uint8_t *data, size_t size);

#endif
