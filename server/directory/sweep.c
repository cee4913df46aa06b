/* Devices that a binding moves: a few records at a time, between edits. A sweep that was
 * interrupted begins anew at the next start: it takes only devices that are not yet where they
 * belong. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "server/base/check.h"
#include "server/base/log.h"
#include "server/directory/editor_internal.h"
#include "server/directory/internal.h"

#define LOOK_AT  4096u /* devices, before others have their turn */
#define RETRY_MS 1000u

static const struct log_context module = {.module = "directory"};

/* ---- moving one ---- */

static void moved(struct journal_entry *entry, enum status status)
{
    struct sweep_slot *slot = container_of(entry, struct sweep_slot, entry);
    struct editor *editor = slot->editor;

    if (status == STATUS_OK)
        place_set(editor->config.directory, slot->device, &slot->place);
    slot->device = NULL;
    if (--editor->slots_used == 0)
        editor_wake(editor);
}

/* It stays on its channel. False: the journal doesn't take it now. */
static bool move(struct editor *editor, struct device *device, const struct place *place)
{
    struct edit_scene scene = editor_scene(editor);
    struct sweep_slot *slot = NULL;

    for (uint32_t i = 0; slot == NULL; i++) {
        CHECK(i < SWEEP_SLOTS);
        if (editor->slots[i].device == NULL)
            slot = &editor->slots[i];
    }
    struct place to = *place;
    struct place present;
    if (place_of(editor->config.directory, device, &present))
        to.channel = present.channel;
    size_t size = edit_pack_move(&scene, NULL, device, &to, slot->bytes, sizeof(slot->bytes));
    if (editor_append(editor, &slot->entry, JOURNAL_EVENT, slot->bytes, size, moved) != STATUS_OK)
        return false;
    slot->device = device;
    slot->place = to;
    editor->slots_used++;
    return true;
}

static void try_later(struct editor *editor)
{
    editor->sweep_waits = true;
    timer_start(editor->config.reactor, &editor->timer, RETRY_MS);
}

static void retry(struct timer *timer)
{
    struct editor *editor = container_of(timer, struct editor, timer);

    editor->sweep_waits = false;
    editor_wake(editor);
}

/* ---- devices that said themselves where they are ---- */

static struct device *next_place(struct editor *editor)
{
    struct device *device = NULL;

    CHECK(pthread_mutex_lock(&editor->lock) == 0);
    if (editor->place_count > 0)
        device = editor->places[--editor->place_count];
    CHECK(pthread_mutex_unlock(&editor->lock) == 0);
    return device;
}

static void put_back(struct editor *editor, struct device *device)
{
    CHECK(pthread_mutex_lock(&editor->lock) == 0);
    if (editor->place_count < EDITOR_PLACES)
        editor->places[editor->place_count++] = device;
    else
        editor->places_lost = true;
    CHECK(pthread_mutex_unlock(&editor->lock) == 0);
}

static void place_waiting(struct editor *editor)
{
    struct directory *directory = editor->config.directory;
    struct device *device;

    while (editor->slots_used < SWEEP_SLOTS && (device = next_place(editor)) != NULL) {
        struct device_info info;
        if (!directory_needs_place(directory, device))
            continue;
        directory_get(directory, device, &info);
        struct place place = {.project = binding_project(directory, info.listener)};
        if (!move(editor, device, &place)) {
            put_back(editor, device);
            try_later(editor);
            return;
        }
    }
}

/* Too many at once: all bindings look for them. */
static void sweep_all_again(struct editor *editor)
{
    struct accounts *accounts = editor->config.directory->accounts;

    CHECK(pthread_mutex_lock(&editor->lock) == 0);
    bool lost = editor->places_lost;
    editor->places_lost = false;
    CHECK(pthread_mutex_unlock(&editor->lock) == 0);
    if (!lost)
        return;
    CHECK(pthread_rwlock_wrlock(&accounts->lock) == 0);
    for (size_t i = 0; i < accounts->binding_count; i++)
        if (accounts->bindings[i].sweep == SWEEP_NONE && accounts->bindings[i].project != 0)
            accounts->bindings[i].sweep = SWEEP_WAITING;
    accounts_unlock(accounts);
    editor->sweep_at = 0; /* of the one that is under way */
    editor->sweep_end = false;
}

/* ---- a binding ---- */

