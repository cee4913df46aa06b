/* Inside the editor: a batch that is under way. The editor's thread. */
#ifndef CENCD_DIRECTORY_BATCH_RUN_H
#define CENCD_DIRECTORY_BATCH_RUN_H

#include "server/directory/edit_pending.h"
#include "server/directory/editor_internal.h"
#include "server/journal/batch.h"

/* What memory does at the commit with a device. */
struct batch_device {
    struct device *device;
    struct place place;
    bool added;
};

struct batch_run {
    struct editor *editor;
    struct edit_batch *batch;
    struct edit_pending *pending;
    uint32_t *ids; /* of what items add, by their index; 0: nothing */
    size_t index;  /* the next one */
    uint64_t utc_ms;
    bool recording;
    bool prepared;           /* the item's records wait for a block with room */
    bool stopping;           /* the journal was told to abandon it */
    enum edit_result result; /* then */
    struct edit edit;
    struct message step;
    struct journal_batch journal;
    struct batch_device *devices;
    size_t device_count;
    size_t device_room;
    uint8_t *events; /* of the other items: size, bytes */
    size_t events_size;
    size_t events_room;
};

/* NULL: no memory. */
struct batch_run *batch_run_make(struct editor *editor, struct edit_batch *batch);

/* The item run->index: checks it, and keeps what later items may refer to; when it records, fills
 * the editor's records and keeps what the commit is to do. Otherwise run->edit.text says why not.
 * *lost: the item it refers to is at fault itself. */
enum edit_result batch_take_item(struct batch_run *run, bool *lost);

/* All of it is on the disk: from now on it counts. */
void batch_apply(struct batch_run *run);
/* Nothing of it will be. */
void batch_withdraw(struct batch_run *run);

#endif
