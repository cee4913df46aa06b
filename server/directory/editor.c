#include "server/directory/edit.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/base/log.h"
#include "server/directory/edit_internal.h"
#include "server/directory/editor_internal.h"
#include "server/directory/internal.h"

#define PLACES_MAX EDITOR_PLACES

static void go_on(struct editor *editor);

/* ---- the end of an edit ---- */

static void finish(struct editor *editor, enum edit_result result)
{
    struct edit *edit = editor->current;

    edit->result = result;
    if (result == EDIT_UNAVAILABLE)
        (void)snprintf(edit->text, sizeof(edit->text),
                       "the journal doesn't take it, or the server is stopping");
    if (result != EDIT_DONE && edit->kind == EDIT_DEVICE_ADD && editor->records->device != NULL &&
        result != EDIT_EXISTS)
        place_withdraw(editor->config.directory, editor->records->device);
    if (editor->records->opened)
        editor->config.listeners.start(editor->config.listeners.context, edit->listener,
                                       result == EDIT_DONE);
    editor->records->opened = false;
    OPENSSL_cleanse(&edit->password, sizeof(edit->password));
    OPENSSL_cleanse(editor->records->private, sizeof(editor->records->private));
    editor->current = NULL;
    edit->done(edit);
}

/* ---- what is committed comes into force ---- */

Cenc__V1__Event *editor_unpack(struct editor *editor, const uint8_t *data, size_t size)
{
    Cenc__V1__Event *event = NULL;

    editor->arena.used = 0;
    editor->arena.full = false;
    CHECK(event_unpack(data, size, &editor->arena, &event) == CODEC_OK);
    return event;
}

static void apply_event(struct editor *editor)
{
    const Cenc__V1__Event *event =
        editor_unpack(editor, editor->records->public, editor->records->public_size);

    /* it is in the journal: to go on without it would be to say something else than it */
    CHECK(accounts_apply(editor->config.directory, event) == STATUS_OK);
}

static void apply_secret(struct editor *editor)
{
    ProtobufCMessage *message = NULL;

    editor->arena.used = 0;
    editor->arena.full = false;
    CHECK(proto_unpack(&cenc__private__v1__record__descriptor, editor->records->private,
                       editor->records->private_size, &editor->arena, &message) == CODEC_OK);
    CHECK(accounts_apply_private(editor->config.directory, (Cenc__Private__V1__Record *)message) ==
          STATUS_OK);
    OPENSSL_cleanse(editor->arena.memory, editor->arena.used);
}

static enum edit_result apply(struct editor *editor)
{
    struct edit_records *records = editor->records;
    struct directory *directory = editor->config.directory;
    struct edit *edit = editor->current;

    switch (edit->kind) {
    case EDIT_DEVICE_ADD:
        directory_recorded(directory, records->device);
        break;
    case EDIT_DEVICE_MOVE:
    case EDIT_DEVICE_CHANNEL:
        place_set(directory, records->device, &records->place);
        break;
    case EDIT_DEVICE_APPROVE:
        device_approve(directory, records->device);
        break;
    case EDIT_DEVICE_REMOVE:
        if (place_remove(directory, records->device, records->epoch))
            break;
        /* what was recorded says otherwise: put right by the next record */
        editor->restored = records->device;
        return edit_refuse(edit, EDIT_IN_USE, "the device connected meanwhile");
    case EDIT_DETAILS_SET: /* the store's alone */
        break;
    case EDIT_LISTENER_STOP:
        apply_event(editor);
        editor->config.listeners.stop(editor->config.listeners.context, edit->listener,
                                      edit->close_links);
        break;
    default:
        apply_event(editor);
        break;
    }
    if (records->device != NULL && edit->kind != EDIT_DEVICE_REMOVE)
        edit->revision = edit_device_revision(records->place.project, records->place.group,
                                              records->place.channel);
    return EDIT_DONE;
}

static void record_done(struct editor *editor)
{
    if (--editor->outstanding > 0)
        return;
    finish(editor, editor->failed ? EDIT_UNAVAILABLE : apply(editor));
    editor_wake(editor);
}

static void private_done(struct journal_entry *entry, enum status status)
{
    struct editor *editor = container_of(entry, struct editor, private_entry);

    if (status == STATUS_OK)
        apply_secret(editor);
    else
        editor->failed = true;
    record_done(editor);
}

static void public_done(struct journal_entry *entry, enum status status)
{
    struct editor *editor = container_of(entry, struct editor, public_entry);

    if (status != STATUS_OK)
        editor->failed = true;
    record_done(editor);
}

/* ---- the beginning of an edit ---- */

