/* Prepared statements of one SQLite database, numbered by their user's enum. The array is its, with
 * NULL where nothing is prepared. Functions return what SQLite does. One thread at a time. */
#ifndef CENCD_DIRECTORY_STATEMENTS_H
#define CENCD_DIRECTORY_STATEMENTS_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

/* After an error some are prepared: finalize takes all. */
int statements_prepare(sqlite3 *database, const char *const *texts, sqlite3_stmt **statements,
                       size_t count);
void statements_finalize(sqlite3_stmt **statements, size_t count);
void statements_reset(sqlite3_stmt **statements, size_t count); /* after an error */

/* Runs one that returns no rows: SQLITE_OK, it is done. Nothing is bound to it any more. */
int statement_run(sqlite3_stmt *statement);
int statement_run_with_id(sqlite3_stmt *statement, uint32_t id); /* bound to ?1 */

/* Done with its rows: it lets go of them and of what is bound to it. */
void statement_rest(sqlite3_stmt *statement);

/* The text lives until the statement's next step. "" also if there is no memory, which is found
 * when the next row is asked for. */
const char *statement_text(sqlite3_stmt *row, int column);

/* The number that a question has as its answer. SQLITE_DONE: it has none. */
int statement_ask(sqlite3 *database, const char *question, int64_t *answer);

#endif
