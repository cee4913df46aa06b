/* Edits whose caller waits for them: any thread. */
#include <errno.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/base/check.h"
#include "server/base/monotonic.h"
#include "server/directory/edit.h"

#define PATIENCE_S 10

/* Whoever is last frees it: the caller that waits, or the editor. */
struct waiter {
    struct edit edit;
    pthread_mutex_t lock;
    pthread_cond_t told;
    bool done;
    bool gone; /* the caller */
};

static void free_waiter(struct waiter *waiter)
{
    (void)pthread_cond_destroy(&waiter->told);
    (void)pthread_mutex_destroy(&waiter->lock);
    OPENSSL_cleanse(&waiter->edit.password, sizeof(waiter->edit.password));
    free(waiter);
}

static void tell_waiter(struct edit *edit)
{
    struct waiter *waiter = container_of(edit, struct waiter, edit);

    CHECK(pthread_mutex_lock(&waiter->lock) == 0);
    waiter->done = true;
    bool gone = waiter->gone;
    CHECK(pthread_cond_signal(&waiter->told) == 0);
    CHECK(pthread_mutex_unlock(&waiter->lock) == 0);
    if (gone)
        free_waiter(waiter);
}

static struct waiter *make_waiter(const struct edit *edit)
{
    struct waiter *waiter = calloc(1, sizeof(*waiter));

    if (waiter == NULL)
        return NULL;
    waiter->edit = *edit;
    waiter->edit.done = tell_waiter;
    CHECK(pthread_mutex_init(&waiter->lock, NULL) == 0);
    monotonic_condition_init(&waiter->told);
    return waiter;
}

void editor_do(struct editor *editor, struct edit *edit)
{
    struct waiter *waiter = make_waiter(edit);

    OPENSSL_cleanse(&edit->password, sizeof(edit->password));
    edit->result = EDIT_UNAVAILABLE;
    (void)snprintf(edit->text, sizeof(edit->text),
                   "the journal hasn't taken it yet; it may still come into force");
    if (waiter == NULL)
        return;
    const struct timespec until = monotonic_in_seconds(PATIENCE_S);
    editor_submit(editor, &waiter->edit);
    CHECK(pthread_mutex_lock(&waiter->lock) == 0);
    while (!waiter->done &&
           pthread_cond_timedwait(&waiter->told, &waiter->lock, &until) != ETIMEDOUT) {
    }
    bool done = waiter->done;
    waiter->gone = !done;
    CHECK(pthread_mutex_unlock(&waiter->lock) == 0);
    if (!done)
        return;
    *edit = waiter->edit;
    free_waiter(waiter);
}
