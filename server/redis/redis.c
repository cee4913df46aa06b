#include "server/redis/redis.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/base/log.h"
#include "server/reactor/disk.h"
#include "server/redis/internal.h"
#include "server/redis/script.h"

#define RETRY_MIN_MS 100u
#define CALM_TICKS   5u /* without a refused event, after some */

static const struct log_context module = {.module = "redis"};

void redis_set_state(struct redis *redis, enum redis_state state)
{
    redis->state = state;
    atomic_store(&redis->counters.state, (int)state);
}

void redis_pump(struct redis *redis)
{
    if (redis->state == REDIS_FOLLOWING)
        redis_follow_on(redis);
    else if (redis->state == REDIS_REBUILDING)
        redis_rebuild_on(redis);
}

/* ---- replies ---- */

static struct redis *redis_of(struct connection *connection)
{
    return container_of(connection, struct redis, connection);
}

static void failed(struct connection *connection, const char *code, const char *text);

/* The sequence that Redis has; 0: none that could be one of ours. */
static uint64_t parse_sequence(const struct reply *reply)
{
    char *end = NULL;

    if (reply->kind != REPLY_TEXT || reply->text[0] < '0' || reply->text[0] > '9')
        return 0;
    unsigned long long value = strtoull(reply->text, &end, 10);
    return *end == '\0' ? value : 0;
}

static void looked(struct redis *redis, const struct reply *reply)
{
    uint64_t sequence = parse_sequence(reply);

    if (redis->gap || sequence == 0 || sequence > redis->highest || sequence < redis->lowest ||
        sequence + 1 < journal_oldest(redis->journal)) {
        redis->rebuild = true;
        redis_set_state(redis, REDIS_REBUILDING);
        redis_rebuild_on(redis);
        return;
    }
    redis_follow(redis, sequence);
}

static void went_well(struct redis *redis, const struct sent *sent)
{
    redis->retry_ms = 0;
    atomic_store(&redis->counters.up, true);
    if (!redis->announced) {
        redis->announced = true;
        redis->problem[0] = '\0';
        log_line(LOG_INFO, &module, "Redis takes what is written", "");
    }
    count(&redis->counters.records, sent->records);
    if (sent->purpose == BATCH || sent->purpose == SETTLE)
        atomic_store(&redis->counters.sequence, sent->sequence);
    if (sent->purpose == SETTLE)
        redis->ahead = false;
}

/* Somebody else writes under our prefix. What he replaced may have been any device's: while events
 * are followed all is written anew; a rebuild writes it, or finds that it lost its sequence. */
static void replaced(struct redis *redis, const struct sent *sent, uint64_t keys)
{
    count(&redis->counters.replaced, keys);
    log_line(LOG_WARN, &module, "keys under our prefix had another type and were replaced",
             "keys=%" PRIu64 " prefix=%s", keys, redis->config->redis.prefix);
    if (sent->purpose == BATCH || sent->purpose == SETTLE)
        redis->rebuild = true;
}

static void scripted(struct redis *redis, const struct sent *sent, int64_t result)
{
    if (result < 0) {
        /* Redis isn't where it was: emptied, or somebody else calls himself by our name */
        redis->rebuild = true;
        redis_pump(redis);
        return;
    }
    went_well(redis, sent);
    if (result >= REDIS_SCRIPT_REPLACED)
        replaced(redis, sent, (uint64_t)(result / REDIS_SCRIPT_REPLACED));
    switch (sent->purpose) {
    case BEGIN:
        redis->begun = true;
        redis_pump(redis);
        break;
    case WIPE:
        redis_rebuild_wiped(redis, result % REDIS_SCRIPT_REPLACED);
        break;
    case FINISH:
        redis_rebuild_finished(redis);
        break;
    default:
        redis_pump(redis);
        break;
    }
}

static void replied(struct connection *connection, const struct reply *reply)
{
    struct redis *redis = redis_of(connection);
    struct sent sent = redis->sent[0];

    CHECK(redis->in_flight > 0);
    redis->in_flight--;
    memmove(redis->sent, redis->sent + 1, redis->in_flight * sizeof(redis->sent[0]));
    if (sent.purpose == LOOK)
        looked(redis, reply);
    else if (reply->kind == REPLY_NUMBER)
        scripted(redis, &sent, reply->number);
    else
        failed(connection, "not Redis", "");
}

/* ---- the connection ---- */

static void ready(struct connection *connection)
{
    struct redis *redis = redis_of(connection);
    struct command *command = &redis->command;
    char key[CONFIG_TEXT_SIZE + CONFIG_NAME_SIZE + 8];

    (void)snprintf(key, sizeof(key), "%smeta:%s", redis->config->redis.prefix,
                   redis->config->server.node);
    command_begin(command);
    command_text(command, "EVAL");
    command_text(command, redis_look_script);
    command_number(command, 0);
    command_text(command, key);
    command_number(command, redis->mark);
    (void)redis_send(redis, LOOK, 0, 0);
}

