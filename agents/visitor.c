#include "agents/visitor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/link/listening.h"
#include "server/reactor/tls.h"

static const struct visitor_kind *const kinds[] = {
    [CONFIG_SOCKS5] = &socks_kind,
    [CONFIG_CONNECT] = &connect_kind,
    [CONFIG_MODEM] = &modem_kind,
};

static struct shard *shard_of_visitor(const struct visitor *visitor)
{
    return visitor->session->shard;
}

static const struct config *config_of(const struct visitor *visitor)
{
    return shard_of_visitor(visitor)->server->config;
}

/* ---- the deadline ---- */

void visitor_start_timer(struct visitor *visitor, void (*fire)(struct timer *timer),
                         uint64_t delay_ms)
{
    timer_stop(&visitor->timer);
    visitor->timer.fire = fire;
    timer_start(shard_of_visitor(visitor)->reactor, &visitor->timer, delay_ms);
}

static void too_late(struct timer *timer)
{
    (void)visitor_refuse(container_of(timer, struct visitor, timer), CLOSE_AGENT_SILENT);
}

static void start_deadline(struct visitor *visitor)
{
    uint64_t now_ms = reactor_now_ms(shard_of_visitor(visitor)->reactor);
    visitor_start_timer(visitor, too_late,
                        visitor->deadline_ms > now_ms ? visitor->deadline_ms - now_ms : 1);
}

/* ---- bytes ---- */

void visitor_take(struct visitor *visitor, size_t size)
{
    CHECK(size <= visitor->size);
    visitor->size -= (uint32_t)size;
    memmove(visitor->bytes, visitor->bytes + size, visitor->size);
}

void visitor_send(struct visitor *visitor, const void *data, size_t size)
{
    struct stream *stream = &visitor->session->agent;
    if (size > 0 && stream_send_copy(stream, data, (uint32_t)size) != STATUS_OK) {
        struct log_context context = {.module = "agents"};
        log_line(LOG_WARN, &context, "no memory to answer an agent", "");
    }
}

static bool append(struct visitor *visitor, const struct chunk *chunk)
{
    uint8_t *bytes = realloc(visitor->bytes, visitor->size + chunk->size);
    if (bytes == NULL)
        return false;
    memcpy(bytes + visitor->size, chunk->data, chunk->size);
    visitor->bytes = bytes;
    visitor->size += chunk->size;
    return true;
}

static void next(struct visitor *visitor, enum visitor_next what)
{
    if (what == VISITOR_READS)
        stream_receive(&visitor->session->agent, RECEIVE_ONCE);
}

void visitor_go_on(struct visitor *visitor)
{
    enum visitor_next what = VISITOR_READS;
    if (visitor->login != NULL)
        return;
    if (visitor->size > 0)
        what = visitor->kind->read(visitor);
    if (what == VISITOR_READS && visitor->size >= config_of(visitor)->agents.greeting_max_bytes)
        what = visitor_refuse(visitor, CLOSE_AGENT_TOO_LONG);
    next(visitor, what);
}

void visitor_hear(struct visitor *visitor, struct chunk *chunk)
{
    struct session *session = visitor->session;
    bool kept = append(visitor, chunk);
    visitor->received += visitor->known ? 0 : chunk->size;
    chunk_free(session->agent.reactor, chunk);
    if (kept)
        visitor_go_on(visitor);
    else if (session->state == SESSION_JOINED)
        session_end(session, CLOSE_LIMIT_MEMORY);
    else
        session_refuse(session, CLOSE_LIMIT_MEMORY);
}

static void on_received(struct stream *stream, struct chunk *chunk)
{
    visitor_hear(visitor_of(container_of(stream, struct session, agent)), chunk);
}

static void on_ended(struct stream *stream, int error)
{
    struct session *session = container_of(stream, struct session, agent);
    session->agent_finished = true;
    session_refuse(session, close_reason_of_agent(error));
}

static void on_failed(struct stream *stream, int error)
{
    struct session *session = container_of(stream, struct session, agent);
    session_refuse(session, close_reason_of_agent(error));
}

static void on_secured(struct stream *stream, int error)
{
    struct session *session = container_of(stream, struct session, agent);
    if (error != 0)
        session_refuse(session, CLOSE_AGENT_MALFORMED);
    else
        visitor_go_on(visitor_of(session));
}

