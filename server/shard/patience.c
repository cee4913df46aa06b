#include "server/shard/patience.h"

#include "server/journal/journal.h"

#define LOOK_MS 50u

static bool all_shards_stop(const struct server *server)
{
    return atomic_load(&server->shards_stopping) == server->shard_count;
}

static bool is_over(struct patience *patience)
{
    uint64_t now_ms = reactor_now_ms(patience->reactor);
    if (atomic_load(&patience->server->journal_counters->durable))
        patience->stuck_since_ms = 0;
    else if (patience->stuck_since_ms == 0)
        patience->stuck_since_ms = now_ms;
    return patience->stuck_since_ms != 0 && now_ms - patience->stuck_since_ms >= PATIENCE_MS;
}

static void look(struct timer *timer)
{
    struct patience *patience = container_of(timer, struct patience, look);
    if (is_over(patience)) {
        patience_end(patience);
        patience->over(patience);
    } else {
        timer_start_fine(patience->reactor, timer, LOOK_MS);
    }
}

void patience_init(struct patience *patience, const struct server *server, struct reactor *reactor,
                   void (*over)(struct patience *patience))
{
    patience->server = server;
    patience->reactor = reactor;
    patience->over = over;
    patience->stuck_since_ms = 0;
    patience->ended = false;
    timer_init(&patience->look, look);
}

void patience_turn(struct patience *patience)
{
    if (!patience->ended && !timer_running(&patience->look) && all_shards_stop(patience->server))
        timer_start_fine(patience->reactor, &patience->look, 0);
}

void patience_end(struct patience *patience)
{
    patience->ended = true;
    timer_stop(&patience->look);
}
