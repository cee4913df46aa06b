/* Acknowledged positions: coalesced, written by the helper thread, and then the journal lets go. */
#include <inttypes.h>
#include <stdlib.h>

#include "server/base/log.h"
#include "server/northbound/internal.h"

#define COALESCE_MS 200u
#define RETRY_MS    2000u
#define UNCHANGED   UINT64_MAX

static const struct log_context module = {.module = "northbound"};

static void start(struct northbound *northbound);

static void write_all(void *argument)
{
    struct northbound *northbound = argument;
    struct positions *positions = &northbound->positions;
    enum status status = ledger_begin(northbound->ledger, &positions->error);

    for (size_t i = 0; i < northbound->consumers.count && status == STATUS_OK; i++)
        if (positions->written[i] != UNCHANGED)
            status =
                ledger_put_position(northbound->ledger, northbound->consumers.all[i].config->name,
                                    positions->written[i], &positions->error);
    if (status == STATUS_OK)
        status = ledger_end(northbound->ledger, &positions->error);
    positions->status = status;
}

static void due(struct timer *timer)
{
    start(container_of(timer, struct northbound, positions.timer));
}

static void went_wrong(struct northbound *northbound)
{
    struct positions *positions = &northbound->positions;
    char quoted[2 * sizeof(positions->error.text)];

    http2_count(&northbound->counters.ledger_failures, 1);
    if (!positions->failing)
        log_line(LOG_ERROR, &module, "positions of consumers aren't written; it is tried again",
                 "reason=%s", log_quote(positions->error.text, quoted, sizeof(quoted)));
    positions->failing = true;
    for (size_t i = 0; i < northbound->consumers.count; i++)
        if (positions->written[i] != UNCHANGED)
            northbound->consumers.all[i].changed = true;
    timer_start(northbound->reactor, &positions->timer, RETRY_MS);
}

static void saved(struct consumer *consumer, uint64_t position)
{
    atomic_store(&consumer->hold.acknowledged, position);
    if (consumer->saved != NULL)
        consumer->saved(consumer->saved_context);
}

static void written(struct operation *operation, int32_t result)
{
    struct northbound *northbound = container_of(operation, struct northbound, positions.work);
    struct positions *positions = &northbound->positions;

    (void)result;
    positions->busy = false;
    northbound->jobs--;
    if (positions->status != STATUS_OK) {
        went_wrong(northbound);
        return;
    }
    positions->failing = false;
    for (size_t i = 0; i < northbound->consumers.count; i++)
        if (positions->written[i] != UNCHANGED)
            saved(&northbound->consumers.all[i], positions->written[i]);
    (void)positions_flush(northbound);
}

static void start(struct northbound *northbound)
{
    struct positions *positions = &northbound->positions;
    bool any = false;

    for (size_t i = 0; i < northbound->consumers.count; i++) {
        struct consumer *consumer = &northbound->consumers.all[i];
        positions->written[i] = consumer->changed ? consumer->position : UNCHANGED;
        any = any || consumer->changed;
        consumer->changed = false;
    }
    if (!any)
        return;
    positions->work.done = written;
    if (reactor_work(northbound->reactor, &positions->work, write_all, northbound) != STATUS_OK) {
        (void)snprintf(positions->error.text, sizeof(positions->error.text), "no memory");
        went_wrong(northbound);
        return;
    }
    positions->busy = true;
    northbound->jobs++;
}

void positions_move(struct northbound *northbound, struct consumer *consumer, uint64_t sequence)
{
    struct positions *positions = &northbound->positions;

    if (sequence <= consumer->position)
        return;
    consumer->position = sequence;
    consumer->changed = true;
    atomic_store_explicit(&consumer->counters.position, sequence, memory_order_relaxed);
    if (!positions->busy && !timer_running(&positions->timer))
        timer_start_fine(northbound->reactor, &positions->timer, COALESCE_MS);
}

void positions_begin(struct northbound *northbound, struct consumer *consumer, uint64_t sequence)
{
    consumer->position = sequence;
    consumer->changed = true;
    atomic_store_explicit(&consumer->counters.position, sequence, memory_order_relaxed);
    (void)positions_flush(northbound);
}

bool positions_flush(struct northbound *northbound)
{
    struct positions *positions = &northbound->positions;

    for (size_t i = 0; i < northbound->consumers.count; i++) {
        if (!northbound->consumers.all[i].changed)
            continue;
        if (!positions->busy && !timer_running(&positions->timer))
            timer_start_fine(northbound->reactor, &positions->timer, COALESCE_MS);
        return false;
    }
    return !positions->busy;
}

/* He is told himself when he comes, which may be too late for whoever could have given him room. */
void positions_tick(struct northbound *northbound)
{
    uint64_t oldest = journal_oldest(northbound->journal);

    for (size_t i = 0; i < northbound->consumers.account_count; i++) {
        struct consumer *consumer = &northbound->consumers.all[i];
        bool behind = consumer->position + 1 < oldest;
        if (behind && !consumer->behind)
            log_line(LOG_WARN, &module,
                     "events that a consumer hasn't acknowledged were removed: "
                     "journal.retention_mb is reached",
                     "consumer=%s acknowledged=%" PRIu64 " oldest=%" PRIu64, consumer->config->name,
                     consumer->position, oldest);
        consumer->behind = behind;
    }
}

/* ---- at the start ---- */

static void loaded(const char *name, uint64_t position, void *context)
{
    struct northbound *northbound = context;
    struct consumer *consumer = consumers_by_name(&northbound->consumers, name);

    if (consumer != NULL)
        consumer->position = position;
}

/* Who is new begins with the oldest event that there is now; it is kept for him from now on. A
 * plugin has a position when it knows the devices that are there (plugin_host.h). */
static void begin(struct northbound *northbound, struct consumer *consumer, bool is_plugin)
{
    uint64_t oldest = journal_oldest(northbound->journal);
    uint64_t committed = journal_committed(northbound->journal);

    consumer->fresh = consumer->position == UINT64_MAX || consumer->position > committed;
    if (consumer->position == UINT64_MAX) {
        consumer->position = oldest > 0 ? oldest - 1 : 0;
        consumer->changed = !is_plugin;
    }
    /* a journal that was replaced by an older one: better twice than never */
    if (consumer->position > committed)
        consumer->position = committed;
    atomic_store(&consumer->hold.acknowledged, consumer->position);
    atomic_store(&consumer->counters.position, consumer->position);
    journal_hold_add(northbound->journal, &consumer->hold);
}

enum status positions_load(struct northbound *northbound, struct ledger_error *error)
{
    struct consumers *consumers = &northbound->consumers;

    timer_init(&northbound->positions.timer, due);
    northbound->positions.written = calloc(consumers->count + 1, sizeof(uint64_t));
    if (northbound->positions.written == NULL) {
        (void)snprintf(error->text, sizeof(error->text), "not enough memory for the consumers");
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < consumers->count; i++)
        consumers->all[i].position = UINT64_MAX;
    enum status status = ledger_positions(northbound->ledger, loaded, northbound, error);
    for (size_t i = 0; i < consumers->count && status == STATUS_OK; i++)
        begin(northbound, &consumers->all[i], i >= consumers->account_count);
    return status;
}

void positions_free(struct northbound *northbound)
{
    for (size_t i = 0; i < northbound->consumers.count; i++)
        if (northbound->consumers.all[i].hold.node.next != NULL)
            journal_hold_leave(northbound->journal, &northbound->consumers.all[i].hold);
    free(northbound->positions.written);
}
