#include "server/directory/account_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/directory/item_event.h"
#include "server/directory/row_messages.h"
#include "server/directory/statements.h"
#include "server/directory/token_rows.h"

enum statement {
    PUT_PROJECT,
    PUT_GROUP,
    PUT_AGENT,
    PUT_CHANNEL,
    PUT_BINDING,
    PUT_HALT,
    PUT_SECRET,
    TAKE_SECRET,
    DROP_PROJECT,
    DROP_GROUP,
    DROP_AGENT,
    DROP_CHANNEL,
    LAST_PROJECT,
    LAST_GROUP,
    LAST_AGENT,
    LAST_CHANNEL,
    SWEPT,
    ALL_LAST,
    ALL_PROJECTS,
    ALL_GROUPS,
    ALL_AGENTS,
    ALL_CHANNELS,
    ALL_BINDINGS,
    ALL_HALTS,
    THE_SECRET,
    STATEMENTS
};

#define PUT(table)                                                                                 \
    "INSERT INTO " table " (id, revision, name, item) VALUES (?1, ?2, ?3, ?4)"                     \
    " ON CONFLICT (id) DO UPDATE SET revision = ?2, name = ?3, item = ?4 WHERE ?2 > revision"
#define LAST(column) "UPDATE last_id SET " column " = max(" column ", ?1)"

static const char *const texts[STATEMENTS] = {
    [PUT_PROJECT] = PUT("project"),
    [PUT_GROUP] = PUT("device_group"),
    [PUT_AGENT] = PUT("agent"),
    [PUT_CHANNEL] = PUT("channel"),
    [PUT_BINDING] = "INSERT INTO binding (listener, revision, item, swept) VALUES (?1, ?2, ?3, 0)"
                    " ON CONFLICT (listener) DO UPDATE SET revision = ?2, item = ?3, swept = 0"
                    " WHERE ?2 > revision",
    [PUT_HALT] = "INSERT INTO halt (listener, revision, stopped) VALUES (?1, ?2, ?3)"
                 " ON CONFLICT (listener) DO UPDATE SET revision = ?2, stopped = ?3"
                 " WHERE ?2 > revision",
    [PUT_SECRET] = "REPLACE INTO coming_secret (id, agent, revision, secret)"
                   " VALUES (1, ?1, ?2, ?3)",
    [TAKE_SECRET] = "UPDATE agent SET secret = (SELECT secret FROM coming_secret)"
                    " WHERE id = ?1 AND revision = ?2 AND EXISTS"
                    " (SELECT 1 FROM coming_secret WHERE agent = ?1 AND revision = ?2)",
    [DROP_PROJECT] = "DELETE FROM project WHERE id = ?1",
    [DROP_GROUP] = "DELETE FROM device_group WHERE id = ?1",
    [DROP_AGENT] = "DELETE FROM agent WHERE id = ?1",
    [DROP_CHANNEL] = "DELETE FROM channel WHERE id = ?1",
    [LAST_PROJECT] = LAST("project"),
    [LAST_GROUP] = LAST("device_group"),
    [LAST_AGENT] = LAST("agent"),
    [LAST_CHANNEL] = LAST("channel"),
    [SWEPT] = "UPDATE binding SET swept = 1 WHERE listener = ?1 AND revision = ?2",
    [ALL_LAST] = "SELECT project, device_group, agent, channel FROM last_id",
    [ALL_PROJECTS] = "SELECT item FROM project ORDER BY id",
    [ALL_GROUPS] = "SELECT item FROM device_group ORDER BY id",
    [ALL_AGENTS] = "SELECT item, secret FROM agent ORDER BY id",
    [ALL_CHANNELS] = "SELECT item FROM channel ORDER BY id",
    [ALL_BINDINGS] = "SELECT item, swept FROM binding ORDER BY rowid",
    [ALL_HALTS] = "SELECT listener, revision, stopped FROM halt ORDER BY rowid",
    [THE_SECRET] = "SELECT secret FROM coming_secret",
};

struct account_rows {
    struct token_rows *tokens;
    sqlite3_stmt *statements[STATEMENTS];
    struct row_messages messages;
};

int account_rows_open(sqlite3 *database, struct account_rows **opened)
{
    struct account_rows *rows = calloc(1, sizeof(*rows));
    int result = rows != NULL ? row_messages_init(&rows->messages) : SQLITE_NOMEM;

    if (result == SQLITE_OK)
        result = statements_prepare(database, texts, rows->statements, STATEMENTS);
    if (result == SQLITE_OK)
        result = token_rows_open(database, &rows->messages, &rows->tokens);
    if (result == SQLITE_OK)
        *opened = rows;
    else
        account_rows_close(rows);
    return result;
}

