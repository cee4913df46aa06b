/* SOCKS5: methods, name and password, the request; codec/proxy/socks5.h reads and writes them. */
#include <string.h>

#include "agents/visitor.h"
#include "codec/proxy/socks5.h"

enum step { STEP_METHODS, STEP_LOGIN, STEP_REQUEST };

static void send_method(struct visitor *visitor, enum socks5_method method)
{
    uint8_t out[SOCKS5_METHOD_REPLY_SIZE];
    socks5_write_method(method, out);
    visitor_send(visitor, out, sizeof out);
}

static void send_reply(struct visitor *visitor, enum socks5_reply reply)
{
    uint8_t out[SOCKS5_REPLY_SIZE];
    socks5_write_reply(reply, out);
    visitor_send(visitor, out, sizeof out);
}

/* ---- reading ---- */

/* Of two ways the one with a password: who offers it has one. */
static enum visitor_next read_methods(struct visitor *visitor, const struct socks5_methods *methods)
{
    if (methods->password) {
        send_method(visitor, SOCKS5_PASSWORD);
        visitor->step = STEP_LOGIN;
        return VISITOR_READS;
    }
    if (!methods->none || !visitor_may_be_anonymous(visitor))
        return visitor_refuse(visitor, CLOSE_AGENT_NO_ACCOUNT);
    send_method(visitor, SOCKS5_NO_AUTHENTICATION);
    visitor->step = STEP_REQUEST;
    visitor_is_known(visitor);
    return VISITOR_READS;
}

static enum visitor_next read_login(struct visitor *visitor, size_t *consumed,
                                    enum codec_result *result)
{
    struct socks5_login login;
    enum visitor_next what = VISITOR_READS;
    *result = socks5_read_login(visitor->bytes, visitor->size, &login, consumed);
    if (*result == CODEC_OK)
        what = visitor_login(visitor, login.name, strlen(login.name), login.password,
                             login.password_size);
    explicit_bzero(&login, sizeof login);
    if (*result == CODEC_OK)
        explicit_bzero(visitor->bytes, *consumed);
    return what;
}

static enum visitor_next read_request(struct visitor *visitor)
{
    struct socks5_request request;
    size_t consumed;
    enum codec_result result =
        socks5_read_request(visitor->bytes, visitor->size, &request, &consumed);
    if (result == CODEC_NEED_MORE)
        return VISITOR_READS;
    if (result != CODEC_OK)
        return visitor_refuse(visitor, CLOSE_AGENT_MALFORMED);
    visitor_take(visitor, consumed);
    if (request.command != SOCKS5_CONNECT) {
        visitor->status = SOCKS5_BAD_COMMAND;
        return visitor_refuse(visitor, CLOSE_AGENT_MALFORMED);
    }
    return visitor_ask(visitor, &request.destination);
}

static enum visitor_next read_step(struct visitor *visitor)
{
    struct socks5_methods methods;
    enum codec_result result;
    enum visitor_next what = VISITOR_READS;
    size_t consumed = 0;
    if (visitor->step == STEP_REQUEST)
        return read_request(visitor);
    if (visitor->step == STEP_LOGIN) {
        what = read_login(visitor, &consumed, &result);
    } else {
        result = socks5_read_methods(visitor->bytes, visitor->size, &methods, &consumed);
        if (result == CODEC_OK)
            what = read_methods(visitor, &methods);
    }
    if (result == CODEC_INVALID)
        return visitor_refuse(visitor, CLOSE_AGENT_MALFORMED);
    visitor_take(visitor, consumed);
    return what;
}

static enum visitor_next socks_read(struct visitor *visitor)
{
    enum visitor_next what;
    uint32_t before;
    do {
        before = visitor->size;
        what = read_step(visitor);
    } while (what == VISITOR_READS && visitor->size > 0 && visitor->size < before);
    return what;
}

/* ---- answers ---- */

static enum visitor_next socks_logged_in(struct visitor *visitor, bool good)
{
    uint8_t out[SOCKS5_LOGIN_REPLY_SIZE];
    if (!good)
        return visitor_refuse(visitor, CLOSE_AGENT_LOGIN);
    socks5_write_login(true, out);
    visitor_send(visitor, out, sizeof out);
    visitor->step = STEP_REQUEST;
    return VISITOR_READS;
}

static enum socks5_reply reply_of(const struct visitor *visitor, enum close_reason reason)
{
    switch (reason) {
    case CLOSE_SESSION_NOT_GRANTED:
    case CLOSE_SESSION_NOT_APPROVED:
    case CLOSE_AGENT_SESSIONS:
    case CLOSE_AGENT_LOGIN:
        return SOCKS5_NOT_ALLOWED;
    case CLOSE_SESSION_UNKNOWN:
        return SOCKS5_HOST_UNREACHABLE;
    case CLOSE_SESSION_OFFLINE:
        return SOCKS5_TTL_EXPIRED;
    case CLOSE_SESSION_BUSY:
    case CLOSE_SESSION_WAIT_TIMEOUT:
    case CLOSE_SESSION_QUEUE_FULL:
        return SOCKS5_REFUSED;
    case CLOSE_SESSION_NO_SERIAL:
        return SOCKS5_BAD_ADDRESS_TYPE;
    case CLOSE_AGENT_MALFORMED:
        return visitor->status == SOCKS5_BAD_COMMAND ? SOCKS5_BAD_COMMAND : SOCKS5_FAILURE;
    default:
        return SOCKS5_FAILURE;
    }
}

/* In the form of the message that the client waits for. */
static void socks_answer(struct visitor *visitor, enum close_reason reason, bool was_joined)
{
    uint8_t out[SOCKS5_LOGIN_REPLY_SIZE];
    if (was_joined)
        return;
    if (visitor->step == STEP_REQUEST) {
        send_reply(visitor, reply_of(visitor, reason));
    } else if (visitor->step == STEP_LOGIN) {
        socks5_write_login(false, out);
        visitor_send(visitor, out, sizeof out);
    } else if (reason == CLOSE_AGENT_NO_ACCOUNT) {
        send_method(visitor, SOCKS5_NO_METHOD);
    }
}

static void socks_joined(struct session *session)
{
    send_reply(visitor_of(session), SOCKS5_SUCCEEDED);
}

static bool socks_ended(struct session *session, enum close_reason reason, bool was_joined)
{
    (void)visitor_ended(session, reason, was_joined);
    return false;
}

const struct visitor_kind socks_kind = {
    .way = {.path = SESSION_SOCKS5,
            .joined = socks_joined,
            .ended = socks_ended,
            .is_stopped = visitor_is_stopped,
            .leaving = visitor_leaving,
            .closed = visitor_closed},
    .read = socks_read,
    .logged_in = socks_logged_in,
    .answer = socks_answer,
};
