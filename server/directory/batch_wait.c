/* Batches as their callers see them: any thread. */
#include <errno.h>
#include <stdio.h>

#include "server/base/check.h"
#include "server/base/monotonic.h"
#include "server/directory/editor_internal.h"

void editor_submit_batch(struct editor *editor, struct edit_batch *batch)
{
    batch->text[0] = '\0';
    batch->fault_count = 0;
    batch->faults_found = 0;
    batch->first_sequence = 0;
    batch->last_sequence = 0;
    CHECK(pthread_mutex_lock(&editor->lock) == 0);
    bool taken = editor->batch != NULL;
    if (!taken)
        editor->batch = batch;
    CHECK(pthread_mutex_unlock(&editor->lock) == 0);
    if (!taken) {
        editor_nudge(editor);
        return;
    }
    batch->result = EDIT_FULL;
    (void)snprintf(batch->text, sizeof(batch->text), "another batch is under way");
    batch->done(batch);
}

void editor_cancel_batch(struct editor *editor, struct edit_batch *batch)
{
    atomic_store(&batch->cancelled, true);
    editor_nudge(editor);
}

/* The caller's own, on its stack: it waits for as long as the batch lives. */
struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t told;
    bool done;
};

static void tell_waiter(struct edit_batch *batch)
{
    struct waiter *waiter = batch->waiter;

    CHECK(pthread_mutex_lock(&waiter->lock) == 0);
    waiter->done = true;
    CHECK(pthread_cond_signal(&waiter->told) == 0);
    CHECK(pthread_mutex_unlock(&waiter->lock) == 0);
}

static void wait_for(struct editor *editor, struct edit_batch *batch, struct waiter *waiter,
                     uint32_t patience_s)
{
    const struct timespec until = monotonic_in_seconds(patience_s);

    CHECK(pthread_mutex_lock(&waiter->lock) == 0);
    while (!waiter->done &&
           pthread_cond_timedwait(&waiter->told, &waiter->lock, &until) != ETIMEDOUT) {
    }
    if (!waiter->done) {
        CHECK(pthread_mutex_unlock(&waiter->lock) == 0);
        editor_cancel_batch(editor, batch);
        CHECK(pthread_mutex_lock(&waiter->lock) == 0);
    }
    while (!waiter->done)
        CHECK(pthread_cond_wait(&waiter->told, &waiter->lock) == 0);
    CHECK(pthread_mutex_unlock(&waiter->lock) == 0);
}

void editor_do_batch(struct editor *editor, struct edit_batch *batch, uint32_t patience_s)
{
    struct waiter waiter = {.done = false};

    CHECK(pthread_mutex_init(&waiter.lock, NULL) == 0);
    monotonic_condition_init(&waiter.told);
    atomic_store(&batch->cancelled, false);
    batch->waiter = &waiter;
    batch->done = tell_waiter;
    editor_submit_batch(editor, batch);
    wait_for(editor, batch, &waiter, patience_s);
    (void)pthread_cond_destroy(&waiter.told);
    (void)pthread_mutex_destroy(&waiter.lock);
}