void account_rows_close(struct account_rows *rows)
{
    if (rows == NULL)
        return;
    statements_finalize(rows->statements, STATEMENTS);
    token_rows_close(rows->tokens);
    row_messages_clear(&rows->messages);
    free(rows);
}

void account_rows_reset(struct account_rows *rows)
{
    statements_reset(rows->statements, STATEMENTS);
    token_rows_reset(rows->tokens);
}

/* ---- writing ---- */

static int with_id(struct account_rows *rows, enum statement which, uint32_t id)
{
    return statement_run_with_id(rows->statements[which], id);
}

/* last: the statement that notes which id was given. */
static int put_item(struct account_rows *rows, enum statement put, enum statement last, uint32_t id,
                    uint64_t revision, const char *name, const ProtobufCMessage *message)
{
    int result =
        row_message_put(&rows->messages, rows->statements[put], id, revision, name, message);

    return result == SQLITE_OK ? with_id(rows, last, id) : result;
}

static int put_project(struct account_rows *rows, const Cenc__V1__Project *item)
{
    if (item == NULL)
        return SQLITE_OK;
    return put_item(rows, PUT_PROJECT, LAST_PROJECT, item->id, item->revision, item->name,
                    &item->base);
}

static int put_group(struct account_rows *rows, const Cenc__V1__Group *item)
{
    if (item == NULL)
        return SQLITE_OK;
    return put_item(rows, PUT_GROUP, LAST_GROUP, item->id, item->revision, item->name, &item->base);
}

static int put_channel(struct account_rows *rows, const Cenc__V1__Channel *item)
{
    if (item == NULL)
        return SQLITE_OK;
    return put_item(rows, PUT_CHANNEL, LAST_CHANNEL, item->id, item->revision, item->name,
                    &item->base);
}

static int put_agent(struct account_rows *rows, const Cenc__V1__Agent *item, bool new_password)
{
    if (item == NULL)
        return SQLITE_OK;
    int result =
        put_item(rows, PUT_AGENT, LAST_AGENT, item->id, item->revision, item->name, &item->base);
    if (result != SQLITE_OK || !new_password)
        return result;
    sqlite3_stmt *take = rows->statements[TAKE_SECRET];
    result = sqlite3_bind_int64(take, 1, item->id);
    result |= sqlite3_bind_int64(take, 2, (sqlite3_int64)item->revision);
    return result == SQLITE_OK ? statement_run(take) : result;
}

static int drop(struct account_rows *rows, enum statement which, enum statement last, bool there,
                uint32_t id)
{
    if (!there)
        return SQLITE_OK;
    int result = with_id(rows, which, id);
    return result == SQLITE_OK ? with_id(rows, last, id) : result;
}

static int put_binding(struct account_rows *rows, const Cenc__V1__BindingChanged *item)
{
    sqlite3_stmt *put = rows->statements[PUT_BINDING];
    int result = sqlite3_bind_text(put, 1, item->listener, -1, SQLITE_STATIC);

    result |= sqlite3_bind_int64(put, 2, (sqlite3_int64)item->revision);
    result |= row_message_bind(&rows->messages, put, 3, &item->base);
    return result == SQLITE_OK ? statement_run(put) : result;
}

static int put_halt(struct account_rows *rows, const char *listener, uint64_t revision,
                    bool stopped)
{
    sqlite3_stmt *put = rows->statements[PUT_HALT];
    int result = sqlite3_bind_text(put, 1, listener, -1, SQLITE_STATIC);

    result |= sqlite3_bind_int64(put, 2, (sqlite3_int64)revision);
    result |= sqlite3_bind_int(put, 3, stopped);
    return result == SQLITE_OK ? statement_run(put) : result;
}

