/* A peer outside, clear or with TLS of its own (OpenSSL over memory, none of the reactor's code).
 */
#ifndef CENCD_TESTS_SIM_OUTSIDE_H
#define CENCD_TESTS_SIM_OUTSIDE_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "server/reactor/sim/sim.h"

struct outside_end {
    struct sim_peer *peer;
    SSL *ssl; /* NULL: clear */
    BIO *in;
    BIO *out;
};

/* peer NULL: nothing happens. context NULL: clear. */
void outside_begin(struct outside_end *end, struct sim_peer *peer, SSL_CTX *context);
void outside_free(struct outside_end *end);

/* Clear bytes that were taken, or came. */
size_t outside_put(struct outside_end *end, const uint8_t *data, size_t size);
size_t outside_take(struct outside_end *end, uint8_t *data, size_t size);

/* True when all that was put has left, and close_notify behind it if it was asked for. */
bool outside_finish(struct outside_end *end, bool notify);

/* The peer ended as TLS wants it; always true of clear bytes. */
bool outside_heard_end(const struct outside_end *end);
bool outside_has_more(const struct outside_end *end);

#endif
