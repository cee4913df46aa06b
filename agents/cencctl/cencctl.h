/* What cencctl's commands share. */
#ifndef CENCD_AGENTS_CENCCTL_CENCCTL_H
#define CENCD_AGENTS_CENCCTL_CENCCTL_H

#include <sysexits.h>

/* The higher one wins where several apply. */
enum exit_code {
    EXIT_GOOD = 0,
    EXIT_DAMAGED = 2,
    EXIT_USAGE = EX_USAGE,  /* 64 */
    EXIT_UNREAD = EX_IOERR, /* 74 */
};

/* Says it on stderr; returns EXIT_USAGE. */
int usage_error(const char *text, const char *what);

#endif
