#include "server/directory/batch_run.h"

#include <stdlib.h>
#include <string.h>

#include "server/directory/internal.h"

#define FIRST_ROOM 1024u

bool edit_batch_takes(enum edit_kind kind)
{
    switch (kind) {
    case EDIT_PROJECT_ADD:
    case EDIT_GROUP_ADD:
    case EDIT_CHANNEL_ADD:
    case EDIT_CHANNEL_CHANGE:
    case EDIT_DEVICE_ADD:
    case EDIT_DEVICE_MOVE:
    case EDIT_DEVICE_CHANNEL:
    case EDIT_DETAILS_SET:
    case EDIT_IMPORTED:
        return true;
    default:
        return false;
    }
}

struct batch_run *batch_run_make(struct editor *editor, struct edit_batch *batch)
{
    struct batch_run *run = calloc(1, sizeof(*run));

    if (run == NULL)
        return NULL;
    run->ids = calloc(batch->count, sizeof(*run->ids));
    run->pending = edit_pending_make(editor->config.directory);
    if (run->ids == NULL || run->pending == NULL) {
        batch_run_free(run);
        return NULL;
    }
    run->editor = editor;
    run->batch = batch;
    run->utc_ms = reactor_utc_ms(editor->config.reactor);
    return run;
}

void batch_run_free(struct batch_run *run)
{
    if (run == NULL)
        return;
    edit_pending_free(run->pending);
    free(run->journal.block);
    free(run->ids);
    free(run->devices);
    free(run->events);
    free(run);
}

/* ---- one item ---- */

/* False: it names none that is before it. *lost: that one is at fault itself. */
static bool resolve(const struct batch_run *run, uint32_t *id, bool *lost)
{
    size_t index = *id & ~EDIT_BATCH_REFERENCE;

    if ((*id & EDIT_BATCH_REFERENCE) == 0)
        return true;
    if (index >= run->index)
        return false;
    *id = run->ids[index];
    *lost = *lost || *id == 0;
    return true;
}

/* EDIT_DONE: run->edit and the editor's records are what is to be recorded. lost: what it refers to
 * is a fault that is known already. */
static enum edit_result prepare(struct batch_run *run, bool *lost)
{
    struct editor *editor = run->editor;
    struct edit *edit = &run->edit;
    const struct edit_scene scene = {
        .directory = editor->config.directory, .node = editor->config.node, .utc_ms = run->utc_ms};

    memset(edit, 0, sizeof(*edit));
    editor->records->public_size = 0;
    editor->records->private_size = 0;
    editor->records->device = NULL;
    *lost = false;
    if (!run->batch->next(run->batch->context, run->index, edit))
        return edit_refuse(edit, EDIT_CONFLICT, "the items are not there any more");
    if (!edit_batch_takes(edit->kind))
        return edit_refuse(edit, EDIT_INVALID, "such an edit can't be part of a batch");
    if (!resolve(run, &edit->project, lost) || !resolve(run, &edit->group, lost) ||
        !resolve(run, &edit->channel, lost))
        return edit_refuse(edit, EDIT_NOT_FOUND, "it refers to an item that is not before it");
    if (*lost)
        return edit_refuse(edit, EDIT_NOT_FOUND, "it refers to an item that adds nothing");
    edit->actor = run->batch->actor;
    edit->pending = run->pending;
    return edit_prepare(&scene, edit, editor->records);
}

static bool is_of_device(enum edit_kind kind)
{
    return kind == EDIT_DEVICE_ADD || kind == EDIT_DEVICE_MOVE || kind == EDIT_DEVICE_CHANNEL;
}

static enum status keep_device(struct batch_run *run)
{
    const struct edit_records *records = run->editor->records;

    if (run->device_count == run->device_room) {
        size_t room = run->device_room == 0 ? FIRST_ROOM : run->device_room * 2;
        struct batch_device *devices = realloc(run->devices, room * sizeof(*devices));
        if (devices == NULL)
            return STATUS_NO_MEMORY;
        run->devices = devices;
        run->device_room = room;
    }
    run->devices[run->device_count++] =
        (struct batch_device){.device = records->device,
                              .place = records->place,
                              .added = run->edit.kind == EDIT_DEVICE_ADD};
    return STATUS_OK;
}

static enum status keep_event(struct batch_run *run)
{
    const struct edit_records *records = run->editor->records;
    size_t needed = run->events_size + sizeof(size_t) + records->public_size;

    if (needed > run->events_room) {
        uint8_t *events = realloc(run->events, needed * 2);
        if (events == NULL)
            return STATUS_NO_MEMORY;
        run->events = events;
        run->events_room = needed * 2;
    }
    memcpy(run->events + run->events_size, &records->public_size, sizeof(size_t));
    memcpy(run->events + run->events_size + sizeof(size_t), records->public, records->public_size);
    run->events_size = needed;
    return STATUS_OK;
}

/* What later items may refer to, and what the commit is to do. */
static enum status keep(struct batch_run *run)
{
    struct editor *editor = run->editor;
    const struct edit_records *records = editor->records;

    if (is_of_device(run->edit.kind))
        return run->recording ? keep_device(run) : STATUS_OK;
    if (records->public_size == 0)
        return STATUS_OK;
    run->ids[run->index] = run->edit.id;
    enum status status = edit_pending_apply(
        run->pending, editor_unpack(editor, records->public, records->public_size));
    return status == STATUS_OK && run->recording ? keep_event(run) : status;
}

enum edit_result batch_take_item(struct batch_run *run, bool *lost)
{
    enum edit_result result = prepare(run, lost);

    if (result == EDIT_DONE && keep(run) != STATUS_OK)
        result = edit_refuse(&run->edit, EDIT_FULL, "there is not enough memory");
    if (result != EDIT_DONE && result != EDIT_EXISTS && run->recording &&
        run->edit.kind == EDIT_DEVICE_ADD && run->editor->records->device != NULL)
        place_withdraw(run->editor->config.directory, run->editor->records->device);
    return result;
}

/* ---- the commit ---- */

static void apply_events(struct batch_run *run)
{
    struct editor *editor = run->editor;

    for (size_t at = 0; at < run->events_size;) {
        size_t size;
        memcpy(&size, run->events + at, sizeof(size));
        at += sizeof(size);
        /* it is in the journal: to go on without it would be to say something else than it */
        CHECK(accounts_apply(editor->config.directory,
                             editor_unpack(editor, run->events + at, size)) == STATUS_OK);
        at += size;
    }
}

void batch_apply(struct batch_run *run)
{
    struct directory *directory = run->editor->config.directory;

    apply_events(run);
    for (size_t i = 0; i < run->device_count; i++) {
        const struct batch_device *device = &run->devices[i];
        place_set(directory, device->device, &device->place);
        if (device->added)
            directory_recorded(directory, device->device);
    }
}

void batch_withdraw(struct batch_run *run)
{
    for (size_t i = 0; i < run->device_count; i++)
        if (run->devices[i].added)
            place_withdraw(run->editor->config.directory, run->devices[i].device);
}
