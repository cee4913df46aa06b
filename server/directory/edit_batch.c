/* The stages of a batch: its items are checked, then recorded, a slice at a turn; at the commit
 * memory follows. */
#include "server/directory/edit_batch.h"

#include <stdio.h>
#include <string.h>

#include "server/directory/batch_run.h"
#include "server/directory/internal.h"

#define SLICE 128u /* items at a turn */

static void step_on(struct batch_run *run);

/* ---- the end ---- */

static void finish(struct editor *editor, enum edit_result result, const char *text)
{
    CHECK(pthread_mutex_lock(&editor->lock) == 0);
    struct edit_batch *batch = editor->batch;
    editor->batch = NULL;
    CHECK(pthread_mutex_unlock(&editor->lock) == 0);
    batch_run_free(editor->run);
    editor->run = NULL;
    batch->result = result;
    if (text != batch->text)
        (void)snprintf(batch->text, sizeof(batch->text), "%s", text);
    batch->done(batch);
    editor_wake(editor);
}

static void finish_unavailable(struct editor *editor)
{
    finish(editor, EDIT_UNAVAILABLE,
           atomic_load(&editor->batch->cancelled)
               ? "it took too long, and was given up: nothing was changed"
               : "the journal doesn't take it, or the server is stopping: nothing was changed");
}

static void note_fault(struct batch_run *run, enum edit_result result, const char *text)
{
    struct edit_batch *batch = run->batch;

    batch->faults_found++;
    if (batch->fault_count == EDIT_BATCH_FAULTS)
        return;
    struct edit_batch_fault *fault = &batch->faults[batch->fault_count++];
    fault->index = run->index;
    fault->result = result;
    (void)snprintf(fault->text, sizeof(fault->text), "%s", text);
}

static void finish_with_faults(struct batch_run *run)
{
    const struct edit_batch_fault *first = &run->batch->faults[0];

    finish(run->editor, first->result, first->text);
}

static bool given_up(const struct batch_run *run)
{
    return run->editor->stop || atomic_load(&run->batch->cancelled);
}

static void recorded(struct journal_batch *journal, enum status status)
{
    struct batch_run *run = container_of(journal, struct batch_run, journal);
    struct editor *editor = run->editor;

    if (status == STATUS_OK) {
        batch_apply(run);
        journal_batch_told(journal);
        run->batch->first_sequence = journal->first_sequence;
        run->batch->last_sequence = journal->first_sequence + journal->records - 1;
        finish(editor, EDIT_DONE, "");
        return;
    }
    batch_withdraw(run);
    if (run->batch->fault_count > 0)
        finish_with_faults(run);
    else if (run->stopping && run->result != EDIT_UNAVAILABLE)
        finish(editor, run->result, run->batch->text);
    else
        finish_unavailable(editor);
}

/* ---- recording ---- */

static void abandon(struct batch_run *run, enum edit_result result)
{
    run->stopping = true;
    run->result = result;
    journal_batch_abandon(&run->journal);
}

/* The item's records that the block has no room for wait for the next one. */
static enum status put(struct batch_run *run)
{
    struct edit_records *records = run->editor->records;
    enum status status = STATUS_OK;

    if (records->private_size > 0)
        status = journal_batch_put(&run->journal, JOURNAL_PRIVATE, records->private,
                                   records->private_size);
    if (status == STATUS_OK)
        records->private_size = 0;
    if (status == STATUS_OK && records->public_size > 0)
        status =
            journal_batch_put(&run->journal, JOURNAL_EVENT, records->public, records->public_size);
    if (status == STATUS_OK)
        records->public_size = 0;
    return status;
}

static bool record_item(struct batch_run *run)
{
    bool lost = false;

    if (!run->prepared) {
        enum edit_result result = batch_take_item(run, &lost);
        if (result != EDIT_DONE) {
            note_fault(run, result, run->edit.text);
            abandon(run, result);
            return false;
        }
    }
    run->prepared = true;
    enum status status = put(run);
    if (status == STATUS_FULL) {
        journal_batch_write(&run->journal);
        return false;
    }
    if (status != STATUS_OK) {
        (void)snprintf(run->batch->text, sizeof(run->batch->text),
                       "its records are more than the journal takes at a time: %llu MB",
                       (unsigned long long)(run->journal.most_bytes >> 20));
        abandon(run, EDIT_FULL);
        return false;
    }
    run->prepared = false;
    run->index++;
    return true;
}

