#include "server/directory/named.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/directory/names.h"

#define FIRST_CAPACITY 16u

void named_init(struct named_table *table, void (*free_entry)(struct named *entry))
{
    memset(table, 0, sizeof(*table));
    table->free_entry = free_entry;
}

void named_destroy(struct named_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        table->free_entry(table->entries[i]);
    free(table->entries);
}

/* Names are an operator's choice, not a stranger's: no key is needed. */
static uint32_t hash_of(const char *name)
{
    uint32_t hash = 2166136261u;

    for (; *name != '\0'; name++)
        hash = (hash ^ (uint8_t)*name) * 16777619u;
    return hash;
}

static uint32_t shape_of(const char *name)
{
    char shape[DIRECTORY_NAME_SIZE];

    name_shape(name, shape);
    return hash_of(shape);
}

static struct named **bucket_of(struct named_table *table, const char *name)
{
    return &table->buckets[hash_of(name) % NAMED_BUCKETS];
}

size_t named_after(const struct named_table *table, uint32_t after)
{
    size_t low = 0;
    size_t high = table->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (table->entries[middle]->id > after)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

struct named *named_get(const struct named_table *table, uint32_t id)
{
    if (id == 0)
        return NULL;
    size_t at = named_after(table, id - 1);
    return at < table->count && table->entries[at]->id == id ? table->entries[at] : NULL;
}

struct named *named_find(const struct named_table *table, uint32_t within, const char *name)
{
    struct named *entry = *bucket_of((struct named_table *)table, name);

    while (entry != NULL && (entry->within != within || strcmp(entry->name, name) != 0))
        entry = entry->next;
    return entry;
}

struct named *named_alike(const struct named_table *table, uint32_t within, const char *name,
                          uint32_t except)
{
    uint32_t shape = shape_of(name);
    struct named *entry = table->shapes[shape % NAMED_BUCKETS];

    while (entry != NULL && (entry->shape != shape || entry->within != within ||
                             entry->id == except || !names_look_alike(entry->name, name)))
        entry = entry->alike;
    return entry;
}

static void link_name(struct named_table *table, struct named *entry)
{
    struct named **bucket = bucket_of(table, entry->name);

    entry->next = *bucket;
    *bucket = entry;
    entry->shape = shape_of(entry->name);
    entry->alike = table->shapes[entry->shape % NAMED_BUCKETS];
    table->shapes[entry->shape % NAMED_BUCKETS] = entry;
}

static void unlink_name(struct named_table *table, struct named *entry)
{
    struct named **place = bucket_of(table, entry->name);

    while (*place != entry)
        place = &(*place)->next;
    *place = entry->next;
    place = &table->shapes[entry->shape % NAMED_BUCKETS];
    while (*place != entry)
        place = &(*place)->alike;
    *place = entry->alike;
}

enum status named_add(struct named_table *table, struct named *entry)
{
    if (table->count == table->capacity) {
        size_t capacity = table->capacity == 0 ? FIRST_CAPACITY : table->capacity * 2;
        struct named **entries = realloc(table->entries, capacity * sizeof(struct named *));
        if (entries == NULL)
            return STATUS_NO_MEMORY;
        table->entries = entries;
        table->capacity = capacity;
    }
    size_t at = named_after(table, entry->id);
    memmove(&table->entries[at + 1], &table->entries[at],
            (table->count - at) * sizeof(struct named *));
    table->entries[at] = entry;
    table->count++;
    link_name(table, entry);
    return STATUS_OK;
}

void named_rename(struct named_table *table, struct named *entry, const char *name)
{
    unlink_name(table, entry);
    (void)snprintf(entry->name, sizeof(entry->name), "%s", name);
    link_name(table, entry);
}

void named_remove(struct named_table *table, struct named *entry)
{
    size_t at = named_after(table, entry->id - 1);

    unlink_name(table, entry);
    table->count--;
    memmove(&table->entries[at], &table->entries[at + 1],
            (table->count - at) * sizeof(struct named *));
    table->free_entry(entry);
}
