#include "server/ops/stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/ops/durable_numbers.h"
#include "server/ops/northbound_numbers.h"
#include "server/ops/stats_rows.h"
#include "server/ops/totals.h"

/* ---- the query ---- */

/* Digits only. */
static bool parse_number(const char *text, uint64_t maximum, uint64_t *number)
{
    uint64_t value = 0;

    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9' || value > (UINT64_MAX - 9) / 10)
            return false;
        value = value * 10 + (uint64_t)(*text - '0');
    }
    *number = value;
    return value <= maximum;
}

enum status stats_query_set(struct stats_query *query, const char *name, const char *value,
                            char *error, size_t error_size)
{
    uint64_t number;
    bool is_from = strcmp(name, "from") == 0;
    bool is_devices = strcmp(name, "devices") == 0;

    if (!is_from && !is_devices && strcmp(name, "failed") != 0) {
        (void)snprintf(error, error_size, "unknown parameter; expected devices, from or failed");
        return STATUS_INVALID;
    }
    if (value == NULL || !parse_number(value, is_from ? INT64_MAX : STATS_MAX_ROWS, &number)) {
        if (is_from)
            (void)snprintf(error, error_size, "from: expected a position, as `next` told it");
        else
            (void)snprintf(error, error_size, "%s: expected a number from 0 to %u", name,
                           STATS_MAX_ROWS);
        return STATUS_INVALID;
    }
    if (is_from)
        query->from = number;
    else if (is_devices)
        query->devices = (uint32_t)number;
    else
        query->failed = (uint32_t)number;
    return STATUS_OK;
}

/* ---- the page ---- */

struct device_rows {
    const struct server *server;
    json_t *array;
    uint32_t left;
    bool failed;
};

static bool add_device(const struct device_info *info, void *context)
{
    struct device_rows *rows = context;

    if (json_array_append_new(rows->array, stats_device(rows->server, info)) != 0)
        rows->failed = true;
    return --rows->left > 0 && !rows->failed;
}

/* next: where the devices after these begin, or null if there are none. */
static json_t *devices(const struct server *server, const struct stats_query *query, json_t **next)
{
    struct device_rows rows = {.server = server, .array = json_array(), .left = query->devices};
    struct directory_counts counts;
    uint64_t position = query->from;

    if (rows.array != NULL && rows.left > 0)
        position = directory_walk(server->directory, position, add_device, &rows);
    directory_count(server->directory, &counts);
    *next = position < counts.devices ? json_integer((json_int_t)position) : json_null();
    if (!rows.failed)
        return rows.array;
    json_decref(rows.array);
    return NULL;
}

static json_t *failed_identifications(const struct server *server, uint32_t wanted)
{
    uint32_t kept = server->config->ops.failed_identifications;
    size_t capacity = wanted < kept ? wanted : kept;
    json_t *array = json_array();
    struct failed_identification *entries =
        capacity == 0 ? NULL : calloc(capacity, sizeof(*entries));
    bool good = array != NULL && (entries != NULL || capacity == 0);

    size_t count = entries == NULL ? 0 : failed_log_read(server->failed, entries, capacity);
    for (size_t i = 0; good && i < count; i++)
        good = json_array_append_new(array, stats_failed(server, &entries[i])) == 0;
    free(entries);
    if (good)
        return array;
    json_decref(array);
    return NULL;
}

/* One row for each index below count. */
static json_t *rows(const struct server *server, size_t count,
                    json_t *(*row)(const struct server *server, uint32_t index))
{
    json_t *array = json_array();

    for (uint32_t i = 0; array != NULL && i < count; i++) {
        if (json_array_append_new(array, row(server, i)) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *links(const struct server *server)
{
    struct listener_totals sum = {0};

    for (uint32_t i = 0; i < server->config->listener_count; i++) {
        struct listener_totals one;
        totals_listener(server, i, &one);
        sum.greeting += one.greeting;
        sum.idle += one.idle;
        sum.in_session += one.in_session;
    }
    return json_pack("{s:I, s:I, s:I}", "greeting", (json_int_t)sum.greeting, "idle",
                     (json_int_t)sum.idle, "in_session", (json_int_t)sum.in_session);
}

static json_t *directory_counts(const struct server *server)
{
    struct directory_counts counts;

    directory_count(server->directory, &counts);
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "devices", (json_int_t)counts.devices,
                     "online", (json_int_t)counts.online, "in_session",
                     (json_int_t)counts.in_session, "ports_leased", (json_int_t)counts.ports_leased,
                     "replacements", (json_int_t)counts.replacements, "flapping",
                     (json_int_t)counts.flapping);
}

static json_t *close_reasons(const struct server *server)
{
    json_t *object = json_object();

    for (int i = 0; object != NULL && i < CLOSE_REASON_COUNT; i++) {
        enum close_reason reason = (enum close_reason)i;
        char name[64];
        (void)snprintf(name, sizeof(name), "%s/%s", close_layer(reason), close_cause(reason));
        json_t *count = json_integer((json_int_t)totals_closed(server, reason));
        if (json_object_set_new(object, name, count) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

static json_t *certificates(const struct server *server)
{
    json_t *array = json_array();

    for (uint32_t i = 0; i < atomic_load(&server->certificates.count); i++) {
        const struct door_certificate *certificate = &server->certificates.all[i];
        (void)json_array_append_new(
            array,
            json_pack("{s:s, s:s, s:o}", "section", certificate->section, "file", certificate->path,
                      "expires", stats_time((uint64_t)certificate->expires_utc_s * 1000)));
    }
    return array;
}

char *stats_write(const struct server *server, const struct stats_query *query, uint64_t utc_ms)
{
    uint64_t started = server->started_utc_ms;
    uint64_t uptime_s = utc_ms > started ? (utc_ms - started) / 1000 : 0;
    json_t *next = NULL;
    json_t *device_rows = devices(server, query, &next);
    json_t *page = json_pack(
        "{s:s, s:s, s:o, s:I, s:o, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
        "s:o}",
        "node", server->config->server.node, "version", CENCD_VERSION, "started_utc",
        stats_time(started), "uptime_s", (json_int_t)uptime_s, "links", links(server), "sessions",
        (json_int_t)atomic_load(&server->sessions), "devices", device_rows, "next", next,
        "directory", directory_counts(server), "journal", durable_journal_stats(server), "redis",
        durable_redis_stats(server), "northbound", northbound_stats(server), "certificates",
        certificates(server), "listeners",
        rows(server, server->config->listener_count, stats_listener), "agent_listeners",
        rows(server, server->config->agents.listener_count, stats_way), "shards",
        rows(server, server->shard_count, stats_shard), "close_reasons", close_reasons(server),
        "failed_identifications", failed_identifications(server, query->failed));
    if (page == NULL)
        return NULL;
    char *text = json_dumps(page, JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_decref(page);
    return text;
}
