#include "server/bridge/channel_lines.h"

#include <pthread.h>
#include <stdlib.h>

#include "server/base/check.h"

#define BUCKETS 1024u

struct channel_lines {
    pthread_mutex_t lock;
    struct list buckets[BUCKETS];
    struct channel_line_counters counters;
};

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

void channel_lines_lock(struct channel_lines *lines)
{
    CHECK(pthread_mutex_lock(&lines->lock) == 0);
}

void channel_lines_unlock(struct channel_lines *lines)
{
    CHECK(pthread_mutex_unlock(&lines->lock) == 0);
}

struct channel_line *channel_lines_find(struct channel_lines *lines, uint32_t channel)
{
    struct list *bucket = &lines->buckets[channel % BUCKETS];
    for (struct list *node = bucket->next; node != bucket; node = node->next) {
        struct channel_line *line = container_of(node, struct channel_line, node);
        if (line->channel == channel)
            return line;
    }
    return NULL;
}

struct channel_line *channel_lines_add(struct channel_lines *lines, uint32_t channel)
{
    struct channel_line *line = calloc(1, sizeof *line);
    if (line == NULL)
        return NULL;
    line->channel = channel;
    queue_init(&line->queue);
    list_append(&lines->buckets[channel % BUCKETS], &line->node);
    atomic_fetch_add(&lines->counters.held, 1);
    return line;
}

void channel_lines_remove(struct channel_lines *lines, struct channel_line *line)
{
    CHECK(line->queue.size == 0);
    list_remove(&line->node);
    atomic_fetch_sub(&lines->counters.held, 1);
    free(line);
}

/* ---- tickets ---- */

void channel_ticket_enqueue(struct channel_ticket *ticket, struct channel_line *line)
{
    queue_append(&line->queue, ticket->session, &ticket->node);
    atomic_fetch_add(&ticket->lines->counters.waiting, 1);
    ticket->line = line;
    ticket->state = TICKET_WAITING;
}

void channel_ticket_leave_queue(struct channel_ticket *ticket)
{
    queue_remove(&ticket->line->queue, &ticket->node);
    atomic_fetch_sub(&ticket->lines->counters.waiting, 1);
}

void channel_ticket_tell(struct channel_ticket *ticket, enum news news,
                         struct channel_ticket **posts)
{
    ticket->news |= (uint8_t)news;
    if (ticket->posted)
        return;
    ticket->posted = true;
    ticket->next_post = *posts;
    *posts = ticket;
}

void channel_tickets_post(struct shard *from, struct channel_ticket *posts)
{
    while (posts != NULL) {
        struct channel_ticket *ticket = posts;
        posts = ticket->next_post;
        atomic_fetch_add(&from->server->messages, 1);
        reactor_post(from->reactor, from->server->shards[ticket->shard]->reactor, &ticket->message);
    }
}

/* ---- all lines ---- */

static void look_in(struct channel_line *line, const struct device *device,
                    struct channel_ticket **posts)
{
    for (int i = 0; i < SESSION_PRIORITIES; i++)
        for (struct list *node = line->queue.classes[i].next; node != &line->queue.classes[i];
             node = node->next) {
            struct channel_ticket *ticket = container_of(node, struct channel_ticket, node);
            if (ticket->session->device == device)
                channel_ticket_tell(ticket, NEWS_LOOK, posts);
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
    channel_lines_lock(lines);
    struct channel_line *line = channel_lines_find(lines, info.channel_id);
    if (line != NULL)
        look_in(line, device, &posts);
    channel_lines_unlock(lines);
    channel_tickets_post(shard, posts);
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
    channel_lines_lock(lines);
    for (uint32_t i = 0; i < BUCKETS; i++)
        for (struct list *node = lines->buckets[i].next; node != &lines->buckets[i];
             node = node->next) {
            const struct channel_line *line = container_of(node, struct channel_line, node);
            visit(line->channel, line->holder->session, line->queue.size, context);
        }
    channel_lines_unlock(lines);
}
