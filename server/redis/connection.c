#include "server/redis/connection.h"

#include <errno.h>
#include <string.h>

#include "server/base/check.h"

static struct connection *connection_of(struct stream *stream)
{
    return container_of(stream, struct connection, stream);
}

static void fail(struct connection *connection, const char *code, const char *text)
{
    if (connection->told || connection->closing)
        return;
    connection->told = true;
    connection->ops->failed(connection, code, text);
}

/* ---- sending ---- */

bool connection_send(struct connection *connection)
{
    char *bytes = NULL;
    size_t size = 0;
    enum status status = command_format(connection->command, &bytes, &size);

    if (status == STATUS_OK) {
        status = stream_send_copy(&connection->stream, (const uint8_t *)bytes, (uint32_t)size);
        explicit_bzero(bytes, size); /* AUTH */
        command_free(bytes);
    }
    if (status != STATUS_OK) {
        fail(connection, "no memory", "");
        return false;
    }
    if (connection->waiting++ == 0)
        connection->heard_ms = reactor_now_ms(connection->reactor);
    return true;
}

static bool send_login(struct connection *connection)
{
    struct command *command = connection->command;

    connection->login = 0;
    connection->auth = connection->password[0] != '\0';
    if (connection->auth) {
        command_begin(command);
        command_text(command, "AUTH");
        if (connection->user[0] != '\0')
            command_text(command, connection->user);
        command_text(command, connection->password);
        bool sent = connection_send(connection);
        explicit_bzero(command->text, command->bytes);
        if (!sent)
            return false;
        connection->login++;
    }
    command_begin(command);
    command_text(command, "SELECT");
    command_number(command, connection->url->database);
    connection->login++;
    return connection_send(connection);
}

static void begin(struct connection *connection)
{
    connection->connected = true;
    connection->heard_ms = reactor_now_ms(connection->reactor);
    stream_receive(&connection->stream, RECEIVE_STREAM);
    (void)send_login(connection);
}

static void connected(struct stream *stream, int error)
{
    struct connection *connection = connection_of(stream);

    if (error < 0) {
        fail(connection, "unreachable", strerror(-error)); // NOLINT(concurrency-mt-unsafe)
        return;
    }
    if (connection->tls == NULL)
        begin(connection);
    else if (stream_tls_start(stream, connection->tls, connection->server_name) != STATUS_OK)
        fail(connection, "TLS", "not enough memory");
}

/* What TLS says, or else the system. */
static void fail_by_error(struct connection *connection, const char *code, int error)
{
    char text[TLS_ERROR_SIZE];

    if (error == -EPROTO && stream_tls_error(&connection->stream, text)[0] != '\0')
        fail(connection, "TLS", text);
    else
        fail(connection, code,
             error < 0 ? strerror(-error) : ""); // NOLINT(concurrency-mt-unsafe)
}

static void secured(struct stream *stream, int error)
{
    struct connection *connection = connection_of(stream);

    if (error < 0)
        fail_by_error(connection, "TLS", error);
    else
        begin(connection);
}

/* ---- receiving ---- */

/* An unknown AUTH is answered with its arguments: of those replies only the code is told. */
static void refused(struct connection *connection, const struct reply *reply, bool secret)
{
    char code[24];
    const char *word = reply_error_code(reply, code);
    bool holds_password =
        connection->password[0] != '\0' && strstr(reply->text, connection->password) != NULL;

    fail(connection, word, secret || holds_password ? "" : reply->text);
}

static void take(struct connection *connection, const struct reply *reply)
{
    if (connection->waiting == 0) {
        fail(connection, "not Redis", "");
        return;
    }
    connection->waiting--;
    connection->heard_ms = reactor_now_ms(connection->reactor);
    bool secret = connection->auth;
    if (connection->login > 0)
        connection->auth = false;
    if (reply->kind == REPLY_ERROR) {
        refused(connection, reply, secret);
        return;
    }
    if (connection->login == 0) {
        connection->ops->replied(connection, reply);
        return;
    }
    if (reply->kind != REPLY_STATUS)
        fail(connection, "not Redis", "");
    else if (--connection->login == 0) {
        connection->next = connection->resolve.count;
        connection->ops->ready(connection);
    }
}

static void received(struct stream *stream, struct chunk *chunk)
{
    struct connection *connection = connection_of(stream);
    struct reply reply = {.kind = REPLY_NONE};
    enum status status = reply_feed(connection->replies, chunk->data, chunk->size);

    chunk_free(stream->reactor, chunk);
    while (status == STATUS_OK) {
        status = reply_next(connection->replies, &reply);
        if (status != STATUS_OK || reply.kind == REPLY_NONE)
            break;
        take(connection, &reply);
        if (connection->told || connection->closing)
            return;
    }
    if (status != STATUS_OK)
        fail(connection, "not Redis", "");
}

