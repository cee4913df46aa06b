#include "server/ops/stats_rows.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "server/base/check.h"
#include "server/link/listening.h"
#include "server/ops/plain_text.h"
#include "server/ops/totals.h"

json_t *stats_time(uint64_t utc_ms)
{
    time_t seconds = (time_t)(utc_ms / 1000);
    struct tm parts;
    char date[32];
    char text[40];

    CHECK(gmtime_r(&seconds, &parts) != NULL);
    if (strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &parts) == 0)
        return json_null();
    (void)snprintf(text, sizeof(text), "%s.%03uZ", date, (unsigned)(utc_ms % 1000));
    return json_string(text);
}

/* Texts of devices, plugins and the configuration are shorter than this. */
#define TEXT_SIZE 96

static json_t *text_of(const char *text)
{
    char plain[PLAIN_TEXT_SIZE(TEXT_SIZE)];

    return json_string(plain_text((const uint8_t *)text, strnlen(text, TEXT_SIZE), plain));
}

static json_t *address_of(const struct address *address)
{
    char text[ADDRESS_TEXT_SIZE];

    return address->family == 0 ? json_null() : json_string(address_format(address, text));
}

static json_t *listener_name(const struct server *server, uint32_t index)
{
    if (index >= server->config->listener_count)
        return json_null();
    return json_string(server->config->listeners[index].name);
}

static json_int_t number(uint64_t value)
{
    return (json_int_t)value;
}

json_t *stats_device(const struct server *server, const struct device_info *info)
{
    bool signal_known = info->signal_csq != PLUGIN_SIGNAL_UNKNOWN;

    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:I, "
                     "s:I, s:I}",
                     "scope", text_of(info->scope), "serial", text_of(info->serial), "kind",
                     text_of(info->kind), "model", text_of(info->model), "firmware",
                     text_of(info->firmware), "hardware", text_of(info->hardware), "signal_csq",
                     signal_known ? json_integer(info->signal_csq) : json_null(), "state",
                     device_state_name(info->state), "direct_port",
                     info->direct_port != 0 ? json_integer(info->direct_port) : json_null(), "peer",
                     address_of(&info->peer), "listener", listener_name(server, info->listener),
                     "first_seen", stats_time(info->first_seen_utc_ms), "last_seen",
                     stats_time(info->last_seen_utc_ms), "last_gasp",
                     info->gasp.utc_ms != 0 ? stats_time(info->gasp.utc_ms) : json_null(), "epoch",
                     number(info->epoch), "bytes_received", number(info->bytes.received),
                     "bytes_sent", number(info->bytes.sent));
}

json_t *stats_listener(const struct server *server, uint32_t index)
{
    const struct config_listener *listener = &server->config->listeners[index];
    struct listener_totals totals;

    totals_listener(server, index, &totals);
    return json_pack("{s:s, s:o, s:s, s:I, s:I, s:I, s:I, s:b, s:b}", "name", listener->name,
                     "address", address_of(&listener->address), "scope", listener->scope, "links",
                     number(atomic_load(&server->listener_links[index])), "accepted",
                     number(totals.accepted), "identified", number(totals.identified), "failed",
                     number(totals.failed), "running", listening_running(server, index) ? 1 : 0,
                     "accepting", totals_accepting(server, index) ? 1 : 0);
}

json_t *stats_way(const struct server *server, uint32_t index)
{
    const struct config_way *way = &server->config->agents.listeners[index];
    bool running = listening_running(server, (uint32_t)server->config->listener_count + index);

    return json_pack("{s:s, s:o, s:s, s:n, s:n, s:n, s:n, s:b, s:b}", "name", way->name, "address",
                     address_of(&way->address), "scope", way->scope, "links", "accepted",
                     "identified", "failed", "running", running ? 1 : 0, "accepting",
                     totals_way_accepting(server, index) ? 1 : 0);
}

static json_int_t counter(const _Atomic uint64_t *value)
{
    return number(atomic_load_explicit(value, memory_order_relaxed));
}

json_t *stats_shard(const struct server *server, uint32_t index)
{
    const struct shard *shard = server->shards[index];
    const struct reactor_counters *reactor = reactor_counters(shard->reactor);

    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "shard", number(index), "turns",
        counter(&reactor->turns), "sessions", counter(&shard->counters.sessions),
        "sessions_started", counter(&shard->counters.sessions_started), "bytes_to_agents",
        counter(&shard->counters.bytes_to_agents), "bytes_to_devices",
        counter(&shard->counters.bytes_to_devices), "slots_used", counter(&reactor->slots_used),
        "in_flight", counter(&reactor->in_flight), "no_buffers", counter(&reactor->no_buffers),
        "private_bytes", counter(&reactor->private_bytes));
}

json_t *stats_failed(const struct server *server, const struct failed_identification *failed)
{
    char hex[HEX_TEXT_SIZE(FAILED_BYTES)];
    char text[PLAIN_TEXT_SIZE(FAILED_BYTES)];
    char reason[64];

    (void)snprintf(reason, sizeof(reason), "%s/%s", close_layer(failed->reason),
                   close_cause(failed->reason));
    return json_pack("{s:I, s:o, s:o, s:o, s:s, s:o, s:I, s:s, s:s}", "number",
                     number(failed->number), "time", stats_time(failed->utc_ms), "peer",
                     address_of(&failed->peer), "listener", listener_name(server, failed->listener),
                     "reason", reason, "why", text_of(failed->why), "size", number(failed->size),
                     "bytes_hex", hex_text(failed->bytes, failed->kept, hex), "bytes_text",
                     plain_text(failed->bytes, failed->kept, text));
}