int account_rows_event(struct account_rows *rows, const Cenc__V1__Event *event)
{
    switch (event->body_case) {
    case CENC__V1__EVENT__BODY_PROJECT_ADDED:
        return put_project(rows, event->project_added->item);
    case CENC__V1__EVENT__BODY_PROJECT_CHANGED:
        return put_project(rows, event->project_changed->item);
    case CENC__V1__EVENT__BODY_PROJECT_REMOVED: {
        const Cenc__V1__Project *item = event->project_removed->item;
        return drop(rows, DROP_PROJECT, LAST_PROJECT, item != NULL, item != NULL ? item->id : 0);
    }
    case CENC__V1__EVENT__BODY_GROUP_ADDED:
        return put_group(rows, event->group_added->item);
    case CENC__V1__EVENT__BODY_GROUP_CHANGED:
        return put_group(rows, event->group_changed->item);
    case CENC__V1__EVENT__BODY_GROUP_REMOVED: {
        const Cenc__V1__Group *item = event->group_removed->item;
        return drop(rows, DROP_GROUP, LAST_GROUP, item != NULL, item != NULL ? item->id : 0);
    }
    case CENC__V1__EVENT__BODY_AGENT_ADDED: {
        const Cenc__V1__Agent *item = event->agent_added->item;
        return put_agent(rows, item, item != NULL && item->has_password);
    }
    case CENC__V1__EVENT__BODY_AGENT_CHANGED:
        return put_agent(rows, event->agent_changed->item, event->agent_changed->password_changed);
    case CENC__V1__EVENT__BODY_AGENT_REMOVED: {
        const Cenc__V1__Agent *item = event->agent_removed->item;
        return drop(rows, DROP_AGENT, LAST_AGENT, item != NULL, item != NULL ? item->id : 0);
    }
    case CENC__V1__EVENT__BODY_BINDING_CHANGED:
        return put_binding(rows, event->binding_changed);
    case CENC__V1__EVENT__BODY_CHANNEL_ADDED:
        return put_channel(rows, event->channel_added->item);
    case CENC__V1__EVENT__BODY_CHANNEL_CHANGED:
        return put_channel(rows, event->channel_changed->item);
    case CENC__V1__EVENT__BODY_CHANNEL_REMOVED: {
        const Cenc__V1__Channel *item = event->channel_removed->item;
        return drop(rows, DROP_CHANNEL, LAST_CHANNEL, item != NULL, item != NULL ? item->id : 0);
    }
    case CENC__V1__EVENT__BODY_LISTENER_STOPPED:
        return put_halt(rows, event->listener_stopped->listener, event->listener_stopped->revision,
                        true);
    case CENC__V1__EVENT__BODY_LISTENER_STARTED:
        return put_halt(rows, event->listener_started->listener, event->listener_started->revision,
                        false);
    default:
        return token_rows_event(rows->tokens, event);
    }
}

static int put_secret(struct account_rows *rows, const Cenc__Private__V1__AgentSecret *secret)
{
    sqlite3_stmt *put = rows->statements[PUT_SECRET];
    int result = sqlite3_bind_int64(put, 1, secret->id);

    result |= sqlite3_bind_int64(put, 2, (sqlite3_int64)secret->revision);
    result |= row_message_bind(&rows->messages, put, 3, &secret->base);
    return result == SQLITE_OK ? statement_run(put) : result;
}

static int swept(struct account_rows *rows, const Cenc__Private__V1__BindingSwept *record)
{
    sqlite3_stmt *mark = rows->statements[SWEPT];
    int result = sqlite3_bind_text(mark, 1, record->listener, -1, SQLITE_STATIC);

    result |= sqlite3_bind_int64(mark, 2, (sqlite3_int64)record->revision);
    return result == SQLITE_OK ? statement_run(mark) : result;
}

int account_rows_private(struct account_rows *rows, const Cenc__Private__V1__Record *record)
{
    switch (record->body_case) {
    case CENC__PRIVATE__V1__RECORD__BODY_AGENT_SECRET:
        return put_secret(rows, record->agent_secret);
    case CENC__PRIVATE__V1__RECORD__BODY_BINDING_SWEPT:
        return swept(rows, record->binding_swept);
    default:
        return token_rows_private(rows->tokens, record);
    }
}

int account_rows_clear(struct account_rows *rows)
{
    int result = sqlite3_exec(sqlite3_db_handle(rows->statements[0]),
                              "DELETE FROM project; DELETE FROM device_group; DELETE FROM agent;"
                              "DELETE FROM channel; DELETE FROM binding;"
                              "DELETE FROM coming_secret; DELETE FROM halt",
                              NULL, NULL, NULL);

    return result == SQLITE_OK ? token_rows_clear(rows->tokens) : result;
}

/* ---- reading ---- */

static enum status visit_project(struct row_messages *messages, sqlite3_stmt *row,
                                 const struct account_visitor *visitor)
{
    return item_event_visit(visitor, CENC__V1__EVENT__BODY_PROJECT_ADDED,
                            row_message_read(messages, row, 0, &cenc__v1__project__descriptor));
}

static enum status visit_group(struct row_messages *messages, sqlite3_stmt *row,
                               const struct account_visitor *visitor)
{
    return item_event_visit(visitor, CENC__V1__EVENT__BODY_GROUP_ADDED,
                            row_message_read(messages, row, 0, &cenc__v1__group__descriptor));
}

static enum status visit_channel(struct row_messages *messages, sqlite3_stmt *row,
                                 const struct account_visitor *visitor)
{
    return item_event_visit(visitor, CENC__V1__EVENT__BODY_CHANNEL_ADDED,
                            row_message_read(messages, row, 0, &cenc__v1__channel__descriptor));
}

