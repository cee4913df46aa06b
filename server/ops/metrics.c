#include "server/ops/metrics.h"

#include <inttypes.h>

#include "server/base/log.h"
#include "server/link/listening.h"
#include "server/ops/account_numbers.h"
#include "server/ops/durable_numbers.h"
#include "server/ops/northbound_numbers.h"
#include "server/ops/samples.h"
#include "server/ops/totals.h"

/* A label value: backslash, quote and newline are escaped. */
static void label_value(struct page *page, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n')
            page_add(page, "\\n", 2);
        else if (*text == '\\' || *text == '"')
            page_print(page, "\\%c", *text);
        else
            page_add(page, text, 1);
    }
}

/* ---- the server as a whole ---- */

static void write_build(const struct server *server, struct page *page)
{
    sample_head(page, "cencd_build_info", SAMPLE_GAUGE,
                "Always 1; the labels tell version and node.");
    page_print(page, "cencd_build_info{version=\"");
    label_value(page, CENCD_VERSION);
    page_print(page, "\",node=\"");
    label_value(page, server->config->server.node);
    page_print(page, "\"} 1\n");
    sample_head(page, "process_start_time_seconds", SAMPLE_GAUGE,
                "When the server started, since 1970 in UTC.");
    page_print(page, "process_start_time_seconds %" PRIu64 ".%03u\n", server->started_utc_ms / 1000,
               (unsigned)(server->started_utc_ms % 1000));
    sample_only(page, "cencd_shards", SAMPLE_GAUGE, server->shard_count,
                "Threads that carry links.");
    sample_only(page, "cencd_log_lines_dropped_total", SAMPLE_COUNTER, log_dropped(),
                "Log lines that nobody read in time.");
}

static void write_limits(const struct server *server, struct page *page)
{
    const struct config *config = server->config;

    sample_only(page, "cencd_links", SAMPLE_GAUGE, sample_of(&server->links),
                "Links now, in all states.");
    sample_only(page, "cencd_links_limit", SAMPLE_GAUGE, config->limits.links, "limits.links.");
    sample_only(page, "cencd_unidentified_links", SAMPLE_GAUGE, sample_of(&server->unidentified),
                "Links now whose device isn't known yet.");
    sample_only(page, "cencd_unidentified_links_limit", SAMPLE_GAUGE, config->limits.unidentified,
                "limits.unidentified.");
    sample_only(page, "cencd_sessions", SAMPLE_GAUGE, sample_of(&server->sessions),
                "Sessions now: agents joined to a device, or on their way to it.");
    sample_only(page, "cencd_sessions_limit", SAMPLE_GAUGE, config->limits.sessions,
                "limits.sessions.");
    sample_only(page, "cencd_visitors", SAMPLE_GAUGE, sample_of(&server->visitors),
                "Agents' connections without a session.");
    sample_only(page, "cencd_visitors_limit", SAMPLE_GAUGE, config->agents.connections,
                "agents.connections.");
}

static void write_directory(const struct server *server, struct page *page)
{
    const struct config *config = server->config;
    struct directory_counts counts;

    directory_count(server->directory, &counts);
    sample_only(page, "cencd_devices", SAMPLE_GAUGE, counts.devices,
                "Devices known, online or not.");
    sample_only(page, "cencd_devices_limit", SAMPLE_GAUGE, config->limits.devices,
                "limits.devices.");
    sample_only(page, "cencd_devices_online", SAMPLE_GAUGE, counts.online,
                "Devices with a link now.");
    sample_only(page, "cencd_devices_in_session", SAMPLE_GAUGE, counts.in_session,
                "Devices that an agent talks to now.");
    sample_only(page, "cencd_direct_ports_leased", SAMPLE_GAUGE, counts.ports_leased,
                "Direct ports that belong to a device.");
    sample_only(page, "cencd_direct_ports_limit", SAMPLE_GAUGE,
                config->direct_ports.enabled
                    ? (uint64_t)config->direct_ports.last - config->direct_ports.first + 1
                    : 0,
                "Direct ports in direct_ports.range; 0 if they are off.");
    sample_only(page, "cencd_replacements_total", SAMPLE_COUNTER, counts.replacements,
                "Links that gave way to a newer one of their device.");
    sample_only(page, "cencd_flapping_total", SAMPLE_COUNTER, counts.flapping,
                "Times a newcomer was held because its device was replaced too often.");
}

