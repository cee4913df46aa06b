/* Records of the journal as JSON on stdout, one object to a line: events as codec/proto/json.h has
 * them, with their sequence; of private records only {"sequence":"7","private":true}; of an event
 * that can't be read {"sequence":"7","unreadable":true}. Numbers of 64 bits are strings. */
#ifndef CENCD_AGENTS_CENCCTL_PRINT_H
#define CENCD_AGENTS_CENCCTL_PRINT_H

#include <stdbool.h>
#include <stdint.h>

#include "server/journal/record.h"

struct print_choice {
    uint64_t from;
    uint64_t to;
    const char *kind; /* NULL: all */
};

struct printer;

struct printer *printer_create(const struct print_choice *choice); /* NULL: no memory */
void printer_free(struct printer *printer);

/* For segment_scan; context is the printer. */
void print_record(const struct record *record, void *context);

bool print_knows_kind(const char *kind);

#endif
