/* Where a password or a token comes from: never from the command line, which everybody on the
 * machine can read. */
#ifndef CENCD_AGENTS_CENCCTL_SECRET_H
#define CENCD_AGENTS_CENCCTL_SECRET_H

#include <stddef.h>

#define SECRET_SIZE 258u /* the longest password, its newline and a NUL */

/* The first line of a file, of the standard input ("-"), or (NULL) asked for: twice and without
 * echo at a terminal, otherwise the first line of the standard input. Returns EXIT_GOOD, or another
 * code: it has been said then. what: "password". secret is to be wiped by the
 * caller. */
int secret_read(const char *what, const char *path, char secret[static SECRET_SIZE]);

#endif