static void ended(struct stream *stream, int error)
{
    fail_by_error(connection_of(stream), "closed", error);
}

static void send_failed(struct stream *stream, int error)
{
    fail_by_error(connection_of(stream), "closed", error);
}

/* ---- life ---- */

enum status connection_prepare(struct connection *connection, const struct config *config,
                               struct tls_error *error)
{
    const struct tls_options options = {
        .role = TLS_CLIENT,
        .verify = config->redis.tls.verify ? TLS_VERIFY_REQUIRED : TLS_VERIFY_NONE,
        .certificate = config->redis.tls.certificate,
        .key = config->redis.tls.key,
        .ca = config->redis.tls.ca,
        .allow_truncation = true, /* a reply says where it ends */
    };

    connection->url = &config->redis.url;
    connection->server_name = config->redis.tls.server_name;
    if (connection->server_name[0] == '\0')
        connection->server_name = connection->url->host;
    return connection->url->tls ? tls_context_create(&options, &connection->tls, error) : STATUS_OK;
}

void connection_release(struct connection *connection)
{
    tls_context_release(connection->tls);
    connection->tls = NULL;
}

static void finish(struct connection *connection)
{
    reply_reader_free(connection->replies);
    connection->replies = NULL;
    connection->open = false;
    connection->ops->closed(connection);
}

static void closed(struct stream *stream)
{
    finish(connection_of(stream));
}

static const struct stream_ops stream_ops = {
    .received = received,
    .ended = ended,
    .failed = send_failed,
    .connected = connected,
    .closed = closed,
    .secured = secured,
};

static void dial(struct connection *connection)
{
    static const struct listen_options options = {
        .nodelay = true,
        .keepalive_idle_s = 30,
        .keepalive_interval_s = 10,
        .keepalive_count = 3,
    };

    connection->dialled = true;
    memset(&connection->stream, 0, sizeof(connection->stream));
    stream_connect(&connection->stream, connection->reactor,
                   &connection->resolve.addresses[connection->next++], &options, &stream_ops);
}

static void resolved(struct resolve *resolve, int error)
{
    struct connection *connection = container_of(resolve, struct connection, resolve);

    connection->resolving = false;
    if (connection->closing)
        error = error < 0 ? error : -ECANCELED;
    else if (error == 0)
        dial(connection);
    else
        fail(connection, "unreachable", resolve_error(error));
    if (error < 0 && connection->closing && connection->open)
        finish(connection); /* there is no stream that would tell */
}

static void look_up(struct connection *connection)
{
    const struct config_redis_url *url = connection->url;

    connection->next = 0;
    if (!url->is_name) {
        connection->resolve.addresses[0] = url->address;
        connection->resolve.count = 1;
        dial(connection);
        return;
    }
    connection->resolving = true;
    connection->resolve.done = resolved;
    /* the host is no longer than that, and without memory for one operation nothing goes on */
    CHECK(resolve_start(&connection->resolve, connection->reactor, url->host, url->address.port) ==
          STATUS_OK);
}

void connection_open(struct connection *connection)
{
    CHECK(!connection->open);
    connection->replies = reply_reader_create();
    CHECK(connection->replies != NULL);
    connection->open = true;
    connection->dialled = false;
    connection->connected = false;
    connection->closing = false;
    connection->told = false;
    connection->waiting = 0;
    connection->heard_ms = reactor_now_ms(connection->reactor);
    if (connection->next < connection->resolve.count)
        dial(connection);
    else
        look_up(connection);
}

void connection_tick(struct connection *connection)
{
    uint64_t silence_ms = reactor_now_ms(connection->reactor) - connection->heard_ms;

    if (!connection->open || connection->closing)
        return;
    if (connection->connected && connection->waiting == 0)
        return;
    if (silence_ms <= CONNECTION_SILENCE_MS)
        return;
    if (!connection->connected && stream_is_tls(&connection->stream))
        fail(connection, "TLS", "the handshake takes too long");
    else
        fail(connection, connection->connected ? "no answer" : "unreachable", "");
}

void connection_close(struct connection *connection)
{
    CHECK(connection->open && !connection->closing);
    connection->closing = true;
    if (connection->dialled) /* or else when the lookup is over */
        stream_close(&connection->stream);
}
