/* The commands of commands.h: words to a request, the answer to text. */
#ifndef CENCD_AGENTS_CENCCTL_MANAGE_H
#define CENCD_AGENTS_CENCCTL_MANAGE_H

#define DEFAULT_SOCKET "/var/lib/cencd/admin.sock"

/* argv: noun, verb and what follows. Returns an exit code. */
int manage_command(int argc, char **argv);

#endif
