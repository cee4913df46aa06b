/* Inside the store: rows of tokens, with what the records said of them, and of their hashes; like
 * account_rows.h. Functions return what SQLite does. */
#ifndef CENCD_DIRECTORY_TOKEN_ROWS_H
#define CENCD_DIRECTORY_TOKEN_ROWS_H

#include <sqlite3.h>

#include "server/directory/row_messages.h"

/* What makes the tables. */
extern const char token_rows_schema[];

struct token_rows;

/* messages: its owner's, which it uses too. */
int token_rows_open(sqlite3 *database, struct row_messages *messages, struct token_rows **rows);
void token_rows_close(struct token_rows *rows); /* NULL: nothing */
void token_rows_reset(struct token_rows *rows); /* after an error; NULL: nothing */

/* Records that say nothing of these tables, or can't be, are SQLITE_OK. */
int token_rows_event(struct token_rows *rows, const Cenc__V1__Event *event);
int token_rows_private(struct token_rows *rows, const Cenc__Private__V1__Record *record);
int token_rows_clear(struct token_rows *rows);

/* All of them, as records. *status is what the visitor said. */
int token_rows_walk(struct token_rows *rows, const struct account_visitor *visitor,
                    enum status *status);

#endif
