/* Access tokens. One that is added is told in the answer, and never again. */
#include <string.h>

#include "server/ops/admin_request.h"
#include "server/ops/stats_rows.h"

/* ---- showing ---- */

static json_t *show_time(uint64_t utc_ms)
{
    return utc_ms != 0 ? stats_time(utc_ms) : json_null();
}

static json_t *show_token(const struct token_info *info)
{
    const struct token_settings *settings = &info->settings;

    return json_pack("{s:s, s:s, s:s, s:b, s:o, s:o, s:o, s:o, s:I, s:I}", "name", info->name,
                     "note", info->note, "role", role_name(settings->role), "enabled",
                     settings->enabled, "sources",
                     admin_networks(settings->sources, settings->source_count), "expires",
                     show_time(settings->expires_utc_ms), "added", show_time(info->added_utc_ms),
                     "last_used", show_time(info->used_utc_ms), "id", (json_int_t)info->id,
                     "revision", (json_int_t)info->revision);
}

static void list_tokens(struct admin_request *request)
{
    static const char *const known[] = {"limit", "after", NULL};
    struct directory *directory = request->server->directory;
    struct token_info info = {0};
    uint64_t limit = 0;
    uint64_t after = 0;

    if (!admin_query_page(request, known, UINT32_MAX, &limit, &after))
        return;
    json_t *items = json_array();
    info.id = (uint32_t)after;
    while (json_array_size(items) < limit && tokens_list(directory, info.id, &info, 1) == 1)
        (void)json_array_append_new(items, show_token(&info));
    uint64_t last = info.id;
    bool more = tokens_list(directory, info.id, &info, 1) == 1;
    admin_answer_list(request, items, more ? last : 0);
}

static void answer_token(struct admin_request *request, uint32_t id)
{
    struct token_info info;

    if (!token_get(request->server->directory, id, &info)) {
        admin_refuse(request, MHD_HTTP_NOT_FOUND, "not_found", "it was removed meanwhile");
        return;
    }
    request->id = info.id;
    request->revision = info.revision;
    admin_answer(request, show_token(&info));
}

/* ---- reading ---- */

static bool read_role(struct admin_request *request, struct edit *edit)
{
    char name[16];
    bool given;

    if (!admin_body_text(request, "role", name, sizeof(name), &given))
        return false;
    edit->fields |= given ? EDIT_ROLE : 0;
    edit->token.role = role_called(name);
    return true; /* the edit says what is wrong with one that isn't there */
}

static bool read_token(struct admin_request *request, struct edit *edit)
{
    static const char *const known[] = {"name",    "note",    "role", "enabled",
                                        "sources", "expires", NULL};
    struct token_settings *settings = &edit->token;
    bool given;

    settings->enabled = true;
    if (!admin_body_known(request, known) || !admin_body_named(request, edit) ||
        !read_role(request, edit) ||
        !admin_body_bool(request, "enabled", &settings->enabled, &given))
        return false;
    edit->fields |= given ? EDIT_ENABLED : 0;
    if (!admin_body_networks(request, "sources", settings->sources, TOKEN_MAX_SOURCES,
                             &settings->source_count, &given))
        return false;
    edit->fields |= given ? EDIT_SOURCES : 0;
    if (!admin_body_time(request, "expires", &settings->expires_utc_ms, &given))
        return false;
    edit->fields |= given ? EDIT_EXPIRES : 0;
    return true;
}

/* ---- a new one ---- */

static void add_token(struct admin_request *request)
{
    struct edit edit = {.kind = EDIT_TOKEN_ADD};
    char text[TOKEN_TEXT_SIZE];

    if (!read_token(request, &edit))
        return;
    token_make(text, edit.token_hash);
    if (admin_edit(request, &edit)) {
        request->status = MHD_HTTP_CREATED;
        answer_token(request, edit.id);
        if (request->status == MHD_HTTP_CREATED)
            (void)json_object_set_new(request->answer, "token", json_string(text));
    }
    explicit_bzero(text, sizeof(text));
}

static bool find_token(struct admin_request *request, uint32_t *id)
{
    struct token_info info = {0};

    if (!token_find(request->server->directory, request->parts[1], &info)) {
        admin_refuse(request, MHD_HTTP_NOT_FOUND, "not_found", "there is no token %.95s",
                     request->parts[1]);
        return false;
    }
    *id = info.id;
    return true;
}

void admin_tokens(struct admin_request *request)
{
    static const struct admin_resource resource = {
        .parts = 2,
        .find = find_token,
        .list = list_tokens,
        .show = answer_token,
        .read = read_token,
        .add = EDIT_TOKEN_ADD,
        .change = EDIT_TOKEN_CHANGE,
        .remove = EDIT_TOKEN_REMOVE,
    };

    if (request->part_count == 1 && request->method == ADMIN_POST)
        add_token(request);
    else
        admin_serve(request, &resource);
}
