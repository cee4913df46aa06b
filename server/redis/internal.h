/* Inside the projection's files: its state, and what they call of each other.
 *
 *   redis.c    start and stop, the connection, what replies mean
 *   follow.c   events of the journal, presence
 *   rebuild.c  all of the directory, anew
 *   batch.c    scripts on their way */
#ifndef CENCD_REDIS_INTERNAL_H
#define CENCD_REDIS_INTERNAL_H

#include "server/journal/reader.h"
#include "server/journal/told.h"
#include "server/redis/connection.h"
#include "server/redis/projection.h"
#include "server/redis/redis.h"

#define TICK_MS      1000u
#define RETRY_MAX_MS 30000u
#define MAX_BATCHES  8u /* without reply */

/* What a reply is to. */
enum purpose { LOOK, BATCH, BEGIN, WALK, WIPE, FINISH, SETTLE };

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
    bool cut; /* by the end of a batch, not of the directory */
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
    struct timer retry; /* to connect again; of a rebuild: to look again */
    enum redis_state state;
    enum rebuild_phase phase;
    bool stop; /* asked for */
    bool reading;
    bool discard;  /* what is being read is not wanted any more */
    bool at_end;   /* of the journal, and nobody told of more */
    bool told;     /* since the last reading began something was committed */
    bool begun;    /* Redis knows of the rebuild */
    bool rebuild;  /* is needed */
    bool gap;      /* no rebuild was done, and Redis may know more than the directory */
    bool followed; /* once since start */
    uint32_t retry_ms;

    const struct journal_record *records; /* what the reader gave; NULL: all is sent */
    size_t count;
    size_t next;

    struct sent sent[MAX_BATCHES];
    uint32_t in_flight;
    uint64_t sequence;         /* that Redis has when all that was sent is done */
    uint64_t highest;          /* that it can have from us */
    uint64_t lowest;           /* from which events suffice: before, some were refused */
    struct journal_point base; /* of a rebuild */
    struct walk walk;
    bool walk_turn; /* walk and events take turns */
    uint64_t walk_due_ms;
    uint64_t rebuild_from_ms; /* not before */
    uint64_t follows_ms;      /* since */
    uint32_t rebuild_pause_ms;
    bool ahead;                       /* of the journal, Redis may be: script.h */
    struct journal_point ahead_point; /* when the last rebuild was done */
    uint64_t ahead_until;             /* once Redis has this event it isn't; 0: not known yet */
    uint32_t mark;    /* of the rebuild, the last one or the one under way: script.h */
    uint64_t refused; /* by the journal, when last looked at */
    struct journal_point refused_point; /* when that last changed */
    uint64_t refused_settled; /* the same, once all is recorded that was appended before */
    uint64_t refused_base;    /* when the last rebuild began */
    uint64_t refused_rebuilt; /* the same of the last one that was done */
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

static inline void count(_Atomic uint64_t *counter, uint64_t by)
{
    atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

void redis_set_state(struct redis *redis, enum redis_state state);

/* Goes on with whatever can be sent or read now. */
void redis_pump(struct redis *redis);

/* ---- batch.c ---- */

/* False: the connection has failed, and all that belongs to it is reset. */
bool redis_send(struct redis *redis, enum purpose purpose, uint64_t sequence, uint32_t records);
/* expected NULL: the sequence that Redis should have. */
void redis_begin_script(struct redis *redis, const char *expected);
bool redis_send_script(struct redis *redis, enum purpose purpose, uint64_t sequence,
                       uint32_t records);
/* Proves that Redis still is what it was, and that it takes what is written. Says that nothing is
 * ahead any more if it can. */
bool redis_send_probe(struct redis *redis);
void redis_start_walk(struct redis *redis, bool all, bool is_rebuild);
bool redis_send_slice(struct redis *redis);

/* ---- follow.c ---- */

void redis_follow(struct redis *redis, uint64_t sequence);
void redis_follow_on(struct redis *redis);
void redis_follow_committed(struct journal_watch *watch);

/* ---- rebuild.c ---- */

uint32_t redis_new_mark(const struct redis *redis);
/* Not too soon after the last one. */
bool redis_may_rebuild(const struct redis *redis);
void redis_rebuild_on(struct redis *redis);
void redis_rebuild_wiped(struct redis *redis, int64_t left);
void redis_rebuild_finished(struct redis *redis);

/* ---- redis.c ---- */

void redis_wind_up(struct redis *redis);

#endif
