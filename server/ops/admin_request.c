#include "server/ops/admin_request.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/directory/accounts_message.h"

void admin_refuse(struct admin_request *request, unsigned status, const char *word,
                  const char *format, ...)
{
    char text[300];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    request->status = status;
    json_decref(request->answer);
    request->answer = json_pack("{s:s, s:s}", "error", word, "text", text);
    if (request->answer == NULL) /* a value that is no UTF-8 was to be repeated */
        request->answer = json_pack("{s:s, s:s}", "error", word, "text", "it can't be told");
}

void admin_answer(struct admin_request *request, json_t *value)
{
    if (value == NULL) {
        admin_refuse(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "memory", "out of memory");
        return;
    }
    request->answer = value;
}

bool admin_edit(struct admin_request *request, struct edit *edit)
{
    static const unsigned statuses[] = {
        [EDIT_DONE] = MHD_HTTP_OK,
        [EDIT_INVALID] = MHD_HTTP_BAD_REQUEST,
        [EDIT_NOT_FOUND] = MHD_HTTP_NOT_FOUND,
        [EDIT_EXISTS] = MHD_HTTP_CONFLICT,
        [EDIT_IN_USE] = MHD_HTTP_CONFLICT,
        [EDIT_CONFLICT] = MHD_HTTP_PRECONDITION_FAILED,
        [EDIT_FULL] = MHD_HTTP_INSUFFICIENT_STORAGE,
        [EDIT_UNAVAILABLE] = MHD_HTTP_SERVICE_UNAVAILABLE,
    };

    if (request->if_revision != 0 && request->if_id != edit->id) {
        admin_refuse(request, MHD_HTTP_PRECONDITION_FAILED, edit_result_name(EDIT_CONFLICT),
                     "this is another one than was looked at, of the same name");
        return false;
    }
    edit->actor = request->actor;
    edit->revision = request->if_revision;
    editor_do(request->server->editor, edit);
    if (edit->result != EDIT_DONE) {
        admin_refuse(request, statuses[edit->result], edit_result_name(edit->result), "%s",
                     edit->text);
        return false;
    }
    request->revision = edit->revision;
    return true;
}

/* ---- query ---- */

/* Values are in the connection's memory: decoded in place, once. Whoever asks twice finds no more
 * to be decoded, unless a value held an escaped percent sign: handlers ask once. */
const char *admin_query(struct admin_request *request, const char *name)
{
    const char *value =
        MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);

    if (value != NULL)
        (void)MHD_http_unescape((char *)value);
    return value;
}

bool admin_query_number(struct admin_request *request, const char *name, uint64_t most,
                        uint64_t otherwise, uint64_t *value)
{
    const char *text = admin_query(request, name);
    char *end = NULL;

    *value = otherwise;
    if (text == NULL)
        return true;
    errno = 0;
    *value = strtoull(text, &end, 10);
    if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *value <= most)
        return true;
    admin_refuse(request, MHD_HTTP_BAD_REQUEST, "invalid", "%s is no number from 0 to %llu", name,
                 (unsigned long long)most);
    return false;
}

struct name_check {
    const char *const *names;
    const char *wrong;
    const char *why;
    uint32_t seen; /* which of the names */
};

static enum MHD_Result check_name(void *context, enum MHD_ValueKind kind, const char *name,
                                  const char *value)
{
    struct name_check *check = context;

    size_t i = 0;

    (void)kind;
    while (check->names[i] != NULL && strcmp(check->names[i], name) != 0)
        i++;
    if (check->names[i] == NULL)
        check->why = "there is no parameter";
    else if ((check->seen & 1u << i) != 0)
        check->why = "there is twice the parameter";
    else if (value != NULL && strstr(value, "%00") != NULL)
        check->why = "a NUL is in the parameter"; /* it would hide what is behind it */
    check->seen |= 1u << i;
    check->wrong = name;
    return check->why == NULL ? MHD_YES : MHD_NO;
}

bool admin_query_known(struct admin_request *request, const char *const *names)
{
    struct name_check check = {.names = names};

    (void)MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, check_name, &check);
    if (check.why == NULL)
        return true;
    admin_refuse(request, MHD_HTTP_BAD_REQUEST, "invalid", "%s %.64s", check.why, check.wrong);
    return false;
}

