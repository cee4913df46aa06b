#include "server/directory/access.h"

#include <stdlib.h>
#include <string.h>

#include "server/directory/accounts.h"
#include "server/directory/internal.h"
#include "server/directory/places.h"

const char *access_verdict_name(enum access_verdict verdict)
{
    static const char *const names[ACCESS_VERDICTS] = {
        [ACCESS_ALLOWED] = "allowed",
        [ACCESS_WRONG_PASSWORD] = "wrong_password",
        [ACCESS_LOCKED_OUT] = "locked_out",
        [ACCESS_TRY_LATER] = "try_later",
        [ACCESS_DISABLED] = "disabled",
        [ACCESS_EXPIRED] = "expired",
        [ACCESS_ADDRESS] = "address_not_allowed",
        [ACCESS_NOT_GRANTED] = "not_granted",
        [ACCESS_NOT_APPROVED] = "not_approved",
        [ACCESS_UNKNOWN_DEVICE] = "unknown_device",
        [ACCESS_TOO_MANY_SESSIONS] = "too_many_sessions",
    };

    CHECK(verdict < ACCESS_VERDICTS);
    return names[verdict];
}

static int by_number(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;

    return (a > b) - (a < b);
}

static bool listed(const uint32_t *ids, uint32_t count, uint32_t id)
{
    return id != 0 && count > 0 && bsearch(&id, ids, count, sizeof(id), by_number) != NULL;
}

static bool reaches(const struct agent_rights *rights, const struct place *place)
{
    return rights->extended || place->group == 0 ||
           listed(rights->groups, rights->group_count, place->group) ||
           listed(rights->projects, rights->project_count, place->project);
}

enum access_verdict access_decide(struct directory *directory, struct agent_ref ref,
                                  const struct device *device, const struct address *peer,
                                  uint64_t utc_ms)
{
    struct place place = {0};
    bool known = device != NULL && place_of(directory, device, &place);
    /* before the accounts are locked: whoever holds a device locks them */
    bool unapproved = known && device_unapproved(directory, device);
    struct accounts *accounts = accounts_read(directory);
    struct named *named = named_get(&accounts->agents, ref.id);
    enum access_verdict verdict = ACCESS_DISABLED;

    if (named != NULL)
        verdict = agent_verdict(agent_of(named), peer, utc_ms);
    if (verdict == ACCESS_ALLOWED && !known)
        verdict = ACCESS_UNKNOWN_DEVICE;
    else if (verdict == ACCESS_ALLOWED && unapproved)
        verdict = ACCESS_NOT_APPROVED;
    else if (verdict == ACCESS_ALLOWED && !reaches(&agent_of(named)->rights, &place))
        verdict = ACCESS_NOT_GRANTED;
    accounts_unlock(accounts);
    return verdict;
}

/* Scopes are few: those of the configured listeners. */
struct device *access_find_device(struct directory *directory, const char *serial, bool *ambiguous)
{
    const struct directory_config *config = &directory->config;
    struct device *found = NULL;

    *ambiguous = false;
    for (size_t i = 0; config->listeners != NULL && i < config->listener_count; i++) {
        struct device *device = directory_find(directory, config->listeners[i].scope, serial);
        if (device == NULL || device == found)
            continue;
        *ambiguous = found != NULL;
        if (*ambiguous)
            return NULL;
        found = device;
    }
    return found;
}
