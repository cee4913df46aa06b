#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "codec/proto/event_codes.h"
#include "server/base/check.h"
#include "server/directory/edit_internal.h"
#include "server/directory/edit_pending.h"
#include "server/directory/internal.h"
#include "server/directory/names.h"

const char *edit_result_name(enum edit_result result)
{
    static const char *const names[] = {"done",   "invalid",  "not_found", "exists",
                                        "in_use", "conflict", "full",      "unavailable"};

    CHECK((size_t)result < sizeof(names) / sizeof(names[0]));
    return names[result];
}

enum edit_result edit_refuse(struct edit *edit, enum edit_result result, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(edit->text, sizeof(edit->text), format, arguments);
    va_end(arguments);
    return result;
}

static const char *what(const struct edit *edit)
{
    if (edit->kind == EDIT_CHANNEL_ADD || edit->kind == EDIT_CHANNEL_CHANGE)
        return "channel";
    if (edit->kind == EDIT_TOKEN_ADD || edit->kind == EDIT_TOKEN_CHANGE)
        return "token";
    if (edit->kind <= EDIT_PROJECT_REMOVE)
        return "project";
    if (edit->kind <= EDIT_GROUP_REMOVE)
        return "group";
    return edit->kind <= EDIT_AGENT_REMOVE ? "agent" : "object";
}

void edit_copy(char *to, const char *from, size_t size)
{
    memset(to, 0, size);
    (void)snprintf(to, size, "%s", from);
}

bool edit_takes(const struct edit *edit, uint32_t field)
{
    return edit->kind == EDIT_PROJECT_ADD || edit->kind == EDIT_GROUP_ADD ||
           edit->kind == EDIT_AGENT_ADD || edit->kind == EDIT_CHANNEL_ADD ||
           edit->kind == EDIT_TOKEN_ADD || (edit->fields & field) != 0;
}

static enum edit_result check_name(struct edit *edit, struct accounts *accounts,
                                   const struct named_table *table, uint32_t within)
{
    bool is_login = table == &accounts->agents || table == &accounts->tokens;
    const char *fault = name_fault(edit->name, is_login ? NAME_OF_AGENT : NAME_OF_OTHERS);
    enum edit_result result = EDIT_DONE;

    if (fault != NULL)
        return edit_refuse(edit, EDIT_INVALID, "the name %s", fault);
    CHECK(pthread_rwlock_rdlock(&accounts->lock) == 0);
    const struct named_table *added = edit_pending_table(edit, table);
    const struct named *other = named_alike(table, within, edit->name, edit->id);
    if (other == NULL && added != NULL)
        other = named_alike(added, within, edit->name, edit->id);
    if (other != NULL)
        result =
            edit_refuse(edit, EDIT_EXISTS, "there is already the %s %s%s", what(edit), other->name,
                        strcmp(other->name, edit->name) == 0 ? "" : ", which looks alike");
    accounts_unlock(accounts);
    return result;
}

enum edit_result edit_take_texts(struct edit *edit, struct accounts *accounts,
                                 const struct named_table *table, uint32_t within, char *name,
                                 char *note)
{
    if (edit_takes(edit, EDIT_NAME)) {
        enum edit_result result = check_name(edit, accounts, table, within);
        if (result != EDIT_DONE)
            return result;
        if (edit_enters(edit) && text_pool_take(&accounts->texts, edit->name) == TEXT_POOL_NONE)
            return edit_refuse(edit, EDIT_FULL, "there is no room for another name");
        edit_copy(name, edit->name, DIRECTORY_NAME_SIZE);
    }
    if (edit_takes(edit, EDIT_NOTE)) {
        const char *fault = note_fault(edit->note);
        if (fault != NULL)
            return edit_refuse(edit, EDIT_INVALID, "the note %s", fault);
        edit_copy(note, edit->note, DIRECTORY_NOTE_SIZE);
    }
    return EDIT_DONE;
}

