/* What a device needs only while somebody talks to it: the meter's state, and the answer on its
 * way out. Made when the first bytes come and thrown away when the meter is at rest, so that an
 * idle device costs little.
 *
 * Answers leave at once, or, if the options say so, in random pieces and with a keepalive between
 * two of them, apart in time as from a modem. */
#ifndef CENCD_FLEET_SESSION_H
#define CENCD_FLEET_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/fleet/meter.h"
#include "codec/modem/irz.h"
#include "server/reactor/reactor.h"

struct device;

struct session {
    struct device *device;
    struct timer pause; /* until the next piece */
    struct irz_decoder decoder;
    uint64_t taken_ms; /* when bytes for the meter came last, reactor time */
    size_t answer_size;
    size_t answer_sent;
    size_t keepalive_at; /* where in the answer; SIZE_MAX: nowhere */
    uint8_t answer[METER_MAX_ANSWER];
    union meter meter;
};

/* NULL: out of memory. */
struct session *session_create(struct device *device);
void session_destroy(struct session *session);

/* Takes what came from the server; data is changed. */
void session_take(struct session *session, uint8_t *data, size_t size);

/* True if nothing would be lost by throwing it away. */
bool session_at_rest(const struct session *session);

#endif
