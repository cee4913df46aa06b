/* A batch: edits that come into force together or not at all, also over a crash.
 *
 * The caller has the items, however many, and fills one struct edit with each when it is asked to,
 * twice for each item: all are checked first, against the directory and against the items before.
 * Where any is at fault nothing is recorded, and the faults are listed. Then the items are recorded
 * where no reader of the journal sees them, and last one operation of the disk makes all of them
 * count; memory follows in the same turn as for any edit.
 *
 * While a batch runs other edits wait, sessions and events don't. One batch runs at a time. The
 * events are those of single edits, with the batch's actor, one after another in the journal.
 *
 * What may be in it: EDIT_PROJECT_ADD, EDIT_GROUP_ADD, EDIT_CHANNEL_ADD, EDIT_CHANNEL_CHANGE,
 * EDIT_DEVICE_ADD (with project, group and channel), EDIT_DEVICE_MOVE, EDIT_DEVICE_CHANNEL,
 * EDIT_DETAILS_SET, EDIT_IMPORTED. One item may add, move or change a device, or change a channel.
 */
#ifndef CENCD_DIRECTORY_EDIT_BATCH_H
#define CENCD_DIRECTORY_EDIT_BATCH_H

#include <stdatomic.h>

#include "server/directory/edit.h"

#define EDIT_BATCH_MAX    1000000u /* items */
#define EDIT_BATCH_FAULTS 100u     /* that are listed */

/* In place of the id of a project, a group and so on: what item `index` of the same batch adds. It
 * must come before. No id is as large. */
#define EDIT_BATCH_REFERENCE 0x80000000u
static inline uint32_t edit_batch_reference(size_t index)
{
    return EDIT_BATCH_REFERENCE | (uint32_t)index;
}

struct edit_batch_fault {
    size_t index;
    enum edit_result result;
    char text[256];
};

struct edit_batch {
    size_t count; /* 1..EDIT_BATCH_MAX */
    bool dry_run; /* checks everything and changes nothing */
    struct edit_actor actor;
    /* Fills the edit, which is all zeros, for item `index`: all that an edit wants, but for actor
     * and done. In the editor's thread, so it must be quick. False: the caller gives up, the result
     * is EDIT_CONFLICT. Not called any more when done is. */
    bool (*next)(void *context, size_t index, struct edit *edit);
    void *context;

    /* Called in the editor's thread; may be called from inside editor_submit_batch. EDIT_DONE: all
     * are in force (dry_run: all could be). Otherwise nothing is: result is that of the first
     * fault, or tells why the batch as a whole was refused (EDIT_FULL: another one runs, or it is
     * too large; EDIT_UNAVAILABLE: as for edits), and text says it in a sentence. */
    void (*done)(struct edit_batch *batch);
    enum edit_result result;
    char text[256];
    size_t fault_count; /* listed, in order of their index */
    size_t faults_found;
    struct edit_batch_fault faults[EDIT_BATCH_FAULTS];
    uint64_t first_sequence; /* of its records in the journal, one after another */
    uint64_t last_sequence;

    _Atomic bool cancelled; /* the editor's own, like the rest */
    void *waiter;
};

/* May edits of this kind be in a batch? */
bool edit_batch_takes(enum edit_kind kind);

/* Any thread. The batch is the caller's, and must live until done. */
void editor_submit_batch(struct editor *editor, struct edit_batch *batch);

/* Any thread: gives a batch up, if it isn't too late. done is called all the same. */
void editor_cancel_batch(struct editor *editor, struct edit_batch *batch);

/* For threads that may wait. After `patience_s` the batch is cancelled, and what came of that is
 * waited for. */
void editor_do_batch(struct editor *editor, struct edit_batch *batch, uint32_t patience_s);

#endif
