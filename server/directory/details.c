#include "server/directory/details.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"

#define BUSY_MS 2000

static const char *const names[DETAILS_KINDS] = {
    [DETAILS_DEVICE] = "device",     [DETAILS_GROUP] = "group",
    [DETAILS_CHANNEL] = "channel",   [DETAILS_TOP] = "top",
    [DETAILS_PROTOCOL] = "protocol", [DETAILS_OTHER_CHANNEL] = "other_channel",
    [DETAILS_NO_GROUP] = "no_group",
};

struct details {
    sqlite3 *database;
    sqlite3_stmt *find;
    sqlite3_stmt *walk;
    bool failed;
};

const char *details_kind_name(enum details_kind kind)
{
    CHECK((unsigned)kind < DETAILS_KINDS);
    return names[kind];
}

bool details_kind_of(const char *name, enum details_kind *kind)
{
    for (unsigned i = 0; i < DETAILS_KINDS; i++) {
        if (strcmp(names[i], name) == 0) {
            *kind = (enum details_kind)i;
            return true;
        }
    }
    return false;
}

/* The transaction keeps what is seen as it is now. */
static int begin(struct details *details)
{
    int result = sqlite3_prepare_v2(details->database,
                                    "SELECT json FROM details WHERE kind = ?1 AND owner = ?2 AND"
                                    " scope = ?3 AND key = ?4",
                                    -1, &details->find, NULL);

    if (result == SQLITE_OK)
        result = sqlite3_prepare_v2(details->database,
                                    "SELECT json FROM details WHERE kind = ?1 AND owner = ?2"
                                    " ORDER BY id",
                                    -1, &details->walk, NULL);
    if (result == SQLITE_OK)
        result = sqlite3_exec(details->database, "BEGIN; SELECT sequence FROM position", NULL, NULL,
                              NULL);
    return result;
}

enum status details_open(const char *path, struct details **opened)
{
    struct details *details = calloc(1, sizeof(*details));

    if (details == NULL)
        return STATUS_NO_MEMORY;
    int result =
        sqlite3_open_v2(path, &details->database, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    (void)sqlite3_busy_timeout(details->database, BUSY_MS);
    if (result == SQLITE_OK)
        result = begin(details);
    if (result != SQLITE_OK) {
        details_close(details);
        return STATUS_SYSTEM;
    }
    *opened = details;
    return STATUS_OK;
}

void details_close(struct details *details)
{
    if (details == NULL)
        return;
    (void)sqlite3_finalize(details->find);
    (void)sqlite3_finalize(details->walk);
    CHECK(sqlite3_close(details->database) == SQLITE_OK);
    free(details);
}

/* The text of the next row; NULL: there is none. */
static const char *step(struct details *details, sqlite3_stmt *statement)
{
    int result = sqlite3_step(statement);

    if (result == SQLITE_ROW) {
        const char *json = (const char *)sqlite3_column_text(statement, 0);
        details->failed |= json == NULL;
        return json;
    }
    details->failed |= result != SQLITE_DONE;
    (void)sqlite3_reset(statement);
    return NULL;
}

const char *details_find(struct details *details, const struct details_key *key)
{
    sqlite3_stmt *find = details->find;

    (void)sqlite3_reset(find);
    int result = sqlite3_bind_text(find, 1, names[key->kind], -1, SQLITE_STATIC);
    result |= sqlite3_bind_int64(find, 2, key->owner);
    result |= sqlite3_bind_text(find, 3, key->scope, -1, SQLITE_TRANSIENT);
    result |= sqlite3_bind_text(find, 4, key->key, -1, SQLITE_TRANSIENT);
    details->failed |= result != SQLITE_OK;
    return result == SQLITE_OK ? step(details, find) : NULL;
}

const char *details_first(struct details *details, enum details_kind kind, uint32_t project)
{
    sqlite3_stmt *walk = details->walk;

    (void)sqlite3_reset(walk);
    int result = sqlite3_bind_text(walk, 1, names[kind], -1, SQLITE_STATIC);
    result |= sqlite3_bind_int64(walk, 2, project);
    details->failed |= result != SQLITE_OK;
    return result == SQLITE_OK ? step(details, walk) : NULL;
}

const char *details_next(struct details *details)
{
    return step(details, details->walk);
}

bool details_failed(const struct details *details)
{
    return details->failed;
}
