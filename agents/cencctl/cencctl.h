/* What cencctl's commands share. */
#ifndef CENCD_AGENTS_CENCCTL_CENCCTL_H
#define CENCD_AGENTS_CENCCTL_CENCCTL_H

#include <sysexits.h>

/* The higher one wins where several apply. */
enum exit_code {
    EXIT_GOOD = 0,
    EXIT_DAMAGED = 2,
    EXIT_NOT_FOUND = 3,              /* what is asked for, or what it refers to */
    EXIT_CONFLICT = 4,               /* it exists, is in use, or was changed meanwhile */
    EXIT_REFUSED = 5,                /* a value is not allowed, or the caller may not */
    EXIT_NOT_NOW = 6,                /* the server can't: full, or its disk takes nothing */
    EXIT_USAGE = EX_USAGE,           /* 64 */
    EXIT_NO_SERVER = EX_UNAVAILABLE, /* 69: nobody answers on the socket */
    EXIT_UNREAD = EX_IOERR,          /* 74 */
};

/* Says it on stderr; returns EXIT_USAGE. */
int usage_error(const char *text, const char *what);

#endif
