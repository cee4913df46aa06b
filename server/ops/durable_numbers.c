#include "server/ops/durable_numbers.h"

#include <inttypes.h>

#include "server/directory/keeper.h"
#include "server/journal/journal.h"
#include "server/ops/samples.h"
#include "server/redis/redis.h"

struct number {
    const char *name;
    enum sample_type type;
    size_t offset; /* of an _Atomic uint64_t */
    const char *help;
};

#define JOURNAL(member) offsetof(struct journal_counters, member)
#define KEEPER(member)  offsetof(struct keeper_counters, member)
#define REDIS(member)   offsetof(struct redis_counters, member)

static const struct number journal_numbers[] = {
    {"cencd_journal_committed_sequence", SAMPLE_GAUGE, JOURNAL(committed),
     "Newest event on the disk."},
    {"cencd_journal_oldest_sequence", SAMPLE_GAUGE, JOURNAL(oldest), "Oldest event that is kept."},
    {"cencd_journal_records_total", SAMPLE_COUNTER, JOURNAL(records), "Events recorded."},
    {"cencd_journal_written_bytes_total", SAMPLE_COUNTER, JOURNAL(bytes), "Bytes written."},
    {"cencd_journal_groups_total", SAMPLE_COUNTER, JOURNAL(groups), "Syncs that recorded events."},
    {"cencd_journal_failures_total", SAMPLE_COUNTER, JOURNAL(failures),
     "Writes and syncs that the disk refused."},
    {"cencd_journal_segments", SAMPLE_GAUGE, JOURNAL(segments), "Files of the journal."},
    {"cencd_journal_disk_bytes", SAMPLE_GAUGE, JOURNAL(disk_bytes), "Their size."},
    {"cencd_journal_queued_bytes", SAMPLE_GAUGE, JOURNAL(queued_bytes),
     "Events that wait for a sync."},
    {"cencd_journal_forced_segments_total", SAMPLE_COUNTER, JOURNAL(forced_segments),
     "Files removed before all readers were past them."},
};

static const struct number keeper_numbers[] = {
    {"cencd_store_sequence", SAMPLE_GAUGE, KEEPER(sequence),
     "The event that the directory's store stands for."},
    {"cencd_store_records_total", SAMPLE_COUNTER, KEEPER(records), "Events put into the store."},
    {"cencd_store_batches_total", SAMPLE_COUNTER, KEEPER(batches), "Transactions of the store."},
    {"cencd_store_waits_total", SAMPLE_COUNTER, KEEPER(waits),
     "Times the store was left behind for a while, since many events came."},
    {"cencd_store_failures_total", SAMPLE_COUNTER, KEEPER(failures), "Transactions that failed."},
    {"cencd_store_rewrites_total", SAMPLE_COUNTER, KEEPER(rewrites),
     "Times the store was written anew."},
};

static const struct number redis_numbers[] = {
    {"cencd_redis_sequence", SAMPLE_GAUGE, REDIS(sequence), "The event that Redis stands for."},
    {"cencd_redis_records_total", SAMPLE_COUNTER, REDIS(records), "Events written to Redis."},
    {"cencd_redis_batches_total", SAMPLE_COUNTER, REDIS(batches), "Batches sent to Redis."},
    {"cencd_redis_commands_total", SAMPLE_COUNTER, REDIS(commands), "Commands sent to Redis."},
    {"cencd_redis_errors_total", SAMPLE_COUNTER, REDIS(errors),
     "Connections to Redis that failed, for whatever reason."},
    {"cencd_redis_damaged_total", SAMPLE_COUNTER, REDIS(damaged),
     "Records of the journal that are no events."},
    {"cencd_redis_replaced_total", SAMPLE_COUNTER, REDIS(replaced),
     "Keys of another type that were replaced: somebody else writes under the prefix."},
    {"cencd_redis_rebuilds_total", SAMPLE_COUNTER, REDIS(rebuilds),
     "Times Redis was written anew."},
};

static void table(struct page *page, const struct number *numbers, size_t count,
                  const void *counters)
{
    for (size_t i = 0; i < count; i++) {
        const char *at = (const char *)counters + numbers[i].offset;
        sample_only(page, numbers[i].name, numbers[i].type,
                    sample_of((const _Atomic uint64_t *)(const void *)at), numbers[i].help);
    }
}

#define TABLE(page, numbers, counters)                                                             \
    table(page, numbers, sizeof(numbers) / sizeof((numbers)[0]), counters)

static uint64_t redis_lag(const struct server *server)
{
    uint64_t sequence = sample_of(&server->redis_counters->sequence);
    uint64_t newest = sample_of(&server->journal_counters->committed);

    return newest > sequence ? newest - sequence : 0;
}

