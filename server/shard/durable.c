#include "server/shard/durable.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/proto/event.h"
#include "server/base/check.h"
#include "server/directory/edit.h"
#include "server/directory/keeper.h"
#include "server/directory/load.h"
#include "server/journal/journal.h"
#include "server/reactor/disk.h"
#include "server/redis/redis.h"
#include "server/shard/listeners.h"
#include "server/shard/patience.h"
#include "server/shard/refusals.h"

#define MIB          (1024ull * 1024)
#define TICK_MS      1000u
#define STOP_TURN_MS 20
#define NOTICE_MAX   512u

/* An event of the server itself, appended by the writer's thread. One at a time of each kind. */
struct notice {
    struct journal_entry entry;
    bool busy;
    uint8_t bytes[NOTICE_MAX];
};

struct durable {
    struct server *server;
    struct journal *journal;
    struct store *store;
    struct keeper *keeper;
    struct editor *editor;
    struct redis *redis; /* NULL: off */
    struct reactor *reactors[DURABLE_ROLES];
    char journal_folder[CONFIG_PATH_SIZE + 16];
    struct journal_recovery recovery;
    struct timer tick; /* the writer's thread: watches the journal's state */
    int lock;          /* of state_dir; -1: not ours */
    int lost_error;
    bool lost_by_hanging;
    uint64_t lost_at_utc_ms;
    bool was_durable;
    bool gap;                 /* the directory was loaded without some events */
    _Atomic bool editor_gone; /* or never was */
    struct notice started;
    struct notice stopping_notice;
    struct notice lost;
    struct notice regained;
    struct notice refused[JOURNAL_LATER + 1]; /* by class */
    struct refusals refusals[JOURNAL_LATER + 1];
    _Atomic bool stop;
    _Atomic bool stopped[DURABLE_ROLES];
    bool stop_begun[DURABLE_ROLES];
    bool journal_stopping;
    struct patience patience; /* the writer's thread */
};

/* ---- events of the server itself ---- */

static void noted(struct journal_entry *entry, enum status status)
{
    (void)status;
    container_of(entry, struct notice, entry)->busy = false;
}

/* False: it can't be taken now. */
static bool note(struct durable *durable, struct notice *notice, Cenc__V1__Event *event)
{
    size_t size = 0;
    if (notice->busy)
        return false;
    event->node = proto_string(durable->server->config->server.node);
    event->received_unix_ms = (int64_t)reactor_utc_ms(durable->reactors[DURABLE_WRITER]);
    CHECK(event_pack(event, notice->bytes, sizeof notice->bytes, &size) == CODEC_OK);
    notice->entry.data = notice->bytes;
    notice->entry.size = (uint32_t)size;
    notice->entry.kind = JOURNAL_EVENT;
    notice->entry.class = JOURNAL_FIRST;
    notice->entry.from = durable->reactors[DURABLE_WRITER];
    notice->entry.done = noted;
    notice->busy = journal_append(durable->journal, &notice->entry) == STATUS_OK;
    return notice->busy;
}

static void note_started(struct durable *durable)
{
    Cenc__V1__Event event = CENC__V1__EVENT__INIT;
    Cenc__V1__ServerStarted body = CENC__V1__SERVER_STARTED__INIT;
    body.version = proto_string(CENCD_VERSION);
    body.last_sequence = durable->recovery.last_sequence;
    event.body_case = CENC__V1__EVENT__BODY_SERVER_STARTED;
    event.server_started = &body;
    (void)note(durable, &durable->started, &event);
}

static void note_stopping(struct durable *durable)
{
    Cenc__V1__Event event = CENC__V1__EVENT__INIT;
    Cenc__V1__ServerStopping body = CENC__V1__SERVER_STOPPING__INIT;
    body.why = proto_string("asked to stop");
    event.body_case = CENC__V1__EVENT__BODY_SERVER_STOPPING;
    event.server_stopping = &body;
    (void)note(durable, &durable->stopping_notice, &event);
}

static const char *lost_why(const struct durable *durable)
{
    return durable->lost_by_hanging ? "no answer" : strerror(durable->lost_error);
}

static void note_lost(struct durable *durable)
{
    Cenc__V1__Event event = CENC__V1__EVENT__INIT;
    Cenc__V1__DurabilityLost body = CENC__V1__DURABILITY_LOST__INIT;
    body.since_unix_ms = (int64_t)durable->lost_at_utc_ms;
    body.error = proto_string(lost_why(durable));
    body.last_sequence = journal_committed(durable->journal);
    event.body_case = CENC__V1__EVENT__BODY_DURABILITY_LOST;
    event.durability_lost = &body;
    (void)note(durable, &durable->lost, &event);
}