static enum status visit_secret(struct row_messages *messages, sqlite3_stmt *row, int column,
                                const Cenc__V1__Agent *agent, const struct account_visitor *visitor)
{
    Cenc__Private__V1__Record record = CENC__PRIVATE__V1__RECORD__INIT;
    Cenc__Private__V1__AgentSecret *secret = (Cenc__Private__V1__AgentSecret *)row_message_read(
        messages, row, column, &cenc__private__v1__agent_secret__descriptor);

    if (secret == NULL)
        return STATUS_OK;
    if (agent != NULL) {
        secret->id = agent->id;
        secret->revision = agent->revision; /* it may be from an earlier one */
    }
    record.body_case = CENC__PRIVATE__V1__RECORD__BODY_AGENT_SECRET;
    record.agent_secret = secret;
    return visitor->private(&record, visitor->context);
}

static enum status visit_agent(struct row_messages *messages, sqlite3_stmt *row,
                               const struct account_visitor *visitor)
{
    ProtobufCMessage *item = row_message_read(messages, row, 0, &cenc__v1__agent__descriptor);
    enum status status = STATUS_OK;

    if (item != NULL)
        status = visit_secret(messages, row, 1, (const Cenc__V1__Agent *)item, visitor);
    return status == STATUS_OK ? item_event_visit(visitor, CENC__V1__EVENT__BODY_AGENT_ADDED, item)
                               : status;
}

static enum status visit_binding(struct row_messages *messages, sqlite3_stmt *row,
                                 const struct account_visitor *visitor)
{
    Cenc__V1__Event event = CENC__V1__EVENT__INIT;
    Cenc__Private__V1__Record record = CENC__PRIVATE__V1__RECORD__INIT;
    Cenc__Private__V1__BindingSwept swept_body = CENC__PRIVATE__V1__BINDING_SWEPT__INIT;

    Cenc__V1__BindingChanged *item = (Cenc__V1__BindingChanged *)row_message_read(
        messages, row, 0, &cenc__v1__binding_changed__descriptor);
    if (item == NULL)
        return STATUS_OK;
    event.body_case = CENC__V1__EVENT__BODY_BINDING_CHANGED;
    event.binding_changed = item;
    enum status status = visitor->event(&event, visitor->context);
    swept_body.listener = item->listener;
    swept_body.revision = item->revision;
    record.body_case = CENC__PRIVATE__V1__RECORD__BODY_BINDING_SWEPT;
    record.binding_swept = &swept_body;
    if (status == STATUS_OK && sqlite3_column_int(row, 1) != 0)
        status = visitor->private(&record, visitor->context);
    return status;
}

static enum status visit_halt(struct row_messages *messages, sqlite3_stmt *row,
                              const struct account_visitor *visitor)
{
    char listener[CONFIG_NAME_SIZE];

    (void)messages;
    (void)snprintf(listener, sizeof(listener), "%s", statement_text(row, 0));
    return halt_visit(listener, (uint64_t)sqlite3_column_int64(row, 1),
                      sqlite3_column_int(row, 2) != 0, visitor);
}

static enum status visit_coming(struct row_messages *messages, sqlite3_stmt *row,
                                const struct account_visitor *visitor)
{
    return visit_secret(messages, row, 0, NULL, visitor);
}

static enum status visit_last(struct row_messages *messages, sqlite3_stmt *row,
                              const struct account_visitor *visitor)
{
    const struct last_ids last = {.project = (uint32_t)sqlite3_column_int64(row, 0),
                                  .group = (uint32_t)sqlite3_column_int64(row, 1),
                                  .agent = (uint32_t)sqlite3_column_int64(row, 2),
                                  .channel = (uint32_t)sqlite3_column_int64(row, 3)};

    (void)messages;
    return accounts_last_ids(&last, visitor);
}

int account_rows_walk(struct account_rows *rows, const struct account_visitor *visitor,
                      enum status *status)
{
    static const struct row_walk walks[] = {
        {ALL_LAST, visit_last},        {ALL_PROJECTS, visit_project}, {ALL_GROUPS, visit_group},
        {ALL_AGENTS, visit_agent},     {ALL_CHANNELS, visit_channel}, {THE_SECRET, visit_coming},
        {ALL_BINDINGS, visit_binding}, {ALL_HALTS, visit_halt}};

    int result = row_messages_walk(&rows->messages, rows->statements, walks,
                                   sizeof(walks) / sizeof(walks[0]), visitor, status);
    if (result != SQLITE_OK || *status != STATUS_OK)
        return result;
    return token_rows_walk(rows->tokens, visitor, status);
}
