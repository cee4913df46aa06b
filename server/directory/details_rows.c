#include "server/directory/details_rows.h"

#include <stdlib.h>
#include <string.h>

#include "server/directory/details.h"
#include "server/directory/statements.h"

const char details_rows_schema[] =
    "CREATE TABLE details ("
    " id INTEGER PRIMARY KEY," /* in order of their coming */
    " kind TEXT NOT NULL,"     /* see server/directory/details.h */
    " owner INTEGER NOT NULL," /* id of a group, channel, project; of a device 0 */
    " scope TEXT NOT NULL,"    /* of a device */
    " key TEXT NOT NULL,"      /* of a device its serial */
    " json TEXT NOT NULL,"     /* without passwords */
    " UNIQUE (kind, owner, scope, key)) STRICT;";

enum statement { PUT, DROP, DROP_ALL, STATEMENTS };

static const char *const texts[STATEMENTS] = {
    [PUT] = ("INSERT INTO details (kind, owner, scope, key, json) VALUES (?1, ?2, ?3, ?4, ?5)"
             " ON CONFLICT (kind, owner, scope, key) DO UPDATE SET json = ?5"),
    [DROP] = "DELETE FROM details WHERE kind = ?1 AND owner = ?2 AND scope = ?3 AND key = ?4",
    [DROP_ALL] = "DELETE FROM details WHERE kind = ?1 AND owner = ?2",
};

struct details_rows {
    sqlite3_stmt *statements[STATEMENTS];
};

int details_rows_open(sqlite3 *database, struct details_rows **opened)
{
    struct details_rows *rows = calloc(1, sizeof(*rows));
    int result = rows != NULL ? statements_prepare(database, texts, rows->statements, STATEMENTS)
                              : SQLITE_NOMEM;

    if (result == SQLITE_OK)
        *opened = rows;
    else
        details_rows_close(rows);
    return result;
}

void details_rows_close(struct details_rows *rows)
{
    if (rows == NULL)
        return;
    statements_finalize(rows->statements, STATEMENTS);
    free(rows);
}

void details_rows_reset(struct details_rows *rows)
{
    if (rows != NULL)
        statements_reset(rows->statements, STATEMENTS);
}

/* scope NULL: the statement has no such columns. */
static int run(struct details_rows *rows, enum statement which, const char *kind, uint32_t owner,
               const char *scope, const char *key, const char *json)
{
    sqlite3_stmt *statement = rows->statements[which];
    int result = sqlite3_bind_text(statement, 1, kind, -1, SQLITE_STATIC);

    result |= sqlite3_bind_int64(statement, 2, owner);
    if (scope != NULL) {
        result |= sqlite3_bind_text(statement, 3, scope, -1, SQLITE_STATIC);
        result |= sqlite3_bind_text(statement, 4, key, -1, SQLITE_STATIC);
    }
    if (json != NULL)
        result |= sqlite3_bind_text(statement, 5, json, -1, SQLITE_STATIC);
    return result == SQLITE_OK ? statement_run(statement) : result;
}

static int drop_all(struct details_rows *rows, enum details_kind kind, uint32_t owner)
{
    return run(rows, DROP_ALL, details_kind_name(kind), owner, NULL, NULL, NULL);
}

static int drop_project(struct details_rows *rows, uint32_t project)
{
    int result = SQLITE_OK;

    for (int kind = DETAILS_TOP; kind < DETAILS_KINDS && result == SQLITE_OK; kind++)
        result = drop_all(rows, (enum details_kind)kind, project);
    return result;
}

int details_rows_event(struct details_rows *rows, const Cenc__V1__Event *event)
{
    switch (event->body_case) {
    case CENC__V1__EVENT__BODY_DEVICE_REMOVED:
        if (event->device == NULL)
            return SQLITE_OK;
        return run(rows, DROP, details_kind_name(DETAILS_DEVICE), 0, event->device->scope,
                   event->device->serial, NULL);
    case CENC__V1__EVENT__BODY_GROUP_REMOVED:
        if (event->group_removed->item == NULL)
            return SQLITE_OK;
        return drop_all(rows, DETAILS_GROUP, event->group_removed->item->id);
    case CENC__V1__EVENT__BODY_CHANNEL_REMOVED:
        if (event->channel_removed->item == NULL)
            return SQLITE_OK;
        return drop_all(rows, DETAILS_CHANNEL, event->channel_removed->item->id);
    case CENC__V1__EVENT__BODY_PROJECT_REMOVED:
        if (event->project_removed->item == NULL)
            return SQLITE_OK;
        return drop_project(rows, event->project_removed->item->id);
    default:
        return SQLITE_OK;
    }
}

int details_rows_private(struct details_rows *rows, const Cenc__Private__V1__Record *record)
{
    const Cenc__Private__V1__ImportedDetails *details = record->imported_details;
    enum details_kind kind;

    if (record->body_case != CENC__PRIVATE__V1__RECORD__BODY_IMPORTED_DETAILS ||
        !details_kind_of(details->kind, &kind))
        return SQLITE_OK;
    if (details->json[0] == '\0')
        return run(rows, DROP, details->kind, details->owner_id, details->scope, details->key,
                   NULL);
    return run(rows, PUT, details->kind, details->owner_id, details->scope, details->key,
               details->json);
}
