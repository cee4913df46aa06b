/* The head-end systems' door: the gRPC service of codec/proto/cenc/v1/northbound.proto on a port of
 * its own, in one reactor. It reads the journal and the directory, and writes nothing but its
 * ledger and events of registration.
 *
 *   northbound_create -> turns of the reactor -> northbound_stop -> stopped is called -> gone
 *
 * All in the reactor's thread; counters are read by anyone while it is there. */
#ifndef CENCD_NORTHBOUND_NORTHBOUND_H
#define CENCD_NORTHBOUND_NORTHBOUND_H

#include "server/northbound/consumers.h"
#include "server/northbound/grpc.h"

struct directory;
struct plugin_host;
struct northbound;

struct northbound_counters {
    _Atomic uint64_t calls;
    _Atomic uint64_t codes[GRPC_CODE_COUNT]; /* how calls ended */
    _Atomic uint64_t unauthenticated;
    _Atomic uint64_t events_sent;
    _Atomic uint64_t statuses_sent;
    _Atomic uint64_t registrations_waiting; /* now */
    _Atomic uint64_t ledger_failures;
};

struct northbound_settings {
    const struct config *config;
    struct journal *journal;
    struct directory *directory;
    struct reactor *reactor;
    const char *ledger_path; /* NULL: in memory */
    int socket;              /* listening; stays the caller's */
    struct tls_context *tls; /* NULL: clear text */
};

/* Blocking file calls. On failure error holds a sentence. */
enum status northbound_create(const struct northbound_settings *settings,
                              struct northbound **northbound,
                              struct kernel_error *error) MUST_CHECK;

/* Takes no new calls, tells the clients, ends their streams with UNAVAILABLE, and gives calls under
 * way some seconds. */
void northbound_stop(struct northbound *northbound, void (*stopped)(void *context), void *context);

/* For numbers. */
const struct northbound_counters *northbound_counters(const struct northbound *northbound);
const struct http2_counters *northbound_http2_counters(const struct northbound *northbound);
const struct consumers *northbound_consumers(const struct northbound *northbound);
const struct plugin_host *northbound_plugins(const struct northbound *northbound);

#endif
