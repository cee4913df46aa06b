#include "server/ops/account_numbers.h"

#include <inttypes.h>

#include "server/bridge/channel_line.h"
#include "server/directory/channels.h"
#include "server/directory/login.h"
#include "server/ops/admin_https.h"
#include "server/ops/samples.h"

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

    sample_only(page, "cencd_admin_connections", SAMPLE_GAUGE, sample_of(&bridge->connections),
                "Connections of the admin API by HTTPS.");
    sample_only(page, "cencd_admin_connections_limit", SAMPLE_GAUGE,
                server->config->admin.max_connections, "The most that may be there.");
    sample_only(page, "cencd_admin_accepts_total", SAMPLE_COUNTER, sample_of(&bridge->accepted),
                "Connections of the admin API that were accepted.");
    sample_head(page, "cencd_admin_requests_total", SAMPLE_COUNTER,
                "Requests of the admin API by HTTPS, by what their access token was.");
    for (int i = 0; i < TOKEN_VERDICTS; i++)
        page_print(page, "cencd_admin_requests_total{token=\"%s\"} %" PRIu64 "\n",
                   token_verdict_name((enum token_verdict)i), sample_of(&tokens->verdicts[i]));
    page_print(page, "cencd_admin_requests_total{token=\"missing\"} %" PRIu64 "\n",
               sample_of(&tokens->missing));
    page_print(page, "cencd_admin_requests_total{token=\"held_off\"} %" PRIu64 "\n",
               sample_of(&tokens->held_off));
}

static void channel_metrics(const struct server *server, struct page *page)
{
    struct channel_counts channels;

    channels_count(server->directory, &channels);
    const struct channel_line_counters *lines = server->channel_line_counters;
    sample_only(page, "cencd_channels", SAMPLE_GAUGE, channels.channels, "Channels.");
    sample_only(page, "cencd_channels_exclusive", SAMPLE_GAUGE, channels.exclusive,
                "Channels whose devices share one line.");
    sample_only(page, "cencd_channel_lines_held", SAMPLE_GAUGE, sample_of(&lines->held),
                "Exclusive channels that a session has.");
    sample_only(page, "cencd_channel_lines_waiting", SAMPLE_GAUGE, sample_of(&lines->waiting),
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
    sample_only(page, "cencd_agents", SAMPLE_GAUGE, agents.agents, "Accounts of agents.");
    sample_only(page, "cencd_agents_extended", SAMPLE_GAUGE, agents.extended,
                "Accounts that reach every device.");
    sample_head(page, "cencd_logins_total", SAMPLE_COUNTER, "Logins of agents, by how they ended.");
    for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++)
        page_print(page, "cencd_logins_total{verdict=\"%s\"} %" PRIu64 "\n",
                   access_verdict_name(verdicts[i]), sample_of(&logins->verdicts[verdicts[i]]));
    sample_only(page, "cencd_logins_remembered_total", SAMPLE_COUNTER,
                sample_of(&logins->remembered),
                "Logins whose password had been checked not long before.");
    sample_only(page, "cencd_logins_hashed_total", SAMPLE_COUNTER, sample_of(&logins->hashed),
                "Passwords that were hashed to check them.");
    sample_only(page, "cencd_login_lockouts_total", SAMPLE_COUNTER, sample_of(&logins->lockouts),
                "Times that somebody was held off after too many failed logins.");
    sample_only(page, "cencd_logins_waiting", SAMPLE_GAUGE, sample_of(&logins->waiting),
                "Logins that are not decided yet.");
    sample_only(page, "cencd_access_tokens", SAMPLE_GAUGE, tokens_count(server->directory),
                "Access tokens of the admin API.");
    admin_metrics(server, page);
}
