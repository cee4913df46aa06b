/* The virtual modem; codec/modem/hayes.h is its command set. The connection stays after a session:
 * the software may dial again. */
#include <string.h>

#include "agents/visitor.h"
#include "server/base/check.h"

static void send_result(struct visitor *visitor, enum hayes_result result)
{
    char out[HAYES_RESULT_SIZE];
    visitor_send(visitor, out, hayes_write(&visitor->modem, result, out));
}

/* ---- time ---- */

static void idle_too_long(struct timer *timer)
{
    (void)visitor_refuse(container_of(timer, struct visitor, timer), CLOSE_AGENT_SILENT);
}

/* Who has logged in may stay without a session as long as one that is still may last. */
static void restart_idle(struct visitor *visitor)
{
    const struct config *config = visitor->session->shard->server->config;
    if (!visitor->known || visitor->session->state != SESSION_GREETING)
        return;
    timer_stop(&visitor->timer);
    if (config->sessions.idle_timeout_s > 0)
        visitor_start_timer(visitor, idle_too_long, config->sessions.idle_timeout_s * 1000ull);
}

/* ---- commands ---- */

/* Nobody is asked for a name where the listener has no login line. */
static void look_who_it_is(struct visitor *visitor)
{
    const struct session *session = visitor->session;
    if (visitor->known)
        return;
    bool by_address = visitor->modem.login == NULL &&
                      account_by_address(session->shard, &session->peer, &visitor->account);
    if (by_address || visitor_may_be_anonymous(visitor))
        visitor_is_known(visitor);
}

static enum visitor_next dial(struct visitor *visitor, const char *number)
{
    struct destination destination;
    if (!visitor->known) {
        hayes_on_hook(&visitor->modem);
        send_result(visitor, HAYES_NO_DIALTONE);
        return VISITOR_READS;
    }
    destination_read(number, strlen(number), &destination);
    /* a number that looks like an address was typed like that */
    if (destination.kind == DESTINATION_IPV4)
        destination.kind = DESTINATION_SERIAL;
    if (visitor->size > 0 && hayes_drops_first(&visitor->modem, visitor->bytes[0]))
        visitor_take(visitor, 1);
    return visitor_ask(visitor, &destination);
}

static enum visitor_next go_online(struct visitor *visitor)
{
    struct session *session = visitor->session;
    if (session_read_ahead(session, visitor->bytes, visitor->size) != STATUS_OK) {
        session_end(session, CLOSE_LIMIT_MEMORY);
        return VISITOR_GONE;
    }
    visitor_take(visitor, visitor->size);
    session_resume(session);
    return VISITOR_GONE;
}

/* What a line asked for; a session that was held may be over then. */
static enum visitor_next after_line(struct visitor *visitor, const struct hayes_step *step)
{
    struct session *session = visitor->session;
    if (step->hangs_up && session->state == SESSION_JOINED)
        session_end(session, CLOSE_AGENT_HUNG_UP);
    if (session->state != SESSION_GREETING && session->state != SESSION_JOINED)
        return VISITOR_GONE; /* it could not be kept */
    visitor_send(visitor, step->out, step->out_size);
    switch (step->event) {
    case HAYES_DIAL:
        return dial(visitor, step->number);
    case HAYES_LOGIN:
        return visitor_login(visitor, step->name, strlen(step->name), step->password,
                             strlen(step->password));
    case HAYES_GO_ONLINE:
        return go_online(visitor);
    default:
        return VISITOR_READS;
    }
}

static bool takes_commands(const struct visitor *visitor)
{
    return visitor->modem.state == HAYES_COMMAND || visitor->modem.state == HAYES_ESCAPED;
}

/* A login while a session is held would change whose it is. */
static bool refuses(const struct visitor *visitor, const struct hayes_step *step)
{
    return step->event == HAYES_LOGIN && visitor->session->state == SESSION_JOINED;
}

static enum visitor_next modem_read(struct visitor *visitor)
{
    enum visitor_next what = VISITOR_READS;
    struct hayes_step step;
    look_who_it_is(visitor);
    restart_idle(visitor);
    if (!visitor->known &&
        visitor->received > visitor->session->shard->server->config->agents.greeting_max_bytes)
        return visitor_refuse(visitor, CLOSE_AGENT_TOO_LONG);
    while (what == VISITOR_READS && visitor->size > 0 && takes_commands(visitor)) {
        hayes_command(&visitor->modem, visitor->bytes, visitor->size, &step);
        explicit_bzero(visitor->bytes, step.consumed);
        visitor_take(visitor, step.consumed);
        if (refuses(visitor, &step)) {
            visitor_send(visitor, step.out, step.out_size);
            send_result(visitor, HAYES_ERROR);
        } else {
            what = after_line(visitor, &step);
        }
        explicit_bzero(&step, sizeof step);
    }
    return what;
}

