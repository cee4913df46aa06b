#include "server/northbound/registry.h"

#include <stdio.h>
#include <string.h>

#include "codec/proto/event.h"
#include "server/base/check.h"
#include "server/base/log.h"
#include "server/northbound/internal.h"

#define RETRY_MS     2000u
#define SETTLE_MS    10u
#define LAZY_RECORDS 4096u /* without a change the place in the journal is written so seldom */
#define WALK_ROWS    1000u /* of one transaction */

static const struct log_context module = {.module = "northbound"};

static struct northbound *northbound_of(struct registry *registry)
{
    return container_of(registry, struct northbound, registry);
}

struct device *registry_device(struct directory *directory, const char *scope, const char *serial)
{
    char bytes[PLUGIN_SERIAL_SIZE];
    size_t size = proto_text_undo(serial, (uint8_t *)bytes, sizeof(bytes) - 1);

    if (size == 0 || size >= sizeof(bytes) || memchr(bytes, '\0', size) != NULL)
        return NULL;
    bytes[size] = '\0';
    /* the journal has told of it, or a list shows it: its shard may not know yet that it is
     * recorded */
    return directory_find(directory, scope, bytes);
}

/* ---- those who wait, in memory ---- */

static void publish(struct registry *registry)
{
    atomic_store_explicit(&northbound_of(registry)->counters.registrations_waiting,
                          registry->waiting.count, memory_order_relaxed);
}

static void remember(const char *scope, const char *serial, void *context)
{
    struct registry *registry = context;
    const struct device *device =
        registry_device(northbound_of(registry)->directory, scope, serial);

    if (device != NULL)
        waiting_add(&registry->waiting, device, scope, serial);
}

/* ---- writing ---- */

static void write_on(struct registry *registry);

/* An answer outlasts an announcement, so *became is what the ledger says. The change itself stays
 * as it is: if the transaction fails, the same is written again. */
static enum status write_change(struct northbound *northbound, const struct ledger_row *change,
                                enum ledger_state *became)
{
    struct registry *registry = &northbound->registry;
    struct ledger_row known;

    *became = change->state;
    if (change->state == LEDGER_NONE)
        return ledger_remove(northbound->ledger, change->scope, change->serial, &registry->error);
    enum status status = ledger_put(northbound->ledger, change, &registry->error);
    if (status != STATUS_OK || change->state != LEDGER_WAITING)
        return status;
    known = *change;
    status = ledger_find(northbound->ledger, &known, &registry->error);
    *became = known.state;
    return status;
}

static void write_changes(void *argument)
{
    struct northbound *northbound = argument;
    struct registry *registry = &northbound->registry;
    enum status status = ledger_begin(northbound->ledger, &registry->error);

    for (size_t i = 0; i < registry->writing && status == STATUS_OK; i++)
        status = write_change(northbound, &registry->changes[i], &registry->became[i]);
    if (status == STATUS_OK)
        status = ledger_put_sequence(northbound->ledger, registry->writing_to, &registry->error);
    if (status == STATUS_OK)
        status = ledger_end(northbound->ledger, &registry->error);
    registry->status = status;
}

struct walk {
    struct northbound *northbound;
    struct ledger_error *error;
    enum status status;
    uint32_t rows;
};

static bool walk_device(const struct device_info *info, void *context)
{
    struct walk *walk = context;
    struct ledger_row row = {.state = LEDGER_WAITING, .utc_ms = info->first_seen_utc_ms};
    struct ledger *ledger = walk->northbound->ledger;

    (void)snprintf(row.scope, sizeof(row.scope), "%s", info->scope);
    (void)proto_text(info->serial, strlen(info->serial), row.serial, sizeof(row.serial));
    walk->status = ledger_put(ledger, &row, walk->error);
    if (walk->status == STATUS_OK && ++walk->rows % WALK_ROWS == 0) {
        walk->status = ledger_end(ledger, walk->error);
        if (walk->status == STATUS_OK)
            walk->status = ledger_begin(ledger, walk->error);
    }
    return walk->status == STATUS_OK;
}

static bool is_there(const char *scope, const char *serial, void *context)
{
    return registry_device(context, scope, serial) != NULL;
}

/* All of the directory waits, but for what has an answer. What was said of a device that is gone is
 * forgotten, as if its removal had been heard of: should it come again, it is new. */
static enum status walk_directory(struct northbound *northbound, uint64_t sequence,
                                  struct ledger_error *error)
{
    struct walk walk = {.northbound = northbound, .error = error};

    walk.status = ledger_begin(northbound->ledger, error);
    if (walk.status == STATUS_OK)
        (void)directory_walk(northbound->directory, 0, walk_device, &walk);
    if (walk.status == STATUS_OK)
        walk.status = ledger_sweep(northbound->ledger, is_there, northbound->directory, error);
    if (walk.status == STATUS_OK)
        walk.status = ledger_put_sequence(northbound->ledger, sequence, error);
    if (walk.status == STATUS_OK)
        walk.status = ledger_end(northbound->ledger, error);
    return walk.status;
}

