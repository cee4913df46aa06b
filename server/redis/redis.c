#include "server/redis/redis.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/base/log.h"
#include "server/journal/reader.h"
#include "server/reactor/disk.h"
#include "server/redis/connection.h"
#include "server/redis/projection.h"
#include "server/redis/script.h"

#define TICK_MS          1000u
#define RETRY_MIN_MS     100u
#define RETRY_MAX_MS     30000u
#define SETTLE_MS        250u /* what is committed gets into the directory within this */
#define REBUILD_PAUSE_MS 1000u
#define CALM_MS          60000u /* following for so long: the next rebuild begins at once */
#define CALM_TICKS       5u     /* without a refused event, after some */
#define MAX_BATCHES      8u     /* without reply */
#define WALK_VISITS      4096u  /* devices looked at for one batch */
#define WALK_WRITES      128u   /* of these, written */
#define EVENTS_PER_BATCH 256u   /* Redis serves nobody else while it runs a script */
#define WIPE_COUNT       500u
#define FIRST_OPERATION  8u /* arguments before it: EVAL, script, 0, then 5 of the script's */
#define SET_ARGUMENT     7u

static const struct log_context module = {.module = "redis"};

/* What a reply is to. */
enum purpose { LOOK, BATCH, BEGIN, WALK, WIPE, FINISH };

struct sent {
    enum purpose purpose;
    uint64_t sequence; /* that Redis has afterwards */
    uint32_t records;
};

enum rebuild_phase { BEGINNING, WALKING, WIPING };

struct walk {
    uint64_t position;
    bool active;
    bool all; /* offline devices, too */
    uint32_t visits;
    uint32_t writes;
    bool is_rebuild;
};

struct redis {
    struct journal *journal;
    struct directory *directory;
    struct reactor *reactor;
    const struct config *config;
    struct connection connection;
    struct journal_reader *reader;
    struct journal_watch watch;
    struct timer tick;
    struct timer retry; /* to connect again; of a rebuild: until things settled */
    enum redis_state state;
    enum rebuild_phase phase;
    bool stop; /* asked for */
    bool reading;
    bool discard;  /* what is being read is not wanted any more */
    bool at_end;   /* of the journal, and nobody told of more */
    bool told;     /* since the last reading began something was committed */
    bool settled;  /* of a rebuild */
    bool begun;    /* Redis knows of the rebuild */
    bool rebuild;  /* is needed */
    bool followed; /* once since start */
    uint32_t retry_ms;

    const struct journal_record *records; /* what the reader gave; NULL: all is sent */
    size_t count;
    size_t next;

    struct sent sent[MAX_BATCHES];
    uint32_t in_flight;
    uint64_t sequence; /* that Redis has when all that was sent is done */
    uint64_t highest;  /* that it can have from us */
    uint64_t base;     /* of a rebuild */
    struct walk walk;
    bool walk_turn; /* walk and events take turns */
    uint64_t walk_due_ms;
    uint64_t rebuild_from_ms; /* not before */
    uint64_t follows_ms;      /* since */
    uint32_t rebuild_pause_ms;
    uint64_t refused; /* by the journal, when last looked at */
    uint64_t refused_rebuilt;
    uint32_t refused_ticks;

    char problem[64];
    bool announced;
    void (*stopped)(void *context);
    void *stopped_context;
    struct proto_arena arena;
    struct command command;
    char password[CONNECTION_PASSWORD_SIZE];
    struct redis_counters counters;
};

static void pump(struct redis *redis);
static void rebuild_on(struct redis *redis);
static void wind_up(struct redis *redis);

