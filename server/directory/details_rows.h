/* Inside the store: rows of details (details.h). Functions return what SQLite does. */
#ifndef CENCD_DIRECTORY_DETAILS_ROWS_H
#define CENCD_DIRECTORY_DETAILS_ROWS_H

#include <sqlite3.h>

#include <cenc/private/v1/records.pb-c.h>
#include <cenc/v1/events.pb-c.h>

/* What makes the table. */
extern const char details_rows_schema[];

struct details_rows;

int details_rows_open(sqlite3 *database, struct details_rows **rows);
void details_rows_close(struct details_rows *rows); /* NULL: nothing */
void details_rows_reset(struct details_rows *rows); /* after an error */

/* Objects that are removed take their details along. */
int details_rows_event(struct details_rows *rows, const Cenc__V1__Event *event);
int details_rows_private(struct details_rows *rows, const Cenc__Private__V1__Record *record);

#endif
