/* The links of one shard: slabs that grow and are kept, so that a link is found by its index and
 * costs its own size. Used by the shard's thread only. */
#ifndef CENCD_LINK_POOL_H
#define CENCD_LINK_POOL_H

#include <stdint.h>

struct link;

struct link_pool {
    struct link **slabs;
    uint32_t slab_count;
    uint32_t used;       /* indexes given out so far; those that came back are in the free list */
    uint32_t first_free; /* index + 1; 0: none */
};

/* A zeroed link with its index set, or NULL if there is no memory. */
struct link *link_pool_take(struct link_pool *pool);
void link_pool_give(struct link_pool *pool, struct link *link);

/* The link at index, used or not; NULL from link_pool_size on. */
struct link *link_pool_at(const struct link_pool *pool, uint32_t index);
uint32_t link_pool_size(const struct link_pool *pool);
/* Links in it are gone with it. */
void link_pool_free(struct link_pool *pool);

#endif
