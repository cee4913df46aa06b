#include "server/northbound/recent.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"

/* What one read of the journal gave. */
struct block {
    struct list node;
    uint64_t first;
    size_t count;
    size_t bytes;
    struct journal_record records[]; /* their bytes behind them */
};

static struct block *block_make(const struct journal_record *records, size_t count)
{
    size_t bytes = sizeof(struct block) + count * sizeof(*records);
    size_t payload = 0;

    for (size_t i = 0; i < count; i++)
        payload += records[i].size;
    struct block *block = malloc(bytes + payload);
    if (block == NULL)
        return NULL;
    uint8_t *at = (uint8_t *)block + bytes;
    block->first = records[0].sequence;
    block->count = count;
    block->bytes = bytes + payload;
    for (size_t i = 0; i < count; i++) {
        block->records[i] = records[i];
        block->records[i].data = at;
        memcpy(at, records[i].data, records[i].size);
        at += records[i].size;
    }
    return block;
}

/* The oldest go, down to so many bytes; never the one at `last`. */
static void shrink(struct recent *recent, size_t bytes, const struct list *last)
{
    struct list *next;

    for (struct list *node = recent->blocks.next; node != last && recent->bytes > bytes;
         node = next) {
        struct block *block = container_of(node, struct block, node);
        next = node->next;
        recent->bytes -= block->bytes;
        list_remove(node);
        free(block);
    }
}

bool recent_add(struct recent *recent, const struct journal_record *records, size_t count)
{
    struct block *block = block_make(records, count);

    if (block == NULL) {
        recent_forget(recent);
        return false;
    }
    list_append(&recent->blocks, &block->node);
    recent->bytes += block->bytes;
    shrink(recent, RECENT_BYTES, &block->node);
    return true;
}

void recent_forget(struct recent *recent)
{
    shrink(recent, 0, &recent->blocks);
}

uint64_t recent_first(const struct recent *recent)
{
    if (list_empty(&recent->blocks))
        return 0;
    return container_of(recent->blocks.next, struct block, node)->first;
}

const struct journal_record *recent_find(const struct recent *recent, uint64_t sequence,
                                         size_t *count)
{
    /* most look for what is in the last one */
    for (const struct list *node = recent->blocks.previous; node != &recent->blocks;
         node = node->previous) {
        const struct block *block = container_of(node, struct block, node);
        if (block->first > sequence)
            continue;
        size_t at = (size_t)(sequence - block->first);
        CHECK(at < block->count);
        *count = block->count - at;
        return &block->records[at];
    }
    *count = 0;
    return NULL;
}
