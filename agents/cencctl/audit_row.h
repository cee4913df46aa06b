/* What one event says to an auditor: who, when, which device, what, and what was before. It works
 * on the event's JSON (codec/proto/json.h), so that a field that comes later is told, too. There
 * are no secrets in events. Pure. */
#ifndef CENCD_AGENTS_CENCCTL_AUDIT_ROW_H
#define CENCD_AGENTS_CENCCTL_AUDIT_ROW_H

#include <jansson.h>

/* event: one of kind `kind`, the name of its body's field. Returns {"time", "event", "who",
 * "device", "what"}, texts all; NULL: no memory. */
json_t *audit_row(const json_t *event, const char *kind);

#endif
