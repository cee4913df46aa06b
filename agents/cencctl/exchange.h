/* import and export: files to the server and from it. */
#ifndef CENCD_AGENTS_CENCCTL_EXCHANGE_H
#define CENCD_AGENTS_CENCCTL_EXCHANGE_H

#include "agents/cencctl/request.h"

/* Both return an exit code. */
int import_command(struct request *request);
int export_command(struct request *request);

#endif
