/* JSON copied as it is, but for passwords: numbers, escapes and the order of fields stay, spaces
 * between them go. What is left out is replaced by an empty text:
 *
 * - the value of a field whose name says that it is a secret (secret_words.h), unless it is true,
 *   false or null;
 * - the "Value" of an object whose "Name" (or "Key", "Code", "Type") says so;
 * - a text in which a secret is named.
 *
 * A text that is itself JSON (ceHes has its Settings so) is treated alike, spaces kept. Deeper than
 * that a text in a text in which a secret is named is left out whole. Pure functions. */
#ifndef CENCD_EXCHANGE_SCRUB_H
#define CENCD_EXCHANGE_SCRUB_H

#include <stdbool.h>
#include <stddef.h>

#include "server/base/status.h"
#include "server/exchange/slice.h"

/* All zeros: empty. Text that grows, and is made zeros when it goes. */
struct scrubbed {
    char *text;
    size_t size;
    size_t capacity;
    bool failed;    /* out of memory: the text is incomplete */
    size_t secrets; /* that were left out */
};

/* Brackets inside of one another: a slice's, and an object around it in which it has a name. */
#define SCRUB_DEPTH_MAX (SLICE_DEPTH_MAX + 1u)

/* Appends the copy of a value, which must be JSON that a parser took, with at most SCRUB_DEPTH_MAX
 * brackets inside of one another, without space around it. */
void scrub(struct scrubbed *out, const char *text, size_t size);

/* Appends bytes as they are. */
void scrubbed_add(struct scrubbed *out, const char *text, size_t size);

void scrubbed_free(struct scrubbed *out);

#endif