static void write_close_reasons(const struct server *server, struct page *page)
{
    sample_head(page, "cencd_closed_total", SAMPLE_COUNTER,
                "Links and agents' connections that were closed, by reason.");
    for (int reason = 0; reason < CLOSE_REASON_COUNT; reason++)
        page_print(page, "cencd_closed_total{layer=\"%s\",cause=\"%s\"} %" PRIu64 "\n",
                   close_layer((enum close_reason)reason), close_cause((enum close_reason)reason),
                   totals_closed(server, (enum close_reason)reason));
}

/* ---- each listener ---- */

static const struct {
    const char *name;
    size_t offset;
    const char *help;
} listener_counters[] = {
    {"cencd_listener_accepted_total", offsetof(struct listener_totals, accepted),
     "Connections accepted, or datagrams received."},
    {"cencd_listener_identified_total", offsetof(struct listener_totals, identified),
     "Links whose device was found out."},
    {"cencd_listener_failed_total", offsetof(struct listener_totals, failed),
     "Links that ended before their device was known, or datagrams that no plugin knew."},
    {"cencd_listener_received_bytes_total", offsetof(struct listener_totals, bytes_received),
     "Bytes received from devices."},
    {"cencd_listener_pushes_total", offsetof(struct listener_totals, pushes),
     "Messages that devices pushed: last gasps, alarms, data."},
    {"cencd_listener_last_gasps_total", offsetof(struct listener_totals, last_gasps),
     "Last gasps among them."},
    {"cencd_listener_datagrams_overrun_total", offsetof(struct listener_totals, datagrams_overrun),
     "Datagrams that were lost because the socket's buffer was full."},
    {"cencd_listener_datagrams_truncated_total",
     offsetof(struct listener_totals, datagrams_truncated),
     "Datagrams longer than a receive buffer."},
    {"cencd_listener_datagrams_sent_total", offsetof(struct listener_totals, datagrams_sent),
     "Datagrams sent: acknowledgements."},
    {"cencd_listener_datagram_errors_total", offsetof(struct listener_totals, datagram_errors),
     "Datagrams that could not be received or sent."},
};

static void listener_sample(struct page *page, const char *name, const char *listener,
                            const char *state, uint64_t value)
{
    page_print(page, "%s{listener=\"", name);
    label_value(page, listener);
    if (state != NULL)
        page_print(page, "\",state=\"%s", state);
    page_print(page, "\"} %" PRIu64 "\n", value);
}

static void write_listener_states(const struct server *server, struct page *page)
{
    const struct config *config = server->config;

    sample_head(page, "cencd_listener_links", SAMPLE_GAUGE, "Links now, by state.");
    for (uint32_t i = 0; i < config->listener_count; i++) {
        const char *listener = config->listeners[i].name;
        struct listener_totals totals;
        totals_listener(server, i, &totals);
        listener_sample(page, "cencd_listener_links", listener, "greeting", totals.greeting);
        listener_sample(page, "cencd_listener_links", listener, "idle", totals.idle);
        listener_sample(page, "cencd_listener_links", listener, "in_session", totals.in_session);
    }
    sample_head(page, "cencd_listener_links_limit", SAMPLE_GAUGE,
                "The listener's max_links; 0: none.");
    for (uint32_t i = 0; i < config->listener_count; i++)
        listener_sample(page, "cencd_listener_links_limit", config->listeners[i].name, NULL,
                        config->listeners[i].max_links);
    sample_head(page, "cencd_listener_accepting", SAMPLE_GAUGE,
                "1 if limits let the listener take links, 0 if it waits or the server stops.");
    for (uint32_t i = 0; i < config->listener_count; i++)
        listener_sample(page, "cencd_listener_accepting", config->listeners[i].name, NULL,
                        totals_accepting(server, i));
    sample_head(page, "cencd_listener_running", SAMPLE_GAUGE,
                "1 if the listener is open, 0 if an operator stopped it; also those for agents.");
    for (uint32_t i = 0; i < server->listening->count; i++)
        listener_sample(page, "cencd_listener_running", listening_name(server, i), NULL,
                        listening_running(server, i));
}

