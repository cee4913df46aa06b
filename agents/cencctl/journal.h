/* `cencctl journal verify` and `cencctl journal dump`: read the segments of a folder, change
 * nothing. */
#ifndef CENCD_AGENTS_CENCCTL_JOURNAL_H
#define CENCD_AGENTS_CENCCTL_JOURNAL_H

#include "agents/cencctl/request.h"

/* Both return an exit code. */
int journal_verify(const struct request *request);
int journal_dump(const struct request *request);

#endif
