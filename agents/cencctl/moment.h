/* A time as an operator writes it. UTC always. Pure. */
#ifndef CENCD_AGENTS_CENCCTL_MOMENT_H
#define CENCD_AGENTS_CENCCTL_MOMENT_H

#include <stdbool.h>
#include <stdint.h>

/* "2026-11-21", "2026-11-21T04:00", "2026-11-21T04:00:30", with or without Z at the end; or so long
 * before now_ms: "90s", "30m", "12h", "7d". False: it is none of these. */
bool moment_parse(const char *text, int64_t now_ms, int64_t *unix_ms);

#endif
