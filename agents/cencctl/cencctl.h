/* What cencctl's commands share. */
#ifndef CENCD_AGENTS_CENCCTL_CENCCTL_H
#define CENCD_AGENTS_CENCCTL_CENCCTL_H

#include <sysexits.h>

/* The higher one wins where several apply. */
enum exit_code {
    EXIT_GOOD = 0,
    EXIT_DAMAGED = 2,
    EXIT_USAGE = EX_USAGE,           /* 64 */
    EXIT_REFUSED = EX_DATAERR,       /* 65: the server takes no such value */
    EXIT_NOT_FOUND = EX_NOINPUT,     /* 66: what is asked for, or what it refers to */
    EXIT_NO_SERVER = EX_UNAVAILABLE, /* 69: nobody answers on the socket, or it can't now */
    EXIT_UNREAD = EX_IOERR,          /* 74 */
    EXIT_CONFLICT = EX_TEMPFAIL,     /* 75: it exists, is in use, or was changed meanwhile */
    EXIT_NOT_ALLOWED = EX_NOPERM,    /* 77 */
};

/* Says it on stderr; returns EXIT_USAGE. */
int usage_error(const char *text, const char *what);

#endif
