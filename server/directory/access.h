/* May this agent reach this device? Decided once, when a session is about to begin; edits later on
 * don't touch a session that runs.
 *
 * An extended agent reaches every device. Any other reaches
 *   - devices of groups that are granted to it,
 *   - devices of projects that are granted to it, in whatever group,
 *   - devices in no group, of whatever project: also of one that isn't granted, and of none.
 * A device that waits for an operator's approval is reached by nobody.
 * So whoever wants a device kept from agents puts it into a group. */
#ifndef CENCD_DIRECTORY_ACCESS_H
#define CENCD_DIRECTORY_ACCESS_H

#include "server/directory/agents.h"

enum access_verdict {
    ACCESS_ALLOWED,
    ACCESS_WRONG_PASSWORD,    /* or no such account: nobody is told which */
    ACCESS_LOCKED_OUT,        /* too many failures; on the wire, as a wrong password */
    ACCESS_TRY_LATER,         /* too many logins are under way */
    ACCESS_DISABLED,          /* the account; on the wire, these three as a wrong password */
    ACCESS_EXPIRED,           /* the account */
    ACCESS_ADDRESS,           /* the account may not be used from this address */
    ACCESS_NOT_GRANTED,       /* the device */
    ACCESS_NOT_APPROVED,      /* the device, whoever asks */
    ACCESS_UNKNOWN_DEVICE,    /* no such device */
    ACCESS_TOO_MANY_SESSIONS, /* of the account */
    ACCESS_VERDICTS,
};

/* "not_granted" and so on: for logs, metrics and events. */
const char *access_verdict_name(enum access_verdict verdict);

/* device: NULL is ACCESS_UNKNOWN_DEVICE. An account that is gone is ACCESS_DISABLED. */
enum access_verdict access_decide(struct directory *directory, struct agent_ref agent,
                                  const struct device *device, const struct address *peer,
                                  uint64_t utc_ms) MUST_CHECK;

/* A device by what an agent typed: its serial alone. The scope is the one in which there is such a
 * device; NULL if there is none, or *ambiguous if several scopes have one. */
struct device *access_find_device(struct directory *directory, const char *serial, bool *ambiguous);

#endif