/* The next binding that wants a sweep; false: none. */
static bool find_binding(struct editor *editor, struct binding *found)
{
    struct accounts *accounts = accounts_read(editor->config.directory);
    bool there = false;

    for (size_t i = 0; i < accounts->binding_count && !there; i++) {
        there = accounts->bindings[i].sweep != SWEEP_NONE;
        if (there)
            *found = accounts->bindings[i];
    }
    accounts_unlock(accounts);
    return there;
}

static void swept(struct journal_entry *entry, enum status status)
{
    struct editor *editor = container_of(entry, struct editor, private_entry);
    Cenc__Private__V1__Record record = CENC__PRIVATE__V1__RECORD__INIT;
    Cenc__Private__V1__BindingSwept body = CENC__PRIVATE__V1__BINDING_SWEPT__INIT;

    body.listener = editor->sweep_listener;
    body.revision = editor->sweep_revision;
    record.body_case = CENC__PRIVATE__V1__RECORD__BODY_BINDING_SWEPT;
    record.binding_swept = &body;
    if (status == STATUS_OK)
        CHECK(accounts_apply_private(editor->config.directory, &record) == STATUS_OK);
    editor->ending = false;
    editor->sweep_listener[0] = '\0';
    editor_wake(editor);
}

static void end_sweep(struct editor *editor)
{
    Cenc__Private__V1__Record record = CENC__PRIVATE__V1__RECORD__INIT;
    Cenc__Private__V1__BindingSwept body = CENC__PRIVATE__V1__BINDING_SWEPT__INIT;
    size_t size = 0;

    body.listener = editor->sweep_listener;
    body.revision = editor->sweep_revision;
    record.recorded_unix_ms = (int64_t)reactor_utc_ms(editor->config.reactor);
    record.body_case = CENC__PRIVATE__V1__RECORD__BODY_BINDING_SWEPT;
    record.binding_swept = &body;
    CHECK(proto_pack(&record.base, editor->end_bytes, sizeof(editor->end_bytes), &size) ==
          CODEC_OK);
    if (editor_append(editor, &editor->private_entry, JOURNAL_PRIVATE, editor->end_bytes, size,
                      swept) != STATUS_OK) {
        try_later(editor);
        return;
    }
    editor->ending = true;
    log_line(LOG_INFO, &module, "all devices are where the binding wants them", "listener=%s",
             editor->sweep_listener);
}

static void begin_sweep(struct editor *editor, const struct binding *binding)
{
    if (editor->sweep_revision == binding->revision &&
        strcmp(editor->sweep_listener, binding->listener) == 0)
        return;
    (void)snprintf(editor->sweep_listener, sizeof(editor->sweep_listener), "%s", binding->listener);
    editor->sweep_revision = binding->revision;
    editor->sweep_at = 0;
    editor->sweep_end = false;
    places_settle(editor->config.directory);
}

static void sweep_binding(struct editor *editor, const struct binding *binding)
{
    uint64_t until = editor->sweep_at + LOOK_AT;
    struct sweep_filter filter = {
        .listener = editor->sweep_listener,
        .from = binding->sweep == SWEEP_MOVING ? binding->sweep_from : 0,
        .to = {.project = binding->project},
    };

    while (editor->slots_used < SWEEP_SLOTS && editor->sweep_at < until && !editor->sweep_end) {
        struct device *device = places_next(editor->config.directory, &filter, &editor->sweep_at,
                                            until - editor->sweep_at, &editor->sweep_end);
        if (device != NULL && !move(editor, device, &filter.to)) {
            editor->sweep_at--;
            try_later(editor);
            return;
        }
    }
    if (editor->slots_used > 0)
        return;
    if (editor->sweep_end)
        end_sweep(editor);
    else
        editor_wake(editor);
}

void sweep_restore(struct editor *editor)
{
    struct place place;
    struct device *device = editor->restored;

    editor->restored = NULL;
    if (place_of(editor->config.directory, device, &place) && !move(editor, device, &place) &&
        !editor->stop) {
        editor->restored = device;
        try_later(editor);
    }
}

void sweep_on(struct editor *editor)
{
    struct binding binding;

    if (editor->sweep_waits)
        return;
    if (editor->restored != NULL)
        sweep_restore(editor);
    else
        place_waiting(editor);
    if (editor->slots_used > 0 || editor->sweep_waits)
        return;
    sweep_all_again(editor);
    if (find_binding(editor, &binding)) {
        begin_sweep(editor, &binding);
        sweep_binding(editor, &binding);
    }
}

void sweeps_init(struct editor *editor)
{
    for (uint32_t i = 0; i < SWEEP_SLOTS; i++)
        editor->slots[i].editor = editor;
    timer_init(&editor->timer, retry);
}
