#include "server/link/login_events.h"

#include <inttypes.h>

#include "server/base/log.h"
#include "server/link/events_internal.h"
#include "server/link/shard.h"

static void tell(struct shard *shard, const struct login_report *report,
                 Cenc__V1__SecurityKind kind, const char *text)
{
    Cenc__V1__Event event;
    Cenc__V1__SecurityEvent body;
    Cenc__V1__Endpoint peer;
    char peer_text[ADDRESS_TEXT_SIZE];
    struct event_texts texts;

    if (shard->server->journal == NULL)
        return;
    event_begin(shard, NULL, &texts, &event);
    cenc__v1__security_event__init(&body);
    event_endpoint(&report->peer, &peer, peer_text);
    body.kind = kind;
    body.account = proto_string(report->name);
    body.peer = &peer;
    body.text = proto_string(text);
    body.count = report->count;
    event.body_case = CENC__V1__EVENT__BODY_SECURITY_EVENT;
    event.security_event = &body;
    (void)event_tell(shard, &event);
}

void events_login(struct reactor *reactor, const struct login_report *report)
{
    struct shard *shard = shard_of(reactor);
    struct log_context context = {.module = "login"};
    const char *verdict = access_verdict_name(report->verdict);
    char peer[ADDRESS_TEXT_SIZE];
    char name[300];

    (void)address_format_ip(&report->peer, peer);
    (void)log_quote(report->name, name, sizeof(name));
    if (report->verdict == ACCESS_ALLOWED) {
        log_line(LOG_INFO, &context, "an agent logged in", "agent=%s peer=%s", name, peer);
        tell(shard, report, CENC__V1__SECURITY_KIND__SECURITY_KIND_LOGIN, "");
        return;
    }
    log_line(LOG_WARN, &context, "a login failed", "agent=%s peer=%s verdict=%s count=%" PRIu64,
             name, peer, verdict, report->count);
    tell(shard, report, CENC__V1__SECURITY_KIND__SECURITY_KIND_LOGIN_FAILED, verdict);
    if (report->locked_out) {
        log_line(LOG_WARN, &context, "too many failed logins: held off for a while",
                 "agent=%s peer=%s", name, peer);
        tell(shard, report, CENC__V1__SECURITY_KIND__SECURITY_KIND_LOCKED_OUT, "");
    }
}
