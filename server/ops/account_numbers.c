#include "server/ops/account_numbers.h"

#include <inttypes.h>

#include "server/bridge/channel_line.h"
#include "server/directory/channels.h"
#include "server/directory/login.h"
#include "server/ops/admin_https.h"

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

/* By HTTPS; nothing while that is off. */
static void admin_metrics(const struct server *server, struct page *page)
{
    if (server->admin == NULL)
        return;
    const struct admin_bridge_counters *bridge = server->admin->connections;
    const struct admin_token_counters *tokens = server->admin->tokens;

    single(page, "cencd_admin_connections", "gauge", value_of(&bridge->connections),
           "Connections of the admin API by HTTPS.");
    single(page, "cencd_admin_connections_limit", "gauge", server->config->admin.max_connections,
           "The most that may be there.");
    single(page, "cencd_admin_accepts_total", "counter", value_of(&bridge->accepted),
           "Connections of the admin API that were accepted.");
    head(page, "cencd_admin_requests_total", "counter",
         "Requests of the admin API by HTTPS, by what their access token was.");
    for (int i = 0; i < TOKEN_VERDICTS; i++)
        page_print(page, "cencd_admin_requests_total{token=\"%s\"} %" PRIu64 "\n",
                   token_verdict_name((enum token_verdict)i), value_of(&tokens->verdicts[i]));
    page_print(page, "cencd_admin_requests_total{token=\"missing\"} %" PRIu64 "\n",
               value_of(&tokens->missing));
    page_print(page, "cencd_admin_requests_total{token=\"held_off\"} %" PRIu64 "\n",
               value_of(&tokens->held_off));
}

static void channel_metrics(const struct server *server, struct page *page)
{
    struct channel_counts channels;

    channels_count(server->directory, &channels);
    const struct channel_line_counters *lines = server->channel_line_counters;
    single(page, "cencd_channels", "gauge", channels.channels, "Channels.");
    single(page, "cencd_channels_exclusive", "gauge", channels.exclusive,
           "Channels whose devices share one line.");
    single(page, "cencd_channel_lines_held", "gauge", value_of(&lines->held),
           "Exclusive channels that a session has.");
    single(page, "cencd_channel_lines_waiting", "gauge", value_of(&lines->waiting),
           "Sessions that wait for an exclusive channel.");
}

void account_metrics(const struct server *server, struct page *page)
{
    const struct login_counters *logins = directory_login_counters(server->directory);
    struct agent_counts agents;

    if (server->editor == NULL)
        return;
    agents_count(server->directory, &agents);
    channel_metrics(server, page);
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
    single(page, "cencd_access_tokens", "gauge", tokens_count(server->directory),
           "Access tokens of the admin API.");
    admin_metrics(server, page);
}
