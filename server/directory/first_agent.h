/* The account that exists from the first start: extended, named "admin", with a random password
 * that is written to the file `first-agent` in the state folder (mode 0600, "admin:PASSWORD"),
 * before the account is there. If no agent has ever been made, that is; once one was, none comes
 * by itself again. */
#ifndef CENCD_DIRECTORY_FIRST_AGENT_H
#define CENCD_DIRECTORY_FIRST_AGENT_H

#include "server/directory/edit.h"

#define FIRST_AGENT_NAME "admin"
#define FIRST_AGENT_FILE "first-agent"

/* Blocks (a hash, and the journal's commit): for a thread that may. What fails is logged, and tried
 * again at the next start. */
void first_agent_make(struct directory *directory, struct editor *editor, const char *state_dir);

#endif