/* A histogram; the buckets are cumulative. */
static void commit_times(struct page *page, const struct journal_counters *journal)
{
    const char *name = "cencd_journal_commit_seconds";
    uint64_t sum = 0;

    sample_head(page, name, SAMPLE_HISTOGRAM, "Events by the time from receipt to the disk.");
    for (unsigned i = 0; i < COMMIT_BUCKETS; i++) {
        sum += sample_of(&journal->commits[i]);
        if (i + 1 < COMMIT_BUCKETS)
            page_print(page, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", name,
                       commit_bucket_ms[i] / 1000.0, sum);
        else
            page_print(page, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, sum);
    }
    page_print(page, "%s_sum %.3f\n", name, (double)sample_of(&journal->commit_sum_ms) / 1000);
    page_print(page, "%s_count %" PRIu64 "\n", name, sum);
}

static void write_journal(const struct server *server, struct page *page)
{
    static const char *const classes[] = {"first", "normal", "later"};
    const struct journal_counters *journal = server->journal_counters;

    sample_only(page, "cencd_journal_durable", SAMPLE_GAUGE, durable_is_durable(server),
                "1 if the disk takes events.");
    TABLE(page, journal_numbers, journal);
    sample_head(page, "cencd_journal_refused_total", SAMPLE_COUNTER,
                "Events that were not recorded since too many waited.");
    for (int class = 0; class < 3; class ++)
        page_print(page, "cencd_journal_refused_total{class=\"%s\"} %" PRIu64 "\n", classes[class],
                   sample_of(&journal->refused[class]));
    commit_times(page, journal);
    sample_head(page, "cencd_journal_commit_timestamp_seconds", SAMPLE_GAUGE,
                "When events were last committed, since 1970.");
    page_print(page, "cencd_journal_commit_timestamp_seconds %.3f\n",
               (double)sample_of(&journal->committed_utc_ms) / 1000);
}

static void write_redis(const struct server *server, struct page *page)
{
    const struct redis_counters *redis = server->redis_counters;
    int state = atomic_load(&redis->state);

    sample_only(page, "cencd_redis_up", SAMPLE_GAUGE, atomic_load(&redis->up),
                "1 if Redis takes what is written.");
    sample_head(page, "cencd_redis_state", SAMPLE_GAUGE, "1 for the state that it is in.");
    for (int i = REDIS_WAITING; i <= REDIS_STOPPING; i++)
        page_print(page, "cencd_redis_state{state=\"%s\"} %d\n",
                   redis_state_name((enum redis_state)i), i == state);
    sample_only(page, "cencd_redis_lag", SAMPLE_GAUGE, redis_lag(server),
                "Events on the disk that Redis doesn't have.");
    TABLE(page, redis_numbers, redis);
}

void durable_metrics(const struct server *server, struct page *page)
{
    if (server->journal_counters != NULL)
        write_journal(server, page);
    if (server->keeper_counters != NULL) {
        TABLE(page, keeper_numbers, server->keeper_counters);
        sample_only(page, "cencd_store_failing", SAMPLE_GAUGE,
                    atomic_load(&server->keeper_counters->failing),
                    "1 if the last transaction of the store failed.");
    }
    if (server->redis_counters != NULL)
        write_redis(server, page);
}

json_t *durable_journal_stats(const struct server *server)
{
    const struct journal_counters *journal = server->journal_counters;

    if (journal == NULL)
        return json_null();
    return json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "durable",
                     durable_is_durable(server) ? 1 : 0, "committed",
                     (json_int_t)sample_of(&journal->committed), "oldest",
                     (json_int_t)sample_of(&journal->oldest), "records",
                     (json_int_t)sample_of(&journal->records), "failures",
                     (json_int_t)sample_of(&journal->failures), "segments",
                     (json_int_t)sample_of(&journal->segments), "disk_bytes",
                     (json_int_t)sample_of(&journal->disk_bytes), "queued_bytes",
                     (json_int_t)sample_of(&journal->queued_bytes));
}

json_t *durable_redis_stats(const struct server *server)
{
    const struct redis_counters *redis = server->redis_counters;

    if (redis == NULL)
        return json_null();
    return json_pack(
        "{s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:I}", "state",
        redis_state_name((enum redis_state)atomic_load(&redis->state)), "up",
        atomic_load(&redis->up) ? 1 : 0, "sequence", (json_int_t)sample_of(&redis->sequence), "lag",
        (json_int_t)redis_lag(server), "records", (json_int_t)sample_of(&redis->records), "batches",
        (json_int_t)sample_of(&redis->batches), "errors", (json_int_t)sample_of(&redis->errors),
        "rebuilds", (json_int_t)sample_of(&redis->rebuilds));
}

bool durable_is_durable(const struct server *server)
{
    return server->journal_counters == NULL || atomic_load(&server->journal_counters->durable);
}
