#include "server/redis/internal.h"

#define EVENTS_PER_BATCH 256u /* Redis serves nobody else while it runs a script */

/* ---- events ---- */

static void add_record(struct redis *redis, const struct journal_record *record)
{
    Cenc__V1__Event *event = NULL;

    if (record->kind != JOURNAL_EVENT)
        return;
    redis->arena.used = 0;
    redis->arena.full = false;
    if (event_unpack(record->data, record->size, &redis->arena, &event) != CODEC_OK) {
        count(&redis->counters.damaged, 1);
        return;
    }
    /* links from before are gone, whether or not that was recorded */
    if (event->body_case == CENC__V1__EVENT__BODY_SERVER_STARTED)
        redis_start_walk(redis, true, false);
    projection_event(&redis->command, event);
}

static bool send_events(struct redis *redis)
{
    uint64_t last = redis->sequence;
    uint32_t taken = 0;

    redis_begin_script(redis, NULL);
    while (redis->next < redis->count && taken < EVENTS_PER_BATCH &&
           projection_fits(&redis->command)) {
        const struct journal_record *record = &redis->records[redis->next++];
        add_record(redis, record);
        last = record->sequence;
        taken++;
    }
    if (redis->next == redis->count)
        redis->records = NULL;
    return redis_send_script(redis, BATCH, last, taken);
}

static void got(void *context, enum journal_read what, const struct journal_record *records,
                size_t record_count)
{
    struct redis *redis = context;
    bool wanted = !redis->discard && redis->state == REDIS_FOLLOWING;

    redis->reading = false;
    redis->discard = false;
    if (redis->stop) {
        redis_wind_up(redis);
        return;
    }
    if (wanted && what == JOURNAL_READ_RECORDS) {
        redis->records = records;
        redis->count = record_count;
        redis->next = 0;
    } else if (wanted && what == JOURNAL_READ_GONE) {
        redis->rebuild = true;
    } else if (wanted) {
        redis->at_end = true; /* after an error the tick goes on */
        redis->told = redis->told || what == JOURNAL_READ_ERROR;
        if (what == JOURNAL_READ_ERROR)
            return;
    }
    redis_pump(redis);
}

static void read_on(struct redis *redis)
{
    if (redis->reading || redis->rebuild || (redis->at_end && !redis->told))
        return;
    redis->at_end = false;
    redis->told = false;
    redis->reading = true;
    journal_reader_seek(redis->reader, redis->sequence + 1);
    journal_reader_next(redis->reader, got, redis);
}

void redis_follow_committed(struct journal_watch *watch)
{
    struct redis *redis = container_of(watch, struct redis, watch);

    redis->told = true;
    if (redis->state == REDIS_FOLLOWING && redis->at_end)
        redis_pump(redis);
}

/* ---- following ---- */

void redis_follow(struct redis *redis, uint64_t sequence)
{
    redis_set_state(redis, REDIS_FOLLOWING);
    redis->sequence = sequence;
    redis->follows_ms = reactor_now_ms(redis->reactor);
    redis->records = NULL;
    redis->discard = redis->reading;
    redis->at_end = false;
    atomic_store(&redis->counters.sequence, sequence);
    if (!redis->followed)
        redis_start_walk(redis, true, false);
    redis->followed = true;
    if (redis_send_probe(redis) && redis->announced) /* else its answer goes on */
        redis_pump(redis);
}

void redis_follow_on(struct redis *redis)
{
    if (redis->rebuild) {
        redis_rebuild_on(redis);
        return;
    }
    while (redis->in_flight < MAX_BATCHES) {
        bool walks = redis->walk.active && (redis->walk_turn || redis->records == NULL);
        redis->walk_turn = !walks;
        if (!walks && redis->records == NULL)
            break;
        if (!(walks ? redis_send_slice(redis) : send_events(redis)))
            return;
    }
    if (redis->records == NULL)
        read_on(redis);
}