enum status editor_append(struct editor *editor, struct journal_entry *entry, uint8_t kind,
                          const uint8_t *data, size_t size,
                          void (*done)(struct journal_entry *entry, enum status status))
{
    entry->data = data;
    entry->size = (uint32_t)size;
    entry->kind = kind;
    entry->class = JOURNAL_FIRST;
    entry->from = editor->config.reactor;
    entry->done = done;
    return journal_append(editor->config.journal, entry);
}

static void begin(struct editor *editor, struct edit *edit)
{
    struct edit_records *records = editor->records;
    struct edit_scene scene = editor_scene(editor);

    editor->current = edit;
    editor->failed = false;
    editor->outstanding = 0;
    records->private_size = 0;
    records->device = NULL;
    enum edit_result result = edit_prepare(&scene, edit, records);
    if (result != EDIT_DONE) {
        finish(editor, result);
        return;
    }
    enum status status = STATUS_OK;
    if (records->private_size > 0)
        status = editor_append(editor, &editor->private_entry, JOURNAL_PRIVATE, records->private,
                               records->private_size, private_done);
    if (status == STATUS_OK && records->private_size > 0)
        editor->outstanding++;
    if (status == STATUS_OK && records->public_size > 0)
        status = editor_append(editor, &editor->public_entry, JOURNAL_EVENT, records->public,
                               records->public_size, public_done);
    if (status == STATUS_OK && records->public_size > 0)
        editor->outstanding++;
    editor->failed = status != STATUS_OK;
    if (editor->outstanding == 0)
        finish(editor, EDIT_UNAVAILABLE);
}

enum edit_result edit_prepare(const struct edit_scene *scene, struct edit *edit,
                              struct edit_records *records)
{
    switch (edit->kind) {
    case EDIT_PROJECT_ADD:
    case EDIT_PROJECT_CHANGE:
    case EDIT_PROJECT_REMOVE:
        return edit_prepare_project(scene, edit, records);
    case EDIT_GROUP_ADD:
    case EDIT_GROUP_CHANGE:
    case EDIT_GROUP_REMOVE:
        return edit_prepare_group(scene, edit, records);
    case EDIT_AGENT_ADD:
    case EDIT_AGENT_CHANGE:
    case EDIT_AGENT_REMOVE:
        return edit_prepare_agent(scene, edit, records);
    case EDIT_BINDING_SET:
        return edit_prepare_binding(scene, edit, records);
    case EDIT_DEVICE_ADD:
    case EDIT_DEVICE_MOVE:
    case EDIT_DEVICE_APPROVE:
    case EDIT_DEVICE_REMOVE:
    case EDIT_DEVICE_CHANNEL:
        return edit_prepare_device(scene, edit, records);
    case EDIT_CHANNEL_ADD:
    case EDIT_CHANNEL_CHANGE:
    case EDIT_CHANNEL_REMOVE:
        return edit_prepare_channel(scene, edit, records);
    case EDIT_DETAILS_SET:
        return edit_prepare_details(scene, edit, records);
    case EDIT_IMPORTED:
        return edit_prepare_imported(scene, edit, records);
    case EDIT_LISTENER_STOP:
    case EDIT_LISTENER_START:
        return edit_prepare_listener(scene, edit, records);
    case EDIT_TOKEN_ADD:
    case EDIT_TOKEN_CHANGE:
    case EDIT_TOKEN_REMOVE:
        return edit_prepare_token(scene, edit, records);
    case EDIT_KINDS:
        break;
    }
    return edit_refuse(edit, EDIT_INVALID, "no such edit");
}

struct edit_scene editor_scene(struct editor *editor)
{
    return (struct edit_scene){.directory = editor->config.directory,
                               .listeners = &editor->config.listeners,
                               .node = editor->config.node,
                               .utc_ms = reactor_utc_ms(editor->config.reactor)};
}

/* ---- the queue ---- */

static struct edit *next_edit(struct editor *editor)
{
    struct edit *edit = NULL;

    CHECK(pthread_mutex_lock(&editor->lock) == 0);
    if (!list_empty(&editor->queue)) {
        edit = container_of(editor->queue.next, struct edit, node);
        list_remove(&edit->node);
        editor->queued--;
    }
    CHECK(pthread_mutex_unlock(&editor->lock) == 0);
    return edit;
}

static void end(struct editor *editor)
{
    void (*stopped)(void *context) = editor->stopped;
    void *context = editor->stopped_context;

    timer_stop(&editor->timer);
    OPENSSL_cleanse(editor->records, sizeof(*editor->records));
    free(editor->records);
    free(editor->arena.memory);
    (void)pthread_mutex_destroy(&editor->lock);
    free(editor);
    stopped(context);
}

static bool busy(const struct editor *editor)
{
    return editor->current != NULL || editor->slots_used > 0 || editor->ending ||
           editor->run != NULL;
}

