#include "server/directory/named_facts.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- names by id ---- */

enum status id_name_set(struct accounts *accounts, struct id_names *names, uint32_t id,
                        const char *name)
{
    uint32_t number = name != NULL ? text_pool_take(&accounts->texts, name) : TEXT_POOL_NONE;
    const char *kept = name != NULL ? text_pool_text(&accounts->texts, number) : NULL;
    _Atomic(const char *) *chunk = atomic_load(&names->chunks[id / IDS_PER_CHUNK]);

    if (name != NULL && number == TEXT_POOL_NONE)
        return STATUS_NO_MEMORY;
    if (chunk == NULL) {
        chunk = calloc(IDS_PER_CHUNK, sizeof(*chunk));
        if (chunk == NULL)
            return STATUS_NO_MEMORY;
        atomic_store_explicit(&names->chunks[id / IDS_PER_CHUNK], chunk, memory_order_release);
    }
    atomic_store_explicit(&chunk[id % IDS_PER_CHUNK], kept, memory_order_release);
    return STATUS_OK;
}

/* ---- what all have ---- */

bool named_facts_possible(const struct named_facts *facts)
{
    return facts->id > 0 && facts->id <= ID_MAX && facts->revision > 0 && facts->name[0] != '\0' &&
           strlen(facts->name) < DIRECTORY_NAME_SIZE && strlen(facts->note) < DIRECTORY_NOTE_SIZE;
}

/* NULL: no memory. */
struct named *named_facts_entry(struct named_table *table, const struct named_facts *facts,
                                size_t size)
{
    struct named *named = named_get(table, facts->id);

    if (named != NULL)
        return named;
    named = calloc(1, size);
    if (named == NULL)
        return NULL;
    named->id = facts->id;
    named->within = facts->within;
    if (named_add(table, named) == STATUS_OK)
        return named;
    free(named);
    return NULL;
}

void named_facts_set(struct named_table *table, struct named *named,
                     const struct named_facts *facts)
{
    if (strcmp(named->name, facts->name) != 0)
        named_rename(table, named, facts->name);
    memset(named->note, 0, sizeof(named->note));
    (void)snprintf(named->note, sizeof(named->note), "%s", facts->note);
    named->revision = facts->revision;
}

void raise_last_id(uint32_t *last, uint32_t id)
{
    if (id > *last)
        *last = id;
}

enum status named_facts_remove(struct accounts *accounts, struct named_table *table,
                               struct id_names *names, uint32_t *last_id, uint32_t id)
{
    struct named *named = named_get(table, id);

    if (id <= ID_MAX)
        raise_last_id(last_id, id);
    if (named == NULL)
        return STATUS_OK;
    named_remove(table, named);
    return names != NULL ? id_name_set(accounts, names, id, NULL) : STATUS_OK;
}
