/* Listeners that an operator stopped, by their names in the configuration. They change only through
 * edits (edit.h). Thread-safe, short. */
#ifndef CENCD_DIRECTORY_HALTS_H
#define CENCD_DIRECTORY_HALTS_H

#include <stdbool.h>
#include <stdint.h>

#include "server/directory/directory.h"

/* A listener that was stopped once stays in the table when it is started, with its revision. */
struct halt_info {
    uint64_t revision;
    bool stopped;
};

/* False: it never was; info is zeros then. */
bool halt_find(struct directory *directory, const char *listener, struct halt_info *info);

#endif