static void count(_Atomic uint64_t *counter, uint64_t by)
{
    atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

static void set_state(struct redis *redis, enum redis_state state)
{
    redis->state = state;
    atomic_store(&redis->counters.state, (int)state);
}

/* ---- sending ---- */

static bool send_command(struct redis *redis, enum purpose purpose, uint64_t sequence,
                         uint32_t records)
{
    CHECK(redis->in_flight < MAX_BATCHES);
    redis->sent[redis->in_flight++] = (struct sent){purpose, sequence, records};
    count(&redis->counters.commands, 1);
    return connection_send(&redis->connection);
}

/* expected NULL: the sequence that Redis should have. */
static void begin_script(struct redis *redis, const char *expected)
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
        command_number(command, redis->sequence);
    command_number(command, redis->sequence);
    CHECK(command->count == FIRST_OPERATION);
}

static bool send_script(struct redis *redis, enum purpose purpose, uint64_t sequence,
                        uint32_t records)
{
    command_replace(&redis->command, SET_ARGUMENT, sequence);
    redis->sequence = sequence;
    if (sequence > redis->highest)
        redis->highest = sequence;
    count(&redis->counters.batches, 1);
    return send_command(redis, purpose, sequence, records);
}

/* Proves that Redis still is what it was, and that it takes what is written. */
static bool send_probe(struct redis *redis)
{
    begin_script(redis, NULL);
    return send_script(redis, BATCH, redis->sequence, 0);
}

/* ---- the directory, in slices ---- */

static void start_walk(struct redis *redis, bool all, bool is_rebuild)
{
    redis->walk = (struct walk){.active = true, .all = all, .is_rebuild = is_rebuild};
    redis->walk_due_ms =
        reactor_now_ms(redis->reactor) + redis->config->redis.presence_ttl_s * 1000ull / 3;
}

static bool visit(const struct device_info *info, void *context)
{
    struct redis *redis = context;
    struct walk *walk = &redis->walk;

    if (walk->is_rebuild)
        projection_device(&redis->command, info);
    else if (walk->all || info->state != DEVICE_OFFLINE)
        projection_presence(&redis->command, info);
    else
        walk->writes--;
    walk->writes++;
    walk->visits++;
    return walk->visits < WALK_VISITS && walk->writes < WALK_WRITES &&
           projection_fits(&redis->command);
}

static bool send_slice(struct redis *redis)
{
    struct walk *walk = &redis->walk;
    struct directory_counts counts;

    walk->visits = 0;
    walk->writes = 0;
    begin_script(redis, NULL);
    walk->position = directory_walk(redis->directory, walk->position, visit, redis);
    directory_count(redis->directory, &counts);
    walk->active = walk->position < counts.devices && walk->visits > 0;
    return send_script(redis, walk->is_rebuild ? WALK : BATCH, redis->sequence, 0);
}

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
        start_walk(redis, true, false);
    projection_event(&redis->command, event);
}

static bool send_events(struct redis *redis)
{
    uint64_t last = redis->sequence;
    uint32_t taken = 0;

    begin_script(redis, NULL);
    while (redis->next < redis->count && taken < EVENTS_PER_BATCH &&
           projection_fits(&redis->command)) {
        const struct journal_record *record = &redis->records[redis->next++];
        add_record(redis, record);
        last = record->sequence;
        taken++;
    }
    if (redis->next == redis->count)
        redis->records = NULL;
    return send_script(redis, BATCH, last, taken);
}

