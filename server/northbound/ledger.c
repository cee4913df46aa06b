#include "server/northbound/ledger.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/directory/database_file.h"
#include "server/directory/statements.h"

#define APPLICATION_ID 0x43454e4e /* "CENN" */
#define VERSION        1
#define BUSY_MS        2000
#define SWEEP_KEYS     100u /* as in AFTER */

static const char schema[] = "CREATE TABLE consumer ("
                             " name TEXT PRIMARY KEY,"
                             " position INTEGER NOT NULL) STRICT;"
                             "CREATE TABLE registration ("
                             " scope TEXT NOT NULL,"
                             " serial TEXT NOT NULL,"
                             " state INTEGER NOT NULL,"
                             " id TEXT NOT NULL,"
                             " reason TEXT NOT NULL,"
                             " consumer TEXT NOT NULL,"
                             " unix_ms INTEGER NOT NULL,"
                             " PRIMARY KEY (scope, serial)) STRICT, WITHOUT ROWID;"
                             "CREATE INDEX waiting ON registration (state) WHERE state = 1;"
                             "CREATE TABLE follows ("
                             " id INTEGER PRIMARY KEY CHECK (id = 1),"
                             " sequence INTEGER NOT NULL) STRICT;"
                             "INSERT INTO follows VALUES (1, 0);";

enum statement {
    SEQUENCE,
    POSITIONS,
    WAITING,
    FIND,
    AFTER,
    BEGIN,
    COMMIT,
    PUT_POSITION,
    PUT_SEQUENCE,
    PUT,
    PUT_WAITING,
    REMOVE,
    STATEMENTS
};

static const char *const texts[STATEMENTS] = {
    [SEQUENCE] = "SELECT sequence FROM follows",
    [POSITIONS] = "SELECT name, position FROM consumer",
    [WAITING] = "SELECT scope, serial FROM registration WHERE state = 1 ORDER BY unix_ms",
    [FIND] = "SELECT state, id, reason, consumer, unix_ms FROM registration"
             " WHERE scope = ?1 AND serial = ?2",
    [AFTER] = "SELECT scope, serial FROM registration WHERE (scope, serial) > (?1, ?2)"
              " ORDER BY scope, serial LIMIT 100",
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [PUT_POSITION] = "INSERT INTO consumer VALUES (?1, ?2)"
                     " ON CONFLICT (name) DO UPDATE SET position = ?2",
    [PUT_SEQUENCE] = "UPDATE follows SET sequence = ?1",
    [PUT] = "INSERT INTO registration VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
            " ON CONFLICT (scope, serial) DO UPDATE SET state = ?3, id = ?4, reason = ?5,"
            " consumer = ?6, unix_ms = ?7",
    [PUT_WAITING] = "INSERT INTO registration VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
                    " ON CONFLICT (scope, serial) DO NOTHING",
    [REMOVE] = "DELETE FROM registration WHERE scope = ?1 AND serial = ?2",
};

struct ledger_key {
    char scope[LEDGER_SCOPE_SIZE];
    char serial[LEDGER_SERIAL_SIZE];
};

struct ledger {
    sqlite3 *database;
    sqlite3_stmt *statements[STATEMENTS];
};

static enum status failed(struct ledger *ledger, int result, struct ledger_error *error)
{
    (void)snprintf(error->text, sizeof(error->text), "the ledger of the consumers: %.300s",
                   ledger->database != NULL ? sqlite3_errmsg(ledger->database)
                                            : sqlite3_errstr(result));
    statements_reset(ledger->statements, STATEMENTS);
    if (ledger->database != NULL && sqlite3_get_autocommit(ledger->database) == 0)
        (void)sqlite3_exec(ledger->database, "ROLLBACK", NULL, NULL, NULL);
    switch (result & 0xff) {
    case SQLITE_NOMEM:
        return STATUS_NO_MEMORY;
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        return STATUS_INVALID;
    default:
        return STATUS_SYSTEM;
    }
}

/* ---- opening ---- */