static void on_closed(struct stream *stream)
{
    (void)stream;
    check_failed("a visitor is closed by its session, which takes its stream back", __FILE__,
                 __LINE__);
}

const struct stream_ops visitor_ops = {
    .received = on_received,
    .ended = on_ended,
    .failed = on_failed,
    .secured = on_secured,
    .closed = on_closed,
};

/* ---- who it is ---- */

bool visitor_may_be_anonymous(const struct visitor *visitor)
{
    return visitor->config->anonymous == CONFIG_ALLOW;
}

static void no_longer_counted(struct visitor *visitor)
{
    if (visitor->counted)
        sources_leave(shard_of_visitor(visitor)->server->visitor_sources, &visitor->session->peer);
    visitor->counted = false;
}

void visitor_is_known(struct visitor *visitor)
{
    struct session *session = visitor->session;
    visitor->known = true;
    memcpy(session->agent_name, visitor->account.name, sizeof session->agent_name);
    no_longer_counted(visitor);
}

static void login_over(void *context, enum access_verdict verdict, struct agent_ref agent)
{
    struct visitor *visitor = context;
    bool good = verdict == ACCESS_ALLOWED;
    visitor->login = NULL;
    start_deadline(visitor);
    if (good) {
        account_set(shard_of_visitor(visitor), agent, &visitor->account);
        visitor_is_known(visitor);
    } else {
        struct log_context log = {.module = "agents"};
        char peer[ADDRESS_TEXT_SIZE];
        log_line(LOG_WARN, &log, "login refused", "listener=%s agent=%s verdict=%s",
                 visitor->config->name, address_format(&visitor->session->peer, peer),
                 access_verdict_name(verdict));
    }
    enum visitor_next what = visitor->kind->logged_in(visitor, good);
    if (what == VISITOR_READS)
        visitor_go_on(visitor);
}

enum visitor_next visitor_login(struct visitor *visitor, const char *name, size_t name_size,
                                const char *password, size_t password_size)
{
    struct login_request request = {
        .name = (const uint8_t *)name,
        .name_size = name_size,
        .password = (const uint8_t *)password,
        .password_size = password_size,
        .peer = visitor->session->peer,
    };
    timer_stop(&visitor->timer); /* how long that takes is not the agent's doing */
    if (login_begin(shard_of_visitor(visitor)->logins, &request, login_over, visitor,
                    &visitor->login) != STATUS_OK)
        return visitor_refuse(visitor, CLOSE_LIMIT_MEMORY);
    return VISITOR_WAITS;
}

/* ---- what it wants ---- */

enum visitor_next visitor_refuse(struct visitor *visitor, enum close_reason reason)
{
    session_refuse(visitor->session, reason);
    return VISITOR_GONE;
}

static void hint(const struct visitor *visitor)
{
    struct log_context context = {.module = "agents"};
    char peer[ADDRESS_TEXT_SIZE];
    char asked[PLUGIN_SERIAL_SIZE * 4];
    log_line(LOG_WARN, &context,
             "an IP address was asked for, not a serial: clients make IPv4 addresses of short "
             "numeric names; ask for SERIAL.meter",
             "listener=%s agent=%s asked=%s", visitor->config->name,
             address_format(&visitor->session->peer, peer),
             log_quote(visitor->session->wanted, asked, sizeof asked));
}

/* What was asked for, as far as it can be told. */
static void note_wanted(struct session *session, const struct destination *destination)
{
    const uint8_t *ip = destination->ip;
    if (destination->kind == DESTINATION_IPV4 && destination->serial[0] == '\0')
        (void)snprintf(session->wanted, sizeof session->wanted, "%u.%u.%u.%u", ip[0], ip[1], ip[2],
                       ip[3]);
    else
        (void)snprintf(session->wanted, sizeof session->wanted, "%s", destination->serial);
}

static struct device *find_device(const struct visitor *visitor, const char *serial)
{
    struct directory *directory = shard_of_visitor(visitor)->server->directory;
    struct device *device;
    bool ambiguous = false;
    if (visitor->config->scope[0] != '\0')
        return directory_find(directory, visitor->config->scope, serial);
    device = access_find_device(directory, serial, &ambiguous);
    if (ambiguous) {
        struct log_context context = {.module = "agents", .serial = serial};
        log_line(LOG_WARN, &context,
                 "several scopes have this serial; a listener with a scope of its own tells them "
                 "apart",
                 "listener=%s", visitor->config->name);
        return NULL;
    }
    return device;
}

