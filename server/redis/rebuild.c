#include <inttypes.h>

#include "server/base/log.h"
#include "server/redis/internal.h"

#define LOOK_MS          10u /* whether what is committed is in the directory */
#define REBUILD_PAUSE_MS 1000u
#define CALM_MS          60000u /* following for so long: the next rebuild begins at once */
#define WIPE_COUNT       500u

static const struct log_context module = {.module = "redis"};

/* ---- rebuilding ---- */

uint32_t redis_new_mark(const struct redis *redis)
{
    return 1 + (uint32_t)(reactor_random(redis->reactor) % 1000000000);
}

bool redis_may_rebuild(const struct redis *redis)
{
    return reactor_now_ms(redis->reactor) >= redis->rebuild_from_ms;
}

/* While a rebuild waits presence isn't renewed. */
static uint32_t longest_pause_ms(const struct redis *redis)
{
    uint32_t presence_ms = redis->config->redis.presence_ttl_s * 1000 / 3;

    return presence_ms < RETRY_MAX_MS ? presence_ms : RETRY_MAX_MS;
}

static void begin_rebuild(struct redis *redis)
{
    uint64_t now_ms = reactor_now_ms(redis->reactor);

    if (redis->announced)
        log_line(LOG_INFO, &module, "Redis is written anew", "");
    if (redis->state == REDIS_FOLLOWING && now_ms - redis->follows_ms >= CALM_MS)
        redis->rebuild_pause_ms = 0;
    redis->rebuild_pause_ms *= 2;
    if (redis->rebuild_pause_ms < REBUILD_PAUSE_MS)
        redis->rebuild_pause_ms = REBUILD_PAUSE_MS;
    if (redis->rebuild_pause_ms > longest_pause_ms(redis))
        redis->rebuild_pause_ms = longest_pause_ms(redis);
    redis->rebuild_from_ms = now_ms + redis->rebuild_pause_ms;
    redis_set_state(redis, REDIS_REBUILDING);
    redis->rebuild = false;
    timer_stop(&redis->retry);
    redis->phase = BEGINNING;
    redis->begun = false;
    redis->records = NULL;
    redis->refused_base = redis->refused_settled;
    journal_point_take(redis->journal, &redis->base);
    redis->mark = redis_new_mark(redis);
    redis->ahead = true;
    redis->ahead_until = 0;
    redis->sequence = 0;
    atomic_store(&redis->counters.sequence, 0);
    redis_begin_script(redis, "*");
    command_text(&redis->command, "B");
    command_number(&redis->command, redis->mark);
    (void)redis_send_script(redis, BEGIN, 0, 0);
}

/* What is committed is on its way into the directory for a moment (last gasps are noted there when
 * they are recorded); the walk must not come before it, since the events from before the base are
 * never read again. */
static void begin_walk(struct redis *redis)
{
    if (!journal_point_told(redis->journal, &redis->base)) {
        timer_start_fine(redis->reactor, &redis->retry, LOOK_MS);
        return;
    }
    timer_stop(&redis->retry);
    redis->phase = WALKING;
    redis_start_walk(redis, true, true);
}

static void send_wipe(struct redis *redis)
{
    redis_begin_script(redis, NULL);
    command_text(&redis->command, "W");
    command_number(&redis->command, WIPE_COUNT);
    (void)redis_send_script(redis, WIPE, 0, 0);
}

void redis_rebuild_on(struct redis *redis)
{
    if (redis->state != REDIS_REBUILDING || redis->rebuild) {
        if (redis->in_flight == 0 && redis_may_rebuild(redis))
            begin_rebuild(redis);
        return;
    }
    if (redis->phase == BEGINNING && redis->begun)
        begin_walk(redis);
    if (redis->phase != WALKING)
        return;
    while (redis->walk.active && redis->in_flight < MAX_BATCHES)
        if (!redis_send_slice(redis))
            return;
    if (!redis->walk.active && redis->in_flight == 0) {
        redis->phase = WIPING;
        send_wipe(redis);
    }
}

void redis_rebuild_wiped(struct redis *redis, int64_t left)
{
    if (left > 0) {
        send_wipe(redis);
        return;
    }
    redis_begin_script(redis, NULL);
    (void)redis_send_script(redis, FINISH, redis->base.sequence, 0);
}

void redis_rebuild_finished(struct redis *redis)
{
    struct directory_counts counts;

    directory_count(redis->directory, &counts);
    count(&redis->counters.rebuilds, 1);
    redis->gap = false;
    redis->refused_rebuilt = redis->refused_base;
    if (redis->refused_rebuilt > 0)
        redis->lowest = redis->base.sequence; /* an older copy of Redis may come back */
    journal_point_take(redis->journal, &redis->ahead_point);
    log_line(LOG_INFO, &module, "Redis has all of the directory",
             "devices=%" PRIu64 " sequence=%" PRIu64, counts.devices, redis->base.sequence);
    redis->followed = true; /* presence is written */
    redis_follow(redis, redis->base.sequence);
}
