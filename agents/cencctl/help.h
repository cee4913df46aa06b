/* What cencctl says of itself, all from one table of commands: the help, the manual page (docs/man/
 * cencctl.1 is a copy of it), what bash completes. */
#ifndef CENCD_AGENTS_CENCCTL_HELP_H
#define CENCD_AGENTS_CENCCTL_HELP_H

#include <stdio.h>

void help_print(FILE *out);
/* One command, or all of a noun. Returns an exit code. */
int help_of(const char *noun, const char *verb);
void help_manual(FILE *out);
void help_completion(FILE *out);

#endif
