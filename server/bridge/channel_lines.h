/* Inside the lines of exclusive channels: which there are, who holds and waits, and what is posted
 * to these. Who comes, holds and leaves is in channel_line.c. All under the lock, but for what is
 * said otherwise. */
#ifndef CENCD_BRIDGE_CHANNEL_LINES_H
#define CENCD_BRIDGE_CHANNEL_LINES_H

#include "server/bridge/channel_line.h"
#include "server/bridge/queue.h"

enum ticket_state {
    TICKET_WAITING,
    TICKET_HOLDING,
    TICKET_DISMISSED, /* a person took its place in the queue; it isn't told yet */
    TICKET_GONE,      /* its session has let go; freed when its message has arrived */
};

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
    struct channel_ticket *holder;
    struct queue queue; /* struct channel_ticket */
};

struct channel_ticket {
    struct message message; /* its deliver is constant */
    struct list node;       /* in its line: waiting only */
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

void channel_lines_lock(struct channel_lines *lines);
void channel_lines_unlock(struct channel_lines *lines);

/* NULL: nobody holds it. */
struct channel_line *channel_lines_find(struct channel_lines *lines, uint32_t channel);
/* A line that its first holder is to take. NULL: out of memory. */
struct channel_line *channel_lines_add(struct channel_lines *lines, uint32_t channel);
/* Nobody waits. */
void channel_lines_remove(struct channel_lines *lines, struct channel_line *line);

void channel_ticket_enqueue(struct channel_ticket *ticket, struct channel_line *line);
void channel_ticket_leave_queue(struct channel_ticket *ticket);

/* *posts are posted when the lock is left. */
void channel_ticket_tell(struct channel_ticket *ticket, enum news news,
                         struct channel_ticket **posts);
/* Without the lock. A ticket whose message is on its way stays until it has arrived. */
void channel_tickets_post(struct shard *from, struct channel_ticket *posts);

#endif
