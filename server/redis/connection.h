/* One connection to Redis: looks its host up, connects, by TLS if it is to, logs in, sends commands
 * and gives back their replies in order. Whatever goes wrong is told once, as a problem; the owner
 * closes then. Embedded in its owner. */
#ifndef CENCD_REDIS_CONNECTION_H
#define CENCD_REDIS_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "server/reactor/reactor.h"
#include "server/reactor/resolve.h"
#include "server/reactor/tls.h"
#include "server/redis/command.h"
#include "server/redis/reply.h"

#define CONNECTION_SILENCE_MS    10000u /* no answer for so long: it hangs */
#define CONNECTION_PASSWORD_SIZE 513

struct connection;

struct connection_ops {
    void (*ready)(struct connection *connection); /* logged in */
    /* Of the oldest command without one; an error, too. */
    void (*replied)(struct connection *connection, const struct reply *reply);
    /* code: one word or a few; text: what Redis said, or "". Never the password. The owner calls
     * connection_close. */
    void (*failed)(struct connection *connection, const char *code, const char *text);
    void (*closed)(struct connection *connection);
};

struct connection {
    /* the owner's */
    const struct connection_ops *ops;
    struct reactor *reactor;
    const char *user;
    const char *password; /* "": none */
    struct command *command;
    /* its own */
    const struct config_redis_url *url;
    const char *server_name; /* that the certificate must be for */
    struct tls_context *tls; /* NULL: clear */
    struct stream stream;
    struct resolve resolve; /* what it found last */
    unsigned next;          /* of its addresses */
    struct reply_reader *replies;
    uint64_t heard_ms; /* or the first of what waits was sent */
    uint32_t waiting;  /* commands without reply */
    uint32_t login;    /* of these, the first ones: AUTH and SELECT */
    bool auth;         /* the first of them is AUTH */
    bool open;         /* until closed */
    bool resolving;
    bool dialled;   /* there is a stream to close */
    bool connected; /* and the TLS handshake done */
    bool closing;
    bool told;
};

/* Takes url and TLS from the configuration, which must live as long: reads the files of TLS.
 * STATUS_INVALID, STATUS_SYSTEM, STATUS_NO_MEMORY: error tells. */
enum status connection_prepare(struct connection *connection, const struct config *config,
                               struct tls_error *error) MUST_CHECK;
/* Undoes that; the connection must not be open. */
void connection_release(struct connection *connection);

/* The connection must not be open. Each try takes the next of the host's addresses; after the last,
 * or when one was good, they are looked up anew. */
void connection_open(struct connection *connection);

/* Sends what the command holds. If it fails, `failed` is called before this returns. False then. */
bool connection_send(struct connection *connection);

/* Now and then: finds out that nothing is heard. */
void connection_tick(struct connection *connection);

/* Once; then `closed` and nothing else. */
void connection_close(struct connection *connection);

#endif
