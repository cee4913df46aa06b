/* The writer: one group at a time is encoded, written and synced; what comes meanwhile is the next
 * group. Any failure leads to a new segment, never to a second sync of the same bytes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/journal/internal.h"

static void write_group(struct journal *journal);
static void stop_if_done(struct journal *journal);

/* ---- the end of entries ---- */

static void call_done(struct journal_entry *entry)
{
    struct journal *journal = entry->journal;
    uint8_t committed_half = entry->committed_half;
    uint8_t appended_half = entry->appended_half;
    bool committed = entry->status == STATUS_OK;
    entry->done(entry, entry->status); /* the entry may be gone */
    if (committed)
        told_remove(&journal->committed, committed_half);
    told_remove(&journal->appended, appended_half);
}

static void tell(struct message *message, struct reactor *reactor)
{
    (void)reactor;
    call_done(entry_of(message));
}

static void finish_entry(struct journal *journal, struct journal_entry *entry, enum status status)
{
    entry->status = status;
    atomic_fetch_sub(&journal->counters.queued_bytes, entry->size + ENTRY_COST);
    if (entry->from == NULL || entry->from == journal->reactor) {
        call_done(entry);
        return;
    }
    entry->message.deliver = tell;
    reactor_post(journal->reactor, entry->from, &entry->message);
}

static void finish_list(struct journal *journal, struct message *message, enum status status)
{
    while (message != NULL) {
        struct message *next = message->next;
        finish_entry(journal, entry_of(message), status);
        message = next;
    }
}

static void note_latencies(struct journal *journal, const struct message *message)
{
    uint64_t now_ms = reactor_now_ms(journal->reactor);
    uint64_t counts[COMMIT_BUCKETS] = {0};
    uint64_t sum_ms = 0;
    for (; message != NULL; message = message->next) {
        const struct journal_entry *entry =
            container_of(message, const struct journal_entry, message);
        uint64_t took_ms = now_ms - entry->appended_ms;
        counts[commit_bucket(took_ms)]++;
        sum_ms += took_ms;
    }
    for (unsigned i = 0; i < COMMIT_BUCKETS; i++)
        if (counts[i] > 0)
            counter_add(&journal->counters.commits[i], counts[i]);
    counter_add(&journal->counters.commit_sum_ms, sum_ms);
}

/* ---- the state ---- */

static void hangs(struct timer *timer)
{
    struct journal *journal = container_of(timer, struct journal, hang_timer);
    atomic_store(&journal->counters.hangs, true);
    atomic_store(&journal->counters.durable, false);
}

void writer_enter(struct journal *journal, enum writer_state state)
{
    if (state != WRITER_BUSY) {
        timer_stop(&journal->hang_timer);
        atomic_store(&journal->counters.hangs, false);
    } else if (journal->state != WRITER_BUSY) {
        timer_start(journal->reactor, &journal->hang_timer, HANG_MS);
    }
    journal->state = state;
}

/* ---- failure ---- */

static void closed(struct operation *operation, int32_t result)
{
    (void)result; /* what the close says is of no use: the file is given up, or synced */
    struct journal *journal = container_of(operation, struct journal, closing);
    journal->close_under_way = false;
    writer_pump(journal);
}

static void close_file(struct journal *journal)
{
    if (journal->file < 0)
        return;
    journal->closing.done = closed;
    journal->close_under_way =
        file_close(journal->reactor, &journal->closing, journal->file) == STATUS_OK;
    journal->file = -1;
}

void writer_broken(struct journal *journal, int error)
{
    atomic_store(&journal->counters.durable, false);
    atomic_store(&journal->counters.last_error, -error);
    counter_add(&journal->counters.failures, 1);
    writer_enter(journal, WRITER_BROKEN);
    close_file(journal);
    batch_writer_broken(journal);
    timer_start_fine(journal->reactor, &journal->timer, RETRY_MS);
    if (journal->stopped != NULL && !journal->close_under_way)
        stop_if_done(journal); /* it doesn't wait for the disk */
}

static void again(struct timer *timer)
{
    struct journal *journal = container_of(timer, struct journal, timer);
    if (journal->stopped != NULL)
        writer_pump(journal);
    else if (journal->close_under_way)
        timer_start(journal->reactor, timer, RETRY_MS);
    else if (journal->state == WRITER_BROKEN)
        opening_begin(journal);
}

/* ---- a group ---- */

static void commit(struct journal *journal)
{
    struct message *message = journal->group_head;
    uint64_t last = journal->next_sequence - 1;
    uint64_t records = last - atomic_load(&journal->counters.committed);
    journal->group_head = NULL;
    journal->former_records = records;
    journal->file_bytes += journal->group_size;
    journal->sealed = false; /* these went over it */
    writer_enter(journal, WRITER_READY);
    segments_grow_last(journal, journal->file_bytes);
    counter_add(&journal->counters.records, records);
    counter_add(&journal->counters.bytes, journal->group_size);
    counter_add(&journal->counters.groups, 1);
    counter_set(&journal->counters.committed_utc_ms, reactor_utc_ms(journal->reactor));
    for (struct message *each = message; each != NULL; each = each->next)
        entry_of(each)->committed_half = told_add(&journal->committed);
    told_turn(&journal->committed);
    told_turn(&journal->appended);
    atomic_store(&journal->counters.committed, last);
    atomic_store(&journal->counters.durable, true);
    note_latencies(journal, message);
    finish_list(journal, message, STATUS_OK);
    watches_tell(journal);
    writer_pump(journal);
}

