/* Edits of tokens, made into records. */
#include <string.h>

#include "server/base/check.h"
#include "server/directory/edit_internal.h"
#include "server/directory/internal.h"
#include "server/directory/tokens_apply.h"

/* Its hash, which stays as long as it does. */
static void pack_hash(const struct edit_scene *scene, const struct edit *edit,
                      const struct token_info *info, struct edit_records *records)
{
    struct token_hash_message message;

    token_hash_message(info->id, info->name, edit->token_hash, &message);
    message.record.recorded_unix_ms = (int64_t)scene->utc_ms;
    CHECK(proto_pack(&message.record.base, records->private, sizeof(records->private),
                     &records->private_size) == CODEC_OK);
}

static enum edit_result pack_token(const struct edit_scene *scene, struct edit *edit,
                                   const struct token_info *former, const struct token_info *info,
                                   struct edit_records *records)
{
    struct item_event made;
    struct token_message item;
    struct token_message before;

    token_message(info, &item);
    token_message(former, &before);
    edit_make_event(edit, EDIT_TOKEN_ADD, CENC__V1__EVENT__BODY_TOKEN_ADDED, &item.token.base,
                    &before.token.base, &made);
    if (edit->kind == EDIT_TOKEN_ADD)
        pack_hash(scene, edit, info, records);
    edit->id = info->id;
    edit->revision = info->revision;
    return edit_pack(scene, edit, &made.event, records);
}

static enum edit_result take(const struct edit_scene *scene, struct edit *edit,
                             struct token_info *info)
{
    struct accounts *accounts = scene->directory->accounts;
    const struct token_settings *wanted = &edit->token;
    enum edit_result result =
        edit_take_texts(edit, accounts, &accounts->tokens, 0, info->name, info->note);

    if (result != EDIT_DONE)
        return result;
    if (edit_takes(edit, EDIT_ROLE))
        info->settings.role = wanted->role;
    if (edit_takes(edit, EDIT_ENABLED))
        info->settings.enabled = wanted->enabled;
    if (edit_takes(edit, EDIT_EXPIRES))
        info->settings.expires_utc_ms = wanted->expires_utc_ms;
    if (edit_takes(edit, EDIT_SOURCES)) {
        memcpy(info->settings.sources, wanted->sources, sizeof(wanted->sources));
        info->settings.source_count = wanted->source_count;
    }
    if (info->settings.role <= ROLE_NONE || info->settings.role >= ROLE_COUNT)
        return edit_refuse(edit, EDIT_INVALID, "the role is none of viewer, operator, admin");
    if (info->settings.source_count > TOKEN_MAX_SOURCES)
        return edit_refuse(edit, EDIT_INVALID, "a token has at most %u networks",
                           TOKEN_MAX_SOURCES);
    if (info->settings.expires_utc_ms > INT64_MAX)
        return edit_refuse(edit, EDIT_INVALID, "the time of expiry is too late");
    return EDIT_DONE;
}

enum edit_result edit_prepare_token(const struct edit_scene *scene, struct edit *edit,
                                    struct edit_records *records)
{
    struct accounts *accounts = scene->directory->accounts;
    struct token_info former = {0};
    bool adds = edit->kind == EDIT_TOKEN_ADD;
    enum edit_result result = EDIT_DONE;

    if (adds) {
        edit->id = 0;
        result = edit_check_room(edit, &accounts->tokens, accounts->last_token, EDIT_MAX_TOKENS);
    } else if (!token_get(scene->directory, edit->id, &former)) {
        result = edit_refuse(edit, EDIT_NOT_FOUND, "there is no such token");
    } else {
        result = edit_check_revision(edit, former.revision);
    }
    if (result != EDIT_DONE)
        return result;
    struct token_info info = former;
    info.revision++;
    if (adds) {
        info.id = accounts->last_token + 1;
        info.added_utc_ms = scene->utc_ms;
    }
    if (edit->kind != EDIT_TOKEN_REMOVE)
        result = take(scene, edit, &info);
    return result == EDIT_DONE ? pack_token(scene, edit, &former, &info, records) : result;
}
