#include "server/link/early_pushes.h"

#include <stdlib.h>
#include <string.h>

#include "server/link/datagrams.h"

#define LOOK_MS          10u
#define PATIENCE_MS      30000u /* as the link of a new device has for its record */
#define STOP_PATIENCE_MS 1000u
#define MAX_PUSHES       1000u
#define MAX_BYTES        (4u << 20)

struct early_push {
    struct list node;
    uint64_t since_ms;
    struct push_source source;
    struct plugin_push push;
    uint8_t raw[];
};

static const char *scope_of(const struct push_source *source)
{
    return source->shard->server->config->listeners[source->listener].scope;
}

static struct device *known(const struct push_source *source, const struct plugin_push *push)
{
    return directory_known(source->shard->server->directory, scope_of(source), push->serial);
}

/* There is such a device, but its record isn't on the disk. */
static bool is_early(const struct push_source *source, const struct plugin_push *push)
{
    struct directory *directory = source->shard->server->directory;
    return source->device == NULL && push->serial[0] != '\0' && known(source, push) == NULL &&
           directory_find(directory, scope_of(source), push->serial) != NULL;
}

static void let_go(struct shard *shard, struct early_push *early)
{
    list_remove(&early->node);
    shard->early_count--;
    shard->early_bytes -= early->push.raw_size;
    push_settle(&early->source, &early->push, known(&early->source, &early->push));
    atomic_fetch_sub(&shard->server->messages, 1);
    free(early);
}

static bool must_wait(const struct shard *shard, const struct early_push *early)
{
    uint64_t waited_ms = reactor_now_ms(shard->reactor) - early->since_ms;
    return waited_ms < (shard->stopping ? STOP_PATIENCE_MS : PATIENCE_MS) &&
           is_early(&early->source, &early->push);
}

static void look(struct timer *timer)
{
    struct shard *shard = container_of(timer, struct shard, early_look);
    struct list *next;
    for (struct list *node = shard->early_pushes.next; node != &shard->early_pushes; node = next) {
        struct early_push *early = container_of(node, struct early_push, node);
        next = node->next;
        if (!must_wait(shard, early))
            let_go(shard, early);
    }
    datagrams_review(shard);
    if (!list_empty(&shard->early_pushes))
        timer_start_fine(shard->reactor, timer, LOOK_MS);
}

bool early_push_keep(const struct push_source *source, const struct plugin_push *push)
{
    struct shard *shard = source->shard;
    if (shard->stopping || !is_early(source, push) || shard->early_count == MAX_PUSHES ||
        shard->early_bytes + push->raw_size > MAX_BYTES)
        return false;
    struct early_push *early = malloc(sizeof *early + push->raw_size);
    if (early == NULL)
        return false;
    early->since_ms = reactor_now_ms(shard->reactor);
    early->source = *source;
    early->push = *push;
    if (push->raw_size > 0)
        memcpy(early->raw, push->raw, push->raw_size);
    early->push.raw = early->raw;
    list_append(&shard->early_pushes, &early->node);
    shard->early_count++;
    shard->early_bytes += push->raw_size;
    atomic_fetch_add(&shard->server->messages, 1); /* a stop waits for it */
    if (!timer_running(&shard->early_look))
        timer_start_fine(shard->reactor, &shard->early_look, LOOK_MS);
    return true;
}

void early_pushes_init(struct shard *shard)
{
    list_init(&shard->early_pushes);
    timer_init(&shard->early_look, look);
}
