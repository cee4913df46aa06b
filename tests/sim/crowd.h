/* A run of the reactor's property: three reactors, pairs of streams that pass bytes on
 * (tests/sim/relay.h), and peers outside that write, read, pause, finish, close, reset and vanish;
 * in clear bytes, or over TLS. Every promise is judged, to the byte. */
#ifndef CENCD_TESTS_SIM_CROWD_H
#define CENCD_TESTS_SIM_CROWD_H

#include <openssl/ssl.h>
#include <stdint.h>

#include "server/reactor/tls.h"

struct crowd_tls {
    struct tls_context *server; /* of accepted streams */
    struct tls_context *client; /* of those that the reactor dials */
    SSL_CTX *outside_server;    /* of the peers of both */
    SSL_CTX *outside_client;
};

/* tls NULL: clear bytes. */
void crowd_run(uint64_t seed, const struct crowd_tls *tls);

#endif
