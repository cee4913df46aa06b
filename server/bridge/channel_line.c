#include "server/bridge/channel_line.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/bridge/bridge.h"
#include "server/bridge/line.h"

#define BUCKETS 1024u

/* A session that doesn't wait gets this long until a holder that gives way has gone. */
#define TAKEOVER_MS 5000u

enum ticket_state {
    TICKET_WAITING,
    TICKET_HOLDING,
    TICKET_DISMISSED, /* a person took its place in the queue; it isn't told yet */
    TICKET_GONE,      /* its session has let go; freed when its message has arrived */
};

enum claim { CLAIM_TAKEN, CLAIM_WAITS, CLAIM_BUSY, CLAIM_FULL, CLAIM_NO_MEMORY };

/* What a message is about. */
enum news {
    NEWS_GRANTED = 1u << 0,
    NEWS_DISMISSED = 1u << 1,
    NEWS_YIELD = 1u << 2,  /* the holder is to end */
    NEWS_WANTED = 1u << 3, /* the holder is to be watched */
    NEWS_LOOK = 1u << 4,   /* is the device still there? */
};

struct channel_line {
    struct list node; /* in its bucket */
    uint32_t channel;
    uint32_t waiters;
    struct channel_ticket *holder;
    struct list waiting[SESSION_PRIORITIES]; /* struct channel_ticket */
};

/* Under the lock, but for what is said otherwise. */
struct channel_ticket {
    struct message message;
    struct list node; /* in its line: waiting only */
    struct channel_lines *lines;
    struct channel_line *line; /* waiting, holding */
    struct session *session;   /* read by other shards under the lock, until TICKET_GONE */
    struct channel_ticket *next_post;
    struct timer watch; /* of the session's shard: the holder may have become still */
    uint64_t since_ms;  /* holding */
    uint64_t joined_ms; /* 0: not joined yet */
    uint32_t channel;   /* constant */
    uint32_t shard;     /* where news go; a holder gets none between waiting and joined */
    uint8_t state;
    uint8_t news;
    bool posted; /* the message is on its way */
    bool finished;
};

struct channel_lines {
    pthread_mutex_t lock;
    struct list buckets[BUCKETS];
    struct channel_line_counters counters;
};

/* ---- lines ---- */

enum status channel_lines_create(struct channel_lines **lines)
{
    struct channel_lines *made = calloc(1, sizeof *made);
    if (made == NULL)
        return STATUS_NO_MEMORY;
    CHECK(pthread_mutex_init(&made->lock, NULL) == 0);
    for (uint32_t i = 0; i < BUCKETS; i++)
        list_init(&made->buckets[i]);
    *lines = made;
    return STATUS_OK;
}

void channel_lines_free(struct channel_lines *lines)
{
    if (lines == NULL)
        return;
    for (uint32_t i = 0; i < BUCKETS; i++)
        CHECK(list_empty(&lines->buckets[i]));
    (void)pthread_mutex_destroy(&lines->lock);
    free(lines);
}

static void lock(struct channel_lines *lines)
{
    CHECK(pthread_mutex_lock(&lines->lock) == 0);
}

static void unlock(struct channel_lines *lines)
{
    CHECK(pthread_mutex_unlock(&lines->lock) == 0);
}

static struct channel_line *find_line(struct channel_lines *lines, uint32_t channel)
{
    struct list *bucket = &lines->buckets[channel % BUCKETS];
    for (struct list *node = bucket->next; node != bucket; node = node->next) {
        struct channel_line *line = container_of(node, struct channel_line, node);
        if (line->channel == channel)
            return line;
    }
    return NULL;
}

static struct channel_line *add_line(struct channel_lines *lines, uint32_t channel)
{
    struct channel_line *line = calloc(1, sizeof *line);
    if (line == NULL)
        return NULL;
    line->channel = channel;
    for (int i = 0; i < SESSION_PRIORITIES; i++)
        list_init(&line->waiting[i]);
    list_append(&lines->buckets[channel % BUCKETS], &line->node);
    atomic_fetch_add(&lines->counters.held, 1);
    return line;
}

/* NULL: nobody waits. */
static struct channel_ticket *first_of(struct channel_line *line)
{
    for (int i = 0; i < SESSION_PRIORITIES; i++)
        if (!list_empty(&line->waiting[i]))
            return container_of(line->waiting[i].next, struct channel_ticket, node);
    return NULL;
}