void admin_answer_list(struct admin_request *request, json_t *items, uint64_t next)
{
    char cursor[32];

    (void)snprintf(cursor, sizeof(cursor), "%llu", (unsigned long long)next);
    admin_answer(request, json_pack("{s:o, s:o}", "items", items, "next",
                                    next != 0 ? json_string(cursor) : json_null()));
}

bool admin_query_page(struct admin_request *request, const char *const *names, uint64_t most_after,
                      uint64_t *limit, uint64_t *after)
{
    return admin_query_known(request, names) &&
           admin_query_number(request, "limit", ADMIN_PAGE_MAX, ADMIN_PAGE, limit) &&
           admin_query_number(request, "after", most_after, 0, after);
}

/* ---- body ---- */

bool admin_body_known(struct admin_request *request, const char *const *names)
{
    const char *key;
    json_t *value;

    if (request->body == NULL) {
        admin_refuse(request, MHD_HTTP_BAD_REQUEST, "invalid", "a JSON object is missing");
        return false;
    }
    json_object_foreach((json_t *)request->body, key, value)
    {
        size_t i = 0;
        while (names[i] != NULL && strcmp(names[i], key) != 0)
            i++;
        if (names[i] == NULL) {
            admin_refuse(request, MHD_HTTP_BAD_REQUEST, "invalid", "there is no field %.64s", key);
            return false;
        }
    }
    return true;
}

bool admin_body_text(struct admin_request *request, const char *name, char *out, size_t size,
                     bool *given)
{
    const json_t *value = json_object_get(request->body, name);

    *given = value != NULL;
    out[0] = '\0';
    if (value == NULL || json_is_null(value))
        return true;
    size_t length = json_string_length(value);
    if (!json_is_string(value) || length >= size ||
        memchr(json_string_value(value), '\0', length) != NULL) {
        admin_refuse(request, MHD_HTTP_BAD_REQUEST, "invalid",
                     "%s is no text of less than %zu bytes", name, size);
        return false;
    }
    memcpy(out, json_string_value(value), length + 1);
    return true;
}

bool admin_body_bool(struct admin_request *request, const char *name, bool *value, bool *given)
{
    const json_t *field = json_object_get(request->body, name);

    *given = field != NULL;
    if (field == NULL)
        return true;
    *value = json_is_true(field);
    if (json_is_boolean(field))
        return true;
    admin_refuse(request, MHD_HTTP_BAD_REQUEST, "invalid", "%s is neither true nor false", name);
    return false;
}

bool admin_body_list(struct admin_request *request, const char *name, size_t most,
                     const json_t **list)
{
    *list = json_object_get(request->body, name);
    if (*list == NULL || (json_is_array(*list) && json_array_size(*list) <= most))
        return true;
    admin_refuse(request, MHD_HTTP_BAD_REQUEST, "invalid", "%s is no list of at most %zu", name,
                 most);
    return false;
}

bool admin_body_time(struct admin_request *request, const char *name, uint64_t *utc_ms, bool *given)
{
    char text[40];
    struct tm parts = {0};

    *utc_ms = 0;
    if (!admin_body_text(request, name, text, sizeof(text), given))
        return false;
    if (text[0] == '\0')
        return true;
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &parts);
    if (rest != NULL && *rest == '.')
        rest += 1 + strspn(rest + 1, "0123456789");
    int day = parts.tm_mday; /* there is no 31st of February, and timegm takes it for another day */
    time_t seconds = rest != NULL && strcmp(rest, "Z") == 0 ? timegm(&parts) : -1;
    *utc_ms = (uint64_t)seconds * 1000;
    if (seconds > 0 && parts.tm_mday == day)
        return true;
    admin_refuse(request, MHD_HTTP_BAD_REQUEST, "invalid",
                 "%s is no time like 2027-01-31T12:00:00Z", name);
    return false;
}

