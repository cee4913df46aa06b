#include "server/directory/keeper.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/base/log.h"
#include "server/directory/restore.h"
#include "server/journal/reader.h"

#define RETRY_MS     1000u /* after the first failure; twice as long after each further one */
#define RETRY_MAX_MS 30000u
#define FULL_BATCH   1024u /* records; after such a one there is no pause */

/* Half a million records take a second at the start. */
const struct keeper_pace keeper_pace = {
    .busy_records = 2000, .behind_records = 500000, .behind_ms = 30000};

static const struct log_context module = {.module = "directory"};

/* Exactly one thing is under way at any time, or the keeper waits. */
enum keeper_state {
    KEEPER_READING,  /* the reader will answer */
    KEEPER_WRITING,  /* the helper thread works */
    KEEPER_PAUSING,  /* the timer will fire */
    KEEPER_WAITING,  /* for the watch */
    KEEPER_STOPPING, /* the watch, then the reader, will tell that they are gone */
};

struct keeper {
    struct journal *journal;
    struct store *store;
    struct directory *directory;
    struct reactor *reactor;
    struct journal_reader *reader;
    struct journal_watch watch;
    struct journal_hold hold;
    struct operation work;
    struct timer timer;
    enum keeper_state state;
    bool told; /* since the last reading began something was committed */
    struct keeper_pace pace;
    uint64_t looked_ms;
    uint64_t looked_at; /* the last record that was committed then */
    bool busy;          /* the journal, when it was looked at */
    uint64_t behind_ms; /* since when the store lacks something; 0: it lacks nothing */
    bool stop;          /* asked for */
    uint32_t retry_ms;
    void (*after_pause)(struct keeper *keeper);
    void (*task)(struct keeper *keeper); /* what the helper thread does, or did */
    void (*stopped)(void *context);
    void *stopped_context;

    /* what the reader gave; the helper thread's while KEEPER_WRITING, like what follows */
    const struct journal_record *records;
    size_t count;
    struct proto_arena arena;
    enum status status;
    struct store_error error;
    uint64_t rewritten_to;
    uint64_t damaged;

    struct keeper_counters counters;
};

static void read_on(struct keeper *keeper);
static void go_on(struct keeper *keeper);
static void wind_up(struct keeper *keeper);