static int make(struct ledger *ledger)
{
    char mark[80];

    (void)snprintf(mark, sizeof(mark), "PRAGMA application_id = %d; PRAGMA user_version = %d;",
                   APPLICATION_ID, VERSION);
    int result = sqlite3_exec(ledger->database, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (result == SQLITE_OK)
        result = sqlite3_exec(ledger->database, schema, NULL, NULL, NULL);
    if (result == SQLITE_OK)
        result = sqlite3_exec(ledger->database, mark, NULL, NULL, NULL);
    return result == SQLITE_OK ? sqlite3_exec(ledger->database, "COMMIT", NULL, NULL, NULL)
                               : result;
}

/* Is the file ours, or new? */
static enum status recognise(struct ledger *ledger, bool *fresh, struct ledger_error *error)
{
    int64_t application = 0;
    int64_t version = 0;
    int64_t tables = 0;
    int result = statement_ask(ledger->database, "PRAGMA application_id", &application);

    if (result == SQLITE_OK)
        result = statement_ask(ledger->database, "PRAGMA user_version", &version);
    if (result == SQLITE_OK)
        result = statement_ask(ledger->database, "SELECT count(*) FROM sqlite_schema", &tables);
    *fresh = tables == 0 && application == 0;
    if (result == SQLITE_OK && *fresh)
        result = make(ledger);
    if (result != SQLITE_OK)
        return failed(ledger, result, error);
    if (*fresh || (application == APPLICATION_ID && version == VERSION))
        return STATUS_OK;
    (void)snprintf(error->text, sizeof(error->text),
                   "the ledger of the consumers: the file is %s; it was left as it is",
                   application == APPLICATION_ID ? "of a newer version" : "of another program");
    return STATUS_INVALID;
}

enum status ledger_open(const char *path, struct ledger **opened, bool *fresh,
                        struct ledger_error *error)
{
    struct ledger *ledger = calloc(1, sizeof(*ledger));

    if (ledger == NULL) {
        (void)snprintf(error->text, sizeof(error->text), "not enough memory for the ledger");
        return STATUS_NO_MEMORY;
    }
    if (path != NULL)
        (void)database_file_make(path); /* if it can't be made, opening it says why */
    int result =
        sqlite3_open_v2(path != NULL ? path : ":memory:", &ledger->database,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    if (result == SQLITE_OK)
        result = sqlite3_busy_timeout(ledger->database, BUSY_MS);
    if (result == SQLITE_OK)
        result = sqlite3_exec(ledger->database,
                              "PRAGMA journal_mode = WAL;"
                              "PRAGMA synchronous = FULL;",
                              NULL, NULL, NULL);
    enum status status =
        result == SQLITE_OK ? recognise(ledger, fresh, error) : failed(ledger, result, error);
    if (status == STATUS_OK) {
        database_file_keep(ledger->database);
        result = statements_prepare(ledger->database, texts, ledger->statements, STATEMENTS);
        status = result == SQLITE_OK ? STATUS_OK : failed(ledger, result, error);
    }
    if (status != STATUS_OK)
        ledger_close(ledger);
    else
        *opened = ledger;
    return status;
}

void ledger_close(struct ledger *ledger)
{
    if (ledger == NULL)
        return;
    bool ours = ledger->statements[0] != NULL; /* or else it is left as it is */
    statements_finalize(ledger->statements, STATEMENTS);
    if (ours)
        database_file_settle(ledger->database);
    (void)sqlite3_close(ledger->database);
    free(ledger);
}

/* ---- reading ---- */

static void copy_text(sqlite3_stmt *statement, int column, char *out, size_t size)
{
    (void)snprintf(out, size, "%s", statement_text(statement, column));
}

static void bind(sqlite3_stmt *statement, int index, const char *text)
{
    (void)sqlite3_bind_text(statement, index, text, -1, SQLITE_STATIC);
}

static enum status done(struct ledger *ledger, enum statement which, int result,
                        struct ledger_error *error)
{
    if (result != SQLITE_DONE && result != SQLITE_ROW)
        return failed(ledger, result, error);
    statement_rest(ledger->statements[which]);
    return STATUS_OK;
}

enum status ledger_sequence(struct ledger *ledger, uint64_t *sequence, struct ledger_error *error)
{
    int result = sqlite3_step(ledger->statements[SEQUENCE]);

    if (result == SQLITE_ROW)
        *sequence = (uint64_t)sqlite3_column_int64(ledger->statements[SEQUENCE], 0);
    return done(ledger, SEQUENCE, result, error);
}

enum status ledger_positions(struct ledger *ledger,
                             void (*visit)(const char *name, uint64_t position, void *context),
                             void *context, struct ledger_error *error)
{
    sqlite3_stmt *statement = ledger->statements[POSITIONS];
    int result;

    while ((result = sqlite3_step(statement)) == SQLITE_ROW)
        visit(statement_text(statement, 0), (uint64_t)sqlite3_column_int64(statement, 1), context);
    return done(ledger, POSITIONS, result, error);
}

enum status ledger_waiting(struct ledger *ledger,
                           void (*visit)(const char *scope, const char *serial, void *context),
                           void *context, struct ledger_error *error)
{
    sqlite3_stmt *statement = ledger->statements[WAITING];
    int result;

    while ((result = sqlite3_step(statement)) == SQLITE_ROW)
        visit(statement_text(statement, 0), statement_text(statement, 1), context);
    return done(ledger, WAITING, result, error);
}

enum status ledger_find(struct ledger *ledger, struct ledger_row *row, struct ledger_error *error)
{
    sqlite3_stmt *statement = ledger->statements[FIND];

    row->state = LEDGER_NONE;
    row->id[0] = row->reason[0] = row->consumer[0] = '\0';
    row->utc_ms = 0;
    bind(statement, 1, row->scope);
    bind(statement, 2, row->serial);
    int result = sqlite3_step(statement);
    if (result == SQLITE_ROW) {
        row->state = (enum ledger_state)sqlite3_column_int(statement, 0);
        copy_text(statement, 1, row->id, sizeof(row->id));
        copy_text(statement, 2, row->reason, sizeof(row->reason));
        copy_text(statement, 3, row->consumer, sizeof(row->consumer));
        row->utc_ms = (uint64_t)sqlite3_column_int64(statement, 4);
    }
    return done(ledger, FIND, result, error);
}

/* ---- writing ---- */

static enum status run(struct ledger *ledger, enum statement which, struct ledger_error *error)
{
    int result = statement_run(ledger->statements[which]);

    return result == SQLITE_OK ? STATUS_OK : failed(ledger, result, error);
}

enum status ledger_begin(struct ledger *ledger, struct ledger_error *error)
{
    return run(ledger, BEGIN, error);
}

enum status ledger_end(struct ledger *ledger, struct ledger_error *error)
{
    return run(ledger, COMMIT, error);
}

enum status ledger_put_position(struct ledger *ledger, const char *name, uint64_t position,
                                struct ledger_error *error)
{
    bind(ledger->statements[PUT_POSITION], 1, name);
    (void)sqlite3_bind_int64(ledger->statements[PUT_POSITION], 2, (int64_t)position);
    return run(ledger, PUT_POSITION, error);
}

enum status ledger_put_sequence(struct ledger *ledger, uint64_t sequence,
                                struct ledger_error *error)
{
    (void)sqlite3_bind_int64(ledger->statements[PUT_SEQUENCE], 1, (int64_t)sequence);
    return run(ledger, PUT_SEQUENCE, error);
}

enum status ledger_put(struct ledger *ledger, const struct ledger_row *row,
                       struct ledger_error *error)
{
    enum statement which = row->state == LEDGER_WAITING ? PUT_WAITING : PUT;
    sqlite3_stmt *statement = ledger->statements[which];

    bind(statement, 1, row->scope);
    bind(statement, 2, row->serial);
    (void)sqlite3_bind_int(statement, 3, (int)row->state);
    bind(statement, 4, row->id);
    bind(statement, 5, row->reason);
    bind(statement, 6, row->consumer);
    (void)sqlite3_bind_int64(statement, 7, (int64_t)row->utc_ms);
    return run(ledger, which, error);
}

enum status ledger_remove(struct ledger *ledger, const char *scope, const char *serial,
                          struct ledger_error *error)
{
    bind(ledger->statements[REMOVE], 1, scope);
    bind(ledger->statements[REMOVE], 2, serial);
    return run(ledger, REMOVE, error);
}

/* The next few keys after the last one of keys. Returns their number. */
static enum status read_keys(struct ledger *ledger, struct ledger_key *keys, const char *scope,
                             const char *serial, size_t *count, struct ledger_error *error)
{
    sqlite3_stmt *statement = ledger->statements[AFTER];
    int result;

    *count = 0;
    bind(statement, 1, scope);
    bind(statement, 2, serial);
    while ((result = sqlite3_step(statement)) == SQLITE_ROW && *count < SWEEP_KEYS) {
        copy_text(statement, 0, keys[*count].scope, sizeof(keys->scope));
        copy_text(statement, 1, keys[*count].serial, sizeof(keys->serial));
        (*count)++;
    }
    return done(ledger, AFTER, result, error);
}

enum status ledger_sweep(struct ledger *ledger,
                         bool (*stays)(const char *scope, const char *serial, void *context),
                         void *context, struct ledger_error *error)
{
    struct ledger_key keys[SWEEP_KEYS];
    struct ledger_key last = {.scope = ""};
    size_t count;

    do {
        enum status status = read_keys(ledger, keys, last.scope, last.serial, &count, error);
        for (size_t i = 0; i < count && status == STATUS_OK; i++)
            if (!stays(keys[i].scope, keys[i].serial, context))
                status = ledger_remove(ledger, keys[i].scope, keys[i].serial, error);
        if (status != STATUS_OK)
            return status;
        if (count > 0)
            last = keys[count - 1];
    } while (count == SWEEP_KEYS);
    return STATUS_OK;
}
