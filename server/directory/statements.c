#include "server/directory/statements.h"

int statements_prepare(sqlite3 *database, const char *const *texts, sqlite3_stmt **statements,
                       size_t count)
{
    int result = SQLITE_OK;

    for (size_t i = 0; result == SQLITE_OK && i < count; i++)
        result = sqlite3_prepare_v3(database, texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                                    &statements[i], NULL);
    return result;
}

void statements_finalize(sqlite3_stmt **statements, size_t count)
{
    for (size_t i = 0; i < count; i++)
        (void)sqlite3_finalize(statements[i]);
}

void statements_reset(sqlite3_stmt **statements, size_t count)
{
    for (size_t i = 0; i < count; i++)
        (void)sqlite3_reset(statements[i]);
}

void statement_rest(sqlite3_stmt *statement)
{
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
}

int statement_run(sqlite3_stmt *statement)
{
    int result = sqlite3_step(statement);

    statement_rest(statement);
    return result == SQLITE_DONE ? SQLITE_OK : result;
}

int statement_run_with_id(sqlite3_stmt *statement, uint32_t id)
{
    int result = sqlite3_bind_int64(statement, 1, id);

    return result == SQLITE_OK ? statement_run(statement) : result;
}

const char *statement_text(sqlite3_stmt *row, int column)
{
    const char *text = (const char *)sqlite3_column_text(row, column);

    return text != NULL ? text : "";
}

int statement_ask(sqlite3 *database, const char *question, int64_t *answer)
{
    sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v2(database, question, -1, &statement, NULL);

    if (result == SQLITE_OK)
        result = sqlite3_step(statement);
    if (result == SQLITE_ROW)
        *answer = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    return result == SQLITE_ROW ? SQLITE_OK : result;
}