/* One line for each kind of trouble, however often it comes in a row. */
static void tell_problem(struct redis *redis, const char *code, const char *text)
{
    char quoted[2 * REPLY_TEXT_SIZE];
    char quoted_code[80];

    if (strcmp(redis->problem, code) == 0)
        return;
    (void)snprintf(redis->problem, sizeof(redis->problem), "%s", code);
    log_line(LOG_WARN, &module, "Redis doesn't take what is written; it will be tried again",
             "reason=%s text=%s", log_quote(code, quoted_code, sizeof(quoted_code)),
             log_quote(text, quoted, sizeof(quoted)));
}

static void failed(struct connection *connection, const char *code, const char *text)
{
    struct redis *redis = redis_of(connection);
    /* inside of a script Redis doesn't say NOPERM */
    bool forbidden = strstr(text, "The user executing the script can't") != NULL;

    count(&redis->counters.errors, 1);
    atomic_store(&redis->counters.up, false);
    tell_problem(redis, forbidden ? "NOPERM" : code, text);
    redis->announced = false;
    redis->in_flight = 0;
    redis->records = NULL;
    redis->rebuild = false;
    redis->walk.active = false;
    redis->followed = false; /* presence may have run out meanwhile */
    timer_stop(&redis->retry);
    redis_set_state(redis, REDIS_WAITING);
    connection_close(connection);
}

static void closed(struct connection *connection)
{
    struct redis *redis = redis_of(connection);

    if (redis->stop) {
        redis_wind_up(redis);
        return;
    }
    redis->retry_ms = redis->retry_ms == 0 ? RETRY_MIN_MS : redis->retry_ms * 2;
    if (redis->retry_ms > RETRY_MAX_MS)
        redis->retry_ms = RETRY_MAX_MS;
    uint32_t half = redis->retry_ms / 2;
    uint32_t delay_ms = half + (uint32_t)(reactor_random(redis->reactor) % (half + 1));
    if (delay_ms < TICK_MS)
        timer_start_fine(redis->reactor, &redis->retry, delay_ms);
    else
        timer_start(redis->reactor, &redis->retry, delay_ms);
}

static const struct connection_ops connection_ops = {ready, replied, failed, closed};

static void retry(struct timer *timer)
{
    struct redis *redis = container_of(timer, struct redis, retry);

    if (redis->state == REDIS_REBUILDING) {
        redis_pump(redis);
        return;
    }
    redis_set_state(redis, REDIS_CONNECTING);
    connection_open(&redis->connection);
}

/* ---- every second ---- */

static uint64_t refused_events(const struct redis *redis)
{
    const struct journal_counters *counters = journal_counters(redis->journal);
    uint64_t sum = 0;

    for (int class = 0; class < 3; class ++)
        sum += atomic_load_explicit(&counters->refused[class], memory_order_relaxed);
    return sum;
}

/* What the journal refused changed the directory all the same: when it is over, and what had been
 * appended before is recorded, all is written anew. That it is over is a guess, but a wrong one
 * costs only another rebuild: what is refused after one has begun asks for the next. */
static void look_for_refused(struct redis *redis)
{
    uint64_t refused = refused_events(redis);

    redis->refused_ticks++;
    if (refused != redis->refused) {
        redis->refused_ticks = 0;
        redis->refused = refused;
        journal_point_take(redis->journal, &redis->refused_point);
    } else if (journal_point_recorded(redis->journal, &redis->refused_point)) {
        redis->refused_settled = refused;
    }
    if (redis->state == REDIS_FOLLOWING && redis_may_rebuild(redis) &&
        redis->refused_settled != redis->refused_rebuilt && redis->refused_ticks >= CALM_TICKS)
        redis->rebuild = true;
}

/* All that had been appended when the last rebuild was done is recorded. What was refused never is.
 */
static void look_ahead(struct redis *redis)
{
    if (redis->state == REDIS_FOLLOWING && redis->ahead && redis->ahead_until == 0 &&
        redis->refused == 0 && journal_point_recorded(redis->journal, &redis->ahead_point))
        redis->ahead_until = journal_committed(redis->journal);
}

static void tick(struct timer *timer)
{
    struct redis *redis = container_of(timer, struct redis, tick);
    uint64_t now_ms = reactor_now_ms(redis->reactor);

    timer_repeat(redis->reactor, timer, TICK_MS);
    connection_tick(&redis->connection);
    look_for_refused(redis);
    look_ahead(redis);
    if (redis->state == REDIS_FOLLOWING) {
        if (now_ms >= redis->walk_due_ms && !redis->walk.active)
            redis_start_walk(redis, false, false);
        if (redis->in_flight == 0 && !redis->rebuild && !redis_send_probe(redis))
            return;
    }
    redis_pump(redis);
}

/* ---- start and stop ---- */

