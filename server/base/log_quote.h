/* Quoting of logfmt values; log_quote itself is declared in log.h. Pure functions. */
#ifndef CENCD_BASE_LOG_QUOTE_H
#define CENCD_BASE_LOG_QUOTE_H

#include <stddef.h>

/* As log_quote, but with quotes even where they aren't needed. out_size >= 3; what doesn't fit is
 * left out by whole characters. Returns out. */
char *log_quote_always(const char *text, char *out, size_t out_size);

#endif