static void write_listeners(const struct server *server, struct page *page)
{
    const struct config *config = server->config;

    for (size_t k = 0; k < sizeof(listener_counters) / sizeof(listener_counters[0]); k++) {
        sample_head(page, listener_counters[k].name, SAMPLE_COUNTER, listener_counters[k].help);
        for (uint32_t i = 0; i < config->listener_count; i++) {
            struct listener_totals totals;
            totals_listener(server, i, &totals);
            const char *at = (const char *)&totals + listener_counters[k].offset;
            listener_sample(page, listener_counters[k].name, config->listeners[i].name, NULL,
                            *(const uint64_t *)(const void *)at);
        }
    }
    write_listener_states(server, page);
}

/* ---- each shard ---- */

struct shard_metric {
    const char *name;
    enum sample_type type;
    size_t offset;
    const char *help;
};

#define SHARD(member)   offsetof(struct shard_counters, member)
#define REACTOR(member) offsetof(struct reactor_counters, member)

static const struct shard_metric shard_metrics[] = {
    {"cencd_shard_sessions_started_total", SAMPLE_COUNTER, SHARD(sessions_started),
     "Agents that came to be joined to a device."},
    {"cencd_shard_sessions", SAMPLE_GAUGE, SHARD(sessions), "Agents' connections now."},
    {"cencd_shard_waited_total", SAMPLE_COUNTER, SHARD(waited),
     "Times an agent had to wait for another one's session."},
    {"cencd_shard_kept_total", SAMPLE_COUNTER, SHARD(kept),
     "Times an agent's connection went on after a session or a refusal: virtual modems."},
    {"cencd_shard_agent_sent_bytes_total", SAMPLE_COUNTER, SHARD(bytes_to_agents),
     "Bytes from devices to agents in sessions."},
    {"cencd_shard_device_sent_bytes_total", SAMPLE_COUNTER, SHARD(bytes_to_devices),
     "Bytes from agents to devices in sessions."},
    {"cencd_shard_keepalives_total", SAMPLE_COUNTER, SHARD(keepalives),
     "Keepalives of devices that were taken out of their bytes."},
    {"cencd_shard_malformed_total", SAMPLE_COUNTER, SHARD(malformed),
     "Times that bytes of a device broke its framing and were dropped."},
    {"cencd_shard_unclaimed_bytes_total", SAMPLE_COUNTER, SHARD(unclaimed_bytes),
     "Bytes that devices sent while nobody read them."},
    {"cencd_shard_unparsed_skipped_bytes_total", SAMPLE_COUNTER, SHARD(unparsed_skipped_bytes),
     "Such bytes that are in no event."},
    {"cencd_shard_idle_received_bytes_total", SAMPLE_COUNTER, SHARD(idle_bytes),
     "Bytes received from devices outside sessions."},
    {"cencd_shard_held_total", SAMPLE_COUNTER, SHARD(held),
     "New links that waited for an older one of their device."},
    {"cencd_shard_other_network_total", SAMPLE_COUNTER, SHARD(other_network),
     "New links that replaced one from another network."},
    {"cencd_shard_events_lost_total", SAMPLE_COUNTER, SHARD(events_lost),
     "Events that were not recorded for want of memory."},
    {"cencd_shard_unknown_gasps_total", SAMPLE_COUNTER, SHARD(unknown_gasps),
     "Last gasps of serials that the directory doesn't know."},
    {"cencd_shard_pushes_refused_total", SAMPLE_COUNTER, SHARD(pushes_refused),
     "Pushes that could not be recorded: they are not acknowledged."},
    {"cencd_shard_datagram_pauses_total", SAMPLE_COUNTER, SHARD(datagram_pauses),
     "Times that datagrams had to wait since the journal was behind."},
};

