#include "server/ops/health.h"

#include <stdlib.h>

#include "server/base/log.h"
#include "server/ops/durable_numbers.h"

struct shard_health {
    uint64_t turns;
    _Atomic uint32_t unchanged; /* samples since turns changed */
};

struct health {
    const struct server *server;
    struct shard_health shards[];
};

static uint64_t turns_of(const struct shard *shard)
{
    return atomic_load_explicit(&reactor_counters(shard->reactor)->turns, memory_order_relaxed);
}

enum status health_create(const struct server *server, struct health **health)
{
    struct health *made =
        calloc(1, sizeof(*made) + server->shard_count * sizeof(struct shard_health));

    if (made == NULL)
        return STATUS_NO_MEMORY;
    made->server = server;
    for (uint32_t i = 0; i < server->shard_count; i++)
        made->shards[i].turns = turns_of(server->shards[i]);
    *health = made;
    return STATUS_OK;
}

void health_free(struct health *health)
{
    free(health);
}

static bool is_stuck(const struct shard_health *shard)
{
    return atomic_load_explicit(&shard->unchanged, memory_order_relaxed) >= HEALTH_SAMPLES;
}

static void sample_shard(struct shard_health *shard, uint64_t turns, uint32_t index)
{
    struct log_context context = {.module = "ops"};
    bool was_stuck = is_stuck(shard);
    uint32_t unchanged = atomic_load_explicit(&shard->unchanged, memory_order_relaxed);

    if (turns != shard->turns)
        unchanged = 0;
    else if (unchanged < HEALTH_SAMPLES)
        unchanged++;
    shard->turns = turns;
    atomic_store_explicit(&shard->unchanged, unchanged, memory_order_relaxed);
    if (is_stuck(shard) && !was_stuck)
        log_line(LOG_ERROR, &context, "a shard is stuck", "shard=%u", index);
    if (was_stuck && !is_stuck(shard))
        log_line(LOG_WARN, &context, "a stuck shard turns again", "shard=%u", index);
}

void health_sample(struct health *health)
{
    for (uint32_t i = 0; i < health->server->shard_count; i++)
        sample_shard(&health->shards[i], turns_of(health->server->shards[i]), i);
}

bool health_report(const struct health *health, struct page *page)
{
    bool good = true;

    for (uint32_t i = 0; i < health->server->shard_count; i++) {
        if (!is_stuck(&health->shards[i]))
            continue;
        page_print(page, "shard %u has not turned for %d s\n", i, HEALTH_SAMPLES);
        good = false;
    }
    if (good)
        page_print(page, "ok\n");
    return good;
}

bool health_ready(const struct server *server, struct page *page)
{
    if (atomic_load(&server->stopping)) {
        page_print(page, "the server stops\n");
        return false;
    }
    if (!atomic_load(&server->ready)) {
        page_print(page, "the shards are not all started yet\n");
        return false;
    }
    if (!durable_is_durable(server)) {
        page_print(page, "the disk takes no events: nothing is recorded\n");
        return false;
    }
    page_print(page, "ready\n");
    return true;
}
