/* The directory written out: as a ceHes file of one project, or as CSV. Made piece by piece, so
 * that a million devices need no more memory than a list of them.
 *
 * What was imported comes out as it came, but for passwords, and for what was changed since: names
 * of groups and channels, addresses, which devices are in which group and on which channel. What
 * the server learnt itself gets Ids that stay the same from export to export. Lists are in the
 * order in which the server learnt their entries. Any thread that may wait. */
#ifndef CENCD_EXCHANGE_EXPORT_H
#define CENCD_EXCHANGE_EXPORT_H

#include "server/directory/details.h"
#include "server/directory/projects.h"
#include "server/exchange/model.h"
#include "server/exchange/scrub.h"

struct export_config {
    struct directory *directory;
    struct details *details; /* NULL: nothing was imported */
    enum exchange_format format;
    bool of_project; /* only of this one; needed for ceHes */
    uint32_t project;
    const char *node;
    uint64_t utc_ms;
};

struct export;

/* What config points to must live as long. STATUS_NO_MEMORY. */
enum status export_open(const struct export_config *config, struct export **opened) MUST_CHECK;
void export_close(struct export *export); /* NULL: nothing */

/* Appends the next piece, some kilobytes; false: that was the last. */
bool export_next(struct export *export, struct scrubbed *out);

/* For an import: is this what the device, group or channel would be written as? Otherwise than
 * export_next, which makes pieces of a file. export_begin_looking before. */
void export_begin_looking(struct export *export);
bool export_is_written_as(struct export *export, const struct details_key *key,
                          const struct device *device, const char *json);

/* Details could not be read, or no memory: what was written isn't all. */
bool export_failed(const struct export *export);

#endif
