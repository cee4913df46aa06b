/* HTTP CONNECT; codec/proxy/connect.h reads and writes it. */
#include "codec/proxy/connect.h"

#include <stdio.h>
#include <string.h>

#include "agents/visitor.h"

static void send_status(struct visitor *visitor, unsigned status, const char *text, bool keep)
{
    char out[CONNECT_REPLY_SIZE];
    visitor_send(visitor, out, connect_write(status, text, keep, out));
}

/* ---- reading ---- */

static enum visitor_next malformed(struct visitor *visitor, enum connect_problem problem)
{
    switch (problem) {
    case CONNECT_BAD_METHOD:
        visitor->status = 405;
        break;
    case CONNECT_TOO_LARGE:
        visitor->status = 431;
        break;
    case CONNECT_BAD_CREDENTIALS:
        visitor->status = 407;
        break;
    case CONNECT_NOT_HTTP:
        visitor->status = 0; /* it would not understand an answer */
        break;
    default:
        visitor->status = 400;
    }
    return visitor_refuse(visitor, CLOSE_AGENT_MALFORMED);
}

/* Some clients ask without credentials first, to learn which are wanted. */
static enum visitor_next ask_who(struct visitor *visitor, const struct connect_request *request,
                                 size_t consumed)
{
    if (!request->keeps_open)
        return visitor_refuse(visitor, CLOSE_AGENT_NO_ACCOUNT);
    visitor_take(visitor, consumed);
    send_status(visitor, 407, "name and password of an agent are needed", true);
    return VISITOR_READS;
}

/* With credentials the head stays until it is known whose they are, and is read again then. */
static enum visitor_next connect_read_head(struct visitor *visitor)
{
    struct connect_request request;
    struct destination destination;
    size_t consumed = 0;
    enum visitor_next what;
    enum codec_result result = connect_read(visitor->bytes, visitor->size, &request, &consumed);
    if (result == CODEC_NEED_MORE)
        return VISITOR_READS;
    if (result != CODEC_OK)
        return malformed(visitor, request.problem);
    if (visitor->known) {
        destination = request.destination;
        visitor_take(visitor, consumed);
        what = visitor_ask(visitor, &destination);
    } else if (request.has_credentials) {
        what = visitor_login(visitor, request.name, strlen(request.name), request.password,
                             request.password_size);
    } else if (visitor_may_be_anonymous(visitor)) {
        visitor_is_known(visitor);
        destination = request.destination;
        visitor_take(visitor, consumed);
        what = visitor_ask(visitor, &destination);
    } else {
        what = ask_who(visitor, &request, consumed);
    }
    explicit_bzero(&request, sizeof request);
    return what;
}

static enum visitor_next connect_logged_in(struct visitor *visitor, bool good)
{
    return good ? VISITOR_READS : visitor_refuse(visitor, CLOSE_AGENT_LOGIN);
}

/* ---- answers ---- */

static unsigned status_of(const struct visitor *visitor, enum close_reason reason)
{
    switch (reason) {
    case CLOSE_AGENT_MALFORMED:
        return visitor->status;
    case CLOSE_AGENT_LOGIN:
    case CLOSE_AGENT_NO_ACCOUNT:
        return 407;
    case CLOSE_SESSION_NOT_GRANTED:
    case CLOSE_SESSION_NOT_APPROVED:
        return 403;
    case CLOSE_SESSION_UNKNOWN:
        return 404;
    case CLOSE_SESSION_NO_SERIAL:
        return 400;
    case CLOSE_SESSION_BUSY:
    case CLOSE_SESSION_WAIT_TIMEOUT:
    case CLOSE_SESSION_QUEUE_FULL:
        return 409;
    case CLOSE_AGENT_SESSIONS:
        return 429;
    case CLOSE_AGENT_TOO_LONG:
        return 431;
    case CLOSE_AGENT_SILENT:
        return 408;
    default:
        return 503;
    }
}

/* Names of agents may hold what a line of ASCII can't. */
static void write_holder(const struct session *session, char *out, size_t size)
{
    char name[SESSION_NAME_SIZE];
    size_t length = 0;
    for (const char *c = session->holder; *c != '\0'; c++)
        name[length++] = *c >= ' ' && *c <= '~' ? *c : '?';
    name[length] = '\0';
    (void)snprintf(out, size, "; %s has it for %llu s", length > 0 ? name : "another agent",
                   (unsigned long long)(session->holder_ms / 1000));
}

static void connect_answer(struct visitor *visitor, enum close_reason reason, bool was_joined)
{
    const struct session *session = visitor->session;
    unsigned status = status_of(visitor, reason);
    char text[300];
    char holder[SESSION_NAME_SIZE + 60] = "";
    if (was_joined || status == 0)
        return;
    if (status == 409)
        write_holder(session, holder, sizeof holder);
    (void)snprintf(text, sizeof text, "%s/%s: %s%s%s", close_layer(reason), close_cause(reason),
                   close_meaning(reason), holder,
                   reason == CLOSE_SESSION_NO_SERIAL ? "; ask for SERIAL.meter" : "");
    send_status(visitor, status, text, false);
}

static void connect_joined(struct session *session)
{
    send_status(visitor_of(session), 200, "", true);
}

static bool connect_ended(struct session *session, enum close_reason reason, bool was_joined)
{
    (void)visitor_ended(session, reason, was_joined);
    return false;
}

const struct visitor_kind connect_kind = {
    .way = {.path = SESSION_HTTP_CONNECT,
            .joined = connect_joined,
            .ended = connect_ended,
            .is_stopped = visitor_is_stopped,
            .leaving = visitor_leaving,
            .closed = visitor_closed},
    .read = connect_read_head,
    .logged_in = connect_logged_in,
    .answer = connect_answer,
};