static void leave_queue(struct channel_ticket *ticket)
{
    list_remove(&ticket->node);
    ticket->line->waiters--;
    atomic_fetch_sub(&ticket->lines->counters.waiting, 1);
}

/* ---- news ---- */

static void news_arrive(struct message *message, struct reactor *reactor);

/* Under the lock; *posts are posted when it is left. */
static void tell(struct channel_ticket *ticket, enum news news, struct channel_ticket **posts)
{
    ticket->news |= (uint8_t)news;
    if (ticket->posted)
        return;
    ticket->posted = true;
    ticket->message.deliver = news_arrive;
    ticket->next_post = *posts;
    *posts = ticket;
}

/* A ticket whose message is on its way stays until it has arrived. */
static void post_all(struct shard *from, struct channel_ticket *posts)
{
    while (posts != NULL) {
        struct channel_ticket *ticket = posts;
        posts = ticket->next_post;
        atomic_fetch_add(&from->server->messages, 1);
        reactor_post(from->reactor, from->server->shards[ticket->shard]->reactor, &ticket->message);
    }
}

/* ---- the holder ---- */

static uint64_t now_ms(const struct session *session)
{
    return reactor_now_ms(session->shard->reactor);
}

/* From any shard: clocks of two reactors differ by a turn. */
static bool gives_way(const struct channel_ticket *holder, uint64_t at_ms, uint64_t limit_ms)
{
    if (holder->joined_ms == 0)
        return false;
    if (holder->finished)
        return true;
    uint64_t moved_ms =
        atomic_load_explicit(&holder->session->entry.moved_ms, memory_order_relaxed);
    if (moved_ms < holder->joined_ms)
        moved_ms = holder->joined_ms;
    return limit_ms > 0 && at_ms > moved_ms && at_ms - moved_ms >= limit_ms;
}

static void note_holder(struct session *session, const struct channel_ticket *holder)
{
    uint64_t at_ms = now_ms(session);
    memcpy(session->holder, holder->session->agent_name, sizeof session->holder);
    session->holder_ms = at_ms > holder->since_ms ? at_ms - holder->since_ms : 0;
}

/* Of a session that waits for the line: who has it. */
static void note_holder_of(struct session *session)
{
    struct channel_ticket *ticket = session->ticket;
    lock(ticket->lines);
    const struct channel_line *line = find_line(ticket->lines, ticket->channel);
    if (line != NULL)
        note_holder(session, line->holder);
    unlock(ticket->lines);
}

static void watch_holder(struct session *session)
{
    uint64_t after_ms = line_still_after_ms(session);
    if (after_ms > 0 && !timer_running(&session->ticket->watch))
        timer_start(session->shard->reactor, &session->ticket->watch, after_ms);
}

static void look_at_holder(struct timer *timer)
{
    struct channel_ticket *ticket = container_of(timer, struct channel_ticket, watch);
    struct session *session = ticket->session;
    lock(ticket->lines);
    bool wanted = ticket->line->waiters > 0;
    unlock(ticket->lines);
    if (!wanted)
        return;
    if (line_holder_is_still(session))
        session_end(session, CLOSE_SESSION_STILL);
    else
        watch_holder(session);
}

/* ---- coming ---- */

/* Makes room for a person by turning away who came last of the others. */
static bool has_room(struct channel_line *line, const struct session *session,
                     struct channel_ticket **posts)
{
    if (line->waiters < session->shard->server->config->sessions.max_waiting)
        return true;
    struct list *others = &line->waiting[SESSION_COLLECTION];
    if (session->priority != SESSION_PERSON || list_empty(others))
        return false;
    struct channel_ticket *last = container_of(others->previous, struct channel_ticket, node);
    leave_queue(last);
    last->state = TICKET_DISMISSED;
    tell(last, NEWS_DISMISSED, posts);
    return true;
}

static void enqueue(struct channel_line *line, struct channel_ticket *ticket)
{
    list_append(&line->waiting[ticket->session->priority], &ticket->node);
    line->waiters++;
    atomic_fetch_add(&ticket->lines->counters.waiting, 1);
    ticket->line = line;
    ticket->state = TICKET_WAITING;
}

