/* A table of what has an id and a name: projects, groups, agents, channels. Entries are the
 * caller's structs with a struct named first; the table frees them. Not locked: its owner is.
 *
 * By id it is exact. Names are told apart by the rules of edits, not here: while old events are
 * applied again two entries may have one name for a moment. */
#ifndef CENCD_DIRECTORY_NAMED_H
#define CENCD_DIRECTORY_NAMED_H

#include <stddef.h>
#include <stdint.h>

#include "server/base/status.h"
#include "server/directory/projects.h"

struct named {
    uint32_t id;
    uint32_t within; /* the project of a group; 0 for others */
    uint64_t revision;
    struct named *next;  /* in its bucket */
    struct named *alike; /* in the bucket of its shape */
    uint32_t shape;      /* a hash of it (names.h) */
    char name[DIRECTORY_NAME_SIZE];
    char note[DIRECTORY_NOTE_SIZE];
};

#define NAMED_BUCKETS 16384u

struct named_table {
    struct named **entries; /* by id */
    size_t count;
    size_t capacity;
    struct named *buckets[NAMED_BUCKETS]; /* by name, whatever it is within */
    struct named *shapes[NAMED_BUCKETS];  /* by what the name looks like */
    void (*free_entry)(struct named *entry);
};

void named_init(struct named_table *table, void (*free_entry)(struct named *entry));
void named_destroy(struct named_table *table);

/* NULL: none. */
struct named *named_get(const struct named_table *table, uint32_t id);
struct named *named_find(const struct named_table *table, uint32_t within, const char *name);

/* One other than `except` whose name looks like this one (names.h); NULL: none. */
struct named *named_alike(const struct named_table *table, uint32_t within, const char *name,
                          uint32_t except);

/* The position of the first entry with an id greater than `after`. */
size_t named_after(const struct named_table *table, uint32_t after);

/* entry->id is not in the table; its name may still be empty. STATUS_NO_MEMORY: it stays the
 * caller's. */
enum status named_add(struct named_table *table, struct named *entry) MUST_CHECK;
void named_rename(struct named_table *table, struct named *entry, const char *name);
void named_remove(struct named_table *table, struct named *entry); /* and frees it */

#endif
