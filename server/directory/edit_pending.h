/* Inside the editor: what the batch that is under way adds, before it counts. Projects, groups and
 * channels are in tables like the directory's, so that later items may refer to them and no two get
 * one name; of devices it is known which ones the batch has had. The editor's thread only. */
#ifndef CENCD_DIRECTORY_EDIT_PENDING_H
#define CENCD_DIRECTORY_EDIT_PENDING_H

#include "server/directory/accounts.h"
#include "server/directory/edit_internal.h"

struct edit_pending {
    struct directory *directory;
    struct directory *added; /* only its accounts are there */
    uint64_t *devices;       /* hashes of scope and serial, by their low bits; 0: free */
    size_t device_mask;
    size_t device_count;
    uint64_t new_devices; /* that were found to need room */
    bool enters;          /* false: all is only looked at */
};

/* NULL: no memory. */
struct edit_pending *edit_pending_make(struct directory *directory);
void edit_pending_free(struct edit_pending *pending); /* NULL: nothing */

/* An item adds what the event says. */
enum status edit_pending_apply(struct edit_pending *pending,
                               const Cenc__V1__Event *event) MUST_CHECK;

/* The device is the item's alone (or another thing, whose scope no device has): STATUS_EXISTS if
 * another one had it, STATUS_NO_MEMORY. */
enum status edit_pending_claim(struct edit_pending *pending, const char *scope,
                               const char *serial) MUST_CHECK;

/* May the edit take room in the directory for what it adds? */
bool edit_enters(const struct edit *edit);

/* What an edit may refer to: what is there, or the batch adds that it is part of. info may be NULL.
 */
bool edit_finds_project(const struct edit_scene *scene, const struct edit *edit, uint32_t id,
                        struct project_info *info);
bool edit_finds_group(const struct edit_scene *scene, const struct edit *edit, uint32_t id,
                      struct group_info *info);
bool edit_finds_channel(const struct edit_scene *scene, const struct edit *edit, uint32_t id,
                        struct channel_info *info);

/* Their names; "": none. edit may be NULL. */
const char *edit_project_name(const struct edit_scene *scene, const struct edit *edit, uint32_t id);
const char *edit_group_name(const struct edit_scene *scene, const struct edit *edit, uint32_t id);
const char *edit_channel_name(const struct edit_scene *scene, const struct edit *edit, uint32_t id);

/* Where the ids are that were given last. */
const struct accounts *edit_last_ids(const struct edit_scene *scene, const struct edit *edit);

/* The table of what the batch adds that goes into `table`; NULL: there is no batch. */
const struct named_table *edit_pending_table(const struct edit *edit,
                                             const struct named_table *table);

#endif
