#include "server/ops/northbound_numbers.h"

#include <inttypes.h>
#include <string.h>

#include "server/journal/journal.h"
#include "server/northbound/northbound.h"
#include "server/northbound/plugin_host.h"
#include "server/ops/plain_text.h"
#include "server/ops/samples.h"
#include "server/ops/stats_rows.h"

static void single(struct page *page, const char *name, enum sample_type type,
                   const _Atomic uint64_t *value, const char *help)
{
    sample_only(page, name, type, sample_of(value), help);
}

static uint64_t lag_of(const struct server *server, const struct consumer *consumer)
{
    uint64_t newest = sample_of(&server->journal_counters->committed);
    uint64_t position = sample_of(&consumer->counters.position);

    return newest > position ? newest - position : 0;
}

static uint64_t removed_of(const struct server *server, const struct consumer *consumer)
{
    uint64_t oldest = sample_of(&server->journal_counters->oldest);
    uint64_t position = sample_of(&consumer->counters.position);

    return oldest > position + 1 ? oldest - 1 - position : 0;
}

static void write_calls(const struct northbound *northbound, struct page *page)
{
    const struct northbound_counters *counters = northbound_counters(northbound);

    single(page, "cencd_northbound_calls_total", SAMPLE_COUNTER, &counters->calls, "Calls begun.");
    sample_head(page, "cencd_northbound_statuses_total", SAMPLE_COUNTER,
                "How calls ended, by gRPC's status.");
    for (int code = 0; code < GRPC_CODE_COUNT; code++)
        page_print(page, "cencd_northbound_statuses_total{status=\"%s\"} %" PRIu64 "\n",
                   grpc_code_name((enum grpc_code)code), sample_of(&counters->codes[code]));
    single(page, "cencd_northbound_unauthenticated_total", SAMPLE_COUNTER,
           &counters->unauthenticated, "Calls without a good token or certificate.");
    single(page, "cencd_northbound_events_sent_total", SAMPLE_COUNTER, &counters->events_sent,
           "Events sent to consumers.");
    single(page, "cencd_northbound_device_statuses_sent_total", SAMPLE_COUNTER,
           &counters->statuses_sent, "Statuses of devices sent to consumers.");
    single(page, "cencd_northbound_registrations_waiting", SAMPLE_GAUGE,
           &counters->registrations_waiting,
           "Devices that wait for an answer to their registration.");
    single(page, "cencd_northbound_ledger_failures_total", SAMPLE_COUNTER,
           &counters->ledger_failures, "Transactions of the ledger that failed.");
}

static void write_connections(const struct northbound *northbound, struct page *page)
{
    const struct http2_counters *http2 = northbound_http2_counters(northbound);

    single(page, "cencd_northbound_connections", SAMPLE_GAUGE, &http2->connections,
           "Connections now.");
    single(page, "cencd_northbound_streams", SAMPLE_GAUGE, &http2->streams, "HTTP/2 streams now.");
    single(page, "cencd_northbound_accepts_total", SAMPLE_COUNTER, &http2->accepted,
           "Connections accepted.");
    single(page, "cencd_northbound_streams_total", SAMPLE_COUNTER, &http2->opened,
           "HTTP/2 streams opened.");
    single(page, "cencd_northbound_streams_reset_total", SAMPLE_COUNTER, &http2->reset,
           "Streams that clients cancelled or lost.");
    single(page, "cencd_northbound_received_bytes_total", SAMPLE_COUNTER, &http2->bytes_received,
           "Bytes from consumers.");
    single(page, "cencd_northbound_sent_bytes_total", SAMPLE_COUNTER, &http2->bytes_sent,
           "Bytes to consumers.");
}

static void write_each(const struct northbound *northbound, struct page *page, const char *name,
                       enum sample_type type, size_t offset, const char *help)
{
    const struct consumers *consumers = northbound_consumers(northbound);

    sample_head(page, name, type, help);
    for (size_t i = 0; i < consumers->account_count; i++) {
        const char *counters = (const char *)&consumers->all[i].counters;
        page_print(page, "%s{consumer=\"%s\"} %" PRIu64 "\n", name, consumers->all[i].config->name,
                   sample_of((const _Atomic uint64_t *)(const void *)(counters + offset)));
    }
}

