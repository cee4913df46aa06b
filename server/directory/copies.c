#include "server/directory/copies.h"

static const struct named_table *table_of(const struct accounts *accounts,
                                          const struct copies *copies)
{
    return (const struct named_table *)((const char *)accounts + copies->table);
}

bool copies_get(const struct directory *directory, const struct copies *copies, uint32_t id,
                void *info)
{
    struct accounts *accounts = accounts_read(directory);
    struct named *named = named_get(table_of(accounts, copies), id);

    if (named != NULL && info != NULL)
        copies->copy(accounts, named, info);
    accounts_unlock(accounts);
    return named != NULL;
}

bool copies_find(const struct directory *directory, const struct copies *copies, uint32_t within,
                 const char *name, void *info)
{
    struct accounts *accounts = accounts_read(directory);
    struct named *named = named_find(table_of(accounts, copies), within, name);

    if (named != NULL && info != NULL)
        copies->copy(accounts, named, info);
    accounts_unlock(accounts);
    return named != NULL;
}

size_t copies_list(const struct directory *directory, const struct copies *copies, uint32_t after,
                   void *infos, size_t capacity)
{
    struct accounts *accounts = accounts_read(directory);
    const struct named_table *table = table_of(accounts, copies);
    size_t from = named_after(table, after);
    size_t count = 0;

    for (; from + count < table->count && count < capacity; count++)
        copies->copy(accounts, table->entries[from + count], (char *)infos + count * copies->size);
    accounts_unlock(accounts);
    return count;
}
