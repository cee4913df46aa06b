/* `cencctl audit`: from the journal in a folder, who reached which device, from where, when, how
 * many bytes each way and why it ended; and who changed what, before and after. Changes nothing. */
#ifndef CENCD_AGENTS_CENCCTL_AUDIT_H
#define CENCD_AGENTS_CENCCTL_AUDIT_H

#include "agents/cencctl/request.h"

/* Returns an exit code. */
int audit_command(const struct request *request);

#endif