static void note_regained(struct durable *durable, uint64_t lost_ms)
{
    Cenc__V1__Event event = CENC__V1__EVENT__INIT;
    Cenc__V1__DurabilityRegained body = CENC__V1__DURABILITY_REGAINED__INIT;
    body.lost_ms = lost_ms;
    event.body_case = CENC__V1__EVENT__BODY_DURABILITY_REGAINED;
    event.durability_regained = &body;
    (void)note(durable, &durable->regained, &event);
}

static bool note_refused(struct durable *durable, enum event_class class)
{
    const struct refusals *refusals = &durable->refusals[class];
    Cenc__V1__Event event = CENC__V1__EVENT__INIT;
    Cenc__V1__EventsRefused body = CENC__V1__EVENTS_REFUSED__INIT;
    body.event_class = proto_string(event_class_name(class));
    body.count = refusals_untold(refusals);
    body.since_unix_ms = (int64_t)refusals->since_utc_ms;
    body.until_unix_ms = (int64_t)refusals->until_utc_ms;
    event.body_case = CENC__V1__EVENT__BODY_EVENTS_REFUSED;
    event.events_refused = &body;
    durable->refused[class].entry.kept = true;
    return note(durable, &durable->refused[class], &event);
}

/* When the queue takes such events again; at the end: now, or nobody will know. */
static void watch_refusals(struct durable *durable, bool at_the_end)
{
    const struct journal_counters *counters = journal_counters(durable->journal);
    uint64_t now = reactor_utc_ms(durable->reactors[DURABLE_WRITER]);
    for (int class = EVENT_FIRST; class <= EVENT_LATER; class ++) {
        struct refusals *refusals = &durable->refusals[class];
        refusals_look(refusals, atomic_load(&counters->refused[class]), now);
        bool due = at_the_end ? refusals_untold(refusals) > 0
                              : refusals_are_over(refusals) &&
                                    journal_has_room(durable->journal, (enum journal_class) class);
        if (due && note_refused(durable, (enum event_class) class))
            refusals_are_told(refusals);
    }
}

/* ---- the state of the disk ---- */

static void watch_state(struct durable *durable)
{
    const struct journal_counters *counters = journal_counters(durable->journal);
    struct log_context context = {.module = "journal"};
    bool is_durable = atomic_load(&counters->durable);
    uint64_t now = reactor_utc_ms(durable->reactors[DURABLE_WRITER]);
    char text[160];
    if (durable->was_durable == is_durable)
        return;
    durable->was_durable = is_durable;
    if (!is_durable) {
        durable->lost_at_utc_ms = now;
        durable->lost_error = atomic_load(&counters->last_error);
        durable->lost_by_hanging = atomic_load(&counters->hangs);
        log_line(LOG_ERROR, &context,
                 durable->lost_by_hanging ? "the disk doesn't answer; waiting for it"
                                          : "the disk takes no records; trying again every second",
                 "error=%s committed=%llu", log_quote(lost_why(durable), text, sizeof text),
                 (unsigned long long)journal_committed(durable->journal));
        note_lost(durable); /* it is written as soon as anything is */
    } else {
        log_line(LOG_WARN, &context, "the disk takes records again", "lost_ms=%llu",
                 (unsigned long long)(now - durable->lost_at_utc_ms));
        note_regained(durable, now - durable->lost_at_utc_ms);
    }
}

static void writer_stopped(void *context)
{
    struct durable *durable = context;
    atomic_store(&durable->stopped[DURABLE_WRITER], true);
}

static void stop_journal(struct durable *durable)
{
    durable->journal_stopping = true;
    patience_end(&durable->patience);
    watch_refusals(durable, true);
    journal_stop(durable->journal, writer_stopped, durable);
}

/* What the disk doesn't take is lost. */
static void give_up(struct patience *patience)
{
    struct durable *durable = container_of(patience, struct durable, patience);
    const struct journal_counters *counters = journal_counters(durable->journal);
    struct log_context context = {.module = "journal"};
    log_line(LOG_ERROR, &context, "stopping without what the disk doesn't take",
             "queued_bytes=%llu", (unsigned long long)atomic_load(&counters->queued_bytes));
    stop_journal(durable);
}

static void tick(struct timer *timer)
{
    struct durable *durable = container_of(timer, struct durable, tick);
    watch_state(durable);
    watch_refusals(durable, false);
    timer_repeat(durable->reactors[DURABLE_WRITER], timer, TICK_MS);
}

/* ---- opening ---- */

static enum status open_journal(struct durable *durable, struct kernel_error *error)
{
    const struct config *config = durable->server->config;
    struct journal_error journal_error;
    struct journal_config settings = {
        .folder = durable->journal_folder,
        .segment_bytes = config->journal.segment_mb * MIB,
        .queue_bytes = config->journal.queue_mb * MIB,
        .retention_bytes = config->journal.retention_mb * MIB,
        .retention_age_s = config->journal.retention_days * 86400ull,
        .sync_delay_ms = config->journal.sync_delay_ms,
    };
    memcpy(settings.node, config->server.node, sizeof settings.node);
    enum status status =
        journal_open(&settings, &durable->journal, &durable->recovery, &journal_error);
    if (status != STATUS_OK)
        (void)snprintf(error->text, sizeof error->text, "%.1000s", journal_error.text);
    return status;
}