bool admin_body_networks(struct admin_request *request, const char *name, struct cidr *networks,
                         uint32_t most, uint32_t *count, bool *given)
{
    const json_t *list;
    size_t i;
    const json_t *entry;

    if (!admin_body_list(request, name, most, &list))
        return false;
    *given = list != NULL;
    *count = 0;
    json_array_foreach((json_t *)list, i, entry)
    {
        const char *text = json_string_value(entry);
        if (text == NULL || cidr_parse(text, &networks[(*count)++]) != STATUS_OK) {
            admin_refuse(request, MHD_HTTP_BAD_REQUEST, "invalid",
                         "%s is no list of networks like 10.0.0.0/8", name);
            return false;
        }
    }
    return true;
}

json_t *admin_networks(const struct cidr *networks, uint32_t count)
{
    json_t *shown = json_array();

    for (uint32_t i = 0; i < count; i++) {
        char text[CIDR_TEXT_SIZE];
        (void)json_array_append_new(shown, json_string(cidr_text(&networks[i], text)));
    }
    return shown;
}

bool admin_body_named(struct admin_request *request, struct edit *edit)
{
    bool given;

    if (!admin_body_text(request, "name", edit->name, sizeof(edit->name), &given))
        return false;
    edit->fields |= given ? EDIT_NAME : 0;
    if (!admin_body_text(request, "note", edit->note, sizeof(edit->note), &given))
        return false;
    edit->fields |= given ? EDIT_NOTE : 0;
    return true;
}

/* ---- names ---- */

uint16_t admin_port_called(const char *text)
{
    size_t size = strspn(text, "0123456789");
    unsigned long port = strtoul(text, NULL, 10);

    return size > 0 && size <= 5 && text[size] == '\0' && port <= UINT16_MAX ? (uint16_t)port : 0;
}

bool admin_project_called(struct admin_request *request, const char *name, uint32_t *id)
{
    struct project_info info = {0};

    *id = 0;
    if (name[0] == '\0')
        return true;
    if (!project_find(request->server->directory, name, &info)) {
        admin_refuse(request, MHD_HTTP_NOT_FOUND, "not_found", "there is no project %.95s", name);
        return false;
    }
    *id = info.id;
    return true;
}

bool admin_group_called(struct admin_request *request, uint32_t project, const char *name,
                        uint32_t *id)
{
    struct group_info info = {0};

    *id = 0;
    if (name[0] == '\0')
        return true;
    if (!group_find(request->server->directory, project, name, &info)) {
        admin_refuse(request, MHD_HTTP_NOT_FOUND, "not_found",
                     "there is no group %.95s in the project", name);
        return false;
    }
    *id = info.id;
    return true;
}

/* ---- resources ---- */

void admin_answer_removed(struct admin_request *request)
{
    request->status = MHD_HTTP_NO_CONTENT;
    request->revision = 0;
}

void admin_refuse_method(struct admin_request *request)
{
    admin_refuse(request, MHD_HTTP_METHOD_NOT_ALLOWED, "method",
                 "this can't be done with what the path names");
}

static void change(struct admin_request *request, const struct admin_resource *resource,
                   struct edit *edit)
{
    if (edit->kind != resource->remove && !resource->read(request, edit))
        return;
    if (!admin_edit(request, edit))
        return;
    if (edit->kind == resource->remove) {
        admin_answer_removed(request);
        return;
    }
    if (edit->kind == resource->add)
        request->status = MHD_HTTP_CREATED;
    resource->show(request, edit->id);
}

void admin_serve(struct admin_request *request, const struct admin_resource *resource)
{
    struct edit edit = {.id = 0};
    bool one = request->part_count == resource->parts;

    if (!one && request->part_count != 1) {
        admin_refuse(request, MHD_HTTP_NOT_FOUND, "not_found", "there is no such resource");
        return;
    }
    if (one && !resource->find(request, &edit.id))
        return;
    if (!one && request->method == ADMIN_GET) {
        resource->list(request);
    } else if (one && request->method == ADMIN_GET) {
        resource->show(request, edit.id);
    } else if (!one && request->method == ADMIN_POST) {
        edit.kind = resource->add;
        change(request, resource, &edit);
    } else if (one && request->method == ADMIN_PATCH) {
        edit.kind = resource->change;
        change(request, resource, &edit);
    } else if (one && request->method == ADMIN_DELETE) {
        edit.kind = resource->remove;
        change(request, resource, &edit);
    } else {
        admin_refuse_method(request);
    }
}
