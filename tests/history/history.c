#include "tests/history/history.h"

#include <dirent.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define EVENT_MAX 4096u
#define TEXT_MAX  160u

void history_init(struct history *history)
{
    memset(history, 0, sizeof(*history));
    history->arena.size = PROTO_ARENA_SIZE;
    history->arena.memory = malloc(PROTO_ARENA_SIZE);
    assert_non_null(history->arena.memory);
}

void history_free(struct history *history)
{
    for (uint64_t i = 0; i < history->count; i++)
        free(history->events[i].data);
    free(history->events);
    free(history->arena.memory);
}

/* ---- making ---- */

/* Everything that an event may point to. */
struct parts {
    Cenc__V1__Device device;
    Cenc__V1__DeviceState state;
    Cenc__V1__Signal signal;
    union {
        Cenc__V1__DeviceAdded added;
        Cenc__V1__DeviceChanged changed;
        Cenc__V1__DeviceRemoved removed;
        Cenc__V1__DeviceMoved moved;
        Cenc__V1__DeviceApproved approved;
        Cenc__V1__Connected connected;
        Cenc__V1__Disconnected disconnected;
        Cenc__V1__AccessStarted access_started;
        Cenc__V1__AccessFinished access_finished;
        Cenc__V1__LastGasp gasp;
        Cenc__V1__PowerRestored restored;
        Cenc__V1__ServerStarted started;
        Cenc__V1__UnparsedBytes unparsed;
    } body;
    char *changed[1];
    char texts[5][TEXT_MAX];
};

static char *or_empty(const char *text)
{
    return proto_string(text != NULL ? text : "");
}

static char *write_text(const char *text, char out[static TEXT_MAX])
{
    const char *given = or_empty(text);

    (void)proto_text(given, strlen(given), out, TEXT_MAX);
    return out;
}

static void fill_device(const struct told *told, struct parts *parts)
{
    cenc__v1__device__init(&parts->device);
    parts->device.scope = or_empty(told->scope);
    parts->device.serial = write_text(told->serial, parts->texts[0]);
    parts->device.kind = write_text(told->kind, parts->texts[1]);
    parts->device.model = write_text(told->model, parts->texts[2]);
    parts->device.firmware = write_text(told->firmware, parts->texts[3]);
    parts->device.hardware = write_text(told->hardware, parts->texts[4]);
    if (told->raw) {
        parts->device.serial_raw.data = (uint8_t *)or_empty(told->serial);
        parts->device.serial_raw.len = strlen(or_empty(told->serial));
    }
}

static Cenc__V1__Signal *signal_of(const struct told *told, struct parts *parts)
{
    cenc__v1__signal__init(&parts->signal);
    parts->signal.csq = told->csq;
    return told->csq == PLUGIN_SIGNAL_UNKNOWN ? NULL : &parts->signal;
}

/* Any id will do: the tables of projects are not told of here. */
static uint32_t project_id(const char *name)
{
    return name != NULL ? (uint32_t)strlen(name) * 1000 + (uint8_t)name[0] : 0;
}

static Cenc__V1__DeviceState *state_of(const struct told *told, struct parts *parts)
{
    cenc__v1__device_state__init(&parts->state);
    parts->state.first_seen_unix_ms = (int64_t)told->first_seen_utc_ms;
    parts->state.last_seen_unix_ms = (int64_t)told->last_seen_utc_ms;
    parts->state.listener = or_empty(told->listener);
    parts->state.direct_port = told->port;
    parts->state.last_gasp_unix_ms = (int64_t)told->gasp_utc_ms;
    parts->state.link_epoch = told->epoch;
    parts->state.note = or_empty(told->note);
    parts->state.project_id = project_id(told->project);
    parts->state.unapproved = told->unapproved;
    parts->state.signal = signal_of(told, parts);
    return &parts->state;
}