static void count(_Atomic uint64_t *counter, uint64_t by)
{
    atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

/* ---- pauses ---- */

static void pause_over(struct timer *timer)
{
    struct keeper *keeper = container_of(timer, struct keeper, timer);

    keeper->after_pause(keeper);
}

static void pause_for(struct keeper *keeper, uint32_t ms, void (*then)(struct keeper *keeper))
{
    keeper->state = KEEPER_PAUSING;
    keeper->after_pause = then;
    if (ms < RETRY_MS)
        timer_start_fine(keeper->reactor, &keeper->timer, ms);
    else
        timer_start(keeper->reactor, &keeper->timer, ms);
}

static void try_later(struct keeper *keeper, const char *reason,
                      void (*again)(struct keeper *keeper))
{
    char quoted[sizeof(keeper->error.text)];

    count(&keeper->counters.failures, 1);
    atomic_store(&keeper->counters.failing, true);
    keeper->retry_ms = keeper->retry_ms == 0 ? RETRY_MS : keeper->retry_ms * 2;
    if (keeper->retry_ms > RETRY_MAX_MS)
        keeper->retry_ms = RETRY_MAX_MS;
    log_line(LOG_ERROR, &module, "the directory's store stands still; it will be tried again",
             "after_s=%u reason=%s", keeper->retry_ms / 1000,
             log_quote(reason, quoted, sizeof(quoted)));
    pause_for(keeper, keeper->retry_ms, again);
}

static void went_well(struct keeper *keeper)
{
    if (keeper->retry_ms > 0)
        log_line(LOG_INFO, &module, "the directory's store goes on", "sequence=%" PRIu64,
                 store_sequence(keeper->store));
    keeper->retry_ms = 0;
    atomic_store(&keeper->counters.failing, false);
    atomic_store(&keeper->counters.sequence, store_sequence(keeper->store));
    atomic_store(&keeper->hold.acknowledged, store_sequence(keeper->store));
}

/* ---- writing, on the helper thread ---- */

static enum status apply_private(struct keeper *keeper, const struct journal_record *record)
{
    ProtobufCMessage *message = NULL;

    if (proto_unpack(&cenc__private__v1__record__descriptor, record->data, record->size,
                     &keeper->arena, &message) != CODEC_OK) {
        keeper->damaged++;
        return STATUS_OK;
    }
    enum status status =
        store_private(keeper->store, (Cenc__Private__V1__Record *)message, &keeper->error);
    explicit_bzero(keeper->arena.memory, keeper->arena.used);
    return status;
}

static enum status apply_record(struct keeper *keeper, const struct journal_record *record)
{
    Cenc__V1__Event *event;

    keeper->arena.used = 0;
    keeper->arena.full = false;
    if (record->kind == JOURNAL_PRIVATE)
        return apply_private(keeper, record);
    if (record->kind != JOURNAL_EVENT)
        return STATUS_OK;
    if (event_unpack(record->data, record->size, &keeper->arena, &event) != CODEC_OK) {
        keeper->damaged++;
        return STATUS_OK;
    }
    return store_event(keeper->store, event, record->sequence, &keeper->error);
}

static void apply_batch(struct keeper *keeper)
{
    enum status status = store_begin(keeper->store, &keeper->error);

    keeper->damaged = 0;
    for (size_t i = 0; status == STATUS_OK && i < keeper->count; i++)
        status = apply_record(keeper, &keeper->records[i]);
    if (status == STATUS_OK)
        status =
            store_end(keeper->store, keeper->records[keeper->count - 1].sequence, &keeper->error);
    keeper->status = status;
}

static bool put_device(const struct device_facts *facts, void *context)
{
    struct keeper *keeper = context;

    keeper->status = store_put(keeper->store, facts, &keeper->error);
    return keeper->status == STATUS_OK;
}

/* All of the directory, which knows more than the records that are left. Those are applied again
 * afterwards, since the directory may not yet know the latest of them. */
static void rewrite_all(struct keeper *keeper)
{
    uint64_t oldest = journal_oldest(keeper->journal);

    keeper->status = store_begin(keeper->store, &keeper->error);
    if (keeper->status == STATUS_OK)
        keeper->status = store_put_accounts(keeper->store, keeper->directory, &keeper->error);
    if (keeper->status == STATUS_OK)
        (void)directory_walk_facts(keeper->directory, 0, put_device, keeper);
    if (keeper->status == STATUS_OK)
        keeper->status = store_end(keeper->store, oldest - 1, &keeper->error);
    keeper->rewritten_to = oldest;
}

static void do_task(void *argument)
{
    struct keeper *keeper = argument;

    keeper->task(keeper);
}

/* ---- writing, in the reactor's thread ---- */

static void write_now(struct keeper *keeper)
{
    keeper->state = KEEPER_WRITING;
    if (reactor_work(keeper->reactor, &keeper->work, do_task, keeper) != STATUS_OK)
        try_later(keeper, "no memory", write_now);
}

static void batch_is_in(struct keeper *keeper)
{
    count(&keeper->counters.records, keeper->count);
    count(&keeper->counters.batches, 1);
    count(&keeper->counters.damaged, keeper->damaged);
    if (keeper->count < FULL_BATCH)
        pause_for(keeper, KEEPER_LOOK_MS, go_on);
    else
        go_on(keeper);
}

static void is_rewritten(struct keeper *keeper)
{
    count(&keeper->counters.rewrites, 1);
    journal_reader_seek(keeper->reader, keeper->rewritten_to);
    read_on(keeper);
}

static void written(struct operation *operation, int32_t result)
{
    struct keeper *keeper = container_of(operation, struct keeper, work);

    (void)result;
    if (keeper->status == STATUS_OK)
        went_well(keeper);
    if (keeper->stop)
        wind_up(keeper);
    else if (keeper->status != STATUS_OK)
        try_later(keeper, keeper->error.text, write_now);
    else if (keeper->task == rewrite_all)
        is_rewritten(keeper);
    else
        batch_is_in(keeper);
}

/* ---- when to read ---- */

/* The store lacks something. A commit costs a sync, so several groups of the journal share one; and
 * by then it shows whether they are the first of a storm. */
static void begin(struct keeper *keeper)
{
    keeper->looked_at = journal_committed(keeper->journal);
    keeper->looked_ms = keeper->behind_ms = reactor_now_ms(keeper->reactor);
    pause_for(keeper, KEEPER_LOOK_MS, go_on);
}

static void look(struct keeper *keeper)
{
    uint64_t committed = journal_committed(keeper->journal);
    uint64_t now_ms = reactor_now_ms(keeper->reactor);
    uint64_t took_ms = now_ms - keeper->looked_ms;

    if (took_ms < KEEPER_LOOK_MS)
        return;
    keeper->busy =
        (committed - keeper->looked_at) * KEEPER_LOOK_MS >= keeper->pace.busy_records * took_ms;
    keeper->looked_at = committed;
    keeper->looked_ms = now_ms;
}

static bool may_wait(const struct keeper *keeper)
{
    uint64_t lacks = journal_committed(keeper->journal) - store_sequence(keeper->store);
    uint64_t since_ms = reactor_now_ms(keeper->reactor) - keeper->behind_ms;

    return lacks < keeper->pace.behind_records && since_ms < keeper->pace.behind_ms;
}

static void go_on(struct keeper *keeper)
{
    look(keeper);
    if (!keeper->busy || !may_wait(keeper)) {
        read_on(keeper);
        return;
    }
    count(&keeper->counters.waits, 1);
    pause_for(keeper, KEEPER_LOOK_MS, go_on);
}

/* ---- reading ---- */

static void got(void *context, enum journal_read what, const struct journal_record *records,
                size_t record_count)
{
    struct keeper *keeper = context;

    if (keeper->stop) {
        wind_up(keeper);
        return;
    }
    switch (what) {
    case JOURNAL_READ_RECORDS:
        keeper->records = records;
        keeper->count = record_count;
        keeper->task = apply_batch;
        write_now(keeper);
        break;
    case JOURNAL_READ_END:
        keeper->state = KEEPER_WAITING;
        keeper->behind_ms = 0;
        if (keeper->told)
            begin(keeper);
        break;
    case JOURNAL_READ_GONE:
        log_line(LOG_WARN, &module,
                 "the store missed records that the journal had to remove: it is "
                 "written anew",
                 "");
        keeper->task = rewrite_all;
        write_now(keeper);
        break;
    case JOURNAL_READ_ERROR:
        try_later(keeper, "the journal can't be read", read_on);
        break;
    }
}

static void read_on(struct keeper *keeper)
{
    keeper->state = KEEPER_READING;
    keeper->told = false;
    journal_reader_next(keeper->reader, got, keeper);
}

static void committed(struct journal_watch *watch)
{
    struct keeper *keeper = container_of(watch, struct keeper, watch);

    keeper->told = true;
    if (keeper->state == KEEPER_WAITING)
        begin(keeper);
}

/* ---- start and stop ---- */

enum status keeper_start(struct journal *journal, struct store *store, struct directory *directory,
                         struct reactor *reactor, const struct keeper_pace *pace,
                         struct keeper **started)
{
    struct keeper *keeper = calloc(1, sizeof(*keeper));
    uint64_t sequence = store_sequence(store);

    if (keeper == NULL)
        return STATUS_NO_MEMORY;
    keeper->journal = journal;
    keeper->store = store;
    keeper->directory = directory;
    keeper->reactor = reactor;
    keeper->pace = *pace;
    keeper->looked_ms = keeper->behind_ms = reactor_now_ms(reactor);
    keeper->looked_at = journal_committed(journal);
    keeper->arena.size = PROTO_ARENA_SIZE;
    keeper->arena.memory = malloc(PROTO_ARENA_SIZE);
    if (keeper->arena.memory == NULL ||
        journal_reader_create(journal, reactor, sequence + 1, &keeper->reader) != STATUS_OK) {
        free(keeper->arena.memory);
        free(keeper);
        return STATUS_NO_MEMORY;
    }
    keeper->work.done = written;
    timer_init(&keeper->timer, pause_over);
    keeper->hold.name = "directory";
    atomic_store(&keeper->hold.acknowledged, sequence);
    atomic_store(&keeper->counters.sequence, sequence);
    journal_hold_add(journal, &keeper->hold);
    keeper->watch.reactor = reactor;
    keeper->watch.committed = committed;
    journal_watch_add(journal, &keeper->watch);
    read_on(keeper);
    *started = keeper;
    return STATUS_OK;
}

static void reader_gone(void *context)
{
    struct keeper *keeper = context;
    void (*stopped)(void *context) = keeper->stopped;
    void *stopped_context = keeper->stopped_context;

    free(keeper->arena.memory);
    free(keeper);
    stopped(stopped_context);
}

static void watch_gone(struct journal_watch *watch)
{
    struct keeper *keeper = container_of(watch, struct keeper, watch);

    journal_hold_leave(keeper->journal, &keeper->hold);
    journal_reader_free(keeper->reader, reader_gone, keeper);
}

/* Nothing is under way any more. */
static void wind_up(struct keeper *keeper)
{
    keeper->state = KEEPER_STOPPING;
    timer_stop(&keeper->timer);
    journal_watch_remove(keeper->journal, &keeper->watch, watch_gone);
}

void keeper_stop(struct keeper *keeper, void (*stopped)(void *context), void *context)
{
    CHECK(!keeper->stop);
    keeper->stop = true;
    keeper->stopped = stopped;
    keeper->stopped_context = context;
    if (keeper->state == KEEPER_PAUSING || keeper->state == KEEPER_WAITING)
        wind_up(keeper);
}

const struct keeper_counters *keeper_counters(const struct keeper *keeper)
{
    return &keeper->counters;
}