static void write_consumers(const struct server *server, struct page *page)
{
    const struct consumers *consumers = northbound_consumers(server->northbound);

    sample_head(page, "cencd_consumer_connected", SAMPLE_GAUGE, "1 if it has a stream of events.");
    for (size_t i = 0; i < consumers->account_count; i++)
        page_print(page, "cencd_consumer_connected{consumer=\"%s\"} %d\n",
                   consumers->all[i].config->name,
                   atomic_load(&consumers->all[i].counters.connected));
    sample_head(page, "cencd_consumer_lag", SAMPLE_GAUGE,
                "Events on the disk that it hasn't acknowledged.");
    for (size_t i = 0; i < consumers->account_count; i++)
        page_print(page, "cencd_consumer_lag{consumer=\"%s\"} %" PRIu64 "\n",
                   consumers->all[i].config->name, lag_of(server, &consumers->all[i]));
    sample_head(page, "cencd_consumer_removed_events", SAMPLE_GAUGE,
                "Events that it hasn't acknowledged, and that retention has removed.");
    for (size_t i = 0; i < consumers->account_count; i++)
        page_print(page, "cencd_consumer_removed_events{consumer=\"%s\"} %" PRIu64 "\n",
                   consumers->all[i].config->name, removed_of(server, &consumers->all[i]));
    sample_head(page, "cencd_consumer_projects_missing", SAMPLE_GAUGE,
                "Projects that the configuration gives it and that don't exist.");
    for (size_t i = 0; i < consumers->account_count; i++)
        page_print(page, "cencd_consumer_projects_missing{consumer=\"%s\"} %d\n",
                   consumers->all[i].config->name,
                   __builtin_popcount(atomic_load(&consumers->all[i].counters.missing_projects)));
    write_each(server->northbound, page, "cencd_consumer_position", SAMPLE_GAUGE,
               offsetof(struct consumer_counters, position), "The event it has acknowledged.");
    write_each(server->northbound, page, "cencd_consumer_events_sent_total", SAMPLE_COUNTER,
               offsetof(struct consumer_counters, sent), "Events sent to it.");
    write_each(server->northbound, page, "cencd_consumer_sent_bytes_total", SAMPLE_COUNTER,
               offsetof(struct consumer_counters, sent_bytes), "Their bytes.");
    write_each(server->northbound, page, "cencd_consumer_streams_total", SAMPLE_COUNTER,
               offsetof(struct consumer_counters, streams), "Streams of events it began.");
}

static void write_told(const struct northbound *northbound, struct page *page, const char *name,
                       enum sample_type type, size_t offset, const char *help)
{
    const struct plugin_host *host = northbound_plugins(northbound);

    sample_head(page, name, type, help);
    for (size_t i = 0; i < host->count; i++) {
        const char *counters = (const char *)&host->all[i].counters;
        page_print(page, "%s{plugin=\"%s\"} %" PRIu64 "\n", name, host->all[i].plugin->plugin->name,
                   sample_of((const _Atomic uint64_t *)(const void *)(counters + offset)));
    }
}

static void write_plugins(const struct server *server, struct page *page)
{
    const struct plugin_host *host = northbound_plugins(server->northbound);

    sample_head(page, "cencd_registration_plugin_lag", SAMPLE_GAUGE,
                "Events on the disk that are beyond what it has been told.");
    for (size_t i = 0; i < host->count; i++)
        page_print(page, "cencd_registration_plugin_lag{plugin=\"%s\"} %" PRIu64 "\n",
                   host->all[i].plugin->plugin->name, lag_of(server, host->all[i].consumer));
    sample_head(page, "cencd_registration_plugin_waiting", SAMPLE_GAUGE,
                "1 if it waits for the next attempt after it asked for later.");
    for (size_t i = 0; i < host->count; i++)
        page_print(page, "cencd_registration_plugin_waiting{plugin=\"%s\"} %d\n",
                   host->all[i].plugin->plugin->name, atomic_load(&host->all[i].counters.waits));
    sample_head(page, "cencd_registration_plugin_unanswered", SAMPLE_GAUGE,
                "1 if it hasn't come back for 30 s.");
    for (size_t i = 0; i < host->count; i++)
        page_print(page, "cencd_registration_plugin_unanswered{plugin=\"%s\"} %d\n",
                   host->all[i].plugin->plugin->name,
                   atomic_load(&host->all[i].counters.unanswered));
    write_told(server->northbound, page, "cencd_registration_plugin_told_total", SAMPLE_COUNTER,
               offsetof(struct told_counters, told), "Facts that it took.");
    write_told(server->northbound, page, "cencd_registration_plugin_retries_total", SAMPLE_COUNTER,
               offsetof(struct told_counters, retries), "Times that it asked for later.");
    write_told(server->northbound, page, "cencd_registration_plugin_refused_total", SAMPLE_COUNTER,
               offsetof(struct told_counters, refused), "Facts that it refused.");
    write_told(server->northbound, page, "cencd_registration_plugin_gaps_total", SAMPLE_COUNTER,
               offsetof(struct told_counters, gaps),
               "Times that retention removed what it had not been told.");
}