static bool is_posted(struct editor *editor)
{
    CHECK(pthread_mutex_lock(&editor->lock) == 0);
    bool posted = editor->posted;
    CHECK(pthread_mutex_unlock(&editor->lock) == 0);
    return posted;
}

static void give_up(struct editor *editor, struct edit *edit)
{
    editor->current = edit;
    editor->records->device = NULL;
    finish(editor, EDIT_UNAVAILABLE);
}

/* Edits and sweeps take turns. */
static void go_on(struct editor *editor)
{
    struct edit *edit;

    batch_look(editor);
    while (!busy(editor)) {
        bool sweeps = editor->sweep_turn && !editor->stop;
        editor->sweep_turn = false;
        if (sweeps)
            sweep_on(editor);
        if (!busy(editor))
            batch_on(editor);
        if (busy(editor) || (edit = next_edit(editor)) == NULL)
            break;
        if (editor->stop)
            give_up(editor, edit);
        else
            begin(editor, edit);
        editor->sweep_turn = true;
    }
    if (!busy(editor) && editor->stop && editor->restored != NULL)
        sweep_restore(editor);
    if (!busy(editor) && editor->stop && !is_posted(editor) && !batch_waits(editor))
        end(editor);
}

static void woken(struct message *message, struct reactor *reactor)
{
    struct editor *editor = container_of(message, struct editor, wake);

    (void)reactor;
    CHECK(pthread_mutex_lock(&editor->lock) == 0);
    editor->posted = false;
    CHECK(pthread_mutex_unlock(&editor->lock) == 0);
    editor->sweep_turn = true;
    go_on(editor);
}

/* Under the lock: true if the caller is to post. */
static bool to_post(struct editor *editor)
{
    bool post = !editor->posted;

    editor->posted = true;
    return post;
}

static void wake_from(struct editor *editor, struct reactor *from)
{
    CHECK(pthread_mutex_lock(&editor->lock) == 0);
    bool post = to_post(editor);
    CHECK(pthread_mutex_unlock(&editor->lock) == 0);
    if (post)
        reactor_post(from, editor->config.reactor, &editor->wake);
}

void editor_wake(struct editor *editor)
{
    wake_from(editor, editor->config.reactor);
}

void editor_nudge(struct editor *editor)
{
    wake_from(editor, NULL);
}

void editor_submit(struct editor *editor, struct edit *edit)
{
    CHECK(pthread_mutex_lock(&editor->lock) == 0);
    bool full = editor->queued >= EDIT_QUEUE_MAX;
    bool post = false;
    if (!full) {
        list_append(&editor->queue, &edit->node);
        editor->queued++;
        post = to_post(editor);
    }
    CHECK(pthread_mutex_unlock(&editor->lock) == 0);
    if (post)
        reactor_post(NULL, editor->config.reactor, &editor->wake);
    if (full) {
        edit->result = EDIT_FULL;
        (void)snprintf(edit->text, sizeof(edit->text), "too many edits wait");
        edit->done(edit);
    }
}

void editor_place(struct editor *editor, struct device *device)
{
    CHECK(pthread_mutex_lock(&editor->lock) == 0);
    if (editor->place_count < PLACES_MAX)
        editor->places[editor->place_count++] = device;
    else
        editor->places_lost = true;
    bool post = to_post(editor);
    CHECK(pthread_mutex_unlock(&editor->lock) == 0);
    if (post)
        reactor_post(NULL, editor->config.reactor, &editor->wake);
}

/* ---- start and stop ---- */

enum status editor_start(const struct editor_config *config, struct editor **started)
{
    struct editor *editor = calloc(1, sizeof(*editor));

    if (editor == NULL)
        return STATUS_NO_MEMORY;
    editor->config = *config;
    editor->records = calloc(1, sizeof(*editor->records));
    editor->arena.size = PROTO_ARENA_SIZE;
    editor->arena.memory = malloc(PROTO_ARENA_SIZE);
    if (editor->records == NULL || editor->arena.memory == NULL) {
        free(editor->records);
        free(editor->arena.memory);
        free(editor);
        return STATUS_NO_MEMORY;
    }
    CHECK(pthread_mutex_init(&editor->lock, NULL) == 0);
    list_init(&editor->queue);
    editor->wake.deliver = woken;
    sweeps_init(editor);
    *started = editor;
    editor_wake(editor); /* a sweep may have been interrupted */
    return STATUS_OK;
}

void editor_stop(struct editor *editor, void (*stopped)(void *context), void *context)
{
    CHECK(!editor->stop);
    editor->stop = true;
    editor->stopped = stopped;
    editor->stopped_context = context;
    editor_wake(editor);
}
