/* Inside the directory: what a record says of anything that has an id and a name, and how it gets
 * into a table. The tables are locked to write. */
#ifndef CENCD_DIRECTORY_NAMED_FACTS_H
#define CENCD_DIRECTORY_NAMED_FACTS_H

#include "server/directory/accounts.h"

struct named_facts {
    uint32_t id;
    uint32_t within;
    uint64_t revision;
    const char *name;
    const char *note;
};

/* False: no edit can have made it. */
bool named_facts_possible(const struct named_facts *facts);

/* The entry of that id, made with `size` bytes of zeros if there is none. NULL: no memory. */
struct named *named_facts_entry(struct named_table *table, const struct named_facts *facts,
                                size_t size);

/* Name, note and revision. */
void named_facts_set(struct named_table *table, struct named *named,
                     const struct named_facts *facts);

/* The name that id_name tells; NULL: none any more. STATUS_NO_MEMORY. */
enum status id_name_set(struct accounts *accounts, struct id_names *names, uint32_t id,
                        const char *name) MUST_CHECK;

/* Ids up to this one have been given. */
void raise_last_id(uint32_t *last, uint32_t id);

/* The entry of that id goes, if there is one, and in any case the id has been given. names: that
 * tell its name; NULL: none do. STATUS_NO_MEMORY. */
enum status named_facts_remove(struct accounts *accounts, struct named_table *table,
                               struct id_names *names, uint32_t *last_id, uint32_t id) MUST_CHECK;

#endif
