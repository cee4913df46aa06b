/* Visits the journal's records with blocking calls, before the journal is started. */
#ifndef CENCD_JOURNAL_WALK_H
#define CENCD_JOURNAL_WALK_H

#include "server/journal/journal.h"
#include "server/journal/reader.h"

/* Every record from `from` on (or from journal_oldest, if that is later), in order. A record's data
 * is valid during the call. STATUS_INVALID: a segment is damaged, which error says with file and
 * offset; STATUS_SYSTEM, STATUS_NO_MEMORY. */
enum status journal_walk(struct journal *journal, uint64_t from,
                         void (*visit)(const struct journal_record *record, void *context),
                         void *context, struct journal_error *error) MUST_CHECK;

#endif
