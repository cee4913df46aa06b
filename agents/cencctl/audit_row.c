#include "agents/cencctl/audit_row.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Each path and kind is an enum's name with its type before it. */
#define PATH_PREFIX "ACCESS_PATH_"
#define KIND_PREFIX "SECURITY_KIND_"

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

/* ---- values ---- */

static void put_time(FILE *out, const char *unix_ms)
{
    time_t seconds = (time_t)(strtoll(unix_ms, NULL, 10) / 1000);
    struct tm parts;
    char text[32] = "";

    if (gmtime_r(&seconds, &parts) != NULL)
        (void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
    (void)fputs(text, out);
}

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text);

    return size >= strlen(end) && strcmp(text + size - strlen(end), end) == 0;
}

/* A text, number, flag, or a reference to a group or project. */
static void put_plain(FILE *out, const char *key, const json_t *value)
{
    if (json_is_object(value)) {
        const char *project = text_of(value, "project");
        (void)fprintf(out, "%s%s%s", project, project[0] != '\0' ? "/" : "",
                      text_of(value, "name"));
    } else if (json_is_string(value) && ends_with(key, "_unix_ms")) {
        put_time(out, json_string_value(value));
    } else if (json_is_string(value)) {
        (void)fprintf(out, "\"%s\"", json_string_value(value));
    } else if (json_is_integer(value)) {
        (void)fprintf(out, "%lld", (long long)json_integer_value(value));
    } else {
        (void)fputs(json_is_true(value) ? "yes" : "no", out);
    }
}

/* What isn't there has its default value. */
static void put_value(FILE *out, const char *key, const json_t *value)
{
    size_t i;
    const json_t *entry;

    if (value == NULL)
        (void)fputs("none", out);
    else if (!json_is_array(value))
        put_plain(out, key, value);
    json_array_foreach((json_t *)value, i, entry)
    {
        (void)fputs(i > 0 ? " " : "", out);
        put_plain(out, key, entry);
    }
}

/* ---- changes ---- */

/* Numbers that only the server needs, and what was told already. */
static bool is_told(const char *key)
{
    static const char *const others[] = {"name", "project", "id", "revision", "project_id"};

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (strcmp(key, others[i]) == 0)
            return true;
    return false;
}

static void put_difference(FILE *out, const char *key, const json_t *former, const json_t *now,
                           bool with_former)
{
    (void)fprintf(out, ", %s ", key);
    if (with_former) {
        put_value(out, key, former);
        (void)fputs(" -> ", out);
    }
    put_value(out, key, now);
}

/* Fields of `now`, and what they were in `former`; of an addition there is no `former`. */
static void put_differences(FILE *out, const json_t *former, const json_t *now)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)now, key, value)
    {
        const json_t *before = json_object_get(former, key);
        if (!is_told(key) && (before == NULL || !json_equal(before, value)))
            put_difference(out, key, before, value, former != NULL);
    }
    json_object_foreach((json_t *)former, key, value)
    {
        if (!is_told(key) && json_object_get(now, key) == NULL)
            put_difference(out, key, value, NULL, true);
    }
}

static const char *or_none(const char *name)
{
    return name[0] != '\0' ? name : "none";
}

/* Agents, groups, projects and channels: their bodies have the same fields. */
static void put_item(FILE *out, const json_t *body, const char *kind)
{
    const json_t *item = json_object_get(body, "item");
    const json_t *former = json_object_get(body, "former");
    const char *former_name = text_of(body, "former_name");

    if (former_name[0] != '\0' && strcmp(former_name, text_of(item, "name")) != 0)
        (void)fprintf(out, "%s -> ", former_name);
    put_plain(out, "", item);
    if (former != NULL && strcmp(text_of(former, "project"), text_of(item, "project")) != 0)
        (void)fprintf(out, ", project %s -> %s", or_none(text_of(former, "project")),
                      or_none(text_of(item, "project")));
    if (!ends_with(kind, "_removed"))
        put_differences(out, former, item);
    if (json_is_true(json_object_get(body, "password_changed")))
        (void)fputs(", the password", out);
}

static void put_binding(FILE *out, const json_t *body)
{
    (void)fprintf(out, "%s: project %s -> %s%s", text_of(body, "listener"),
                  or_none(text_of(body, "former_project")), or_none(text_of(body, "project")),
                  json_is_true(json_object_get(body, "move")) ? ", its devices, too" : "");
}

static void put_listener(FILE *out, const json_t *body)
{
    (void)fprintf(out, "%s%s", text_of(body, "listener"),
                  json_is_true(json_object_get(body, "close_links")) ? ", its links, too" : "");
}

static const char *first_of(const json_t *body, const char *key)
{
    const char *text = json_string_value(json_array_get(json_object_get(body, key), 0));

    return text != NULL ? text : "";
}

static void put_place(FILE *out, const char *project, const char *group)
{
    (void)fprintf(out, "%s%s%s", or_none(project), group[0] != '\0' ? "/" : "", group);
}

static void put_move(FILE *out, const json_t *body, const char *project)
{
    const char *former_channel = text_of(body, "former_channel");
    const char *channel = text_of(body, "channel");
    bool changes = strcmp(former_channel, channel) != 0;
    bool moves = strcmp(text_of(body, "former_project"), project) != 0 ||
                 strcmp(first_of(body, "former_groups"), first_of(body, "groups")) != 0;

    if (moves || !changes) {
        put_place(out, text_of(body, "former_project"), first_of(body, "former_groups"));
        (void)fputs(" -> ", out);
        put_place(out, project, first_of(body, "groups"));
    }
    if (changes)
        (void)fprintf(out, "%schannel %s -> %s", moves ? ", " : "", or_none(former_channel),
                      or_none(channel));
}

