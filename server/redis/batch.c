#include <inttypes.h>
#include <stdio.h>

#include "server/base/check.h"
#include "server/redis/internal.h"
#include "server/redis/script.h"

#define WALK_VISITS     4096u /* devices looked at for one batch */
#define WALK_WRITES     128u  /* of these, written */
#define FIRST_OPERATION 8u    /* arguments before it: EVAL, script, 0, then 5 of the script's */
#define SET_ARGUMENT    7u

/* ---- sending ---- */

bool redis_send(struct redis *redis, enum purpose purpose, uint64_t sequence, uint32_t records)
{
    CHECK(redis->in_flight < MAX_BATCHES);
    redis->sent[redis->in_flight++] = (struct sent){purpose, sequence, records};
    count(&redis->counters.commands, 1);
    return connection_send(&redis->connection);
}

/* The one that Redis has when all that was sent is done. */
static void add_sequence(struct redis *redis)
{
    char text[16];

    if (redis->state != REDIS_REBUILDING) {
        command_number(&redis->command, redis->sequence);
        return;
    }
    (void)snprintf(text, sizeof(text), "-%" PRIu32, redis->mark);
    command_text(&redis->command, text);
}

/* expected NULL: the sequence that Redis should have. */
void redis_begin_script(struct redis *redis, const char *expected)
{
    struct command *command = &redis->command;

    command_begin(command);
    command_text(command, "EVAL");
    command_text(command, redis_script[0]);
    for (size_t i = 1; i < REDIS_SCRIPT_PARTS; i++)
        command_join(command, redis_script[i]);
    command_number(command, 0);
    command_text(command, redis->config->redis.prefix);
    command_text(command, redis->config->server.node);
    command_number(command, redis->config->redis.presence_ttl_s);
    if (expected != NULL)
        command_text(command, expected);
    else
        add_sequence(redis);
    add_sequence(redis);
    CHECK(command->count == FIRST_OPERATION);
}

bool redis_send_script(struct redis *redis, enum purpose purpose, uint64_t sequence,
                       uint32_t records)
{
    bool rebuilds = purpose == BEGIN || purpose == WALK || purpose == WIPE;

    if (!rebuilds)
        command_replace(&redis->command, SET_ARGUMENT, sequence);
    redis->sequence = sequence;
    if (sequence > redis->highest)
        redis->highest = sequence;
    count(&redis->counters.batches, 1);
    return redis_send(redis, purpose, sequence, records);
}

/* Proves that Redis still is what it was, and that it takes what is written. */
bool redis_send_probe(struct redis *redis)
{
    bool settles = redis->ahead && redis->ahead_until > 0 &&
                   atomic_load(&redis->counters.sequence) >= redis->ahead_until;

    redis_begin_script(redis, NULL);
    if (settles) {
        command_text(&redis->command, "N");
        command_number(&redis->command, redis->mark);
    }
    return redis_send_script(redis, settles ? SETTLE : BATCH, redis->sequence, 0);
}

/* ---- the directory, in slices ---- */

void redis_start_walk(struct redis *redis, bool all, bool is_rebuild)
{
    redis->walk = (struct walk){.active = true, .all = all, .is_rebuild = is_rebuild};
    redis->walk_due_ms =
        reactor_now_ms(redis->reactor) + redis->config->redis.presence_ttl_s * 1000ull / 3;
}

static bool visit(const struct device_info *info, void *context)
{
    struct redis *redis = context;
    struct walk *walk = &redis->walk;

    bool written = walk->all || info->state != DEVICE_OFFLINE;

    if (written && walk->is_rebuild)
        projection_device(&redis->command, info);
    else if (written)
        projection_presence(&redis->command, info);
    walk->writes += written;
    walk->visits++;
    walk->cut = walk->visits >= WALK_VISITS || walk->writes >= WALK_WRITES ||
                !projection_fits(&redis->command);
    return !walk->cut;
}

bool redis_send_slice(struct redis *redis)
{
    struct walk *walk = &redis->walk;

    walk->cut = false;
    walk->visits = 0;
    walk->writes = 0;
    redis_begin_script(redis, NULL);
    walk->position = directory_walk(redis->directory, walk->position, visit, redis);
    walk->active = walk->cut;
    return redis_send_script(redis, walk->is_rebuild ? WALK : BATCH, redis->sequence, 0);
}
