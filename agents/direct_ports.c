/* Direct ports: one listening socket per online device, in the ring slot of the port's shard. */
#include "agents/direct_ports.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agents/account.h"
#include "server/base/check.h"
#include "server/bridge/session.h"
#include "server/link/door.h"

#define RETRY_MS 5000u

struct direct_port {
    struct listener listener;
    struct accept_operation accept;
    struct timer retry; /* after opening failed */
    struct shard *shard;
    struct device *device;
    uint32_t epoch; /* link epoch of the newest word about the device */
    uint16_t port;
    bool wanted; /* the device is online */
    bool open;   /* the listener exists; also while it closes */
};

struct direct_ports {
    struct direct_port **ports; /* by (port - first) / shards; made on first use */
    uint32_t count;
    uint32_t open;
    bool stopping;
};

struct port_message {
    struct message message;
    struct device *device;
    uint32_t epoch;
    uint16_t port;
    bool online;
};

static uint32_t share(const struct config *config, uint32_t shard_count)
{
    if (!config->direct_ports.enabled)
        return 0;
    uint32_t ports = (uint32_t)config->direct_ports.last - config->direct_ports.first + 1;
    return (ports + shard_count - 1) / shard_count;
}

uint32_t direct_ports_slots(const struct config *config, uint32_t shard_count)
{
    return share(config, shard_count);
}

/* A server without accounts that lets nobody pass without one. */
static void warn_if_useless(const struct config *config)
{
    struct log_context context = {.module = "direct_port"};
    if (config->direct_ports.enabled && config->direct_ports.anonymous == CONFIG_REFUSE &&
        config->server.state_dir[0] == '\0')
        log_line(LOG_WARN, &context,
                 "direct ports refuse everybody: without server.state_dir there are no accounts; "
                 "direct_ports.anonymous: allow lets agents pass without one",
                 "");
}

enum status direct_ports_create(struct shard *shard)
{
    uint32_t count = share(shard->server->config, shard->server->shard_count);
    struct direct_ports *ports = calloc(1, sizeof *ports);
    if (ports == NULL)
        return STATUS_NO_MEMORY;
    ports->count = count;
    ports->ports = calloc(count + 1, sizeof *ports->ports);
    if (ports->ports == NULL) {
        free(ports);
        return STATUS_NO_MEMORY;
    }
    shard->direct_ports = ports;
    if (shard->index == 0)
        warn_if_useless(shard->server->config);
    return STATUS_OK;
}

void direct_ports_free(struct shard *shard)
{
    struct direct_ports *ports = shard->direct_ports;
    if (ports == NULL)
        return;
    CHECK(ports->open == 0);
    for (uint32_t i = 0; i < ports->count; i++)
        free(ports->ports[i]);
    free(ports->ports);
    free(ports);
    shard->direct_ports = NULL;
}

uint32_t direct_ports_open_count(const struct shard *shard)
{
    return shard->direct_ports->open;
}

/* ---- one port ---- */

static bool allowed(const struct config *config, const struct address *peer)
{
    for (size_t i = 0; i < config->direct_ports.allow_count; i++)
        if (cidr_contains(&config->direct_ports.allow[i], peer))
            return true;
    return false;
}

static bool direct_ended(struct session *session, enum close_reason reason, bool was_joined)
{
    (void)reason;
    (void)was_joined;
    account_leave(session->shard, session->visitor);
    return false;
}

static void direct_closed(struct session *session)
{
    free(session->visitor);
}

static const struct session_way direct_way = {
    .path = SESSION_DIRECT_PORT,
    .ended = direct_ended,
    .closed = direct_closed,
};

/* The session runs as the agent whose account lists a network that holds the address. */
static void ask(struct session *session, struct device *device)
{
    struct shard *shard = session->shard;
    const struct config *config = shard->server->config;
    struct account *account = session->visitor;
    enum close_reason reason = CLOSE_AGENT_NO_ACCOUNT;
    bool known = account_by_address(shard, &session->peer, account);
    memcpy(session->agent_name, account->name, sizeof session->agent_name);
    session->wait_ms = config->direct_ports.wait_s * 1000u;
    session->priority = (uint8_t)account_priority(account, config->direct_ports.priority);
    session->device = device;
    if ((known || config->direct_ports.anonymous == CONFIG_ALLOW) &&
        account_enter(shard, account, device, &session->peer, &reason))
        session_ask(session, device);
    else
        session_refuse(session, reason);
}

static void on_accepted(struct listener *listener, uint32_t slot, const struct address *peer)
{
    struct direct_port *port = container_of(listener, struct direct_port, listener);
    if (!allowed(port->shard->server->config, peer)) {
        agent_refuse(port->shard, slot, peer, port->device, CLOSE_SESSION_REFUSED);
        return;
    }
    struct account *account = calloc(1, sizeof *account);
    if (account == NULL) {
        agent_refuse(port->shard, slot, peer, port->device, CLOSE_LIMIT_MEMORY);
        return;
    }
    struct session *session = session_accept(port->shard, slot, peer, &direct_way, account);
    if (session != NULL)
        ask(session, port->device);
    else
        free(account);
}

