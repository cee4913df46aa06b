/* What an import would do: the model of a file (model.h) against the directory, made into the items
 * of a batch of edits.
 *
 * What isn't there is added: projects, groups, channels (by name; those that have only an address,
 * by it) and devices (by serial). What is there already and is as the file says is counted as
 * unchanged. A device that belongs to no project yet is moved to where the file says. All else that
 * would change something is a fault, unless the import is an update: then devices are moved,
 * channels changed and details replaced, each listed. Nothing is ever removed.
 *
 * Blocks (details are read from the store); any thread that may wait. The directory may change
 * meanwhile: the batch is refused then, since items name the revisions that were seen. */
#ifndef CENCD_EXCHANGE_PLAN_H
#define CENCD_EXCHANGE_PLAN_H

#include "server/directory/edit_batch.h"
#include "server/exchange/model.h"

#define PLAN_ROWS_MAX 1000u

struct plan_config {
    struct directory *directory;
    /* The store as it is now; asked at most once, when something is there already that may have
     * details. NULL: STATUS_SYSTEM. The plan closes it. */
    struct details *(*open_details)(void *context);
    void *context;
    const struct config *config; /* whose scopes devices may have */
    const char *scope;           /* of devices that name none; NULL: the one that has the serial,
                                    otherwise "default" */
    bool update;
    const char *file_name; /* for the event; may be "" */
};

/* One of those that are listed. */
struct plan_row {
    const char *action; /* "add", "change", "move" */
    const char *object; /* "project", "group", "channel", "device", "details" */
    char name[DIRECTORY_NAME_SIZE];
    char from[2 * DIRECTORY_NAME_SIZE + 2]; /* project/group; "": nothing to say */
    char to[2 * DIRECTORY_NAME_SIZE + 2];
};

struct plan_item;
struct plan_known;
struct plan_device;
struct export;

/* All zeros before plan_make. */
struct plan {
    const struct plan_config *config;
    struct exchange *exchange;
    struct plan_item *items;
    size_t item_count, item_room;
    struct plan_known *projects; /* ids, or references to items, as of the following */
    struct plan_known *groups;
    struct plan_known *channels;
    struct plan_device *devices;
    struct details *details;      /* NULL: not asked yet */
    struct names_index addresses; /* of channels in the directory: their ids */
    bool has_addresses;
    struct arena arena;    /* of their texts */
    struct export *export; /* what would be written out now; made when it is needed */
    struct edit_imported imported;
    uint32_t details_set; /* where there were none */
    uint32_t details_replaced;
    struct plan_row *rows; /* row_count of row_found */
    size_t row_count;
    size_t row_found;
};

/* Faults go to the model's. STATUS_NO_MEMORY, STATUS_SYSTEM: details can't be read. plan_free in
 * any case. */
enum status plan_make(struct plan *plan, const struct plan_config *config,
                      struct exchange *exchange) MUST_CHECK;
void plan_free(struct plan *plan);

/* For the batch: count is plan->item_count, context the plan. */
bool plan_next(void *context, size_t index, struct edit *edit);

/* A fault that the batch found, put among those of the model. */
void plan_fault(struct plan *plan, const struct edit_batch_fault *fault);

#endif
