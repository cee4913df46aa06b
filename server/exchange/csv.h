/* CSV as in RFC 4180: fields in quotes may hold the separator, line ends and doubled quotes. Lines
 * end with CRLF or LF, a mark before UTF-8 is passed over. The separator is the comma, or the
 * semicolon or tab if the first line has one of them before any comma. Empty lines are passed
 * over. */
#ifndef CENCD_EXCHANGE_CSV_H
#define CENCD_EXCHANGE_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CSV_FIELDS_MAX 32u
#define CSV_FIELD_SIZE 1025u /* with NUL */

struct csv {
    const char *text;
    size_t size;
    size_t at;
    char separator;
    uint32_t line; /* in which the present row begins, from 1 */
    uint32_t next_line;
    size_t count; /* fields of the row */
    char fields[CSV_FIELDS_MAX][CSV_FIELD_SIZE];
};

enum csv_next { CSV_ROW, CSV_END, CSV_BAD };

void csv_open(struct csv *csv, const char *text, size_t size);

/* The next row. CSV_BAD: fault says in words what is wrong in it, csv->count the number of the
 * field, from 1; the walk can go on with the next line. */
enum csv_next csv_next(struct csv *csv, const char **fault);

#endif
