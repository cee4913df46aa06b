/* Devices as CSV: the first row names the columns, in any order: `serial`, and of these what is
 * wanted: `scope`; `project` and `group`; `host` and `port`, `channel` (its name, otherwise
 * host:port) and `exclusive` (yes or no).
 *
 * A row without a project is of the one that is given for all; one without a host says nothing of
 * the channel. Rows with the same host and port share one channel. A field in a column that it
 * doesn't know is a fault, since nobody could say what came of it. */
#ifndef CENCD_EXCHANGE_CSV_READ_H
#define CENCD_EXCHANGE_CSV_READ_H

#include "server/exchange/model.h"

#define CSV_COLUMNS "serial,scope,project,group,channel,host,port,exclusive"

/* As cehes_read; project may be "": rows without one belong to none. */
enum status csv_read(const char *text, size_t size, const char *project,
                     struct exchange *exchange) MUST_CHECK;

#endif