static enum status load_directory(struct durable *durable, struct kernel_error *error)
{
    struct server *server = durable->server;
    struct load_report report;
    struct store_error store_error;
    char path[CONFIG_PATH_SIZE + 32];
    (void)snprintf(path, sizeof path, "%s/directory.sqlite", server->config->server.state_dir);
    enum status status = directory_load(server->directory, path, durable->journal, &durable->store,
                                        &report, &store_error);
    if (status != STATUS_OK) {
        (void)snprintf(error->text, sizeof error->text, "%.1000s", store_error.text);
        return status;
    }
    durable->gap = report.missing > 0;
    return STATUS_OK;
}

static enum status make_folder(struct durable *durable, struct kernel_error *error)
{
    const char *folder = durable->server->config->server.state_dir;
    int result = disk_make_folder(folder);
    if (result < 0) {
        (void)snprintf(error->text, sizeof error->text, "server.state_dir %.150s: %s", folder,
                       strerror(-result));
        return STATUS_SYSTEM;
    }
    (void)snprintf(durable->journal_folder, sizeof durable->journal_folder, "%s/journal", folder);
    return STATUS_OK;
}

/* Two servers in one folder would write over each other. */
static enum status lock_folder(struct durable *durable, struct kernel_error *error)
{
    const char *folder = durable->server->config->server.state_dir;
    char path[CONFIG_PATH_SIZE + 16];
    char who[48] = "";
    long holder = 0;
    (void)snprintf(path, sizeof path, "%s/lock", folder);
    durable->lock = disk_lock(path, &holder);
    if (durable->lock >= 0)
        return STATUS_OK;
    if (holder > 0)
        (void)snprintf(who, sizeof who, " (process %ld)", holder);
    if (durable->lock == -EWOULDBLOCK)
        (void)snprintf(error->text, sizeof error->text,
                       "server.state_dir %.150s is in use by another cencd%s", folder, who);
    else
        (void)snprintf(error->text, sizeof error->text, "%.160s can't be locked: %s", path,
                       strerror(-durable->lock));
    return STATUS_SYSTEM;
}

enum status durable_open(struct server *server, struct kernel_error *error)
{
    struct log_context context = {.module = "journal"};
    struct durable *durable = calloc(1, sizeof *durable);
    if (durable == NULL) {
        (void)snprintf(error->text, sizeof error->text, "not enough memory for the journal");
        return STATUS_NO_MEMORY;
    }
    durable->server = server;
    durable->lock = -1;
    durable->was_durable = true;
    server->durable = durable;
    enum status status = make_folder(durable, error);
    if (status == STATUS_OK)
        status = lock_folder(durable, error);
    if (status == STATUS_OK)
        status = open_journal(durable, error);
    if (status != STATUS_OK)
        return status;
    journal_await_readers(durable->journal);
    server->journal = durable->journal;
    server->journal_counters = journal_counters(durable->journal);
    log_line(LOG_INFO, &context, "recovered", "first=%llu last=%llu segments=%llu torn_bytes=%llu",
             (unsigned long long)durable->recovery.first_sequence,
             (unsigned long long)durable->recovery.last_sequence,
             (unsigned long long)durable->recovery.segments,
             (unsigned long long)durable->recovery.torn_bytes);
    return load_directory(durable, error);
}

static enum status start_editor(struct durable *durable)
{
    struct editor_config config = {
        .directory = durable->server->directory,
        .journal = durable->journal,
        .reactor = durable->reactors[DURABLE_READERS],
        .node = durable->server->config->server.node,
    };
    listeners_fill_hooks(durable->server, &config.listeners);
    enum status status = editor_start(&config, &durable->editor);
    atomic_store(&durable->editor_gone, status != STATUS_OK);
    durable->server->editor = durable->editor;
    return status;
}

static enum status start_readers(struct durable *durable, struct kernel_error *error)
{
    struct server *server = durable->server;
    struct reactor *reactor = durable->reactors[DURABLE_READERS];
    struct redis_error redis_error;
    enum status status = keeper_start(durable->journal, durable->store, server->directory, reactor,
                                      &keeper_pace, &durable->keeper);
    if (status != STATUS_OK) {
        (void)snprintf(error->text, sizeof error->text, "not enough memory for the keeper");
        return status;
    }
    server->keeper_counters = keeper_counters(durable->keeper);
    status = start_editor(durable);
    if (status != STATUS_OK) {
        (void)snprintf(error->text, sizeof error->text, "not enough memory for the editor");
        return status;
    }
    if (server->config->redis.url.address.family == 0)
        return STATUS_OK;
    status = redis_start(server->config, durable->journal, server->directory, durable->gap, reactor,
                         &durable->redis, &redis_error);
    if (status == STATUS_OK)
        server->redis_counters = redis_counters(durable->redis);
    else
        (void)snprintf(error->text, sizeof error->text, "%.1000s", redis_error.text);
    return status;
}

