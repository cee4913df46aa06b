#include "server/link/push.h"

#include <string.h>

#include "server/base/check.h"
#include "server/base/log.h"
#include "server/link/datagrams.h"
#include "server/link/early_pushes.h"
#include "server/link/link.h"
#include "server/link/push_events.h"

/* Lines about unknown serials within a second: anybody can send a datagram. */
#define MAX_LINES 20u

void push_answer_make(const struct push_source *source, const struct plugin_push *push,
                      struct push_answer *answer)
{
    memset(answer, 0, sizeof *answer);
    answer->size = push->ack_size < PLUGIN_ACK_SIZE ? push->ack_size : PLUGIN_ACK_SIZE;
    memcpy(answer->data, push->ack, answer->size);
    answer->listener = source->listener;
    answer->link = source->link;
    answer->peer = source->peer;
    answer->local = source->local;
}

void push_acknowledge(struct shard *shard, const struct push_answer *answer)
{
    if (answer->size == 0)
        return;
    if (answer->link.id == 0) {
        datagrams_answer(shard, answer);
        return;
    }
    struct link *link = link_find(shard, &answer->link);
    if (link == NULL)
        return;
    link_answer(link, answer->data, answer->size);
    greeting_answered(link);
}

void push_unanswered(struct shard *shard, const struct push_answer *answer)
{
    struct link *link = answer->link.id != 0 ? link_find(shard, &answer->link) : NULL;
    if (link != NULL)
        greeting_answered(link);
}

/* ---- receiving ---- */

static bool may_log(struct shard *shard)
{
    uint64_t second = reactor_now_ms(shard->reactor) / 1000;
    if (shard->push_lines_second != second) {
        shard->push_lines_second = second;
        shard->push_lines = 0;
    }
    return shard->push_lines++ < MAX_LINES;
}

static struct device *device_of(const struct push_source *source, const struct plugin_push *push)
{
    const struct server *server = source->shard->server;
    if (source->device != NULL || push->serial[0] == '\0')
        return source->device;
    return directory_known(server->directory, server->config->listeners[source->listener].scope,
                           push->serial);
}

static void tell_unknown(const struct push_source *source, const struct plugin_push *push)
{
    const struct config_listener *listener =
        &source->shard->server->config->listeners[source->listener];
    char peer[ADDRESS_TEXT_SIZE];
    count_up(&source->shard->counters.unknown_gasps, 1);
    if (!may_log(source->shard))
        return;
    struct log_context context = {
        .module = "push", .link = source->link.id, .serial = push->serial};
    log_line(LOG_WARN, &context, "last gasp of an unknown device", "listener=%s peer=%s",
             listener->name, address_format(&source->peer, peer));
}

static void mask(const struct push_source *source, const struct plugin_push *push)
{
    const struct config_plugin *plugin =
        &source->shard->server->config->listeners[source->listener].plugins[source->plugin];
    if (plugin->plugin->mask != NULL && push->raw_size > 0)
        plugin->plugin->mask((uint8_t *)(uintptr_t)push->raw, push->raw_size);
}

void push_settle(const struct push_source *source, const struct plugin_push *push,
                 struct device *device)
{
    if (push->kind == PLUGIN_PUSH_LAST_GASP && device == NULL)
        tell_unknown(source, push);
    push_record(source, push, device);
}

void push_received(const struct push_source *source, const struct plugin_push *push)
{
    CHECK(push->serial[PLUGIN_SERIAL_SIZE - 1] == '\0' && push->rule[PLUGIN_RULE_SIZE - 1] == '\0');
    struct listener_counters *counters = &source->shard->counters.listeners[source->listener];
    struct device *device = device_of(source, push);
    count_up(&counters->pushes, 1);
    if (push->kind == PLUGIN_PUSH_LAST_GASP)
        count_up(&counters->last_gasps, 1);
    mask(source, push);
    if (device != NULL || !early_push_keep(source, push))
        push_settle(source, push, device);
}