static const struct shard_metric reactor_metrics[] = {
    {"cencd_reactor_turns_total", SAMPLE_COUNTER, REACTOR(turns), "Turns of the shard's loop."},
    {"cencd_reactor_completions_total", SAMPLE_COUNTER, REACTOR(completions),
     "Completions handled."},
    {"cencd_reactor_stale_completions_total", SAMPLE_COUNTER, REACTOR(stale_completions),
     "Completions of operations whose owner was gone."},
    {"cencd_reactor_no_buffers_total", SAMPLE_COUNTER, REACTOR(no_buffers),
     "Times a connection had to wait for a receive buffer."},
    {"cencd_reactor_stalled_sends_total", SAMPLE_COUNTER, REACTOR(stalled_sends),
     "Sends that a peer did not take within 100 ms."},
    {"cencd_reactor_accepts_total", SAMPLE_COUNTER, REACTOR(accepts), "Connections accepted."},
    {"cencd_reactor_accept_errors_total", SAMPLE_COUNTER, REACTOR(accept_errors),
     "Accepts that failed."},
    {"cencd_reactor_moves_total", SAMPLE_COUNTER, REACTOR(moves),
     "Connections handed over to another shard."},
    {"cencd_reactor_wakes_total", SAMPLE_COUNTER, REACTOR(wakes),
     "Times another thread woke the shard."},
    {"cencd_reactor_in_flight", SAMPLE_GAUGE, REACTOR(in_flight),
     "Operations under way in the kernel."},
    {"cencd_reactor_slots_used", SAMPLE_GAUGE, REACTOR(slots_used),
     "Descriptors in the ring's table."},
    {"cencd_reactor_private_bytes", SAMPLE_GAUGE, REACTOR(private_bytes),
     "Bytes that wait in private memory, mostly for slow readers."},
    {"cencd_reactor_system_calls_total", SAMPLE_COUNTER, REACTOR(system_calls),
     "System calls of the loop."},
};

static uint64_t counter_at(const void *counters, size_t offset)
{
    return sample_of((const _Atomic uint64_t *)(const void *)((const char *)counters + offset));
}

static void write_shards(const struct server *server, struct page *page)
{
    for (size_t k = 0; k < sizeof(shard_metrics) / sizeof(shard_metrics[0]); k++) {
        const struct shard_metric *metric = &shard_metrics[k];
        sample_head(page, metric->name, metric->type, metric->help);
        for (uint32_t i = 0; i < server->shard_count; i++)
            page_print(page, "%s{shard=\"%u\"} %" PRIu64 "\n", metric->name, i,
                       counter_at(&server->shards[i]->counters, metric->offset));
    }
}

static void write_buffers(const struct server *server, struct page *page)
{
    static const char *const groups[BUFFER_GROUPS] = {"small", "large", "datagram"};

    sample_head(page, "cencd_reactor_buffers_out", SAMPLE_GAUGE,
                "Receive buffers that hold bytes on their way.");
    for (uint32_t i = 0; i < server->shard_count; i++) {
        const struct reactor_counters *counters = reactor_counters(server->shards[i]->reactor);
        for (size_t group = 0; group < BUFFER_GROUPS; group++)
            page_print(page, "cencd_reactor_buffers_out{shard=\"%u\",group=\"%s\"} %" PRIu64 "\n",
                       i, groups[group], sample_of(&counters->buffers_out[group]));
    }
}

static void write_reactors(const struct server *server, struct page *page)
{
    for (size_t k = 0; k < sizeof(reactor_metrics) / sizeof(reactor_metrics[0]); k++) {
        const struct shard_metric *metric = &reactor_metrics[k];
        sample_head(page, metric->name, metric->type, metric->help);
        for (uint32_t i = 0; i < server->shard_count; i++)
            page_print(page, "%s{shard=\"%u\"} %" PRIu64 "\n", metric->name, i,
                       counter_at(reactor_counters(server->shards[i]->reactor), metric->offset));
    }
    write_buffers(server, page);
}

static void write_certificates(const struct server *server, struct page *page)
{
    uint32_t count = atomic_load(&server->certificates.count);
    if (count == 0)
        return; /* a family without a sample is of no use to anybody */
    sample_head(
        page, "cencd_certificate_expires_timestamp_seconds", SAMPLE_GAUGE,
        "When the certificate that is shown there is good no longer, as it was read at the start.");
    for (uint32_t i = 0; i < count; i++)
        page_print(page,
                   "cencd_certificate_expires_timestamp_seconds{section=\"%s\"} %" PRId64 "\n",
                   server->certificates.all[i].section, server->certificates.all[i].expires_utc_s);
}

void metrics_write(const struct server *server, struct page *page)
{
    write_build(server, page);
    write_limits(server, page);
    write_directory(server, page);
    durable_metrics(server, page);
    account_metrics(server, page);
    northbound_metrics(server, page);
    write_certificates(server, page);
    write_close_reasons(server, page);
    write_listeners(server, page);
    write_shards(server, page);
    write_reactors(server, page);
}
