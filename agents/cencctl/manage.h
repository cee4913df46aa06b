/* The commands that ask the server: a request goes there, the answer becomes text. */
#ifndef CENCD_AGENTS_CENCCTL_MANAGE_H
#define CENCD_AGENTS_CENCCTL_MANAGE_H

#include "agents/cencctl/request.h"

#define DEFAULT_SOCKET "/var/lib/cencd/admin.sock"

/* The scope that is found out is put into the request. Returns an exit code. */
int manage_command(struct request *request);

/* The exit code of an answer's HTTP status; what is said when there was none, and its code. */
int manage_code_of(unsigned status);
int manage_no_server(const struct request *request, int number, const struct client_answer *answer);

#endif