enum visitor_next visitor_ask(struct visitor *visitor, const struct destination *destination)
{
    struct session *session = visitor->session;
    enum close_reason reason;
    note_wanted(session, destination);
    if (destination->kind != DESTINATION_SERIAL) {
        if (destination->kind != DESTINATION_BAD)
            hint(visitor);
        return visitor_refuse(visitor, CLOSE_SESSION_NO_SERIAL);
    }
    session->device = find_device(visitor, destination->serial);
    if (session->device == NULL)
        return visitor_refuse(visitor, CLOSE_SESSION_UNKNOWN);
    if (!account_enter(session->shard, &visitor->account, session->device, &session->peer, &reason))
        return visitor_refuse(visitor, reason);
    if (session_read_ahead(session, visitor->bytes, visitor->size) != STATUS_OK)
        return visitor_refuse(visitor, CLOSE_LIMIT_MEMORY);
    visitor_take(visitor, visitor->size);
    timer_stop(&visitor->timer);
    session->wait_ms = visitor->config->wait_s * 1000u;
    session->priority = (uint8_t)account_priority(&visitor->account, visitor->config->priority);
    session_ask(session, session->device);
    return VISITOR_GONE;
}

/* ---- what the session tells ---- */

bool visitor_ended(struct session *session, enum close_reason reason, bool was_joined)
{
    struct visitor *visitor = visitor_of(session);
    visitor_leaving(session);
    account_leave(session->shard, &visitor->account);
    /* who had finished while it waited still reads */
    bool reads = !session->agent_finished || (!was_joined && reason != CLOSE_AGENT_CLOSED);
    bool is_there = reads && !stream_failed(&session->agent);
    if (is_there)
        visitor->kind->answer(visitor, reason, was_joined);
    return is_there;
}

bool visitor_is_stopped(const struct session *session)
{
    const struct visitor *visitor = visitor_of(session);
    const struct server *server = session->shard->server;
    size_t way = (size_t)(visitor->config - server->config->agents.listeners);
    const struct listening *entry =
        &server->listening->entries[server->config->listener_count + way];
    return atomic_load(&entry->drops) != visitor->drops;
}

void visitor_leaving(struct session *session)
{
    struct visitor *visitor = visitor_of(session);
    timer_stop(&visitor->timer);
    if (visitor->login != NULL)
        login_cancel(visitor->login);
    visitor->login = NULL;
}

void visitor_closed(struct session *session)
{
    struct visitor *visitor = visitor_of(session);
    CHECK(!visitor->account.in_session && visitor->login == NULL);
    no_longer_counted(visitor);
    free(visitor->bytes);
    free(visitor);
}

/* ---- the beginning ---- */

static void begin(struct visitor *visitor, struct tls_context *tls)
{
    struct session *session = visitor->session;
    const struct config *config = config_of(visitor);
    session->agent.ops = &visitor_ops;
    visitor->deadline_ms =
        reactor_now_ms(session->shard->reactor) + config->agents.greeting_timeout_s * 1000ull;
    start_deadline(visitor);
    if (tls == NULL)
        visitor_go_on(visitor);
    else if (stream_tls_start(&session->agent, tls, NULL) != STATUS_OK)
        session_refuse(session, CLOSE_LIMIT_MEMORY);
}

void visitor_accept(struct shard *shard, const struct config_way *config, uint32_t drops,
                    uint32_t slot, const struct address *peer, struct tls_context *tls)
{
    struct visitor *visitor = calloc(1, sizeof *visitor);
    if (visitor == NULL || !sources_enter(shard->server->visitor_sources, peer)) {
        agent_refuse(shard, slot, peer, NULL,
                     visitor == NULL ? CLOSE_LIMIT_MEMORY : CLOSE_LIMIT_VISITOR_SOURCE);
        free(visitor);
        return;
    }
    visitor->kind = kinds[config->kind];
    visitor->config = config;
    visitor->drops = drops;
    timer_init(&visitor->timer, NULL);
    visitor->session = session_accept(shard, slot, peer, &visitor->kind->way, visitor);
    if (visitor->session == NULL) {
        sources_leave(shard->server->visitor_sources, peer);
        free(visitor);
        return;
    }
    visitor->counted = true;
    if (config->kind == CONFIG_MODEM)
        hayes_init(&visitor->modem, config->login[0] != '\0' ? config->login : NULL);
    begin(visitor, tls);
}