/* Under the lock. */
static enum claim claim(struct channel_line *line, struct channel_ticket *ticket,
                        struct channel_ticket **posts)
{
    struct session *session = ticket->session;
    struct channel_ticket *holder = line->holder;
    uint64_t limit_ms = session->shard->server->config->sessions.yield_after_s * 1000ull;
    if (holder == NULL) {
        line->holder = ticket;
        ticket->line = line;
        ticket->state = TICKET_HOLDING;
        ticket->since_ms = now_ms(session);
        return CLAIM_TAKEN;
    }
    bool yields = line->waiters == 0 && gives_way(holder, now_ms(session), limit_ms);
    note_holder(session, holder);
    if (!yields && session->wait_ms == 0)
        return CLAIM_BUSY;
    if (!yields && !has_room(line, session, posts))
        return CLAIM_FULL;
    enqueue(line, ticket);
    if (holder->joined_ms != 0)
        tell(holder, yields ? NEWS_YIELD : NEWS_WANTED, posts);
    return CLAIM_WAITS;
}

static struct channel_ticket *make_ticket(struct session *session, uint32_t channel)
{
    struct channel_ticket *ticket = calloc(1, sizeof *ticket);
    if (ticket == NULL)
        return NULL;
    ticket->lines = session->shard->server->channel_lines;
    ticket->session = session;
    ticket->channel = channel;
    ticket->shard = session->shard->index;
    list_init(&ticket->node);
    timer_init(&ticket->watch, look_at_holder);
    return ticket;
}

static void wait_over(struct timer *timer)
{
    struct session *session = container_of(timer, struct session, timer);
    struct channel_ticket *ticket = session->ticket;
    lock(ticket->lines);
    bool waits = ticket->state == TICKET_WAITING;
    unlock(ticket->lines);
    if (!waits)
        return; /* the news are on their way */
    note_holder_of(session);
    session_turn_away(session,
                      session->wait_ms == 0 ? CLOSE_SESSION_BUSY : CLOSE_SESSION_WAIT_TIMEOUT);
}

static bool is_offline(const struct session *session)
{
    struct device_info info;
    directory_get(session->shard->server->directory, session->device, &info);
    return info.link.id == 0;
}

static void begin_waiting(struct session *session)
{
    session_begin_waiting(session, wait_over);
    if (session->wait_ms == 0)
        timer_start(session->shard->reactor, &session->timer, TAKEOVER_MS);
    /* the news of its end may have come before it was in the queue */
    if (is_offline(session))
        session_turn_away(session, CLOSE_SESSION_OFFLINE);
}

static enum claim claim_channel(struct session *session, uint32_t channel)
{
    struct channel_lines *lines = session->shard->server->channel_lines;
    struct channel_ticket *posts = NULL;
    struct channel_ticket *ticket = make_ticket(session, channel);
    enum claim result = CLAIM_NO_MEMORY;
    if (ticket == NULL)
        return result;
    lock(lines);
    struct channel_line *line = find_line(lines, channel);
    if (line == NULL)
        line = add_line(lines, channel);
    if (line != NULL)
        result = claim(line, ticket, &posts);
    unlock(lines);
    post_all(session->shard, posts);
    if (result == CLAIM_TAKEN || result == CLAIM_WAITS)
        session->ticket = ticket;
    else
        free(ticket);
    return result;
}

bool channel_line_enter(struct session *session, uint32_t channel)
{
    if (session->ticket != NULL && session->ticket->channel == channel)
        return true;
    channel_line_leave(session);
    if (channel == 0)
        return true;
    switch (claim_channel(session, channel)) {
    case CLAIM_TAKEN:
        return true;
    case CLAIM_WAITS:
        begin_waiting(session);
        break;
    case CLAIM_BUSY:
        session_turn_away(session, CLOSE_SESSION_BUSY);
        break;
    case CLAIM_FULL:
        session_turn_away(session, CLOSE_SESSION_QUEUE_FULL);
        break;
    case CLAIM_NO_MEMORY:
        session_turn_away(session, CLOSE_LIMIT_MEMORY);
        break;
    }
    return false;
}

/* ---- joined ---- */

void channel_line_joined(struct session *session)
{
    struct channel_ticket *ticket = session->ticket;
    if (ticket == NULL)
        return;
    lock(ticket->lines);
    CHECK(ticket->state == TICKET_HOLDING && !ticket->posted);
    ticket->shard = session->shard->index;
    ticket->joined_ms = now_ms(session) + (now_ms(session) == 0);
    bool wanted = ticket->line->waiters > 0;
    unlock(ticket->lines);
    if (wanted)
        watch_holder(session);
}

void channel_line_finished(struct session *session)
{
    struct channel_ticket *ticket = session->ticket;
    if (ticket == NULL)
        return;
    lock(ticket->lines);
    ticket->finished = true;
    unlock(ticket->lines);
}

/* ---- leaving ---- */