void northbound_metrics(const struct server *server, struct page *page)
{
    if (server->northbound == NULL)
        return;
    write_connections(server->northbound, page);
    write_calls(server->northbound, page);
    write_consumers(server, page);
    write_plugins(server, page);
}

static json_t *missing_projects(const struct consumer *consumer)
{
    const struct config_projects *projects = &consumer->config->projects;
    uint32_t missing = atomic_load(&consumer->counters.missing_projects);
    json_t *names = json_array();

    for (size_t i = 0; i < projects->count; i++)
        if ((missing >> i & 1) != 0)
            (void)json_array_append_new(names, json_string(projects->names[i]));
    return names;
}

static json_t *consumer_row(const struct server *server, const struct consumer *consumer)
{
    const struct consumer_counters *counters = &consumer->counters;

    return json_pack(
        "{s:s, s:b, s:I, s:I, s:I, s:I, s:o}", "name", consumer->config->name, "connected",
        atomic_load(&counters->connected) ? 1 : 0, "position",
        (json_int_t)sample_of(&counters->position), "lag", (json_int_t)lag_of(server, consumer),
        "sent", (json_int_t)sample_of(&counters->sent), "streams",
        (json_int_t)sample_of(&counters->streams), "projects_missing", missing_projects(consumer));
}

static json_t *plugin_row(const struct server *server, struct told_plugin *told)
{
    const struct told_counters *counters = &told->counters;
    char text[TOLD_ERROR_SIZE];
    char readable[PLAIN_TEXT_SIZE(TOLD_ERROR_SIZE)];
    uint64_t utc_ms = told_last_error(told, text);

    (void)plain_text((const uint8_t *)text, strlen(text), readable);
    return json_pack(
        "{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "name", told->plugin->plugin->name,
        "state", told_state(told), "position",
        (json_int_t)sample_of(&told->consumer->counters.position), "lag",
        (json_int_t)lag_of(server, told->consumer), "told", (json_int_t)sample_of(&counters->told),
        "retries", (json_int_t)sample_of(&counters->retries), "refused",
        (json_int_t)sample_of(&counters->refused), "gaps", (json_int_t)sample_of(&counters->gaps),
        "last_error",
        utc_ms == 0 ? json_null()
                    : json_pack("{s:o, s:s}", "time", stats_time(utc_ms), "text", readable));
}

json_t *northbound_stats(const struct server *server)
{
    const struct consumers *consumers;
    const struct plugin_host *host;
    json_t *rows = json_array();
    json_t *plugins = json_array();

    if (server->northbound == NULL || rows == NULL || plugins == NULL) {
        json_decref(rows);
        json_decref(plugins);
        return server->northbound == NULL ? json_null() : NULL;
    }
    consumers = northbound_consumers(server->northbound);
    for (size_t i = 0; i < consumers->account_count; i++)
        (void)json_array_append_new(rows, consumer_row(server, &consumers->all[i]));
    host = northbound_plugins(server->northbound);
    for (size_t i = 0; i < host->count; i++)
        (void)json_array_append_new(plugins, plugin_row(server, &host->all[i]));
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:o, s:o}", "connections",
        (json_int_t)sample_of(&northbound_http2_counters(server->northbound)->connections),
        "streams", (json_int_t)sample_of(&northbound_http2_counters(server->northbound)->streams),
        "calls", (json_int_t)sample_of(&northbound_counters(server->northbound)->calls),
        "registrations_waiting",
        (json_int_t)sample_of(&northbound_counters(server->northbound)->registrations_waiting),
        "consumers", rows, "plugins", plugins);
}