static void fill_body(Cenc__V1__Event *event, const struct told *told, struct parts *parts)
{
    switch (event->body_case) {
    case CENC__V1__EVENT__BODY_DEVICE_ADDED:
        cenc__v1__device_added__init(event->device_added = &parts->body.added);
        event->device_added->state = state_of(told, parts);
        break;
    case CENC__V1__EVENT__BODY_DEVICE_CHANGED:
        cenc__v1__device_changed__init(event->device_changed = &parts->body.changed);
        event->device_changed->state = state_of(told, parts);
        parts->changed[0] = or_empty(told->changed);
        event->device_changed->changed = parts->changed;
        event->device_changed->n_changed = told->changed != NULL;
        break;
    case CENC__V1__EVENT__BODY_DEVICE_REMOVED:
        cenc__v1__device_removed__init(event->device_removed = &parts->body.removed);
        break;
    case CENC__V1__EVENT__BODY_DEVICE_MOVED:
        cenc__v1__device_moved__init(event->device_moved = &parts->body.moved);
        event->device_moved->project_id = project_id(told->project);
        break;
    case CENC__V1__EVENT__BODY_DEVICE_APPROVED:
        cenc__v1__device_approved__init(event->device_approved = &parts->body.approved);
        break;
    case CENC__V1__EVENT__BODY_CONNECTED:
        cenc__v1__connected__init(event->connected = &parts->body.connected);
        event->connected->signal = signal_of(told, parts);
        event->connected->direct_port = told->port;
        break;
    case CENC__V1__EVENT__BODY_DISCONNECTED:
        cenc__v1__disconnected__init(event->disconnected = &parts->body.disconnected);
        break;
    case CENC__V1__EVENT__BODY_ACCESS_STARTED:
        cenc__v1__access_started__init(event->access_started = &parts->body.access_started);
        break;
    case CENC__V1__EVENT__BODY_ACCESS_FINISHED:
        cenc__v1__access_finished__init(event->access_finished = &parts->body.access_finished);
        break;
    case CENC__V1__EVENT__BODY_LAST_GASP:
        cenc__v1__last_gasp__init(event->last_gasp = &parts->body.gasp);
        event->last_gasp->unknown_device = told->unknown;
        event->last_gasp->test = told->test;
        break;
    case CENC__V1__EVENT__BODY_POWER_RESTORED:
        cenc__v1__power_restored__init(event->power_restored = &parts->body.restored);
        event->power_restored->last_gasp_unix_ms = (int64_t)told->gasp_utc_ms;
        event->power_restored->last_gasp_sequence = told->gasp_sequence;
        break;
    case CENC__V1__EVENT__BODY_UNPARSED_BYTES:
        cenc__v1__unparsed_bytes__init(event->unparsed_bytes = &parts->body.unparsed);
        break;
    case CENC__V1__EVENT__BODY_SERVER_STARTED:
        cenc__v1__server_started__init(event->server_started = &parts->body.started);
        break;
    default:
        break; /* an event without a body: one of a later version */
    }
}

static void append(struct history *history, const uint8_t *data, size_t size)
{
    if (history->count == history->capacity) {
        history->capacity = history->capacity * 2 + 64;
        history->events =
            realloc(history->events, history->capacity * sizeof(struct history_event));
        assert_non_null(history->events);
    }
    struct history_event *event = &history->events[history->count++];
    event->data = malloc(size);
    assert_non_null(event->data);
    memcpy(event->data, data, size);
    event->size = size;
}

uint64_t history_tell(struct history *history, Cenc__V1__Event__BodyCase body,
                      const struct told *told, uint64_t utc_ms)
{
    Cenc__V1__Event event = CENC__V1__EVENT__INIT;
    struct parts parts;
    uint8_t data[EVENT_MAX];
    size_t size = 0;

    event.node = proto_string("node1");
    event.received_unix_ms = (int64_t)utc_ms;
    event.link_epoch = told->epoch;
    event.listener = or_empty(told->listener);
    event.project = or_empty(told->project);
    event.body_case = body;
    if (!told->no_device) {
        fill_device(told, &parts);
        event.device = &parts.device;
    }
    fill_body(&event, told, &parts);
    assert_int_equal(event_pack(&event, data, sizeof(data), &size), CODEC_OK);
    append(history, data, size);
    return history->count;
}

void history_cut(struct history *history, uint64_t count)
{
    while (history->count > count)
        free(history->events[--history->count].data);
}