static void rewalk(void *argument)
{
    struct northbound *northbound = argument;
    struct registry *registry = &northbound->registry;

    registry->status = walk_directory(northbound, registry->writing_to, &registry->error);
}

/* ---- after writing ---- */

/* One that moved waits already: its new project's consumers haven't seen it. */
static void announce(struct registry *registry, const struct ledger_row *change)
{
    remember(change->scope, change->serial, registry);
    waiting_again(&registry->waiting, change->scope, change->serial);
}

static void apply(struct registry *registry)
{
    for (size_t i = 0; i < registry->writing; i++) {
        const struct ledger_row *change = &registry->changes[i];
        if (registry->became[i] == LEDGER_WAITING)
            announce(registry, change);
        else
            waiting_remove(&registry->waiting, change->scope, change->serial);
    }
    registry->count -= registry->writing;
    memmove(registry->changes, registry->changes + registry->writing,
            registry->count * sizeof(registry->changes[0]));
    registry->writing = 0;
    publish(registry);
    waiting_tell(&registry->waiting);
}

static void tell_waits(struct registry *registry)
{
    struct list *next;

    for (struct list *node = registry->waits.next; node != &registry->waits; node = next) {
        struct registry_wait *wait = container_of(node, struct registry_wait, node);
        next = node->next;
        if (wait->sequence > registry->applied)
            continue;
        list_remove(&wait->node);
        wait->applied(wait);
    }
}

void registry_wait_for(struct registry *registry, struct registry_wait *wait)
{
    list_append(&registry->waits, &wait->node);
    write_on(registry);
}

static void went_wrong(struct registry *registry)
{
    char quoted[2 * sizeof(registry->error.text)];

    http2_count(&northbound_of(registry)->counters.ledger_failures, 1);
    if (!registry->failing)
        log_line(LOG_ERROR, &module, "registrations aren't written; it is tried again", "reason=%s",
                 log_quote(registry->error.text, quoted, sizeof(quoted)));
    registry->failing = true;
    timer_start(northbound_of(registry)->reactor, &registry->retry, RETRY_MS);
}

/* After a walk nothing is in the helper thread's hands, so that the ledger may be read here. */
static void walked(struct registry *registry)
{
    struct northbound *northbound = northbound_of(registry);

    registry->rewalk = false;
    waiting_sweep(&registry->waiting, is_there, northbound->directory);
    if (ledger_waiting(northbound->ledger, remember, registry, &registry->error) != STATUS_OK)
        went_wrong(registry);
    registry->follower.next = registry->writing_to + 1;
    feed_add(northbound->feed, &registry->follower);
    publish(registry);
    waiting_tell(&registry->waiting);
}

static void settle(struct timer *timer)
{
    struct registry *registry = container_of(timer, struct registry, settle);
    struct northbound *northbound = northbound_of(registry);

    if (registry->status == STATUS_OK && !northbound->stopping &&
        northbound_told(northbound) < registry->writing_to) {
        timer_start_fine(northbound->reactor, timer, SETTLE_MS);
        return;
    }
    registry->busy = false;
    northbound_of(registry)->jobs--;
    if (registry->status != STATUS_OK) {
        went_wrong(registry);
        return;
    }
    registry->failing = false;
    registry->applied = registry->writing_to;
    atomic_store(&registry->hold.acknowledged, registry->applied);
    apply(registry);
    tell_waits(registry);
    if (northbound_of(registry)->stopping)
        return;
    if (registry->rewalk)
        walked(registry);
    feed_resume(&registry->follower);
    write_on(registry);
}

static void written(struct operation *operation, int32_t result)
{
    (void)result;
    settle(&container_of(operation, struct registry, work)->settle);
}

static bool is_due(const struct registry *registry)
{
    return registry->rewalk || registry->count > 0 || !list_empty(&registry->waits) ||
           registry->taken - registry->applied >= LAZY_RECORDS;
}

static void write_on(struct registry *registry)
{
    struct northbound *northbound = northbound_of(registry);

    if (registry->busy || timer_running(&registry->retry) || northbound->stopping ||
        !is_due(registry) || (!registry->rewalk && registry->taken == registry->applied))
        return;
    registry->writing = registry->rewalk ? 0 : registry->count;
    registry->writing_to = registry->taken;
    registry->work.done = written;
    if (reactor_work(northbound->reactor, &registry->work,
                     registry->rewalk ? rewalk : write_changes, northbound) != STATUS_OK) {
        timer_start(northbound->reactor, &registry->retry, RETRY_MS);
        return;
    }
    registry->busy = true;
    northbound->jobs++;
}

static void retry(struct timer *timer)
{
    write_on(container_of(timer, struct registry, retry));
}

/* ---- following the journal ---- */

