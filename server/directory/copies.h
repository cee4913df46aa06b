/* Inside the directory: copies of the tables' entries for whoever looks at them without a lock,
 * such as struct project_info. One sort of object has one table and one kind of copy. Any thread.
 */
#ifndef CENCD_DIRECTORY_COPIES_H
#define CENCD_DIRECTORY_COPIES_H

#include "server/directory/accounts.h"

struct copies {
    size_t table; /* its offset in struct accounts */
    size_t size;  /* of a copy */
    /* Writes all of the copy. The tables are locked. */
    void (*copy)(const struct accounts *accounts, struct named *named, void *info);
};

/* False: there is none, and nothing is written. info may be NULL. */
bool copies_get(const struct directory *directory, const struct copies *copies, uint32_t id,
                void *info);
bool copies_find(const struct directory *directory, const struct copies *copies, uint32_t within,
                 const char *name, void *info);

/* Those with an id greater than `after`, in order of their ids; at most capacity. Returns how many.
 */
size_t copies_list(const struct directory *directory, const struct copies *copies, uint32_t after,
                   void *infos, size_t capacity);

#endif