static enum status read_password(const char *path, char password[static CONNECTION_PASSWORD_SIZE],
                                 struct redis_error *error)
{
    int64_t size = disk_read(path, 0, (uint8_t *)password, CONNECTION_PASSWORD_SIZE);

    if (size < 0) {
        (void)snprintf(error->text, sizeof(error->text), "redis.password_file %.150s: %s", path,
                       strerror((int)-size)); // NOLINT(concurrency-mt-unsafe)
        return STATUS_SYSTEM;
    }
    while (size > 0 && (password[size - 1] == '\n' || password[size - 1] == '\r'))
        size--;
    if (size == 0 || size == CONNECTION_PASSWORD_SIZE ||
        memchr(password, '\0', (size_t)size) != NULL) {
        (void)snprintf(error->text, sizeof(error->text),
                       "redis.password_file %.150s: expected a password of 1 to %d bytes", path,
                       CONNECTION_PASSWORD_SIZE - 1);
        return STATUS_INVALID;
    }
    password[size] = '\0';
    return STATUS_OK;
}

static void free_all(struct redis *redis)
{
    explicit_bzero(redis->password, sizeof(redis->password));
    connection_release(&redis->connection);
    free(redis->arena.memory);
    free(redis);
}

static enum status prepare_tls(struct redis *redis, struct redis_error *error)
{
    struct tls_error tls_error;
    enum status status = connection_prepare(&redis->connection, redis->config, &tls_error);

    if (status != STATUS_OK)
        (void)snprintf(error->text, sizeof(error->text), "redis.tls: %.240s", tls_error.text);
    return status;
}

static enum status prepare(struct redis *redis, struct redis_error *error)
{
    const char *path = redis->config->redis.password_file;

    (void)snprintf(error->text, sizeof(error->text), "not enough memory for Redis");
    redis->arena.size = PROTO_ARENA_SIZE;
    redis->arena.memory = malloc(PROTO_ARENA_SIZE);
    if (redis->arena.memory == NULL)
        return STATUS_NO_MEMORY;
    if (path[0] != '\0') {
        enum status status = read_password(path, redis->password, error);
        if (status != STATUS_OK)
            return status;
    }
    enum status status = prepare_tls(redis, error);
    if (status != STATUS_OK)
        return status;
    return journal_reader_create(redis->journal, redis->reactor, 1, &redis->reader);
}

enum status redis_start(const struct config *config, struct journal *journal,
                        struct directory *directory, bool gap, struct reactor *reactor,
                        struct redis **started, struct redis_error *error)
{
    struct redis *redis = calloc(1, sizeof(*redis));

    if (redis == NULL) {
        (void)snprintf(error->text, sizeof(error->text), "not enough memory for Redis");
        return STATUS_NO_MEMORY;
    }
    redis->config = config;
    redis->journal = journal;
    redis->directory = directory;
    redis->gap = gap;
    redis->reactor = reactor;
    enum status status = prepare(redis, error);
    if (status != STATUS_OK) {
        free_all(redis);
        return status;
    }
    redis->connection.ops = &connection_ops;
    redis->connection.reactor = reactor;
    redis->connection.user = config->redis.user;
    redis->connection.password = redis->password;
    redis->connection.command = &redis->command;
    redis->highest = journal_committed(journal);
    redis->mark = redis_new_mark(redis);
    redis->watch.reactor = reactor;
    redis->watch.committed = redis_follow_committed;
    journal_watch_add(journal, &redis->watch);
    timer_init(&redis->tick, tick);
    timer_init(&redis->retry, retry);
    timer_start(reactor, &redis->tick, TICK_MS);
    redis_set_state(redis, REDIS_CONNECTING);
    connection_open(&redis->connection);
    *started = redis;
    return STATUS_OK;
}

static void reader_gone(void *context)
{
    struct redis *redis = context;
    void (*stopped)(void *context) = redis->stopped;
    void *stopped_context = redis->stopped_context;

    free_all(redis);
    stopped(stopped_context);
}

static void watch_gone(struct journal_watch *watch)
{
    struct redis *redis = container_of(watch, struct redis, watch);

    journal_reader_free(redis->reader, reader_gone, redis);
}

/* Goes on when neither connection nor reader have anything under way. */
void redis_wind_up(struct redis *redis)
{
    if (!redis->connection.open && !redis->reading)
        journal_watch_remove(redis->journal, &redis->watch, watch_gone);
}

void redis_stop(struct redis *redis, void (*stopped)(void *context), void *context)
{
    CHECK(!redis->stop);
    redis->stop = true;
    redis->stopped = stopped;
    redis->stopped_context = context;
    timer_stop(&redis->tick);
    timer_stop(&redis->retry);
    redis_set_state(redis, REDIS_STOPPING);
    if (redis->connection.open && !redis->connection.closing)
        connection_close(&redis->connection);
    redis_wind_up(redis);
}

const struct redis_counters *redis_counters(const struct redis *redis)
{
    return &redis->counters;
}
