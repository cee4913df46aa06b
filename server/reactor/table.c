/* Objects that completions name by index. */
#include <stdlib.h>

#include "server/reactor/internal.h"

static bool grow(struct table *table)
{
    uint32_t capacity = table->capacity == 0 ? 64 : table->capacity * 2;
    void **entries = realloc(table->entries, capacity * sizeof *entries);
    if (entries == NULL)
        return false;
    table->entries = entries;
    uint32_t *unused = realloc(table->free, capacity * sizeof *unused);
    if (unused == NULL)
        return false;
    table->free = unused;
    for (uint32_t i = capacity; i > table->capacity; i--) {
        table->entries[i - 1] = NULL;
        table->free[table->free_count++] = i - 1;
    }
    table->capacity = capacity;
    return true;
}

uint32_t table_add(struct table *table, void *entry)
{
    if (table->free_count == 0 && !grow(table))
        return UINT32_MAX;
    uint32_t index = table->free[--table->free_count];
    table->entries[index] = entry;
    return index;
}

void *table_get(const struct table *table, uint32_t index)
{
    return index < table->capacity ? table->entries[index] : NULL;
}

void table_remove(struct table *table, uint32_t index)
{
    CHECK(index < table->capacity && table->entries[index] != NULL);
    table->entries[index] = NULL;
    table->free[table->free_count++] = index;
}

void table_free(struct table *table)
{
    free(table->entries);
    free(table->free);
}
