#include "server/directory/store.h"

#include <inttypes.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/directory/account_rows.h"
#include "server/directory/database_file.h"
#include "server/directory/details_rows.h"
#include "server/directory/statements.h"
#include "server/directory/token_rows.h"

#define APPLICATION_ID 0x43454e43 /* "CENC" */
#define BUSY_OPEN_MS   2000       /* to wait for another process, a backup for instance */
#define BUSY_MS        10         /* later on: whoever writes tries again by himself */

/* What brings a file from each version to the next. Texts are written as in events. */
static const char *const steps[STORE_VERSION] = {
    device_rows_schema, account_rows_schema, channel_rows_schema, details_rows_schema,
    halt_rows_schema,   approval_schema,     token_rows_schema};

#define COLUMNS                                                                                    \
    "scope, serial, kind, model, firmware, hardware, listener, note, first_seen_unix_ms,"          \
    " last_seen_unix_ms, link_epoch, direct_port, project_id, group_id, channel_id, signal_csq,"   \
    " last_gasp_unix_ms, last_gasp_sequence, removed, unapproved"

enum statement { ALL, FIND, PUT, TIMES, POSITION, BEGIN, COMMIT, STATEMENTS };

static const char *const texts[STATEMENTS] = {
    [ALL] = "SELECT " COLUMNS " FROM device ORDER BY id",
    [FIND] = "SELECT " COLUMNS ", id FROM device WHERE scope = ?1 AND serial = ?2",
    [PUT] = "INSERT INTO device (" COLUMNS ") VALUES"
            " (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,"
            " ?19, ?20)"
            " ON CONFLICT (scope, serial) DO UPDATE SET kind = ?3, model = ?4, firmware = ?5,"
            " hardware = ?6, listener = ?7, note = ?8, first_seen_unix_ms = ?9,"
            " last_seen_unix_ms = ?10, link_epoch = ?11, direct_port = ?12, project_id = ?13,"
            " group_id = ?14, channel_id = ?15, signal_csq = ?16, last_gasp_unix_ms = ?17,"
            " last_gasp_sequence = ?18, removed = ?19, unapproved = ?20",
    [TIMES] = ("UPDATE device SET last_seen_unix_ms = ?2, link_epoch = ?3, last_gasp_unix_ms = ?4,"
               " last_gasp_sequence = ?5 WHERE id = ?1"),
    [POSITION] = "UPDATE position SET sequence = ?1",
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
};

struct store {
    sqlite3 *database;
    sqlite3_stmt *statements[STATEMENTS];
    struct account_rows *accounts;
    struct details_rows *details;
    uint64_t sequence;
    char path[512];
};

/* ---- errors ---- */

static enum status explain(const char *path, sqlite3 *database, int result,
                           struct store_error *error)
{
    const char *reason = database != NULL ? sqlite3_errmsg(database) : sqlite3_errstr(result);
    bool by_system = (result & 0xff) == SQLITE_IOERR || (result & 0xff) == SQLITE_CANTOPEN;
    int number = by_system && database != NULL ? sqlite3_system_errno(database) : 0;

    switch (result & 0xff) {
    case SQLITE_NOTADB:
        (void)snprintf(error->text, sizeof(error->text),
                       "%s is no store of the directory (it is no SQLite file); it was left as it "
                       "is",
                       path);
        return STATUS_INVALID;
    case SQLITE_CORRUPT:
        (void)snprintf(error->text, sizeof(error->text),
                       "the directory's store %s is damaged (%s); it was left as it is: put back a "
                       "copy of it, or move it away to have it made anew from the journal",
                       path, reason);
        return STATUS_INVALID;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        (void)snprintf(error->text, sizeof(error->text),
                       "the directory's store %s is held by another process", path);
        return STATUS_SYSTEM;
    default:
        (void)snprintf(error->text, sizeof(error->text), "the directory's store %s: %s%s%s", path,
                       reason, number != 0 ? ": " : "", number != 0 ? strerror(number) : "");
        return (result & 0xff) == SQLITE_NOMEM ? STATUS_NO_MEMORY : STATUS_SYSTEM;
    }
}

/* Ends the transaction, if one is open, without what was written in it. */
static enum status failed(struct store *store, int result, struct store_error *error)
{
    enum status status = explain(store->path, store->database, result, error);

