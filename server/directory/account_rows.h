/* Inside the store: rows of projects, groups, agents, channels and bindings, with what the records
 * said of them; a row is replaced by a record of a greater revision only. Functions return what
 * SQLite does. */
#ifndef CENCD_DIRECTORY_ACCOUNT_ROWS_H
#define CENCD_DIRECTORY_ACCOUNT_ROWS_H

#include <sqlite3.h>

#include "server/directory/accounts_message.h"

/* What makes the tables, each beside those before it, and at first those of devices (schema.c). */
extern const char device_rows_schema[];
extern const char account_rows_schema[];
extern const char channel_rows_schema[];
extern const char halt_rows_schema[];
extern const char approval_schema[];

struct account_rows;

int account_rows_open(sqlite3 *database, struct account_rows **rows);
void account_rows_close(struct account_rows *rows); /* NULL: nothing */
void account_rows_reset(struct account_rows *rows); /* after an error */

/* Records that say nothing of these tables, or can't be, are SQLITE_OK. */
int account_rows_event(struct account_rows *rows, const Cenc__V1__Event *event);
int account_rows_private(struct account_rows *rows, const Cenc__Private__V1__Record *record);
int account_rows_clear(struct account_rows *rows);

/* All of them, as records. *status is what the visitor said. */
int account_rows_walk(struct account_rows *rows, const struct account_visitor *visitor,
                      enum status *status);

#endif