static void group_synced(struct operation *operation, int32_t result)
{
    struct journal *journal = container_of(operation, struct journal, operation);
    if (result < 0)
        writer_broken(journal, result);
    else
        commit(journal);
}

static void sync_group(struct journal *journal)
{
    journal->operation.done = group_synced;
    if (file_sync(journal->reactor, &journal->operation, journal->file) != STATUS_OK)
        writer_broken(journal, -ENOMEM);
}

static void delay_over(struct timer *timer)
{
    struct journal *journal = container_of(timer, struct journal, timer);
    journal->timer.fire = again;
    sync_group(journal);
}

static void group_written(struct operation *operation, int32_t result)
{
    struct journal *journal = container_of(operation, struct journal, operation);
    if (result <= 0) {
        writer_broken(journal, result < 0 ? result : -ENOSPC);
        return;
    }
    journal->group_written += (size_t)result;
    if (journal->group_written < journal->group_size) {
        write_group(journal);
    } else if (journal->config.sync_delay_ms > 0) {
        journal->timer.fire = delay_over;
        timer_start_fine(journal->reactor, &journal->timer, journal->config.sync_delay_ms);
    } else {
        commit(journal);
    }
}

static void write_group(struct journal *journal)
{
    size_t left = journal->group_size - journal->group_written;
    bool syncs_later = journal->config.sync_delay_ms > 0;
    writer_enter(journal, WRITER_BUSY);
    journal->operation.done = group_written;
    if ((syncs_later ? file_write : file_write_through)(
            journal->reactor, &journal->operation, journal->file,
            journal->group + journal->group_written, (uint32_t)left,
            journal->file_bytes + journal->group_written) != STATUS_OK)
        writer_broken(journal, -ENOMEM);
}

static void encode(struct journal *journal, struct journal_entry *entry)
{
    struct record record = {
        .sequence = journal->next_sequence++,
        .committed = atomic_load(&journal->counters.committed),
        .payload = entry->data,
        .size = entry->size,
        .kind = entry->kind,
    };
    entry->sequence = record.sequence;
    record_encode(journal->seed, &record, journal->group + journal->group_size);
    journal->group_size += record_size(entry->size);
}

/* The same records for another segment, which has a seed of its own. */
static void encode_again(struct journal *journal)
{
    journal->group_size = 0;
    journal->group_written = 0;
    journal->next_sequence = atomic_load(&journal->counters.committed) + 1;
    for (struct message *message = journal->group_head; message != NULL; message = message->next)
        encode(journal, entry_of(message));
}

static void gathered(struct timer *timer)
{
    struct journal *journal = container_of(timer, struct journal, gather_timer);
    journal->former_records = 0;
    writer_pump(journal);
}

static bool waits_for_more(struct journal *journal)
{
    if (journal->former_records < GATHER_RECORDS || journal->stopped != NULL ||
        atomic_load(&journal->counters.queued_bytes) >= GATHER_BYTES) {
        timer_stop(&journal->gather_timer);
        return false;
    }
    if (!timer_running(&journal->gather_timer))
        timer_start_fine(journal->reactor, &journal->gather_timer, GATHER_MS);
    return true;
}

static void gather_group(struct journal *journal)
{
    struct message **tail = &journal->group_head;
    journal->group_size = 0;
    journal->group_written = 0;
    while (journal->pending_head != NULL) {
        struct message *message = journal->pending_head;
        struct journal_entry *entry = entry_of(message);
        if (journal->group_size + record_size(entry->size) > GROUP_BYTES)
            break;
        journal->pending_head = message->next;
        message->next = NULL;
        encode(journal, entry);
        *tail = message;
        tail = &message->next;
    }
    if (journal->pending_head == NULL)
        journal->pending_tail = NULL;
}

/* ---- the seal: the last group was committed, though nothing will be written after it ---- */

static void seal_synced(struct operation *operation, int32_t result)
{
    struct journal *journal = container_of(operation, struct journal, operation);
    if (result < 0)
        counter_add(&journal->counters.failures, 1);
    writer_enter(journal, WRITER_READY);
    writer_pump(journal);
}

static void seal_written(struct operation *operation, int32_t result)
{
    struct journal *journal = container_of(operation, struct journal, operation);
    if (result != (int32_t)RECORD_HEADER_SIZE) {
        seal_synced(operation, result < 0 ? result : -ENOSPC);
        return;
    }
    journal->operation.done = seal_synced;
    if (file_sync(journal->reactor, &journal->operation, journal->file) != STATUS_OK)
        seal_synced(operation, -ENOMEM);
}