static enum visitor_next modem_logged_in(struct visitor *visitor, bool good)
{
    send_result(visitor, good ? HAYES_OK : HAYES_ERROR);
    restart_idle(visitor);
    return VISITOR_READS;
}

/* ---- online ---- */

static void on_held_received(struct stream *stream, struct chunk *chunk);

static void on_held_ended(struct stream *stream, int error)
{
    struct session *session = container_of(stream, struct session, agent);
    session->agent_finished = error == 0;
    session_end(session, close_reason_of_agent(error));
}

static const struct stream_ops held_ops = {
    .received = on_held_received,
    .ended = on_held_ended,
    .failed = on_held_ended,
};

static void on_held_received(struct stream *stream, struct chunk *chunk)
{
    struct session *session = container_of(stream, struct session, agent);
    struct visitor *visitor = visitor_of(session);
    visitor_hear(visitor, chunk);
}

static void pause_is_over(struct timer *timer)
{
    struct visitor *visitor = container_of(timer, struct visitor, timer);
    struct session *session = visitor->session;
    if (!hayes_escaped(&visitor->modem, reactor_now_ms(session->shard->reactor)))
        return;
    session_hold(session, &held_ops);
    send_result(visitor, HAYES_OK);
    stream_receive(&session->agent, RECEIVE_ONCE);
}

static void modem_look(struct session *session, struct chunk *chunk)
{
    struct visitor *visitor = visitor_of(session);
    struct reactor *reactor = session->shard->reactor;
    if (chunk->size > 0 && hayes_drops_first(&visitor->modem, chunk->data[0])) {
        chunk->data++;
        chunk->size--;
    }
    uint32_t pause_ms =
        hayes_online(&visitor->modem, chunk->data, chunk->size, reactor_now_ms(reactor));
    timer_stop(&visitor->timer);
    if (pause_ms == 0)
        return;
    visitor->timer.fire = pause_is_over;
    timer_start_fine(reactor, &visitor->timer, pause_ms);
}

static void modem_joined(struct session *session)
{
    struct visitor *visitor = visitor_of(session);
    hayes_connected(&visitor->modem, reactor_now_ms(session->shard->reactor));
    send_result(visitor, HAYES_CONNECT_9600);
}

/* ---- the end ---- */

static enum hayes_result result_of(enum close_reason reason)
{
    switch (reason) {
    case CLOSE_SESSION_BUSY:
    case CLOSE_SESSION_WAIT_TIMEOUT:
    case CLOSE_SESSION_QUEUE_FULL:
        return HAYES_BUSY;
    case CLOSE_SESSION_OFFLINE:
        return HAYES_NO_ANSWER;
    case CLOSE_SESSION_NOT_GRANTED:
    case CLOSE_SESSION_NOT_APPROVED:
    case CLOSE_AGENT_SESSIONS:
    case CLOSE_AGENT_LOGIN:
        return HAYES_NO_DIALTONE;
    case CLOSE_SESSION_UNKNOWN:
    case CLOSE_SESSION_NO_SERIAL:
        return HAYES_NO_CARRIER;
    default:
        return HAYES_ERROR;
    }
}

static void modem_answer(struct visitor *visitor, enum close_reason reason, bool was_joined)
{
    bool dialled = visitor->modem.state == HAYES_DIALLING;
    hayes_on_hook(&visitor->modem);
    if (was_joined && reason != CLOSE_AGENT_HUNG_UP)
        send_result(visitor, HAYES_NO_CARRIER);
    else if (dialled)
        send_result(visitor, result_of(reason));
    if (dialled)
        visitor_take(visitor, visitor->size); /* meant for the device that isn't there */
}

/* It stays but for what ends its connection anyway. */
static bool modem_ended(struct session *session, enum close_reason reason, bool was_joined)
{
    struct visitor *visitor = visitor_of(session);
    bool dialled = visitor->modem.state == HAYES_DIALLING;
    timer_stop(&visitor->timer);
    return visitor_ended(session, reason, was_joined) && (was_joined || dialled);
}

static void modem_kept(struct session *session)
{
    struct visitor *visitor = visitor_of(session);
    session->agent.ops = &visitor_ops;
    restart_idle(visitor);
    stream_receive(&session->agent, RECEIVE_ONCE);
}

const struct visitor_kind modem_kind = {
    .way = {.path = SESSION_VIRTUAL_MODEM,
            .joined = modem_joined,
            .ended = modem_ended,
            .kept = modem_kept,
            .look = modem_look,
            .is_stopped = visitor_is_stopped,
            .leaving = visitor_leaving,
            .closed = visitor_closed},
    .read = modem_read,
    .logged_in = modem_logged_in,
    .answer = modem_answer,
};
