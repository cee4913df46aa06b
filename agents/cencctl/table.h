/* Objects in JSON as a table for people, as wide as the terminal (or as COLUMNS says); a file or a
 * pipe gets all of it. Rows come in parts, a page of the server's answer at a time; columns only
 * grow from part to part. What doesn't fit is cut, marked by a tilde; then columns at the right,
 * which matter least, are left out. Nothing of a value can reach the terminal as a command. */
#ifndef CENCD_AGENTS_CENCCTL_TABLE_H
#define CENCD_AGENTS_CENCCTL_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#define TABLE_COLUMNS 16u

/* Filled with zeros but for out, columns and room. */
struct table {
    FILE *out;
    const char *const *columns; /* keys, NULL at their end; one with = before it is never cut */
    size_t room;                /* places in a line; see table_room */
    size_t widths[TABLE_COLUMNS];
    bool has_heading; /* it was printed */
};

/* How wide stdout is; SIZE_MAX: there is no limit. */
size_t table_room(void);

/* items: an array of objects. */
void table_rows(struct table *table, const json_t *items);

/* One object: a line for each of its fields. */
void table_one(FILE *out, const json_t *object);

#endif
