#include "agents/account.h"

#include <string.h>

#include "server/base/check.h"

static_assert(SESSION_NAME_SIZE >= DIRECTORY_NAME_SIZE, "an agent's name fits");

void account_clear(struct account *account)
{
    memset(account, 0, sizeof *account);
}

void account_set(struct shard *shard, struct agent_ref agent, struct account *account)
{
    account_clear(account);
    account->agent = agent;
    (void)agent_name(shard->server->directory, agent, account->name);
    account->priority = agent_priority(shard->server->directory, agent);
}

bool account_by_address(struct shard *shard, const struct address *peer, struct account *account)
{
    struct agent_ref agent;
    if (!agent_by_source(shard->server->directory, peer, reactor_utc_ms(shard->reactor), &agent))
        return false;
    account_set(shard, agent, account);
    return true;
}

enum session_priority account_priority(const struct account *account, uint32_t by_way)
{
    if (account->priority == AGENT_BY_WAY)
        return by_way == CONFIG_PERSON ? SESSION_PERSON : SESSION_COLLECTION;
    return account->priority == AGENT_PERSON ? SESSION_PERSON : SESSION_COLLECTION;
}

enum close_reason account_reason(enum access_verdict verdict)
{
    switch (verdict) {
    case ACCESS_NOT_GRANTED:
        return CLOSE_SESSION_NOT_GRANTED;
    case ACCESS_NOT_APPROVED:
        return CLOSE_SESSION_NOT_APPROVED;
    case ACCESS_UNKNOWN_DEVICE:
        return CLOSE_SESSION_UNKNOWN;
    case ACCESS_TOO_MANY_SESSIONS:
        return CLOSE_AGENT_SESSIONS;
    default:
        return CLOSE_AGENT_LOGIN;
    }
}

bool account_enter(struct shard *shard, struct account *account, const struct device *device,
                   const struct address *peer, enum close_reason *reason)
{
    struct directory *directory = shard->server->directory;
    CHECK(!account->in_session);
    if (account->agent.id == 0) {
        *reason = CLOSE_SESSION_NOT_APPROVED;
        return !device_unapproved(directory, device);
    }
    enum access_verdict verdict =
        access_decide(directory, account->agent, device, peer, reactor_utc_ms(shard->reactor));
    if (verdict == ACCESS_ALLOWED && !agent_session_begin(directory, account->agent))
        verdict = ACCESS_TOO_MANY_SESSIONS;
    account->in_session = verdict == ACCESS_ALLOWED;
    if (!account->in_session)
        *reason = account_reason(verdict);
    return account->in_session;
}

void account_leave(struct shard *shard, struct account *account)
{
    if (account->in_session)
        agent_session_end(shard->server->directory, account->agent);
    account->in_session = false;
}