static void record_slice(struct batch_run *run)
{
    for (unsigned i = 0; i < SLICE; i++) {
        if (given_up(run)) {
            abandon(run, EDIT_UNAVAILABLE);
            return;
        }
        if (run->index == run->batch->count) {
            journal_batch_commit(&run->journal);
            return;
        }
        if (!record_item(run))
            return;
    }
    step_on(run);
}

static void block_is_empty(struct journal_batch *journal)
{
    record_slice(container_of(journal, struct batch_run, journal));
}

static void begin_to_record(struct batch_run *run)
{
    struct editor *editor = run->editor;

    edit_pending_free(run->pending);
    run->pending = edit_pending_make(editor->config.directory);
    run->recording = true;
    run->index = 0;
    memset(run->ids, 0, run->batch->count * sizeof(*run->ids));
    run->journal = (struct journal_batch){.journal = editor->config.journal,
                                          .from = editor->config.reactor,
                                          .more = block_is_empty,
                                          .done = recorded};
    if (run->pending == NULL) {
        finish(editor, EDIT_FULL, "there is not enough memory");
        return;
    }
    run->pending->enters = true;
    if (journal_batch_begin(&run->journal) != STATUS_OK)
        finish_unavailable(editor);
}

/* ---- checking ---- */

static void end_of_checks(struct batch_run *run)
{
    if (run->batch->faults_found > 0)
        finish_with_faults(run);
    else if (run->batch->dry_run)
        finish(run->editor, EDIT_DONE, "");
    else
        begin_to_record(run);
}

static void check_slice(struct batch_run *run)
{
    struct edit_batch *batch = run->batch;

    if (given_up(run)) {
        finish_unavailable(run->editor);
        return;
    }
    for (unsigned i = 0; i < SLICE && run->index < batch->count; i++) {
        bool lost = false;
        enum edit_result result = batch_take_item(run, &lost);
        if (result != EDIT_DONE && !lost)
            note_fault(run, result, run->edit.text);
        run->index++;
    }
    if (run->index == batch->count)
        end_of_checks(run);
    else
        step_on(run);
}

static void step(struct message *message, struct reactor *reactor)
{
    struct batch_run *run = container_of(message, struct batch_run, step);

    (void)reactor;
    if (run->recording)
        record_slice(run);
    else
        check_slice(run);
}

static void step_on(struct batch_run *run)
{
    struct reactor *reactor = run->editor->config.reactor;

    run->step.deliver = step;
    reactor_post(reactor, reactor, &run->step);
}

/* ---- the beginning ---- */

static struct edit_batch *waiting(struct editor *editor)
{
    CHECK(pthread_mutex_lock(&editor->lock) == 0);
    struct edit_batch *batch = editor->run == NULL ? editor->batch : NULL;
    CHECK(pthread_mutex_unlock(&editor->lock) == 0);
    return batch;
}

bool batch_waits(struct editor *editor)
{
    return waiting(editor) != NULL;
}

void batch_look(struct editor *editor)
{
    const struct edit_batch *batch = waiting(editor);

    if (batch != NULL && (editor->stop || atomic_load(&batch->cancelled)))
        finish_unavailable(editor);
}

void batch_on(struct editor *editor)
{
    batch_look(editor);
    struct edit_batch *batch = waiting(editor);
    if (batch == NULL)
        return;
    if (batch->count == 0 || batch->count > EDIT_BATCH_MAX) {
        finish(editor, batch->count == 0 ? EDIT_INVALID : EDIT_FULL,
               batch->count == 0 ? "there is nothing in it" : "it has more than a million items");
        return;
    }
    struct batch_run *run = batch_run_make(editor, batch);
    if (run == NULL) {
        finish(editor, EDIT_FULL, "there is not enough memory");
        return;
    }
    editor->run = run;
    step_on(run);
}
