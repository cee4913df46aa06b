/* `cencctl journal verify` and `cencctl journal dump`: read the segments of a folder, change
 * nothing. */
#ifndef CENCD_AGENTS_CENCCTL_JOURNAL_H
#define CENCD_AGENTS_CENCCTL_JOURNAL_H

/* The words after `journal`. Returns an exit code. */
int journal_command(int argc, char **argv);

#endif
