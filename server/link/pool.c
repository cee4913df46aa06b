#include "server/link/pool.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/link/link.h"

#define SLAB_LINKS 1024u

/* Fresh slabs are the kernel's zero pages: a link costs memory only once it was used. */
static bool grow(struct link_pool *pool)
{
    if (pool->slab_count == UINT32_MAX / SLAB_LINKS)
        return false;
    struct link **slabs = reallocarray(pool->slabs, pool->slab_count + 1, sizeof(struct link *));
    if (slabs == NULL)
        return false;
    pool->slabs = slabs;
    struct link *slab = calloc(SLAB_LINKS, sizeof(struct link));
    if (slab == NULL)
        return false;
    pool->slabs[pool->slab_count++] = slab;
    return true;
}

static struct link *slot_of(const struct link_pool *pool, uint32_t index)
{
    return &pool->slabs[index / SLAB_LINKS][index % SLAB_LINKS];
}

struct link *link_pool_take(struct link_pool *pool)
{
    uint32_t index = pool->used;

    if (pool->first_free != 0) {
        index = pool->first_free - 1;
        pool->first_free = (uint32_t)slot_of(pool, index)->next_free;
    } else {
        if (index / SLAB_LINKS == pool->slab_count && !grow(pool))
            return NULL;
        pool->used++;
    }
    struct link *link = slot_of(pool, index);
    CHECK(link->state == LINK_FREE && link->id == 0);
    memset(link, 0, sizeof(*link));
    link->index = index;
    return link;
}

/* The id goes too, so that references to the link that was here find nothing. */
void link_pool_give(struct link_pool *pool, struct link *link)
{
    uint32_t index = link->index;

    CHECK(link_pool_at(pool, index) == link);
    memset(link, 0, sizeof(*link));
    link->index = index;
    link->next_free = pool->first_free;
    pool->first_free = index + 1;
}

struct link *link_pool_at(const struct link_pool *pool, uint32_t index)
{
    return index < pool->used ? slot_of(pool, index) : NULL;
}

uint32_t link_pool_size(const struct link_pool *pool)
{
    return pool->used;
}

void link_pool_free(struct link_pool *pool)
{
    for (uint32_t i = 0; i < pool->slab_count; i++)
        free(pool->slabs[i]);
    free(pool->slabs);
    *pool = (struct link_pool){0};
}