static void got(void *context, enum journal_read what, const struct journal_record *records,
                size_t record_count)
{
    struct redis *redis = context;
    bool wanted = !redis->discard && redis->state == REDIS_FOLLOWING;

    redis->reading = false;
    redis->discard = false;
    if (redis->stop) {
        wind_up(redis);
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
    pump(redis);
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

static void committed(struct journal_watch *watch)
{
    struct redis *redis = container_of(watch, struct redis, watch);

    redis->told = true;
    if (redis->state == REDIS_FOLLOWING && redis->at_end)
        pump(redis);
}

/* ---- following ---- */

static void follow(struct redis *redis, uint64_t sequence)
{
    set_state(redis, REDIS_FOLLOWING);
    redis->sequence = sequence;
    redis->follows_ms = reactor_now_ms(redis->reactor);
    redis->records = NULL;
    redis->discard = redis->reading;
    redis->at_end = false;
    atomic_store(&redis->counters.sequence, sequence);
    if (!redis->followed)
        start_walk(redis, true, false);
    redis->followed = true;
    if (send_probe(redis) && redis->announced) /* else its answer goes on */
        pump(redis);
}

static bool may_rebuild(const struct redis *redis)
{
    return redis->in_flight == 0 && reactor_now_ms(redis->reactor) >= redis->rebuild_from_ms;
}

static void follow_on(struct redis *redis)
{
    if (redis->rebuild) {
        if (may_rebuild(redis))
            rebuild_on(redis);
        return;
    }
    while (redis->in_flight < MAX_BATCHES) {
        bool walks = redis->walk.active && (redis->walk_turn || redis->records == NULL);
        redis->walk_turn = !walks;
        if (!walks && redis->records == NULL)
            break;
        if (!(walks ? send_slice(redis) : send_events(redis)))
            return;
    }
    if (redis->records == NULL)
        read_on(redis);
}

/* ---- rebuilding ---- */

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
    if (redis->rebuild_pause_ms > RETRY_MAX_MS)
        redis->rebuild_pause_ms = RETRY_MAX_MS;
    redis->rebuild_from_ms = now_ms + redis->rebuild_pause_ms;
    set_state(redis, REDIS_REBUILDING);
    redis->rebuild = false;
    redis->phase = BEGINNING;
    redis->settled = false;
    redis->begun = false;
    redis->records = NULL;
    redis->base = journal_committed(redis->journal);
    redis->refused_rebuilt = redis->refused;
    redis->sequence = 0;
    atomic_store(&redis->counters.sequence, 0);
    timer_start_fine(redis->reactor, &redis->retry, SETTLE_MS);
    begin_script(redis, "*");
    command_text(&redis->command, "B");
    (void)send_script(redis, BEGIN, 0, 0);
}

static void send_wipe(struct redis *redis)
{
    begin_script(redis, NULL);
    command_text(&redis->command, "W");
    command_number(&redis->command, WIPE_COUNT);
    (void)send_script(redis, WIPE, 0, 0);
}

static void rebuild_on(struct redis *redis)
{
    if (redis->state != REDIS_REBUILDING || redis->rebuild) {
        if (may_rebuild(redis))
            begin_rebuild(redis);
        return;
    }
    if (redis->phase == BEGINNING && redis->begun && redis->settled) {
        redis->phase = WALKING;
        start_walk(redis, true, true);
    }
    if (redis->phase != WALKING)
        return;
    while (redis->walk.active && redis->in_flight < MAX_BATCHES)
        if (!send_slice(redis))
            return;
    if (!redis->walk.active && redis->in_flight == 0) {
        redis->phase = WIPING;
        send_wipe(redis);
    }
}

static void wiped(struct redis *redis, int64_t left)
{
    if (left > 0) {
        send_wipe(redis);
        return;
    }
    begin_script(redis, NULL);
    (void)send_script(redis, FINISH, redis->base, 0);
}

static void finished(struct redis *redis)
{
    struct directory_counts counts;

    directory_count(redis->directory, &counts);
    count(&redis->counters.rebuilds, 1);
    log_line(LOG_INFO, &module, "Redis has all of the directory",
             "devices=%" PRIu64 " sequence=%" PRIu64, counts.devices, redis->base);
    redis->followed = true; /* presence is written */
    follow(redis, redis->base);
}

static void pump(struct redis *redis)
{
    if (redis->state == REDIS_FOLLOWING)
        follow_on(redis);
    else if (redis->state == REDIS_REBUILDING)
        rebuild_on(redis);
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

    if (sequence == 0 || sequence > redis->highest ||
        sequence + 1 < journal_oldest(redis->journal)) {
        redis->rebuild = true;
        set_state(redis, REDIS_REBUILDING);
        rebuild_on(redis);
        return;
    }
    follow(redis, sequence);
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
    if (sent->purpose == BATCH)
        atomic_store(&redis->counters.sequence, sent->sequence);
}

static void scripted(struct redis *redis, const struct sent *sent, int64_t result)
{
    if (result < 0) {
        /* Redis isn't where it was: emptied, or somebody else calls himself by our name */
        redis->rebuild = true;
        pump(redis);
        return;
    }
    went_well(redis, sent);
    switch (sent->purpose) {
    case BEGIN:
        redis->begun = true;
        pump(redis);
        break;
    case WIPE:
        wiped(redis, result);
        break;
    case FINISH:
        finished(redis);
        break;
    default:
        pump(redis);
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
    command_text(command, "HGET");
    command_text(command, key);
    command_text(command, "sequence");
    (void)send_command(redis, LOOK, 0, 0);
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

    count(&redis->counters.errors, 1);
    atomic_store(&redis->counters.up, false);
    tell_problem(redis, code, text);
    redis->announced = false;
    redis->in_flight = 0;
    redis->records = NULL;
    redis->rebuild = false;
    redis->walk.active = false;
    redis->followed = false; /* presence may have run out meanwhile */
    timer_stop(&redis->retry);
    set_state(redis, REDIS_WAITING);
    connection_close(connection);
}

static void closed(struct connection *connection)
{
    struct redis *redis = redis_of(connection);

    if (redis->stop) {
        wind_up(redis);
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
        redis->settled = true;
        pump(redis);
        return;
    }
    set_state(redis, REDIS_CONNECTING);
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

/* What the journal refused changed the directory all the same: when it is over, all is compared,
 * that is written, anew. */
static void look_for_refused(struct redis *redis)
{
    uint64_t refused = refused_events(redis);

    redis->refused_ticks = refused == redis->refused ? redis->refused_ticks + 1 : 0;
    redis->refused = refused;
    if (redis->state == REDIS_FOLLOWING && refused != redis->refused_rebuilt &&
        redis->refused_ticks >= CALM_TICKS)
        redis->rebuild = true;
}

static void tick(struct timer *timer)
{
    struct redis *redis = container_of(timer, struct redis, tick);
    uint64_t now_ms = reactor_now_ms(redis->reactor);

    timer_start(redis->reactor, timer, TICK_MS);
    connection_tick(&redis->connection);
    look_for_refused(redis);
    if (redis->state == REDIS_FOLLOWING) {
        if (now_ms >= redis->walk_due_ms && !redis->walk.active)
            start_walk(redis, false, false);
        if (redis->in_flight == 0 && !redis->rebuild && !send_probe(redis))
            return;
    }
    pump(redis);
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
    free(redis->arena.memory);
    free(redis);
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
    return journal_reader_create(redis->journal, redis->reactor, 1, &redis->reader);
}

enum status redis_start(const struct config *config, struct journal *journal,
                        struct directory *directory, struct reactor *reactor,
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
    redis->reactor = reactor;
    enum status status = prepare(redis, error);
    if (status != STATUS_OK) {
        free_all(redis);
        return status;
    }
    redis->connection = (struct connection){
        .ops = &connection_ops,
        .reactor = reactor,
        .address = config->redis.url.address,
        .database = config->redis.url.database,
        .user = config->redis.user,
        .password = redis->password,
        .command = &redis->command,
    };
    redis->highest = journal_committed(journal);
    redis->watch.reactor = reactor;
    redis->watch.committed = committed;
    journal_watch_add(journal, &redis->watch);
    timer_init(&redis->tick, tick);
    timer_init(&redis->retry, retry);
    timer_start(reactor, &redis->tick, TICK_MS);
    set_state(redis, REDIS_CONNECTING);
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
static void wind_up(struct redis *redis)
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
    set_state(redis, REDIS_STOPPING);
    if (redis->connection.open && !redis->connection.closing)
        connection_close(&redis->connection);
    wind_up(redis);
}

const struct redis_counters *redis_counters(const struct redis *redis)
{
    return &redis->counters;
}