/* It is of no use for an empty segment. Without one all records are there all the same. */
static bool needs_seal(const struct journal *journal)
{
    return journal->state == WRITER_READY && journal->file >= 0 && !journal->sealed &&
           journal->file_bytes > SEGMENT_HEADER_SIZE;
}

static void write_seal(struct journal *journal)
{
    struct record seal = {
        .sequence = journal->next_sequence,
        .committed = atomic_load(&journal->counters.committed),
        .kind = RECORD_SEAL,
    };
    record_encode(journal->seed, &seal, journal->group);
    journal->sealed = true;
    writer_enter(journal, WRITER_BUSY);
    journal->operation.done = seal_written;
    if (file_write(journal->reactor, &journal->operation, journal->file, journal->group,
                   RECORD_HEADER_SIZE, journal->file_bytes) != STATUS_OK)
        writer_enter(journal, WRITER_READY);
}

/* ---- the pump ---- */

static void give_up(struct journal *journal)
{
    struct message *group = journal->group_head;
    struct message *pending = journal->pending_head;
    timer_stop(&journal->timer);
    journal->group_head = NULL;
    journal->pending_head = NULL;
    journal->pending_tail = NULL;
    finish_list(journal, group, STATUS_SYSTEM);
    finish_list(journal, pending, STATUS_SYSTEM);
}

static void stop_if_done(struct journal *journal)
{
    if (journal->state == WRITER_BROKEN)
        give_up(journal);
    batch_stop(journal);
    if (journal->removing)
        return; /* its end pumps again */
    if (atomic_load(&journal->counters.queued_bytes) > 0) {
        /* on its way, and pumps again; or about to be refused, and doesn't */
        timer_start_fine(journal->reactor, &journal->timer, STOP_LOOK_MS);
        return;
    }
    timer_stop(&journal->timer);
    if (needs_seal(journal)) {
        write_seal(journal);
        if (journal->state == WRITER_BUSY)
            return;
    }
    if (journal->file < 0 && journal->folder_file >= 0) {
        journal->file = journal->folder_file;
        journal->folder_file = -1;
    }
    close_file(journal);
    if (journal->close_under_way || journal->file >= 0 || journal->folder_file >= 0)
        return;
    timer_stop(&journal->age_timer);
    timer_stop(&journal->gather_timer);
    writer_enter(journal, WRITER_STOPPED);
    journal->stopped(journal->stopped_context);
}

/* What is full takes no more. What is old is closed, so that retention can let it go: with a tenth
 * of the age limit in one segment a record stays at most so much longer. */
static bool is_due(const struct journal *journal)
{
    uint64_t age_ms = journal->config.retention_age_s * 1000;
    if (journal->file_bytes <= SEGMENT_HEADER_SIZE)
        return false;
    if (journal->file_bytes >= journal->config.segment_bytes)
        return journal->pending_head != NULL;
    return age_ms > 0 &&
           journal->opening.created_utc_ms + age_ms / 10 < reactor_utc_ms(journal->reactor);
}

static void open_next(struct journal *journal)
{
    if (journal->group_head == NULL && batch_is_ready(journal))
        opening_join(journal);
    else
        opening_begin(journal);
}

static void rotate(struct journal *journal)
{
    writer_enter(journal, WRITER_CLOSED);
    close_file(journal); /* its closing pumps again */
    if (!journal->close_under_way)
        open_next(journal);
}

void writer_pump(struct journal *journal)
{
    bool stopping = journal->stopped != NULL;
    if (journal->state == WRITER_BUSY || journal->state == WRITER_STOPPED ||
        journal->close_under_way)
        return;
    if (stopping && (journal->state == WRITER_BROKEN ||
                     (journal->pending_head == NULL && journal->group_head == NULL))) {
        stop_if_done(journal);
        return;
    }
    if (journal->state == WRITER_BROKEN)
        return;
    if (journal->state == WRITER_CLOSED) {
        open_next(journal);
        return;
    }
    if (journal->group_head == NULL) {
        if (is_due(journal) || batch_is_ready(journal)) {
            rotate(journal);
            return;
        }
        if (journal->pending_head == NULL || waits_for_more(journal))
            return;
        gather_group(journal);
    } else {
        encode_again(journal);
    }
    write_group(journal);
}

/* Now and then, also when nothing is recorded: what has grown old meanwhile goes. */
static void look(struct timer *timer)
{
    struct journal *journal = container_of(timer, struct journal, age_timer);
    timer_repeat(journal->reactor, timer, AGE_LOOK_MS);
    segments_retain(journal);
    writer_pump(journal);
}

void writer_begin(struct journal *journal)
{
    timer_init(&journal->timer, again);
    timer_init(&journal->age_timer, look);
    timer_init(&journal->gather_timer, gathered);
    timer_init(&journal->hang_timer, hangs);
    timer_start(journal->reactor, &journal->age_timer, AGE_LOOK_MS);
    writer_pump(journal);
}
