/* Which number a text has: for names and serials of a file, where a balanced tree can't be made
 * slow by whoever chooses them. Texts are the caller's and must live as long. */
#ifndef CENCD_EXCHANGE_NAMES_INDEX_H
#define CENCD_EXCHANGE_NAMES_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/status.h"
#include "server/exchange/arena.h"

/* All zeros: empty. */
struct names_index {
    void *root;
};

/* Gives the text this number, unless it has one: STATUS_EXISTS, and *number says which.
 * within: the same text in another place is another one. STATUS_NO_MEMORY. */
enum status names_index_add(struct names_index *index, struct arena *arena, uint32_t within,
                            const char *text, uint32_t *number) MUST_CHECK;

bool names_index_find(const struct names_index *index, uint32_t within, const char *text,
                      uint32_t *number);

void names_index_free(struct names_index *index);

#endif
