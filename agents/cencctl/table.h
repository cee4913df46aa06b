/* Objects in JSON as a table for people: as wide as the terminal, where the output is one. */
#ifndef CENCD_AGENTS_CENCCTL_TABLE_H
#define CENCD_AGENTS_CENCCTL_TABLE_H

#include <jansson.h>
#include <stdbool.h>

/* columns: keys of the items, NULL at their end; their headings are the keys in capitals. */
void table_print(const json_t *items, const char *const *columns, bool with_heading);

/* One object: a line for each of its fields. */
void table_print_one(const json_t *object);

#endif