enum edit_result edit_check_room(struct edit *edit, const struct named_table *table,
                                 uint32_t last_id, size_t most)
{
    const struct named_table *added = edit_pending_table(edit, table);

    if (table->count + (added != NULL ? added->count : 0) < most && last_id < ID_MAX)
        return EDIT_DONE;
    return edit_refuse(edit, EDIT_FULL, "there is no room for another one: %zu are the most", most);
}

enum edit_result edit_check_revision(struct edit *edit, uint64_t revision)
{
    if (edit->revision == 0 || edit->revision == revision)
        return EDIT_DONE;
    return edit_refuse(edit, EDIT_CONFLICT, "it was changed meanwhile: look at it again");
}

static_assert(ID_MAX < 1u << 20, "a revision of a device holds three ids");

/* ---- packing ---- */

#define IN_ORDER(object)                                                                           \
    static_assert(EDIT_##object##_CHANGE == EDIT_##object##_ADD + 1 &&                             \
                      EDIT_##object##_REMOVE == EDIT_##object##_ADD + 2 &&                         \
                      CENC__V1__EVENT__BODY_##object##_CHANGED ==                                  \
                          CENC__V1__EVENT__BODY_##object##_ADDED + 1 &&                            \
                      CENC__V1__EVENT__BODY_##object##_REMOVED ==                                  \
                          CENC__V1__EVENT__BODY_##object##_ADDED + 2,                              \
                  "added, changed, removed")

IN_ORDER(PROJECT);
IN_ORDER(GROUP);
IN_ORDER(AGENT);
IN_ORDER(CHANNEL);
IN_ORDER(TOKEN);

void edit_make_event(const struct edit *edit, enum edit_kind add, Cenc__V1__Event__BodyCase added,
                     ProtobufCMessage *item, ProtobufCMessage *former, struct item_event *made)
{
    unsigned step = edit->kind - add;

    CHECK(step <= 2);
    item_event_make(made, (Cenc__V1__Event__BodyCase)(added + step), item);
    if (edit->kind == add + 1)
        item_event_former(made, former);
}

struct actor {
    Cenc__V1__Actor actor;
    Cenc__V1__Endpoint peer;
    char peer_text[ADDRESS_TEXT_SIZE];
    char name[PROTO_TEXT_SIZE(DIRECTORY_NAME_SIZE)];
};

static void set_actor(const struct edit *edit, struct actor *actor, Cenc__V1__Event *event)
{
    cenc__v1__actor__init(&actor->actor);
    (void)proto_text(edit->actor.name, strnlen(edit->actor.name, DIRECTORY_NAME_SIZE - 1),
                     actor->name, sizeof(actor->name));
    actor->actor.name = actor->name;
    actor->actor.via = proto_string(edit->actor.via);
    if (edit->actor.peer.family != 0) {
        cenc__v1__endpoint__init(&actor->peer);
        actor->peer.address = address_format_ip(&edit->actor.peer, actor->peer_text);
        actor->peer.port = edit->actor.peer.port;
        actor->actor.peer = &actor->peer;
    }
    event->actor = &actor->actor;
}

enum codec_result edit_pack_event(const struct edit_scene *scene, const struct edit *edit,
                                  Cenc__V1__Event *event, uint8_t *out, size_t capacity,
                                  size_t *size)
{
    struct actor actor;

    event->node = proto_string(scene->node);
    event->received_unix_ms = (int64_t)scene->utc_ms;
    event->event_type = proto_string(event_code_text(event_code_of(event->body_case)));
    if (edit != NULL)
        set_actor(edit, &actor, event);
    enum codec_result result = event_pack(event, out, capacity, size);
    event->actor = NULL;
    return result;
}

enum edit_result edit_pack(const struct edit_scene *scene, struct edit *edit,
                           Cenc__V1__Event *event, struct edit_records *records)
{
    enum codec_result result = edit_pack_event(scene, edit, event, records->public,
                                               sizeof(records->public), &records->public_size);

    if (result == CODEC_FULL)
        return edit_refuse(edit, EDIT_INVALID, "it would be larger than a record may be");
    CHECK(result == CODEC_OK); /* all texts were checked */
    return EDIT_DONE;
}