const Cenc__V1__Event *history_event(struct history *history, uint64_t sequence)
{
    const struct history_event *packed = &history->events[sequence - 1];
    Cenc__V1__Event *event = NULL;

    assert_true(sequence >= 1 && sequence <= history->count);
    history->arena.used = 0;
    history->arena.full = false;
    assert_int_equal(event_unpack(packed->data, packed->size, &history->arena, &event), CODEC_OK);
    return event;
}

/* ---- applying ---- */

void history_to_directory(struct history *history, struct directory *directory, uint64_t first,
                          uint64_t last)
{
    for (uint64_t i = first; i <= last; i++)
        assert_int_equal(directory_apply_event(directory, history_event(history, i), i), STATUS_OK);
}

void history_to_store(struct history *history, struct store *store, uint64_t first, uint64_t last)
{
    struct store_error error;

    assert_int_equal(store_begin(store, &error), STATUS_OK);
    for (uint64_t i = first; i <= last; i++)
        assert_int_equal(store_event(store, history_event(history, i), i, &error), STATUS_OK);
    assert_int_equal(store_end(store, last, &error), STATUS_OK);
}

static void take_device(const struct device_facts *facts, void *context)
{
    assert_int_equal(directory_restore(context, facts), STATUS_OK);
}

void history_load(struct store *store, struct directory *directory)
{
    struct store_error error;

    assert_int_equal(store_load(store, take_device, directory, &error), STATUS_OK);
}

/* ---- describing ---- */

struct lines {
    char **lines;
    size_t count;
    size_t capacity;
};

static bool describe(const struct device_facts *facts, void *context)
{
    struct lines *lines = context;

    if (lines->count == lines->capacity) {
        lines->capacity = lines->capacity * 2 + 64;
        lines->lines = realloc(lines->lines, lines->capacity * sizeof(char *));
        assert_non_null(lines->lines);
    }
    assert_true(asprintf(&lines->lines[lines->count++],
                         "%s/%s kind=%s model=%s firmware=%s hardware=%s project=%u listener=%s "
                         "first=%" PRIu64 " last=%" PRIu64 " epoch=%u port=%u csq=%u gasp=%" PRIu64
                         "/%" PRIu64 "%s%s\n",
                         facts->scope, facts->serial, facts->kind, facts->model, facts->firmware,
                         facts->hardware, facts->project_id, facts->listener,
                         facts->first_seen_utc_ms, facts->last_seen_utc_ms, facts->epoch,
                         facts->direct_port, facts->signal_csq, facts->gasp.utc_ms,
                         facts->gasp.sequence, facts->removed ? " removed" : "",
                         facts->unapproved ? " unapproved" : "") > 0);
    return true;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char *history_describe(struct directory *directory)
{
    struct lines lines = {0};
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    (void)directory_walk_facts(directory, 0, describe, &lines);
    if (lines.count > 0)
        qsort(lines.lines, lines.count, sizeof(char *), by_text);
    for (size_t i = 0; i < lines.count; i++) {
        (void)fputs(lines.lines[i], out);
        free(lines.lines[i]);
    }
    free(lines.lines);
    assert_int_equal(fclose(out), 0);
    return text;
}

/* ---- the rest ---- */

void history_make_folder(char folder[static 64])
{
    /* in memory where that is: hundreds of syncs of a disk take their time */
    static const char fast[] = "/dev/shm/cencd-history-XXXXXX";
    static const char slow[] = "/tmp/cencd-history-XXXXXX";
    memcpy(folder, fast, sizeof fast);
    if (mkdtemp(folder) != NULL)
        return;
    memcpy(folder, slow, sizeof slow);
    assert_non_null(mkdtemp(folder));
}

void history_remove_folder(const char *folder)
{
    DIR *stream = opendir(folder);
    const struct dirent *entry;

    assert_non_null(stream);
    while ((entry = readdir(stream)) != NULL) // NOLINT(concurrency-mt-unsafe): own stream
        if (entry->d_name[0] != '.')
            assert_int_equal(unlinkat(dirfd(stream), entry->d_name, 0), 0);
    assert_int_equal(closedir(stream), 0);
    assert_int_equal(rmdir(folder), 0);
}

uint64_t dice_below(struct dice *dice, uint64_t bound)
{
    uint64_t x = dice->state + 0x9e3779b97f4a7c15u;

    dice->state = x;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return (x ^ (x >> 31)) % bound;
}