/* ---- accesses, security ---- */

static void put_lower(FILE *out, const char *text, const char *prefix)
{
    size_t skipped = strncmp(text, prefix, strlen(prefix)) == 0 ? strlen(prefix) : 0;

    for (text += skipped; *text != '\0'; text++)
        (void)fputc(*text >= 'A' && *text <= 'Z' ? *text - 'A' + 'a' : *text, out);
}

static void put_peer(FILE *out, const char *before, const json_t *peer)
{
    const char *address = text_of(peer, "address");
    long long port = json_integer_value(json_object_get(peer, "port"));

    if (address[0] == '\0')
        return;
    (void)fprintf(out, strchr(address, ':') != NULL ? "%s[%s]" : "%s%s", before, address);
    if (port != 0)
        (void)fprintf(out, ":%lld", port);
}

static void put_number(FILE *out, const json_t *body, const char *key, const char *before,
                       const char *after)
{
    const char *number = text_of(body, key);

    if (number[0] != '\0')
        (void)fprintf(out, "%s%s%s", before, number, after);
}

static void put_access(FILE *out, const json_t *body, const char *kind)
{
    const json_t *reason = json_object_get(body, "reason");

    put_lower(out, text_of(body, "path"), PATH_PREFIX);
    put_peer(out, " from ", json_object_get(body, "agent_peer"));
    put_number(out, body, "session", ", session ", "");
    if (text_of(body, "wanted")[0] != '\0')
        (void)fprintf(out, ", wanted \"%s\"", text_of(body, "wanted"));
    if (strcmp(kind, "access_finished") == 0)
        (void)fprintf(
            out, ", %s bytes to the device, %s to the agent, %.1f s",
            text_of(body, "bytes_to_device")[0] != '\0' ? text_of(body, "bytes_to_device") : "0",
            text_of(body, "bytes_to_agent")[0] != '\0' ? text_of(body, "bytes_to_agent") : "0",
            (double)strtoll(text_of(body, "duration_ms"), NULL, 10) / 1000);
    if (reason != NULL)
        (void)fprintf(out, ", %s/%s", text_of(reason, "layer"), text_of(reason, "cause"));
}

static void put_security(FILE *out, const json_t *body)
{
    put_lower(out, text_of(body, "kind"), KIND_PREFIX);
    put_peer(out, " from ", json_object_get(body, "peer"));
    put_peer(out, ", before from ", json_object_get(body, "former_peer"));
    put_number(out, body, "count", ", ", " times");
    if (text_of(body, "text")[0] != '\0')
        (void)fprintf(out, ": %s", text_of(body, "text"));
}

/* ---- imports ---- */

static void put_import(FILE *out, const json_t *body)
{
    static const char *const counts[] = {"projects_added",   "groups_added",  "channels_added",
                                         "channels_changed", "devices_added", "devices_moved",
                                         "devices_unchanged"};

    (void)fprintf(out, "%s \"%s\"", text_of(body, "format"), text_of(body, "file_name"));
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        long long count = json_integer_value(json_object_get(body, counts[i]));
        if (count > 0)
            (void)fprintf(out, ", %s %lld", counts[i], count);
    }
}

/* ---- all of it ---- */

/* A device that was added or removed: where it is, or was. */
static void put_entered(FILE *out, const json_t *event, const json_t *body)
{
    const char *project = text_of(event, "project");
    const char *channel = text_of(json_object_get(body, "state"), "channel");

    if (project[0] != '\0')
        (void)fprintf(out, "project %s", project);
    if (channel[0] != '\0')
        (void)fprintf(out, "%schannel %s", project[0] != '\0' ? ", " : "", channel);
}

static void put_what(FILE *out, const json_t *event, const json_t *body, const char *kind)
{
    if (strncmp(kind, "access_", 7) == 0)
        put_access(out, body, kind);
    else if (strcmp(kind, "security_event") == 0)
        put_security(out, body);
    else if (strcmp(kind, "binding_changed") == 0)
        put_binding(out, body);
    else if (strncmp(kind, "listener_", 9) == 0)
        put_listener(out, body);
    else if (strcmp(kind, "device_moved") == 0)
        put_move(out, body, text_of(event, "project"));
    else if (strcmp(kind, "imported") == 0)
        put_import(out, body);
    else if (strcmp(kind, "configuration_changed") == 0)
        put_value(out, "keys", json_object_get(body, "keys"));
    else if (json_object_get(body, "item") != NULL)
        put_item(out, body, kind);
    else
        put_entered(out, event, body);
}

/* Who did it: the account, or the operator. */
static const char *who_of(const json_t *event, const json_t *body, const char *kind)
{
    if (strncmp(kind, "access_", 7) == 0)
        return text_of(body, "agent");
    if (strcmp(kind, "security_event") == 0)
        return text_of(body, "account");
    return text_of(json_object_get(event, "actor"), "name");
}

json_t *audit_row(const json_t *event, const char *kind)
{
    const json_t *body = json_object_get(event, kind);
    char *time_text = NULL;
    char *what = NULL;
    size_t size = 0;
    json_t *row = NULL;
    FILE *out = open_memstream(&time_text, &size);

    if (out == NULL)
        return NULL;
    put_time(out, text_of(event, "received_unix_ms"));
    bool good = fclose(out) == 0;
    out = open_memstream(&what, &size);
    if (out != NULL) {
        put_what(out, event, body, kind);
        good = fclose(out) == 0 && good;
    }
    if (good && out != NULL)
        row = json_pack("{s:s, s:s, s:s, s:s, s:s}", "time", time_text, "event", kind, "who",
                        who_of(event, body, kind), "device",
                        text_of(json_object_get(event, "device"), "serial"), "what", what);
    free(time_text);
    free(what);
    return row;
}