static void fill(struct ledger_row *row, const Cenc__V1__Event *event)
{
    const Cenc__V1__RegistrationReported *reported = NULL;

    memset(row, 0, sizeof(*row));
    (void)snprintf(row->scope, sizeof(row->scope), "%s", event->device->scope);
    (void)snprintf(row->serial, sizeof(row->serial), "%s", event->device->serial);
    row->utc_ms = (uint64_t)event->received_unix_ms;
    if (event->body_case == CENC__V1__EVENT__BODY_DEVICE_ADDED ||
        event->body_case == CENC__V1__EVENT__BODY_DEVICE_MOVED)
        row->state = LEDGER_WAITING;
    if (event->body_case != CENC__V1__EVENT__BODY_REGISTRATION_REPORTED)
        return;
    reported = event->registration_reported;
    row->state = reported->accepted ? LEDGER_ACCEPTED : LEDGER_REFUSED;
    (void)snprintf(row->id, sizeof(row->id), "%s", reported->id);
    (void)snprintf(row->reason, sizeof(row->reason), "%s", reported->reason);
    if (event->actor != NULL)
        (void)snprintf(row->consumer, sizeof(row->consumer), "%s", event->actor->name);
}

static bool matters(const struct event_outline *outline)
{
    const struct wire_text *now = &outline->project;
    const struct wire_text *former = &outline->former_project;

    switch (outline->body) {
    case CENC__V1__EVENT__BODY_DEVICE_ADDED:
    case CENC__V1__EVENT__BODY_DEVICE_REMOVED:
    case CENC__V1__EVENT__BODY_REGISTRATION_REPORTED:
        return true;
    case CENC__V1__EVENT__BODY_DEVICE_MOVED: /* or its group or channel is another one */
        return now->size != former->size || memcmp(now->data, former->data, now->size) != 0;
    default:
        return false;
    }
}

/* False: there is no room for another change. */
static bool take_record(struct registry *registry, const struct journal_record *record)
{
    struct proto_arena *arena = &northbound_of(registry)->arena;
    struct event_outline outline;
    Cenc__V1__Event *event;

    if (record->kind != JOURNAL_EVENT || !event_outline(record->data, record->size, &outline))
        return true;
    missing_projects_note(northbound_of(registry), (int)outline.body, record->sequence);
    if (!matters(&outline))
        return true;
    if (registry->count == REGISTRY_BATCH)
        return false;
    arena->used = 0;
    if (event_unpack(record->data, record->size, arena, &event) == CODEC_OK &&
        event->device != NULL)
        fill(&registry->changes[registry->count++], event);
    return true;
}

static size_t take(struct follower *follower, const struct journal_record *records, size_t count)
{
    struct registry *registry = container_of(follower, struct registry, follower);
    size_t taken = 0;

    while (taken < count && take_record(registry, &records[taken]))
        registry->taken = records[taken++].sequence;
    write_on(registry);
    return taken;
}

static void follower_gone(struct follower *follower)
{
    struct registry *registry = container_of(follower, struct registry, follower);

    log_line(LOG_WARN, &module, "registrations missed records: all devices are looked at", "");
    registry->taken = journal_committed(northbound_of(registry)->journal);
    registry->rewalk = true;
    write_on(registry);
}

static const struct follower_ops follower_ops = {.take = take, .gone = follower_gone};

/* ---- start and stop ---- */

enum status registry_start(struct northbound *northbound, bool fresh, struct ledger_error *error)
{
    struct registry *registry = &northbound->registry;
    uint64_t oldest = journal_oldest(northbound->journal);
    enum status status = ledger_sequence(northbound->ledger, &registry->applied, error);

    list_init(&registry->waits);
    timer_init(&registry->retry, retry);
    timer_init(&registry->settle, settle);
    if (waiting_init(&registry->waiting) != STATUS_OK && status == STATUS_OK) {
        (void)snprintf(error->text, sizeof(error->text), "not enough memory for registrations");
        status = STATUS_NO_MEMORY;
    }
    bool missed = fresh || registry->applied + 1 < oldest ||
                  registry->applied > journal_committed(northbound->journal);
    if (status == STATUS_OK && missed) {
        registry->applied = journal_committed(northbound->journal);
        status = walk_directory(northbound, registry->applied, error);
    }
    if (status == STATUS_OK)
        status = ledger_waiting(northbound->ledger, remember, registry, error);
    if (status != STATUS_OK)
        return status;
    publish(registry);
    registry->taken = registry->applied;
    registry->hold.name = "registrations";
    atomic_store(&registry->hold.acknowledged, registry->applied);
    journal_hold_add(northbound->journal, &registry->hold);
    registry->follower.ops = &follower_ops;
    registry->follower.next = registry->applied + 1;
    feed_add(northbound->feed, &registry->follower);
    return STATUS_OK;
}

void registry_stop(struct northbound *northbound)
{
    struct registry *registry = &northbound->registry;

    timer_stop(&registry->retry);
    feed_remove(&registry->follower);
    /* what they wait for is in the journal, and the next start applies it */
    while (!list_empty(&registry->waits)) {
        struct registry_wait *wait = container_of(registry->waits.next, struct registry_wait, node);
        list_remove(&wait->node);
        wait->applied(wait);
    }
}

void registry_free(struct northbound *northbound)
{
    struct registry *registry = &northbound->registry;

    if (registry->hold.name != NULL)
        journal_hold_leave(northbound->journal, &registry->hold);
    waiting_free(&registry->waiting);
}