enum status durable_create(struct durable *durable, enum durable_role role,
                           struct kernel_error *error)
{
    struct reactor_config config = {
        .limits = {.slots = 64,
                   .reserved_slots = 1,
                   .buffer_count = {64, 1},
                   .buffer_size = {4096, 65536}},
        .owner = durable,
    };
    enum status status = reactor_create(&config, &durable->reactors[role], error);
    if (status != STATUS_OK)
        return status;
    if (role == DURABLE_READERS)
        return start_readers(durable, error);
    patience_init(&durable->patience, durable->server, durable->reactors[role], give_up);
    timer_init(&durable->tick, tick);
    timer_start(durable->reactors[role], &durable->tick, TICK_MS);
    journal_start(durable->journal, durable->reactors[role]);
    note_started(durable);
    return STATUS_OK;
}

/* ---- running and stopping ---- */

static void readers_stopped(void *context)
{
    struct durable *durable = context;
    durable->keeper = NULL;
    atomic_store(&durable->stopped[DURABLE_READERS], true);
}

static void redis_stopped(void *context)
{
    struct durable *durable = context;
    durable->redis = NULL;
    keeper_stop(durable->keeper, readers_stopped, durable);
}

static void editor_stopped(void *context)
{
    struct durable *durable = context;
    atomic_store(&durable->editor_gone, true);
}

/* The journal's stop doesn't wait for the editor: what is on its way is committed, or fails by it.
 */
static void begin_stop(struct durable *durable, enum durable_role role)
{
    durable->stop_begun[role] = true;
    if (role == DURABLE_READERS) {
        editor_stop(durable->editor, editor_stopped, durable);
        if (durable->redis != NULL)
            redis_stop(durable->redis, redis_stopped, durable);
        else
            keeper_stop(durable->keeper, readers_stopped, durable);
        return;
    }
    note_stopping(durable);
    timer_stop(&durable->tick);
    patience_end(&durable->patience); /* what isn't on the disk by now doesn't get there */
}

void durable_turn(struct durable *durable, enum durable_role role, int max_wait_ms)
{
    struct reactor *reactor = durable->reactors[role];
    if (atomic_load_explicit(&durable->stop, memory_order_relaxed)) {
        max_wait_ms = max_wait_ms == 0 ? 0 : STOP_TURN_MS;
        if (!durable->stop_begun[role])
            begin_stop(durable, role);
        else if (role == DURABLE_WRITER && !durable->journal_stopping &&
                 atomic_load(&durable->stopped[DURABLE_READERS]))
            stop_journal(durable);
    }
    if (role == DURABLE_WRITER)
        patience_turn(&durable->patience);
    reactor_turn(reactor, max_wait_ms);
}

void durable_shards_stop(const struct durable *durable, struct reactor *from)
{
    kernel_wake(reactor_kernel(from), reactor_kernel(durable->reactors[DURABLE_WRITER]));
}

void durable_readers_are_there(struct durable *durable)
{
    journal_readers_are_back(durable->journal);
}

void durable_stop(struct durable *durable)
{
    atomic_store(&durable->stop, true);
    for (int role = 0; role < DURABLE_ROLES; role++)
        if (durable->reactors[role] != NULL)
            kernel_wake(NULL, reactor_kernel(durable->reactors[role]));
}

bool durable_stopped(const struct durable *durable, enum durable_role role)
{
    return atomic_load(&durable->stop) && atomic_load(&durable->stopped[role]) &&
           (role != DURABLE_READERS || atomic_load(&durable->editor_gone)) &&
           reactor_idle(durable->reactors[role]) && atomic_load(&durable->stopped[DURABLE_WRITER]);
}

void durable_destroy(struct durable *durable, enum durable_role role)
{
    if (durable->reactors[role] != NULL)
        reactor_destroy(durable->reactors[role]);
    durable->reactors[role] = NULL;
}

void durable_close(struct durable *durable)
{
    if (durable->store != NULL)
        store_close(durable->store);
    if (durable->journal != NULL)
        journal_free(durable->journal);
    if (durable->lock >= 0)
        disk_unlock(durable->lock);
    durable->server->journal = NULL;
    durable->server->durable = NULL;
    free(durable);
}

struct reactor *durable_reactor(const struct durable *durable, enum durable_role role)
{
    return durable->reactors[role];
}
