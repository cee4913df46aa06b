/* Inside the editor: what its files share. */
#ifndef CENCD_DIRECTORY_EDITOR_INTERNAL_H
#define CENCD_DIRECTORY_EDITOR_INTERNAL_H

#include <pthread.h>

#include "server/directory/edit_batch.h"
#include "server/directory/edit_internal.h"

#define SWEEP_SLOTS   32u
#define SWEEP_RECORD  4096u
#define EDITOR_PLACES 1024u

/* A move on its way into the journal. */
struct sweep_slot {
    struct journal_entry entry;
    struct editor *editor;
    struct device *device; /* NULL: free */
    struct place place;
    uint8_t bytes[SWEEP_RECORD];
};

/* Thread: the reactor's, but for what is under the lock. One of these is under way at a time: an
 * edit (current), moves of a sweep (slots_used), the end of a sweep (ending), a batch (run). */
struct editor {
    struct editor_config config;
    struct edit_batch *batch; /* that waits or runs; under the lock */
    struct batch_run *run;    /* of it, when it runs; NULL: it doesn't */
    pthread_mutex_t lock;
    struct list queue; /* under the lock, like the next six */
    uint32_t queued;
    bool posted;      /* wake is on its way */
    bool places_lost; /* more than there was room for */
    uint32_t place_count;
    struct device *places[EDITOR_PLACES];
    struct message wake;

    struct edit *current;
    struct edit_records *records;
    struct journal_entry private_entry;
    struct journal_entry public_entry;
    uint32_t outstanding;
    bool failed;
    struct proto_arena arena;
    struct device *restored; /* was to be removed, but wasn't */

    struct sweep_slot slots[SWEEP_SLOTS];
    uint32_t slots_used;
    char sweep_listener[CONFIG_NAME_SIZE]; /* "": none */
    uint64_t sweep_revision;
    uint64_t sweep_at;
    bool sweep_turn;  /* before the next edit */
    bool sweep_end;   /* no device is left */
    bool sweep_waits; /* for the timer: the journal took no more */
    bool ending;
    uint8_t end_bytes[256];
    struct timer timer;

    bool stop;
    void (*stopped)(void *context);
    void *stopped_context;
};

struct edit_scene editor_scene(struct editor *editor);
enum status editor_append(struct editor *editor, struct journal_entry *entry, uint8_t kind,
                          const uint8_t *data, size_t size,
                          void (*done)(struct journal_entry *entry, enum status status)) MUST_CHECK;

/* A public record's event, in the editor's arena. */
Cenc__V1__Event *editor_unpack(struct editor *editor, const uint8_t *data, size_t size);

/* Nothing is under way: begins the batch that waits, if there is one. */
void batch_on(struct editor *editor);
/* Something else may be under way: a batch that waits, and was cancelled, is done with. */
void batch_look(struct editor *editor);
/* A batch waits. */
bool batch_waits(struct editor *editor);
void batch_run_free(struct batch_run *run); /* NULL: nothing */

/* Goes on soon, not from inside. The reactor's thread. */
void editor_wake(struct editor *editor);
/* The same. Any thread. */
void editor_nudge(struct editor *editor);

void sweeps_init(struct editor *editor);
/* Nothing is under way: a step of what devices are to be moved. */
void sweep_on(struct editor *editor);
/* Puts right what a removal recorded that didn't take place: editor->restored. */
void sweep_restore(struct editor *editor);

#endif