/* The line goes to the next one; without one, nothing is left of it. */
static void pass_on(struct channel_ticket *holder, struct channel_ticket **posts)
{
    struct channel_line *line = holder->line;
    struct channel_ticket *next = first_of(line);
    if (next == NULL) {
        list_remove(&line->node);
        atomic_fetch_sub(&holder->lines->counters.held, 1);
        free(line);
        return;
    }
    leave_queue(next);
    next->state = TICKET_HOLDING;
    next->since_ms = now_ms(holder->session);
    line->holder = next;
    tell(next, NEWS_GRANTED, posts);
}

void channel_line_leave(struct session *session)
{
    struct channel_ticket *ticket = session->ticket;
    struct channel_ticket *posts = NULL;
    if (ticket == NULL)
        return;
    session->ticket = NULL;
    timer_stop(&ticket->watch);
    lock(ticket->lines);
    if (ticket->state == TICKET_WAITING)
        leave_queue(ticket);
    else if (ticket->state == TICKET_HOLDING)
        pass_on(ticket, &posts);
    ticket->state = TICKET_GONE;
    bool unused = !ticket->posted;
    unlock(ticket->lines);
    post_all(session->shard, posts);
    if (unused)
        free(ticket);
}

/* ---- in the session's shard ---- */

static void take_turn(struct session *session)
{
    CHECK(session->state == SESSION_WAITING);
    timer_stop(&session->timer);
    session->state = SESSION_ROUTING;
    session->attempts = 0;
    session_registry_update(session);
    session_route(session);
}

static void hear(struct session *session, uint8_t news)
{
    if (news & NEWS_DISMISSED) {
        note_holder_of(session);
        session_turn_away(session, CLOSE_SESSION_QUEUE_FULL);
    } else if (news & NEWS_GRANTED) {
        take_turn(session);
    } else if (news & NEWS_YIELD) {
        session_end(session, session->agent_finished ? CLOSE_SESSION_YIELDED : CLOSE_SESSION_STILL);
    } else if (news & NEWS_WANTED) {
        watch_holder(session);
    } else if (session->state == SESSION_WAITING && is_offline(session)) {
        session_turn_away(session, CLOSE_SESSION_OFFLINE);
    }
}

static void news_arrive(struct message *message, struct reactor *reactor)
{
    struct channel_ticket *ticket = container_of(message, struct channel_ticket, message);
    struct shard *shard = shard_of(reactor);
    lock(ticket->lines);
    uint8_t news = ticket->news;
    bool gone = ticket->state == TICKET_GONE;
    ticket->news = 0;
    ticket->posted = false;
    unlock(ticket->lines);
    if (gone) {
        free(ticket);
    } else {
        CHECK(ticket->session->shard == shard);
        hear(ticket->session, news);
    }
    atomic_fetch_sub(&shard->server->messages, 1);
}

/* ---- devices that go ---- */

static void look_in(struct channel_line *line, const struct device *device,
                    struct channel_ticket **posts)
{
    for (int i = 0; i < SESSION_PRIORITIES; i++)
        for (struct list *node = line->waiting[i].next; node != &line->waiting[i];
             node = node->next) {
            struct channel_ticket *ticket = container_of(node, struct channel_ticket, node);
            if (ticket->session->device == device)
                tell(ticket, NEWS_LOOK, posts);
        }
}

void channel_lines_device_gone(struct shard *shard, const struct device *device)
{
    struct channel_lines *lines = shard->server->channel_lines;
    struct channel_ticket *posts = NULL;
    struct device_info info;
    if (atomic_load(&lines->counters.waiting) == 0)
        return;
    directory_get(shard->server->directory, device, &info);
    lock(lines);
    struct channel_line *line = find_line(lines, info.channel_id);
    if (line != NULL)
        look_in(line, device, &posts);
    unlock(lines);
    post_all(shard, posts);
}

const struct channel_line_counters *channel_lines_counters(const struct channel_lines *lines)
{
    return &lines->counters;
}

void channel_lines_walk(struct channel_lines *lines,
                        void (*visit)(uint32_t channel, const struct session *holder,
                                      uint32_t waiting, void *context),
                        void *context)
{
    lock(lines);
    for (uint32_t i = 0; i < BUCKETS; i++)
        for (struct list *node = lines->buckets[i].next; node != &lines->buckets[i];
             node = node->next) {
            const struct channel_line *line = container_of(node, struct channel_line, node);
            visit(line->channel, line->holder->session, line->waiters, context);
        }
    unlock(lines);
}
