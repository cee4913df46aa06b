#include "server/directory/token_rows.h"

#include <stdlib.h>
#include <string.h>

#include "server/directory/item_event.h"
#include "server/directory/statements.h"
#include "server/directory/tokens_apply.h"

const char token_rows_schema[] =
    "CREATE TABLE token ("
    " id INTEGER PRIMARY KEY,"
    " revision INTEGER NOT NULL,"
    " name TEXT NOT NULL,"
    " item BLOB NOT NULL) STRICT;" /* cenc.v1.Token */
    "CREATE TABLE token_hash ("    /* also of one whose event is still to come */
    " id INTEGER PRIMARY KEY,"
    " hash BLOB NOT NULL) STRICT;" /* SHA-256 */
    "CREATE TABLE last_token ("    /* that was given; one row */
    " one INTEGER PRIMARY KEY CHECK (one = 1),"
    " id INTEGER NOT NULL) STRICT;"
    "INSERT INTO last_token VALUES (1, 0);";

enum statement { PUT, PUT_HASH, DROP, DROP_HASH, LAST, THE_LAST, ALL, COMING, STATEMENTS };

static const char *const texts[STATEMENTS] = {
    [PUT] = "INSERT INTO token (id, revision, name, item) VALUES (?1, ?2, ?3, ?4)"
            " ON CONFLICT (id) DO UPDATE SET revision = ?2, name = ?3, item = ?4"
            " WHERE ?2 > revision",
    [PUT_HASH] = "REPLACE INTO token_hash (id, hash) VALUES (?1, ?2)",
    [DROP] = "DELETE FROM token WHERE id = ?1",
    [DROP_HASH] = "DELETE FROM token_hash WHERE id = ?1",
    [LAST] = "UPDATE last_token SET id = max(id, ?1)",
    [THE_LAST] = "SELECT id FROM last_token",
    [ALL] = "SELECT token.id, item, hash FROM token LEFT JOIN token_hash USING (id)"
            " ORDER BY token.id",
    [COMING] = "SELECT id, NULL, hash FROM token_hash WHERE id > (SELECT id FROM last_token)"
               " ORDER BY id",
};

struct token_rows {
    sqlite3_stmt *statements[STATEMENTS];
    struct row_messages *messages;
};

int token_rows_open(sqlite3 *database, struct row_messages *messages, struct token_rows **opened)
{
    struct token_rows *rows = calloc(1, sizeof(*rows));
    int result = SQLITE_NOMEM;

    if (rows != NULL) {
        rows->messages = messages;
        result = statements_prepare(database, texts, rows->statements, STATEMENTS);
    }
    if (result == SQLITE_OK)
        *opened = rows;
    else
        token_rows_close(rows);
    return result;
}

void token_rows_close(struct token_rows *rows)
{
    if (rows == NULL)
        return;
    statements_finalize(rows->statements, STATEMENTS);
    free(rows);
}

void token_rows_reset(struct token_rows *rows)
{
    if (rows != NULL)
        statements_reset(rows->statements, STATEMENTS);
}

/* ---- writing ---- */

static int with_id(struct token_rows *rows, enum statement which, uint32_t id)
{
    return statement_run_with_id(rows->statements[which], id);
}

static int put(struct token_rows *rows, const Cenc__V1__Token *item)
{
    if (item == NULL)
        return SQLITE_OK;
    int result = row_message_put(rows->messages, rows->statements[PUT], item->id, item->revision,
                                 item->name, &item->base);
    return result == SQLITE_OK ? with_id(rows, LAST, item->id) : result;
}

static int drop(struct token_rows *rows, const Cenc__V1__Token *item)
{
    if (item == NULL)
        return SQLITE_OK;
    int result = with_id(rows, DROP, item->id);
    if (result == SQLITE_OK)
        result = with_id(rows, DROP_HASH, item->id);
    return result == SQLITE_OK ? with_id(rows, LAST, item->id) : result;
}

int token_rows_event(struct token_rows *rows, const Cenc__V1__Event *event)
{
    switch (event->body_case) {
    case CENC__V1__EVENT__BODY_TOKEN_ADDED:
        return put(rows, event->token_added->item);
    case CENC__V1__EVENT__BODY_TOKEN_CHANGED:
        return put(rows, event->token_changed->item);
    case CENC__V1__EVENT__BODY_TOKEN_REMOVED:
        return drop(rows, event->token_removed->item);
    default:
        return SQLITE_OK;
    }
}

int token_rows_private(struct token_rows *rows, const Cenc__Private__V1__Record *record)
{
    sqlite3_stmt *statement = rows->statements[PUT_HASH];

    if (record->body_case != CENC__PRIVATE__V1__RECORD__BODY_TOKEN_HASH)
        return SQLITE_OK;
    const Cenc__Private__V1__TokenHash *hash = record->token_hash;
    int result = sqlite3_bind_int64(statement, 1, hash->id);
    result |= sqlite3_bind_blob(statement, 2, hash->hash.data, (int)hash->hash.len, SQLITE_STATIC);
    return result == SQLITE_OK ? statement_run(statement) : result;
}

int token_rows_clear(struct token_rows *rows)
{
    return sqlite3_exec(sqlite3_db_handle(rows->statements[0]),
                        "DELETE FROM token; DELETE FROM token_hash"
                        " WHERE id <= (SELECT id FROM last_token)",
                        NULL, NULL, NULL);
}

/* ---- reading ---- */

static enum status visit_hash(sqlite3_stmt *row, const struct account_visitor *visitor)
{
    const void *hash = sqlite3_column_blob(row, 2);
    struct token_hash_message message;

    if (hash == NULL || sqlite3_column_bytes(row, 2) != (int)TOKEN_HASH_SIZE)
        return STATUS_OK;
    token_hash_message((uint32_t)sqlite3_column_int64(row, 0), "", hash, &message);
    return visitor->private(&message.record, visitor->context);
}

/* A damaged row is passed over by whoever visits. */
static enum status visit_token(struct row_messages *messages, sqlite3_stmt *row,
                               const struct account_visitor *visitor)
{
    ProtobufCMessage *item = row_message_read(messages, row, 1, &cenc__v1__token__descriptor);
    enum status status = visit_hash(row, visitor);

    return status == STATUS_OK ? item_event_visit(visitor, CENC__V1__EVENT__BODY_TOKEN_ADDED, item)
                               : status;
}

static enum status visit_last(struct row_messages *messages, sqlite3_stmt *row,
                              const struct account_visitor *visitor)
{
    (void)messages;
    return tokens_last_id((uint32_t)sqlite3_column_int64(row, 0), visitor);
}

static enum status visit_coming(struct row_messages *messages, sqlite3_stmt *row,
                                const struct account_visitor *visitor)
{
    (void)messages;
    return visit_hash(row, visitor);
}

int token_rows_walk(struct token_rows *rows, const struct account_visitor *visitor,
                    enum status *status)
{
    static const struct row_walk walks[] = {
        {THE_LAST, visit_last}, {ALL, visit_token}, {COMING, visit_coming}};

    return row_messages_walk(rows->messages, rows->statements, walks,
                             sizeof(walks) / sizeof(walks[0]), visitor, status);
}
