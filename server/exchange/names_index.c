#include "server/exchange/names_index.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

struct names_entry {
    const char *text;
    uint32_t within;
    uint32_t number;
};

static int compare(const void *a, const void *b)
{
    const struct names_entry *one = a;
    const struct names_entry *other = b;

    if (one->within != other->within)
        return one->within < other->within ? -1 : 1;
    return strcmp(one->text, other->text);
}

enum status names_index_add(struct names_index *index, struct arena *arena, uint32_t within,
                            const char *text, uint32_t *number)
{
    if (names_index_find(index, within, text, number))
        return STATUS_EXISTS;
    struct names_entry *entry = arena_take(arena, sizeof(*entry));
    if (entry == NULL)
        return STATUS_NO_MEMORY;
    *entry = (struct names_entry){.text = text, .within = within, .number = *number};
    return tsearch(entry, &index->root, compare) != NULL ? STATUS_OK : STATUS_NO_MEMORY;
}

bool names_index_find(const struct names_index *index, uint32_t within, const char *text,
                      uint32_t *number)
{
    struct names_entry wanted = {.text = text, .within = within};
    struct names_entry *const *found = tfind(&wanted, &index->root, compare);

    if (found == NULL)
        return false;
    *number = (*found)->number;
    return true;
}

static void keep(void *entry)
{
    (void)entry; /* the arena's */
}

void names_index_free(struct names_index *index)
{
    tdestroy(index->root, keep);
    index->root = NULL;
}