    statements_reset(store->statements, STATEMENTS);
    account_rows_reset(store->accounts);
    details_rows_reset(store->details);
    if (sqlite3_get_autocommit(store->database) == 0)
        (void)sqlite3_exec(store->database, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

/* ---- opening ---- */

/* Is the file ours, or new? Nothing has been written to it yet. */
static enum status recognise(struct store *store, int64_t *version, struct store_error *error)
{
    int64_t application = 0;
    int64_t objects = 0;
    int result = statement_ask(store->database, "PRAGMA application_id", &application);

    if (result == SQLITE_OK)
        result = statement_ask(store->database, "PRAGMA user_version", version);
    if (result == SQLITE_OK)
        result = statement_ask(store->database, "SELECT count(*) FROM sqlite_schema", &objects);
    if (result != SQLITE_OK)
        return explain(store->path, store->database, result, error);
    bool fresh = application == 0 && *version == 0 && objects == 0;
    if (!fresh && (application != APPLICATION_ID || *version < 1)) {
        (void)snprintf(error->text, sizeof(error->text),
                       "%s is no store of the directory, but a file of another program; it was "
                       "left as it is",
                       store->path);
        return STATUS_INVALID;
    }
    if (*version > STORE_VERSION) {
        (void)snprintf(error->text, sizeof(error->text),
                       "the directory's store %s was written by a newer version (schema %" PRId64
                       ", this one knows up to %d); it was left as it is",
                       store->path, *version, STORE_VERSION);
        return STATUS_INVALID;
    }
    return STATUS_OK;
}

static int run(struct store *store, const char *text)
{
    return sqlite3_exec(store->database, text, NULL, NULL, NULL);
}

static int migrate(struct store *store, int64_t version)
{
    char marks[128];

    if (version == STORE_VERSION)
        return SQLITE_OK;
    int result = run(store, "BEGIN EXCLUSIVE");
    for (int64_t step = version; result == SQLITE_OK && step < STORE_VERSION; step++)
        result = run(store, steps[step]);
    (void)snprintf(marks, sizeof(marks),
                   "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT", APPLICATION_ID,
                   STORE_VERSION);
    return result == SQLITE_OK ? run(store, marks) : result;
}

/* synchronous = FULL: the journal lets go of what is in the store, so a commit must be on the
 * disk. */
static enum status prepare(struct store *store, int64_t version, struct store_error *error)
{
    int64_t sequence = 0;
    database_file_keep(store->database);
    int result = run(store, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                            "PRAGMA cache_size = -32768");

    if (result == SQLITE_OK)
        result = migrate(store, version);
    if (result == SQLITE_OK)
        result = statements_prepare(store->database, texts, store->statements, STATEMENTS);
    if (result == SQLITE_OK)
        result = account_rows_open(store->database, &store->accounts);
    if (result == SQLITE_OK)
        result = details_rows_open(store->database, &store->details);
    if (result == SQLITE_OK)
        result = statement_ask(store->database, "SELECT sequence FROM position", &sequence);
    store->sequence = (uint64_t)sequence;
    /* without its one row somebody else has been at work */
    return result == SQLITE_OK ? STATUS_OK
                               : explain(store->path, store->database,
                                         result == SQLITE_DONE ? SQLITE_CORRUPT : result, error);
}

static enum status make_file(const struct store *store, struct store_error *error)
{
    int result = database_file_make(store->path);

    if (result == 0)
        return STATUS_OK;
    (void)snprintf(error->text, sizeof(error->text), "the directory's store %s can't be made: %s",
                   store->path, strerror(result));
    return STATUS_SYSTEM;
}

/* SQLite counts its memory under a lock that all of its users share; nobody here asks. Where it is
 * in use already the call does nothing. */
static void configure(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

enum status store_open(const char *path, struct store **opened, struct store_error *error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct store *store = calloc(1, sizeof(*store));
    int64_t version = 0;

    if (store == NULL || strlen(path) >= sizeof(store->path)) {
        (void)snprintf(error->text, sizeof(error->text),
                       "the directory's store can't be opened: %s",
                       store == NULL ? "no memory" : "its name is too long");
        free(store);
        return STATUS_NO_MEMORY;
    }
    memcpy(store->path, path, strlen(path) + 1);
    (void)pthread_once(&once, configure);
    enum status status = make_file(store, error);
    if (status == STATUS_OK) {
        int result = sqlite3_open_v2(path, &store->database,
                                     SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
        (void)sqlite3_busy_timeout(store->database, BUSY_OPEN_MS);
        (void)sqlite3_extended_result_codes(store->database, 1);
        if (result != SQLITE_OK)
            status = explain(path, store->database, result, error);
    }
    if (status == STATUS_OK)
        status = recognise(store, &version, error);
    if (status == STATUS_OK)
        status = prepare(store, version, error);
    if (status != STATUS_OK) {
        store_close(store);
        return status;
    }
    (void)sqlite3_busy_timeout(store->database, BUSY_MS);
    *opened = store;
    return STATUS_OK;
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    bool ours = store->details != NULL; /* or else it is left as it is */
    statements_finalize(store->statements, STATEMENTS);
    account_rows_close(store->accounts);
    details_rows_close(store->details);
    if (ours)
        database_file_settle(store->database);
    CHECK(sqlite3_close(store->database) == SQLITE_OK);
    free(store);
}

uint64_t store_sequence(const struct store *store)
{
    return store->sequence;
}

/* ---- rows ---- */

static uint64_t number_at(sqlite3_stmt *row, int column)
{
    int64_t number = sqlite3_column_int64(row, column);

    return number > 0 ? (uint64_t)number : 0;
}

/* Texts live until the statement's next step. */
static void read_row(sqlite3_stmt *row, struct device_facts *facts)
{
    uint64_t port = number_at(row, 11);
    uint64_t csq = number_at(row, 15);
    bool has_csq = sqlite3_column_type(row, 15) != SQLITE_NULL && csq < PLUGIN_SIGNAL_UNKNOWN;

    *facts = (struct device_facts){
        .known = true,
        .scope = statement_text(row, 0),
        .serial = statement_text(row, 1),
        .kind = statement_text(row, 2),
        .model = statement_text(row, 3),
        .firmware = statement_text(row, 4),
        .hardware = statement_text(row, 5),
        .listener = statement_text(row, 6),
        .note = statement_text(row, 7),
        .first_seen_utc_ms = number_at(row, 8),
        .last_seen_utc_ms = number_at(row, 9),
        .epoch = (uint32_t)number_at(row, 10),
        .project_id = (uint32_t)number_at(row, 12),
        .group_id = (uint32_t)number_at(row, 13),
        .channel_id = (uint32_t)number_at(row, 14),
        .direct_port = port <= UINT16_MAX ? (uint16_t)port : 0,
        .signal_csq = has_csq ? (uint8_t)csq : PLUGIN_SIGNAL_UNKNOWN,
        .gasp = {.utc_ms = number_at(row, 16), .sequence = number_at(row, 17)},
        .removed = sqlite3_column_int(row, 18) != 0,
        .unapproved = sqlite3_column_int(row, 19) != 0,
    };
}

enum status store_load(struct store *store,
                       void (*visit)(const struct device_facts *facts, void *context),
                       void *context, struct store_error *error)
{
    sqlite3_stmt *rows = store->statements[ALL];
    struct device_facts facts;
    int result;

    while ((result = sqlite3_step(rows)) == SQLITE_ROW) {
        read_row(rows, &facts);
        visit(&facts, context);
    }
    if (result != SQLITE_DONE)
        return failed(store, result, error);
    (void)sqlite3_reset(rows);
    return STATUS_OK;
}

enum status store_load_accounts(struct store *store, const struct account_visitor *visitor,
                                struct store_error *error)
{
    enum status status = STATUS_OK;
    int result = account_rows_walk(store->accounts, visitor, &status);

    return result == SQLITE_OK ? status : failed(store, result, error);
}

/* ---- writing ---- */

/* 0 may stand for "none", which is NULL in a row. */
static int bind_or_null(sqlite3_stmt *statement, int place, bool there, uint64_t number)
{
    return there ? sqlite3_bind_int64(statement, place, (sqlite3_int64)number)
                 : sqlite3_bind_null(statement, place);
}

static int bind_row(sqlite3_stmt *put, const struct device_facts *facts)
{
    const char *const strings[] = {facts->scope,    facts->serial,   facts->kind,     facts->model,
                                   facts->firmware, facts->hardware, facts->listener, facts->note};
    const uint64_t numbers[] = {facts->first_seen_utc_ms, facts->last_seen_utc_ms, facts->epoch,
                                facts->direct_port,       facts->project_id,       facts->group_id,
                                facts->channel_id};
    int place = 0;
    int result = SQLITE_OK;

    for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
        result |= sqlite3_bind_text(put, ++place, strings[i], -1, SQLITE_STATIC);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        result |= sqlite3_bind_int64(put, ++place, (sqlite3_int64)numbers[i]);
    result |=
        bind_or_null(put, ++place, facts->signal_csq != PLUGIN_SIGNAL_UNKNOWN, facts->signal_csq);
    result |= bind_or_null(put, ++place, facts->gasp.utc_ms != 0, facts->gasp.utc_ms);
    result |= bind_or_null(put, ++place, facts->gasp.utc_ms != 0, facts->gasp.sequence);
    result |= sqlite3_bind_int(put, ++place, facts->removed);
    result |= sqlite3_bind_int(put, ++place, facts->unapproved);
    return result;
}

enum status store_begin(struct store *store, struct store_error *error)
{
    int result = statement_run(store->statements[BEGIN]);

    return result == SQLITE_OK ? STATUS_OK : failed(store, result, error);
}

enum status store_put(struct store *store, const struct device_facts *facts,
                      struct store_error *error)
{
    int result = bind_row(store->statements[PUT], facts);

    if (result == SQLITE_OK)
        result = statement_run(store->statements[PUT]);
    return result == SQLITE_OK ? STATUS_OK : failed(store, result, error);
}

/* What most events change: a row that is known by its id takes half as long as one by its name. */
static enum status put_times(struct store *store, int64_t id, const struct device_facts *facts,
                             struct store_error *error)
{
    sqlite3_stmt *put = store->statements[TIMES];
    bool gasps = facts->gasp.utc_ms != 0;
    int result = sqlite3_bind_int64(put, 1, id);

    result |= sqlite3_bind_int64(put, 2, (sqlite3_int64)facts->last_seen_utc_ms);
    result |= sqlite3_bind_int64(put, 3, facts->epoch);
    result |= bind_or_null(put, 4, gasps, facts->gasp.utc_ms);
    result |= bind_or_null(put, 5, gasps, facts->gasp.sequence);
    if (result == SQLITE_OK)
        result = statement_run(store->statements[TIMES]);
    return result == SQLITE_OK ? STATUS_OK : failed(store, result, error);
}

enum status store_event(struct store *store, const Cenc__V1__Event *event, uint64_t sequence,
                        struct store_error *error)
{
    sqlite3_stmt *find = store->statements[FIND];
    char serial[FACTS_SERIAL_SIZE];
    struct device_facts facts;

    int result = account_rows_event(store->accounts, event);
    if (result == SQLITE_OK)
        result = details_rows_event(store->details, event);
    if (result != SQLITE_OK)
        return failed(store, result, error);
    if (!replay_serial(event, serial))
        return STATUS_OK;
    result = sqlite3_bind_text(find, 1, event->device->scope, -1, SQLITE_STATIC);
    if (result == SQLITE_OK)
        result = sqlite3_bind_text(find, 2, serial, -1, SQLITE_STATIC);
    if (result == SQLITE_OK)
        result = sqlite3_step(find);
    if (result == SQLITE_ROW)
        read_row(find, &facts);
    else if (result == SQLITE_DONE)
        facts_init(&facts, event->device->scope, serial);
    else
        return failed(store, result, error);
    enum status status = STATUS_OK;
    struct device_facts former = facts;
    if (replay_apply(event, sequence, &facts))
        status = facts_differ_in_times(&facts, &former)
                     ? put_times(store, sqlite3_column_int64(find, sqlite3_data_count(find) - 1),
                                 &facts, error)
                     : store_put(store, &facts, error);
    (void)sqlite3_reset(find);
    return status;
}

enum status store_private(struct store *store, const Cenc__Private__V1__Record *record,
                          struct store_error *error)
{
    int result = account_rows_private(store->accounts, record);

    if (result == SQLITE_OK)
        result = details_rows_private(store->details, record);
    return result == SQLITE_OK ? STATUS_OK : failed(store, result, error);
}

struct putting {
    struct store *store;
    struct store_error *error;
};

static enum status put_account(const Cenc__V1__Event *event, void *context)
{
    struct putting *putting = context;
    int result = account_rows_event(putting->store->accounts, event);

    return result == SQLITE_OK ? STATUS_OK : failed(putting->store, result, putting->error);
}

static enum status put_private(const Cenc__Private__V1__Record *record, void *context)
{
    struct putting *putting = context;

    return store_private(putting->store, record, putting->error);
}

enum status store_put_accounts(struct store *store, struct directory *directory,
                               struct store_error *error)
{
    struct putting putting = {.store = store, .error = error};
    struct account_visitor visitor = {
        .event = put_account, .private = put_private, .context = &putting};
    int result = account_rows_clear(store->accounts);

    if (result != SQLITE_OK)
        return failed(store, result, error);
    enum status status = accounts_walk(directory, &visitor);
    if (status == STATUS_NO_MEMORY)
        return failed(store, SQLITE_NOMEM, error);
    return status;
}

enum status store_end(struct store *store, uint64_t sequence, struct store_error *error)
{
    int result = sqlite3_bind_int64(store->statements[POSITION], 1, (sqlite3_int64)sequence);

    if (result == SQLITE_OK)
        result = statement_run(store->statements[POSITION]);
    if (result == SQLITE_OK)
        result = statement_run(store->statements[COMMIT]);
    if (result != SQLITE_OK)
        return failed(store, result, error);
    store->sequence = sequence;
    return STATUS_OK;
}