/* It came in the moment in which the port closes. */
static void on_late(struct listener *listener, const struct address *peer)
{
    struct direct_port *port = container_of(listener, struct direct_port, listener);
    bool stopping = port->shard->direct_ports->stopping;
    agent_refused(port->shard, peer, port->device,
                  stopping ? CLOSE_SERVER_STOPPING : CLOSE_SESSION_OFFLINE);
}

static void open_port(struct direct_port *port);

static void on_closed(struct listener *listener)
{
    struct direct_port *port = container_of(listener, struct direct_port, listener);
    port->open = false;
    port->shard->direct_ports->open--;
    if (port->wanted)
        open_port(port);
}

static const struct listener_ops port_ops = {
    .accepted = on_accepted,
    .late = on_late,
    .closed = on_closed,
};

static void complain(const struct direct_port *port, int error)
{
    struct log_context context = {.module = "direct_port", .serial = device_serial(port->device)};
    char text[160];
    log_line(LOG_ERROR, &context, "a direct port can't be opened; trying again", "port=%u error=%s",
             port->port, log_quote(strerror(-error), text, sizeof text));
}

static void open_port(struct direct_port *port)
{
    struct shard *shard = port->shard;
    struct address address = shard->server->config->direct_ports.bind;
    struct listen_options options = door_options(16);
    options.user_timeout_ms = 120000;
    address.port = port->port;
    port->listener.ops = &port_ops;
    port->listener.accepts = &port->accept;
    port->listener.depth = 1;
    port->listener.paused = false;
    int error = listener_open_slot(&port->listener, shard->reactor, &address, &options);
    if (error == 0) {
        port->open = true;
        shard->direct_ports->open++;
        return;
    }
    complain(port, error);
    timer_start(shard->reactor, &port->retry, RETRY_MS);
}

static void retry(struct timer *timer)
{
    struct direct_port *port = container_of(timer, struct direct_port, retry);
    if (port->wanted && !port->open)
        open_port(port);
}

static void close_port(struct direct_port *port)
{
    port->wanted = false;
    timer_stop(&port->retry);
    if (port->open && !port->listener.closing)
        listener_close(&port->listener);
}

static struct direct_port *find_or_make(struct shard *shard, uint16_t number)
{
    const struct config *config = shard->server->config;
    uint32_t index = (uint32_t)(number - config->direct_ports.first) / shard->server->shard_count;
    CHECK(index < shard->direct_ports->count);
    struct direct_port **place = &shard->direct_ports->ports[index];
    if (*place == NULL) {
        *place = calloc(1, sizeof **place);
        if (*place == NULL)
            return NULL;
        (*place)->shard = shard;
        (*place)->port = number;
        timer_init(&(*place)->retry, retry);
    }
    return *place;
}

/* ---- what the links' shards tell ---- */

static void deliver(struct message *message, struct reactor *reactor)
{
    struct port_message *news = container_of(message, struct port_message, message);
    struct shard *shard = shard_of(reactor);
    struct direct_port *port = find_or_make(shard, news->port);
    /* words of two shards may cross: the epoch says which is newer */
    if (port != NULL && !shard->direct_ports->stopping && news->epoch >= port->epoch) {
        port->epoch = news->epoch;
        port->device = news->device;
        if (!news->online) {
            close_port(port);
        } else if (!port->wanted) {
            port->wanted = true;
            if (!port->open)
                open_port(port);
        }
    }
    atomic_fetch_sub(&shard->server->messages, 1);
    free(news);
}

static void tell(struct shard *shard, struct device *device, uint16_t port, uint32_t epoch,
                 bool online)
{
    struct server *server = shard->server;
    if (port == 0)
        return;
    struct port_message *news = malloc(sizeof *news);
    if (news == NULL)
        return;
    news->message.deliver = deliver;
    news->device = device;
    news->epoch = epoch;
    news->port = port;
    news->online = online;
    uint32_t owner = (uint32_t)(port - server->config->direct_ports.first) % server->shard_count;
    atomic_fetch_add(&server->messages, 1);
    reactor_post(shard->reactor, server->shards[owner]->reactor, &news->message);
}

void direct_ports_online(struct shard *shard, struct device *device, uint16_t port, uint32_t epoch)
{
    tell(shard, device, port, epoch, true);
}

void direct_ports_offline(struct shard *shard, struct device *device, uint16_t port, uint32_t epoch)
{
    tell(shard, device, port, epoch, false);
}

void direct_ports_stop(struct shard *shard)
{
    struct direct_ports *ports = shard->direct_ports;
    ports->stopping = true;
    for (uint32_t i = 0; i < ports->count; i++)
        if (ports->ports[i] != NULL)
            close_port(ports->ports[i]);
}
