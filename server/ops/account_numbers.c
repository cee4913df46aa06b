#include "server/ops/account_numbers.h"

#include <inttypes.h>

#include "server/directory/login.h"

static void head(struct page *page, const char *name, const char *type, const char *help)
{
    page_print(page, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void single(struct page *page, const char *name, const char *type, uint64_t value,
                   const char *help)
{
    head(page, name, type, help);
    page_print(page, "%s %" PRIu64 "\n", name, value);
}

static uint64_t value_of(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

/* What a login may end with; the other verdicts are about devices. */
static const enum access_verdict verdicts[] = {
    ACCESS_ALLOWED,  ACCESS_WRONG_PASSWORD, ACCESS_LOCKED_OUT, ACCESS_TRY_LATER,
    ACCESS_DISABLED, ACCESS_EXPIRED,        ACCESS_ADDRESS,
};

void account_metrics(const struct server *server, struct page *page)
{
    const struct login_counters *logins = directory_login_counters(server->directory);
    struct agent_counts agents;

    if (server->editor == NULL)
        return;
    agents_count(server->directory, &agents);
    single(page, "cencd_agents", "gauge", agents.agents, "Accounts of agents.");
    single(page, "cencd_agents_extended", "gauge", agents.extended,
           "Accounts that reach every device.");
    head(page, "cencd_logins_total", "counter", "Logins of agents, by how they ended.");
    for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++)
        page_print(page, "cencd_logins_total{verdict=\"%s\"} %" PRIu64 "\n",
                   access_verdict_name(verdicts[i]), value_of(&logins->verdicts[verdicts[i]]));
    single(page, "cencd_logins_remembered_total", "counter", value_of(&logins->remembered),
           "Logins whose password had been checked not long before.");
    single(page, "cencd_logins_hashed_total", "counter", value_of(&logins->hashed),
           "Passwords that were hashed to check them.");
    single(page, "cencd_login_lockouts_total", "counter", value_of(&logins->lockouts),
           "Times that somebody was held off after too many failed logins.");
    single(page, "cencd_logins_waiting", "gauge", value_of(&logins->waiting),
           "Logins that are not decided yet.");
}
